//! Timeouts, Ctrl-C and other signals: commands end with their whole process group, and what was done before is kept.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::sandbox::{Run, Sandbox};

/// A task that starts a grandchild, leaves both process ids in `pids`, and would take long.
const SLEEPER: &str = r#"
    [task.before]
    command = "@ran(before); echo 1 > out/before"
    inputs = []
    outputs = ["out/before"]

    [task.sleeper]
    command = "@ran(sleeper); sleep 100 & echo $! > pids; echo $$ >> pids; echo started; wait"
    inputs = []
    deps = ["before"]
"#;

/// The processes that the sleeper started.
fn pids(ws: &Sandbox) -> Vec<Pid> {
    let text = ws.read("pids");
    text.lines().map(|line| Pid::from_raw(line.parse().unwrap()).unwrap()).collect()
}

fn all_gone(ws: &Sandbox) {
    for pid in pids(ws) {
        ws.wait_until("the group is gone", || test_kill_process(pid).is_err());
    }
}

fn start(ws: &Sandbox) -> (Command, Child) {
    let mut command = ws.command("");
    command.arg("build").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("starting percache");
    ws.wait_until("the sleeper sleeps", || ws.exists("pids") && ws.read("pids").lines().count() == 2);
    (command, child)
}

fn signalled(ws: &Sandbox, signal: Signal) -> Run {
    let (command, child) = start(ws);
    kill_process(Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    Run::new(&command, output, ws.newly_tallied())
}

#[test]
fn a_timeout_is_a_failure_and_ends_the_whole_group() {
    let ws = Sandbox::new(&format!("{SLEEPER}\ntimeout = \"1s\""));
    let start = Instant::now();
    ws.build([]).fails().reported(["before", "sleeper"]).says(["started", "sleeper"]);
    assert!(start.elapsed() < Duration::from_secs(5));
    all_gone(&ws);
}

#[test]
fn a_task_that_was_stopped_has_not_failed() {
    let ws = Sandbox::new(SLEEPER);
    signalled(&ws, Signal::INT)
        .exits(130)
        .says(["stopped    sleeper", "interrupted: 1 stopped, 1 ran in"])
        .does_not_say("failed");
    ws.percache(["list", "sleeper"]).says(["stopped"]).does_not_say("failed");
    ws.percache(["why", "sleeper"]).says(["its last run was stopped"]).does_not_say("failed");
    ws.percache(["log", "sleeper"]).succeeds().says(["was stopped", "started"]).does_not_say("failed");
}

#[test]
fn a_tool_that_was_stopped_has_not_failed_either() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = \"@ran(t)\"\ninputs = []\ntools = [\"echo $$ > pids; echo $$ >> pids; sleep 100\"]",
    );
    signalled(&ws, Signal::INT).exits(130).reported([]).says(["interrupted: 1 stopped in"]).does_not_say("failed");
    ws.percache(["list"]).says(["t  stopped"]);
}

#[test]
fn ctrl_c_ends_the_commands_and_the_status_is_130() {
    let ws = Sandbox::new(SLEEPER);
    signalled(&ws, Signal::INT).exits(130);
    all_gone(&ws);
    // What was finished before is kept.
    ws.edit_config("sleep 100 &", "sleep 0 &");
    ws.build([]).ran(["sleeper"]).up_to_date(1);
}

#[test]
fn a_polite_end_is_an_interruption_too() {
    let ws = Sandbox::new(SLEEPER);
    let status = signalled(&ws, Signal::TERM).status;
    assert!([130, 143].contains(&status), "{status}");
    all_gone(&ws);
}

#[test]
fn a_command_that_ignores_the_polite_signal_is_killed_after_the_grace() {
    let ws = Sandbox::new(
        r#"
            [task.stubborn]
            command = "trap '' TERM; echo $$ > pids; echo $$ >> pids; while :; do sleep 0.1; done"
            inputs = []
            timeout = "1s"
        "#,
    );
    let start = Instant::now();
    ws.build([]).fails();
    assert!((Duration::from_secs(5)..Duration::from_secs(12)).contains(&start.elapsed()), "{:?}", start.elapsed());
    all_gone(&ws);
}

#[test]
fn an_interrupted_command_is_not_stored() {
    let ws = Sandbox::new(
        r#"
            [task.forgiving]
            command = "trap 'exit 0' TERM INT; echo 1 > out/x; echo $$ > pids; echo $$ >> pids; @ran(forgiving); sleep 100 & wait"
            inputs = []
            outputs = ["out/x"]
        "#,
    );
    signalled(&ws, Signal::INT).exits(130);
    let mut command = ws.command("");
    let run = ws.run(command.args(["build", "--dry-run"])).succeeds();
    assert_eq!(run.commands, Vec::<String>::new());
    assert!(!run.output().contains("up to date in"), "{}", run.output());
    ws.edit_config("sleep 100 & wait", "true");
    ws.build([]).ran(["forgiving"]);
}

/// Children that have left the process group, each in another way.
#[cfg(target_os = "linux")]
const ESCAPING: &str = r#"
    [task.escaping]
    command = """
    (setsid sh -c 'echo $$ >> out/pids; exec sleep 100' &)
    (setsid sh -c 'exec > /dev/null 2>&1; echo $$ >> out/pids; exec sleep 100' &)
    setsid env -i sh -c 'exec > /dev/null 2>&1; echo $$ >> out/pids; exec sleep 100' &
    setsid sh -c 'trap "" TERM; echo $$ >> out/pids; while :; do sleep 0.1; done' &
    exec sleep 100
    """
    inputs = []
    outputs = ["out/pids"]
"#;

#[cfg(target_os = "linux")]
#[test]
fn children_in_other_sessions_do_not_outlive_a_stop_or_a_timeout() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let ws = Sandbox::new(ESCAPING);
        let child = ws.command("").arg("build").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        ws.wait_until("all run", || ws.exists("out/pids") && ws.read("out/pids").lines().count() == 4);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut child = child;
        assert_eq!(child.wait().unwrap().code(), Some(130));
        ws.wait_until("all have ended", || ws.running_here().is_empty());
    }
    let ws = Sandbox::new(&format!("{ESCAPING}timeout = \"1s\"\n"));
    ws.build([]).fails().says(["ended after its timeout"]);
    ws.wait_until("all have ended", || ws.running_here().is_empty());
}
