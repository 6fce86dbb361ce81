//! What a command leaves in the background: a task that waits for it says for whom.

#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// Exits at once, and leaves something that holds its output for four seconds.
const LEAVING: &str = "[task.leaving]\ncommand = \"sleep 4 & echo $! > pid\"\ninputs = []\n[task.quick]\ncommand = \"(sleep 1; echo late) &\"\ninputs = []\n";

#[test]
fn who_holds_the_output_of_a_command_that_has_exited_is_named() {
    let ws = Sandbox::new(LEAVING);
    let run = ws.build([]).succeeds().says(["late"]);
    let line = format!(
        "`leaving` has exited, and waits for process {} (`sleep 4`), which holds its output\n",
        ws.read("pid").trim()
    );
    assert_eq!(run.stdout.matches(&line).count(), 1, "{}", run.stdout);
    assert!(!run.stdout.contains("`quick` has exited"), "{}", run.stdout);
}

#[test]
fn programs_and_exec_are_told() {
    let ws = Sandbox::new(LEAVING);
    let events = ws.build(["--json", "leaving"]).succeeds().stdout;
    let event = events.lines().find(|line| line.contains("\"background\"")).expect("an event");
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    let process: u64 = ws.read("pid").trim().parse().unwrap();
    let expected = serde_json::json!({
        "event": "background", "task": "leaving", "processes": [{ "id": process, "command": "sleep 4" }]
    });
    assert_eq!(event, expected);
    let run = ws.percache(["exec", "--", "sh", "-c", "sleep 3 & echo out"]).succeeds();
    assert_eq!(run.stdout, "out\n");
    assert!(run.stderr.contains("the command has exited, and waits for process "), "{}", run.stderr);
}

#[test]
fn the_live_display_shows_it() {
    let ws = Sandbox::new(LEAVING);
    let mut terminal = ws.terminal(&["build", "leaving"], &[], (120, 24));
    terminal.wait_for_text("has exited; its output is held by process");
    let lines = terminal.ends();
    assert!(!lines.iter().any(|line| line.contains("is held by")), "{lines:?}");
    assert_eq!(ws.status(), 0);
}

#[test]
fn ctrl_c_ends_what_is_waited_for() {
    let ws = Sandbox::new(&LEAVING.replace("sleep 4", "setsid sleep 100"));
    let started = Instant::now();
    let mut terminal = ws.terminal(&["build", "leaving"], &[], (120, 24));
    terminal.wait_for_text("is held by process");
    terminal.types("\x03");
    terminal.ends();
    assert_eq!(ws.status(), 130);
    assert!(started.elapsed() < Duration::from_secs(20));
    ws.wait_until("it has ended", || ws.running_here().is_empty());
}
