//! Looking at tasks without running them: `why`, `list`, `build --dry-run` and `--explain`.

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
    why(&ws, "compile", &["cat version"]);
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

#[test]
fn a_dry_run_runs_nothing_and_says_what_would() {
    let ws = project();
    ws.write("src/a", "2");
    ws.build(["-n"]).succeeds().reported([]).says(["compile"]);
    ws.build(["--dry-run", "--explain"]).succeeds().reported([]).says(["compile", "src/a"]);
    assert_eq!(ws.read("out/b"), "1");
    ws.build([]).ran(["compile", "link"]);
    ws.remove("out");
    ws.build(["-n"]).succeeds();
    assert!(!ws.exists("out/b"), "a dry run restores nothing");
}

#[test]
fn explain_says_why_each_command_runs() {
    let ws = project();
    ws.write("src/a", "2");
    ws.build(["--explain"]).ran(["compile", "link"]).says(["src/a"]);
}

#[test]
fn list_shows_tasks_with_description_and_state() {
    let ws = Sandbox::new(PROJECT);
    ws.write("src/a", "1");
    ws.write("version", "1.0");
    let before = ws.percache(["list"]).succeeds().reported([]).says(["compile", "Compile it", "link"]);
    ws.build([]).ran(["compile", "link"]);
    let after = ws.percache(["list"]).succeeds().reported([]);
    assert_ne!(before.stdout, after.stdout, "the state is shown");
}

#[test]
fn a_profile_is_a_chrome_trace() {
    let ws = project();
    ws.write("src/a", "2");
    ws.build(["--profile", "trace.json"]).ran(["compile", "link"]);
    let trace: serde_json::Value = serde_json::from_str(&ws.read("trace.json")).expect("JSON");
    let events = trace.as_array().or_else(|| trace["traceEvents"].as_array()).expect("an array of events");
    assert!(events.iter().any(|event| event["name"].as_str().is_some_and(|name| name.contains("compile"))), "{trace}");
}
