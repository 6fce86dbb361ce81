//! Makes the tree match a result.

use std::borrow::Cow;
use std::sync::PoisonError;

use percache::store::manifest::Manifest;
use percache::store::record::{Entry, Node};

use crate::action::capture::tell_of_others;
use crate::action::context::Context;
use crate::action::job::Job;
use crate::action::restore::{self, Plan, RestoreError, Wrong};
use crate::fs::beneath::Tree;
use crate::fs::clearing::find_left;
use crate::fs::outputs::present;
use crate::fs::stat_cache::{Behind, FileState};
use crate::model::Task;
use crate::model::event::Outcome;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::{Trouble, reason, way_out};
use crate::model::span::{Phase, timed};
use crate::syntax::shown::shown_bytes;
use crate::worktree::intents::Intent;
use crate::worktree::ownership::{clones, is_tracked};

/// Makes the tree contain exactly these outputs of the task. Returns the outcome; `Ok(Err)` means that the store does
/// not have all of them, and nothing was touched.
pub fn put_back(
    ctx: &Context<'_>,
    job: &Job<'_>,
    outputs: &Manifest,
) -> Result<Result<Outcome, RestoreError>, Trouble> {
    // Whatever the store contains, a result can only write what its task declares as outputs.
    if let Some(entry) = outputs.iter().find(|entry| !is_output(job.task, &entry.path)) {
        return Ok(Err(foreign(&entry.path)));
    }
    let places = places(ctx, job, outputs);
    let plan = restore::plan(&ctx.observer, &places, outputs, ctx.previous(job.id));
    let mut plan = plan
        .map_err(|e| Trouble { message: format!("cannot look at its outputs: {}", reason(&e)), hint: way_out(&e) })?;
    // A file that git tracks by now is a source.
    let clones = clones(plan.stale.iter().map(|left| &left.path));
    plan.stale.retain(|left| {
        let tracked = is_tracked(&ctx.git, &left.path, &clones);
        if tracked {
            ctx.kept.lock().unwrap_or_else(PoisonError::into_inner).push(left.path.clone());
        }
        !tracked
    });
    if plan.is_empty() {
        return Ok(Ok(Outcome::UpToDate));
    }
    if let Some(entry) = plan.not_kept() {
        return Ok(Err(RestoreError::NotKept(entry.path.clone())));
    }
    if ctx.options.dry_run {
        pretend(ctx, &plan);
        return Ok(Ok(Outcome::WouldRestore));
    }
    let Some(store) = ctx.store else { return Ok(Err(missing_store())) };
    let temporaries = restore::temporaries(&ctx.observer, &ctx.staging, &plan);
    note_intent(ctx, job, &places, &plan, temporaries)?;
    let restored = timed(ctx.listener, Phase::Restore, Some(job.id), || {
        restore::restore(&ctx.observer, store, &ctx.staging, &ctx.displaced, &plan, ctx.jobs)
    });
    tell_of_others(&ctx.observer, outputs);
    match restored {
        Ok(made) => {
            ctx.directories.add(made);
            prune(ctx, &plan);
            Ok(Ok(Outcome::Restored))
        }
        Err(e @ (RestoreError::Store(_) | RestoreError::NotKept(_))) => Ok(Err(e)),
        Err(RestoreError::Tree(path, e)) => {
            let message = format!("cannot restore `{path}`: {}", reason(&e));
            Err(Trouble { message, hint: way_out(&e) })
        }
    }
}

impl RestoreError {
    /// Notes trouble with the store, if this is any: it has lost what it promised.
    pub fn note(&self, ctx: &Context<'_>) {
        if !matches!(self, RestoreError::NotKept(_)) {
            ctx.note_trouble(self);
        }
    }
}

/// Returns the task's output patterns, adapted to the tree: a directory of `manifest` may be a symlink that the user
/// put in its place.
pub fn places<'j>(ctx: &Context<'_>, job: &Job<'j>, manifest: &Manifest) -> Cow<'j, PatternSet> {
    let own = |path: &RelPath| find_left(ctx.previous(job.id), path.as_bytes()).and_then(|left| left.held);
    job.task.outputs.with_directories(&|path| {
        manifest.get(path.as_bytes()).is_some_and(|entry| entry.node == Node::Directory)
            && !matches!(own(path), Some(Node::Symlink(_)))
            && path.to_path(ctx.observer.root()).is_symlink()
    })
}

/// Removes directories that were only there for stale outputs.
fn prune(ctx: &Context<'_>, plan: &Plan<'_>) {
    let gone = plan.stale.iter().map(|left| &left.path);
    let pruned = Tree::of(&ctx.observer).and_then(|mut tree| ctx.prune(&mut tree, gone));
    // An empty directory that stays is no reason to fail.
    pruned.unwrap_or_else(|e| log::info!("empty directories stay: {e}"));
}

/// Returns whether a path of a manifest is an output of the task.
pub fn is_output(task: &Task, path: &[u8]) -> bool {
    RelPath::new(path).is_ok_and(|known| known.as_bytes() == path && task.outputs.matches(&known))
}

fn foreign(path: &[u8]) -> RestoreError {
    let what = format!("a result has `{}`, which is no output of its task", shown_bytes(path));
    RestoreError::Store(percache::store::ReadError::Engine(percache::db::engine::EngineError::Damaged(what)))
}

fn missing_store() -> RestoreError {
    let error = percache::db::engine::EngineError::Io("there is none".to_owned());
    RestoreError::Store(percache::store::ReadError::Engine(error))
}

/// Notes what is about to be restored, so that after a kill the files written so far do not count as somebody's own.
fn note_intent(
    ctx: &Context<'_>,
    job: &Job<'_>,
    places: &PatternSet,
    plan: &Plan<'_>,
    temporaries: Vec<RelPath>,
) -> Result<(), String> {
    let Some(intents) = &ctx.intents else { return Ok(()) };
    let found = present(ctx.observer.root(), places, &ctx.skip).map_err(|e| e.to_string())?;
    // The plan is in manifest order, which is sorted.
    let wrong = |path: &RelPath| plan.wrong.binary_search_by(|wrong| wrong.entry.path.as_slice().cmp(path.as_bytes()));
    let own = |path: &RelPath| find_left(ctx.previous(job.id), path.as_bytes()).is_some() || wrong(path).is_ok();
    let others = found.into_iter().map(|found| found.path).filter(|path| !own(path)).collect();
    ctx.or_trouble(intents.note(&Intent { temporaries, ..Intent::new(places, others) }));
    Ok(())
}

fn pretend(ctx: &Context<'_>, plan: &Plan<'_>) {
    for Wrong { entry, .. } in &plan.wrong {
        ctx.observer.pretend(entry.path.clone(), state_of(entry));
    }
    for left in &plan.stale {
        ctx.observer.pretend(left.path.as_bytes().to_vec(), FileState::Absent);
    }
}

/// Returns the state that an output has once it is in the tree.
pub fn state_of(entry: &Entry) -> FileState {
    match &entry.node {
        Node::File { content, executable } => FileState::File { digest: content.digest, executable: *executable },
        Node::Symlink(target) => FileState::Symlink { target: target.clone(), behind: Behind::Nothing },
        Node::Directory => FileState::Directory,
    }
}
