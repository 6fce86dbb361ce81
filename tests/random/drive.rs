//! Plays a history with the real binary and compares each build with the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use super::model::{Build, Edit, History, Project, Tamper, source};
use super::oracle::{End, Unit};
use crate::sandbox::{Run, Sandbox, Tree, snapshot};

/// What is younger than the file system's clock can tell is looked at again in any case; this much older, its stamp stands for it.
const PAUSE: Duration = Duration::from_millis(25);

/// Where outputs are moved to. Ignored, like all that is foreign.
const AWAY: &str = "foreign-moved";

/// Whether the store holds the result of a key. After a kill that is not known.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Surely,
    Maybe,
}

struct Player {
    ws: Sandbox,
    project: Project,
    /// As it was last written.
    config: String,
    earlier: Vec<Project>,
    results: BTreeMap<String, Known>,
    foreign: BTreeSet<String>,
    /// The last build was of everything and succeeded, and nothing happened since.
    settled: bool,
}

pub fn play(history: &History, builds: &AtomicUsize) -> TestCaseResult {
    let ws = Sandbox::empty();
    // Not ignored, both would be inputs of a task that declares none.
    ws.write(".gitignore", "dep/\nforeign*\n");
    let (project, earlier, results) = (Project::default(), Vec::new(), BTreeMap::new());
    let config = String::new();
    for directory in ["pool/one", "well/two"] {
        std::fs::create_dir_all(ws.path(directory)).expect("creating a directory");
    }
    let mut player = Player { ws, project, config, earlier, results, foreign: BTreeSet::new(), settled: false };
    player.become_project(Project::new(history));
    for (number, round) in history.rounds.iter().enumerate() {
        builds.fetch_add(if matches!(round.build, Build::Repeated) { 3 } else { 1 }, Ordering::Relaxed);
        if round.pause {
            std::thread::sleep(PAUSE);
        }
        let tampered = matches!(round.build, Build::Tampered { .. });
        round.edits.iter().filter(|_| !tampered).for_each(|edit| player.edit(edit));
        player.build(&round.build).map_err(|error| match error {
            TestCaseError::Fail(why) => {
                TestCaseError::fail(format!("in round {number}: {why}\n{}", player.ws.read("percache.toml")))
            }
            reject => reject,
        })?;
        player.earlier.push(player.project.clone());
    }
    Ok(())
}

impl Player {
    fn edit(&mut self, edit: &Edit) {
        self.settled = false;
        match edit {
            Edit::Rename { from, to } if self.project.sources.contains_key(source(*from)) => {
                let to = self.ws.path(source(*to));
                std::fs::create_dir_all(to.parent().expect("a directory above")).expect("creating a directory");
                std::fs::rename(self.ws.path(source(*from)), to).expect("renaming a source");
                self.project.edit(edit, &[]);
                self.write_config();
            }
            Edit::Touch { source: name } if self.project.sources.contains_key(source(*name)) => {
                self.ws.touch(source(*name))
            }
            Edit::DeleteAllOutputs if self.ws.exists("out") => {
                self.ws.remove("out");
                self.foreign.clear();
            }
            Edit::DeleteOutput { output } => {
                if let Some(path) = self.some_output(*output) {
                    self.ws.remove(&path);
                }
            }
            Edit::Foreign { number } => {
                let path = format!("out/foreign{number}");
                self.ws.write(&path, "mine");
                self.foreign.insert(path);
            }
            _ => {
                let mut project = self.project.clone();
                project.edit(edit, &self.earlier);
                self.become_project(project);
            }
        }
    }

    fn some_output(&self, number: u8) -> Option<String> {
        let outputs: Vec<String> = self.ws.outputs().into_keys().filter(|path| !self.foreign.contains(path)).collect();
        outputs.get(usize::from(number) % outputs.len().max(1)).cloned()
    }

    /// Writes what differs, as a switch of branches does.
    fn become_project(&mut self, project: Project) {
        for path in self.project.sources.keys().filter(|path| !project.sources.contains_key(*path)) {
            self.ws.remove(path);
        }
        for (path, text) in project.sources.iter().filter(|(path, text)| self.project.sources.get(*path) != Some(*text))
        {
            self.ws.write(path, text);
        }
        let before = if self.config.is_empty() { BTreeMap::new() } else { self.project.links() };
        for (path, target) in project.links().into_iter().filter(|(path, target)| before.get(path) != Some(target)) {
            if self.ws.exists(path) {
                self.ws.remove(path);
            }
            self.ws.symlink(target, path);
        }
        self.project = project;
        self.write_config();
    }

    fn write_config(&mut self) {
        // Rewritten, it would have every task judged anew.
        let text = self.project.config();
        if self.config != text {
            self.ws.config(&text);
            self.config = text;
        }
    }

    fn build(&mut self, build: &Build) -> TestCaseResult {
        let units = self.project.units();
        let all: BTreeSet<usize> = (0..units.len()).collect();
        match build {
            Build::Full => self.build_and_check(&units, &all, None),
            Build::Repeated => (0..3).try_for_each(|_| {
                std::thread::sleep(PAUSE);
                self.build_and_check(&units, &all, None)
            }),
            Build::Named { slot } => match self.project.some_slot(*slot) {
                Some(slot) => self.build_and_check(&units, &closure(&units, slot), Some(self.project.name(slot))),
                None => self.build_and_check(&units, &all, None),
            },
            Build::Killed { after } => self.build_and_kill(&units, Duration::from_millis(u64::from(*after))),
            Build::Tampered { output, how } => {
                if self.settled {
                    self.tamper(*output, *how);
                }
                let before = self.moved_away();
                self.build_and_check(&units, &all, None)?;
                prop_assert_eq!(self.moved_away(), before, "what a symlink led to has changed (left)");
                Ok(())
            }
        }
    }

