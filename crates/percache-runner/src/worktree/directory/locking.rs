//! The lock of a worktree: builds in one worktree take turns.

use std::fs::{File, TryLockError};
use std::io;
use std::time::Duration;

use percache::base::lock::{FileLock, LockError};

use crate::process::Stop;

use super::Worktree;

/// The pause between attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(10);

/// The right to build in a worktree, until it is dropped.
#[derive(Debug)]
pub struct WorktreeLock {
    _file: FileLock,
    _tree: Option<File>,
}

impl Worktree {
    /// Takes the lock of the worktree if it is free.
    pub fn try_lock(&self, holder: &str) -> Option<WorktreeLock> {
        let path = self.dir.join("lock");
        let file = FileLock::try_acquire(&path, holder).ok().filter(|lock| lock.is_at(&path).unwrap_or(false))?;
        Some(WorktreeLock { _file: file, _tree: self.try_lock_tree().ok()? })
    }

    /// Locks the tree itself where only its path distinguishes it: it may have several paths, and builds with other
    /// stores. A store inside the tree is the same under all of the tree's paths.
    fn try_lock_tree(&self) -> Result<Option<File>, LockError> {
        let store = self.claims.parent().unwrap_or(&self.claims);
        if self.is_single() || Worktree::identity(store, &self.root) != *Worktree::place(&self.root).digest() {
            return Ok(None);
        }
        // Not every file system can lock directories.
        let Ok(tree) = File::open(&self.root) else { return Ok(None) };
        match tree.try_lock() {
            Ok(()) => Ok(Some(tree)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held("another percache in this directory".to_owned())),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    /// Takes the lock of the worktree, and waits for it without limit. `waiting` is called with the holder at every
    /// attempt, and returns whether to continue. Otherwise only `stop` ends the wait.
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
                // A gc may have removed the directory with the lock file before the lock was taken.
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
}
