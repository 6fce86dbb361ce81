//! A worktree's own directory in the store: its journal, its lock, and what a build in progress needs.
//!
//! ```text
//! STORE/claims/…                see crate::action::claim
//! STORE/worktrees/ID/path       the worktree's absolute path, for people and for gc
//! STORE/worktrees/ID/mark       the identity of the worktree's directory, by which it is recognised after a move
//! STORE/worktrees/ID/lock       held while a build runs here
//! STORE/worktrees/ID/journal    see crate::worktree::journal
//! STORE/worktrees/ID/workspace  the workspace as last loaded, a cache, see crate::config
//! STORE/worktrees/ID/slips      what every build says about the configuration, if anything, see crate::config
//! STORE/worktrees/ID/intents    see crate::worktree::intents
//! STORE/worktrees/ID/builds     the last builds, see crate::report::history
//! STORE/worktrees/ID/texts      small text inputs, see crate::worktree::old_texts
//! STORE/worktrees/ID/servers    see crate::worktree::server_parts
//! STORE/worktrees/ID/unstable   see crate::worktree::unstable
//! STORE/worktrees/ID/failed/    logs of failed runs, see crate::worktree::failed_runs
//! STORE/worktrees/ID/used       uses of results since the last gc, see crate::worktree::last_used
//! STORE/worktrees/ID/report.html  the report, unless another file is named
//! STORE/worktrees/ID/staging/   files on their way into the tree
//! STORE/worktrees/ID/displaced/ see crate::fs::displaced
//! ```
//!
//! ID is the beginning of a SHA-1. If the store is in the worktree, which is the default, it is that of the path from
//! the worktree to the store. So the worktree keeps its memory when it is moved, copied with its store, or visible at
//! several paths (bind mounts, containers), and builds at all of these take turns. Otherwise it is that of the
//! worktree's path. For a single command without a configuration, ID is `single-` and the command's identity.

mod locking;

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use percache::Digest;
use percache::base::files::{self, Durability, create_private_dir};
use percache::base::lock::{FileLock, LockError};
use percache::store::id::WorkspaceId;

pub use locking::WorktreeLock;

/// The file with the identity of the worktree's directory.
const MARK: &str = "mark";

/// The prefix of the names of single commands' directories, before the identity.
const SINGLE: &str = "single-";

/// A worktree's own directory in the store.
#[derive(Clone, Debug)]
pub struct Worktree {
    dir: PathBuf,
    root: PathBuf,
    claims: PathBuf,
}

impl Worktree {
    /// Returns the directory of the workspace at `root`. Creates nothing.
    pub fn new(store: &Path, root: &Path) -> Worktree {
        Worktree {
            dir: worktrees(store).join(Worktree::identity(store, root).short()),
            root: root.to_owned(),
            claims: store.join("claims"),
        }
    }

    /// Returns the directory of a single command that runs below `root`. Single commands do not share directories, and
    /// theirs are removed when unused for as long as a result may be unused.
    pub fn single(store: &Path, root: &Path, identity: &Digest) -> Worktree {
        Worktree { dir: worktrees(store).join(format!("{SINGLE}{identity}")), ..Worktree::new(store, root) }
    }

    /// Returns whether it belongs to a single command.
    pub fn is_single(&self) -> bool {
        is_single_in(&self.dir)
    }

    /// Returns what distinguishes the worktree at `root` from others that use the store.
    fn identity(store: &Path, root: &Path) -> Digest {
        let lies_within = |way: &Path| way.components().all(|part| matches!(part, Component::Normal(_)));
        match store.strip_prefix(root) {
            Ok(way) if root.is_absolute() && !way.as_os_str().is_empty() && lies_within(way) => {
                Digest::of(&[b"within\0", way.as_os_str().as_bytes()].concat())
            }
            _ => *Worktree::place(root).digest(),
        }
    }

    /// Identifies this workspace directory; results that mention its path are stored under it.
    pub fn place(root: &Path) -> WorkspaceId {
        WorkspaceId::new(Digest::of(root.as_os_str().as_bytes()))
    }

    /// Returns the store's directory.
    pub fn store(&self) -> &Path {
        self.claims.parent().unwrap_or(&self.claims)
    }

    /// Returns the directory of the worktree in the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the workspace directory that `place` identifies, if the store has been used there.
    pub fn root_of(store: &Path, place: &WorkspaceId) -> Option<PathBuf> {
        let all = Worktree::all(store).ok()?;
        all.into_iter().map(|worktree| worktree.root).find(|root| Worktree::place(root) == *place)
    }

    /// Creates the directory, with everything that it must contain before its lock can be taken.
    pub fn create(&self) -> io::Result<()> {
        create_private_dir(&self.staging())?;
        create_private_dir(&self.claims())
    }

    /// Prepares it for the holder of its lock: removes the temporary files of a killed build, and records whose
    /// directory it is, for people and gc.
    pub fn prepare(&self) -> io::Result<()> {
        self.clear_staging()?;
        // The content is compared because an empty `path`, left by a power cut, would make gc take the worktree for
        // abandoned.
        let (path, root) = (self.dir.join("path"), self.root.as_os_str().as_bytes());
        if fs::read(&path).is_ok_and(|known| known == root) {
            return Ok(());
        }
        files::replace(&path, root, Durability::Volatile)
    }

