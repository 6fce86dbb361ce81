//! `why`: what a task depends on that changed, down to the first cause.

mod last_result;
mod tools;

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
    ws.percache(["-v", "why", "compile"]).succeeds().says(["src/a", "356a192b", "da4b9237", "1 - 1", "1 + 2"]);
    // The lines say enough.
    ws.percache(["why", "compile"]).succeeds().says(["src/a", "1 - 1", "1 + 2"]).does_not_say("356a192b");
    ws.shell("chmod +x src/a");
    ws.percache(["why", "compile"]).succeeds().says(["356a192b", "da4b9237", "executable"]);
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
    let taken_back = ["1 - 2", "1 + 1", "link was made anew: out/b changed, line 1 ← compile was made anew: src/a"];
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
