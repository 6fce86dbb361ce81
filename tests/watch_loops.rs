//! `watch`: what a build does itself does not wake it, and nothing keeps it from ending.

use std::fs;
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;
use crate::watch::{Watch, until_it_reads};

/// So long it is observed that nothing happens any more.
const LONG: Duration = Duration::from_millis(1500);

/// Runs `watch` until it has started the command at least once and then for a while; returns how often it did.
fn starts(config: &str, options: &[&str]) -> (usize, String) {
    let ws = Sandbox::new(config);
    ws.shell("git init -q .");
    ws.write(".gitignore", "cache\n");
    ws.write("in", "1");
    let said = ws.outside("said");
    let mut watch = Watch::start_all_to(&ws, options, fs::File::create(&said).unwrap());
    let mut count = 0;
    let mut last = Instant::now();
    // Until nothing has started for a while.
    while count == 0 || last.elapsed() < LONG {
        let new = ws.newly_tallied().len();
        if new > 0 {
            (count, last) = (count + new, Instant::now());
        }
        assert!(count < 20, "a loop: {}", fs::read_to_string(&said).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(watch.interrupt(), Some(130));
    (count, fs::read_to_string(&said).unwrap())
}

#[test]
fn what_commands_write_and_no_task_reads_does_not_wake_it() {
    let inputs = "inputs = [\"in\"]";
    for (command, more) in [
        ("date +%N > gen/x; false", "outputs = [\"gen/\"]"),
        ("date +%N > trace.log; sleep 0.3; cp in gen", "outputs = [\"gen\"]"),
        ("sleep 0.3; cp in gen; date +%N > trace.log", "outputs = [\"gen\"]"),
        ("mkdir -p cache; date +%N > cache/tmp; sleep 0.3; rm -r cache", ""),
        ("date +%N > trace.log", "cache = false"),
        ("date +%N > trace.log; false", ""),
    ] {
        for options in [&["-k"][..], &["-k", "--on-change", "finish"]] {
            let config = format!("[task.gen]\ncommand = \"@ran(gen); {command}\"\n{inputs}\n{more}\n");
            let (count, said) = starts(&config, options);
            assert_eq!(count, 1, "{command} {options:?}: {said}");
        }
    }
}

/// `percache watch > log` in the workspace: its own lines are no change of an input.
#[test]
fn what_it_writes_itself_does_not_wake_it() {
    let ws = Sandbox::new("[task.check]\ncommand = \"@ran(check); echo tested\"\ncache = false\n");
    let log = fs::File::create(ws.path("log")).unwrap();
    let mut watch = Watch::start_all_to(&ws, &["--on-change", "finish"], log);
    ws.wait_until("it has run", || ws.outside("tally").exists());
    std::thread::sleep(LONG);
    assert_eq!(watch.interrupt(), Some(130));
    assert_eq!(ws.newly_tallied(), ["check"], "{}", ws.read("log"));
}

#[test]
fn a_task_that_writes_its_own_input_is_named_after_the_second_round() {
    for (command, more, most) in [
        // The inputs are all files of the directory.
        ("date +%N > own.log; echo tested", "cache = false", 2),
        ("date +%N > own.log; false", "inputs = [\"own.log\"]", 2),
        ("date +%N > own.log; cp in gen", "inputs = [\"in\", \"own.log\"]\noutputs = [\"gen\"]", 2),
        // It stops itself once; then it may come to its end.
        ("date +%N > own.log; sleep 0.5; cp in gen", "inputs = [\"in\", \"*.log\"]\noutputs = [\"gen\"]", 3),
    ] {
        for (options, most) in [(&[][..], most), (&["--on-change", "finish"], 2)] {
            let config = format!("[task.gen]\ncommand = \"@ran(gen); {command}\"\n{more}\n");
            let (count, said) = starts(&config, options);
            assert!((2..=most).contains(&count), "{command} {options:?}: {count} times: {said}");
            assert_eq!(said.matches("`gen` writes `own.log`").count(), 1, "{said}");
        }
    }
}

/// As with `percache watch > log`, where all files of the directory are inputs.
#[cfg(target_os = "linux")]
#[test]
fn what_it_says_itself_does_not_wake_it() {
    let ws = Sandbox::new("[task.check]\ncommand = \"@ran(check); echo checked\"\ncache = false\n");
    ws.write("in", "1");
    let _watch = Watch::start_all_to(&ws, &[], fs::File::create(ws.path("log")).unwrap());
    ws.wait_until("it has run", || !ws.newly_tallied().is_empty());
    std::thread::sleep(LONG);
    assert!(ws.newly_tallied().is_empty(), "{}", ws.read("log"));
    ws.write("in", "2");
    ws.wait_until("it runs again", || !ws.newly_tallied().is_empty());
}

#[test]
fn a_task_that_is_left_alone_runs_when_a_person_changes_something() {
    let ws = Sandbox::new(
        r#"
            [task.gen]
            command = "@ran(gen); date +%N > own.log; cp in out"
            inputs = ["in", "*.log"]
            outputs = ["out"]
        "#,
    );
    ws.write("in", "1");
    let said = ws.outside("said");
    let _watch = Watch::start_all_to(&ws, &[], fs::File::create(&said).unwrap());
    let named = || fs::read_to_string(&said).unwrap().contains("`gen` writes `own.log`");
    ws.wait_until("it is named", named);
    ws.newly_tallied();
    ws.write("in", "2");
    until_it_reads(&ws, "out", "2");
    // Its own input, when it does not run: somebody else has written it.
    std::thread::sleep(LONG);
    assert_eq!(ws.newly_tallied(), ["gen"]);
    ws.write("own.log", "mine");
    ws.wait_until("it runs", || !ws.newly_tallied().is_empty());
}

#[test]
fn a_task_that_writes_another_file_each_time_is_named() {
    let config = "[task.gen]\ncommand = \"@ran(gen); date > $(date +%N).tmp\"\ncache = false\n";
    for options in [&[][..], &["--on-change", "finish"]] {
        let (count, said) = starts(config, options);
        assert_eq!(count, 2, "{said}");
        assert_eq!(said.matches("`gen` writes `").count(), 1, "{said}");
    }
}

#[test]
fn a_task_that_makes_another_task_each_time_is_named() {
    for command in ["touch src/$(date +%N).x", "touch src/$(date +%N).x; sleep 0.5"] {
        for options in [&[][..], &["--on-change", "finish"]] {
            let config = format!(
                "[task.gen]\ncommand = \"@ran(gen); mkdir -p src; {command}\"\ncache = false\ninputs = []\n\
                 [task.each]\nforeach = \"src/*.x\"\ncommand = \"true\"\n"
            );
            let (count, said) = starts(&config, options);
            assert!((2..=4).contains(&count), "{command} {options:?}: {count} times: {said}");
            assert_eq!(said.matches("`gen` writes `src`, which decides which tasks there are").count(), 1, "{said}");
        }
    }
}

/// A formatter has nothing to do the second time.
#[test]
fn a_task_that_puts_its_input_in_order_once_is_not_named() {
    let config = "[task.fmt]\ncommand = \"@ran(fmt); grep -q done in || echo done > in\"\ninputs = [\"in\"]\n";
    for options in [&[][..], &["--on-change", "finish"]] {
        let (count, said) = starts(config, options);
        assert_eq!(count, 2, "{said}");
        assert!(!said.contains("`fmt` writes"), "{said}");
    }
}

const SERVER: &str = r#"
    [task.dev]
    command = "@ran(dev); cat in > served; exec sleep 60"
    inputs = ["in"]
    interactive = true
"#;

#[test]
fn an_interactive_task_is_restarted_when_its_inputs_change() {
    let ws = Sandbox::new(SERVER);
    ws.write("in", "1");
    let mut terminal = ws.terminal(&["watch", "dev"], &[], (80, 24));
    for text in ["1", "2", "3", "4"] {
        ws.write("in", text);
        until_it_reads(&ws, "served", text);
    }
    terminal.types("\x03");
    terminal.ends();
    assert_eq!(ws.status(), 130);
    ws.wait_for_orphans();
}

#[test]
fn with_finish_an_interactive_task_goes_on_and_a_signal_ends_it() {
    let ws = Sandbox::new(SERVER);
    ws.write("in", "1");
    let mut watch = Watch::start(&ws, &["--on-change", "finish", "dev"]);
    until_it_reads(&ws, "served", "1");
    ws.newly_tallied();
    ws.write("in", "2");
    std::thread::sleep(LONG);
    assert!(ws.newly_tallied().is_empty());
    assert_eq!(watch.interrupt(), Some(130));
    ws.wait_for_orphans();
}

/// A log that it writes at its start stops it some times, and no more.
#[test]
fn an_interactive_task_that_writes_what_it_reads_is_named() {
    let config = "[task.dev]\ncommand = \"@ran(dev); date +%N > own.log; exec sleep 60\"\ninteractive = true\n";
    let (count, said) = starts(config, &[]);
    assert_eq!(count, 5, "{said}");
    assert_eq!(said.matches("`dev` writes `own.log`").count(), 1, "{said}");
}

#[test]
fn ctrl_c_ends_it_at_once_while_a_command_runs() {
    let ws = Sandbox::new("[task.slow]\ncommand = \"@ran(slow); sleep 60\"\ninputs = []\n");
    let mut watch = Watch::start(&ws, &[]);
    ws.wait_until("the command runs", || !ws.newly_tallied().is_empty());
    let began = Instant::now();
    assert_eq!(watch.interrupt(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    ws.wait_for_orphans();
}
