//! What is at a path now: a cache of digests under the stamps of files, so that nothing unchanged is read twice.
//!
//! A stamp is what `lstat` tells of a file. It stands for the content only when the file was older than the moment it was read by more
//! than the clock of the file system can resolve: a file written twice within one tick has one stamp and two contents (git calls the
//! problem "racy"). Such a digest is not *settled*: it is used within the build, and made again in the next one. The time that
//! counts is that of the last status change (ctime), which no program can set.
//!
//! Knows nothing of tasks or of the store.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read};
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

type Shard = HashMap<Vec<u8>, Seen, RandomState>;

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
        }
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
        // Not to hang where a pipe has taken the place of the file meanwhile.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(dir, &*path, flags, Mode::empty())?.into())
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

    /// Forgets the digest of a file if it was made when the file was so young that a change may have gone unseen.
    pub fn doubt(&self, path: &[u8]) {
        let mut now = self.shard(path);
        if let Some(seen) = now.get_mut(path).filter(|seen| !seen.settled) {
            seen.digest = None;
        }
    }

    /// Whether this build has seen just this at `path`, and nothing else, and may go by it: what was seen there holds still. Of what a
    /// link points to this says nothing.
    pub fn stands(&self, path: &[u8], now: Option<Stamp>) -> bool {
        let position = self.before.find(path);
        let confirmed = position.filter(|i| self.confirmed[*i].load(Ordering::Relaxed)).map(|i| self.before.seen(i));
        let seen = match (self.shard(path).get(path), confirmed) {
            (Some(seen), None) => *seen,
            (None, Some(seen)) => seen,
            _ => return false,
        };
        seen.settled && seen.stamp == now && !self.flipped.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// The stamp under which this build has seen what was at `path`, the last time that it looked.
    pub fn last_stamp(&self, path: &[u8]) -> Option<Stamp> {
        if let Some(seen) = self.shard(path).get(path) {
            return seen.stamp;
        }
        let position = self.before.find(path).filter(|i| self.confirmed[*i].load(Ordering::Relaxed));
        position.and_then(|i| self.before.seen(i).stamp)
    }

    /// What is at `path` now.
    pub fn observe(&self, path: &[u8]) -> io::Result<FileState> {
        if let Some(state) = self.pretended.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(state.clone());
        }
        let Some(stamp) = self.stamp(path)? else {
            self.note(path, None);
            return Ok(FileState::Absent);
        };
        Ok(match stamp.file_type() {
            FileType::RegularFile => match self.digest(path, stamp)? {
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

    /// What is known of a file with this stamp.
    fn known(&self, path: &[u8], stamp: &Stamp) -> Option<Digest> {
        let before = self.before.find(path).map(|i| (i, self.before.seen(i)));
        if let Some((i, before)) = before.filter(|(_, before)| before.settled && before.stamp == Some(*stamp))
            && before.digest.is_some()
        {
            self.confirmed[i].store(true, Ordering::Relaxed);
            return before.digest;
        }
        // Within one build an unsettled digest counts: whoever made it compared stamps before and after reading.
        self.shard(path).get(path).filter(|seen| seen.stamp == Some(*stamp)).and_then(|seen| seen.digest)
    }

    fn digest(&self, path: &[u8], stamp: Stamp) -> io::Result<Option<Digest>> {
        if let Some(digest) = self.known(path, &stamp) {
            return Ok(Some(digest));
        }
        let mut file = match self.open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let digest = digest_of(&mut file, stamp.size)?;
        let after = Stamp::of_file(&file)?;
        // Somebody is writing to it, or has replaced it: the digest is good for now and for nothing later.
        if stamp == after {
            self.learn(path, after, digest);
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

    /// Takes a digest over that somebody else made of the file with this stamp.
    pub fn learn(&self, path: &[u8], stamp: Stamp, digest: Digest) {
        self.see(path, Seen { stamp: Some(stamp), digest: Some(digest), settled: stamp.settled_at(moment()) });
    }

    /// Says that something depends on the stamp of what is at `path`: to be called before a directory is listed.
    pub fn watch(&self, path: &[u8]) {
        // What cannot be looked at is not seen, and nothing can rest on it.
        if let Ok(stamp) = self.stamp(path) {
            self.note(path, stamp);
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
        let Some(entry) = now.get_mut(path) else {
            now.insert(path.to_vec(), seen);
            return;
        };
        if entry.stamp == seen.stamp {
            *entry = Seen {
                stamp: seen.stamp,
                digest: seen.digest.or(entry.digest),
                settled: seen.settled || entry.settled,
            };
        } else {
            self.flipped.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_vec());
            *entry = seen;
        }
    }

    /// Everything seen in this build.
    pub fn into_observed(self) -> Observed {
        let shards = self.now.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut now: Vec<_> = shards.flatten().collect();
        now.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Observed {
            confirmed: self.confirmed.into_iter().map(AtomicBool::into_inner).collect(),
            now,
            flipped: self.flipped.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The digest of a file that is said to have that many bytes.
fn digest_of(file: &mut File, size: u64) -> io::Result<Digest> {
    if size >= SMALL as u64 {
        return Ok(Digest::of_reader(file)?.0);
    }
    BUFFER.with_borrow_mut(|buffer| digest_of_small(file, size, buffer))
}

/// Files below this size are read in one piece.
const SMALL: usize = 16 << 10;

thread_local! {
    // Made once: to fill it with zeros takes as long as to hash a file of a kilobyte.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SMALL]);
}

fn digest_of_small(file: &mut File, size: u64, buffer: &mut [u8]) -> io::Result<Digest> {
    // One call of the system for most source files. When it is longer after all, the stamps differ, and nothing rests on this digest.
    let mut length = 0;
    loop {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        if length as u64 == size {
            break;
        }
    }
    Ok(Digest::of(&buffer[..length]))
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
