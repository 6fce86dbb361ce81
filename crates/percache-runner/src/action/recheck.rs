//! After a run: determines whether all inputs are still as they were hashed.
//!
//! A result is stored under the state of its inputs when the command ran. If one changed meanwhile, it is unknown which
//! version the command saw, and the result must not be stored.

use std::convert::Infallible;

use crate::action::changes::{self, Change};
use crate::action::context::Context;
use crate::action::discover::Discoveries;
use crate::action::inputs::{self, Prepared, threads};
use crate::action::job::Job;
use crate::fs::parallel::fan_out;
use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::FileState;
use crate::key::fingerprint::Kind;
use crate::model::path::RelPath;
use crate::syntax::shown::shown_bytes;

/// Something that is not as it was when the command started.
#[derive(Clone, Debug)]
pub struct Changed {
    /// What changed, as `why` words it.
    pub what: String,
    /// The input that it is about, if it is one in the workspace.
    pub path: Option<RelPath>,
}

impl Changed {
    /// Something that is about no input.
    pub fn other(what: impl Into<String>) -> Changed {
        Changed { what: what.into(), path: None }
    }

    fn written(path: &RelPath) -> Changed {
        Changed { what: format!("`{path}` was written"), path: Some(path.clone()) }
    }
}

/// Checks that all inputs are unchanged; the error says what is not. `stamps` are those before the run.
pub fn unchanged(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    discovered: &Discoveries,
    stamps: &[Option<Stamp>],
) -> Result<(), Changed> {
    if let Some(path) = &discovered.changed {
        let what = format!("`{}` changed", shown_bytes(path));
        return Err(Changed { what, path: RelPath::new(path).ok() });
    }
    if discovered.set_back {
        return Err(Changed::other("the clock was set back"));
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
    let again = inputs::prepare(ctx, job.task, command, &job.deps);
    let again = again.map_err(|trouble| Changed::other(trouble.message))?;
    if again.fingerprint != prepared.fingerprint {
        let changes = changes::compare(&prepared.parts, &again.parts);
        let is_input = |change: &&Change| matches!(change.kind, Kind::Input | Kind::Discovered);
        let path = changes.first().filter(is_input).and_then(Change::path);
        let what = changes::summary(&changes).unwrap_or_else(|| "its inputs changed".to_owned());
        return Err(Changed { what, path });
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
) -> Result<(), Changed> {
    let behind = |path: &RelPath| ctx.observer.trail(path.as_bytes())?.end.clone();
    let links = prepared
        .inputs
        .iter()
        .filter(|(_, state)| matches!(state, FileState::Symlink { behind, .. } if behind.digest().is_some()));
    for (path, _) in links {
        if behind(path).is_some_and(|end| ctx.observer.has_flipped(&end)) {
            return Err(Changed::written(path));
        }
    }
    let written = before.iter().zip(now).position(|(before, now)| match (before, now) {
        // Of a directory, only that it is there counts. What is in it is an input of its own, or none.
        (Some(before), Some(now)) if before.is_directory() && now.is_directory() => before.inode != now.inode,
        (Some(before), Some(now)) => before.is_written_since(now),
        _ => false,
    });
    match written.and_then(|index| prepared.inputs.get(index)) {
        Some((path, _)) => Err(Changed::written(path)),
        None => Ok(()),
    }
}
