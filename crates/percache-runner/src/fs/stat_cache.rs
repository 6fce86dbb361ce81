//! The current state of paths, with a cache of digests by stamp, so that no unchanged file is read twice.
//!
//! A stamp is what `lstat` says of a file. It stands for the content only if the file was older than the moment at
//! which it was read by more than the file system's clock can resolve: a file written twice within one tick has one
//! stamp and two contents (git calls the problem "racy"). Such a digest is not *settled*: it is used within the build,
//! and made again in the next one. The time that counts is that of the last status change (ctime), which no program can
//! set.
//!
//! Knows nothing about tasks or the store.

mod expected;
mod learn;
mod look;
mod rare;
mod state;
mod way;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use percache::Digest;
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use crate::fs::hash_file;
use crate::fs::links::{Trail, parent};
use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_table::{KnownFiles, Seen};
use crate::model::path::RelPath;

use look::{Change, Look, Looks, Sight};
use rare::Rare;
pub use state::{Behind, FileState};
use way::Plain;
pub use way::Resolved;

/// Tells the state of paths. Shared by all threads of a build.
pub struct Observer<'a> {
    root: &'a Path,
    /// The open root, from which paths are looked up: the kernel then has fewer names to go through. If `None`, whole
    /// paths are used.
    root_fd: Option<OwnedFd>,
    before: &'a KnownFiles,
    /// What this build knows of each path.
    looks: Looks<'a>,
    /// In a dry run, the states that restored outputs would have: they are claimed, and not seen.
    pretended: Rare<BTreeMap<Vec<u8>, FileState>>,
    /// What outputs are that were left on the remote.
    expected: Rare<BTreeMap<Vec<u8>, FileState>>,
    /// Directories with no symlink on the way to them.
    plain: Plain,
    /// Where the observed symlinks lead.
    trails: Rare<HashMap<Vec<u8>, Arc<Trail>>>,
    /// Directories whose symlinks may keep outputs outside the workspace.
    follow: &'a [RelPath],
    /// A moment before anything was looked at for this build.
    began: i64,
    /// For each path in `before`, whether it was unchanged when the build began. Empty if that was not checked.
    found: Vec<bool>,
    /// Whether that still holds, as far as this build is concerned.
    untouched: AtomicBool,
    /// Whether percache has written anything into the tree.
    has_put: AtomicBool,
    /// Whether percache has put a symlink into the tree.
    has_put_links: AtomicBool,
    /// Whether there are symlinks among what was known before: every symlink on the way of a path is.
    has_known_links: OnceLock<bool>,
}

/// Everything that an observer has seen.
pub struct Observed {
    /// For each path that was known before, whether it was seen as the table says.
    pub confirmed: Vec<bool>,
    /// The states that differ from the table, sorted by path.
    pub now: Vec<(Vec<u8>, Seen)>,
    /// Paths that were seen in two states.
    pub flipped: HashSet<Vec<u8>>,
}

