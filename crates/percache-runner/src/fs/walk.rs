//! The files that a set of patterns matches now.
//!
//! Does not obey .gitignore: a pattern means what it says. The files that git does not ignore are found by
//! [`crate::fs::git_files`]. The one exception: a directory that cannot be read is no error if git ignores it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::fs::git_ignore::is_ignored;
use crate::fs::git_repository::is_other_worktree;
use crate::fs::links;
use crate::fs::version_control::surely_keeps;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::syntax::shown::shown;

/// A path that could not be looked at.
#[derive(Debug, Error)]
#[error("cannot read `{}`", shown(path))]
pub struct WalkError {
    /// The path in the file system.
    pub path: PathBuf,
    /// The error of the system.
    pub source: io::Error,
}

/// What a walk looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Regular files and symlinks.
    Files,
    /// Everything: directories and special files, too.
    Directories,
}

/// The kind of file that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A symlink, wherever it leads.
    Symlink,
    /// A symlink to a directory where a pattern for outputs means a directory: it is somebody's own, and its target
    /// takes its place.
    DirectoryLink,
    /// A directory.
    Directory,
    /// A socket, a pipe or a device.
    Special,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The path.
    pub path: RelPath,
    /// The kind of file.
    pub kind: Kind,
}

/// Finds everything below `root` that the patterns match, sorted by bytes. Symlinks are found and not followed, unless
/// a pattern starts at one. Directories named `.git` and the paths in `skip` are not entered, except that a pattern may
/// name something inside `.git` without a wildcard, and that the `.git` of a clone is an output like everything else in
/// it. When looking for files, other worktrees of the same repository and the directories of other version control
/// systems are not entered either, unless a pattern names them without a wildcard. Files that vanish during the walk
/// are left out.
///
/// # Errors
/// Fails on a directory that cannot be read.
pub fn expand(root: &Path, patterns: &PatternSet, skip: &[RelPath], want: Want) -> Result<Vec<Found>, WalkError> {
    expand_noting(root, patterns, skip, want, &mut |_| {})
}