    /// Writes the mark by which the directory of the worktree is recognised after it was moved.
    pub fn mark(&self) -> io::Result<()> {
        files::replace(&self.dir.join(MARK), identity_of(&self.root)?.as_bytes(), Durability::Volatile)
    }

    /// Removes the temporary files of a killed build.
    fn clear_staging(&self) -> io::Result<()> {
        let unfinished = fs::read_dir(&self.dir)?.filter_map(|entry| Some(entry.ok()?.path()));
        // A report is written without the lock, and perhaps at this moment; everything else needs the lock.
        let unfinished =
            unfinished.filter(|path| !path.as_os_str().as_bytes().starts_with(self.report().as_os_str().as_bytes()));
        let staged = fs::read_dir(self.staging())?.filter_map(|entry| Some(entry.ok()?.path()));
        unfinished.filter(|path| files::is_temporary(path)).chain(staged).try_for_each(|path| {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        })
    }

    /// Returns the path of the journal.
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Returns the path of the cached workspace, see `crate::config`.
    pub fn kept(&self) -> PathBuf {
        self.dir.join("workspace")
    }

    /// Returns the path of what every build says about the configuration, see `crate::config`.
    pub fn slips(&self) -> PathBuf {
        self.dir.join("slips")
    }

    /// Returns the directory where all worktrees claim actions.
    pub fn claims(&self) -> PathBuf {
        self.claims.clone()
    }

    /// Returns the path of the intents.
    pub fn intents(&self) -> PathBuf {
        self.dir.join("intents")
    }

    /// Returns the path of the list of unstable tasks.
    pub fn unstable(&self) -> PathBuf {
        self.dir.join("unstable")
    }

    /// Returns the directory of failed runs.
    pub fn failed(&self) -> PathBuf {
        self.dir.join("failed")
    }

    /// Returns the path of the uses of results.
    pub fn used(&self) -> PathBuf {
        self.dir.join("used")
    }

    /// Returns the path of the last builds.
    pub fn builds(&self) -> PathBuf {
        self.dir.join("builds")
    }

    /// Returns the default path of a report.
    pub fn report(&self) -> PathBuf {
        self.dir.join("report.html")
    }

    /// Returns the path of the texts of inputs.
    pub fn texts(&self) -> PathBuf {
        self.dir.join("texts")
    }

    /// Returns the path of what was hashed for servers.
    pub fn servers(&self) -> PathBuf {
        self.dir.join("servers")
    }

    /// Returns the directory for files on their way into the tree.
    pub fn staging(&self) -> PathBuf {
        self.dir.join("staging")
    }

    /// Returns the directory of displaced files.
    pub fn displaced(&self) -> PathBuf {
        self.dir.join("displaced")
    }

    /// Returns the directory of the workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns every worktree of a store.
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

    /// Returns whether the workspace directory is gone.
    pub fn is_abandoned(&self) -> bool {
        // A damaged `path` says nothing about the worktree.
        let store = self.dir.parent().and_then(Path::parent).unwrap_or(&self.dir);
        let is_its_own = self.is_single() || self.dir.ends_with(Worktree::identity(store, &self.root).short());
        is_its_own && matches!(self.root.try_exists(), Ok(false))
    }

    /// Removes the directory, unless a build is running there or displaced files are in it.
    pub fn remove(&self) -> io::Result<()> {
        let removed = match FileLock::try_acquire(&self.dir.join("lock"), "gc") {
            // Displaced files, which somebody may want back, outlive their worktree.
            Ok(_lock) if self.displaced().exists() => Ok(()),
            Ok(_lock) => fs::remove_dir_all(&self.dir),
            Err(LockError::Held(_)) => Ok(()),
            Err(LockError::Io(e)) => Err(e),
        };
        match removed {
            // Another gc removed it first.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }
}

/// Returns the workspace directory that this directory of the store belongs to, if it is known.
pub fn root_in(dir: &Path) -> Option<PathBuf> {
    let path = fs::read(dir.join("path")).ok().filter(|path| path.starts_with(b"/"))?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&path)))
}

/// Returns whether this is the directory of a single command.
pub fn is_single_in(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name.as_bytes().starts_with(SINGLE.as_bytes()))
}

/// Returns whether the workspace of this directory of the store was moved to `root`.
pub fn is_marked_in(dir: &Path, root: &Path) -> bool {
    let mark = fs::read(dir.join(MARK)).ok();
    mark.zip(identity_of(root).ok()).is_some_and(|(mark, identity)| mark == identity.as_bytes())
}

/// Returns the identity of a directory, which stays the same wherever it is moved in its file system. It includes the
/// time of creation because inode numbers are reused.
fn identity_of(root: &Path) -> io::Result<String> {
    let metadata = fs::metadata(root)?;
    let born = metadata.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let born = born.map_or(0, |born| born.as_nanos());
    Ok(format!("{} {} {born}", metadata.dev(), metadata.ino()))
}

fn worktrees(store: &Path) -> PathBuf {
    store.join("worktrees")
}

#[cfg(test)]
mod tests;
