//! One directory of the walk: what in it belongs to the source, and what is to be visited next.

use std::path::PathBuf;
use std::sync::Arc;

use super::Area;
use super::domain::Domain;
use crate::fs::git_ignore::{Rules, stated_in};
use crate::fs::git_repository::Repository;
use crate::fs::version_control;
use crate::fs::walk::{Kind, WalkError, is_lock, list};
use crate::model::path::RelPath;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub files: Vec<RelPath>,
    /// The directories that were listed.
    pub directories: Vec<RelPath>,
    /// Files that say what is ignored, and others on which it depends what was found; present or not.
    pub consulted: Vec<PathBuf>,
}

/// A directory that is to be visited.
pub(super) struct Directory {
    path: RelPath,
    domain: Arc<Domain>,
    /// The rules that hold there, less its own.
    rules: Rules,
    /// Whether only what git tracks counts: something at or above it is ignored.
    only_tracked: bool,
}

impl Directory {
    /// Returns the root of the workspace.
    pub fn root(area: &Area<'_>, consulted: &mut Vec<PathBuf>) -> Result<Directory, WalkError> {
        let (domain, rules) = Domain::of_workspace(area, consulted)?;
        Ok(Directory { path: RelPath::root(), domain: Arc::new(domain), rules, only_tracked: false })
    }
}

/// Lists a directory. Adds to `found` what counts, and to `open` the directories in it that are to be visited.
pub(super) fn visit(
    area: &Area<'_>,
    mut directory: Directory,
    found: &mut Found,
    open: &mut Vec<Directory>,
) -> Result<(), WalkError> {
    let native = directory.path.to_path(area.root);
    found.directories.push(directory.path.clone());
    let entries = list(&native)?;
    let has = |name: &[u8]| entries.iter().find(|(other, _)| other == name).map(|(_, kind)| *kind);
    if !directory.path.is_root() && has(b".git").is_some() {
        let Some(entered) = enter(area, directory, found)? else { return Ok(()) };
        directory = entered;
    }
    if !directory.only_tracked && has(b".gitignore") == Some(Kind::File) {
        let text = stated_in(&native).unwrap_or_default();
        directory.rules = directory.rules.with(&directory.domain.path(&directory.path), &text);
        found.consulted.push(native.join(".gitignore"));
    }
    for (name, kind) in entries {
        let path = directory.path.child(&name);
        if name != b".git" && !area.skip.contains(&path) {
            sort(area, &directory, (path, &name, kind), found, open);
        }
    }
    Ok(())
}

/// Decides on one entry of a directory.
fn sort(
    area: &Area<'_>,
    directory: &Directory,
    (path, name, kind): (RelPath, &[u8], Kind),
    found: &mut Found,
    open: &mut Vec<Directory>,
) {
    let Directory { domain, rules, .. } = directory;
    let in_repository = domain.path(&path);
    let is_directory = kind == Kind::Directory;
    let counts = !directory.only_tracked
        && !version_control::keeps(name, is_directory)
        && !rules.ignore(&in_repository, is_directory);
    match kind {
        Kind::Directory if counts || domain.tracks_below(&in_repository) => {
            open.push(Directory { path, domain: domain.clone(), rules: rules.clone(), only_tracked: !counts });
        }
        Kind::File if counts || domain.tracks(&in_repository) => found.files.push(path),
        Kind::Symlink if domain.tracks(&in_repository) => found.files.push(path),
        Kind::Symlink if counts => {
            let native = path.to_path(area.root);
            if is_lock(name, &native) { found.consulted.push(native) } else { found.files.push(path) }
        }
        _ => {}
    }
}

/// Decides on a directory with a `.git` in it: if it is another repository that belongs to the workspace, that decides
/// on all that follows. Gives nothing if it does not belong to the workspace.
fn enter(area: &Area<'_>, directory: Directory, found: &mut Found) -> Result<Option<Directory>, WalkError> {
    let native = directory.path.to_path(area.root);
    let Some(repository) = Repository::at(&native) else {
        // It may become one.
        found.consulted.push(native.join(".git"));
        return Ok(Some(directory));
    };
    let (outer, in_outer) = (&directory.domain, directory.domain.path(&directory.path));
    let is_submodule = outer.embraces(&in_outer);
    if !is_submodule && outer.tracks_below(&in_outer) {
        // The files were there first: to git this is a directory like others.
        return Ok(Some(directory));
    }
    if !is_submodule && !area.configuration.iter().any(|file| file.starts_with(&directory.path)) {
        return Ok(None);
    }
    let (domain, rules) = Domain::nested(area, directory.path.clone(), &repository, &mut found.consulted)?;
    Ok(Some(Directory { path: directory.path, domain: Arc::new(domain), rules, only_tracked: false }))
}
