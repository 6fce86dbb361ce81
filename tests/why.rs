//! `why`: what a task depends on that changed, down to the first cause.

use serde_json::Value;

use crate::sandbox::Sandbox;

const PROJECT: &str = r#"
    [task.compile]
    description = "Compile it"
    command = "@ran(compile); cat src/a > out/b"
    inputs = ["src/*"]
    outputs = ["out/b"]
    env_from = ["FLAGS"]
    tools = ["cat version"]

    [task.link]
    command = "@ran(link); cat out/b > out/c"
    inputs = ["out/b"]
    outputs = ["out/c"]
"#;

fn project() -> Sandbox {
    let ws = Sandbox::new(PROJECT);
    ws.write("src/a", "1");
    ws.write("version", "1.0");
    ws.build([]).ran(["compile", "link"]);
    ws
}

/// What `why` says of a change before and after the build that it causes.
fn why(ws: &Sandbox, task: &str, texts: &[&str]) {
    for moment in ["before", "after"] {
        let output = ws.percache(["why", task]).succeeds().output();
        for text in texts {
            assert!(output.contains(text), "{moment} the build, `why` does not say `{text}`:\n{output}");
        }
        ws.build([]).succeeds();
    }
}

#[test]
fn why_names_the_changed_file_with_old_and_new_digest() {
    let ws = project();
    ws.write("src/a", "2");
    // printf 1 | sha1sum; printf 2 | sha1sum
    why(&ws, "compile", &["src/a", "356a192b", "da4b9237"]);
}

#[test]
fn why_names_added_and_removed_files() {
    let ws = project();
    ws.write("src/new", "");
    why(&ws, "compile", &["src/new"]);
    ws.remove("src/new");
    ws.write("src/a", "3");
    why(&ws, "compile", &["src/a"]);
}

#[test]
fn why_names_the_changed_line_of_the_command() {
    let ws = project();
    ws.edit_config("cat src/a > out/b", "cat src/a src/a > out/b");
    why(&ws, "compile", &["command", "cat src/a > out/b", "cat src/a src/a > out/b"]);
}

#[test]
fn why_names_the_variable_but_not_its_value() {
    let ws = project();
    let run = ws.run(ws.command("").arg("build").env("FLAGS", "-hidden-value")).ran(["compile"]);
    drop(run);
    ws.percache(["why", "compile"]).succeeds().says(["FLAGS"]).does_not_say("-hidden-value");
}

#[test]
fn why_names_the_tool() {
    let ws = project();
    ws.write("version", "2.0");
    ws.build([]).ran(["compile"]);
    ws.percache(["why", "compile"]).succeeds().says(["`cat version` changed"]);
}

#[test]
fn why_names_the_dependency_whose_output_changed() {
    let ws = project();
    ws.write("src/a", "2");
    ws.build([]).ran(["compile", "link"]);
    ws.percache(["why", "link"]).succeeds().says(["out/b"]);
}

#[test]
fn why_names_a_discovered_input() {
    let ws = Sandbox::new(
        r#"
            [task.use]
            command = "@ran(use); cat hidden > out/use; echo 'out/use: hidden' > dep/use.d"
            inputs = []
            outputs = ["out/use"]
            depfile = "dep/use.d"
        "#,
    );
    ws.write("hidden", "1");
    ws.build([]).ran(["use"]);
    ws.write("hidden", "2");
    why(&ws, "use", &["hidden"]);
}

#[test]
fn why_of_a_task_that_never_ran_and_of_one_that_is_up_to_date() {
    let ws = Sandbox::new(PROJECT);
    ws.write("src/a", "1");
    ws.write("version", "1.0");
    ws.percache(["why", "compile"]).succeeds().reported([]);
    ws.build([]).succeeds();
    ws.percache(["why", "compile"]).succeeds().reported([]);
    ws.percache(["why", "compil"]).exits(2).says(["compile"]);
}

// ---- chains ---------------------------------------------------------------------------------------------------------

#[test]
fn the_chain_ends_at_the_first_cause_before_and_after_the_build() {
    let ws = project();
    ws.write("src/a", "one\ntwo\n");
    ws.build([]).ran(["compile", "link"]);
    ws.write("src/a", "one\n2\n");
    ws.percache(["why", "link"]).succeeds().says([
        "link may run: out/b may change ← compile would run: src/a changed, line 2\n",
        "2 - two",
        "2 + 2",
    ]);
    ws.build(["compile"]).ran(["compile"]);
    ws.percache(["why", "link"])
        .succeeds()
        .says(["link would run: out/b changed, line 2 ← compile was made anew: src/a changed, line 2\n"]);
    ws.build([]).ran(["link"]);
    ws.percache(["why", "link"])
        .succeeds()
        .says(["link was made anew: out/b changed, line 2 ← compile was made anew: src/a changed, line 2\n"]);
}

