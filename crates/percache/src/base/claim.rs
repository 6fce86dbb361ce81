//! Claims: locks whose names come and go by the thousand. The name of such a lock is there only while somebody holds it.
//!
//! Making and removing a file takes a file system longer than giving one that is there another name: ext4 goes through all inodes that
//! were removed a short while ago to find one that was not. So a [`Claimant`] has one file, which it keeps locked, and links it to every
//! name that it claims. A claim that is written to gets a file of its own.
//!
//! ```text
//! DIR/NAME              a claim: the line that names its holder, and what the holder writes
//! DIR/.PROCESS-RANDOM   the file of a claimant; for a moment, one that is about to be a claim's own
//! ```

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::base::lock::{FileLock, LockError};

/// Who claims names in a directory.
#[derive(Debug)]
pub struct Claimant {
    dir: PathBuf,
    holder: String,
    /// `None` where it cannot be made.
    file: OnceLock<Option<Named>>,
}

/// A locked file under a name that nobody else uses.
#[derive(Debug)]
struct Named {
    lock: FileLock,
    path: PathBuf,
}

/// A name that is held; dropping it lets it go.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    claimant: Arc<Claimant>,
    /// Its own file; `None` while it is the claimant's.
    file: Mutex<Option<FileLock>>,
}

impl Claimant {
    /// Who claims names in `dir`, which has to be there; `holder` says who we are, for those who wait.
    pub fn new(dir: PathBuf, holder: &str) -> Arc<Claimant> {
        Arc::new(Claimant { dir, holder: holder.to_owned(), file: OnceLock::new() })
    }

    /// The file of the claim of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Claims the name if nobody holds it.
    pub fn claim(self: &Arc<Self>, name: &str) -> Result<Claim, LockError> {
        let path = self.path(name);
        let claim =
            |file: Option<FileLock>| Claim { path: path.clone(), claimant: self.clone(), file: Mutex::new(file) };
        loop {
            let linked = self.file().map(|file| fs::hard_link(&file.path, &path));
            match linked {
                Some(Ok(())) => return Ok(claim(None)),
                // What somebody has left who was killed may have other names besides: they must not seem to be ours.
                Some(Err(e)) if e.kind() == io::ErrorKind::AlreadyExists => remove_unheld(&path, &self.holder)?,
                // There are no second names here, or no more of them.
                _ => return single(&path, &self.holder).map(|lock| claim(Some(lock))),
            }
        }
    }

    fn file(&self) -> Option<&Named> {
        self.file.get_or_init(|| self.new_file().ok()).as_ref()
    }

    fn new_file(&self) -> Result<Named, LockError> {
        let path = self.dir.join(format!(".{}-{:016x}", std::process::id(), RandomState::new().hash_one(0)));
        FileLock::try_acquire(&path, &self.holder).map(|lock| Named { lock, path })
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        if let Some(file) = self.file.get_mut().and_then(Option::take) {
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// Takes the lock at `path` if nobody holds it, with a file of its own.
fn single(path: &Path, holder: &str) -> Result<FileLock, LockError> {
    loop {
        let lock = FileLock::try_acquire(path, holder)?;
        // The one who held it before may have removed the file between our opening and locking it.
        if lock.is_at(path)? {
            return Ok(lock);
        }
    }
}

fn remove_unheld(path: &Path, holder: &str) -> Result<(), LockError> {
    let _lock = single(path, holder)?;
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

/// Removes the claim at `path` if nobody holds it: whoever did was killed.
pub fn clear(path: &Path, holder: &str) {
    let _ = remove_unheld(path, holder);
}

impl Claim {
    /// Writes behind the line that names the holder, for those who wait.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file();
        if file.is_none() {
            let own = self.claimant.new_file().map_err(io::Error::other)?;
            // In the place of the common one, in one step: at no time is the name free.
            if let Err(e) = fs::rename(&own.path, &self.path) {
                let _ = fs::remove_file(&own.path);
                return Err(e);
            }
            *file = Some(own.lock);
        }
        file.as_ref().map_or(Ok(()), |lock| lock.file().write_all(bytes))
    }

    fn file(&self) -> MutexGuard<'_, Option<FileLock>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is held: nobody else can have made a new file of this name.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_is_never_held_twice_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (holders, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (dir, holders, most) = (dir.path(), &holders, &most);
                scope.spawn(move || {
                    let claimant = Claimant::new(dir.to_owned(), &format!("process {number}"));
                    // Whoever tries has it in the end.
                    for time in 0..100 {
                        let claim = loop {
                            match claimant.claim("name") {
                                Ok(claim) => break claim,
                                Err(_) => std::thread::yield_now(),
                            }
                        };
                        most.fetch_max(holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        if time % 2 == 0 {
                            claim.write(b"something").unwrap();
                        }
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(claim);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert_eq!(files(dir.path()), [""; 0]);
    }

    #[test]
    fn the_second_is_told_who_holds_it_whatever_was_written_there_before() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| Claimant::new(dir.path().to_owned(), name));
        for name in ["a", "b", "a"] {
            let claim = first.claim(name).unwrap();
            claim.write(b"what a command says\n").unwrap();
            assert_eq!(fs::read(first.path(name)).unwrap(), b"first\nwhat a command says\n");
            match second.claim(name) {
                Err(LockError::Held(holder)) => assert_eq!(holder, "first"),
                other => panic!("{other:?}"),
            }
            // Another name is free, and the same one for others as soon as it is let go.
            drop(second.claim("other").unwrap());
            drop(claim);
            let claim = second.claim(name).unwrap();
            assert_eq!(fs::read(&claim.path).unwrap(), b"second\n");
        }
    }

    #[test]
    fn what_is_written_to_one_claim_is_in_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let claimant = Claimant::new(dir.path().to_owned(), "me");
        let [a, b] = ["a", "b"].map(|name| claimant.claim(name).unwrap());
        a.write(b"one ").unwrap();
        a.write(b"two").unwrap();
        assert_eq!(fs::read(&a.path).unwrap(), b"me\none two");
        assert_eq!(fs::read(&b.path).unwrap(), b"me\n");
        let other = Claimant::new(dir.path().to_owned(), "other");
        for name in ["a", "b"] {
            assert!(matches!(other.claim(name), Err(LockError::Held(holder)) if holder == "me"), "{name}");
        }
        drop((a, b));
        drop(claimant);
        drop(["a", "b"].map(|name| other.claim(name).unwrap()));
        drop(other);
        assert_eq!(files(dir.path()), [""; 0]);
    }

    #[test]
    fn what_was_left_by_somebody_killed_is_taken_over_or_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let claimant = Claimant::new(dir.path().to_owned(), "process 8");
        fs::write(claimant.path("left"), "process 7\n").unwrap();
        for name in ["too", "nobody wants it", ".7-0"] {
            fs::hard_link(claimant.path("left"), claimant.path(name)).unwrap();
        }
        let claim = claimant.claim("left").unwrap();
        assert_eq!(fs::read(claimant.path("left")).unwrap(), b"process 8\n");
        let too = claimant.claim("too").unwrap();
        clear(&claimant.path("left"), "gc");
        assert!(claimant.path("left").exists(), "somebody holds it");
        drop((claim, too));
        clear(&claimant.path("nobody wants it"), "gc");
        clear(&claimant.path(".7-0"), "gc");
        drop(claimant);
        assert_eq!(files(dir.path()), [""; 0]);
    }
}
