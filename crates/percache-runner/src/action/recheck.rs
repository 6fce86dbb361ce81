//! After a run: determines which files it reported as read, and whether all inputs are still as they were hashed.
//!
//! A result is stored under the state of its inputs when the command ran. If one changed meanwhile, it is unknown which
//! version the command saw, and the result must not be stored.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;

use percache::Digest;
use percache::store::record::{Content, Node};

use crate::action::context::Context;
use crate::action::execute::{Executed, stamp};
use crate::action::inputs::{Prepared, threads};
use crate::action::job::Job;
use crate::fs::clearing::Clearing;
use crate::fs::links::follow;
use crate::fs::parallel::fan_out;
use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::{FileState, Resolved};
use crate::model::path::RelPath;
use crate::model::problem::{Trouble, reason};
use crate::syntax::depfile;
use crate::syntax::shown::shown_bytes;

/// The discovered inputs of a run.
pub struct Reported {
    /// The discovered inputs, sorted, with their current states.
    pub states: Vec<(Vec<u8>, FileState)>,
    /// The first one that changed after the command started.
    pub changed: Option<Vec<u8>>,
    /// Whether this cannot be told, because the clock was set back.
    pub set_back: bool,
    /// The warning about a path that the depfile lists but that does not exist: it was read elsewhere, or is gone.
    pub not_there: Option<Vec<u8>>,
}

/// Reads the depfile of a task whose command succeeded.
pub fn discover(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &Executed,
) -> Result<Reported, Trouble> {
    let mut reported = Reported { states: Vec::new(), changed: None, set_back: false, not_there: None };
    let Some(path) = &job.task.depfile else { return Ok(reported) };
    let before = executed.before.depfile;
    if before.is_some() && stamp(ctx, path) == before {
        let message = format!("its depfile `{path}` was there before, and the command did not write it");
        return Err(Trouble::new(message, "move the file away, or name the file that the command writes as `depfile`"));
    }
    let text = match fs::read(path.to_path(ctx.observer.root())) {
        Ok(text) => text,
        Err(e) => {
            let hint = "the command has to write it: `cc` does with `-MD`; or leave `depfile` out";
            return Err(Trouble::new(format!("its depfile `{path}` cannot be read: {}", reason(&e)), hint));
        }
    };
    let listed = depfile::parse(&text).map_err(|e| {
        let hint = "it has the form that `cc -MD` writes: `a.o: a.c a.h`";
        Trouble::new(format!("its depfile `{path}`, {e}"), hint)
    })?;
    let set_back = executed.began.is_clock_set_back();
    for (path, role) in further_inputs(ctx, job, prepared, &listed)? {
        let state = ctx.observer.observe(&path).map_err(|e| format!("`{}`: {e}", shown_bytes(&path)))?;
        let changed = || changed_since(ctx, &path, &state, executed.began.wall);
        if reported.changed.is_none() && role == Role::Read && changed() {
            reported.changed = Some(path.clone());
        }
        if state == FileState::Absent {
            reported.not_there.get_or_insert_with(|| path.clone());
        }
        reported.states.push((path, state));
        reported.set_back = set_back;
    }
    // The depfile was made for percache and has been read; if it stayed, it would be a file that a restored tree does
    // not have.
    if job.task.outputs.matches(path) {
        return Ok(reported);
    }
    remove_depfile(ctx, path, &text).map_err(|e| format!("its depfile `{path}` cannot be removed: {e}"))?;
    Ok(reported)
}

/// Removes a depfile if it has this content. One with other content, which somebody else has written since, is
/// displaced.
pub fn remove_depfile(ctx: &Context<'_>, path: &RelPath, text: &[u8]) -> io::Result<()> {
    let content = Content { digest: Digest::of(text), length: text.len() as u64 };
    let executable = stamp(ctx, path).is_some_and(|stamp| stamp.executable());
    let mut clearing = Clearing::open(&ctx.observer, &ctx.displaced)?;
    clearing.take(path, Some(&Node::File { content, executable })).map(|_| ())
}

/// How a run used a path that its depfile names or that lies on the way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// The path was read, or followed as a symlink.
    Read,
    /// A directory in which only `..` was looked up: its entries may change.
    Passed,
}

