//! What the reason of a run is compared with: the last result, whatever happened since.

use serde_json::Value;

use super::{json, project};
use crate::sandbox::Sandbox;

/// `use` says in its depfile that it read what `src` names.
const WITH_HEADER: &str = r#"
    [task.use]
    command = "@ran(use); for h in $(cat src); do cat $h; done > out/use; echo \"out/use: $(cat src)\" > dep/use.d"
    inputs = ["src"]
    outputs = ["out/use"]
    depfile = "dep/use.d"
"#;

#[test]
fn after_a_failure_the_reason_is_what_changed_since_the_last_result() {
    let ws = Sandbox::new(WITH_HEADER);
    ws.write("src", "a.h");
    ws.write("a.h", "1");
    ws.write("b.h", "1");
    ws.build([]).ran(["use"]);
    ws.write("src", "missing");
    ws.build([]).fails().reported(["use"]);
    ws.write("src", "b.h");
    let one = "would run     use: src changed, line 1\n";
    ws.build(["-n"]).says([one]);
    let why = ws.percache(["why", "use"]).says(["src changed, line 1", "its last run failed", "`percache log use`"]);
    why.does_not_say("is gone").does_not_say("a.h is");
    let answer = json(&ws, "use");
    assert_eq!((&answer["failed"]["how"], &answer["failed"]["stopped"]), (&"exit status 1".into(), &false.into()));
    ws.build(["--explain"]).ran(["use"]).says([": src changed, line 1\n"]);
    assert_eq!(json(&ws, "use")["failed"], Value::Null);
}

#[test]
fn which_files_a_run_came_to_read_is_no_reason_for_it() {
    let ws = Sandbox::new(WITH_HEADER);
    ws.write("src", "a.h");
    ws.write("a.h", "1");
    ws.write("b.h", "1");
    ws.build([]).ran(["use"]);
    ws.write("src", "b.h");
    ws.build([]).ran(["use"]);
    let changes = json(&ws, "use")["last"]["chain"][0]["changes"].clone();
    assert_eq!(changes.as_array().map(Vec::len), Some(1), "{changes:#}");
    assert_eq!(changes[0]["text"], "src changed, line 1");
    // One that was read and is there no more is.
    ws.remove("b.h");
    ws.build(["-n"]).says(["use: b.h is gone\n"]);
}

