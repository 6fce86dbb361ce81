//! `exec`: one command without a `percache.toml`; what it wrote comes back.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use crate::sandbox::{Run, Sandbox, Terminal};

/// A directory without a configuration.
fn place() -> Sandbox {
    Sandbox::empty()
}

/// `percache exec OPTIONS -- sh -c SCRIPT`, where the script also reports that it ran.
fn exec<const N: usize>(ws: &Sandbox, options: [&str; N], script: &str) -> Run {
    exec_in(ws, "", options, script)
}

fn exec_in<const N: usize>(ws: &Sandbox, directory: &str, options: [&str; N], script: &str) -> Run {
    let script = format!("echo ran >> {}; {script}", ws.outside("tally").display());
    ws.run(ws.command(directory).arg("exec").args(options).args(["--", "sh", "-c", &script]))
}

fn wrote(run: Run, stdout: &str) {
    assert_eq!(run.stdout, stdout);
    assert_eq!(run.stderr, "");
}

#[test]
fn the_same_command_runs_once_and_what_it_wrote_comes_back_byte_by_byte() {
    let ws = place();
    let script = r"printf 'a\0\377\033[1mb'; echo err >&2; printf no-newline; printf also >&2";
    for expected in [&["ran"][..], &[]] {
        let run = exec(&ws, [], script).succeeds();
        assert_eq!(run.commands, expected);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("a\0\u{fffd}\x1b[1mbno-newline", "err\nalso"));
    }
    exec(&ws, [], "echo other").reported(["ran"]);
    assert!(!ws.exists(".percache"), "nothing is left in the directory");
}

#[test]
fn a_large_log_comes_back_whole() {
    let ws = place();
    let script = "seq 2000000";
    let whole: String = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
    exec(&ws, [], script).succeeds().reported(["ran"]);
    assert!(exec(&ws, [], script).succeeds().reported([]).stdout == whole);
}

#[test]
fn an_input_counts_by_its_content() {
    let ws = place();
    ws.write("in/a", "1\n");
    wrote(exec(&ws, ["-i", "in"], "cat in/*").reported(["ran"]), "1\n");
    ws.touch("in/a");
    exec(&ws, ["-i", "in"], "cat in/*").reported([]);
    ws.write("in/b", "2\n");
    wrote(exec(&ws, ["-i", "in"], "cat in/*").reported(["ran"]), "1\n2\n");
    ws.remove("in/b");
    wrote(exec(&ws, ["-i", "in"], "cat in/*").reported([]), "1\n");
}

#[test]
fn an_input_may_lie_outside_of_the_directory() {
    let ws = place();
    ws.write("sub/x", "");
    std::fs::write(ws.outside("far"), "1\n").unwrap();
    let far = ws.outside("far").display().to_string();
    let run = |input: &str| exec_in(&ws, "sub", ["-i", input], "cat ../../far");
    wrote(run("../../far").reported(["ran"]), "1\n");
    wrote(run("../../far").reported([]), "1\n");
    wrote(run(&far).reported([]), "1\n");
    std::fs::write(&far, "2\n").unwrap();
    wrote(run(&far).reported(["ran"]), "2\n");
}

#[test]
fn a_program_named_by_its_path_is_an_input() {
    let ws = place();
    ws.write("tool", "#!/bin/sh\necho 1\n");
    ws.set_mode("tool", 0o755);
    wrote(ws.percache(["exec", "./tool"]), "1\n");
    ws.write("tool", "#!/bin/sh\necho 2\n");
    wrote(ws.percache(["exec", "./tool"]), "2\n");
}

#[test]
fn outputs_are_put_back_and_those_of_other_commands_stay() {
    let ws = place();
    ws.write("in", "1");
    let first = "cat in > out/a; echo made";
    exec(&ws, ["-i", "in", "-o", "out/a"], first).reported(["ran"]);
    exec(&ws, ["-o", "b"], "echo b > b").reported(["ran"]);
    exec(&ws, ["-i", "**", "-o", "list"], "ls > list").reported(["ran"]);
    exec(&ws, ["-i", "**", "-o", "list"], "ls > list").reported([]);
    assert_eq!(ws.read("out/a"), "1");
    ws.remove("out");
    wrote(exec(&ws, ["-i", "in", "-o", "out/a"], first).reported([]), "made\n");
    assert_eq!(ws.read("out/a"), "1");
    ws.write("in", "2");
    exec(&ws, ["-i", "in", "-o", "out/a"], first).reported(["ran"]);
    ws.write("in", "1");
    exec(&ws, ["-i", "in", "-o", "out/a"], first).reported([]);
    assert_eq!((ws.read("out/a"), ws.read("b")), ("1".to_owned(), "b\n".to_owned()));
    exec(&ws, ["-o", "never"], "true").fails().says(["never"]);
    exec(&ws, ["-i", "x", "-o", "x"], "true").exits(2).says(["`x`", "input", "output"]);
}

