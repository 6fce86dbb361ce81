//! The lock of git's index: while git holds it, a checkout or a merge may be under way, with pauses.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::fs::stamp::Stamp;

/// A lock is waited for this long. One that a killed git has left behind stays for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock of the repository that a directory lies in, if it lies in one.
pub(super) struct IndexLock {
    path: Option<PathBuf>,
    /// The lock that was last seen, and since when it has been there.
    seen: Mutex<Option<(Stamp, Instant)>>,
}

impl IndexLock {
    pub(super) fn of(root: &Path) -> IndexLock {
        let git = root.ancestors().map(|dir| dir.join(".git")).find(|git| git.symlink_metadata().is_ok());
        let dir = git.map(|git| match std::fs::read_to_string(&git) {
            // A linked worktree, or a submodule.
            Ok(text) => git.with_file_name(text.strip_prefix("gitdir:").unwrap_or_default().trim()),
            Err(_) => git,
        });
        IndexLock { path: dir.map(|dir| dir.join("index.lock")), seen: Mutex::new(None) }
    }

    /// Whether git holds the lock, and not for too long.
    pub(super) fn is_held(&self) -> bool {
        let Some(path) = &self.path else { return false };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(Some(stamp)) = Stamp::at(path) else {
            *seen = None;
            return false;
        };
        let since = match *seen {
            Some((before, since)) if before.inode == stamp.inode => since,
            _ => Instant::now(),
        };
        *seen = Some((stamp, since));
        since.elapsed() < PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_lock_is_held_until_it_is_gone_in_repositories_and_in_worktrees() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join(".git/worktrees/w")).unwrap();
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir_all(root.join("w")).unwrap();
        fs::write(root.join("w/.git"), "gitdir: ../.git/worktrees/w\n").unwrap();
        for (workspace, git) in [("sub", ".git"), ("w", ".git/worktrees/w")] {
            let (lock, path) = (IndexLock::of(&root.join(workspace)), root.join(git).join("index.lock"));
            assert!(!lock.is_held());
            fs::write(&path, "").unwrap();
            assert!(lock.is_held());
            fs::remove_file(&path).unwrap();
            assert!(!lock.is_held());
        }
    }

    #[test]
    fn a_lock_that_stays_is_held_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/index.lock"), "").unwrap();
        let lock = IndexLock::of(dir.path());
        assert!(lock.is_held());
        let mut seen = lock.seen.lock().unwrap();
        *seen = seen.map(|(stamp, since)| (stamp, since.checked_sub(PATIENCE).unwrap()));
        drop(seen);
        assert!(!lock.is_held());
    }
}
