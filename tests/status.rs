//! Exit statuses, `--keep-going`, `--force`, retries, and what is never stored.

use std::process::Stdio;
use std::time::Duration;

use crate::sandbox::Sandbox;

const FAN: &str = r#"
    [task.bad]
    command = "@ran(bad); false"
    inputs = []

    [task.good]
    command = "@ran(good)"
    inputs = []

    [task.needs-bad]
    command = "@ran(needs-bad)"
    inputs = []
    deps = ["bad"]

    [task.needs-good]
    command = "@ran(needs-good)"
    inputs = []
    deps = ["good"]
"#;

#[test]
fn a_failure_stops_the_build() {
    let ws = Sandbox::new(
        r#"
            [task.a-bad]
            command = "@ran(a-bad); false"
            inputs = []

            [task.b]
            command = "@ran(b)"
            inputs = []
            deps = ["a-bad"]
        "#,
    );
    ws.build([]).fails().reported(["a-bad"]).says(["a-bad"]);
}

#[test]
fn keep_going_builds_what_does_not_need_the_failed_task() {
    let ws = Sandbox::new(FAN);
    ws.build(["-k"]).fails().reported(["bad", "good", "needs-good"]);
    ws.build(["--keep-going"]).fails().reported(["bad"]);
}

#[test]
fn force_without_names_is_about_the_whole_build() {
    let ws = Sandbox::new(
        r#"
            [workspace]
            default = ["b"]

            [task.a]
            command = "@ran(a); echo 1 > out/a"
            inputs = []
            outputs = ["out/a"]

            [task.b]
            command = "@ran(b); cat out/a"
            inputs = ["out/a"]

            [task.group]
            deps = ["b"]
        "#,
    );
    ws.build([]).ran(["a", "b"]);
    ws.build(["-f"]).ran(["a", "b"]);
    ws.build(["-f", "b"]).ran(["b"]);
    ws.build(["-f", "group"]).ran(["b"]);
}

#[test]
fn arguments_that_no_task_takes_are_an_error() {
    let ws = Sandbox::new(
        "[task.no]\ncommand = \"@ran(no)\"\n[task.yes]\ncommand = \"@ran(yes); echo {args}\"\ninputs = []\n\
         [task.both]\ndeps = [\"no\", \"yes\"]\n[task.env]\ncommand = [\"env\"]\nenv = { A = \"{args}\" }",
    );
    ws.build(["no", "--", "-v"])
        .exits(2)
        .reported([])
        .says(["`no` takes no arguments", "put `{args}` into its `command`"]);
    ws.percache(["why", "no", "--", "-v"]).exits(2);
    ws.build(["yes", "--", "-v"]).ran(["yes"]).says(["-v"]);
    ws.build(["both", "--", "-w"]).succeeds().says(["-w"]);
    ws.build(["env", "--", "-x"]).succeeds().says(["A=-x"]);
    ws.build(["no"]).succeeds();
}

#[test]
fn usage_and_configuration_errors_are_two() {
    let ws = Sandbox::new(FAN);
    ws.percache(["biuld"]).exits(2);
    ws.percache(["build", "--no-such-option"]).exits(2);
    ws.build(["god"]).exits(2).reported([]).says(["god", "good"]);
    ws.percache(["-C", "no-such-directory", "build"]).exits(2).says(["no-such-directory"]);
    ws.build(["-j", "0"]).exits(2).reported([]);
    ws.percache(["gc", "--maxage", "soon"]).exits(2).says(["soon"]);
}

#[test]
fn no_configuration_is_an_error_that_points_to_init() {
    Sandbox::empty().build([]).exits(2).says(["percache.toml", "percache init"]);
}

#[test]
fn help_and_version_succeed() {
    let ws = Sandbox::empty();
    for arguments in [["--help"], ["--version"]] {
        ws.percache(arguments).succeeds().says(["percache"]);
    }
}

#[test]
fn force_runs_the_named_tasks_again() {
    let ws = Sandbox::new(FAN);
    ws.build(["good"]).ran(["good"]);
    ws.build(["good"]).ran([]);
    ws.build(["-f", "good"]).ran(["good"]);
    ws.build(["good"]).ran([]);
}

#[test]
fn an_uncached_task_always_runs_and_is_never_stored() {
    let ws = Sandbox::new(
        r#"
            [task.always]
            command = "@ran(always); echo x > out/x"
            inputs = []
            outputs = ["out/x"]
            cache = false

            [task.after]
            command = "@ran(after); cat out/x > out/y"
            inputs = ["out/x"]
            outputs = ["out/y"]
        "#,
    );
    ws.build([]).ran(["after", "always"]);
    ws.build([]).ran(["always"]).up_to_date(1);
}

#[test]
fn a_result_older_than_valid_for_is_not_used() {
    let ws = Sandbox::new(
        "[task.fetch]\ncommand = \"@ran(fetch); date +%N > out/page\"\ninputs = []\noutputs = [\"out/page\"]\nvalid_for = \"2s\"",
    );
    ws.build([]).ran(["fetch"]);
    ws.build([]).ran([]);
    std::thread::sleep(Duration::from_millis(2100));
    ws.build([]).ran(["fetch"]);
    ws.build([]).ran([]);
}

#[test]
fn a_task_is_tried_again_as_often_as_it_says() {
    let ws = Sandbox::new(
        "[task.flaky]\ncommand = \"@ran(flaky); echo x >> tries; [ $(wc -l < tries) -ge 3 ]\"\ninputs = []\nretries = 2",
    );
    ws.build([]).succeeds().reported(["flaky", "flaky", "flaky"]);
    ws.build([]).ran([]);
    let ws = Sandbox::new("[task.hopeless]\ncommand = \"@ran(hopeless); false\"\ninputs = []\nretries = 1");
    ws.build([]).fails().reported(["hopeless", "hopeless"]);
}

#[test]
fn a_command_that_does_not_exist_is_a_failure_that_names_it() {
    let ws = Sandbox::new("[task.typo]\ncommand = [\"no-such-program\", \"-x\"]\ninputs = []");
    ws.build([]).fails().says(["no-such-program", "typo"]);
}

#[test]
fn a_command_ended_by_a_signal_is_a_failure() {
    let ws = Sandbox::new("[task.crash]\ncommand = \"@ran(crash); kill -SEGV $$\"\ninputs = []");
    ws.build([]).fails().reported(["crash"]);
}

#[test]
fn quiet_and_verbose_are_accepted_everywhere() {
    let ws = Sandbox::new(FAN);
    ws.percache(["-q", "build", "good"]).succeeds().reported(["good"]);
    ws.percache(["-v", "build", "good"]).succeeds().reported([]);
    ws.percache(["--color", "never", "list"]).succeeds();
}

#[test]
fn a_stderr_that_takes_nothing_changes_no_status() {
    let ws = Sandbox::new("[task.t]\ncommand = \"@ran(t)\"\ninputs = [\"absent\"]");
    let full = |arguments: &[&str]| {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
        let mut command = ws.command("");
        command.args(arguments).stdout(Stdio::null()).stderr(full).status().unwrap().code()
    };
    assert_eq!(full(&["build"]), Some(0), "it warns of the input that does not exist");
    assert_eq!(full(&["exec", "-v", "--", "true"]), Some(0));
    assert_eq!(full(&["exec", "--", "no-such-program"]), Some(127));
    assert_eq!(full(&["build", "no-such-task"]), Some(2));
    ws.config("[task.t]\ncomand = 1");
    assert_eq!(full(&["build"]), Some(2));
}
