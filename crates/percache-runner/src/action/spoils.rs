//! Files that a failed run wrote elsewhere: files that git ignores and that are no task's outputs.
//!
//! The outputs of a failed run are removed before the next run. A tool that keeps its state beside them (tsc's
//! `tsconfig.tsbuildinfo`) believes that they still exist, makes only the rest, and leaves an incomplete result. Such a
//! file is no source, or git would list it; percache does not touch it, and says so.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::action::context::Context;
use crate::fs::git_files::{Area, SourceTree};
use crate::fs::git_repository::Repository;
use crate::model::Task;
use crate::model::notice::Warning;
use crate::model::path::RelPath;

/// The number of directory entries to look at: a failure must be reported at once.
const ENTRIES: usize = 20_000;
/// File systems take their times from a clock that may stand still for some milliseconds.
const TICK: i64 = 10_000_000;

/// Returns a warning about files that were written since `began` (nanoseconds since 1970) below the directory of a
/// failed task, and that may spoil its next result.
pub fn spoils(ctx: &Context<'_>, task: &Task, began: i64) -> Option<Warning> {
    let root = ctx.observer.root();
    if !task.cache || task.interactive {
        return None;
    }
    let written = written_since(ctx, task, began);
    // Without a repository, every undeclared file counts as a source.
    Some(root).filter(|_| !written.is_empty()).and_then(Repository::containing)?;
    let (configuration, caller) = (&ctx.workspace.files, ctx.caller);
    let sources = SourceTree::scan(Area { root, skip: &ctx.skip, configuration, caller }).ok()?;
    let ignored: Vec<_> = written.into_iter().filter(|path| sources.files().binary_search(path).is_err()).collect();
    (!ignored.is_empty()).then(|| Warning::Spoiled { task: task.name.clone(), files: ignored })
}

/// Returns the files below the task's directory that changed since `began` and are no task's outputs; sorted. Returns
/// none if there are too many entries.
fn written_since(ctx: &Context<'_>, task: &Task, began: i64) -> Vec<RelPath> {
    let (mut written, mut pending, mut left) = (Vec::new(), vec![task.dir.clone()], ENTRIES);
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir.to_path(ctx.observer.root())).into_iter().flatten().flatten() {
            let path = dir.child(entry.file_name().as_encoded_bytes());
            left -= 1;
            if left == 0 {
                return Vec::new();
            }
            if entry.file_name() == ".git" || ctx.skip.contains(&path) {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => pending.push(path),
                Ok(metadata) if changed(&metadata) >= began - TICK && ctx.graph.outputs.owner(&path).is_none() => {
                    written.push(path);
                }
                _ => {}
            }
        }
    }
    written.sort();
    written
}

fn changed(metadata: &fs::Metadata) -> i64 {
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}
