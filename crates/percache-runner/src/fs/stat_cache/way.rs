//! Ways: the symlinks that a path leads through, and its end. One rule holds everywhere: a path is identified by every
//! symlink on its way and by what it leads to, each a path of its own with a stamp of its own.
//!
//! Most paths lead through none, which is found out once for a directory, not for each path in it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::FileType;

use super::{Behind, FileState, Observer};
use crate::fs::links::{Trail, follow, parent, relative};
use crate::fs::stamp::Stamp;

const SHARDS: usize = 16;

/// Real directories with no symlink on the way to them. Every thread asks here for every input.
#[derive(Default)]
pub(super) struct Plain([RwLock<HashSet<Vec<u8>>>; SHARDS]);

impl Plain {
    fn shard(&self, path: &[u8]) -> &RwLock<HashSet<Vec<u8>>> {
        let hash = path.iter().fold(path.len(), |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        &self.0[hash % SHARDS]
    }

    fn has(&self, path: &[u8]) -> bool {
        self.shard(path).read().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn add(&self, path: &[u8]) {
        self.shard(path).write().unwrap_or_else(PoisonError::into_inner).insert(path.to_vec());
    }

    /// Notes that something else may be at `path` now.
    pub(super) fn forget(&self, path: &[u8]) {
        if self.has(path) {
            // Paths below it may lead elsewhere now.
            self.0.iter().for_each(|shard| shard.write().unwrap_or_else(PoisonError::into_inner).clear());
        }
    }
}

/// The way that a program took when it opened a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The path without `..`: relative to the workspace, or absolute.
    pub path: Vec<u8>,
    /// Symlinks on the way to a `..`, which goes up from their targets.
    pub turns: Vec<Vec<u8>>,
    /// Directories from which a `..` went up, and which are not symlinks.
    pub passed: Vec<Vec<u8>>,
    /// Symlinks on the way from there to the path.
    pub way: Vec<Vec<u8>>,
}

impl Observer<'_> {
    /// Returns the way to a directory, itself included, if it leads through a symlink. Also looks at these symlinks.
    pub fn way(&self, directory: &[u8]) -> Option<Arc<Trail>> {
        if directory.is_empty() || self.is_plain(directory) {
            return None;
        }
        let trail = follow(self.root, directory);
        if trail.links.is_empty() {
            return None;
        }
        for link in &trail.links {
            self.look_at(link);
        }
        Some(Arc::new(trail))
    }

    /// Returns whether no symlink is on the way to a directory, as long as it exists.
    pub(super) fn is_plain(&self, directory: &[u8]) -> bool {
        // A path inside the workspace is looked up under one name only.
        let inside = directory.strip_prefix(self.root.as_os_str().as_bytes());
        let directory = inside.and_then(|rest| rest.strip_prefix(b"/")).unwrap_or(directory);
        if directory.is_empty() || directory == b"/" || self.plain.has(directory) {
            return true;
        }
        if !self.is_plain(above(directory)) {
            return false;
        }
        let stamp = match self.found(directory) {
            Some(position) => self.before.seen(position).stamp,
            None => self.stamp(directory).ok().flatten(),
        };
        match stamp.map(|stamp| stamp.file_type()) {
            Some(FileType::Directory) => self.plain.add(directory),
            Some(FileType::Symlink) => return false,
            _ => {}
        }
        true
    }

    /// Returns where a symlink led when it was last observed.
    pub fn trail(&self, link: &[u8]) -> Option<Arc<Trail>> {
        self.trails.get()?.get(link).cloned()
    }

    /// Returns whether the stamps of known paths cover everything that determines the state observed at `path`.
    pub fn is_known_by_stamps(&self, path: &[u8], state: &FileState) -> bool {
        match state {
            FileState::File { .. } | FileState::Directory | FileState::Absent => true,
            FileState::Symlink { .. } => self.trail(path).is_some_and(|trail| trail.whole),
            FileState::Special => false,
        }
    }

    /// Follows a symlink that was just seen.
    pub(super) fn observe_link(&self, path: &[u8]) -> io::Result<FileState> {
        let target = match std::fs::read_link(self.locate(path)) {
            Ok(target) => target.into_os_string().into_vec(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileState::Absent),
            Err(e) => return Err(e),
        };
        let trail = Arc::new(follow(self.root, path));
        for link in trail.links.iter().filter(|link| *link != path) {
            self.look_at(link);
        }
        let behind = match &trail.end {
            None => Behind::Nothing,
            Some(end) => match self.observe(end)? {
                FileState::File { digest, executable } => Behind::File { digest, executable },
                FileState::Directory => Behind::Directory,
                FileState::Special => Behind::Special,
                FileState::Absent => Behind::Nothing,
                // It has become a symlink since: whoever rests on that will see that it changed.
                FileState::Symlink { behind, .. } => behind,
            },
        };
        self.trails.get_mut().insert(path.to_vec(), trail);
        Ok(FileState::Symlink { target, behind })
    }