#[test]
fn failures_are_never_kept_unless_they_are_an_answer() {
    let ws = place();
    let script = "echo no; exit 3";
    for _ in 0..2 {
        wrote(exec(&ws, [], script).exits(3).reported(["ran"]), "no\n");
    }
    wrote(exec(&ws, ["--keep", "3"], script).exits(3).reported(["ran"]), "no\n");
    wrote(exec(&ws, ["--keep", "3"], script).exits(3).reported([]), "no\n");
    exec(&ws, ["--keep", "1"], script).exits(3).reported(["ran"]);
    exec(&ws, [], script).exits(3).reported(["ran"]);
    exec(&ws, [], "kill -9 $$").exits(128 + 9).reported(["ran"]).says(["signal 9"]);
    ws.percache(["exec", "no-such-program"]).exits(127).says(["no-such-program", "PATH"]);
    ws.percache(["exec", "--", "echo a"]).exits(127).says(["sh -c 'echo a'"]);
    ws.percache(["exec"]).exits(2);
}

#[test]
fn the_directory_and_the_named_variables_count_and_nothing_else_of_the_environment() {
    let ws = place();
    ws.write("sub/x", "");
    wrote(exec(&ws, [], "pwd").reported(["ran"]), &format!("{}\n", ws.root().display()));
    wrote(exec_in(&ws, "sub", [], "pwd").reported(["ran"]), &format!("{}\n", ws.path("sub").display()));

    let run = |options: &[&str], value: &str| {
        let script = format!("echo ran >> {}; echo ${{V-unset}} ${{W-unset}}", ws.outside("tally").display());
        let mut command = ws.command("");
        command.arg("exec").args(options).args(["--", "sh", "-c", &script]).env("V", value).env("W", value);
        ws.run(&mut command)
    };
    wrote(run(&[], "1").reported(["ran"]), "unset unset\n");
    run(&[], "2").reported([]);
    wrote(run(&["-e", "V"], "1").reported(["ran"]), "1 unset\n");
    wrote(run(&["-e", "V"], "2").reported(["ran"]), "2 unset\n");
    wrote(run(&["-e", "V"], "1").reported([]), "1 unset\n");
    wrote(run(&["--env-pass", "W"], "1").reported([]), "unset unset\n");
}

