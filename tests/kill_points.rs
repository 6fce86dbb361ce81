//! Killed: SIGKILL at every millisecond of a build, of a restore, of gc and of a repair. Whenever it comes, what was stored before is
//! there, the store is whole, and the next build is right.
//!
//! By default some ten times in the time that a run takes here; `PERCACHE_KILL_STEP` (in microseconds; 1000 for a thorough run) says how
//! far apart the kills are.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, number};

/// Kills in the time of one run, by default.
const DEFAULT_KILLS: u32 = 10;
/// Rounds of one length of time do not end because one of them was quick.
const AFTER_THE_END: usize = 3;

const CONFIG: &str = r#"
    [task.copy]
    foreach = "src/*"
    command = "@ran({name}); cat {file} {file} > out/{name}"
    inputs = ["{file}"]
    outputs = ["out/{name}"]

    [task.tree]
    command = "@ran(tree); mkdir -p out/tree.dir/empty; cat out/a out/b > out/tree.dir/ab; ln -s ab out/tree.dir/link"
    deps = ["copy"]
    inputs = []
    outputs = ["out/tree.dir/"]

    [task.noise]
    command = "@ran(noise); head -c 2500000 noise | tr '\\000-\\377' $(cat src/a | tr -dc 0-9)'\\001-\\377' > out/noise"
    inputs = ["noise", "src/a"]
    outputs = ["out/noise"]
"#;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A workspace with results for versions 1 and 2 of its sources; version 2 lies there.
fn built() -> Sandbox {
    let ws = Sandbox::new(CONFIG);
    let noise: Vec<u8> = (0..2_500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    ws.write("noise", noise);
    for version in [1, 2] {
        become_version(&ws, version);
        ws.build([]).succeeds();
    }
    ws.newly_tallied();
    ws
}

fn become_version(ws: &Sandbox, version: u64) {
    NAMES.iter().for_each(|name| ws.write(&format!("src/{name}"), format!("{version}{name}\n")));
}

fn is_right(ws: &Sandbox, version: u64) {
    for name in NAMES {
        assert_eq!(ws.read(&format!("out/{name}")), format!("{version}{name}\n").repeat(2));
    }
    assert_eq!(ws.read("out/tree.dir/ab"), format!("{version}a\n{version}a\n{version}b\n{version}b\n"));
    assert_eq!(std::fs::metadata(ws.path("out/noise")).unwrap().len(), 2_500_000);
}

/// Kills `arguments` after ever longer times, until it ends before its time comes. `before` is done before each, `after` after each
/// kill, with its number. How many kills there were.
fn at_every_moment(
    ws: &Sandbox,
    arguments: &[&str],
    before: &dyn Fn(&Sandbox, u64),
    after: &dyn Fn(&Sandbox, u64),
) -> u64 {
    // The first run comes to its end, and tells how long that takes on this machine now.
    before(ws, 0);
    let start = Instant::now();
    ws.run(ws.command("").args(arguments)).succeeds();
    let usual = start.elapsed();
    after(ws, 0);
    let step = number("PERCACHE_KILL_STEP").map_or(usual / DEFAULT_KILLS, Duration::from_micros);
    // What each round adds to the store may make the next one take longer.
    let most = number("PERCACHE_KILL_STEP").map_or(u64::from(DEFAULT_KILLS) * 2, |_| u64::MAX);
    let (mut kills, mut ended) = (0, 0);
    for round in 1..=most {
        before(ws, round);
        let mut command = ws.command("");
        let start = Instant::now();
        let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let due = step * round as u32;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        ws.wait_for_orphans();
        ws.newly_tallied();
        after(ws, round);
        if running {
            (kills, ended) = (kills + 1, 0);
        } else {
            ended += 1;
        }
        if ended == AFTER_THE_END {
            break;
        }
    }
    println!("{}: {kills} kills, {} ms apart", arguments.join(" "), step.as_secs_f64() * 1000.0);
    kills
}

/// Whatever is visible in the store is whole, and the results of versions 1 and 2 are there.
fn nothing_is_lost(ws: &Sandbox) {
    ws.percache(["verify"]).succeeds();
    for version in [1, 2] {
        become_version(ws, version);
        ws.build([]).ran([]).does_not_say("warning");
        is_right(ws, version);
    }
}

#[test]
fn a_build_killed_at_every_moment() {
    let ws = built();
    let edit = |ws: &Sandbox, round| become_version(ws, 10 + round);
    let check = |ws: &Sandbox, round| {
        ws.percache(["verify"]).succeeds();
        let run = ws.build([]).succeeds().does_not_say("warning");
        is_right(ws, 10 + round);
        assert!(run.commands.len() <= 7, "{:?}", run.commands);
        nothing_is_lost(ws);
    };
    assert!(at_every_moment(&ws, &["build"], &edit, &check) > 0);
}

#[test]
fn a_restore_killed_at_every_moment() {
    let ws = built();
    let forget = |ws: &Sandbox, round| {
        become_version(ws, 1 + round % 2);
        if round % 3 > 0 {
            ws.remove("out");
        }
    };
    let check = |ws: &Sandbox, round| {
        // What was restored when the kill came is percache's own, and nothing else is left.
        ws.build([]).ran([]).does_not_say("warning");
        is_right(ws, 1 + round % 2);
        let files = ws.shell("find .percache/worktrees/*/staging -type f | wc -l");
        assert_eq!(files.trim(), "0", "files are left on their way into the tree");
        ws.same_as_clean();
    };
    assert!(at_every_moment(&ws, &["build"], &forget, &check) > 0);
    nothing_is_lost(&ws);
}

#[test]
fn gc_and_repair_killed_at_every_moment() {
    for arguments in [&["gc"][..], &["clear", "noise"], &["verify", "--repair"]] {
        let ws = built();
        let garbage = |ws: &Sandbox, round| {
            become_version(ws, 100 + round);
            ws.build(["--force", "noise"]).succeeds();
            become_version(ws, 2);
        };
        let check = |ws: &Sandbox, _| {
            ws.percache(["verify"]).succeeds();
            become_version(ws, 2);
            let run = ws.build([]).succeeds().does_not_say("warning");
            is_right(ws, 2);
            assert!(run.commands.iter().all(|name| name == "noise" && arguments[0] == "clear"), "{:?}", run.commands);
        };
        assert!(at_every_moment(&ws, arguments, &garbage, &check) > 0);
    }
}