#[test]
fn the_chain_of_a_result_that_was_restored_is_that_of_the_change() {
    let ws = project();
    ws.write("src/a", "2");
    ws.build([]).ran(["compile", "link"]);
    ws.write("src/a", "1");
    ws.build([]).ran([]).restored(2);
    let taken_back =
        ["- da4b9237", "+ 356a192b", "link was made anew: out/b changed, line 1 ← compile was made anew: src/a"];
    ws.percache(["why", "link"]).succeeds().says(taken_back);
}

#[test]
fn causes_of_one_kind_are_told_once() {
    let ws = Sandbox::new(
        r#"
            [task.part]
            foreach = "src/*"
            command = "@ran(part); cat {file} common > out/{stem}"
            inputs = ["{file}", "common"]
            outputs = ["out/{stem}"]

            [task.whole]
            command = "@ran(whole); cat out/* > all"
            inputs = ["out/*"]
            outputs = ["all"]

            [task.group]
            deps = ["whole"]
        "#,
    );
    (0..9).for_each(|i| ws.write(&format!("src/{i}"), ""));
    ws.write("common", "1\n");
    ws.build([]).succeeds();
    ws.percache(["why", "group"]).succeeds().says(["group is a group"]);
    ws.write("common", "2\n");
    ws.write("src/8", "x\n");
    ws.percache(["why", "group"]).succeeds().says([
        "group may run: all may change ← whole may run: out/0 may change ← part[src/0] would run: common changed, line 1",
        "for the same reason: part[src/1], part[src/2], part[src/3], part[src/4], part[src/5] and 2 more",
        "also: part[src/8] would run: common changed, line 1, and 1 more",
    ]);
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let ws = project();
    ws.edit_config("[task.compile]", "[task.compile]\nenv_file = [\"missing.env\"]");
    ws.percache(["why", "compile"]).succeeds().says(["compile would fail", "missing.env"]);
    ws.percache(["why", "link"]).succeeds().says(["link would fail: it needs `compile`", "missing.env"]);
}

// ---- lines ----------------------------------------------------------------------------------------------------------

#[test]
fn a_dry_run_and_explain_name_the_line() {
    let ws = project();
    ws.write("src/a", "1\n2\n3\n");
    ws.build([]).succeeds();
    ws.write("src/a", "1\n2\nIII\n");
    ws.build(["-n"]).succeeds().reported([]).says(["compile: src/a changed, line 3\n"]);
    ws.build(["--explain"]).ran(["compile", "link"]).says(["src/a changed, line 3\n", "out/b changed, line 3\n"]);
}

#[test]
fn a_file_that_only_its_owner_may_read_and_one_that_is_no_text_have_no_lines() {
    let ws = Sandbox::new(
        "[task.count]\ncommand = \"wc -c src/a > out/count\"\ninputs = [\"src/a\"]\noutputs = [\"out/count\"]",
    );
    for (content, mode) in [(&b"private\n"[..], 0o600), (b"private\0\n", 0o644)] {
        ws.write("src/a", content);
        ws.set_mode("src/a", mode);
        ws.build([]).succeeds();
        ws.write("src/a", "other\n");
        ws.build(["-n"]).says(["count: src/a changed\n"]);
    }
    ws.set_mode("src/a", 0o644);
    ws.build([]).succeeds();
    let copies = ws.shell("cat .percache/worktrees/*/texts");
    assert!(copies.ends_with("other\n") && !copies.contains("private"), "{copies}");
}

#[test]
fn a_changed_definition_is_named_with_its_place() {
    let ws = project();
    ws.edit_config("cat src/a > out/b", "cat src/a src/a > out/b");
    let line = 1 + ws.read("percache.toml").lines().position(|line| line.contains("[task.compile]")).expect("the task");
    ws.percache(["why", "compile"]).succeeds().says([&format!("its command changed (percache.toml:{line})")]);
}

// ---- the nearest stored result --------------------------------------------------------------------------------------

#[test]
fn a_stored_result_that_is_nearer_than_the_last_one_is_named() {
    let ws = project();
    ws.write("src/b", "1");
    ws.build([]).succeeds();
    ws.write("src/a", "2");
    ws.write("src/b", "2");
    ws.build([]).succeeds();
    // Back to the first state, but for one file.
    ws.write("src/a", "1");
    ws.write("src/b", "3");
    let output = ws.percache(["why", "compile"]).succeeds().output();
    let nearest = &output[output.find("the nearest stored result").unwrap_or_else(|| panic!("{output}"))..];
    let nearest = nearest.split("\n\n").next().unwrap_or_default();
    assert!(nearest.contains("src/b changed") && !nearest.contains("src/a"), "{output}");
}

#[test]
fn in_a_worktree_where_nothing_ran_the_nearest_result_is_that_of_another() {
    let config = r#"
        [cache]
        dir = "../store"

        [task.copy]
        command = "@ran(copy); cat in more > out/copy"
        inputs = ["in", "more"]
        outputs = ["out/copy"]
    "#;
    let ws = Sandbox::new(config);
    ws.write("in", "1\n");
    ws.write("more", "");
    ws.build([]).ran(["copy"]);
    ws.shell("mkdir ../other && cp in more percache.toml ../other && echo 2 > ../other/in");
    let output = ws.run(ws.command("../other").args(["why", "copy"])).succeeds().reported([]).output();
    assert!(output.contains("copy would run: it never succeeded here"), "{output}");
    assert!(output.contains("the nearest stored result") && output.contains("  in changed"), "{output}");
}

