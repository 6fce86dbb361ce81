//! Locks on single bytes of one file, held by the process: however many keys are claimed, one descriptor is open.
//!
//! These are the record locks of POSIX: a child does not inherit them, they end with their process however that ends,
//! and the system says which process is in the way. Their pitfall is that closing any descriptor of a file lets go of
//! all locks that the process has on it. So there is one [`RangeLock`] for each file in the process, and it stays
//! open while anything is held. What threads and caches of this process hold is counted here: these locks exclude
//! none of them.
//!
//! Knows nothing of what the bytes stand for.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::files;
use crate::base::fork::{self, PerProcess};

/// The system looks at all locks of a file to take another one: with more than this many, that takes longer than most
/// computations.
const MANY: usize = 4_096;

/// A file of which single bytes are locked.
#[derive(Debug)]
pub struct RangeLock {
    file: File,
    /// How often each byte is held in this process.
    held: Mutex<HashMap<u64, usize>>,
}

/// How a byte is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By one process.
    Exclusive,
    /// By many.
    Shared,
}

/// A byte that this process holds; dropping it lets it go.
#[derive(Debug)]
pub struct Held {
    lock: Arc<RangeLock>,
    at: u64,
    generation: usize,
}

/// Device and inode.
type Identity = (u64, u64);

static OPEN: PerProcess<Mutex<HashMap<Identity, Arc<RangeLock>>>> = PerProcess::new();

impl RangeLock {
    /// The file at `path`, which is made if need be, with its directory.
    pub fn open(path: &Path) -> io::Result<Arc<RangeLock>> {
        let mut all = OPEN.get().lock().unwrap_or_else(PoisonError::into_inner);
        // Before opening it: a second descriptor could not be closed again.
        if let Some(lock) = fs::metadata(path).ok().and_then(|there| all.get(&identity(&there))) {
            return Ok(lock.clone());
        }
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        let open = || files::private().read(true).write(true).create(true).truncate(false).open(path);
        let file = match (open(), path.parent()) {
            (Err(e), Some(dir)) if e.kind() == io::ErrorKind::NotFound => {
                files::create_private_dir(dir)?;
                open()?
            }
            (answer, _) => answer?,
        };
        let identity = identity(&file.metadata()?);
        if let Some(lock) = all.get(&identity) {
            // Somebody has given it this name since.
            std::mem::forget(file);
            return Ok(lock.clone());
        }
        let lock = Arc::new(RangeLock { file, held: Mutex::default() });
        all.insert(identity, lock.clone());
        Ok(lock)
    }

    /// Whether the file still has a name: others would lock another one.
    pub fn is_there(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the byte, unless another process has it.
    pub fn try_hold(self: &Arc<Self>, at: u64, mode: Mode) -> io::Result<Option<Held>> {
        let mut held = self.held();
        if held.len() >= MANY && !held.contains_key(&at) {
            return Err(io::Error::other("this process has claimed a lot already"));
        }
        let count = held.entry(at).or_insert(0);
        if *count == 0 {
            let kind = if mode == Mode::Exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
            match self.set(at, kind) {
                Ok(true) => {}
                refused => {
                    held.remove(&at);
                    return refused.map(|_| None);
                }
            }
        }
        *held.entry(at).or_insert(0) += 1;
        Ok(Some(Held { lock: self.clone(), at, generation: fork::generation() }))
    }

    /// Returns a process that keeps us from having the byte for us alone.
    pub fn other(&self, at: u64) -> io::Result<Option<i32>> {
        let mut range = range(at, libc::F_WRLCK);
        self.control(libc::F_GETLK, &mut range)?;
        Ok((range.l_type != kind_of(libc::F_UNLCK)).then_some(range.l_pid))
    }

    /// The bytes that this process holds.
    pub fn all_held(&self) -> Vec<u64> {
        self.held().keys().copied().collect()
    }

    fn set(&self, at: u64, kind: impl TryInto<libc::c_short>) -> io::Result<bool> {
        match self.control(libc::F_SETLK, &mut range(at, kind)) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    #[allow(unsafe_code, reason = "rustix has locks of whole files only")]
    fn control(&self, command: libc::c_int, range: &mut libc::flock) -> io::Result<()> {
        loop {
            // SAFETY: the descriptor is open as long as `self.file`, and both commands take a pointer to a `flock`,
            // which `range` is.
            if unsafe { libc::fcntl(self.file.as_raw_fd(), command, std::ptr::from_mut(range)) } != -1 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Held {
    /// Where the byte is.
    pub fn at(&self) -> u64 {
        self.at
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It was the parent's, whose locks a child does not have.
        if self.generation != fork::generation() {
            std::mem::forget(self.lock.clone());
            return;
        }
        let mut held = self.lock.held();
        match held.get_mut(&self.at) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.at);
                let _ = self.lock.set(self.at, libc::F_UNLCK);
            }
        }
    }
}

fn identity(metadata: &fs::Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// The constants are of another type on every system.
fn kind_of(kind: impl TryInto<libc::c_short>) -> libc::c_short {
    kind.try_into().unwrap_or_default()
}

#[allow(unsafe_code, reason = "the fields of a `flock` differ between systems")]
fn range(at: u64, kind: impl TryInto<libc::c_short>) -> libc::flock {
    // SAFETY: a `flock` consists of numbers, for which zeros are values.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = kind_of(kind);
    range.l_whence = libc::SEEK_SET as libc::c_short;
    range.l_start = at as libc::off_t;
    range.l_len = 1;
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_held_until_the_last_of_this_process_lets_it_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new").join("lock");
        let lock = RangeLock::open(&path).unwrap();
        assert!(Arc::ptr_eq(&lock, &RangeLock::open(&path).unwrap()), "a second descriptor");
        let [first, second] = [7, 7].map(|at| lock.try_hold(at, Mode::Exclusive).unwrap().unwrap());
        drop(first);
        assert_eq!(lock.all_held(), [7]);
        drop(second);
        assert_eq!(lock.all_held(), [0; 0]);
        assert_eq!(lock.other(7).unwrap(), None, "one's own process is not another one");
    }

    #[test]
    fn a_file_that_was_removed_is_known_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = RangeLock::open(&path).unwrap();
        assert!(lock.is_there());
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_there());
        assert!(!Arc::ptr_eq(&lock, &RangeLock::open(&path).unwrap()));
    }
}
