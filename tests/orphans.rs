//! Safe under kill, for the tree as well: what a killed percache has left running is ended before the next build looks at what it writes.

#![cfg(target_os = "linux")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::sandbox::{Chance, Sandbox, number};

/// Runs until somebody makes `go`, and then writes what is wrong.
const LATE: &str = "echo half > out/a; echo $$ >> pids; while [ ! -e go ]; do sleep 0.01; done; echo wrong > out/a";

fn config(command: &str) -> String {
    format!(
        "[task.a]\ncommand = {command}\ninputs = []\noutputs = [\"out/a\"]\n[task.other]\ncommand = \"true\"\ninputs = []\n"
    )
}

fn shell(script: &str) -> String {
    format!("'''{script}'''")
}

/// Starts percache and kills it as soon as its command runs.
fn start_and_kill(ws: &Sandbox, arguments: &[&str]) {
    let mut child = spawn(ws, arguments);
    ws.wait_until("the command runs", || ws.exists("pids") && ws.read("pids").ends_with('\n'));
    // Until then it is noted who the command is. A kill before is for another test, whose commands hold their output.
    std::thread::sleep(Duration::from_millis(50));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!running(ws).is_empty(), "the command has ended by itself");
}

fn spawn(ws: &Sandbox, arguments: &[&str]) -> Child {
    ws.command("").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn running(ws: &Sandbox) -> Vec<Pid> {
    let pids = ws.read("pids");
    let pids = pids.lines().map(|line| Pid::from_raw(line.parse().unwrap()).unwrap());
    pids.filter(|pid| test_kill_process(*pid).is_ok()).collect()
}

/// Nothing that was left behind writes any more: neither what is in the tree nor what is stored.
fn stays_right(ws: &Sandbox) {
    ws.wait_until("who was killed is gone", || running(ws).is_empty());
    ws.write("go", "");
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(ws.read("out/a"), "right\n");
    ws.build([]).succeeds().up_to_date(2);
    ws.remove("out/a");
    ws.build([]).succeeds().restored(1);
    assert_eq!(ws.read("out/a"), "right\n");
}

#[test]
fn commands_of_a_killed_build_are_ended_before_the_next_one() {
    let scripts = [
        ("in the foreground", shell(LATE)),
        ("an array", format!(r#"["sh", "-c", '{LATE}']"#)),
        ("with a child that has its output", shell(&format!("({LATE}) & wait"))),
        ("a child whose parent is gone", shell(&format!("sh -c '{LATE}' &"))),
        ("a child in a session of its own", shell(&format!("setsid sh -c '{LATE}' & wait"))),
        ("a session and an output of its own", shell(&format!("setsid sh -c 'exec > log 2>&1; {LATE}' & wait"))),
        ("the same, and its parent is gone", shell(&format!("(setsid sh -c 'exec > log 2>&1; {LATE}' &); sleep 100"))),
        ("with all that it writes led elsewhere", shell(&format!("exec > log 2>&1; {LATE}"))),
        ("one that ignores signals", shell(&format!("trap '' TERM INT HUP; {LATE}"))),
    ];
    for (how, command) in scripts {
        println!("{how}");
        let ws = Sandbox::new(&config(&command));
        start_and_kill(&ws, &["build"]);
        ws.config(&config("'echo right > out/a'"));
        ws.build([]).succeeds().says(["ended", "that a killed build had left running"]);
        stays_right(&ws);
    }
}

/// A build of other tasks ends them, too: they may write to anything.
#[test]
fn a_build_of_something_else_ends_them_and_one_that_only_looks_does_not() {
    let ws = Sandbox::new(&config(&shell(LATE)));
    start_and_kill(&ws, &["build"]);
    ws.build(["-n"]).succeeds();
    for command in ["list", "stats", "verify"] {
        ws.percache([command]).succeeds();
    }
    assert_eq!(running(&ws).len(), 1, "what looks runs nothing and ends nothing");
    ws.build(["other"]).succeeds().says(["left running"]);
    ws.config(&config("'echo right > out/a'"));
    ws.build([]).succeeds().does_not_say("left running");
    stays_right(&ws);
}

#[test]
fn a_killed_exec_is_ended_by_its_like() {
    let ws = Sandbox::empty();
    ws.write("out/a", "");
    let arguments = ["exec", "-i", "none", "-o", "out/a", "--", "sh", "run"];
    ws.write("run", LATE);
    start_and_kill(&ws, &arguments);
    ws.write("run", "echo right > out/a");
    ws.percache(arguments).succeeds();
    ws.wait_until("who was killed is gone", || running(&ws).is_empty());
    ws.write("go", "");
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(ws.read("out/a"), "right\n");
}

/// What a finished command has left on purpose, in a session and with an output of its own, is no command of the killed build.
#[test]
fn a_daemon_is_left_alone() {
    let daemon = "setsid sh -c 'echo $$ > daemon; exec sleep 100' < /dev/null > /dev/null 2>&1 &";
    let first = format!("[task.first]\ncommand = '''{daemon}'''\ninputs = []\noutputs = []\n");
    let late = config(&shell(LATE)).replace("inputs = []\noutputs", "deps = [\"first\"]\ninputs = []\noutputs");
    let ws = Sandbox::new(&(first.clone() + &late));
    start_and_kill(&ws, &["build"]);
    ws.config(&(first + &config("'echo right > out/a'")));
    ws.build(["a"]).succeeds().says(["left running"]);
    ws.wait_until("who was killed is gone", || running(&ws).is_empty());
    let daemon = Pid::from_raw(ws.read("daemon").trim().parse().unwrap()).unwrap();
    assert!(test_kill_process(daemon).is_ok(), "the daemon was killed");
    kill_process(daemon, Signal::KILL).unwrap();
}

/// Whenever the kill comes, also between the start of a command and the note of who it is.
#[test]
fn whenever_the_kill_comes_nothing_is_left_running() {
    let mut config = "[task.other]\ncommand = \"true\"\ninputs = []\n".to_owned();
    for i in 0..12 {
        config += &format!("[task.t{i}]\ncommand = \"sleep 30; true\"\ninputs = []\noutputs = [\"out/*-{i}\"]\n");
    }
    let ws = Sandbox::new(&config);
    let mut chance = Chance::new(number("PERCACHE_ORPHANS_SEED").unwrap_or(1));
    let mut found = 0;
    for _ in 0..number("PERCACHE_ORPHANS_ROUNDS").unwrap_or(25) {
        let mut child = spawn(&ws, &["build", "-k", "-j", "12"]);
        std::thread::sleep(Duration::from_micros(chance.below(40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = ws.build(["other"]).succeeds();
        found += usize::from(run.output().contains("left running"));
        let left = ws.running_here();
        assert!(left.is_empty(), "{left:?} still run\n{}", run.output());
    }
    assert!(found > 0, "no kill came while a command ran");
}

#[test]
fn the_next_build_says_so_once() {
    let ws = Sandbox::new(&config(&shell(LATE)));
    start_and_kill(&ws, &["build"]);
    ws.config(&config("'echo right > out/a'"));
    let mut command: Command = ws.command("");
    let run = ws.run(command.args(["build", "--json"]));
    assert_eq!(run.output().matches("left running").count(), 1, "{}", run.output());
}
