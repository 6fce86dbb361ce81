//! `list`: instances of a template together, what may be stale, and what is known of each task.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

const PROJECT: &str = r#"
    [task.objects]
    description = "Compiles one file"
    foreach = "src/*.c"
    command = "cat {file} > out/{stem}.o; ! grep wrong {file}"
    inputs = ["{file}"]
    outputs = ["out/{stem}.o"]

    [task.app]
    command = "cat out/*.o > app"
    inputs = ["out/*.o"]
    outputs = ["app"]

    [task.docs]
    command = "cat docs.md > docs.html"
    inputs = ["docs.md"]
    outputs = ["docs.html"]

    [task.asked]
    command = "true"
    inputs = []
    tools = ["cat version"]
"#;

fn project() -> Sandbox {
    let ws = Sandbox::new(PROJECT);
    (0..4).for_each(|n| ws.write(&format!("src/{n}.c"), format!("{n}\n")));
    ws.write("docs.md", "text\n");
    ws.write("version", "1\n");
    ws
}

/// The lines without their columns of time, by their first words.
fn lines(ws: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let run = ws.run(ws.command("").arg("list").args(arguments)).succeeds().reported([]);
    run.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn starts(lines: &[String], start: &str) {
    assert!(lines.iter().any(|line| line.starts_with(start)), "{start} in {lines:#?}");
}

fn fresh(ws: &Sandbox) -> Value {
    let tasks: Value = serde_json::from_str(&ws.percache(["list", "--json"]).succeeds().stdout).unwrap();
    let tasks = tasks.as_array().unwrap();
    tasks
        .iter()
        .map(|task| (task["name"].as_str().unwrap().to_owned(), task["fresh"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Builds until stamps tell everything: those of files that were written a moment before do not.
fn settle(ws: &Sandbox) {
    ws.wait_until("stamps tell", || {
        ws.build([]).succeeds();
        fresh(ws).as_object().unwrap().values().all(Value::is_boolean)
    });
}

#[test]
fn the_instances_of_a_template_are_one_line_unless_each_is_wanted() {
    let ws = project();
    starts(&lines(&ws, &[]), "objects 4 · 4 never built Compiles one file");
    ws.write("src/2.c", "wrong\n");
    ws.build(["-k"]).fails();
    let folded = lines(&ws, &[]);
    assert_eq!(folded.len(), 4, "{folded:#?}");
    starts(&folded, "objects 4 · 1 failed · 3 built ");
    for arguments in [&["-v"][..], &["objects"]] {
        let each = lines(&ws, arguments);
        starts(&each, "objects[src/1.c] built ");
        starts(&each, "objects[src/2.c] failed ");
    }
}

#[test]
fn what_rests_on_a_changed_file_may_be_stale_and_so_may_what_needs_it() {
    let ws = project();
    assert_eq!(fresh(&ws)["app"], false, "what it needs was never built");
    settle(&ws);
    let all = json!({ "app": true, "asked": true, "docs": true,
        "objects[src/0.c]": true, "objects[src/1.c]": true, "objects[src/2.c]": true, "objects[src/3.c]": true });
    assert_eq!(fresh(&ws), all);
    ws.write("src/1.c", "one\n");
    let changed = fresh(&ws);
    assert_eq!((&changed["app"], &changed["objects[src/1.c]"]), (&json!(false), &json!(false)));
    assert_eq!((&changed["docs"], &changed["objects[src/0.c]"]), (&json!(true), &json!(true)));
    let folded = lines(&ws, &[]);
    starts(&folded, "objects 4 · 1 stale? · 3 built ");
    starts(&folded, "app stale? ");
    starts(&folded, "docs built ");
    settle(&ws);
    assert_eq!(fresh(&ws), all);
    // An output that is gone, too, and a configuration that may mean something else.
    ws.remove("docs.html");
    assert_eq!(fresh(&ws)["docs"], false);
    settle(&ws);
    ws.edit_config("cat docs.md >", "cat docs.md docs.md >");
    assert_eq!(fresh(&ws)["docs"], Value::Null);
}

#[test]
fn a_stale_task_is_not_green() {
    let ws = project();
    settle(&ws);
    let coloured = |ws: &Sandbox| ws.percache(["list", "docs", "--color", "always"]).succeeds().stdout;
    let green = "\x1b[32m";
    assert!(coloured(&ws).contains(green), "{:?}", coloured(&ws));
    ws.write("docs.md", "other\n");
    assert!(!coloured(&ws).contains(green) && coloured(&ws).contains("stale?"), "{:?}", coloured(&ws));
}

#[test]
fn age_time_and_size_of_what_ran_are_told() {
    let ws = project();
    settle(&ws);
    let tasks: Value = serde_json::from_str(&ws.percache(["list", "--json", "docs"]).succeeds().stdout).unwrap();
    let (task, now) = (&tasks[0], std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap());
    assert_eq!((&task["bytes"], &task["template"]), (&json!(5), &json!("docs")));
    let age = now.as_secs_f64() - task["ended"].as_f64().unwrap();
    assert!((0.0..600.0).contains(&age), "{age}");
    let line = &lines(&ws, &["docs"])[0];
    assert!(line.contains(" ago ") && line.ends_with(" 5 B"), "{line}");
}

#[test]
fn outputs_beside_their_inputs_do_not_make_a_task_look_stale() {
    let ws = Sandbox::new(
        r#"
        [task.all]
        command = "cat *.txt > all.out"
        inputs = ["*.txt"]
        outputs = ["all.out"]
        "#,
    );
    ws.write("one.txt", "1\n");
    ws.build([]).succeeds();
    assert_ne!(fresh(&ws), json!({ "all": false }), "the build itself changed the directory");
    ws.wait_until("another input is noticed", || {
        ws.write("two.txt", "2\n");
        let noticed = fresh(&ws) == json!({ "all": false });
        ws.remove("two.txt");
        noticed
    });
}
