//! Looking at tasks without running them: `list`, `build --dry-run` and `--explain`.

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

#[test]
fn columns_are_as_wide_as_their_words() {
    let ws = Sandbox::new(
        r#"
            [task.a]
            command = "echo 1 > out/a"
            inputs = []
            outputs = ["out/a"]

            [task.longer-name]
            description = "Fails"
            command = "false"
            inputs = []
        "#,
    );
    ws.build(["-k"]).fails();
    ws.remove("out");
    let column = |line: &str, word: &str| line.find(word).unwrap_or_else(|| panic!("no `{word}` in `{line}`"));
    let run = ws.build(["-n"]).succeeds();
    // Neither waits for the other.
    let line =
        |word: &str| run.stdout.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{}", run.stdout));
    assert_eq!(line("restore a"), "would restore a");
    assert_eq!(column(line("longer-name"), "longer-name"), "would restore ".len(), "{}", run.stdout);
    let list = ws.percache(["list"]).succeeds().stdout;
    let rows: Vec<&str> = list.lines().collect();
    assert_eq!(column(rows[0], "stale?"), column(rows[1], "failed"), "{list}");
    assert!(rows[1].ends_with("Fails"), "{list}");
}
