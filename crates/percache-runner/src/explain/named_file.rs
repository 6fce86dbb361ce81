//! A file or directory that was named on the command line: who makes it, and who reads it.

use std::path::Path;

use super::readers::Readers;
use crate::fs::walk::{self, WalkError, Want};
use crate::model::path::{PathError, RelPath};
use crate::model::pattern::{PatternError, PatternSet};
use crate::model::{Caller, TaskId};
use crate::session::Project;
use crate::syntax::glob::escape;
use crate::worktree::journal::Journal;

/// What is known of a path.
pub struct NamedFile {
    /// The path.
    pub path: RelPath,
    /// The task whose output it is.
    pub made_by: Option<TaskId>,
    /// The tasks that read it, or a file below it.
    pub needed_by: Vec<TaskId>,
}

/// A reason why nothing is known of a path.
#[derive(Debug)]
pub enum NamedFileError {
    /// It is an absolute path outside the workspace.
    Outside,
    /// It is no path of the workspace.
    Path(PathError),
    /// It cannot be expressed as a pattern.
    Pattern(PatternError),
    /// The files below it, or those of the workspace, cannot be listed.
    Walk(WalkError),
}

/// Returns what is known of a path, as seen from the caller's place; `None` if it does not exist, no task makes it, and
/// none reads it.
///
/// # Errors
/// Fails if it is no path of the workspace, or if files cannot be listed.
pub fn named_file(project: &Project, name: &str, caller: &Caller) -> Result<Option<NamedFile>, NamedFileError> {
    let Project { workspace, graph, store_dir, .. } = project;
    let path = locate(project, name)?;
    let skip: Vec<_> = RelPath::from_native(&workspace.root, store_dir).into_iter().collect();
    let there = path.to_path(&workspace.root);
    let mut paths = vec![path.clone()];
    if there.is_dir() && !there.is_symlink() {
        let text = if path.is_root() { ".".to_owned() } else { escape(&path.to_text()) };
        let below = PatternSet::parse(&RelPath::root(), &[text]).map_err(NamedFileError::Pattern)?;
        let found = walk::expand(&workspace.root, &below, &skip, Want::Files).map_err(NamedFileError::Walk)?;
        paths.extend(found.into_iter().map(|found| found.path));
    }
    let journal = Journal::load(&project.worktree().journal());
    let asked = Readers { workspace, graph, journal: &journal, skip: &skip, caller };
    let needed_by = asked.of(&paths).map_err(NamedFileError::Walk)?;
    let made_by = graph.outputs.owner(&path);
    let known = made_by.is_some() || !needed_by.is_empty() || there.symlink_metadata().is_ok();
    Ok(known.then_some(NamedFile { path, made_by, needed_by }))
}

/// Returns the path in the workspace that a name means.
fn locate(project: &Project, name: &str) -> Result<RelPath, NamedFileError> {
    let native = Path::new(name);
    match (native.parent(), native.file_name()) {
        // The workspace's own path has no symlinks either.
        (Some(parent), Some(last)) if native.is_absolute() => {
            let real = parent.canonicalize().unwrap_or_else(|_| parent.to_owned()).join(last);
            RelPath::from_native(&project.workspace.root, &real).ok_or(NamedFileError::Outside)
        }
        _ => project.cwd.join(name).map_err(NamedFileError::Path),
    }
}
