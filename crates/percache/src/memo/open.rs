//! Opening a cache in a directory: on a database, or on plain files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(feature = "rocksdb")]
use crate::backend::DatabaseBackend;
use crate::backend::{BackendError, Behind, FileBackend};
use crate::memo::builder::CacheBuilder;
use crate::memo::cache::{Cache, Error};

impl CacheBuilder {
    /// Opens a cache on RocksDB in the directory `path`, which is made if need be.
    #[cfg(feature = "rocksdb")]
    pub fn open(self, path: impl Into<PathBuf>) -> Result<Cache, Error> {
        let dir = directory(path.into())?;
        if dir.join(crate::backend::files::FILES).is_dir() {
            return Err(other_kind(&dir, "files", "Cache::open_files"));
        }
        let backend = DatabaseBackend::open(&dir)?;
        Ok(self.in_directory(dir).backend(backend))
    }

    /// Opens a cache of plain files in the directory `path`, which is made if need be: see [`Cache::open_files`].
    pub fn open_files(self, path: impl Into<PathBuf>) -> Result<Cache, Error> {
        let dir = directory(path.into())?;
        if crate::db::tail::or_database_exists(&dir) {
            return Err(other_kind(&dir, "a database", "Cache::open"));
        }
        let backend = FileBackend::open(&dir)?;
        Ok(match self.write_behind {
            true => self.in_directory(dir).backend(Behind::new(backend)),
            false => self.in_directory(dir).backend(backend),
        })
    }

    /// Keeps beside the results what processes that share them need.
    fn in_directory(mut self, dir: PathBuf) -> CacheBuilder {
        self.claims.get_or_insert_with(|| dir.join("claims"));
        self.dir = Some(dir);
        self
    }
}

impl Cache {
    /// Opens the cache in the directory `path`, which is made if need be. Several processes may use it at the same
    /// time.
    #[cfg(feature = "rocksdb")]
    pub fn open(path: impl Into<PathBuf>) -> Result<Cache, Error> {
        Cache::builder().open(path)
    }

    /// Opens the cache of plain files in the directory `path`, which is made if need be. Each result is a file.
    ///
    /// It needs no RocksDB and no C++ compiler, works on network file systems, and any number of processes and machines
    /// may use it at the same time. A result that is not in memory takes some microseconds more to find than in a
    /// database, and each takes a block of the file system at the least.
    ///
    /// ```
    /// # fn main() -> Result<(), percache::Error> {
    /// # let dir = std::env::temp_dir().join("percache-open-files");
    /// let cache = percache::Cache::open_files(&dir)?;
    /// assert_eq!(cache.call("double", &4, || 8), 8);
    /// cache.close()?;
    /// # std::fs::remove_dir_all(dir).expect("removed");
    /// # Ok(()) }
    /// ```
    pub fn open_files(path: impl Into<PathBuf>) -> Result<Cache, Error> {
        Cache::builder().open_files(path)
    }

    /// Makes the database of the cache in the directory `path` anew from everything in it that can still be read and is
    /// whole: for one that [`Cache::open`] or [`Cache::verify`] cannot read.
    #[cfg(feature = "rocksdb")]
    pub fn salvage(path: impl AsRef<Path>) -> Result<(), Error> {
        use crate::backend::Table;
        let sound = |table, value: &[u8]| table != Table::Results || crate::memo::results::record::is_intact(value);
        Ok(DatabaseBackend::salvage(&directory(path.as_ref().to_owned())?, &sound)?)
    }
}

/// Returns the absolute path of a cache's directory, so that it stays the same when the program changes its own. Fails
/// if it can be no directory.
fn directory(path: PathBuf) -> Result<PathBuf, Error> {
    let shown = path.display();
    if path.as_os_str().is_empty() {
        return Err(cannot_open("the path of the cache is empty: give that of a directory".into()));
    }
    let dir = std::path::absolute(&path).map_err(BackendError::from)?;
    match fs::metadata(&dir) {
        Ok(metadata) if metadata.is_dir() => Ok(dir),
        Ok(_) => Err(cannot_open(format!(
            "`{shown}` is a file, and a cache is a directory: give another path, or move the file away"
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(cannot_open(format!("`{shown}` lies below something that is not a directory: give another path")))
        }
        Err(_) if fs::symlink_metadata(&dir).is_ok_and(|metadata| metadata.is_symlink()) => Err(cannot_open(format!(
            "`{shown}` is a symlink that leads nowhere: make the directory that it names, or give another path"
        ))),
        // It is made when there is something to keep.
        Err(_) => Ok(dir),
    }
}

fn other_kind(dir: &Path, what: &str, with: &str) -> Error {
    cannot_open(format!("`{}` keeps results in {what}: open it with `{with}`, or give another path", dir.display()))
}

fn cannot_open(why: String) -> Error {
    Error::Backend(BackendError::new(why))
}
