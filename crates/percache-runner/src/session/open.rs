//! Finds out whether there is anything to do. Every build asks here; [`freshness`](super::freshness) has the answer.
//!
//! The findings of the last build are checked first, before the configuration is read and before the store is opened.
//! If everything that was requested is up to date by them, that is the answer. Else the configuration is read, or taken
//! from its saved copy while it is unchanged, and a [`Session`] is ready to build.

use std::path::Path;
use std::sync::Arc;

use percache::Digest;
use percache::store::Store;

use super::Session;
use super::last_build::LastBuild;
use super::project::{OpenError, Project};
use super::request::{OpenStore, Request, Target};
use crate::config::Location;
use crate::fs::stamp::moment;
use crate::model::notice::Note;
use crate::worktree::conditions::Asked;

/// The answer to a [`Request`].
pub enum Opened<'a> {
    /// Nothing has changed since the last build.
    Unchanged {
        /// The requested tasks and their dependencies, without groups; all of them are up to date.
        tasks: Vec<String>,
        /// What there is to say about the configuration all the same.
        notes: Vec<Note>,
    },
    /// Something may have to be done.
    Session(Box<Session<'a>>),
}

/// Finds out whether there is anything to do.
///
/// # Errors
/// Fails if there is no workspace, if its configuration has mistakes, or if the request names what is not there.
pub fn open(request: Request<'_>) -> Result<Opened<'_>, OpenError> {
    let began = moment();
    let place = request.target.place()?;
    let asked = request.asked(&place);
    let likely = request.target.store_dir(&place.root);
    let last_build = last_build(&request, &likely, &place.root, &asked);
    if let Some(last_build) = last_build.as_ref().filter(|_| request.is_plain())
        && let Some(tasks) = last_build.idle()
    {
        let notes = place.doubt.clone().map(Note::Packages).into_iter().chain(last_build.notes(&place.root));
        return Ok(Opened::Unchanged { tasks: tasks.to_vec(), notes: notes.collect() });
    }
    // Results will be looked up, so the store is opened while the rest is read.
    let early = last_build.as_ref().zip(request.store).map(|(_, open)| open_early(open, &likely));
    let (project, kept) = project(&request, place, last_build.as_ref())?;
    let selected = project.requested(request.tasks, request.args)?;
    // Only now is the place of the store known.
    let is_there = project.store_dir == likely;
    let last_build = match is_there {
        true => last_build,
        false => self::last_build(&request, &project.store_dir, &project.workspace.root, &asked),
    };
    let store = early.filter(|_| is_there).or_else(|| request.store.map(|open| open(&project.store_dir)));
    let asked = project.single.is_none().then_some(asked);
    Ok(Opened::Session(Box::new(Session {
        request,
        project,
        selected,
        store,
        remote: None,
        workers: None,
        asked,
        kept,
        began,
        servers: Default::default(),
        last_build,
    })))
}

/// Returns what still holds of the last build's findings, if they may be used.
fn last_build(request: &Request<'_>, store_dir: &Path, root: &Path, asked: &Asked) -> Option<LastBuild> {
    let usable = request.looks_back();
    usable.then(|| LastBuild::look(store_dir, root, asked, &request.caller, &request.holder))?
}

/// Begins to open the store.
fn open_early(open: OpenStore<'_>, store_dir: &Path) -> Arc<Store> {
    let store = open(store_dir);
    store.begin_view();
    store
}

/// Loads the workspace, from the saved copy if the configuration is unchanged; then also returns the digest of the
/// copy.
fn project(
    request: &Request<'_>,
    place: Location,
    last_build: Option<&LastBuild>,
) -> Result<(Arc<Project>, Option<Digest>), OpenError> {
    if let Target::Project(project) = &request.target {
        return Ok((project.clone(), None));
    }
    if let Some((project, digest)) = last_build.and_then(|last_build| last_build.project(&place)) {
        return Ok((Arc::new(project), Some(digest)));
    }
    Ok((Arc::new(Project::at(place, request.args)?), None))
}

#[cfg(test)]
mod tests;
