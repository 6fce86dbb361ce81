//! Why many tasks ran, in few words: the last build from its first causes, and the instances of a template together.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// table → gen → compile[…] → link; `lone` reads something else.
const PROJECT: &str = r#"
    [task.gen]
    command = "@ran(gen); sed '/^#/d' table > out/gen"
    inputs = ["table"]
    outputs = ["out/gen"]

    [task.compile]
    foreach = "src/*.c"
    command = "cat {file} out/gen > out/{stem}.o; echo made {stem}; ! grep wrong {file}"
    inputs = ["{file}", "out/gen"]
    outputs = ["out/{stem}.o"]

    [task.link]
    command = "cat out/*.o > app"
    inputs = ["out/*.o"]
    outputs = ["app"]

    [task.lone]
    command = "cat other"
    inputs = ["other"]
"#;

fn project() -> Sandbox {
    let ws = Sandbox::new(PROJECT);
    ws.write("table", "1\n");
    ws.write("other", "1\n");
    (0..6).for_each(|n| ws.write(&format!("src/{n}.c"), format!("{n}\n")));
    ws
}

fn causes(ws: &Sandbox) -> Value {
    serde_json::from_str(&ws.percache(["why", "--json"]).succeeds().reported([]).stdout).unwrap()
}

#[test]
fn the_last_build_is_explained_from_its_first_causes() {
    let ws = project();
    ws.percache(["why"]).fails().says(["no build is recorded", "hint:"]);
    ws.build([]).succeeds();
    ws.percache(["why"]).succeeds().says(["it never succeeded here: 9 tasks\n", " and 5 more", "9 ran in"]);
    ws.write("table", "1\n2\n");
    ws.write("other", "2\n");
    ws.build([]).succeeds();
    let run = ws.percache(["why"]).succeeds().says([
        "table changed, line 2: 8 tasks\n  gen, compile[src/0.c], compile[src/1.c], compile[src/2.c] and 4 more\n",
        "other changed, line 1: 1 task\n  lone\n",
    ]);
    let (table, other) = (run.stdout.find("table changed"), run.stdout.find("other changed"));
    assert!(table < other && !run.stdout.contains("out/gen changed"), "{}", run.stdout);
    ws.percache(["why", "-v"]).succeeds().says(["compile[src/5.c], link\n"]);
    let told = causes(&ws);
    assert_eq!(told["causes"][0]["reason"], "table changed, line 2");
    assert_eq!(told["causes"][0]["tasks"].as_array().unwrap().len(), 8);
    assert_eq!(
        (&told["causes"][1], &told["failed"]),
        (&json!({ "reason": "other changed, line 1", "tasks": ["lone"] }), &json!([]))
    );
    // The report counts the same.
    let report: Value = serde_json::from_str(&ws.percache(["report", "--json"]).succeeds().stdout).unwrap();
    let link = report["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "link").unwrap();
    assert_eq!(link["cause"], "table changed, line 2");
    assert!(link["reason"].as_str().unwrap().starts_with("out/0.o changed"), "{link}");
}

#[test]
fn another_reason_than_a_change_stays_one_and_failures_are_named() {
    let ws = project();
    ws.build([]).succeeds();
    ws.write("src/3.c", "wrong\n");
    ws.build(["-k"]).fails();
    ws.percache(["why"]).succeeds().says(["failed or stopped:\n  compile[src/3.c] (exit status 1)\n"]);
    assert_eq!(causes(&ws)["failed"], json!([{ "task": "compile[src/3.c]", "how": "exit status 1" }]));
    ws.build(["-f", "lone"]).succeeds();
    assert_eq!(causes(&ws)["causes"], json!([{ "reason": "--force", "tasks": ["lone"] }]));
    ws.percache(["why", "--", "x"]).exits(2);
}

#[test]
fn a_build_in_two_steps_has_the_cause_of_the_first() {
    let ws = project();
    ws.build([]).succeeds();
    ws.write("table", "1\n2\n");
    ws.build(["gen"]).succeeds();
    ws.build(["--explain"]).succeeds();
    assert_eq!(causes(&ws)["causes"][0]["reason"], "table changed, line 2");
    // An older build's records are not taken for those of the last one.
    ws.write("other", "2\n");
    ws.build(["lone"]).succeeds();
    assert_eq!(causes(&ws)["causes"], json!([{ "reason": "other changed, line 1", "tasks": ["lone"] }]));
}

#[test]
fn the_instances_of_a_template_are_summed_up() {
    let ws = project();
    ws.build([]).succeeds();
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["compile: 6 tasks\n\n6 up to date\n"]);
    ws.write("src/1.c", "one\n");
    ws.write("src/2.c", "wrong\n");
    let said = ws.percache(["why", "compile"]).succeeds();
    said.says([
        "4 up to date\n  compile[src/0.c], compile[src/3.c], compile[src/4.c], compile[src/5.c]\n",
        "1 would run: src/1.c changed, line 1\n  compile[src/1.c]\n",
    ]);
    let reason = "src/1.c changed, line 1";
    let told: Value = serde_json::from_str(&ws.percache(["why", "--json", "compile"]).succeeds().stdout).unwrap();
    assert_eq!(
        (&told[1], told.as_array().unwrap().len()),
        (&json!({ "task": "compile[src/1.c]", "state": "would_run", "message": null, "reason": reason }), 6)
    );
    ws.build(["-k"]).fails();
    let log = ws.percache(["log", "compile"]).succeeds().stdout;
    assert_eq!(
        log,
        "compile: 6 tasks; name one of them to see its log\n\
         1 failed\n  compile[src/2.c] (exit status 1): wrong\n5 built\n"
    );
    ws.percache(["log", "compile[src/2.c]"]).succeeds().says(["made 2\nwrong\n"]);
    ws.percache(["log", "*:none"]).exits(2);
}
