//! What is at a path now: a cache of digests under the stamps of files, so that nothing unchanged is read twice.
//!
//! A stamp is what `lstat` tells of a file. It stands for the content only when the file was older than the moment it was read by more
//! than the clock of the file system can resolve: a file written twice within one tick has one stamp and two contents (git calls the
//! problem "racy"). Such a digest is not *settled*: it is used within the build, and made again in the next one. The time that
//! counts is that of the last status change (ctime), which no program can set.
//!
//! Knows nothing of tasks or of the store.

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
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use foldhash::fast::RandomState;
use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode, Sink};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};

use crate::known::{KnownFiles, Seen};
use crate::reading;
use crate::stamp::{Stamp, moment};

/// What is at a path, as far as a task can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Of its content.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symlink.
    Symlink {
        /// The text of its target.
        target: Vec<u8>,
        /// Of the content of the file that it leads to, if it leads to one.
        content: Option<Digest>,
    },
    /// A directory; what is in it is a matter of its own.
    Directory,
    /// A socket, a pipe, a device.
    Special,
}

impl FileState {
    /// Gives the canonical encoding to `sink`.
    pub fn encode(&self, sink: &mut (impl Sink + ?Sized)) {
        match self {
            FileState::Absent => sink.u8(0),
            FileState::File { digest, executable } => {
                sink.u8(1);
                sink.digest(digest);
                sink.bool(*executable);
            }
            FileState::Symlink { target, content } => {
                sink.u8(2);
                sink.bytes(target);
                sink.bool(content.is_some());
                content.iter().for_each(|digest| sink.digest(digest));
            }
            FileState::Directory => sink.u8(3),
            FileState::Special => sink.u8(4),
        }
    }