#[test]
fn a_result_that_is_tied_to_another_directory_is_named_as_such() {
    let ws = Sandbox::new(
        "[cache]\ndir = \"../store\"\n[task.here]\ncommand = \"@ran(here); pwd > out/here\"\ninputs = []\noutputs = [\"out/here\"]",
    );
    ws.build([]).ran(["here"]);
    ws.shell("mkdir ../other && cp percache.toml ../other");
    let tied =
        format!("a result fits, but is tied to `{}`, whose path is in its output `out/here`", ws.root().display());
    ws.run(ws.command("../other").args(["why", "here"])).succeeds().says([&format!("here would run: {tied}\n")]);
    ws.run(ws.command("../other").args(["build", "--explain"])).ran(["here"]).says([&tied]);
    let first =
        format!("its result is the first one here; one that fits was there, but is tied to `{}`", ws.root().display());
    ws.run(ws.command("../other").args(["why", "here"]))
        .succeeds()
        .says(["is up to date", &first])
        .does_not_say("why it ran");
}

// ---- what happened, and nothing else --------------------------------------------------------------------------------

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

// ---- tools ----------------------------------------------------------------------------------------------------------

/// A tool that reports itself when it runs.
const WITH_TOOL: &str = r#"
    [task.compile]
    command = "@ran(compile); cat src/a > out/b"
    inputs = ["src/a"]
    outputs = ["out/b"]
    tools = ["@ran(tool) && cat version"]
"#;

#[test]
fn only_a_build_runs_tools() {
    let ws = Sandbox::new(WITH_TOOL);
    ws.write("src/a", "1");
    ws.write("version", "1");
    ws.percache(["why", "compile"])
        .succeeds()
        .reported([])
        .says(["compile may run", "unknown: no result of the task here has one"]);
    ws.build(["-n"]).succeeds().reported([]).says([
        "may run",
        "unknown: no result of the task here has one",
        "1 may run",
    ]);
    ws.percache(["list"]).succeeds().reported([]);
    ws.build([]).reported(["compile", "tool"]);
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["is up to date", "not run", "cat version"]);
    ws.build(["-n"]).succeeds().reported([]).up_to_date(1).says(["not run, their last answers are taken to hold"]);
    ws.write("src/a", "2");
    ws.build(["-n"]).succeeds().reported([]).says(["would run", "src/a changed"]);
    ws.percache(["list"]).succeeds().reported([]);
}

#[test]
fn a_tool_that_is_new_or_whose_answer_is_lost_is_unknown() {
    let ws = Sandbox::new(WITH_TOOL);
    ws.write("src/a", "1");
    ws.write("version", "1");
    ws.build([]).succeeds();
    ws.edit_config("cat version", "cat version version");
    ws.newly_tallied();
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["unknown: no result of the task here has one"]);
    ws.edit_config("cat version version", "cat version");
    ws.percache(["clear"]).succeeds();
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["is not in the store any more"]);
    ws.build(["-n", "-f"]).succeeds().says(["would run     compile: --force"]);
    ws.build(["-n", "--no-cache"]).succeeds().says(["would run     compile"]);
}

// ---- for programs ---------------------------------------------------------------------------------------------------

fn json(ws: &Sandbox, task: &str) -> Value {
    serde_json::from_str(&ws.percache(["why", "--json", task]).succeeds().reported([]).stdout).expect("JSON")
}

#[test]
fn the_answer_as_json() {
    let ws = project();
    ws.write("src/a", "one\n");
    ws.build([]).ran(["compile", "link"]);
    let answer = json(&ws, "link");
    assert_eq!((&answer["state"], &answer["task"]), (&"up_to_date".into(), &"link".into()));
    assert_eq!(answer["last"]["chain"][1]["task"], "compile");
    assert!(answer["last"]["made"].as_f64().is_some_and(|made| made > 1e9), "{answer:#}");
    ws.write("src/a", "two\n");
    let answer = json(&ws, "link");
    assert_eq!(answer["state"], "may_run");
    assert_eq!(answer["reason"], "link may run: out/b may change ← compile would run: src/a changed, line 1");
    let cause = &answer["chains"][0][1];
    assert_eq!((&cause["task"], &cause["via"]), (&"compile".into(), &"out/b".into()));
    let change = &cause["changes"][0];
    assert_eq!((&change["kind"], &change["name"], &change["line"]), (&"input".into(), &"src/a".into(), &1.into()));
    // printf 'two\n' | sha1sum
    assert_eq!(change["new"][0], "7bbef45b3bc70855010e02460717643125c3beca");
    assert_eq!(change["lines"][1], serde_json::json!({ "new": true, "number": 1, "text": "two" }));
    assert_eq!(answer["tools_not_run"], serde_json::json!(["cat version"]));
}