/// Returns the paths in the depfile, sorted, together with the symlinks on the way, except those that are hashed
/// already and the task's own outputs. Paths inside the workspace are relative to it.
fn further_inputs(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    listed: &[Vec<u8>],
) -> Result<BTreeMap<Vec<u8>, Role>, Trouble> {
    let mut further = BTreeMap::new();
    let declared = |path: &RelPath| prepared.inputs.binary_search_by(|(other, _)| other.cmp(path)).is_ok();
    let is_place = |path: &[u8]| RelPath::new(path).is_ok_and(|path| ctx.is_place_of_outputs(&path));
    for path in listed {
        let Resolved { path, turns, passed, way } = ctx.observer.resolve(job.task.cwd.as_bytes(), path);
        let links = turns.iter().chain(way.iter().filter(|link| !is_place(link)));
        let links = links.filter(|link| !RelPath::new(link).is_ok_and(|link| declared(&link)));
        further.extend(links.map(|link| (link.clone(), Role::Read)));
        // In another tree, an output directory may not exist yet.
        for path in passed.into_iter().filter(|path| !is_place(path)) {
            further.entry(path).or_insert(Role::Passed);
        }
        let Ok(inside) = RelPath::new(&path) else {
            further.insert(path, Role::Read);
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
        further.insert(path, Role::Read);
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
fn comes_before(ctx: &Context<'_>, owner: crate::model::TaskId, job: &Job<'_>) -> bool {
    owner == job.id || ctx.graph.closure(&[job.id]).binary_search(&owner).is_ok()
}

/// Returns whether a file changed after the command started. File systems take times from a clock that may stand still
/// for some milliseconds, or, for a file that is looked at between two changes (Linux 6.13, multigrain timestamps),
/// from the exact clock. So a change before the start never has a later time; a change in the same tick may have an
/// earlier one, and counts as a change before the start.
fn changed_since(ctx: &Context<'_>, path: &[u8], state: &FileState, began: i64) -> bool {
    let changed = |path: &[u8]| {
        let stamp = Stamp::at(&ctx.observer.locate(path)).ok().flatten();
        stamp.is_some_and(|stamp| stamp.ctime > began)
    };
    let is_link = matches!(state, FileState::Symlink { .. });
    let trail = if is_link { ctx.observer.trail(path) } else { None };
    changed(path) || trail.is_some_and(|trail| trail.places().any(|place| changed(place)))
}

/// Checks that all inputs are unchanged; the error says what is not. `stamps` are those before the run.
pub fn unchanged(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    reported: &Reported,
    stamps: &[Option<Stamp>],
) -> Result<(), String> {
    if let Some(path) = &reported.changed {
        return Err(format!("`{}` changed", shown_bytes(path)));
    }
    if reported.set_back {
        return Err("the clock was set back".to_owned());
    }
    let looked =
        fan_out(threads(ctx, prepared.inputs.len()), &prepared.inputs, |input| Ok::<_, Infallible>(again(ctx, input)));
    let Ok(looked) = looked;
    let same_inputs = looked.iter().all(|(same, _)| *same);
    let now: Vec<Option<Stamp>> = looked.into_iter().map(|(_, now)| now).collect();
    let same_places = || {
        prepared.watched.iter().all(|path| {
            let now = ctx.observer.stamp(path);
            now.is_ok_and(|now| ctx.observer.stands(path, now))
        })
    };
    if same_inputs && same_places() {
        return written(ctx, prepared, stamps, &now);
    }
    // Prepares everything again, not only the known files: a glob may match a file that was not there before.
    let Some(command) = &job.task.command else { return Ok(()) };
    let again = crate::action::inputs::prepare(ctx, job.task, command, &job.deps).map_err(|trouble| trouble.message)?;
    if again.fingerprint != prepared.fingerprint {
        let changes = crate::action::changes::compare(&prepared.parts, &again.parts);
        return Err(crate::action::changes::summary(&changes).unwrap_or_else(|| "its inputs changed".to_owned()));
    }
    written(ctx, prepared, stamps, &now)
}

/// Returns whether an input is unchanged, and its current stamp.
fn again(ctx: &Context<'_>, (path, state): &(RelPath, FileState)) -> (bool, Option<Stamp>) {
    let path = path.as_bytes();
    let now = ctx.observer.stamp(path).ok().flatten();
    // A file that is too young to be known by its stamp is read again.
    ctx.observer.doubt(path);
    let same = match state {
        FileState::File { .. } | FileState::Absent if ctx.observer.stands(path, now) => true,
        _ => ctx.observer.observe(path).is_ok_and(|again| again == *state),
    };
    (same, now)
}

/// Fails if an input was changed and changed back: the command may have seen the state in between.
fn written(
    ctx: &Context<'_>,
    prepared: &Prepared,
    before: &[Option<Stamp>],
    now: &[Option<Stamp>],
) -> Result<(), String> {
    let behind = |path: &RelPath| ctx.observer.trail(path.as_bytes())?.end.clone();
    let links = prepared
        .inputs
        .iter()
        .filter(|(_, state)| matches!(state, FileState::Symlink { behind, .. } if behind.digest().is_some()));
    for (path, _) in links {
        if behind(path).is_some_and(|end| ctx.observer.has_flipped(&end)) {
            return Err(format!("`{path}` was written"));
        }
    }
    let written = before.iter().zip(now).position(|(before, now)| match (before, now) {
        (Some(before), Some(now)) => before.is_written_since(now),
        _ => false,
    });
    match written.and_then(|index| prepared.inputs.get(index)) {
        Some((path, _)) => Err(format!("`{path}` was written")),
        None => Ok(()),
    }
}
