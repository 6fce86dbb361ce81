//! Tells files that a run made from files that it left untouched: an output is what the run made or changed.
//!
//! If a file lay below an output pattern before the run and the run did not touch it, it is a source if git tracks it.
//! If git does not, its origin cannot be known: it may be somebody's own, or an incremental tool may have found it up
//! to date. The result is then not stored. An empty directory is treated the same way.

use percache::store::manifest::Manifest;
use percache::store::record::Node;

use crate::action::before::{Before, is_named, outputs_present, stamp};
use crate::action::context::{Accept, Context};
use crate::action::directories::output_directories;
use crate::fs::walk::{Found, Kind};
use crate::model::path::RelPath;
use crate::model::pattern::Pattern;
use crate::model::problem::Trouble;
use crate::model::{Task, TaskId};

/// The sorted-out files at a task's outputs after its command succeeded.
pub struct Outcome {
    /// The files that the run made or changed, sorted.
    pub made: Vec<Found>,
    /// The files of unknown origin, sorted.
    pub unknown: Vec<RelPath>,
    /// Those of `made` that existed before, sorted: they may be somebody's own.
    pub uncertain: Vec<RelPath>,
    /// The first file of `made` that existed before and to which the command only appended.
    pub added_to: Option<RelPath>,
}

/// Sorts out the files `found` after a run.
pub fn tell_apart(ctx: &Context<'_>, task: &Task, before: &Before, found: Vec<Found>) -> Outcome {
    let accepts = ctx.options.accept != Accept::No;
    if before.others.is_empty() {
        return Outcome { made: found, unknown: Vec::new(), uncertain: Vec::new(), added_to: None };
    }
    let all: Vec<RelPath> = found.iter().map(|found| found.path.clone()).collect();
    let (mut made, mut unknown, mut directories) = (Vec::new(), Vec::new(), Vec::new());
    for found in found {
        match before.other(&found.path) {
            None => made.push(found),
            // The user's own symlink in place of an output directory: its target exists now.
            Some(_) if found.kind == Kind::DirectoryLink => made.push(found),
            Some(other) if other.directory && found.kind == Kind::Directory => directories.push(found),
            Some(other) if other.stamp.is_none() || stamp(ctx, &found.path) != other.stamp => made.push(found),
            Some(_) if is_named(task, &found.path) || accepts => made.push(found),
            Some(_) if ctx.git.tracks(&found.path) => {}
            Some(_) => unknown.push(found.path),
        }
    }
    // A directory that existed before is an output if something in it is, if a pattern names it, or if it is made
    // before every run.
    let holds_made = |directory: &RelPath| is_above_one_of(directory, &made, |made: &Found| &made.path);
    let names =
        |directory: &RelPath| task.outputs.patterns().iter().any(|pattern| pattern.literal() == Some(directory));
    let is_made = |directory: &RelPath| output_directories(task).any(|made| made.starts_with(directory));
    let (outputs, others): (Vec<_>, Vec<_>) = directories
        .into_iter()
        .partition(|Found { path, .. }| accepts || names(path) || holds_made(path) || is_made(path));
    let others = others.into_iter().map(|found| found.path);
    unknown.extend(others.filter(|directory| !is_above_one_of(directory, &all, |path| path)));
    unknown.sort_unstable();
    made.extend(outputs);
    made.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let was_there = |found: &&Found| before.other(&found.path).is_some() && !ctx.git.tracks(&found.path);
    let uncertain: Vec<_> = made.iter().filter(was_there).map(|found| found.path.clone()).collect();
    let was_added_to = |path: &&RelPath| {
        let ends = before.other(path).and_then(|other| other.ends.as_ref());
        ends.is_some_and(|ends| ends.were_added_to(&path.to_path(ctx.observer.root())))
    };
    let added_to = uncertain.iter().find(was_added_to).filter(|_| !accepts).cloned();
    Outcome { made, unknown, uncertain, added_to }
}

/// Returns the files among the outputs of a task whose result is used that belong neither to the result nor to git:
/// dependents may read them.
pub fn strays(ctx: &Context<'_>, id: TaskId, task: &Task, outputs: &Manifest) -> Vec<RelPath> {
    let is_named = |pattern: &Pattern| pattern.negated || (pattern.literal().is_some() && !pattern.directory);
    // If all outputs are named files, other files can only lie below an output that is a directory.
    let files = || outputs.iter().all(|entry| entry.node != Node::Directory);
    if ctx.options.dry_run
        || ctx.graph.needed_by[id.index()].is_empty()
        || (task.outputs.patterns().iter().all(is_named) && files())
    {
        return Vec::new();
    }
    // If listing fails, the tasks that read these files will find out.
    let found = outputs_present(ctx, &task.outputs).unwrap_or_default().into_iter();
    let is_stray = |found: &Found| {
        found.kind != Kind::Directory && !outputs.contains(found.path.as_bytes()) && !ctx.git.tracks(&found.path)
    };
    found.filter(is_stray).map(|found| found.path).collect()
}

/// Returns whether any item in a list sorted by path lies below a directory.
fn is_above_one_of<T>(directory: &RelPath, sorted: &[T], path: impl Fn(&T) -> &RelPath) -> bool {
    let below = [directory.as_bytes(), b"/"].concat();
    let first = sorted.partition_point(|item| path(item).as_bytes() < below.as_slice());
    sorted.get(first).is_some_and(|item| path(item).as_bytes().starts_with(&below))
}

/// Returns a file that this task made and that also belongs to another task, with that task.
pub fn claimed_twice(
    ctx: &Context<'_>,
    id: TaskId,
    mut files: impl Iterator<Item = RelPath>,
) -> Option<(TaskId, RelPath)> {
    files.find_map(|path| {
        let other = ctx.graph.outputs.owners(&path).find(|owner| *owner != id)?;
        Some((other, path))
    })
}

/// Returns the error for a file that two tasks made or may make.
pub fn twice(ctx: &Context<'_>, other: TaskId, path: &RelPath) -> Trouble {
    let other = &ctx.workspace.task(other).name;
    let message = format!("it makes `{path}`, which is an output of `{other}` too");
    Trouble::new(
        message,
        format!("every output belongs to one task: take it away from one of them by a pattern \"!{path}\""),
    )
}
