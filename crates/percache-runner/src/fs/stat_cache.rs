//! What is at a path now: a cache of digests under the stamps of files, so that nothing unchanged is read twice.
//!
//! A stamp is what `lstat` tells of a file. It stands for the content only when the file was older than the moment it was read by more
//! than the clock of the file system can resolve: a file written twice within one tick has one stamp and two contents (git calls the
//! problem "racy"). Such a digest is not *settled*: it is used within the build, and made again in the next one. The time that
//! counts is that of the last status change (ctime), which no program can set.
//!
//! Knows nothing of tasks or of the store.

mod learn;
mod rare;
mod state;
mod way;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::hash::BuildHasher;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use percache::Digest;
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use crate::fs::hash_file;
use crate::fs::links::Trail;
use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_table::{KnownFiles, Seen};
use crate::model::path::RelPath;

use rare::Rare;
pub use state::{Behind, FileState};
use way::Plain;
pub use way::Resolved;

const SHARDS: usize = 16;

/// What was seen otherwise than before.
struct Look {
    seen: Seen,
    /// Whether the digest is to be made once more before it is used.
    doubted: bool,
}

type Shard = HashMap<Vec<u8>, Look, RandomState>;

/// Tells what is at a path. Shared by all threads of a build.
pub struct Observer<'a> {
    root: &'a Path,
    /// The same, to look at paths from there: the system has fewer names to go through. Without it (`None`) by the whole path.
    root_fd: Option<OwnedFd>,
    before: &'a KnownFiles,
    /// Of each path in `before`, whether it was seen in this build just as it stands there.
    confirmed: Vec<AtomicBool>,
    /// What was seen otherwise. Asked by every job for every file that changed: in shards, so that they rarely wait for one another.
    now: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Paths that were seen in two ways in this build.
    flipped: Rare<HashSet<Vec<u8>>>,
    pretended: Rare<HashMap<Vec<u8>, FileState>>,
    /// Directories to which no symlink leads.
    plain: Plain,
    /// Where symlinks lead that were observed.
    trails: Rare<HashMap<Vec<u8>, Arc<Trail>>>,
    /// Directories through which outputs may lie outside of the workspace.
    follow: &'a [RelPath],
    /// The moment before which nothing of this build was looked at.
    began: i64,
    /// Of each path in `before`, whether it was as it stands there when the build began. Empty when nobody has looked.
    found: Vec<bool>,
    /// Whether that is so still, as far as this build is concerned.
    untouched: AtomicBool,
}

/// What an observer has seen.
pub struct Observed {
    /// Of each path that was known before, whether it was seen as it stood there.
    pub confirmed: Vec<bool>,
    /// What was seen otherwise, sorted by path.
    pub now: Vec<(Vec<u8>, Seen)>,
    /// Paths that were seen in two ways.
    pub flipped: HashSet<Vec<u8>>,
}

