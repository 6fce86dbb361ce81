//! `graph`: its forms, and the parts of it that can be asked for.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

/// generate → compile[…] → link → all; lint reads everything that git would not ignore.
const PROJECT: &str = r#"
    [task.generate]
    command = "@ran(generate); cat src/table > out/gen.h"
    inputs = ["src/table"]
    outputs = ["out/gen.h"]

    [task.compile]
    foreach = "src/*.c"
    command = "@ran(compile); cat {file} include/a.h > out/{stem}.o; echo 'x: include/a.h' > dep/{stem}.d"
    inputs = ["{file}"]
    outputs = ["out/{stem}.o"]
    depfile = "dep/{stem}.d"
    deps = ["generate"]
    env_file = ["flags.env"]

    [task.link]
    command = "@ran(link); cat out/*.o > out/app"
    inputs = ["out/*.o"]
    outputs = ["out/app"]

    [task.all]
    deps = ["link"]

    [task.lint]
    command = "@ran(lint)"
"#;

const COMPILES: [&str; 2] = ["compile[src/a.c]", "compile[src/b.c]"];

fn project() -> Sandbox {
    let ws = Sandbox::new(PROJECT);
    for path in ["src/table", "src/a.c", "src/b.c", "include/a.h"] {
        ws.write(path, path);
    }
    ws.write("flags.env", "FLAGS=1\n");
    ws.write(".gitignore", "/out\n/dep\nignored\n");
    ws
}

/// The names of the tasks that `graph ARGUMENTS… --format json` shows, and the files.
fn shown<const N: usize>(ws: &Sandbox, directory: &str, arguments: [&str; N]) -> (Vec<String>, Value) {
    let mut command = ws.command(directory);
    let output = ws.run(command.arg("graph").args(arguments).args(["--format", "json"])).succeeds().stdout;
    let graph: Value = serde_json::from_str(&output).expect("JSON");
    let tasks = graph["tasks"].as_array().expect("tasks");
    (tasks.iter().map(|task| task["name"].as_str().expect("a name").to_owned()).collect(), graph["files"].clone())
}

#[test]
fn in_every_format() {
    let ws = project();
    ws.percache(["graph"]).succeeds().says(["all\n└── link\n    ├── compile[src/a.c]", "lint"]);
    ws.percache(["graph", "--format", "dot"]).succeeds().says(["digraph", "\"link\" -> \"all\";", "\"lint\";"]);
    ws.percache(["graph", "--format", "mermaid"]).succeeds().says(["graph LR", "[\"compile[src/a.c]\"]", " --> "]);
    let output = ws.percache(["graph", "--format", "json", "link"]).succeeds().reported([]).stdout;
    let graph: Value = serde_json::from_str(&output).expect("JSON");
    let link = json!({ "name": "link", "group": false, "needs": COMPILES, "inferred": COMPILES });
    assert_eq!(graph["tasks"].as_array().expect("tasks").last(), Some(&link));
}