#[test]
fn a_result_that_is_too_old_is_not_gone() {
    let ws = Sandbox::new("[task.fetch]\ncommand = \"@ran(fetch)\"\ninputs = []\nvalid_for = \"1s\"");
    ws.build([]).ran(["fetch"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let reason = "its result is 1s old, valid_for is 1s";
    ws.percache(["why", "fetch"]).says([&format!("fetch would run: {reason}\n")]);
    ws.build(["--explain"]).ran(["fetch"]).says([reason]);
    ws.percache(["why", "fetch"]).says([&format!("why it ran the last time: {reason}\n")]);
}

#[test]
fn a_run_that_no_change_was_the_reason_for_is_explained_by_its_reason() {
    let ws = project();
    ws.percache(["why", "compile"]).says(["its result is the first one here"]).does_not_say("why it ran the last time");
    ws.write("src/a", "2");
    ws.build(["--explain"]).ran(["compile", "link"]);
    ws.percache(["why", "compile"]).says(["src/a changed"]).does_not_say("why it ran the last time");
    ws.build(["-f", "compile"]).ran(["compile"]);
    assert_eq!(json(&ws, "compile")["last"]["reason"], "--force");
    ws.percache(["why", "compile"]).says(["why it ran the last time: --force\n", "src/a changed"]);
    ws.build(["link"]).ran([]);
    ws.percache(["why", "compile"]).says(["why it ran the last time: --force\n"]);
}

#[test]
fn a_file_that_is_no_input_any_more_is_not_gone() {
    let ws = Sandbox::new("[task.t]\ncommand = \"@ran(t)\"\ninputs = [\"a\", \"b\"]\nenv_from = [\"V\"]");
    ws.write("a", "");
    ws.write("b", "");
    ws.build([]).ran(["t"]);
    ws.edit_config(", \"b\"", "");
    ws.build(["-n"]).says(["t: b is no input any more\n"]);
    ws.build([]).ran(["t"]);
    ws.percache(["why", "t"]).says(["differs from the one before in this:\n  b is no input any more\n"]);
    ws.edit_config("[\"a\"]", "[\"*\", \"!percache.toml\"]");
    ws.remove("b");
    ws.write("c", "");
    ws.build([]).ran(["t"]);
    ws.remove("c");
    ws.write("a", "2");
    ws.build(["-n"]).says(["t: a changed, line 1, and 1 more\n"]);
    ws.percache(["why", "t"]).says(["  c is gone\n"]);
    ws.build([]).ran(["t"]);
    ws.percache(["why", "t"]).says(["  c is gone\n"]);
    ws.edit_config("env_from = [\"V\"]", "");
    ws.build(["-n"]).says(["variable V is not declared any more"]);
    // One that is set all the same, and one that is not.
    ws.edit_config("inputs =", "env = { W = \"1\" }\nenv_from = [\"V\"]\ninputs =");
    ws.run(ws.command("").arg("build").env("V", "1")).ran(["t"]);
    ws.edit_config("env = { W = \"1\" }\nenv_from = [\"V\"]\n", "");
    let why = ws.run(ws.command("").args(["why", "t"]).env("V", "1"));
    why.says(["variable V does not count any more", "variable W is not set any more"]);
}

#[test]
fn a_dry_run_says_what_changed_besides_what_it_depends_on() {
    let ws = Sandbox::new(
        r#"
            [task.lib]
            command = "@ran(lib); cat s h > out/lib"
            inputs = ["s", "h"]
            outputs = ["out/lib"]

            [task.app]
            command = "@ran(app); cat out/lib h"
            inputs = ["out/lib", "h"]

            [task.last]
            command = "@ran(last)"
            inputs = []
            deps = ["app"]
        "#,
    );
    ws.write("s", "");
    ws.write("h", "1\n");
    ws.build([]).ran(["app", "last", "lib"]);
    ws.write("s", "2\n");
    ws.build(["-n"]).says(["may run       app: it depends on `lib`\n", "last: it depends on `app`\n"]);
    ws.write("h", "2\n");
    ws.build(["-n"]).says(["may run       app: h changed, line 1; it depends on `lib`\n"]);
    ws.percache(["why", "app"]).says(["app may run: h changed, line 1; it depends on `lib`", "also: lib would run"]);
    let answer = json(&ws, "last");
    assert_eq!(answer["chains"][0][1]["changes"][0]["text"], "h changed, line 1", "{answer:#}");
    assert_eq!(answer["causes"], 2);
}

#[test]
fn what_runs_in_any_case_does_not_depend_on_anything() {
    let ws = Sandbox::new(
        r#"
            [task.lib]
            command = "@ran(lib); cat s > out/lib"
            inputs = ["s"]
            outputs = ["out/lib"]

            [task.app]
            command = "@ran(app); cat out/lib"
            inputs = ["out/lib"]

            [task.deploy]
            command = "@ran(deploy)"
            deps = ["app"]
            cache = false
        "#,
    );
    ws.write("s", "");
    ws.build([]).ran(["app", "deploy", "lib"]);
    ws.write("s", "2");
    ws.build(["-n"]).says(["may run       app: it depends on `lib`", "would run     deploy: it always runs"]);
    ws.build(["-n", "-f", "app"]).says(["would run     app: --force"]);
    ws.build(["-n", "--no-cache"]).says(["would run     app: --no-cache"]);
    ws.percache(["why", "deploy"]).says(["deploy would run: it always runs"]);
}

#[test]
fn a_run_that_left_no_result_is_not_taken_for_none() {
    let ws = Sandbox::new("[task.t]\ncommand = \"@ran(t); cat ok\"\ninputs = [\"ok\"]");
    ws.write("percache-ok", "");
    ws.build(["-n"]).says(["t: it never succeeded here\n"]);
    ws.build([]).fails().reported(["t"]);
    ws.build(["-n"]).says(["t: no run of it here has left a result\n"]);
    ws.write("ok", "");
    ws.build(["--no-cache", "--explain"]).ran(["t"]).says(["t (", ": --no-cache\n"]);
    ws.build(["--explain"]).ran(["t"]).says([": no run of it here has left a result\n"]);
    ws.percache(["why", "t"]).says(["its result is the first one here"]).does_not_say("failed");
}

#[test]
fn what_is_said_of_a_result_that_would_be_restored_is_about_that_one() {
    let ws = project();
    let made = |answer: &Value| answer["last"]["made"].as_f64();
    let first = made(&json(&ws, "compile"));
    ws.write("src/a", "2");
    ws.build([]).ran(["compile", "link"]);
    assert_ne!(made(&json(&ws, "compile")), first);
    ws.write("src/a", "1");
    let answer = json(&ws, "compile");
    assert_eq!((answer["state"].as_str(), made(&answer)), (Some("would_restore"), first));
}