    /// Reads one back.
    pub fn decode(from: &mut Decoder<'_>) -> Result<FileState, DecodeError> {
        Ok(match from.u8()? {
            0 => FileState::Absent,
            1 => FileState::File { digest: from.digest()?, executable: from.bool()? },
            2 => FileState::Symlink {
                target: from.bytes()?.to_vec(),
                content: if from.bool()? { Some(from.digest()?) } else { None },
            },
            3 => FileState::Directory,
            4 => FileState::Special,
            _ => return Err(DecodeError("a file is of an unknown kind")),
        })
    }
}

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
    flipped: Mutex<HashSet<Vec<u8>>>,
    pretended: RwLock<HashMap<Vec<u8>, FileState>>,
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
            flipped: Mutex::default(),
            pretended: RwLock::default(),
            began,
            found: Vec::new(),
            untouched: AtomicBool::new(false),
        }
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
        reading::open(dir, &*path)
    }

    fn shard(&self, path: &[u8]) -> MutexGuard<'_, Shard> {
        let shard = &self.now[self.hasher.hash_one(path) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on says that this is at `path`: for a build that only tells what it would do.
    pub fn pretend(&self, path: Vec<u8>, state: FileState) {
        self.pretended.write().unwrap_or_else(PoisonError::into_inner).insert(path, state);
    }

    /// The paths that are pretended to be there.
    pub fn pretended(&self) -> Vec<Vec<u8>> {
        let pretended = self.pretended.read().unwrap_or_else(PoisonError::into_inner);
        pretended.iter().filter(|(_, state)| **state != FileState::Absent).map(|(path, _)| path.clone()).collect()
    }

    /// Has the digest of a file made anew if the file was so young when it was made that a change may have gone unseen.
    pub fn doubt(&self, path: &[u8]) {
        let mut now = self.shard(path);
        if let Some(look) = now.get_mut(path).filter(|look| !look.seen.settled) {
            look.doubted = true;
        }
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
        seen.settled && seen.stamp == now && !self.flipped.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// The stamp under which this build has seen what was at `path`, the last time that it looked.
    pub fn last_stamp(&self, path: &[u8]) -> Option<Stamp> {
        if let Some(look) = self.shard(path).get(path) {
            return look.seen.stamp;
        }
        let position = self.before.find(path).filter(|i| self.confirmed[*i].load(Ordering::Relaxed));
        position.and_then(|i| self.before.seen(i).stamp)
    }

    /// What is at `path` now.
    pub fn observe(&self, path: &[u8]) -> io::Result<FileState> {
        let looked = moment();
        if let Some(state) = self.pretended.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(state.clone());
        }
        if let Some(state) = self.found(path).and_then(|position| self.state_before(position)) {
            return Ok(state);
        }
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
                self.observe_link(&self.locate(path))?
            }
            FileType::Directory => {
                self.note(path, Some(stamp));
                FileState::Directory
            }
            _ => FileState::Special,
        })
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
        let (digest, length) = reading::digest(&mut file, stamp.size)?;
        // Who writes to it now, or has replaced it, has changed its stamp, if it was settled: it will be looked at again for that.
        if length == stamp.size && (stamp.settled_at(looked) || Stamp::of_file(&file)? == stamp) {
            self.learn(path, stamp, digest, looked);
        }
        Ok(Some(digest))
    }

    fn observe_link(&self, native: &Path) -> io::Result<FileState> {
        let target = match std::fs::read_link(native) {
            Ok(target) => target.as_os_str().as_bytes().to_vec(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileState::Absent),
            Err(e) => return Err(e),
        };
        // Not cached: the stamp of a link says nothing of the file behind it. Dangling and circular ones have no content.
        let content = match std::fs::metadata(native) {
            Ok(metadata) if metadata.is_file() => Some(Digest::of_reader(&mut File::open(native)?)?.0),
            _ => None,
        };
        Ok(FileState::Symlink { target, content })
    }

    /// Takes a digest over that somebody made of the file after it had this stamp, and that after the moment `looked`.
    pub fn learn(&self, path: &[u8], stamp: Stamp, digest: Digest, looked: i64) {
        self.see(path, Seen { stamp: Some(stamp), digest: Some(digest), settled: stamp.settled_at(looked) });
    }

    /// Takes over what percache, or a command that it ran, has just put at `path`: as [`Observer::learn`], and whatever was seen there before
    /// counts for nothing any more.
    pub fn put(&self, path: &[u8], stamp: Stamp, digest: Digest, looked: i64) {
        let settled = stamp.settled_at(looked);
        self.replace(path, Seen { stamp: Some(stamp), digest: Some(digest), settled });
    }

    /// The same, of what has no content: a directory, a symlink.
    pub fn put_other(&self, path: &[u8]) {
        let looked = moment();
        // What cannot be looked at is not seen, and nothing can rest on it.
        let seen = match self.stamp(path) {
            Ok(stamp) => Seen { stamp, digest: None, settled: stamp.is_none_or(|stamp| stamp.settled_at(looked)) },
            Err(_) => Seen { stamp: None, digest: None, settled: false },
        };
        self.replace(path, seen);
    }

    fn replace(&self, path: &[u8], seen: Seen) {
        if let Some(i) = self.before.find(path) {
            self.confirmed[i].store(false, Ordering::Relaxed);
        }
        self.shard(path).insert(path.to_vec(), Look { seen, doubted: false });
    }

    /// Says that something depends on the stamp of what is at `path`: to be called before a directory is listed.
    pub fn watch(&self, path: &[u8]) {
        if let Some(position) = self.found(path) {
            return self.confirmed[position].store(true, Ordering::Relaxed);
        }
        // What cannot be looked at is not seen, and nothing can rest on it.
        if let Ok(stamp) = self.stamp(path) {
            self.note(path, stamp);
        }
    }

    /// The same, of what was read after the build had begun and before anything was observed: its content counts too, if it is what was read
    /// then. Whether it is.
    pub fn watch_content(&self, path: &[u8]) -> bool {
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

    fn note(&self, path: &[u8], stamp: Option<Stamp>) {
        if let Some(i) = self.before.find(path) {
            let before = self.before.seen(i);
            if before.settled && before.stamp == stamp {
                return self.confirmed[i].store(true, Ordering::Relaxed);
            }
        }
        // Whatever is judged by it, the build looked at it after it had begun.
        let settled = stamp.is_none_or(|stamp| stamp.settled_at(self.began));
        self.see(path, Seen { stamp, digest: None, settled });
    }

    fn see(&self, path: &[u8], seen: Seen) {
        let mut now = self.shard(path);
        let Some(look) = now.get_mut(path) else {
            now.insert(path.to_vec(), Look { seen, doubted: false });
            return;
        };
        let before = look.seen;
        let same_content = before.digest.zip(seen.digest).is_none_or(|(before, now)| before == now);
        if before.stamp != seen.stamp || !same_content {
            self.flipped.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_vec());
        }
        if before.stamp != seen.stamp {
            *look = Look { seen, doubted: false };
            return;
        }
        look.doubted &= seen.digest.is_none();
        look.seen.digest = seen.digest.or(before.digest);
        look.seen.settled |= seen.settled;
    }

    /// Everything seen in this build.
    pub fn into_observed(self) -> Observed {
        let shards = self.now.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut now: Vec<_> = shards.flatten().map(|(path, look)| (path, look.seen)).collect();
        now.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Observed {
            confirmed: self.confirmed.into_iter().map(AtomicBool::into_inner).collect(),
            now,
            flipped: self.flipped.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::Builder;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn observed(root: &Path, known: &KnownFiles, path: &str) -> FileState {
        Observer::new(root, known).observe(path.as_bytes()).unwrap()
    }

    #[test]
    fn every_kind_of_file_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("file"), "x").unwrap();
        fs::write(root.join("script"), "x").unwrap();
        fs::set_permissions(root.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(root.join("dir")).unwrap();
        symlink("file", root.join("link")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let digest = Digest::of(b"x");
        let known = KnownFiles::new();
        assert_eq!(observed(root, &known, "none"), FileState::Absent);
        assert_eq!(observed(root, &known, "file/none"), FileState::Absent);
        assert_eq!(observed(root, &known, "file"), FileState::File { digest, executable: false });
        assert_eq!(observed(root, &known, "script"), FileState::File { digest, executable: true });
        assert_eq!(observed(root, &known, "dir"), FileState::Directory);
        let link = FileState::Symlink { target: b"file".into(), content: Some(digest) };
        assert_eq!(observed(root, &known, "link"), link);
        let dangling = FileState::Symlink { target: b"nowhere".into(), content: None };
        assert_eq!(observed(root, &known, "dangling"), dangling);
    }

    #[test]
    fn only_a_settled_stamp_stands_for_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        let stamp = Stamp::at(&path).unwrap().unwrap();
        let lie = Digest::of(b"something else");
        let known = |settled| {
            let mut builder = Builder::default();
            builder.push(b"file", &Seen { stamp: Some(stamp), digest: Some(lie), settled });
            builder.finish()
        };
        let believed = FileState::File { digest: lie, executable: false };
        assert_eq!(observed(dir.path(), &known(true), "file"), believed);
        assert_ne!(observed(dir.path(), &known(false), "file"), believed);
    }

    /// An observer of `file`, which was found to be as it was, and what it was.
    fn finder<'a>(root: &'a Path, known: &'a KnownFiles) -> Observer<'a> {
        let mut observer = Observer::new(root, known);
        observer.take_over(vec![true; known.len()], &[]);
        observer
    }

    #[test]
    fn what_was_found_is_not_looked_at_again_before_a_command_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        let mut builder = Builder::default();
        let stamp = Stamp::at(&path).unwrap();
        builder.push(b"file", &Seen { stamp, digest: Some(Digest::of(b"x")), settled: true });
        builder.push(b"none", &Seen { stamp: None, digest: None, settled: true });
        let known = builder.finish();
        let observer = finder(dir.path(), &known);
        fs::write(&path, "other").unwrap();
        fs::write(dir.path().join("none"), "y").unwrap();
        let file = |text: &str| FileState::File { digest: Digest::of(text.as_bytes()), executable: false };
        assert_eq!(observer.observe(b"file").unwrap(), file("x"));
        assert_eq!(observer.observe(b"none").unwrap(), FileState::Absent);
        // Whoever runs by it notices.
        assert_eq!(observer.last_stamp(b"file"), stamp);
        assert!(!observer.stands(b"file", Stamp::at(&path).unwrap()));
        observer.expect_changes();
        assert_eq!(observer.observe(b"file").unwrap(), file("other"));
        assert_eq!(observer.observe(b"none").unwrap(), file("y"));
    }

    #[test]
    fn what_percache_has_put_there_is_not_what_was_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        let mut builder = Builder::default();
        let stamp = Stamp::at(&path).unwrap();
        builder.push(b"file", &Seen { stamp, digest: Some(Digest::of(b"x")), settled: true });
        let known = builder.finish();
        let observer = finder(dir.path(), &known);
        fs::remove_file(&path).unwrap();
        observer.put_other(b"file");
        assert_eq!(observer.observe(b"file").unwrap(), FileState::Absent);
        assert_eq!(observer.into_observed().confirmed, [false]);
        // Of a journal that could not be read, nothing was found.
        let none = KnownFiles::new();
        let mut observer = Observer::new(dir.path(), &none);
        observer.take_over(vec![true], &[(0, Seen { stamp, digest: None, settled: true })]);
        assert_eq!(observer.observe(b"file").unwrap(), FileState::Absent);
    }

    #[test]
    fn a_second_content_under_one_stamp_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "x").unwrap();
        let known = KnownFiles::new();
        let observer = Observer::new(dir.path(), &known);
        observer.observe(b"file").unwrap();
        let stamp = Stamp::at(&path).unwrap().unwrap();
        observer.doubt(b"file");
        observer.learn(b"file", stamp, Digest::of(b"y"), 0);
        let observed = observer.into_observed();
        assert!(observed.flipped.contains(b"file".as_slice()));
        assert_eq!(observed.now[0].1.digest, Some(Digest::of(b"y")));
    }

    #[test]
    fn states_are_read_back_as_written() {
        let digest = Digest::of(b"x");
        for state in [
            FileState::Absent,
            FileState::File { digest, executable: true },
            FileState::Symlink { target: b"a".into(), content: Some(digest) },
            FileState::Symlink { target: b"a".into(), content: None },
            FileState::Directory,
            FileState::Special,
        ] {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            let mut decoder = Decoder::new(&bytes);
            assert_eq!(FileState::decode(&mut decoder), Ok(state));
            assert_eq!(decoder.finish(), Ok(()));
        }
    }
}