impl<'a> Observer<'a> {
    /// An observer that knows what an earlier build knew.
    pub fn new(root: &'a Path, before: &'a KnownFiles) -> Observer<'a> {
        Observer::since(root, before, moment())
    }

    /// The same, of a build that has looked at nothing before the moment `began`.
    pub fn since(root: &'a Path, before: &'a KnownFiles, began: i64) -> Observer<'a> {
        Observer {
            root,
            root_fd: openat(CWD, root, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok(),
            before,
            confirmed: (0..before.len()).map(|_| AtomicBool::new(false)).collect(),
            now: Default::default(),
            hasher: RandomState::default(),
            flipped: Rare::default(),
            pretended: Rare::default(),
            plain: Plain::default(),
            trails: Rare::default(),
            follow: &[],
            began,
            found: Vec::new(),
            untouched: AtomicBool::new(false),
        }
    }

    /// The same, of a workspace of which outputs may lie elsewhere where these directories are symlinks.
    pub fn following(self, follow: &'a [RelPath]) -> Observer<'a> {
        Observer { follow, ..self }
    }

    /// The directories through which outputs may lie outside of the workspace.
    pub fn follow(&self) -> &'a [RelPath] {
        self.follow
    }

    /// Takes over what was seen since the build began: which of the paths that it knew before are as they were, by their stamps, and what else
    /// was seen, by position. These are not looked at again before a command runs, which might change anything.
    pub fn take_over(&mut self, found: Vec<bool>, seen: &[(usize, Seen)]) {
        for (position, seen) in seen.iter().filter(|(position, _)| *position < self.before.len()) {
            self.see(self.before.path(*position), *seen);
        }
        self.untouched = AtomicBool::new(found.len() == self.before.len());
        self.found = found;
    }

    /// A command is about to run.
    pub fn expect_changes(&self) {
        self.untouched.store(false, Ordering::Relaxed);
    }

    fn confirm(&self, position: usize) {
        self.confirmed[position].store(true, Ordering::Relaxed);
    }

    /// The position of a path that need not be looked at: this build has found it as it was.
    fn found(&self, path: &[u8]) -> Option<usize> {
        if !self.untouched.load(Ordering::Relaxed) {
            return None;
        }
        let position = self.before.find(path).filter(|i| self.found[*i])?;
        // Not if percache has put something there meanwhile.
        (!self.shard(path).contains_key(path)).then_some(position)
    }

    /// The workspace.
    pub fn root(&self) -> &Path {
        self.root
    }

    /// Where a path is in the file system. An absolute one replaces the root.
    pub fn locate(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// The directory from which a path is looked at, and its name from there.
    fn seen_from_root<'p>(&self, path: &'p [u8]) -> (BorrowedFd<'_>, Cow<'p, OsStr>) {
        match &self.root_fd {
            Some(fd) => (fd.as_fd(), OsStr::from_bytes(if path.is_empty() { b"." } else { path }).into()),
            None => (CWD, self.locate(path).into_os_string().into()),
        }
    }

    /// The stamp of what is at a path now; `None` when nothing is.
    pub fn stamp(&self, path: &[u8]) -> io::Result<Option<Stamp>> {
        let (dir, path) = self.seen_from_root(path);
        Stamp::at_dir(dir, &path)
    }

    fn open(&self, path: &[u8]) -> io::Result<File> {
        let (dir, path) = self.seen_from_root(path);
        hash_file::open(dir, &*path)
    }

    fn shard(&self, path: &[u8]) -> MutexGuard<'_, Shard> {
        let shard = &self.now[self.hasher.hash_one(path) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on says that this is at `path`: for a build that only tells what it would do.
    pub fn pretend(&self, path: Vec<u8>, state: FileState) {
        self.pretended.get_mut().insert(path, state);
    }

    /// The paths that are pretended to be there.
    pub fn pretended(&self) -> Vec<Vec<u8>> {
        let Some(pretended) = self.pretended.get() else { return Vec::new() };
        pretended.iter().filter(|(_, state)| **state != FileState::Absent).map(|(path, _)| path.clone()).collect()
    }

    /// Has the digest of a file made anew if the file was so young when it was made that a change may have gone unseen.
    pub fn doubt(&self, path: &[u8]) {
        if let Some(end) = self.trail(path).and_then(|trail| trail.end.clone()) {
            self.doubt_file(&end);
        }
        self.doubt_file(path);
    }

    fn doubt_file(&self, path: &[u8]) {
        let mut now = self.shard(path);
        if let Some(look) = now.get_mut(path).filter(|look| !look.seen.settled) {
            look.doubted = true;
        }
    }

    /// Whether this build has seen what is at `path` in two ways.
    pub fn has_flipped(&self, path: &[u8]) -> bool {
        self.flipped.get().is_some_and(|flipped| flipped.contains(path))
    }

    /// Whether this build has seen just this at `path`, and nothing else, and may go by it: what was seen there holds still. Of what a
    /// link points to this says nothing.
    pub fn stands(&self, path: &[u8], now: Option<Stamp>) -> bool {
        let position = self.before.find(path);
        let confirmed = position.filter(|i| self.confirmed[*i].load(Ordering::Relaxed)).map(|i| self.before.seen(i));
        let seen = match (self.shard(path).get(path), confirmed) {
            (Some(look), None) => look.seen,
            (None, Some(seen)) => seen,
            _ => return false,
        };
        seen.settled && seen.stamp == now && !self.has_flipped(path)
    }

    /// The stamp under which this build has seen what was at `path`, the last time that it looked.
    pub fn last_stamp(&self, path: &[u8]) -> Option<Stamp> {
        if let Some(look) = self.shard(path).get(path) {
            return look.seen.stamp;
        }
        let position = self.before.find(path).filter(|i| self.confirmed[*i].load(Ordering::Relaxed));
        position.and_then(|i| self.before.seen(i).stamp)
    }

    /// The time at which a file was modified that was at `path` when the last build ended, if it had this content.
    pub fn modified_before(&self, path: &[u8], digest: &Digest) -> Option<i64> {
        let seen = self.before.seen(self.before.find(path)?);
        seen.stamp.filter(|_| seen.digest.as_ref() == Some(digest)).map(|stamp| stamp.mtime)
    }

    /// What is at `path` now.
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

    /// Whether what the build knew before of a path still holds: a file by its content, all else by its stamp.
    pub fn is_as_before(&self, position: usize) -> bool {
        let path = self.before.path(position);
        if self.found(path).is_some() {
            self.confirmed[position].store(true, Ordering::Relaxed);
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

    /// What was at a position, if its line says all of it: of a symlink it does not.
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
        self.confirmed[position].store(true, Ordering::Relaxed);
        Some(state)
    }

    /// What is known of a file with this stamp.
    fn known(&self, path: &[u8], stamp: &Stamp) -> Option<Digest> {
        let before = self.before.find(path).map(|i| (i, self.before.seen(i)));
        if let Some((i, before)) = before.filter(|(_, before)| before.settled && before.stamp == Some(*stamp))
            && before.digest.is_some()
        {
            self.confirmed[i].store(true, Ordering::Relaxed);
            return before.digest;
        }
        // Within one build an unsettled digest counts, as long as nobody doubts it.
        let shard = self.shard(path);
        let look = shard.get(path).filter(|look| look.seen.stamp == Some(*stamp) && !look.doubted);
        look.and_then(|look| look.seen.digest)
    }

    /// The digest of the regular file that had this stamp after the moment `looked`.
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
        // Who writes to it now, or has replaced it, has changed its stamp, if it was settled: it will be looked at again for that.
        if length == stamp.size && (stamp.settled_at(looked) || Stamp::of_file(&file)? == stamp) {
            self.learn(path, stamp, digest, looked);
        }
        Ok(Some(digest))
    }

    /// Everything seen in this build.
    pub fn into_observed(self) -> Observed {
        let shards = self.now.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut now: Vec<_> = shards.flatten().map(|(path, look)| (path, look.seen)).collect();
        now.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Observed {
            confirmed: self.confirmed.into_iter().map(AtomicBool::into_inner).collect(),
            now,
            flipped: self.flipped.into_inner(),
        }
    }
}

#[cfg(test)]
mod tests;
