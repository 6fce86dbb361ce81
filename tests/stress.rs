//! Many at once: builds in several worktrees of one store, maintenance and a program that memoizes functions beside them, and some of
//! them killed. After each round every worktree has the right outputs, and no result that was there before is lost.
//!
//! `PERCACHE_STRESS_ROUNDS` is the number of rounds, `PERCACHE_STRESS_SEED` repeats the random choices (not the timing).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::sandbox::{Background, Chance, Ended, Sandbox, number};

const DEFAULT_ROUNDS: u64 = 3;
const WORKTREES: u64 = 4;
/// With one task for each; ten more join them.
const FILES: u64 = 190;
const JOINS: u64 = 10;
/// A file has one of so many contents: worktrees meet.
const CONTENTS: u64 = 5;
/// Longer than this is a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// What no user is to see when percache runs many times at once.
const NEVER: [&str; 6] = ["warning", "error", "panicked", "LOCK", "Resource temporarily unavailable", "Corruption"];

struct Scene {
    ws: Sandbox,
    /// The content of each source file in each worktree.
    sources: Vec<Vec<u64>>,
    /// Actions whose results were there at the end of a round.
    stored: BTreeSet<String>,
    chance: Chance,
    counts: BTreeMap<&'static str, u64>,
}

fn worktree(number: u64) -> String {
    format!("w{number}")
}

impl Scene {
    fn new() -> Scene {
        let ws = Sandbox::empty();
        let tally = ws.outside("actions").display().to_string();
        let config = format!(
            r#"
                [cache]
                dir = "../store"

                [task.each]
                foreach = "src/*.txt"
                command = "echo {{stem}} $(cat {{file}}) >> {tally}; sed s/^/out-/ {{file}} > out/{{stem}}"
                inputs = ["{{file}}"]
                outputs = ["out/{{stem}}"]

                [task.join]
                foreach = "join/*"
                command = "echo {{name}} $(cat out/{{name}}?? | cksum) >> {tally}; cat out/{{name}}?? > joined/out/{{name}}"
                inputs = ["{{file}}", "out/{{name}}??"]
                outputs = ["joined/out/{{name}}"]

                [task.victim]
                command = "true"
                inputs = []
            "#
        );
        let mut scene = Scene {
            ws,
            sources: vec![vec![0; FILES as usize]; WORKTREES as usize],
            stored: BTreeSet::new(),
            chance: Chance::from_env("PERCACHE_STRESS_SEED"),
            counts: BTreeMap::new(),
        };
        for place in 0..WORKTREES {
            scene.ws.config_in(&worktree(place), &config);
            for join in 0..JOINS {
                scene.ws.write(&format!("{}/join/{join}", worktree(place)), "");
            }
            (0..FILES).for_each(|file| scene.write(place, file, 0));
        }
        scene
    }

    /// Task `042` is joined by `0`.
    fn stem(file: u64) -> String {
        format!("{}{:02}", file % JOINS, file / JOINS)
    }

    fn write(&mut self, place: u64, file: u64, content: u64) {
        self.sources[place as usize][file as usize] = content;
        self.ws.write(&format!("{}/src/{}.txt", worktree(place), Scene::stem(file)), format!("{content}\n"));
    }

    fn edit_some(&mut self) {
        for place in 0..WORKTREES {
            for _ in 0..self.chance.below(25) {
                let (file, content) = (self.chance.below(FILES), self.chance.below(CONTENTS));
                self.write(place, file, content);
            }
            if self.chance.one_in(4) && self.ws.exists(&format!("{}/out", worktree(place))) {
                self.ws.remove(&format!("{}/out", worktree(place)));
            }
        }
    }

