//! Claims: locks whose names come and go by the thousand. The file of such a lock is there only while somebody holds it.
//!
//! Making and removing a file takes a file system longer than giving one that is there a second name: ext4 goes through all inodes that
//! were removed a short while ago to find one that was not. So a [`Claimant`] keeps the files that it has made, under names of its own
//! and locked, and links one of them to the name that it claims.
//!
//! ```text
//! DIR/NAME             a claim: the line that names its holder, and what the holder writes
//! DIR/.PROCESS-NUMBER  a file that is kept for the next one
//! ```

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::lock::{FileLock, LockError};

/// Who claims names in a directory.
#[derive(Debug)]
pub struct Claimant {
    dir: PathBuf,
    holder: String,
    spare: Mutex<Vec<Spare>>,
}

/// A locked file, and its own name.
#[derive(Debug)]
struct Spare {
    lock: FileLock,
    path: PathBuf,
}

/// A name that is held; dropping it lets it go.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// `None` only while it is dropped.
    file: Option<Held>,
    claimant: Arc<Claimant>,
    written: AtomicBool,
}

#[derive(Debug)]
enum Held {
    /// Under two names.
    Linked(Spare),
    /// What somebody has left who was killed, or one by itself where files cannot have two names.
    Single(FileLock),
}

impl Claimant {
    /// Who claims names in `dir`, which has to be there; `holder` says who we are, for those who wait.
    pub fn new(dir: PathBuf, holder: &str) -> Arc<Claimant> {
        Arc::new(Claimant { dir, holder: holder.to_owned(), spare: Mutex::default() })
    }

    /// The file of the claim of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Claims the name if nobody holds it.
    pub fn claim(self: &Arc<Self>, name: &str) -> Result<Claim, LockError> {
        let path = self.path(name);
        let file = match self.spare() {
            Some(spare) => match fs::hard_link(&spare.path, &path) {
                Ok(()) => Held::Linked(spare),
                // Somebody has it, or was killed having it; or there are no second names here.
                Err(_) => {
                    self.keep(spare);
                    Held::Single(single(&path, &self.holder)?)
                }
            },
            None => Held::Single(single(&path, &self.holder)?),
        };
        Ok(Claim { path, file: Some(file), claimant: self.clone(), written: AtomicBool::new(false) })
    }

    fn spare(&self) -> Option<Spare> {
        let kept = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.or_else(|| {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = self.dir.join(format!(".{}-{number}", std::process::id()));
            // Who had the same number, and was killed, may have left a claim that is this very file.
            let _ = fs::remove_file(&path);
            let lock = FileLock::try_acquire(&path, &self.holder).ok()?;
            Some(Spare { lock, path })
        })
    }

    fn keep(&self, spare: Spare) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
    }
}

impl Drop for Claimant {
    fn drop(&mut self) {
        let spare = self.spare.get_mut().unwrap_or_else(PoisonError::into_inner);
        spare.iter().for_each(|spare| drop(fs::remove_file(&spare.path)));
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

/// Removes the claim at `path` if nobody holds it: whoever did was killed.
pub fn clear(path: &Path, holder: &str) {
    if let Ok(_lock) = single(path, holder) {
        let _ = fs::remove_file(path);
    }
}

impl Claim {
    /// Writes behind the line that names the holder, for those who wait.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(Held::Linked(Spare { lock, .. }) | Held::Single(lock)) = &self.file else { return Ok(()) };
        self.written.store(true, Ordering::Relaxed);
        lock.file().write_all(bytes)
    }

    /// Whether its file is as it was when the name was claimed.
    fn restore(&self, spare: &Spare) -> bool {
        let length = self.claimant.holder.len() as u64 + 1;
        let mut file = spare.lock.file();
        !self.written.load(Ordering::Relaxed)
            || file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length))).is_ok()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is held: nobody else can have made a new file of this name.
        let removed = fs::remove_file(&self.path);
        match self.file.take() {
            Some(Held::Linked(spare)) if removed.is_ok() && self.restore(&spare) => self.claimant.keep(spare),
            Some(Held::Linked(spare)) => drop(fs::remove_file(&spare.path)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_is_never_held_twice_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (holders, most, had) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (dir, holders, most, had) = (dir.path(), &holders, &most, &had);
                scope.spawn(move || {
                    let claimant = Claimant::new(dir.to_owned(), &format!("process {number}"));
                    for _ in 0..500 {
                        if let Ok(claim) = claimant.claim("name") {
                            had.fetch_add(1, Ordering::SeqCst);
                            most.fetch_max(holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            claim.write(b"something").unwrap();
                            holders.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(had.into_inner() > 100);
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
    fn what_was_left_by_somebody_killed_is_taken_over_or_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let claimant = Claimant::new(dir.path().to_owned(), "process 8");
        fs::write(claimant.path("left"), "process 7\nhalf a log").unwrap();
        fs::hard_link(claimant.path("left"), claimant.path(".7-0")).unwrap();
        let claim = claimant.claim("left").unwrap();
        assert_eq!(fs::read(claimant.path("left")).unwrap(), b"process 8\n");
        clear(&claimant.path("left"), "gc");
        assert!(claimant.path("left").exists(), "somebody holds it");
        drop(claim);
        clear(&claimant.path(".7-0"), "gc");
        drop(claimant);
        assert_eq!(files(dir.path()), [""; 0]);
    }
}