/// Like [`expand`], but also calls `note` with every path whose own state determines the outcome: the directories that
/// were listed, and the places where the patterns start, whether or not they exist.
///
/// # Errors
/// Fails on a directory that cannot be read.
pub fn expand_noting(
    root: &Path,
    patterns: &PatternSet,
    skip: &[RelPath],
    want: Want,
    note: &mut dyn FnMut(&RelPath),
) -> Result<Vec<Found>, WalkError> {
    let mut found = Vec::new();
    let mut pending = Vec::new();
    // Paths of `skip`, as they are named behind a symlink.
    let mut detours: Vec<RelPath> = Vec::new();
    for start in patterns.roots() {
        if skip.iter().any(|skipped| start.starts_with(skipped)) {
            continue;
        }
        let kind = kind_at(&start.to_path(root))?;
        let meant = patterns.matches(&start);
        // A matched file needs no note: a caller that wants files looks at it anyway. In place of a directory it does
        // need one.
        if kind != Some(Kind::File) || !meant || want == Want::Directories {
            note(&start);
        }
        let Some(kind) = kind else { continue };
        match kind {
            Kind::Symlink => detours.extend(start_at_link(root, start, patterns, skip, want, &mut found, &mut pending)),
            _ => take(start, kind, meant, want, patterns, &mut found, &mut pending),
        }
    }
    while let Some(dir) = pending.pop() {
        note(&dir);
        let entries = match list(&dir.to_path(root)) {
            Err(e) if want == Want::Files && is_beside_the_point(root, &dir, &e, patterns) => continue,
            entries => entries?,
        };
        if want == Want::Files && is_left_out(root, &dir, &entries, patterns) {
            continue;
        }
        for (name, kind) in entries {
            let path = dir.child(&name);
            // The workspace's own `.git` is nobody's output.
            if name == b".git" && (want == Want::Files || dir.is_root() || !patterns.matches(&path)) {
                continue;
            }
            if want == Want::Files && kind == Kind::Symlink && is_lock(&name, &path.to_path(root)) {
                note(&path);
                continue;
            }
            let is_directory = kind == Kind::Directory;
            if want == Want::Files && surely_keeps(&name, is_directory) && !is_named(&path, patterns) {
                continue;
            }
            if !skip.contains(&path) && !detours.contains(&path) {
                let meant = patterns.matches(&path);
                take(path, kind, meant, want, patterns, &mut found, &mut pending);
            }
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Returns whether a directory is another worktree of the workspace's repository, and no pattern names it or something
/// in it without a wildcard: it has the same files once more, which `**/*.c` is not meant to match.
fn is_left_out(root: &Path, dir: &RelPath, entries: &[(Vec<u8>, Kind)], patterns: &PatternSet) -> bool {
    let is_linked = entries.iter().any(|(name, kind)| name == b".git" && *kind == Kind::File);
    is_linked && !is_named(dir, patterns) && is_other_worktree(root, &dir.to_path(root))
}

/// Returns whether a directory that cannot be read may be passed over: git ignores it, and no pattern names it or
/// something in it without a wildcard. It may belong to a database with an owner of its own.
fn is_beside_the_point(root: &Path, dir: &RelPath, error: &WalkError, patterns: &PatternSet) -> bool {
    error.source.kind() == io::ErrorKind::PermissionDenied && !is_named(dir, patterns) && is_ignored(root, dir)
}

fn is_named(dir: &RelPath, patterns: &PatternSet) -> bool {
    patterns.patterns().iter().any(|pattern| !pattern.negated && pattern.prefix().starts_with(dir))
}

/// Handles a symlink at the place where patterns start. A pattern like `link/*.c` or `link/` names it as the directory
/// to look into; one like `link` means the symlink and, when looking for files, the files in the directory behind it.
/// Returns the paths that must not be entered below it.
fn start_at_link(
    root: &Path,
    start: RelPath,
    patterns: &PatternSet,
    skip: &[RelPath],
    want: Want,
    found: &mut Vec<Found>,
    pending: &mut Vec<RelPath>,
) -> Vec<RelPath> {
    let meant = patterns.matches(&start);
    let native = start.to_path(root);
    let is_entered = match want {
        Want::Files => native.is_dir() && patterns.enters(&start),
        Want::Directories => links::stands_in(root, &start, patterns),
    };
    if meant {
        let kind = if is_entered && want == Want::Directories { Kind::DirectoryLink } else { Kind::Symlink };
        found.push(Found { path: start.clone(), kind });
    }
    let Some(real) = native.canonicalize().ok().filter(|_| is_entered) else { return Vec::new() };
    let skipped = skip.iter().filter_map(|skip| skip.to_path(root).canonicalize().ok());
    let skipped: Vec<PathBuf> = skipped.collect();
    if skipped.iter().any(|skip| real.starts_with(skip)) {
        return Vec::new();
    }
    let below = skipped.iter().filter_map(|skip| RelPath::from_native(&real, skip));
    let detours = below.filter_map(|rest| start.join(rest).ok()).collect();
    pending.push(start);
    detours
}

fn take(
    path: RelPath,
    kind: Kind,
    meant: bool,
    want: Want,
    patterns: &PatternSet,
    found: &mut Vec<Found>,
    pending: &mut Vec<RelPath>,
) {
    if kind == Kind::Directory && patterns.enters(&path) {
        pending.push(path.clone());
    }
    let counts = match kind {
        Kind::File | Kind::Symlink => true,
        Kind::Directory => want == Want::Directories && !patterns.excludes_all_below(&path),
        Kind::DirectoryLink | Kind::Special => want == Want::Directories,
    };
    if meant && counts {
        found.push(Found { path, kind });
    }
}

/// Returns the kind of file at `path`; `None` if nothing is there.
fn kind_at(path: &Path) -> Result<Option<Kind>, WalkError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(kind_of(metadata.file_type()))),
        Err(error) if is_absence(&error) => Ok(None),
        Err(source) => Err(WalkError { path: path.to_owned(), source }),
    }
}

fn kind_of(file_type: fs::FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else if file_type.is_dir() {
        Kind::Directory
    } else {
        Kind::Special
    }
}

/// Returns the names and kinds of a directory's entries; none if it is no directory any more.
pub(crate) fn list(path: &Path) -> Result<Vec<(Vec<u8>, Kind)>, WalkError> {
    let list = || -> io::Result<Vec<(Vec<u8>, Kind)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(file_type) => entries.push((entry.file_name().into_encoded_bytes(), kind_of(file_type))),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    };
    match list() {
        Err(error) if is_absence(&error) => Ok(Vec::new()),
        other => other.map_err(|source| WalkError { path: path.to_owned(), source }),
    }
}

/// Returns whether a symlink is the lock that Emacs and JOE put beside a file that is being edited: `.#main.c`, which
/// leads to nothing.
pub(crate) fn is_lock(name: &[u8], link: &Path) -> bool {
    name.starts_with(b".#") && fs::metadata(link).is_err_and(|e| is_absence(&e))
}

/// Returns whether the error says that nothing is at the path: it does not exist, or a directory on the way is missing
/// or is a file.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    // A symlink cycle leads to nothing.
    let circle = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    circle || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