    fn is_right(&self, place: u64, context: &str) {
        for (file, content) in self.sources[place as usize].iter().enumerate() {
            let path = format!("{}/out/{}", worktree(place), Scene::stem(file as u64));
            assert_eq!(self.ws.read(&path), format!("out-{content}\n"), "{path} is wrong\n{context}");
        }
        for join in 0..JOINS {
            let of_it = (0..FILES).filter(|file| file % JOINS == join);
            let expected: String =
                of_it.map(|file| format!("out-{}\n", self.sources[place as usize][file as usize])).collect();
            let path = format!("{}/joined/out/{join}", worktree(place));
            assert_eq!(self.ws.read(&path), expected, "{path} is wrong\n{context}");
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn start(&mut self, number: u64, command: &mut Command) -> Background {
        Background::start(command, self.ws.outside(&format!("output-{number}")))
    }

    /// The process of this number: its command, and in which worktree.
    fn process(&mut self, number: u64) -> (Background, bool) {
        // One worktree has one builder that nobody kills: what it says is checked at once.
        let (place, may_be_killed) = if number == 0 { (WORKTREES - 1, false) } else { (number % 3, true) };
        let mut command = self.ws.command(&worktree(place));
        match number {
            0..=4 => drop(command.arg("build")),
            5 => match self.chance.below(4) {
                0 => drop(command.arg("gc")),
                1 => drop(command.args(["clear", "victim"])),
                2 => drop(command.arg("verify")),
                _ => drop(command.args(["stats", "--json"])),
            },
            6 if self.chance.one_in(2) => drop(command.args(["gc", "--maxage", "30d"])),
            6 => drop(command.args(["build", "--force", "victim"])),
            _ => {
                command = Command::new(std::env::current_exe().expect("this program"));
                command.args(["--exact", "stress::a_program_that_memoizes", "--nocapture"]);
                command.env(MEMO, self.ws.outside("memo"));
            }
        }
        let name = match number {
            0..=4 => "builds",
            5 | 6 => "maintenance",
            _ => "programs",
        };
        self.count(name);
        (self.start(number, &mut command), may_be_killed)
    }

    fn round(&mut self) {
        self.edit_some();
        let mut processes = Vec::new();
        for number in 0..8 {
            let (process, may_be_killed) = self.process(number);
            let killed = may_be_killed && self.chance.one_in(3);
            processes.push((number, process, killed.then(|| Duration::from_millis(self.chance.below(400)))));
        }
        processes.sort_by_key(|(_, _, killed)| *killed);
        let start = std::time::Instant::now();
        let mut kills = 0;
        for (_, process, killed) in &mut processes {
            if let Some(after) = *killed {
                std::thread::sleep(after.saturating_sub(start.elapsed()));
                if process.is_running() {
                    process.kill();
                    kills += 1;
                    self.count("kills");
                }
            }
        }
        for (number, process, killed) in processes {
            let ended = process.finish(PATIENCE);
            check(&ended, killed.is_some());
            if number == 0 {
                // Nobody else builds there: it is right now, not only when all is over.
                self.is_right(WORKTREES - 1, &ended.output);
            }
        }
        self.settle(kills);
    }

    /// After the storm: every worktree is built once more, alone. What ran in this round ran because it had to.
    fn settle(&mut self, kills: usize) {
        for place in 0..WORKTREES {
            let run = self.ws.run(self.ws.command(&worktree(place)).arg("build")).succeeds();
            NEVER.iter().for_each(|text| assert!(!run.output().contains(text), "{}", run.output()));
            self.is_right(place, &run.output());
        }
        self.check_tally(kills);
    }

    fn check_tally(&mut self, kills: usize) {
        let tally = self.ws.outside("actions");
        let text = fs::read_to_string(&tally).unwrap_or_default();
        fs::write(&tally, "").expect("writing the tally");
        let mut ran: BTreeMap<&str, usize> = BTreeMap::new();
        text.lines().for_each(|line| *ran.entry(line).or_default() += 1);
        for (action, times) in ran {
            assert!(!self.stored.contains(action), "the result of `{action}` was lost");
            assert!(times <= 1 + kills, "`{action}` ran {times} times although only {kills} processes were killed");
            self.stored.insert(action.to_owned());
            self.count("actions");
        }
    }
}

/// Whoever was not killed did what it should, without a word about locks or damage.
fn check(ended: &Ended, killed: bool) {
    if killed && ended.status.is_none() {
        return;
    }
    assert_eq!(ended.status, Some(0), "`{}` failed:\n{}", ended.name, ended.output);
    for text in NEVER {
        assert!(!ended.output.contains(text), "`{}` says `{text}`:\n{}", ended.name, ended.output);
    }
}

const MEMO: &str = "PERCACHE_STRESS_MEMO";

/// Not a test of its own: what [`Scene::process`] starts.
#[test]
fn a_program_that_memoizes() {
    let Some(dir) = std::env::var_os(MEMO) else { return };
    let cache = percache::Cache::open(dir).unwrap();
    let square = cache.wrap("square", |n: u64| n * n);
    for n in 0..500 {
        assert_eq!(square.call(n), n * n);
        if n % 200 == 0 {
            cache.sync().unwrap();
        }
    }
}

#[test]
fn many_at_once_and_some_killed_lose_nothing() {
    let rounds = number("PERCACHE_STRESS_ROUNDS").unwrap_or(DEFAULT_ROUNDS);
    let mut scene = Scene::new();
    scene.settle(0);
    for _ in 0..rounds {
        scene.round();
    }
    // Every result is still there and whole, and nothing hides that it is not.
    scene.ws.run(scene.ws.command("w0").arg("verify")).succeeds();
    for place in 0..WORKTREES {
        scene.ws.remove(&format!("{}/out", worktree(place)));
        scene.ws.run(scene.ws.command(&worktree(place)).arg("build")).succeeds();
        scene.is_right(place, "");
    }
    scene.check_tally(0);
    println!("{rounds} rounds: {:?}", scene.counts);
}
