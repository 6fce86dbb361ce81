//! The command of a task with the paths that are known only now: `{inputs}`, `{outputs}` and `{deps}`.
//!
//! Knows which paths these are; `config` knows how they are put into a command.

use std::collections::BTreeSet;

use crate::action::inputs::Dependencies;
use crate::config;
use crate::fs::stat_cache::{Behind, FileState};
use crate::model::path::RelPath;
use crate::model::pattern::Pattern;
use crate::model::problem::Trouble;
use crate::model::{List, Task, TaskCommand};

/// Returns the command to run. `inputs` are the task's inputs as they are now, sorted.
///
/// # Errors
/// Fails if a path cannot be quoted where it stands.
pub fn fill_in(
    task: &Task,
    command: &TaskCommand,
    inputs: &[(RelPath, FileState)],
    deps: &Dependencies,
) -> Result<TaskCommand, Trouble> {
    let Some(late) = &task.late else { return Ok(command.clone()) };
    let paths = |list| {
        let paths = match list {
            List::Inputs => declared(task, inputs),
            List::Outputs => task.outputs.literals().cloned().collect(),
            List::Deps => of_dependencies(inputs, deps),
        };
        paths.iter().map(|path| seen_from(&task.cwd, path)).collect()
    };
    config::fill_in(late, paths).map_err(|list| {
        let message = format!("a path of `{{{}}}` cannot be quoted where it stands", list.name());
        Trouble::new(message, "let the placeholder stand by itself, between blanks, outside of quotes")
    })
}

/// Returns the files that the task's own patterns match, in the order of the patterns.
fn declared(task: &Task, inputs: &[(RelPath, FileState)]) -> Vec<RelPath> {
    let own = |pattern: &&Pattern| !pattern.negated && pattern.index >= task.inputs.shared;
    let (patterns, partial) = (&task.inputs.patterns, &task.inputs.partial);
    let mut ordered: Vec<&Pattern> = patterns.patterns().iter().chain(partial.patterns()).filter(own).collect();
    ordered.sort_by_key(|pattern| pattern.index);
    let (mut paths, mut seen) = (Vec::new(), BTreeSet::new());
    for pattern in ordered {
        let found = inputs.iter().filter(|(path, state)| is_file(state) && pattern.matches(path));
        let found: Vec<&RelPath> = found.map(|(path, _)| path).filter(|path| patterns.matches(path)).collect();
        // A file that does not exist or of which a part counts is named all the same.
        let named =
            pattern.literal().filter(|path| found.is_empty() && (patterns.matches(path) || partial.matches(path)));
        paths.extend(found.into_iter().chain(named).filter(|path| seen.insert((*path).clone())).cloned());
    }
    paths
}

/// Returns the files that the tasks in `deps` made, without duplicates.
fn of_dependencies(inputs: &[(RelPath, FileState)], deps: &Dependencies) -> Vec<RelPath> {
    let is_input = |path: &&RelPath| {
        let position = inputs.binary_search_by(|(other, _)| other.cmp(path));
        position.is_ok_and(|position| is_file(&inputs[position].1))
    };
    let mut seen = BTreeSet::new();
    let made = deps.iter().flat_map(|(_, visible)| &visible.outputs).filter(is_input);
    made.filter(|path| seen.insert((*path).clone())).cloned().collect()
}

fn is_file(state: &FileState) -> bool {
    !matches!(state, FileState::Directory | FileState::Symlink { behind: Behind::Directory, .. })
}

/// Returns a path as the command sees it: one that begins with `-` must not look like an option.
fn seen_from(cwd: &RelPath, path: &RelPath) -> String {
    let seen = String::from_utf8_lossy(&path.relative_to(cwd)).into_owned();
    if seen.starts_with('-') { format!("./{seen}") } else { seen }
}
