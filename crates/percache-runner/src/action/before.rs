//! What lies at the places of a task's outputs before its command runs: the task's own files are removed, and others are
//! noted.

use std::borrow::Cow;
use std::io;

use percache::store::record::Node;

use crate::action::added_to::Ends;
use crate::action::context::Context;
use crate::fs::clearing::{Clearing, Left, find_left};
use crate::fs::outputs::present;
use crate::fs::stamp::Stamp;
use crate::fs::walk::{Found, Kind};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::{Trouble, reason, way_out};
use crate::model::{Task, TaskId};
use crate::worktree::intents::Intent;

/// What lies at the places of a task's outputs when its command starts.
pub struct Before {
    /// Files and directories that are not known to be the task's own, and stay; sorted.
    pub others: Vec<Other>,
    /// The stamp of the file at the depfile's path.
    pub depfile: Option<Stamp>,
    /// The outputs, see [`outputs_in_place`].
    pub outputs: PatternSet,
}

/// A file or directory that is not known to be the task's own.
pub struct Other {
    /// Its path.
    pub path: RelPath,
    /// Whether it is a directory.
    pub directory: bool,
    /// Its stamp, if it could be read.
    pub stamp: Option<Stamp>,
    /// The beginning and the end of the file, if git does not track it.
    pub ends: Option<Ends>,
}

impl Before {
    /// Returns what was at `path`, if it is not known to be the task's own.
    pub fn other(&self, path: &RelPath) -> Option<&Other> {
        let at = self.others.binary_search_by(|other| other.path.cmp(path)).ok()?;
        self.others.get(at)
    }
}

/// Returns the current stamp of a path, if it can be read.
pub fn stamp(ctx: &Context<'_>, path: &RelPath) -> Option<Stamp> {
    Stamp::at(&path.to_path(ctx.observer.root())).ok().flatten()
}

/// Returns what lies at the places of a task's outputs.
pub fn outputs_present(ctx: &Context<'_>, outputs: &PatternSet) -> Result<Vec<Found>, String> {
    present(ctx.observer.root(), outputs, &ctx.skip).map_err(|e| format!("{e}: {}", e.source))
}

/// Returns the output patterns, adapted to the tree: `dist` counts as a directory of outputs if somebody has made it a
/// symlink to a directory. A symlink that the task itself made is an output.
pub fn outputs_in_place<'t>(ctx: &Context<'_>, id: TaskId, task: &'t Task) -> Cow<'t, PatternSet> {
    let is_place = |path: &RelPath| {
        let native = path.to_path(ctx.observer.root());
        let held = find_left(ctx.previous(id), path.as_bytes()).and_then(|left| left.held);
        native.is_symlink()
            && match held {
                Some(Node::Symlink(_)) => false,
                Some(Node::Directory) => true,
                _ => native.is_dir(),
            }
    };
    task.outputs.with_directories(&is_place)
}

/// Removes the task's own files: those that earlier builds left, and those at outputs that are named without a
/// wildcard.
///
/// A command that appends to a file, or adds to an archive, must find what it would find in a clean tree.
pub fn make_room(
    ctx: &Context<'_>,
    clearing: &mut Clearing<'_, '_>,
    id: TaskId,
    task: &Task,
) -> Result<Before, Trouble> {
    let previous = ctx.previous(id);
    let outputs = outputs_in_place(ctx, id, task);
    let mut own = Vec::new();
    let (mut others, mut places) = (Vec::new(), Vec::new());
    for Found { path, kind } in outputs_present(ctx, &outputs)? {
        let directory = kind == Kind::Directory;
        // A user's symlink in place of an output directory: its target is used or created, or the symlink is an error.
        let is_place = kind == Kind::Symlink && outputs.passes(&path);
        let named = !directory && !is_place && is_named(task, &path);
        match find_left(previous, path.as_bytes()) {
            // A file that git tracks belongs to the user, unless the task names exactly this output.
            Some(left) if named || directory || !ctx.git.tracks_itself(&path) => own.push(left.clone()),
            // A clean tree has the files that git tracks, too. Edits to them exist nowhere else.
            None if named && !is_committed(ctx, &path) => own.push(Left { path, held: None }),
            _ => {
                places.extend(Some(path.clone()).filter(|_| is_place));
                let stamp = stamp(ctx, &path);
                let is_theirs = kind == Kind::File && !ctx.git.tracks(&path);
                let ends = if is_theirs { Ends::read(&path.to_path(ctx.observer.root())) } else { None };
                others.push(Other { path, directory, stamp, ends });
            }
        }
    }
    if let Some(intents) = &ctx.intents {
        let others = others.iter().map(|other| other.path.clone()).collect();
        ctx.or_trouble(intents.note(&Intent::new(&outputs, others)));
    }
    clearing.take_all(&own).map_err(|(path, e)| told("remove its old output", &path, &e))?;
    let taken: Vec<_> = own.into_iter().map(|left| left.path).collect();
    for place in places {
        clearing.tree().make_directory(&place).map_err(|e| told("make the directory", &place, &e))?;
    }
    // A directory made for an earlier output may be in the way of a new one.
    ctx.prune(clearing.tree(), &taken).map_err(|e| format!("cannot remove the directories of old outputs: {e}"))?;
    let depfile = task.discovery.depfile().and_then(|path| stamp(ctx, path));
    Ok(Before { others, depfile, outputs: outputs.into_owned() })
}

/// Returns whether git tracks a file and it is as committed.
fn is_committed(ctx: &Context<'_>, path: &RelPath) -> bool {
    ctx.git.tracks_itself(path) && stamp(ctx, path).is_some_and(|stamp| ctx.git.is_clean(path, stamp.size, stamp.mtime))
}

/// Returns whether the task names this output without a wildcard.
pub fn is_named(task: &Task, path: &RelPath) -> bool {
    let mut patterns = task.outputs.patterns().iter().filter(|pattern| !pattern.negated && !pattern.directory);
    patterns.any(|pattern| pattern.literal() == Some(path))
}

/// Returns the problem with doing something at `path`.
pub fn told(what: &str, path: &RelPath, error: &io::Error) -> Trouble {
    Trouble { message: format!("cannot {what} `{path}`: {}", reason(error)), hint: way_out(error) }
}
