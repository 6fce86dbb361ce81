//! The part of the store's directory that belongs to one worktree: its journal, its lock, and what a build in progress needs.
//!
//! ```text
//! STORE/claims/…                see crate::action::claim
//! STORE/worktrees/ID/path       the worktree's absolute path, for people and for gc
//! STORE/worktrees/ID/lock       held while a build runs here
//! STORE/worktrees/ID/journal    see crate::worktree::journal
//! STORE/worktrees/ID/intents    see crate::worktree::intents
//! STORE/worktrees/ID/builds     the last builds, see crate::report::history
//! STORE/worktrees/ID/texts      small text inputs, see crate::worktree::old_texts
//! STORE/worktrees/ID/unstable   see crate::worktree::unstable
//! STORE/worktrees/ID/failed/   logs of failed runs, see crate::worktree::failed_runs
//! STORE/worktrees/ID/used       uses of results since the last gc, see crate::worktree::last_used
//! STORE/worktrees/ID/staging/   files on their way into the tree
//! STORE/worktrees/ID/displaced/ see crate::fs::displaced
//! ```
//!
//! ID is the beginning of a SHA-1. When the store lies in the worktree, as it does by default, that of the way from the worktree to the
//! store: so the worktree keeps what it remembers when it is moved, copied with its store, or seen at several paths (bind mounts,
//! containers), and builds at all of them take turns. Otherwise that of the worktree's path. For a single command without a
//! configuration, `single-` and its identity.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use percache::Digest;
use percache::files::{self, Durability, create_private_dir};
use percache::lock::{FileLock, LockError};

use crate::process::Stop;

/// How often to look whether the build before is done.
const PAUSE: Duration = Duration::from_millis(10);

/// What the directory of a single command is named by, before its identity.
const SINGLE: &str = "single-";

/// A worktree's own directory in the store.
#[derive(Clone, Debug)]
pub struct Worktree {
    dir: PathBuf,
    root: PathBuf,
    claims: PathBuf,
}

/// The right to build in a worktree; dropping it gives it to others.
#[derive(Debug)]
pub struct WorktreeLock {
    _file: FileLock,
    _tree: Option<File>,
}

impl Worktree {
    /// That of the workspace at `root`. Nothing is made yet.
    pub fn new(store: &Path, root: &Path) -> Worktree {
        Worktree {
            dir: worktrees(store).join(Worktree::identity(store, root).short()),
            root: root.to_owned(),
            claims: store.join("claims"),
        }
    }

    /// That of a single command, run in a directory below `root`: apart from those of other commands, and gone when it was not used for
    /// as long as a result may be unused.
    pub fn single(store: &Path, root: &Path, identity: &Digest) -> Worktree {
        Worktree { dir: worktrees(store).join(format!("{SINGLE}{identity}")), ..Worktree::new(store, root) }
    }

    /// Whether it belongs to a single command.
    pub fn is_single(&self) -> bool {
        self.dir.file_name().is_some_and(|name| name.as_bytes().starts_with(SINGLE.as_bytes()))
    }

    /// Tells the worktree at `root` from others that use the store.
    fn identity(store: &Path, root: &Path) -> Digest {
        let lies_within = |way: &Path| way.components().all(|part| matches!(part, Component::Normal(_)));
        match store.strip_prefix(root) {
            Ok(way) if root.is_absolute() && !way.as_os_str().is_empty() && lies_within(way) => {
                Digest::of(&[b"within\0", way.as_os_str().as_bytes()].concat())
            }
            _ => Worktree::place(root),
        }
    }

