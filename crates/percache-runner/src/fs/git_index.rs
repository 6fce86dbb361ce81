//! Which files git tracks: what the index of a repository lists, read with gitoxide's `gix-index`.
//!
//! Tells nothing of what is on disk, and nothing of ignore rules.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gix_index::entry::Mode;
use gix_index::hash::Kind;

use crate::fs::git_repository::Repository;
use crate::model::path::RelPath;

/// Tells which paths of a workspace git tracks. Reads nothing until it is asked. Paths inside of a submodule or of
/// another nested repository are answered by the index of that repository.
#[derive(Debug)]
pub struct GitIndex {
    root: PathBuf,
    /// The index of the repository that the workspace lies in, and the path of the workspace in it.
    outer: OnceLock<Option<(Arc<Tracked>, Vec<u8>)>>,
    /// The index of the repository whose work tree begins at a directory of the workspace, for directories that were
    /// asked about.
    nested: Mutex<HashMap<RelPath, Option<Arc<Tracked>>>>,
    trouble: Mutex<Option<String>>,
}

impl GitIndex {
    /// Makes an answer for the workspace in the absolute directory `root`. Outside of any repository, nothing is
    /// tracked.
    pub fn open(root: &Path) -> GitIndex {
        GitIndex { root: root.to_owned(), outer: OnceLock::new(), nested: Mutex::default(), trouble: Mutex::default() }
    }

    /// Whether git tracks a file, a symlink or a submodule at just this path.
    pub fn tracks(&self, path: &RelPath) -> bool {
        let is_tracked = |index: &Tracked, path: &[u8]| index.tracks(path);
        let tracks =
            |path: &RelPath| self.by_outer(path, is_tracked) || self.by_nested(path, path.parent(), is_tracked);
        tracks(path) || self.real(path).is_some_and(|real| tracks(&real))
    }

    /// As [`GitIndex::tracks`], but asks only the repository that the workspace lies in: a clone that a task made is
    /// not the user's.
    pub fn tracks_itself(&self, path: &RelPath) -> bool {
        let tracked = |path: &RelPath| self.by_outer(path, |index, path| index.tracks(path));
        tracked(path) || self.real(path).is_some_and(|real| tracked(&real))
    }

    /// Whether a tracked file is as git has put it there or taken it over, by its size and time: then git holds its content.
    pub fn is_clean(&self, path: &RelPath, size: u64, mtime: i64) -> bool {
        self.by_outer(path, |index, path| index.is_clean(path, size, mtime))
    }

    /// The path to which a path leads if its directory is reached by a symlink.
    fn real(&self, path: &RelPath) -> Option<RelPath> {
        let directory = path.parent()?.to_path(&self.root).canonicalize().ok()?;
        let root = self.root.canonicalize().ok()?;
        let real = RelPath::from_native(&root, &directory)?.child(path.file_name());
        (real != *path).then_some(real)
    }

    /// Whether git tracks anything at this path or below it. Repositories that are nested below `dir` and that are no
    /// submodules are not looked for.
    pub fn tracks_below(&self, dir: &RelPath) -> bool {
        let is_tracked = |index: &Tracked, path: &[u8]| index.tracks(path) || index.tracks_below(path);
        self.by_outer(dir, is_tracked) || self.by_nested(dir, Some(dir.clone()), is_tracked)
    }

    /// Returns the first reason for which an index could not be read, if one could not. Nothing counts as tracked by
    /// it.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn by_outer(&self, path: &RelPath, is_tracked: impl Fn(&Tracked, &[u8]) -> bool) -> bool {
        let outer = self.outer.get_or_init(|| {
            let root = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
            let repository = Repository::containing(&root)?;
            let prefix = root.strip_prefix(&repository.top).ok()?.as_os_str().as_bytes().to_vec();
            Some((self.read(&repository)?, prefix))
        });
        outer.as_ref().is_some_and(|(index, prefix)| is_tracked(index, &joined(prefix, path.as_bytes())))
    }

    /// Asks the innermost repository whose work tree begins at `dir` or at a directory above it, below the root.
    fn by_nested(&self, path: &RelPath, dir: Option<RelPath>, is_tracked: impl Fn(&Tracked, &[u8]) -> bool) -> bool {
        let above = std::iter::successors(dir, RelPath::parent).take_while(|dir| !dir.is_root());
        let nested = above.filter_map(|dir| Some((self.nested_at(&dir)?, dir))).next();
        nested.is_some_and(|(index, dir)| is_tracked(&index, path.below(&dir).unwrap_or_default()))
    }

    fn nested_at(&self, dir: &RelPath) -> Option<Arc<Tracked>> {
        let mut nested = self.nested.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = nested.get(dir) {
            return known.clone();
        }
        let found = Repository::at(&dir.to_path(&self.root)).and_then(|repository| self.read(&repository));
        nested.insert(dir.clone(), found.clone());
        found
    }

    fn read(&self, repository: &Repository) -> Option<Arc<Tracked>> {
        match Tracked::read(repository) {
            Ok(index) => Some(Arc::new(index)),
            Err(e) => {
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| e.to_string());
                None
            }
        }
    }
}

