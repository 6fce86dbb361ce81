//! A complete back-end of one's own: one file per entry.
//!
//! ```text
//! cargo run --example file_backend
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use percache::backend::{Backend, BackendError, Table, Visit};
use percache::{Cache, Digest};

/// Keeps each entry in the file `ROOT/<table>/<key>`.
pub struct FileBackend {
    root: PathBuf,
    /// Files that may not have reached the disk yet.
    dirty: Mutex<Vec<PathBuf>>,
    /// Tells apart the files that this process is writing.
    writes: AtomicU64,
}

impl FileBackend {
    /// In the directory `root`, which is made if need be.
    pub fn open(root: &Path) -> io::Result<FileBackend> {
        for table in Table::ALL {
            fs::create_dir_all(root.join(table.name()))?;
        }
        fs::create_dir_all(root.join("new"))?;
        Ok(FileBackend { root: root.to_owned(), dirty: Mutex::default(), writes: AtomicU64::new(0) })
    }

    fn path(&self, table: Table, key: &Digest) -> PathBuf {
        self.root.join(table.name()).join(key.to_string())
    }
}

impl Backend for FileBackend {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        match fs::read(self.path(table, key)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        // Written aside and renamed: whoever reads it sees all of it or nothing.
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let new = self.root.join("new").join(format!("{}-{number}", std::process::id()));
        File::create(&new)?.write_all(value)?;
        let path = self.path(table, key);
        fs::rename(&new, &path)?;
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        Ok(())
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        match fs::remove_file(self.path(table, key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        for file in fs::read_dir(self.root.join(table.name()))? {
            let name = file?.file_name();
            let Some(Ok(key)) = name.to_str().map(str::parse::<Digest>) else { continue };
            // Removed since the directory was read: not there.
            let Some(value) = self.get(table, &key)? else { continue };
            if visit(&key, &value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        let dirty = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        for path in dirty {
            match File::open(path) {
                Ok(file) => file.sync_all()?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        for table in Table::ALL {
            File::open(self.root.join(table.name()))?.sync_all()?;
        }
        Ok(())
    }

    fn close(&self) -> Result<(), BackendError> {
        self.sync()
    }
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::temp_dir().join("percache-file-backend");
    let cache = Cache::with_backend(FileBackend::open(&root)?);
    let square = cache.wrap("square", |n: u64| {
        println!("computing the square of {n}");
        n * n
    });
    for n in [12, 13, 12] {
        println!("{n} * {n} = {}", square.call(n));
    }
    println!("{}", cache.stats()?);
    println!("run it again: nothing is computed; the results are in {}", root.display());
    Ok(())
}