    /// Declares that something depends on the stamps of `path`, of the symlinks on the way and of its target. Must be
    /// called before the directory is listed or the file is read. Adds all of these paths to `watched`.
    pub fn watch(&self, path: &[u8], watched: &mut Vec<Vec<u8>>) {
        watched.push(path.to_vec());
        self.watch_way(path, watched);
        match self.look_at(path).map(|stamp| stamp.file_type()) {
            Some(FileType::Symlink) => {
                for place in follow(self.root, path).places().filter(|place| *place != path) {
                    self.look_at(place);
                    watched.push(place.clone());
                }
            }
            Some(FileType::Directory) if self.is_plain(parent(path)) => self.plain.add(path),
            _ => {}
        }
    }

    /// Like [`Observer::watch`], for the symlinks on the way only.
    fn watch_way(&self, path: &[u8], watched: &mut Vec<Vec<u8>>) {
        if let Some(trail) = self.way(above(path)) {
            watched.extend(trail.links.iter().cloned());
        }
    }

    /// Like [`Observer::watch`], for a file that was read after the build began and before anything was observed: its
    /// content counts, too. Returns whether the file is still what was read then.
    pub fn watch_content(&self, path: &[u8], watched: &mut Vec<Vec<u8>>) -> bool {
        let first = watched.len();
        watched.push(path.to_vec());
        self.watch_way(path, watched);
        let Ok(stamp) = self.stamp(path) else { return false };
        if stamp.is_some_and(|stamp| stamp.file_type() == FileType::Symlink) {
            let trail = follow(self.root, path);
            if !trail.whole {
                return false;
            }
            watched.extend(trail.places().filter(|place| *place != path).cloned());
        }
        watched[first..].iter().all(|path| self.is_as_read(path))
    }

    /// Returns whether a path is unchanged since the build began. Looks at its content, too.
    fn is_as_read(&self, path: &[u8]) -> bool {
        let Ok(stamp) = self.stamp(path) else { return false };
        let unchanged = stamp.is_none_or(|stamp| stamp.settled_at(self.began));
        match stamp {
            Some(stamp) if unchanged && stamp.file_type() == FileType::RegularFile => self.observe(path).is_ok(),
            stamp => {
                self.note(path, stamp);
                unchanged
            }
        }
    }

    /// Looks at a path and notes its stamp.
    fn look_at(&self, path: &[u8]) -> Option<Stamp> {
        if let Some(position) = self.found(path) {
            self.looks.confirm(position);
            return self.before.seen(position).stamp;
        }
        // A path that cannot be looked at counts as unseen, and nothing can rest on it.
        let stamp = self.stamp(path).ok()?;
        self.note(path, stamp);
        stamp
    }

    /// Returns the way of a program that opened `path` in the directory `from`. Goes by the text, except for a `..`
    /// behind a symlink, which goes up from the symlink's target.
    pub fn resolve(&self, from: &[u8], path: &[u8]) -> Resolved {
        let mut resolved = Resolved::default();
        let mut at = if path.first() == Some(&b'/') { Vec::new() } else { self.absolute(from) };
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
            if name != b".." {
                at.push(b'/');
                at.extend_from_slice(name);
                continue;
            }
            let directory = self.relative(&at);
            match self.way(&directory) {
                Some(trail) => {
                    resolved.turns.extend(trail.links.iter().cloned());
                    at = trail.end.as_ref().map_or(at, |end| self.absolute(end));
                }
                // Nothing can replace the root.
                None if directory.is_empty() || directory == b"/" => {}
                None => resolved.passed.push(directory),
            }
            at.truncate(parent(&at).len());
        }
        resolved.path = self.relative(&at);
        self.watch_way(&resolved.path, &mut resolved.way);
        resolved
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let at = self.locate(path).into_os_string().into_vec();
        at.strip_suffix(b"/").map_or_else(|| at.clone(), <[u8]>::to_vec)
    }

    /// Converts an absolute path to the observer's form; here, `/` is the empty path.
    fn relative(&self, at: &[u8]) -> Vec<u8> {
        if at.is_empty() {
            return b"/".to_vec();
        }
        relative(self.root, OsStr::from_bytes(at).as_ref())
    }
}

/// Returns the parent directory; `/` for its direct entries.
fn above(path: &[u8]) -> &[u8] {
    match parent(path) {
        [] if path.first() == Some(&b'/') => b"/",
        parent => parent,
    }
}
