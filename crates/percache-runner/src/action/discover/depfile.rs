//! A make-style depfile, as compilers write it: each path that it names was read.

use std::fs;
use std::io;

use percache::Digest;
use percache::store::manifest::Manifest;
use percache::store::record::{Content, Node};

use crate::action::before::{Before, stamp};
use crate::action::context::Context;
use crate::action::executor::{Executed, Left};
use crate::action::inputs::Prepared;
use crate::action::job::Job;
use crate::fs::clearing::Clearing;
use crate::fs::links::follow;
use crate::fs::stat_cache::Resolved;
use crate::model::TaskId;
use crate::model::path::RelPath;
use crate::model::problem::{Trouble, reason};
use crate::syntax::depfile;

use super::{Accesses, Question};

const NOT_WRITTEN: &str = "the command has to write it: `cc` does with `-MD`; or leave `depfile` out";

/// Returns the paths that the depfile at `path` names.
pub(super) fn accesses(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &Executed,
    path: &RelPath,
) -> Result<Accesses, Trouble> {
    let text = text(ctx, executed, path)?;
    let listed = depfile::parse(&text).map_err(|e| {
        let hint = "it has the form that `cc -MD` writes: `a.o: a.c a.h`";
        Trouble::new(format!("its depfile `{path}`, {e}"), hint)
    })?;
    let mut accesses = further_inputs(ctx, job, prepared, &listed)?;
    if matches!(executed.left, Left::InTree(_)) && !job.task.outputs.matches(path) {
        accesses.report = Some((path.clone(), text));
    }
    Ok(accesses)
}

/// Returns the text of the depfile that the command wrote.
fn text(ctx: &Context<'_>, executed: &Executed, path: &RelPath) -> Result<Vec<u8>, Trouble> {
    let before = match &executed.left {
        Left::InTree(before) => before.depfile,
        Left::Stored(manifest) => return stored_text(ctx, manifest, path),
    };
    if before.is_some() && stamp(ctx, path) == before {
        let message = format!("its depfile `{path}` was there before, and the command did not write it");
        return Err(Trouble::new(message, "move the file away, or name the file that the command writes as `depfile`"));
    }
    fs::read(path.to_path(ctx.observer.root()))
        .map_err(|e| Trouble::new(format!("its depfile `{path}` cannot be read: {}", reason(&e)), NOT_WRITTEN))
}

/// Returns the text of a depfile that was written elsewhere and is in the store.
fn stored_text(ctx: &Context<'_>, manifest: &Manifest, path: &RelPath) -> Result<Vec<u8>, Trouble> {
    let entry = manifest.get(path.as_bytes());
    let (Some(Node::File { content, .. }), Some(store)) = (entry.map(|entry| &entry.node), ctx.store) else {
        return Err(Trouble::new(format!("its depfile `{path}` cannot be read: it was not written"), NOT_WRITTEN));
    };
    let mut text = Vec::new();
    store.read(content, &mut text).map_err(|e| format!("its depfile `{path}` cannot be read: {e}"))?;
    Ok(text)
}

/// Removes a depfile if it has this content. One with other content, which somebody else has written since, is
/// displaced.
pub(super) fn remove(ctx: &Context<'_>, path: &RelPath, text: &[u8]) -> io::Result<()> {
    let content = Content { digest: Digest::of(text), length: text.len() as u64 };
    let executable = stamp(ctx, path).is_some_and(|stamp| stamp.executable());
    let mut clearing = Clearing::open(&ctx.observer, &ctx.displaced)?;
    clearing.take(path, Some(&Node::File { content, executable })).map(|_| ())
}

/// Removes the depfile of a failed command: it is worth nothing, and a clean tree does not have it. One that was there
/// before is not the command's.
pub(super) fn discard(ctx: &Context<'_>, path: &RelPath, before: &Before) {
    if before.depfile.is_some() {
        return;
    }
    if let Ok(text) = fs::read(path.to_path(ctx.observer.root())) {
        remove(ctx, path, &text).unwrap_or_else(|e| log::info!("`{path}` stays: {e}"));
    }
}

/// Returns the paths in the depfile, together with the symlinks on the way, except those that are hashed already and
/// the task's own outputs.
fn further_inputs(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    listed: &[Vec<u8>],
) -> Result<Accesses, Trouble> {
    let mut further = Accesses::default();
    let declared = |path: &RelPath| prepared.inputs.binary_search_by(|(other, _)| other.cmp(path)).is_ok();
    let is_place = |path: &[u8]| RelPath::new(path).is_ok_and(|path| ctx.is_place_of_outputs(&path));
    for path in listed {
        let Resolved { path, turns, passed, way } = ctx.observer.resolve(job.task.cwd.as_bytes(), path);
        for link in turns.iter().chain(way.iter().filter(|link| !is_place(link))) {
            if !RelPath::new(link).is_ok_and(|link| declared(&link)) {
                further.ask(link.clone(), Question::Content);
            }
        }
        // In another tree, an output directory may not exist yet.
        for path in passed.into_iter().filter(|path| !is_place(path)) {
            further.ask(path, Question::Exists);
        }
        let Ok(inside) = RelPath::new(&path) else {
            further.ask(path, Question::Content);
            continue;
        };
        if declared(&inside)
            || job.task.outputs.matches(&inside)
            || ctx.skip.iter().any(|skip| inside.starts_with(skip))
        {
            continue;
        }
        check_owner(ctx, job, &inside, &inside)?;
        if !way.is_empty()
            && let Some(real) = follow(ctx.observer.root(), &path).end_inside()
        {
            check_owner(ctx, job, &inside, &real)?;
        }
        further.ask(path, Question::Content);
    }
    Ok(further)
}

/// Fails if another task makes the file, under whatever name, and is not known to run before this one.
fn check_owner(ctx: &Context<'_>, job: &Job<'_>, path: &RelPath, real: &RelPath) -> Result<(), Trouble> {
    let maker = ctx.places().maker(ctx.graph, real).map(|(owner, _)| owner);
    let Some(owner) = maker.filter(|owner| !comes_before(ctx, *owner, job)) else {
        return Ok(());
    };
    let owner = &ctx.workspace.task(owner).name;
    let message = format!("it reads `{path}`, which `{owner}` makes, without depending on it");
    Err(Trouble::new(message, format!("add `{owner}` to its `deps`")))
}

/// Returns whether a task is done before this one starts, in every build.
fn comes_before(ctx: &Context<'_>, owner: TaskId, job: &Job<'_>) -> bool {
    owner == job.id || ctx.graph.closure(&[job.id]).binary_search(&owner).is_ok()
}