    fn tamper(&self, output: u8, how: Tamper) {
        let Some(path) = self.some_output(output) else { return };
        let is_file = self.ws.path(&path).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        match how {
            Tamper::MakeExecutable if is_file => self.ws.set_mode(&path, 0o755),
            Tamper::Overwrite if is_file => self.ws.write(&path, "spoilt"),
            Tamper::MoveAway => self.move_away(&path, output.is_multiple_of(2)),
            Tamper::BecomeDirectory => {
                self.ws.remove(&path);
                std::fs::create_dir(self.ws.path(&path)).expect("creating a directory");
            }
            _ => {
                self.ws.remove(&path);
                self.ws.symlink("nowhere", &path);
            }
        }
    }

    fn move_away(&self, path: &str, loses_something: bool) {
        if self.ws.exists(AWAY) {
            self.ws.remove(AWAY);
        }
        let it = format!("{AWAY}/it.dir");
        std::fs::create_dir(self.ws.path(AWAY)).expect("creating a directory");
        self.ws.rename(path, &it);
        let inside = std::fs::read_dir(self.ws.path(&it)).into_iter().flatten().flatten();
        if let Some(least) = inside.map(|entry| entry.file_name()).min().filter(|_| loses_something) {
            self.ws.remove(&format!("{it}/{}", least.to_str().expect("a name in UTF-8")));
        }
        self.ws.symlink(&format!("{}{it}", "../".repeat(path.matches('/').count())), path);
    }

    fn moved_away(&self) -> Option<Tree> {
        self.ws.exists(AWAY).then(|| snapshot(&self.ws.path(AWAY)))
    }

    fn build_and_kill(&mut self, units: &[Unit], after: Duration) -> TestCaseResult {
        self.settled = false;
        let mut command = self.ws.command("");
        command.args(["build", "-k"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starting percache");
        std::thread::sleep(after);
        child.kill().expect("killing percache");
        child.wait().expect("waiting for percache");
        self.ws.wait_for_orphans();
        let ran = self.ws.newly_tallied();
        for unit in units.iter().filter(|unit| ran.contains(&unit.label) && matches!(unit.end, End::Succeeds(_))) {
            self.results.entry(unit.key.clone()).or_insert(Known::Maybe);
        }
        Ok(())
    }

    fn build_and_check(&mut self, units: &[Unit], wanted: &BTreeSet<usize>, name: Option<String>) -> TestCaseResult {
        let mut command = self.ws.command("");
        command.args(["build", "-k"]).args(&name);
        let run = self.ws.run(&mut command);
        let wanted_units: Vec<&Unit> = wanted.iter().map(|index| &units[*index]).collect();
        let succeeds = wanted_units.iter().all(|unit| matches!(unit.end, End::Succeeds(_)));
        prop_assert_eq!(run.status, i32::from(!succeeds), "{}", run.output());
        self.check_minimal(&wanted_units, &run)?;
        self.check_outputs(&wanted_units, &run, succeeds && name.is_none())?;
        for unit in wanted_units.iter().filter(|unit| matches!(unit.end, End::Succeeds(_))) {
            self.results.insert(unit.key.clone(), Known::Surely);
        }
        self.settled = succeeds && name.is_none();
        Ok(())
    }

    /// A command ran if and only if its result was not known, or it fails.
    fn check_minimal(&self, units: &[&Unit], run: &Run) -> TestCaseResult {
        let mut expected = BTreeSet::new();
        let mut possible = BTreeSet::new();
        for unit in units.iter().filter(|unit| unit.end != End::Skipped) {
            match self.results.get(&unit.key) {
                Some(Known::Surely) => {}
                Some(Known::Maybe) => drop(possible.insert(unit.label.clone())),
                None => drop(expected.insert(unit.label.clone())),
            }
        }
        let ran: BTreeSet<String> = run.commands.iter().cloned().collect();
        prop_assert_eq!(ran.len(), run.commands.len(), "a command ran twice: {:?}", run.commands);
        let wrong: Vec<&String> =
            ran.iter().filter(|label| !expected.contains(*label) && !possible.contains(*label)).collect();
        prop_assert!(wrong.is_empty(), "ran without need: {:?}\n{}", wrong, run.output());
        let missed: Vec<&String> = expected.difference(&ran).collect();
        prop_assert!(missed.is_empty(), "did not run: {:?}\n{}", missed, run.output());
        Ok(())
    }

    fn check_outputs(&self, units: &[&Unit], run: &Run, nothing_else: bool) -> TestCaseResult {
        let actual = self.ws.outputs();
        for path in &self.foreign {
            prop_assert!(actual.contains_key(path), "a foreign file is gone: {}\n{}", path, run.output());
        }
        let made =
            units.iter().filter_map(|unit| if let End::Succeeds(made) = &unit.end { Some(made.clone()) } else { None });
        let expected: Tree = made.flatten().collect();
        let counts = |path: &String| !self.foreign.contains(path) && (nothing_else || expected.contains_key(path));
        let actual: Tree = actual.into_iter().filter(|(path, _)| counts(path)).collect();
        prop_assert_eq!(
            actual,
            expected,
            "the outputs (left) are not those of a clean build (right)\n{}",
            run.output()
        );
        Ok(())
    }
}

/// A task's units and what they need.
fn closure(units: &[Unit], slot: u8) -> BTreeSet<usize> {
    let mut closure: BTreeSet<usize> = (0..units.len()).filter(|index| units[*index].slot == slot).collect();
    for index in (0..units.len()).rev() {
        if closure.contains(&index) {
            closure.extend(&units[index].needs);
        }
    }
    closure
}
