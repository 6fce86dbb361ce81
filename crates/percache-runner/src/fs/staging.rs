//! Where files and directories wait on their way into the tree.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use percache::files::create_private_dir;

/// A directory for what waits, and in it one that is this build's own as soon as something waits; that is gone when this is.
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    spread: bool,
    device: OnceLock<Option<u64>>,
    own: Mutex<Option<PathBuf>>,
    count: AtomicU64,
}

impl Staging {
    /// The staging directory of a worktree, which nobody else uses.
    pub fn in_worktree(dir: PathBuf) -> Staging {
        Staging::new(dir, true)
    }

    /// The system's directory for temporary files, for whoever has no store to write to.
    pub fn in_system() -> Staging {
        Staging::new(std::env::temp_dir(), false)
    }

    fn new(dir: PathBuf, spread: bool) -> Staging {
        Staging { dir, spread, device: OnceLock::new(), own: Mutex::default(), count: AtomicU64::new(0) }
    }

    /// The directory itself, for files without a name.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file system that it is on, if that can be told.
    pub fn device(&self) -> Option<u64> {
        *self.device.get_or_init(|| device(&self.dir))
    }

    /// A name that nothing has yet, in a directory that is there.
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
        // Not the process id: in a directory for everybody, there may be one of a process of long ago.
        let own = self.dir.join(format!("percache-{:016x}", RandomState::new().hash_one(std::process::id())));
        create_private_dir(&own)?;
        Ok(own)
    }
}

/// The file system that something is on.
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

/// Tells the file system that the directories in this one have nothing to do with each other (`chattr +T`), so that ext4 gives each a
/// place of its own. Otherwise all that is made in them gets its inodes from where the workspace has its own, and if outputs were deleted
/// there within the last minutes, ext4 looks for an unused inode by going through all of these, anew for each file (`recently_deleted`
/// in its ialloc.c).
#[cfg(target_os = "linux")]
fn spread(dir: &Path) {
    use rustix::fs::{CWD, IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, openat};
    let Ok(dir) = openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else { return };
    if let Ok(flags) = ioctl_getflags(&dir)
        && !flags.contains(IFlags::TOPDIR)
    {
        // Other file systems do not know it, and do not need it.
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
