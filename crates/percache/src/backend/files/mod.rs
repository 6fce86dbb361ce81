//! The back-end of plain files: one for each result, beside each other in 256 directories. No database, no C++
//! compiler.
//!
//! ```text
//! DIR/files/ab/cdef…       a result and what is known of it (`entry_file`); `abcdef…` is its key
//! DIR/files/ab/*.new       one that is being written
//! DIR/files/ab/uses        when the results of this directory were last used (`uses`)
//! ```
//!
//! A file is written aside and renamed, so a reader sees all of it or nothing, whichever processes and machines share
//! the directory: nothing here needs a lock to be right. Results are on the disk, but for power failures, when `put`
//! returns; `sync` waits for the disk.

mod entry_file;
mod uses;

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Backend, BackendError, Table, Visit};
use crate::base::clock;
use crate::base::digest::Digest;
use crate::base::files;
use entry_file::Parts;
use uses::UseTable;

/// The name of the directory of the files, in that of the cache.
pub const FILES: &str = "files";

/// With more files than this, `sync` has the file system write everything instead of each of them.
const MANY_FILES: usize = 32;
/// A file that has been in the making for longer was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A back-end that keeps each result in a file.
#[derive(Debug)]
pub struct FileBackend {
    root: PathBuf,
    uses: UseTable,
    unsynced: Mutex<Unsynced>,
    /// Held by those who write one part of a file and keep the other, by the key.
    partial: [Mutex<()>; 16],
}

/// Files that may not have reached the disk yet.
#[derive(Debug, Default)]
struct Unsynced {
    files: Vec<PathBuf>,
    /// There are more than were counted.
    many: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle)
}

/// The directory of the keys that begin with this byte.
fn directory(root: &Path, first: u8) -> PathBuf {
    root.join(format!("{first:02x}"))
}

impl FileBackend {
    /// Opens the files in the directory `dir`, which is made if need be.
    pub fn open(dir: &Path) -> Result<FileBackend, BackendError> {
        let root = dir.join(FILES);
        files::create_private_dir(&root)?;
        Ok(FileBackend::at(root))
    }

    fn at(root: PathBuf) -> FileBackend {
        FileBackend {
            uses: UseTable::new(&root),
            root,
            unsynced: Mutex::default(),
            partial: std::array::from_fn(|_| Mutex::default()),
        }
    }

    fn path(&self, key: &Digest) -> PathBuf {
        directory(&self.root, key.0[0]).join(&key.to_string()[2..])
    }

    fn write(&self, key: &Digest, entry: Option<&[u8]>, result: Option<&[u8]>) -> Result<(), BackendError> {
        let path = self.path(key);
        entry_file::write(&path, entry, result)?;
        let mut unsynced = lock(&self.unsynced);
        if unsynced.files.len() < MANY_FILES {
            unsynced.files.push(path);
        } else {
            unsynced.many = true;
        }
        Ok(())
    }

    /// Writes or removes one part of a file and keeps the other.
    fn change(&self, table: Table, key: &Digest, value: Option<&[u8]>) -> Result<(), BackendError> {
        let _partial = lock(&self.partial[usize::from(key.0[1]) % self.partial.len()]);
        let path = self.path(key);
        let other = match table {
            Table::Results => entry_file::read(&path, Parts::Entry)?,
            _ => entry_file::read(&path, Parts::Result)?,
        };
        match (table, value, other.as_deref()) {
            (_, None, None) => remove_file(&path),
            (Table::Results, result, entry) => self.write(key, entry, result),
            (_, entry, result) => self.write(key, entry, result),
        }
    }

    /// Calls `visit` with the key and the path of each file.
    fn for_each_file(
        &self,
        mut visit: impl FnMut(Digest, &Path) -> Result<ControlFlow<()>, BackendError>,
    ) -> Result<(), BackendError> {
        for first in 0..=u8::MAX {
            let directory = directory(&self.root, first);
            let files = match fs::read_dir(&directory) {
                Err(error) if is_gone(&error) => continue,
                files => files?,
            };
            for file in files {
                let file = file?;
                let name = file.file_name();
                let name = name.to_string_lossy();
                match format!("{first:02x}{name}").parse::<Digest>() {
                    Ok(key) if visit(key, &file.path())?.is_break() => return Ok(()),
                    Ok(_) => {}
                    Err(_) => remove_abandoned(&file.path()),
                }
            }
        }
        Ok(())
    }
}

