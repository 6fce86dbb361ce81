//! The place where files and directories wait on their way into the tree.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use percache::base::files::create_private_dir;

/// A directory for staged files. On first use it gets a subdirectory of this build's own, which is removed on drop.
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    spread: bool,
    device: OnceLock<Option<u64>>,
    own: Mutex<Option<PathBuf>>,
    count: AtomicU64,
}

impl Staging {
    /// Uses the staging directory of a worktree, which nobody else uses.
    pub fn in_worktree(dir: PathBuf) -> Staging {
        Staging::new(dir, true)
    }

    /// Uses the system's directory for temporary files, if there is no store to write to.
    pub fn in_system() -> Staging {
        Staging::new(std::env::temp_dir(), false)
    }

    fn new(dir: PathBuf, spread: bool) -> Staging {
        Staging { dir, spread, device: OnceLock::new(), own: Mutex::default(), count: AtomicU64::new(0) }
    }

    /// Returns the directory itself, for files without a name.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the device number of its file system, if that can be told.
    pub fn device(&self) -> Option<u64> {
        *self.device.get_or_init(|| device(&self.dir))
    }

    /// Returns an unused name in an existing directory.
    pub fn place(&self) -> io::Result<PathBuf> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match &mut *own {
            Some(own) => own,
            none => none.insert(self.make_own()?),
        };
        Ok(own.join(self.count.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    fn make_own(&self) -> io::Result<PathBuf> {
        if self.spread {
            spread(&self.dir);
        }
        // Not named by process id: a shared directory may still have one of a process of long ago.
        let own = self.dir.join(format!("percache-{:016x}", RandomState::new().hash_one(std::process::id())));
        create_private_dir(&own)?;
        Ok(own)
    }
}

/// Returns the device number of a path's file system.
pub fn device(path: &Path) -> Option<u64> {
    fs::metadata(path).map(|metadata| metadata.dev()).ok()
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(own) = self.own.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _ = fs::remove_dir_all(own);
        }
    }
}

/// Tells the file system that the directories in this one are unrelated (`chattr +T`), so that ext4 places each on its
/// own. Otherwise everything made in them gets its inodes from the same area as the workspace, and if outputs were
/// deleted there within the last minutes, ext4 looks for an unused inode by going through all of those, again for each
/// file (`recently_deleted` in its ialloc.c).
#[cfg(target_os = "linux")]
fn spread(dir: &Path) {
    use rustix::fs::{CWD, IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, openat};
    let Ok(dir) = openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else { return };
    if let Ok(flags) = ioctl_getflags(&dir)
        && !flags.contains(IFlags::TOPDIR)
    {
        // Other file systems do not know the flag, and do not need it.
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
}

#[cfg(not(target_os = "linux"))]
fn spread(_dir: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_directory_comes_with_the_first_place_and_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let entries = || fs::read_dir(dir.path()).unwrap().count();
        let staging = Staging::in_worktree(dir.path().to_owned());
        assert_eq!(entries(), 0);
        let (one, other) = (staging.place().unwrap(), staging.place().unwrap());
        assert_ne!(one, other);
        fs::write(&one, "x").unwrap();
        fs::create_dir(&other).unwrap();
        assert_eq!(entries(), 1);
        let beside = Staging::in_worktree(dir.path().to_owned());
        assert_ne!(beside.place().unwrap(), one);
        drop(staging);
        drop(beside);
        assert_eq!(entries(), 0);
    }
}
