//! Logs: stdout and stderr are captured in order, and come back on a hit.

use crate::sandbox::Sandbox;

const TALKATIVE: &str = r#"
    [task.talk]
    command = "@ran(talk); echo one; echo two >&2; echo three; echo four >&2"
    inputs = ["input"]
"#;

fn talkative() -> Sandbox {
    let ws = Sandbox::new(TALKATIVE);
    ws.write("input", "1");
    ws
}

/// Where each of these first stands; they must stand in this order.
fn in_order(text: &str, words: &[&str]) {
    let places: Vec<_> = words.iter().map(|word| text.find(word)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{words:?} are not in this order in\n{text}");
}

#[test]
fn both_streams_are_shown_in_the_order_in_which_they_were_written() {
    let run = talkative().build(["--logs", "all"]).ran(["talk"]);
    in_order(&run.output(), &["one", "two", "three", "four"]);
}

#[test]
fn a_hit_replays_the_log() {
    let ws = talkative();
    ws.build([]).ran(["talk"]);
    let run = ws.build(["--logs", "all"]).ran([]);
    in_order(&run.output(), &["one", "two", "three", "four"]);
    ws.build(["--logs", "new"]).ran([]).does_not_say("three");
    ws.build(["--logs", "none"]).ran([]).does_not_say("three");
}

#[test]
fn logs_of_new_results_only() {
    let ws = talkative();
    ws.build(["--logs", "new"]).ran(["talk"]).says(["three"]);
    ws.write("input", "2");
    ws.build(["--logs", "failed"]).ran(["talk"]).does_not_say("three");
    ws.write("input", "3");
    ws.build(["--logs", "none"]).ran(["talk"]).does_not_say("three");
}

#[test]
fn a_failed_tasks_log_is_shown_whole_with_its_name_status_and_a_command_to_run_it_again() {
    let ws = Sandbox::new(
        r#"
            [task.broken]
            command = "seq 1 500; echo trouble >&2; exit 7"
            inputs = []
        "#,
    );
    ws.build([]).fails().says(["\n1\n2\n", "\n499\n500\n", "trouble", "broken", "7", "percache build broken"]);
    ws.build(["--logs", "failed"]).fails().says(["trouble"]);
}

#[test]
fn the_log_of_the_last_result_can_be_read_later() {
    let ws = talkative();
    ws.percache(["log", "talk"]).does_not_say("three");
    ws.build([]).ran(["talk"]);
    in_order(&ws.percache(["log", "talk"]).succeeds().stdout, &["one", "two", "three", "four"]);
    ws.percache(["log", "tolk"]).exits(2).says(["talk"]);
}

#[test]
fn the_log_of_a_failed_run_can_be_read_until_the_task_succeeds() {
    let ws = Sandbox::new(
        r#"
            [task.t]
            command = "@ran(t); cat in; test $(cat in) = good || exit 3"
            inputs = ["in"]

            [task.never]
            command = "@ran(never); echo always; false"
            cache = false
        "#,
    );
    ws.write("in", "good");
    ws.build(["t"]).ran(["t"]);
    ws.write("in", "bad");
    ws.build(["-k"]).fails().reported(["never", "t"]);
    let log = ws.percache(["log", "t"]).succeeds().says(["failed", "(exit status 3)"]);
    assert_eq!(log.stdout, "bad");
    assert_eq!(ws.percache(["log", "never"]).succeeds().stdout, "always\n");
    ws.percache(["list"]).says(["t      failed", "never  failed"]);
    assert_eq!(ws.shell("stat -c %a .percache/worktrees/*/failed .percache/worktrees/*/failed/*"), "700\n600\n600\n");
    // A stored result holds again: nothing runs, and the failure is past.
    ws.write("in", "good");
    ws.build(["t"]).ran([]);
    assert_eq!(ws.percache(["log", "t"]).succeeds().says(["good"]).stdout, "good");
    ws.percache(["list", "t"]).says(["built"]);
}

#[test]
fn how_to_run_a_failed_task_again_is_said_as_seen_from_here() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"app\"]\n[task.gen]\ncommand = \"false {args}\"\ninputs = []");
    ws.config_in("app", "[task.gen]\ncommand = \"false\"\ninputs = []\n[task.all]\ndeps = [\":gen\", \"gen\"]");
    ws.build(["gen", "--", "a b"]).says(["again:   percache build gen -- 'a b'\n"]);
    let here = ws.run(ws.command("app").args(["build", "-k", "all"])).fails();
    here.says(["again:   percache build :gen\n", "again:   percache build app:gen\n"]);
    ws.run(ws.command("").args(["-C", "app", "build", "gen"])).says(["percache -C app build app:gen\n"]);
    ws.run(ws.command("app").args(["why", ":gen"])).says(["`percache log :gen`"]);
}

#[test]
fn what_failed_before_its_command_ran_has_failed() {
    let ws = Sandbox::new("[task.t]\ncommand = \"@ran(t)\"\ninputs = []\nenv_file = [\"vars\"]");
    ws.write("vars", "A=1");
    ws.build([]).ran(["t"]);
    ws.remove("vars");
    ws.build([]).fails().reported([]);
    ws.percache(["list"]).says(["failed"]);
    ws.percache(["log", "t"]).succeeds().says(["its env_file `vars` cannot be read", "it wrote nothing"]);
    ws.write("vars", "A=1");
    ws.build([]).ran([]);
    ws.percache(["list"]).says(["built"]);
}

#[test]
fn a_log_that_is_not_text_and_a_long_one_are_kept_as_they_are() {
    let ws = Sandbox::new(
        r#"
            [task.bytes]
            command = "printf '\\377\\376 no newline'"
            inputs = []

            [task.long]
            command = "seq 1 300000"
            inputs = []
        "#,
    );
    ws.build(["--logs", "none"]).succeeds();
    ws.percache(["log", "bytes"]).succeeds().says(["no newline"]);
    let log = ws.percache(["log", "long"]).succeeds().stdout;
    assert_eq!(log.lines().count(), 300_000);
}

#[test]
fn a_log_without_colour_when_nobody_looks() {
    let run = talkative().build([]).succeeds();
    assert!(!run.output().contains('\x1b'), "there are escape sequences in {:?}", run.output());
}

#[test]
fn events_as_json_one_a_line() {
    let ws = talkative();
    let run = ws.build(["--json"]).succeeds();
    let events: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    assert!(events.len() >= 3, "{}", run.stdout);
    assert!(run.stdout.contains("\"talk\""), "{}", run.stdout);
}

#[test]
fn of_a_line_that_was_written_over_and_over_the_last_version_is_shown() {
    let ws = Sandbox::new(
        r#"
            [task.progress]
            command = '''printf "10 %%\r20 %%\r\033[Kdone\nnext\n"; exit $(cat status)'''
            inputs = ["status"]
        "#,
    );
    ws.write("status", "1");
    let run = ws.build([]).fails();
    assert!(run.stdout.contains("\ndone\nnext\n") && !run.stdout.contains('\r'), "{:?}", run.stdout);
    ws.write("status", "0");
    let run = ws.build([]).succeeds();
    assert!(run.stdout.contains("\ndone\nnext\n") && !run.stdout.contains('\r'), "{:?}", run.stdout);
    assert!(ws.percache(["log", "progress"]).stdout.starts_with("10 %\r20 %\r"), "it is kept as it was written");
    let events = ws.build(["--json", "--logs", "all"]).succeeds().stdout;
    assert!(events.contains(r#"10 %\r20 %\r"#), "{events}");
}