fn remove_file(path: &Path) -> Result<(), BackendError> {
    match fs::remove_file(path) {
        Err(error) if !is_gone(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Removes what a process that was killed has left half written.
fn remove_abandoned(path: &Path) {
    let age = || clock::now().duration_since(fs::metadata(path)?.modified()?).map_err(io::Error::other);
    if files::is_temporary(path) && age().is_ok_and(|age| age > ABANDONED) {
        let _ = fs::remove_file(path);
    }
}

/// Waits until these files and their names are on the disk.
fn sync_files(files: &[PathBuf]) -> io::Result<()> {
    for path in files {
        match File::open(path) {
            Ok(file) => file.sync_all()?,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        }
        path.parent().map_or(Ok(()), files::sync_dir)?;
    }
    Ok(())
}

/// Waits until everything in the file system of `root` is on the disk.
#[cfg(target_os = "linux")]
fn sync_file_system(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

/// The same, file by file.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(root: &Path) -> io::Result<()> {
    for directory in fs::read_dir(root)?.flatten() {
        let files: Vec<PathBuf> =
            fs::read_dir(directory.path()).into_iter().flatten().flatten().map(|file| file.path()).collect();
        sync_files(&files)?;
    }
    Ok(())
}

impl Backend for FileBackend {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        match table {
            Table::Results => Ok(entry_file::read(&self.path(key), Parts::Result)?),
            Table::Entries => Ok(entry_file::read(&self.path(key), Parts::Entry)?),
            Table::Uses => Ok(self.uses.get(key)?),
        }
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        match table {
            Table::Uses => Ok(self.uses.change(key, Some(value))?),
            _ => self.change(table, key, Some(value)),
        }
    }

    fn put_result(&self, key: &Digest, entry: &[u8], result: &[u8]) -> Result<(), BackendError> {
        self.write(key, Some(entry), Some(result))
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        match table {
            Table::Uses => Ok(self.uses.change(key, None)?),
            _ => self.change(table, key, None),
        }
    }

    fn remove_result(&self, key: &Digest) -> Result<(), BackendError> {
        remove_file(&self.path(key))?;
        Ok(self.uses.change(key, None)?)
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        let parts = match table {
            Table::Results => Parts::Result,
            Table::Entries => Parts::Entry,
            Table::Uses => return Ok(self.uses.for_each(visit)?),
        };
        self.for_each_file(|key, path| match entry_file::read(path, parts)? {
            Some(value) => Ok(visit(&key, &value)),
            // Removed since the directory was read, or it has no such part.
            None => Ok(ControlFlow::Continue(())),
        })
    }

    fn flush(&self) -> Result<(), BackendError> {
        Ok(self.uses.write()?)
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.flush()?;
        let unsynced = std::mem::take(&mut *lock(&self.unsynced));
        if unsynced.many {
            sync_file_system(&self.root)?;
        } else {
            sync_files(&unsynced.files)?;
        }
        Ok(())
    }

    fn close(&self) -> Result<(), BackendError> {
        self.sync()
    }

    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        // Uses that wait to be written are the parent's to write.
        Some(Box::new(FileBackend::at(self.root.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_finds_waiting_is_its_parents_to_write() {
        let dir = tempfile::tempdir().unwrap();
        let parent = FileBackend::open(dir.path()).unwrap();
        let key = Digest::of(b"key");
        parent.put_result(&key, b"entry", b"result").unwrap();
        parent.put(Table::Uses, &key, b"uses").unwrap();
        let child = parent.after_fork().unwrap();
        assert_eq!(child.get(Table::Results, &key).unwrap().as_deref(), Some(b"result".as_slice()));
        child.close().unwrap();
        let uses = |backend: &dyn Backend| backend.get(Table::Uses, &key).unwrap();
        assert_eq!(uses(&FileBackend::open(dir.path()).unwrap()), None);
        parent.close().unwrap();
        assert_eq!(uses(&FileBackend::open(dir.path()).unwrap()).as_deref(), Some(b"uses".as_slice()));
    }
}