    /// What a result is tied to that is tied to this directory.
    pub fn place(root: &Path) -> Digest {
        Digest::of(root.as_os_str().as_bytes())
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the directory that results of this place are tied to, if the store has been used there.
    pub fn root_of(store: &Path, place: &Digest) -> Option<PathBuf> {
        let all = Worktree::all(store).ok()?;
        all.into_iter().map(|worktree| worktree.root).find(|root| Worktree::place(root) == *place)
    }

    /// Makes the directory, with all that is to be in it before its lock can be taken.
    pub fn create(&self) -> io::Result<()> {
        create_private_dir(&self.staging())?;
        create_private_dir(&self.claims())
    }

    /// Makes it ready for the one who holds its lock: what a killed build left on its way is gone, and people and gc can tell whose it is.
    pub fn prepare(&self) -> io::Result<()> {
        self.clear_staging()?;
        // Compared, not only looked for: gc takes a worktree for abandoned whose path is empty after a power cut.
        let (path, root) = (self.dir.join("path"), self.root.as_os_str().as_bytes());
        if fs::read(&path).is_ok_and(|known| known == root) {
            return Ok(());
        }
        files::replace(&path, root, Durability::Volatile)
    }

    /// Removes what a killed build left on its way into the tree, or to another name here.
    fn clear_staging(&self) -> io::Result<()> {
        let unfinished = fs::read_dir(&self.dir)?.filter_map(|entry| Some(entry.ok()?.path()));
        // A report is written without the lock, perhaps at this moment; everything else with it.
        let unfinished =
            unfinished.filter(|path| !path.as_os_str().as_bytes().starts_with(self.report().as_os_str().as_bytes()));
        let staged = fs::read_dir(self.staging())?.filter_map(|entry| Some(entry.ok()?.path()));
        unfinished.filter(|path| files::is_temporary(path)).chain(staged).try_for_each(|path| {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        })
    }

    /// Takes the lock of the worktree if nobody holds it.
    pub fn try_lock(&self, holder: &str) -> Option<WorktreeLock> {
        let path = self.dir.join("lock");
        let file = FileLock::try_acquire(&path, holder).ok().filter(|lock| lock.is_at(&path).unwrap_or(false))?;
        Some(WorktreeLock { _file: file, _tree: self.try_lock_tree().ok()? })
    }

    /// Locks the tree itself, where its path alone tells it from others: it may have several paths, and builds with other stores. A store
    /// that lies in the tree is one and the same by all paths.
    fn try_lock_tree(&self) -> Result<Option<File>, LockError> {
        let store = self.claims.parent().unwrap_or(&self.claims);
        if self.is_single() || Worktree::identity(store, &self.root) != Worktree::place(&self.root) {
            return Ok(None);
        }
        // Not every file system locks directories.
        let Ok(tree) = File::open(&self.root) else { return Ok(None) };
        match tree.try_lock() {
            Ok(()) => Ok(Some(tree)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held("another percache in this directory".to_owned())),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    /// Takes the lock of the worktree, however long that takes; `waiting` is told for whom, as often as it is looked,
    /// and says whether to go on. Else only a wish to stop ends the wait.
    pub fn lock(
        &self,
        holder: &str,
        stop: &Stop,
        waiting: &mut dyn FnMut(&str) -> bool,
    ) -> Result<WorktreeLock, LockError> {
        let path = self.dir.join("lock");
        let mut tries = 0;
        loop {
            let held = match FileLock::try_acquire(&path, holder) {
                // A gc may have removed the directory, with the lock's file in it, before it was ours.
                Ok(file) if file.is_at(&path)? => match self.try_lock_tree() {
                    Ok(tree) => return Ok(WorktreeLock { _file: file, _tree: tree }),
                    Err(e) => e,
                },
                Ok(_) => {
                    self.create()?;
                    continue;
                }
                Err(LockError::Io(e)) if e.kind() == io::ErrorKind::NotFound && tries < 100 => {
                    tries += 1;
                    self.create()?;
                    continue;
                }
                Err(e) => e,
            };
            match held {
                LockError::Held(other) if !stop.requested() => {
                    if !waiting(&other) {
                        return Err(LockError::Held(other));
                    }
                    std::thread::sleep(PAUSE);
                }
                answer => return Err(answer),
            }
        }
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// The workspace as it was meant when its configuration was read last.
    pub fn kept(&self) -> PathBuf {
        self.dir.join("workspace")
    }

    /// Where actions are claimed, by all worktrees.
    pub fn claims(&self) -> PathBuf {
        self.claims.clone()
    }

    /// The intents.
    pub fn intents(&self) -> PathBuf {
        self.dir.join("intents")
    }

    /// Tasks that were found to be unstable.
    pub fn unstable(&self) -> PathBuf {
        self.dir.join("unstable")
    }

    /// Failed runs.
    pub fn failed(&self) -> PathBuf {
        self.dir.join("failed")
    }

    /// The uses.
    pub fn used(&self) -> PathBuf {
        self.dir.join("used")
    }

    /// The last builds.
    pub fn builds(&self) -> PathBuf {
        self.dir.join("builds")
    }

    /// Where a report goes that nobody has asked to be elsewhere.
    pub fn report(&self) -> PathBuf {
        self.dir.join("report.html")
    }

    /// The texts of inputs.
    pub fn texts(&self) -> PathBuf {
        self.dir.join("texts")
    }

    /// Where files wait.
    pub fn staging(&self) -> PathBuf {
        self.dir.join("staging")
    }

    /// Where displaced files are.
    pub fn displaced(&self) -> PathBuf {
        self.dir.join("displaced")
    }

    /// The directory of the worktree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every worktree of a store, with its root.
    pub fn all(store: &Path) -> io::Result<Vec<Worktree>> {
        let entries = match fs::read_dir(worktrees(store)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut all = Vec::new();
        for dir in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if let Ok(path) = fs::read(dir.join("path")) {
                all.push(Worktree {
                    dir,
                    claims: store.join("claims"),
                    root: PathBuf::from(std::ffi::OsStr::from_bytes(&path)),
                });
            }
        }
        Ok(all)
    }

    /// Whether the worktree itself is gone.
    pub fn is_abandoned(&self) -> bool {
        // What stands in a damaged `path` says nothing of the worktree.
        let store = self.dir.parent().and_then(Path::parent).unwrap_or(&self.dir);
        let is_its_own = self.is_single() || self.dir.ends_with(Worktree::identity(store, &self.root).short());
        is_its_own && matches!(self.root.try_exists(), Ok(false))
    }

    /// Removes the directory, unless a build is running there.
    pub fn remove(&self) -> io::Result<()> {
        let removed = match FileLock::try_acquire(&self.dir.join("lock"), "gc") {
            Ok(_lock) => fs::remove_dir_all(&self.dir),
            Err(LockError::Held(_)) => Ok(()),
            Err(LockError::Io(e)) => Err(e),
        };
        match removed {
            // Another gc was faster.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }
}

fn worktrees(store: &Path) -> PathBuf {
    store.join("worktrees")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_that_fits_says_that_a_worktree_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        let worktree = Worktree::new(dir.path(), &root);
        worktree.create().unwrap();
        worktree.prepare().unwrap();
        let abandoned = || Worktree::all(dir.path()).unwrap().iter().map(Worktree::is_abandoned).collect::<Vec<_>>();
        assert_eq!(abandoned(), [true], "the directory was never made");
        // Empty or damaged, it says nothing; the next build writes it anew.
        for text in ["", "/nonexistent"] {
            fs::write(worktree.dir.join("path"), text).unwrap();
            assert_eq!(abandoned(), [false]);
            worktree.prepare().unwrap();
            assert_eq!(abandoned(), [true]);
        }
        fs::create_dir(&root).unwrap();
        assert_eq!(abandoned(), [false]);
    }

    #[test]
    fn a_tree_with_its_store_in_it_is_known_wherever_it_is_and_others_by_their_path() {
        let dir = |store: &str, root: &str| {
            Worktree::new(Path::new(store), Path::new(root)).dir.file_name().unwrap().to_owned()
        };
        assert_eq!(dir("/a/ws/.percache", "/a/ws"), dir("/mnt/.percache", "/mnt"));
        assert_ne!(dir("/a/ws/.percache", "/a/ws"), dir("/a/ws/cache", "/a/ws"));
        assert_ne!(dir("/store", "/a/ws"), dir("/store", "/a/ws2"));
        assert_ne!(dir("/a/ws/../store", "/a/ws"), dir("/a/ws2/../store", "/a/ws2"));
        // The worktree of another branch uses the main worktree's store.
        assert_ne!(dir("/a/ws/.percache", "/a/ws"), dir("/a/ws/.percache", "/a/ws/.worktrees/x"));
    }

    #[test]
    fn one_tree_is_locked_for_all_stores_that_are_elsewhere() {
        let (dir, store, other) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let worktrees = [store.path(), other.path()].map(|store| Worktree::new(store, dir.path()));
        worktrees.iter().for_each(|worktree| worktree.create().unwrap());
        let lock = worktrees[0].try_lock("me").unwrap();
        assert!(worktrees[1].try_lock("you").is_none());
        drop(lock);
        assert!(worktrees[1].try_lock("you").is_some());
    }

    #[test]
    fn what_a_killed_build_left_on_its_way_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let worktree = Worktree::new(dir.path(), dir.path());
        worktree.create().unwrap();
        fs::write(worktree.staging().join("half"), "").unwrap();
        fs::create_dir(worktree.staging().join("directory")).unwrap();
        fs::write(worktree.dir.join("journal.1-0.new"), "").unwrap();
        fs::write(worktree.journal(), "").unwrap();
        fs::write(worktree.dir.join("report.html.1-0.new"), "").unwrap();
        worktree.prepare().unwrap();
        assert_eq!(fs::read_dir(worktree.staging()).unwrap().count(), 0);
        assert!(worktree.journal().exists() && !worktree.dir.join("journal.1-0.new").exists());
        assert!(worktree.dir.join("report.html.1-0.new").exists(), "somebody is just writing it");
    }

    /// Who begins at the same time as others must get the lock, not trip over what they clear: without the lock, it would run what they run.
    #[test]
    fn builds_that_begin_at_once_in_a_new_worktree_all_get_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let stop = Stop::manual().unwrap();
        for round in 0..50 {
            let worktree = Worktree::new(&dir.path().join(round.to_string()), dir.path());
            let begin = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        begin.wait();
                        worktree.create().unwrap();
                        let _lock = worktree.lock("me", &stop, &mut |_| true).unwrap();
                        worktree.prepare().unwrap();
                    });
                }
            });
        }
    }
}
