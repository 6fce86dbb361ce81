//! What is at a path now: a cache of digests under the stamps of files, so that nothing unchanged is read twice.
//!
//! A stamp is what `lstat` tells of a file. It stands for the content only when the file was older than the moment it was read by more
//! than the clock of the file system can resolve: a file written twice within one tick has one stamp and two contents (git calls the
//! problem "racy"). Such a digest is not *settled*: it is used within the build, and made again in the next one. The time that
//! counts is that of the last status change (ctime), which no program can set.
//!
//! Knows nothing of tasks or of the store.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode, Sink};

use crate::stamp::{Stamp, moment};
use rustix::fs::FileType;

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

/// A digest and the stamp under which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The stamp.
    pub stamp: Stamp,
    /// The digest.
    pub digest: Digest,
    /// Whether the stamp stands for the content in later builds too.
    pub settled: bool,
}

/// What is known of files, by path: relative to the workspace, or absolute.
pub type KnownFiles = HashMap<Vec<u8>, Known>;

const SHARDS: usize = 16;

/// Tells what is at a path. Shared by all threads of a build.
pub struct Observer<'a> {
    root: &'a Path,
    before: &'a KnownFiles,
    // Looked at by every job for every file: in shards, so that they rarely wait for one another.
    now: [Mutex<KnownFiles>; SHARDS],
    hasher: RandomState,
    pretended: RwLock<HashMap<Vec<u8>, FileState>>,
    /// What else the build has looked at: directories, places where nothing is.
    others: Mutex<HashMap<Vec<u8>, Option<Stamp>>>,
    /// Something was looked at for which no stamp stands.
    unstamped: AtomicBool,
}

impl<'a> Observer<'a> {
    /// An observer that knows what an earlier build knew.
    pub fn new(root: &'a Path, before: &'a KnownFiles) -> Observer<'a> {
        Observer {
            root,
            before,
            now: Default::default(),
            hasher: RandomState::new(),
            pretended: RwLock::default(),
            others: Mutex::default(),
            unstamped: AtomicBool::new(false),
        }
    }

    /// The workspace.
    pub fn root(&self) -> &Path {
        self.root
    }

    /// Where a path is in the file system. An absolute one replaces the root.
    pub fn locate(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path))
    }

    fn shard(&self, path: &[u8]) -> &Mutex<KnownFiles> {
        &self.now[self.hasher.hash_one(path) as usize % SHARDS]
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
        let mut now = self.shard(path).lock().unwrap_or_else(PoisonError::into_inner);
        if now.get(path).is_some_and(|known| !known.settled) {
            now.remove(path);
        }
    }

    /// What is at `path` now.
    pub fn observe(&self, path: &[u8]) -> io::Result<FileState> {
        if let Some(state) = self.pretended.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(state.clone());
        }
        let native = self.locate(path);
        let Some(stamp) = Stamp::at(&native)? else {
            self.note(path, None);
            return Ok(FileState::Absent);
        };
        Ok(match stamp.file_type() {
            FileType::RegularFile => match self.digest(path, &native, stamp)? {
                Some(digest) => FileState::File { digest, executable: stamp.executable() },
                None => FileState::Absent,
            },
            FileType::Symlink => {
                self.unstamped.store(true, Ordering::Relaxed);
                self.observe_link(&native)?
            }
            FileType::Directory => {
                self.note(path, Some(stamp));
                FileState::Directory
            }
            _ => FileState::Special,
        })
    }

    /// What is at `path`, and whether it must be read for that; a symlink's destination is not looked at.
    pub fn is_known(&self, path: &[u8], stamp: &Stamp) -> Option<Known> {
        let now = self.shard(path).lock().unwrap_or_else(PoisonError::into_inner);
        // Within one build an unsettled digest counts: whoever made it compared stamps before and after reading.
        let fresh = now.get(path).filter(|known| known.stamp == *stamp);
        fresh.or_else(|| self.before.get(path).filter(|known| known.settled && known.stamp == *stamp)).copied()
    }

    fn digest(&self, path: &[u8], native: &Path, stamp: Stamp) -> io::Result<Option<Digest>> {
        if let Some(known) = self.is_known(path, &stamp) {
            self.learn_known(path, known);
            return Ok(Some(known.digest));
        }
        let mut file = match File::open(native) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let before = Stamp::of_file(&file)?;
        let (digest, _) = Digest::of_reader(&mut file)?;
        let after = Stamp::of_file(&file)?;
        // Somebody is writing to it: the digest is good for now and for nothing later.
        if before == after {
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
        self.learn_known(path, Known { stamp, digest, settled: stamp.settled_at(moment()) });
    }

    fn learn_known(&self, path: &[u8], known: Known) {
        let mut now = self.shard(path).lock().unwrap_or_else(PoisonError::into_inner);
        match now.get_mut(path) {
            Some(entry) => *entry = known,
            None => {
                now.insert(path.to_vec(), known);
            }
        }
    }

    fn note(&self, path: &[u8], stamp: Option<Stamp>) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if others.get(path) != Some(&stamp) && others.insert(path.to_vec(), stamp).is_some() {
            // It changed while the build looked at it.
            self.unstamped.store(true, Ordering::Relaxed);
        }
    }

    /// Says that the outcome of the build depends on the stamp of what is at `path`, and not only on what [`Observer::observe`] saw:
    /// to be called before a directory is listed.
    pub fn watch(&self, path: &[u8]) {
        match Stamp::at(&self.locate(path)) {
            Ok(stamp) => self.note(path, stamp),
            Err(_) => self.unstamped.store(true, Ordering::Relaxed),
        }
    }

    /// Says that the outcome depends on something that no stamp stands for.
    pub fn watch_unstamped(&self) {
        self.unstamped.store(true, Ordering::Relaxed);
    }

    /// Everything that was looked at, if all of it has a stamp that is older than `moment` by more than a file system's clock can
    /// resolve: then the same stamps mean the same outcome.
    pub fn watched(&self, moment: i64) -> Option<BTreeMap<Vec<u8>, Option<Stamp>>> {
        if self.unstamped.load(Ordering::Relaxed) {
            return None;
        }
        let mut watched: BTreeMap<Vec<u8>, Option<Stamp>> =
            self.others.lock().unwrap_or_else(PoisonError::into_inner).clone().into_iter().collect();
        for shard in &self.now {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            watched.extend(shard.iter().map(|(path, known)| (path.clone(), Some(known.stamp))));
        }
        let old = watched.values().flatten().all(|stamp| stamp.settled_at(moment));
        old.then_some(watched)
    }

    /// Everything learnt in this build.
    pub fn into_known(self) -> KnownFiles {
        let shards = self.now.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
        shards.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let known = |settled| KnownFiles::from([(b"file".to_vec(), Known { stamp, digest: lie, settled })]);
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