impl<'a> Observer<'a> {
    /// Creates an observer that knows what an earlier build knew.
    pub fn new(root: &'a Path, before: &'a KnownFiles) -> Observer<'a> {
        Observer::since(root, before, moment())
    }

    /// Like [`Observer::new`], for a build that looked at nothing before the moment `began`.
    pub fn since(root: &'a Path, before: &'a KnownFiles, began: i64) -> Observer<'a> {
        Observer {
            root,
            root_fd: openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok(),
            before,
            looks: Looks::new(before),
            pretended: Rare::default(),
            expected: Rare::default(),
            plain: Plain::default(),
            trails: Rare::default(),
            follow: &[],
            began,
            found: Vec::new(),
            untouched: AtomicBool::new(false),
            has_put: AtomicBool::new(false),
            has_put_links: AtomicBool::new(false),
            has_known_links: OnceLock::new(),
        }
    }

    /// Allows outputs to lie outside the workspace where these directories are symlinks.
    pub fn following(self, follow: &'a [RelPath]) -> Observer<'a> {
        Observer { follow, ..self }
    }

    /// Returns the directories whose symlinks may keep outputs outside the workspace.
    pub fn follow(&self) -> &'a [RelPath] {
        self.follow
    }

    /// Takes over what was seen since the build began: which known paths are unchanged by their stamps, and other
    /// states, by position. These paths are not looked at again until a command runs, which might change anything.
    pub fn take_over(&mut self, found: Vec<bool>, seen: &[(usize, Seen)]) {
        for (position, seen) in seen.iter().filter(|(position, _)| *position < self.before.len()) {
            self.looks.set(self.before.path(*position), Change::See(*seen));
        }
        self.untouched = AtomicBool::new(found.len() == self.before.len());
        self.found = found;
    }

    /// Stops trusting earlier looks, because a command is about to run.
    pub fn expect_changes(&self) {
        self.untouched.store(false, Ordering::Relaxed);
    }

    /// Returns whether a path may lead over a symlink.
    fn has_links(&self) -> bool {
        let is_link =
            |position| self.before.seen(position).stamp.is_some_and(|stamp| stamp.file_type() == FileType::Symlink);
        self.has_put_links.load(Ordering::Relaxed)
            || *self.has_known_links.get_or_init(|| (0..self.before.len()).any(is_link))
    }

    /// Returns the position of a path that need not be looked at, because this build has found it unchanged.
    fn found(&self, path: &[u8]) -> Option<usize> {
        if !self.untouched.load(Ordering::Relaxed) {
            return None;
        }
        let position = self.before.find(path).filter(|i| self.found[*i])?;
        // Not if percache has written to it meanwhile, possibly under another name, through a symlink.
        let is_elsewhere = || self.has_links() && !self.is_plain(parent(path));
        if self.has_put.load(Ordering::Relaxed) && is_elsewhere() {
            return None;
        }
        (!self.looks.has_other(path)).then_some(position)
    }

    /// Returns the root of the workspace.
    pub fn root(&self) -> &Path {
        self.root
    }

    /// Returns the path in the file system. An absolute path replaces the root.
    pub fn locate(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// Returns the directory from which a path is looked up, and its name relative to that.
    fn seen_from_root<'p>(&self, path: &'p [u8]) -> (BorrowedFd<'_>, Cow<'p, OsStr>) {
        match &self.root_fd {
            Some(fd) => (fd.as_fd(), OsStr::from_bytes(if path.is_empty() { b"." } else { path }).into()),
            None => (CWD, self.locate(path).into_os_string().into()),
        }
    }

    /// Returns the current stamp of a path; `None` if nothing is there.
    pub fn stamp(&self, path: &[u8]) -> io::Result<Option<Stamp>> {
        let (dir, path) = self.seen_from_root(path);
        Stamp::at_dir(dir, &path)
    }

    fn open(&self, path: &[u8]) -> io::Result<File> {
        let (dir, path) = self.seen_from_root(path);
        hash_file::open(dir, &*path)
    }

    /// From now on claims this state for `path`: used in a dry run.
    pub fn pretend(&self, path: Vec<u8>, state: FileState) {
        self.pretended.get_mut().insert(path, state);
    }

    /// Makes the digest of a file be computed again, if the file was so young when it was read that a change may have
    /// gone unseen.
    pub fn doubt(&self, path: &[u8]) {
        if let Some(end) = self.trail(path).and_then(|trail| trail.end.clone()) {
            self.looks.set(&end, Change::Doubt);
        }
        self.looks.set(path, Change::Doubt);
    }

    /// Returns whether this build has seen `path` in two states.
    pub fn has_flipped(&self, path: &[u8]) -> bool {
        self.looks.other(path).is_some_and(|sight| sight.flipped)
    }

    /// Returns whether this build has seen exactly this at `path`, and nothing else, and may rely on it: the state seen
    /// there still holds. This says nothing about the target of a symlink.
    pub fn stands(&self, path: &[u8], now: Option<Stamp>) -> bool {
        let seen = match self.looks.get(path) {
            Look::Confirmed(seen) => seen,
            Look::Other(Sight { seen, flipped: false, .. }) => seen,
            Look::Unseen | Look::Other(_) | Look::Both(_) => return false,
        };
        seen.settled && seen.stamp == now
    }

    /// Returns the stamp under which this build last saw `path`.
    pub fn last_stamp(&self, path: &[u8]) -> Option<Stamp> {
        match self.looks.get(path) {
            Look::Unseen => None,
            Look::Confirmed(seen) => seen.stamp,
            Look::Other(sight) | Look::Both(sight) => sight.seen.stamp,
        }
    }

    /// Returns the modification time that the file at `path` had when the last build ended, if it had this content.
    pub fn modified_before(&self, path: &[u8], digest: &Digest) -> Option<i64> {
        let seen = self.before.seen(self.before.find(path)?);
        seen.stamp.filter(|_| seen.digest.as_ref() == Some(digest)).map(|stamp| stamp.mtime)
    }

    /// Returns the current state of `path`.
    pub fn observe(&self, path: &[u8]) -> io::Result<FileState> {
        if let Some(state) = self.pretended.get().and_then(|pretended| pretended.get(path).cloned()) {
            return Ok(state);
        }
        if let Some(state) = self.found(path).and_then(|position| self.state_before(position)) {
            return Ok(state);
        }
        let looked = moment();
        let Some(stamp) = self.stamp(path)? else {
            self.note(path, None);
            return Ok(FileState::Absent);
        };
        Ok(match stamp.file_type() {
            FileType::RegularFile => match self.digest(path, stamp, looked)? {
                Some(digest) => FileState::File { digest, executable: stamp.executable() },
                None => FileState::Absent,
            },
            FileType::Symlink => {
                self.note(path, Some(stamp));
                self.observe_link(path)?
            }
            FileType::Directory => {
                self.note(path, Some(stamp));
                FileState::Directory
            }
            _ => FileState::Special,
        })
    }

    /// Returns whether a path is still as the table says: a file by its content, anything else by its stamp.
    pub fn is_as_before(&self, position: usize) -> bool {
        let path = self.before.path(position);
        if self.found(path).is_some() {
            self.looks.confirm(position);
            return true;
        }
        let before = self.before.seen(position);
        match (before.stamp, before.digest) {
            (Some(stamp), Some(digest)) => {
                let executable = stamp.executable();
                self.observe(path).is_ok_and(|now| now == FileState::File { digest, executable })
            }
            _ => {
                let now = self.stamp(path);
                now.iter().for_each(|now| self.note(path, *now));
                now.is_ok_and(|now| before.settled && before.stamp == now)
            }
        }
    }

    /// Returns the state at a position, if the table has all of it: for a symlink it does not.
    fn state_before(&self, position: usize) -> Option<FileState> {
        let Seen { stamp, digest, .. } = self.before.seen(position);
        let state = match stamp {
            None => FileState::Absent,
            Some(stamp) => match stamp.file_type() {
                FileType::RegularFile => FileState::File { digest: digest?, executable: stamp.executable() },
                FileType::Directory => FileState::Directory,
                _ => return None,
            },
        };
        self.looks.confirm(position);
        Some(state)
    }

    /// Returns the known digest of a file with this stamp.
    fn known(&self, path: &[u8], stamp: &Stamp) -> Option<Digest> {
        let before = self.before.find(path).map(|i| (i, self.before.seen(i)));
        if let Some((i, before)) = before.filter(|(_, before)| before.settled && before.stamp == Some(*stamp))
            && before.digest.is_some()
        {
            self.looks.confirm(i);
            return before.digest;
        }
        // Within one build an unsettled digest counts, as long as nobody doubts it.
        match self.looks.other(path) {
            Some(Sight { seen, doubted: false, .. }) if seen.stamp == Some(*stamp) => seen.digest,
            _ => None,
        }
    }

    /// Returns the digest of the regular file that had this stamp after the moment `looked`.
    fn digest(&self, path: &[u8], stamp: Stamp, looked: i64) -> io::Result<Option<Digest>> {
        if let Some(digest) = self.known(path, &stamp) {
            return Ok(Some(digest));
        }
        let mut file = match self.open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let (digest, length) = hash_file::digest(&mut file, stamp.size)?;
        // A process that writes to it or replaces it changes its stamp, if that was settled, so the file will be looked
        // at again.
        if length == stamp.size && (stamp.settled_at(looked) || Stamp::of_file(&file)? == stamp) {
            self.learn(path, stamp, digest, looked);
        }
        Ok(Some(digest))
    }

    /// Returns everything seen in this build.
    pub fn into_observed(self) -> Observed {
        self.looks.into_observed()
    }
}

#[cfg(test)]
mod tests;
