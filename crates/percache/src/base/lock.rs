//! Advisory locks between processes: a lock file that names its holder and that the kernel frees when the holder dies.
//!
//! `flock` and not `fcntl`: an `fcntl` lock is lost as soon as the process closes any other descriptor of the file.
//! Knows nothing of what is locked.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::files;

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Returns how a process names itself to those who wait for it, if nobody has given it a better name.
pub fn this_process() -> String {
    format!("process {}", std::process::id())
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it: process id and command, as far as known.
    #[error("held by {0}")]
    Held(String),
    /// The lock file cannot be made or opened.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileLock {
    /// Takes the lock if nobody holds it. `holder` says who we are, for those who wait.
    pub fn try_acquire(path: &Path, holder: &str) -> Result<FileLock, LockError> {
        let mut file = files::private().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LockError::Held(read_holder(&mut file))),
            Err(std::fs::TryLockError::Error(e)) => return Err(e.into()),
        }
        // The name is a courtesy to those who wait: a full disk must not keep anybody from the lock.
        let name = format!("{holder}\n");
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(name.as_bytes()));
        Ok(FileLock { file })
    }

    /// Takes the lock, waiting for it at most `patience`; calls `waiting` once, with the holder, before the first wait.
    pub fn acquire(
        path: &Path,
        holder: &str,
        patience: Duration,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<FileLock, LockError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        let mut told = false;
        loop {
            match FileLock::try_acquire(path, holder) {
                Err(LockError::Held(other)) if start.elapsed() < patience => {
                    if !std::mem::replace(&mut told, true) {
                        waiting(&other);
                    }
                }
                answer => return answer,
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }
}

impl FileLock {
    /// Its file: behind the line that names the holder there may be more.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether the lock's file still lies at `path`: somebody may have removed it between our opening and locking it.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        is_at(&self.file, path)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        // Closing it is not enough if this process was forked meanwhile: the child has the file open too.
        let _ = self.file.unlock();
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((held.dev(), held.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// An open file cannot be removed here.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

fn read_holder(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let _ = file.take(4096).read_to_end(&mut bytes);
    match bytes.split(|byte| *byte == b'\n').next() {
        Some(name) if !name.is_empty() => String::from_utf8_lossy(name).into_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_acquire(&path, "pid 7 (build)").unwrap();
        match FileLock::try_acquire(&path, "me") {
            Err(LockError::Held(holder)) => assert_eq!(holder, "pid 7 (build)"),
            other => panic!("{other:?}"),
        }
        drop(held);
        FileLock::try_acquire(&path, "me").unwrap();
    }

    #[test]
    fn whoever_waits_gets_it_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_acquire(&path, "first").unwrap();
        let mut told = Vec::new();
        std::thread::scope(|scope| {
            let (waits, go) = std::sync::mpsc::channel();
            let waiter = scope.spawn({
                let path = &path;
                move || {
                    let mut who = Vec::new();
                    let lock = FileLock::acquire(path, "second", Duration::from_secs(60), &mut |holder| {
                        who.push(holder.to_owned());
                        waits.send(()).unwrap();
                    });
                    lock.map(|_| who)
                }
            });
            go.recv().unwrap();
            drop(held);
            told = waiter.join().unwrap().unwrap();
        });
        assert_eq!(told, ["first"]);
    }
}
