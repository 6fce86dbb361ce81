//! Servers on the live display: a row for each, and their lines above.

use super::{WIDE, count, count_lines, is_clean};
use crate::sandbox::Sandbox;

/// `site` is ready when there is a file `up`; `test` runs until there is a file `go`.
const SERVER: &str = r#"
    [task.site]
    command = "echo starting; while [ ! -e up ]; do sleep 0.02; done; echo here; exec sleep 100"
    inputs = []
    persistent = true
    ready = { command = "test -e up" }

    [task.test]
    command = "@ran(test); echo testing; while [ ! -e go ]; do sleep 0.02; done"
    inputs = []
    deps = ["site"]
"#;

#[test]
fn a_server_has_a_row_and_its_lines_stay_above() {
    let ws = Sandbox::new(SERVER);
    let mut terminal = ws.terminal(&["build"], &[], WIDE);
    let is_row = |line: &String, end: &str| line.starts_with("  site  ") && line.ends_with(end);
    terminal.wait_for("it starts", |lines| lines.iter().any(|line| is_row(line, "starting")));
    ws.write("up", "");
    let lines = terminal.wait_for("it is ready", |lines| {
        lines.iter().any(|line| is_row(line, "ready")) && lines.iter().any(|line| line.ends_with("testing"))
    });
    assert_eq!(count_lines(&lines, "site | here"), 1, "{lines:#?}");
    ws.write("go", "");
    let lines = terminal.ends();
    is_clean(&lines);
    assert_eq!(count(&lines, "stopped    site ("), 1, "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("1 ran in "), "{lines:#?}");
}

#[test]
fn servers_in_the_foreground_leave_the_terminal_to_their_lines() {
    let ws = Sandbox::new(SERVER);
    ws.write("up", "");
    let mut terminal = ws.terminal(&["build", "site"], &[], WIDE);
    let lines = terminal.wait_for_text("serving site, until Ctrl-C");
    is_clean(&lines);
    terminal.types("\x03");
    let lines = terminal.ends();
    is_clean(&lines);
    assert_eq!(count(&lines, "stopped    site ("), 1, "{lines:#?}");
    assert_eq!(ws.status(), 130);
    ws.wait_for_orphans();
}
