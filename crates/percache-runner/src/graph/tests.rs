//! The graph of small workspaces: what is inferred, the order, what a selection needs.

use std::fs;
use std::path::Path;

use super::*;
use crate::config::{Request, load};
use crate::model::path::RelPath;

fn workspace(root: &Path, text: &str) -> Workspace {
    fs::write(root.join("percache.toml"), text).unwrap();
    load(&root.canonicalize().unwrap(), &Request::default()).unwrap()
}

/// The tasks that feed the task `b` with these inputs, when the others have these outputs.
fn feeding(inputs: &str, outputs: &[(&str, &str)]) -> Vec<String> {
    let mut text = format!("[task.b]\ncommand = 'x'\ninputs = {inputs}\n");
    for (name, outputs) in outputs {
        text.push_str(&format!("[task.{name}]\ncommand = 'x'\ninputs = []\noutputs = {outputs}\n"));
    }
    let dir = tempfile::tempdir().unwrap();
    let workspace = workspace(dir.path(), &text);
    let b = workspace.tasks.iter().find(|task| task.name == "b").unwrap();
    b.inferred.iter().map(|id| workspace.task(*id).name.clone()).collect()
}

#[test]
fn inputs_are_fed_by_the_outputs_that_they_match() {
    let outputs = [
        ("exact", "['gen/a.h']"),
        ("sibling", "['gen/a.c']"),
        ("dir", "['lib/']"),
        ("plain_dir", "['out']"),
        ("glob", "['dist/*.js']"),
        ("deep", "['deep/**']"),
        ("outside", "['gen2/a.h']"),
    ];
    let nobody: [&str; 0] = [];
    assert_eq!(feeding("['gen/a.h']", &outputs), ["exact"]);
    assert_eq!(feeding("['gen/*.h']", &outputs), ["exact"]);
    assert_eq!(feeding("['gen']", &outputs), ["exact", "sibling"]);
    assert_eq!(feeding("['gen', '!gen/*.c']", &outputs), ["exact"]);
    assert_eq!(feeding("['lib/x/y.h']", &outputs), ["dir"]);
    assert_eq!(feeding("['out/x.h']", &outputs), ["plain_dir"], "goes on below it, so it is a directory");
    assert_eq!(feeding("['out/*.h']", &outputs), ["plain_dir"]);
    assert_eq!(feeding("['dist/a.js']", &outputs), ["glob"]);
    assert_eq!(feeding("['dist/*.css']", &outputs), nobody);
    assert_eq!(feeding("['dist/a*']", &outputs), ["glob"]);
    assert_eq!(
        feeding("['**/*.h']", &outputs),
        ["deep", "dir", "exact", "outside"],
        "a name without slash counts as a file"
    );
    assert_eq!(feeding("['.']", &outputs), ["deep", "dir", "exact", "glob", "outside", "plain_dir", "sibling"]);
    assert_eq!(feeding("[]", &outputs), nobody);
}

#[test]
fn an_output_that_is_taken_away_feeds_nobody() {
    assert_eq!(feeding("['gen/a.h']", &[("a", "['gen/*.h', '!gen/a.h']")]), [""; 0]);
    assert_eq!(feeding("['gen/b.h']", &[("a", "['gen/*.h', '!gen/a.h']")]), ["a"]);
}

#[test]
fn default_inputs_infer_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = workspace(dir.path(), "[task.a]\ncommand = 'x'\noutputs = ['o']\n[task.b]\ncommand = 'x'\n");
    assert!(workspace.tasks.iter().all(|task| task.inferred.is_empty()));
}

const DIAMOND: &str = "
[task.top]
deps = ['left', 'right']
[task.left]
command = 'x'
inputs = ['base.o']
[task.right]
command = 'x'
deps = ['base']
[task.base]
command = 'x'
inputs = []
outputs = ['base.o']
[task.alone]
command = 'x'
";

#[test]
fn every_task_comes_behind_what_it_needs_and_else_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = workspace(dir.path(), DIAMOND);
    let graph = TaskGraph::new(&workspace);
    let names = |ids: &[TaskId]| ids.iter().map(|id| workspace.task(*id).name.clone()).collect::<Vec<_>>();
    let selected = |name: &str| select(&workspace, &RelPath::root(), &[name.to_owned()]).unwrap();
    assert_eq!(names(&graph.order), ["alone", "base", "left", "right", "top"]);
    assert_eq!(names(&graph.closure(&selected("left"))), ["base", "left"]);
    assert_eq!(names(&graph.closure(&selected("top"))), ["base", "left", "right", "top"]);
    assert_eq!(names(&graph.dependents(&selected("base"))), ["base", "left", "right", "top"]);
    assert_eq!(graph.outputs.owner(&RelPath::new("base.o").unwrap()), selected("base").first().copied());
}

#[test]
fn names_on_the_command_line_are_those_of_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("lib/src")).unwrap();
    fs::write(dir.path().join("lib/percache.toml"), "[task.test]\ncommand = 'x'\n").unwrap();
    let root = "workspace.members = ['lib']\n[task.test]\ncommand = 'y'\n[task.all]\ndeps = ['test']\n[task.o]\nforeach = '*.c'\ncommand = 'x'\n";
    let workspace = workspace(dir.path(), root);
    let selected = |cwd: &str, names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let ids = select(&workspace, &RelPath::new(cwd).unwrap(), &names);
        ids.map(|ids| ids.iter().map(|id| workspace.task(*id).name.clone()).collect::<Vec<_>>())
    };
    assert_eq!(selected("lib/src", &["test"]).unwrap(), ["lib:test"]);
    assert_eq!(selected("src", &["test"]).unwrap(), ["test"]);
    assert_eq!(selected("lib", &[":test", "test"]).unwrap(), ["lib:test", "test"]);
    assert_eq!(selected("", &["*:*", "a*", "o"]).unwrap(), ["all", "lib:test"]);
    let error = selected("lib", &["all"]).unwrap_err();
    assert_eq!(
        (error.to_string(), error.hint()),
        ("no task is named `all`".into(), Some("did you mean `:all`?".into()))
    );
}
