//! Single flight between processes: a lock file per key that is being computed.
//!
//! A claim is a file `DIR/<digest>` under `flock`, which ends with its holder however that ends. Whoever has to wait appends a byte to
//! the file, and the holder that finds one writes its result to the store at once instead of with the next batch. The holder removes
//! the file before it frees the lock; whoever gets the lock of a file that is no longer there begins anew.
//!
//! One process may wait for another while another thread of it holds what that other wants. A thread that already computes
//! something therefore waits only for [`NESTED_PATIENCE`] and then computes as well: the work may be done twice, but it is done.
//!
//! Knows keys and files, nothing of results.

use std::cell::Cell;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::digest::Digest;
use crate::files;

/// How long a thread waits that computes something itself.
const NESTED_PATIENCE: Duration = Duration::from_secs(2);

/// The directory of the claims of one cache.
#[derive(Debug)]
pub struct Claims {
    dir: PathBuf,
}

/// The sole right among processes to compute a key.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
}

/// What became of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Mine(Claim),
    /// Another process has it, and knows that somebody waits.
    Busy(Waiting),
}

/// A place in the queue.
#[derive(Debug)]
pub struct Waiting {
    file: File,
    path: PathBuf,
}

impl Claims {
    /// Claims in `dir`, which is made when it is needed.
    pub fn new(dir: PathBuf) -> Claims {
        Claims { dir }
    }

    /// Claims `key` if no other process has it.
    pub fn attempt(&self, key: &Digest) -> io::Result<Attempt> {
        let path = self.dir.join(key.to_string());
        loop {
            let mut file = self.file(&path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Attempt::Mine(Claim { file, path })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    file.write_all(b"w")?;
                    return Ok(Attempt::Busy(Waiting { file, path }));
                }
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
    }

    fn file(&self, path: &Path) -> io::Result<File> {
        let open = || files::private().append(true).create(true).open(path);
        match open() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                files::create_private_dir(&self.dir)?;
                open()
            }
            answer => answer,
        }
    }
}

impl Waiting {
    /// Blocks until the other process is done or dead. The key is not ours then: it may be in the store, or free to be claimed.
    pub fn wait(self) -> io::Result<()> {
        if !is_computing() {
            return self.file.lock();
        }
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        while start.elapsed() < NESTED_PATIENCE {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
                Err(TryLockError::Error(e)) => return Err(e),
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "another process takes long"))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A holder that was killed leaves its file behind. Whoever got its lock by waiting takes the file away.
        if is_at(&self.file, &self.path) && self.file.try_lock().is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Claim {
    /// Whether another process waits for it.
    pub fn is_wanted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() > 0)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while the lock is held, so that nobody removes the file of another.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata().map(id), fs::metadata(path).map(id)), (Ok(ours), Ok(there)) if ours == there)
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

thread_local! {
    static COMPUTING: Cell<u32> = const { Cell::new(0) };
}

fn is_computing() -> bool {
    COMPUTING.get() > 0
}

/// While it lives, this thread computes something.
pub struct Computing(PhantomData<*const ()>);

impl Computing {
    /// Begins.
    pub fn begin() -> Computing {
        COMPUTING.set(COMPUTING.get() + 1);
        Computing(PhantomData)
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        COMPUTING.set(COMPUTING.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mine(claims: &Claims, key: &Digest) -> Claim {
        match claims.attempt(key).unwrap() {
            Attempt::Mine(claim) => claim,
            Attempt::Busy(_) => panic!("busy"),
        }
    }

    fn busy(claims: &Claims, key: &Digest) -> Waiting {
        match claims.attempt(key).unwrap() {
            Attempt::Mine(_) => panic!("free"),
            Attempt::Busy(waiting) => waiting,
        }
    }

    #[test]
    fn the_second_waits_and_the_first_knows() {
        let dir = tempfile::tempdir().unwrap();
        let claims = Claims::new(dir.path().join("claims"));
        let key = Digest::of(b"k");
        let claim = mine(&claims, &key);
        assert!(!claim.is_wanted());
        let waiting = busy(&claims, &key);
        assert!(claim.is_wanted());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| waiting.wait());
            drop(claim);
            waiter.join().unwrap().unwrap();
        });
        drop(mine(&claims, &key));
        assert_eq!(fs::read_dir(dir.path().join("claims")).unwrap().count(), 0);
    }

    #[test]
    fn other_keys_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let claims = Claims::new(dir.path().to_owned());
        let _one = mine(&claims, &Digest::of(b"1"));
        let _two = mine(&claims, &Digest::of(b"2"));
    }

    #[test]
    fn the_file_of_a_dead_holder_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let claims = Claims::new(dir.path().to_owned());
        let key = Digest::of(b"k");
        fs::write(dir.path().join(key.to_string()), b"w").unwrap();
        drop(mine(&claims, &key));
        assert!(!dir.path().join(key.to_string()).exists());
    }
}
