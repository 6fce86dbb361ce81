//! Tests of the configuration, as a specification: what files mean, and how mistakes are reported.

mod expansion;
mod fuzz;
mod keys;
mod meaning;
mod mistakes;
mod mistakes_between;
mod mistakes_in_values;
mod pools;
mod schema;
mod servers;
mod templates;

use std::fs;

use super::keys::TASK;
use super::{Request, load};
use crate::model::diagnostic::{Diagnostics, Label};
use crate::model::path::RelPath;
use crate::model::{Task, TaskId, Workspace};

/// A directory with files.
struct Tree(tempfile::TempDir);

impl Tree {
    /// Returns the root file and other files by path and text.
    fn new(root: &str, others: &[(&str, &str)]) -> Self {
        let tree = Tree(tempfile::tempdir().unwrap());
        tree.write("percache.toml", root);
        for (path, text) in others {
            tree.write(path, text);
        }
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, args: &[&str]) -> Result<Workspace, Diagnostics> {
        let root = self.0.path().canonicalize().unwrap();
        load(&root, &Request { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..Request::default() })
    }

    fn loaded(&self) -> Workspace {
        self.load(&[]).unwrap_or_else(|mistakes| panic!("{}", plain(&mistakes)))
    }
}

/// Loads the workspace of a root file and other files.
fn workspace(root: &str, others: &[(&str, &str)]) -> Workspace {
    Tree::new(root, others).loaded()
}

/// Returns the mistakes in a root file and other files, each in the form of `plain`.
fn mistakes(root: &str, others: &[(&str, &str)]) -> String {
    match Tree::new(root, others).load(&[]) {
        Ok(_) => "no mistake".to_owned(),
        Err(found) => plain(&found),
    }
}

/// Returns the keys of a task, as a hint lists them.
fn keys_of_a_task() -> String {
    let mut names: Vec<&str> = TASK.keys.iter().map(|key| key.name).collect();
    names.sort_unstable();
    format!("`{}`", names.join("`, `"))
}

/// Returns for each mistake its title, its places as `file:line:column` with the underlined text, and its hint.
fn plain(diagnostics: &Diagnostics) -> String {
    let mut lines = Vec::new();
    for error in &diagnostics.errors {
        lines.push(format!("error: {}", error.title));
        lines.extend(error.labels.iter().map(|label| place(diagnostics, label)));
        lines.extend(error.hint.iter().map(|hint| format!("hint: {hint}")));
    }
    lines.join("\n")
}

fn place(diagnostics: &Diagnostics, label: &Label) -> String {
    let (path, text) = diagnostics.sources.iter().find(|(path, _)| *path == label.file).unwrap();
    let before = &text[..label.span.start];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("  {path}:{line}:{column} <{}> {}", &text[label.span.clone()], label.text)
}

fn task<'w>(workspace: &'w Workspace, name: &str) -> &'w Task {
    let found = workspace.tasks.iter().find(|task| task.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {:?}", names(workspace)))
}

fn names(workspace: &Workspace) -> Vec<&str> {
    workspace.tasks.iter().map(|task| &task.name[..]).collect()
}

fn named<'w>(workspace: &'w Workspace, ids: &[TaskId]) -> Vec<&'w str> {
    ids.iter().map(|id| &workspace.task(*id).name[..]).collect()
}

fn inputs(task: &Task) -> Vec<String> {
    let default = task.inputs.default.then(|| "default".to_owned());
    default.into_iter().chain(task.inputs.patterns.patterns().iter().map(ToString::to_string)).collect()
}

fn outputs(task: &Task) -> Vec<String> {
    task.outputs.patterns().iter().map(ToString::to_string).collect()
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}