#[test]
fn a_result_can_be_too_old_or_not_wanted() {
    let ws = place();
    exec(&ws, [], "date").reported(["ran"]);
    exec(&ws, ["--valid-for", "1h"], "date").reported([]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    exec(&ws, ["--valid-for", "1s"], "date").reported(["ran"]);
    exec(&ws, ["--force"], "date").reported(["ran"]);
    exec(&ws, [], "date").reported([]);
    exec(&ws, ["--valid-for", "soon"], "date").exits(2);
}

#[test]
fn the_same_command_at_the_same_time_runs_once() {
    let ws = place();
    let script = format!("echo ran >> {}; sleep 0.3; echo done", ws.outside("tally").display());
    let start = || {
        let mut command = ws.command("");
        command.args(["exec", "--", "sh", "-c", &script]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"done\n");
    }
    assert_eq!(ws.newly_tallied(), ["ran"]);
}

/// Starts it with pipes, to read what comes while it runs.
fn started(ws: &Sandbox, script: &str) -> (Child, BufReader<ChildStdout>) {
    let script = format!("echo ran >> {}; {script}", ws.outside("tally").display());
    let mut command = ws.command("");
    command.args(["exec", "--", "sh", "-c", &script]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

#[test]
fn what_it_writes_comes_while_it_runs() {
    let ws = place();
    let (mut child, mut stdout) = started(&ws, "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two");
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    ws.write("go", "");
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\ntwo\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_does_not_keep_the_result_from_being_kept() {
    let ws = place();
    let script = "echo one; while [ ! -e go ]; do sleep 0.02; done; seq 100000";
    let (mut child, mut stdout) = started(&ws, script);
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    ws.write("go", "");
    assert!(child.wait().unwrap().success());
    let run = exec(&ws, [], script).succeeds();
    assert_eq!((run.commands.len(), run.stdout.lines().count()), (1, 100_001));
}

/// The same command on a terminal of its own, while another one runs it.
fn beside(ws: &Sandbox, script: &str) -> Terminal {
    let script = format!("echo ran >> {}; {script}", ws.outside("tally").display());
    ws.terminal(&["exec", "--", "sh", "-c", &script], &[], (80, 24))
}

#[test]
fn who_waits_on_a_terminal_sees_the_log_as_it_comes_and_once() {
    let ws = place();
    let script = "echo one; echo two >&2; while [ ! -e go ]; do sleep 0.02; done; echo three; seq 3";
    let (mut child, mut stdout) = started(&ws, script);
    stdout.read_line(&mut String::new()).unwrap();
    let mut terminal = beside(&ws, script);
    let lines = terminal.wait_for_text("two");
    assert!(lines[0].starts_with("waiting for process ") && lines[1..] == ["one", "two"], "{lines:#?}");
    ws.write("go", "");
    assert_eq!(terminal.ends()[1..], ["one", "two", "three", "1", "2", "3"]);
    assert!(child.wait().unwrap().success());
    assert_eq!((ws.status(), ws.newly_tallied()), (0, vec!["ran".to_owned()]));
}

#[test]
fn who_waits_for_one_that_fails_says_so_and_runs_it() {
    let ws = place();
    let script =
        "echo one; while [ ! -e go ]; do sleep 0.02; done; [ -e again ] || { echo > again; exit 3; }; echo two";
    let (mut child, mut stdout) = started(&ws, script);
    stdout.read_line(&mut String::new()).unwrap();
    let mut terminal = beside(&ws, script);
    terminal.wait_for_text("one");
    ws.write("go", "");
    let lines = terminal.ends();
    assert_eq!(lines[1..], ["one", "the other process ended without a result; running the command here", "one", "two"]);
    assert_eq!((child.wait().unwrap().code(), ws.status()), (Some(3), 0));
    assert_eq!(ws.newly_tallied(), ["ran", "ran"]);
}

#[test]
fn who_waits_where_nobody_looks_writes_only_what_counts() {
    let ws = place();
    let script =
        "echo one; while [ ! -e go ]; do sleep 0.02; done; [ -e again ] || { echo > again; exit 3; }; echo two";
    let (mut child, mut stdout) = started(&ws, script);
    stdout.read_line(&mut String::new()).unwrap();
    let (mut other, mut waiting) = started(&ws, script);
    std::thread::sleep(std::time::Duration::from_millis(300));
    ws.write("go", "");
    let mut text = String::new();
    waiting.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
    assert_eq!((child.wait().unwrap().code(), other.wait().unwrap().code()), (Some(3), Some(0)));
}

#[test]
fn its_results_obey_gc_and_a_damaged_store_costs_no_more_than_speed() {
    let ws = place();
    exec(&ws, [], "echo 1").reported(["ran"]);
    ws.percache(["stats", "--exec"]).succeeds().says(["results            1"]);
    ws.percache(["verify", "--exec"]).succeeds();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    ws.percache(["gc", "--exec", "--maxage", "1s"]).succeeds();
    ws.percache(["stats", "--exec"]).succeeds().says(["results            0"]);
    wrote(exec(&ws, [], "echo 1").reported(["ran"]), "1\n");
    ws.percache(["clear", "--exec"]).succeeds();
    exec(&ws, [], "echo 1").reported(["ran"]);
    // From the tail into the database.
    ws.percache(["gc", "--exec"]).succeeds();
    let exec_dir = ws.outside("home").join("cache/percache/exec");
    ws.shell(&format!("cd {}/db && for f in *; do echo broken > $f; done", exec_dir.display()));
    let run = exec(&ws, [], "echo 1").succeeds().reported(["ran"]);
    assert_eq!(run.stdout, "1\n");
    run.says(["percache verify --exec --repair"]);
}

#[test]
fn an_option_that_exec_does_not_have_is_not_taken_for_the_command() {
    let ws = Sandbox::empty();
    let mistake = |arguments: [&str; 5]| ws.percache(arguments).exits(2);
    mistake(["exec", "--ttl", "5s", "--", "date"]).says(["has no option `--ttl`", "did you mean `--valid-for`?"]);
    mistake(["exec", "--input=x", "--outptu", "y", "true"]).says(["no option `--outptu`", "did you mean `--output`?"]);
    mistake(["exec", "-q", "--nonsense=1", "--", "date"]).says(["no option `--nonsense`", "exec --help"]);
    ws.percache(["exec", "--", "--no-such-program"]).exits(127).says(["--no-such-program"]);
    ws.percache(["exec", "echo", "--ttl"]).succeeds().says(["--ttl"]);
}
