//! Where output leads: a pipe that does not block, one whose reader is gone, a full disk.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::sandbox::Sandbox;

/// Tasks that write much more than a pipe holds.
const LOUD: &str = r#"
    [task.one]
    command = "seq 1 50000; echo 1 > out/one"
    inputs = []
    outputs = ["out/one"]

    [task.two]
    command = "seq 1 50000"
    inputs = []
"#;

/// What comes out of a pipe that does not block, read slowly; and the exit status.
fn through_a_pipe(command: &mut Command) -> (Option<i32>, String) {
    let (mut reader, writer) = io::pipe().unwrap();
    fcntl_setfl(&writer, fcntl_getfl(&writer).unwrap() | OFlags::NONBLOCK).unwrap();
    let other = writer.try_clone().unwrap();
    let mut child = command.stdout(OwnedFd::from(writer)).stderr(OwnedFd::from(other)).spawn().unwrap();
    // It holds the other end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut all, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        std::thread::sleep(Duration::from_micros(100));
        match reader.read(&mut piece).unwrap() {
            0 => break,
            count => all.extend_from_slice(&piece[..count]),
        }
    }
    (child.wait().unwrap().code(), String::from_utf8(all).unwrap())
}

#[test]
fn nothing_is_lost_in_a_pipe_that_does_not_block() {
    let ws = Sandbox::new(LOUD);
    let run = |arguments: &[&str]| through_a_pipe(ws.command("").args(arguments));
    let (status, lines) = run(&["build"]);
    assert_eq!(status, Some(0));
    assert_eq!(lines.matches("\n49999\n50000\n").count(), 2);
    assert!(lines.lines().last().unwrap().starts_with("2 ran in "));

    let (status, events) = run(&["build", "--json", "--logs", "all"]);
    assert_eq!(status, Some(0));
    for line in events.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let log: String = (1..=50_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(run(&["log", "two"]), (Some(0), log.clone()));
    for _ in 0..2 {
        assert_eq!(run(&["exec", "--", "seq", "50000"]), (Some(0), log.clone()), "as it runs, and when it is kept");
    }
    let twice = format!("{log}{log}");
    assert_eq!(run(&["exec", "--", "sh", "-c", "seq 50000; seq 50000 >&2"]).1.len(), twice.len());
}

/// All that print something.
const PRINTING: [&[&str]; 17] = [
    &["list"],
    &["list", "--json"],
    &["stats"],
    &["why", "one"],
    &["log", "two"],
    &["graph"],
    &["schema"],
    &["completions", "bash"],
    &["help"],
    &["help", "caching"],
    &["--help"],
    &["build", "--help"],
    &["--version"],
    &["build"],
    &["build", "-f", "--json"],
    &["report", "-o", "-"],
    &["exec", "--", "seq", "100000"],
];

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_an_error() {
    let ws = Sandbox::new(LOUD);
    ws.build([]).succeeds();
    for arguments in PRINTING {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ended = ws.command("").args(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("cannot write to standard output: no space left on device"), "{arguments:?}: {said}");
        assert_eq!(said.matches("error:").count(), 1, "{arguments:?}: {said}");
    }
    // A command's own status says more.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = ws.command("");
    command.args(["exec", "--", "sh", "-c", "echo x; exit 7"]).stdout(full);
    assert_eq!(command.stderr(Stdio::null()).status().unwrap().code(), Some(7));
}

#[test]
fn who_does_not_read_on_is_no_error() {
    let ws = Sandbox::new(LOUD);
    ws.build([]).succeeds();
    for arguments in PRINTING {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let ended =
            ws.command("").args(arguments).stdout(OwnedFd::from(writer)).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
