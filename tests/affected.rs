//! `--affected` selects what a range of git history affects, without a build.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// A repository with one commit on `main`, and a branch on top of it.
fn repository() -> Sandbox {
    let ws = Sandbox::new(
        r#"
        [workspace]
        members = ["web", "api"]
        [task.objects]
        foreach = "src/*.c"
        command = "mkdir -p build && cp {file} build/{stem}.o && @ran(object)"
        inputs = ["{file}"]
        outputs = ["build/{stem}.o"]
        [task.app]
        command = "cat build/*.o > app && @ran(app)"
        inputs = ["build/*.o"]
        outputs = ["app"]
        [task.docs]
        command = "@ran(docs)"
        inputs = ["docs"]
        "#,
    );
    ws.config_in("web", "[task.build]\ncommand = \"@ran(web)\"\ninputs = [\"w\"]");
    ws.config_in("api", "[task.build]\ncommand = \"@ran(api)\"\ninputs = [\"a\"]");
    for path in ["src/a.c", "src/b.c", "docs/d", "web/w", "api/a"] {
        ws.write(path, path);
    }
    ws.write(".gitignore", ".percache\nbuild\n/app\n");
    ws.shell("git init -q -b main . && git config user.name n && git config user.email e@example.com");
    ws.shell("git add . && git commit -qm first && git switch -qc feature");
    ws
}

fn affected(ws: &Sandbox, option: &str) -> Vec<String> {
    let listed: Value = serde_json::from_str(&ws.percache(["list", "--json", option]).succeeds().output()).unwrap();
    listed.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_changed_input_affects_its_task_and_what_depends_on_it() {
    let ws = repository();
    assert_eq!(affected(&ws, "--affected"), [""; 0]);
    ws.write("src/a.c", "changed");
    assert_eq!(affected(&ws, "--affected"), ["app", "objects[src/a.c]"]);
    ws.shell("git commit -qam change");
    assert_eq!(affected(&ws, "--affected"), ["app", "objects[src/a.c]"]);
    assert_eq!(affected(&ws, "--affected=HEAD"), [""; 0]);
    assert_eq!(affected(&ws, "--affected=HEAD~1"), ["app", "objects[src/a.c]"]);
}

#[test]
fn a_build_of_what_is_affected_builds_what_that_needs_as_well() {
    let ws = repository();
    ws.percache(["build", "--affected"]).succeeds().says(["no task is affected"]).reported([]);
    ws.write("src/a.c", "changed");
    ws.write("web/w", "changed");
    ws.percache(["build", "--affected"]).ran(["app", "object", "object", "web"]);
    ws.percache(["build", "--affected", "docs"]).succeeds().says(["no task is affected"]).reported([]);
}

#[test]
fn a_changed_definition_affects_its_task_alone() {
    let ws = repository();
    ws.edit("percache.toml", "inputs = [\"docs\"]", "inputs = [\"docs\"]\nenv = { A = \"1\" } # new");
    assert_eq!(affected(&ws, "--affected"), ["docs"]);
    ws.edit(
        "percache.toml",
        "\nenv = { A = \"1\" } # new",
        "\ndescription = \"says nothing about results\"\ntimeout = \"1h\"",
    );
    assert_eq!(affected(&ws, "--affected"), [""; 0]);
    ws.write(
        "web/percache.toml",
        "[task.build]\ncommand = \"true\"\ninputs = [\"w\"]\n[task.test]\ncommand = \"true\"",
    );
    assert_eq!(affected(&ws, "--affected"), ["web:build", "web:test"]);
}

#[test]
fn a_file_that_is_new_or_gone_affects_what_reads_its_kind() {
    let ws = repository();
    ws.write("src/new.c", "");
    assert_eq!(affected(&ws, "--affected"), ["app", "objects[src/new.c]"]);
    ws.remove("src/new.c");
    ws.remove("src/b.c");
    assert_eq!(affected(&ws, "--affected"), ["app"]);
}

#[test]
fn what_only_builds_discover_counts_once_it_was_discovered() {
    let ws = Sandbox::new(
        r#"
        [task.o]
        command = "echo 'o: h.h' > o.d; cp h.h o"
        inputs = []
        outputs = ["o"]
        depfile = "o.d"
        "#,
    );
    ws.write("h.h", "1");
    ws.write(".gitignore", ".percache\no\no.d\n");
    ws.shell("git init -q -b main . && git add . && git -c user.name=n -c user.email=e@example.com commit -qm first");
    ws.build([]).succeeds();
    ws.write("h.h", "2");
    assert_eq!(affected(&ws, "--affected"), ["o"]);
}

#[test]
fn the_graph_shows_the_affected_part() {
    let ws = repository();
    ws.write("src/a.c", "changed");
    let run = ws.percache(["graph", "--affected"]).succeeds().says(["app\n└── objects[src/a.c]"]);
    run.does_not_say("src/b.c");
}

#[test]
fn without_git_history_an_error_says_what_is_missing() {
    let ws = Sandbox::new("[task.a]\ncommand = \"true\"");
    ws.percache(["list", "--affected"]).exits(2).says(["the workspace is in no git repository", "hint:"]);
    ws.shell("git init -q -b trunk .");
    ws.percache(["build", "--affected"]).exits(2).says(["cannot tell the default branch", "--affected=REV"]);
    ws.percache(["build", "--affected=nowhere"]).exits(2).says(["`nowhere` is no commit", "hint:"]);
}