/// Why an index cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read git's index `{}`: {reason}", path.display())]
pub struct IndexError {
    /// The file that cannot be read.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The files that one index lists, by their paths in the work tree.
#[derive(Debug)]
pub(crate) struct Tracked {
    state: gix_index::State,
}

impl Tracked {
    /// Reads the index of a repository. Without the file nothing is tracked: a new repository has none.
    ///
    /// # Errors
    /// When the index or the configuration of the repository cannot be read, or has a format that is not known.
    pub fn read(repository: &Repository) -> Result<Tracked, IndexError> {
        let (path, config) = (repository.index(), repository.common_dir.join("config"));
        let failed = |path: &Path, e: &dyn Display| IndexError { path: path.to_owned(), reason: e.to_string() };
        let hash = object_hash(&config).map_err(|e| failed(&config, &e))?;
        let options = gix_index::decode::Options { thread_limit: Some(1), ..Default::default() };
        let index = gix_index::File::at_or_default(&path, hash, false, options).map_err(|e| failed(&path, &e))?;
        Ok(Tracked { state: index.into() })
    }

    /// Whether the index lists just this path. Below a directory that a sparse index keeps in one entry, every path
    /// counts.
    pub fn tracks(&self, path: &[u8]) -> bool {
        self.first_from(path).is_some_and(|(found, _)| found == path) || self.is_in_sparse_directory(path)
    }

    /// Whether the index lists anything below this directory; the empty path is the whole work tree.
    pub fn tracks_below(&self, dir: &[u8]) -> bool {
        if dir.is_empty() {
            return !self.state.entries().is_empty();
        }
        let within = [dir, b"/"].concat();
        self.first_from(&within).is_some_and(|(found, _)| found.starts_with(&within))
            || self.is_in_sparse_directory(&within)
    }

    /// Whether the index records a submodule at this path.
    pub fn is_submodule(&self, path: &[u8]) -> bool {
        self.first_from(path).is_some_and(|(found, mode)| found == path && mode == Mode::COMMIT)
    }

    /// Returns the first entry that is not before `path` in order of bytes.
    fn first_from(&self, path: &[u8]) -> Option<(&[u8], Mode)> {
        let entries = self.state.entries();
        let position = entries.partition_point(|entry| <[u8]>::cmp(entry.path(&self.state), path).is_lt());
        entries.get(position).map(|entry| (entry.path(&self.state).as_ref(), entry.mode))
    }

    /// Whether the index has just this size (its lower half) and modification time (in nanoseconds since 1970) of a path.
    fn is_clean(&self, path: &[u8], size: u64, mtime: i64) -> bool {
        let entries = self.state.entries();
        let position = entries.partition_point(|entry| <[u8]>::cmp(entry.path(&self.state), path).is_lt());
        entries.get(position).filter(|entry| <[u8]>::eq(entry.path(&self.state), path)).is_some_and(|entry| {
            entry.stat.size == size as u32 && i64::from(entry.stat.mtime.secs) == mtime.div_euclid(1_000_000_000)
        })
    }

    /// Whether a directory on the way to `path` is a single entry, which then ends in a slash.
    fn is_in_sparse_directory(&self, path: &[u8]) -> bool {
        let mut ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(i, _)| i + 1);
        let is_entry = |dir: &[u8]| self.first_from(dir).is_some_and(|(found, mode)| found == dir && mode == Mode::DIR);
        self.state.is_sparse() && ends.any(|end| is_entry(&path[..end]))
    }
}

/// Returns the path `name` in the directory `dir`, either of which may be empty, with a slash between them.
pub(crate) fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if dir.is_empty() || name.is_empty() { b"" } else { b"/" };
    [dir, slash, name].concat()
}

/// Returns the kind of digests that a repository is made with, which its configuration names.
fn object_hash(config: &Path) -> io::Result<Kind> {
    let mut text = match std::fs::read(config) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Kind::Sha1),
        Err(e) => return Err(e),
    };
    let source = gix_config::file::Metadata::from(gix_config::Source::Local);
    let config = gix_config::File::from_bytes_owned(&mut text, source, gix_config::file::init::Options::default());
    let config = config.map_err(|e| io::Error::other(e.to_string()))?;
    let named = config.string("extensions.objectFormat");
    named.map_or(Ok(Kind::Sha1), |name| name.to_string().parse().map_err(|_| io::Error::other("unknown objectFormat")))
}

#[cfg(test)]
mod tests;