#[test]
fn names_with_special_characters_stay_whole() {
    let ws = project();
    ws.write("src/a \"b\" #1.c", "");
    ws.percache(["graph", "--format", "dot"]).succeeds().says([r#""compile[src/a \"b\" #1.c]""#]);
    ws.percache(["graph", "--format", "mermaid"]).succeeds().says([r##"["compile[src/a #34;b#34; #35;1.c]"]"##]);
}

/// By Graphviz, where it is installed: what it reads is what was meant.
#[test]
fn graphviz_reads_names_with_special_characters_as_they_are() {
    let ws = project();
    let names = ["a \"b\" #1.c", "back\\slash.c", "{rec|ord}.c", "<b>&amp;.c", "ümläut %.c"];
    names.iter().for_each(|name| ws.write(&format!("src/{name}"), ""));
    let dot = ws.percache(["graph", "--format", "dot", "--needed-by", "src"]).succeeds().stdout;
    ws.write("graph.dot", &dot);
    if !std::process::Command::new("dot").arg("-V").output().is_ok_and(|output| output.status.success()) {
        println!("there is no Graphviz here");
        return;
    }
    let read: Value = serde_json::from_str(&ws.shell("dot -Tjson0 graph.dot")).expect("JSON");
    let nodes = read["objects"].as_array().expect("nodes");
    let label = |node: &Value| match node["label"].as_str() {
        Some("\\N") | None => node["name"].as_str().expect("a name").to_owned(),
        Some(label) => label.to_owned(),
    };
    let shown: Vec<String> = nodes.iter().map(label).collect();
    for name in names {
        let task = format!("compile[src/{name}]");
        let same = |shown: &String| shown.replace("\\\\", "\\").replace("&amp;", "&") == task;
        assert!(shown.iter().any(same), "{task} is not in {shown:#?}");
    }
    let text = ws.shell("dot -Tsvg graph.dot");
    for shown in ["compile[src/back\\slash.c]", "compile[src/&lt;b&gt;&amp;amp;.c]", "compile[src/{rec|ord}.c]"] {
        assert!(text.replace("&#45;", "-").contains(shown), "{shown} is not in the picture");
    }
}

#[test]
fn what_a_task_needs() {
    let ws = project();
    assert_eq!(shown(&ws, "", ["--needs", "compile[src/a.c]"]).0, ["compile[src/a.c]", "generate"]);
    assert_eq!(shown(&ws, "", ["compile[src/a.c]"]).0, ["compile[src/a.c]", "generate"]);
    ws.percache(["graph", "--needs", "compil"]).exits(2).says(["compile"]);
}

#[test]
fn what_needs_a_file() {
    let ws = project();
    let needing = |path: &str| shown(&ws, "", ["--needed-by", path]).0;
    // Through a pattern, an `env_file`, the output of an explicit dependency, of an inferred one, and what nothing declares.
    assert_eq!(needing("src/a.c"), ["all", "compile[src/a.c]", "link", "lint"]);
    assert_eq!(needing("flags.env"), ["all", COMPILES[0], COMPILES[1], "link", "lint"]);
    assert_eq!(needing("out/gen.h"), ["all", COMPILES[0], COMPILES[1], "link"]);
    assert_eq!(needing("out/a.o"), ["all", "link"]);
    assert_eq!(needing("src/table"), ["all", COMPILES[0], COMPILES[1], "generate", "link", "lint"]);
    let (tasks, files) = shown(&ws, "src", ["--needed-by", "../out/a.o"]);
    assert_eq!(tasks, ["all", "link"]);
    assert_eq!(files, json!([{ "path": "out/a.o", "made_by": "compile[src/a.c]", "needed_by": ["link"] }]));
}

#[test]
fn a_discovered_input_is_known_after_the_first_build() {
    let ws = project();
    assert_eq!(shown(&ws, "", ["--needed-by", "include/a.h"]).0, ["lint"]);
    ws.build([]).succeeds();
    let (tasks, _) = shown(&ws, "", ["--needed-by", "include/a.h"]);
    assert_eq!(tasks, ["all", COMPILES[0], COMPILES[1], "link", "lint"]);
    assert_eq!(shown(&ws, "", ["--needed-by", "include"]).0, tasks, "a directory stands for what is in it");
}

#[test]
fn an_ignored_file_is_no_input_and_the_configuration_concerns_all() {
    let ws = project();
    ws.write("ignored", "");
    ws.percache(["graph", "--needed-by", "ignored"]).succeeds().says(["ignored: no task reads it"]);
    assert_eq!(shown(&ws, "", ["--needed-by", "percache.toml"]).0.len(), 6);
}

#[test]
fn what_lies_between_a_file_and_a_task() {
    let ws = project();
    let between = ["--needed-by", "src/table", "--needs", "compile[src/b.c]"];
    assert_eq!(shown(&ws, "", between).0, ["compile[src/b.c]", "generate"]);
    ws.percache(["graph", "--needed-by", "src/table", "--needs", "compile[src/b.c]"])
        .succeeds()
        .says(["src/table\n└── generate\n    └── compile[src/b.c]\n"]);
}

#[test]
fn what_needs_a_task_and_what_is_nothing() {
    let ws = project();
    ws.percache(["graph", "--needed-by", "link"]).succeeds().says(["link\n└── all\n"]);
    ws.percache(["graph", "--needed-by", "generate"]).succeeds().says(["│   └── link\n", "    └── link (above)\n"]);
    ws.percache(["graph", "--needed-by", "src/c.c"]).exits(2).says(["neither a file nor a task `src/c.c`", "hint:"]);
    ws.percache(["graph", "--needed-by", "../x"]).exits(2).says(["../x", "leaves the workspace"]);
}
