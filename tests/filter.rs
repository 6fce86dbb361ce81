//! `--filter`: tasks of packages that are selected by name, directory, dependencies and history.

use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::watch::{Watch, until_it_reads};

/// web → ui → core and api → core, four packages of npm with a build and a test each.
fn project() -> Sandbox {
    let ws = Sandbox::new(
        r#"
        [workspace]
        members = "npm"
        [template.build]
        command = '''@ran("${PWD##*/}")'''
        deps = ["^build"]
        inputs = ["src"]
        [template.test]
        command = '''@ran("${PWD##*/}-test")'''
        deps = ["build"]
        inputs = []
        [task.docs]
        command = "@ran(docs)"
        inputs = []
        "#,
    );
    ws.write("package.json", r#"{ "name": "root", "workspaces": ["apps/*", "libs/*"] }"#);
    for (dir, name, needs) in [
        ("apps/web", "@x/web", r#""@x/ui": "*""#),
        ("apps/api", "@x/api", r#""@x/core": "*""#),
        ("libs/ui", "@x/ui", r#""@x/core": "*""#),
        ("libs/core", "@x/core", ""),
    ] {
        ws.write(&format!("{dir}/package.json"), format!(r#"{{ "name": "{name}", "dependencies": {{ {needs} }} }}"#));
        ws.write(&format!("{dir}/percache.toml"), "task.build.extends = [\"build\"]\ntask.test.extends = [\"test\"]\n");
        ws.write(&format!("{dir}/src"), dir);
    }
    ws.write(".gitignore", ".percache\n");
    ws.shell("git init -q -b main . && git config user.name n && git config user.email e@example.com");
    ws.shell("git add . && git commit -qm first && git switch -qc feature");
    ws
}

/// The directories of the listed tasks `build`, and `docs`.
fn builds(ws: &Sandbox, filters: &[&str]) -> String {
    let mut command = ws.command("");
    command.args(["list", "--json"]);
    for filter in filters {
        command.args(["--filter", filter]);
    }
    let listed: Value = serde_json::from_str(&ws.run(&mut command).succeeds().stdout).unwrap();
    let names = listed.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap());
    let names = names.filter_map(|name| if name == "docs" { Some("docs") } else { name.strip_suffix(":build") });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn packages_are_selected_as_in_turborepo() {
    let ws = project();
    for (filters, expected) in [
        (&["@x/ui"][..], "libs/ui"),
        (&["libs/ui"], "libs/ui"),
        (&["./libs/ui"], "libs/ui"),
        (&["{libs/*}"], "libs/core libs/ui"),
        (&["@x/*"], "apps/api apps/web libs/core libs/ui"),
        (&["apps/*..."], "apps/api apps/web libs/core libs/ui"),
        (&["@x/web..."], "apps/web libs/core libs/ui"),
        (&["@x/web^..."], "libs/core libs/ui"),
        (&["...@x/ui"], "apps/web libs/ui"),
        (&["...^libs/core"], "apps/api apps/web libs/ui"),
        (&["...@x/ui..."], "apps/web libs/core libs/ui"),
        (&["@x/web...", "!libs/*"], "apps/web"),
        (&["!apps/*"], "docs libs/core libs/ui"),
        (&["@x/api", "@x/ui"], "apps/api libs/ui"),
        (&["root"], "docs"),
    ] {
        assert_eq!(builds(&ws, filters), expected, "{filters:?}");
    }
}

#[test]
fn what_changed_since_a_commit_is_selected() {
    let ws = project();
    assert_eq!(builds(&ws, &["[main]"]), "");
    ws.percache(["build", "--filter", "[main]"]).succeeds().says(["no task is selected"]).reported([]);
    ws.write("libs/ui/src", "changed");
    assert_eq!(builds(&ws, &["[main]"]), "libs/ui");
    assert_eq!(builds(&ws, &["...[main]"]), "apps/web libs/ui");
    assert_eq!(builds(&ws, &["{apps/*}[main]"]), "");
    ws.write("libs/core/README.md", "no task reads it");
    assert_eq!(builds(&ws, &["[HEAD]"]), "libs/core libs/ui");
}

#[test]
fn a_build_takes_the_named_task_of_every_selected_package() {
    let ws = project();
    ws.percache(["build", "--filter", "@x/web", "-j1", "build"]).ran(["core", "ui", "web"]);
    ws.percache(["build", "--filter", "libs/*", "-j1", "test"]).ran(["core-test", "ui-test"]);
    ws.percache(["build", "--filter", "@x/api", "-j1"]).ran(["api", "api-test"]);
    ws.percache(["build", "--filter", "@x/api", "libs/core:build"]).says(["no task is selected"]).reported([]);
    ws.percache(["build", "--filter", "apps/*", "tset"])
        .exits(2)
        .says(["none of the selected packages has a task `tset`", "did you mean `test`?"]);
    let graph = ws.percache(["graph", "--filter", "@x/ui"]).succeeds();
    graph.says(["libs/ui:test\n└── libs/ui:build"]).does_not_say("libs/core");
}

#[test]
fn wrong_filters_are_told() {
    let ws = project();
    for (filter, says) in [
        ("@x/iu", "did you mean `@x/ui`?"),
        ("web", "did you mean `apps/web`?"),
        ("!nothing", "matches no package"),
        ("{../out}", "leaves the workspace"),
        ("[main...HEAD]", "one commit"),
        ("[nowhere]", "`nowhere` is no commit"),
        ("a{b}c", "it is not of the form"),
    ] {
        ws.percache(["list", "--filter", filter]).exits(2).says([says, "hint:"]);
    }
}

#[test]
fn without_an_ecosystem_tasks_say_what_directories_need() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"a\", \"b\", \"c\"]");
    ws.write("a/percache.toml", "[task.build]\ncommand = \"true\"\ninputs = []\ndeps = [\"b:build\"]\n");
    ws.write("b/percache.toml", "[task.build]\ncommand = \"true\"\ninputs = []\n");
    ws.write("c/percache.toml", "[task.build]\ncommand = \"true\"\ninputs = []\n");
    assert_eq!(builds(&ws, &["a..."]), "a b");
    assert_eq!(builds(&ws, &["...b"]), "a b");
}

#[test]
fn why_tells_of_what_is_affected() {
    let ws = project();
    ws.build([]).succeeds();
    ws.percache(["why", "--affected"]).succeeds().says(["no task is affected"]);
    ws.write("libs/core/src", "changed");
    let all = ws.percache(["why", "--affected", "-v"]).succeeds();
    all.says(["what is affected: 8 tasks", "libs/core:build", "libs/core/src"]);
    ws.percache(["why", "--affected", "@x/core:build"]).succeeds().says(["libs/core/src"]);
}

#[test]
fn selected_packages_are_watched() {
    let ws = project();
    ws.edit_config("command = '''@ran(\"${PWD##*/}\")'''", "command = \"cat src > out\"\noutputs = [\"out\"]");
    let watch = Watch::start(&ws, &["--filter", "libs/*"]);
    until_it_reads(&ws, "libs/ui/out", "libs/ui");
    assert!(!ws.exists("apps/web/out"));
    ws.write("libs/ui/src", "changed");
    until_it_reads(&ws, "libs/ui/out", "changed");
    drop(watch);
}
