//! How RocksDB is set up, and what its errors mean.

use std::fs;
use std::io;
use std::path::Path;

use rocksdb::{DBCompressionType, LogLevel, Options};

use crate::db::engine::{Column, EngineError};

/// What RocksDB holds in memory of one column before it writes it out.
const WRITE_BUFFER: usize = 32 << 20;
/// Values of large columns from this size on go to blob files; smaller ones stay beside their keys.
const BLOB_FLOOR: u64 = 512;
/// Of the files that a process may have open, this share is for the database.
const SHARE_OF_FILES: u64 = 2;

/// What the database is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To read.
    Read,
    /// For a session.
    Write,
    /// To give space back.
    Compact,
}

/// Options of the database in the directory `database`.
pub fn database_options(how: Use, database: &Path) -> Options {
    let mut options = Options::default();
    options.create_if_missing(how != Use::Read);
    options.create_missing_column_families(how != Use::Read);
    options.set_atomic_flush(true);
    options.set_max_background_jobs(2);
    options.set_max_file_opening_threads(2);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    // Every session writes a manifest of a few hundred bytes; of the 4 MiB that RocksDB sets aside for it, all is given back again.
    options.set_manifest_preallocation_size(0);
    options.set_max_open_files(open_files(database));
    // RocksDB's own log would be a file written at every opening, read-only ones included.
    options.set_info_logger(rocksdb::InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| ()));
    options
}

/// How many files of the database may be open at once: all (-1), if the process may have that many. Then what a view refers to stays, whatever
/// another process joins meanwhile; else files are closed and opened again.
fn open_files(database: &Path) -> i32 {
    let files = fs::read_dir(database).map_or(0, Iterator::count) as u64;
    let most = (files_of_a_process() / SHARE_OF_FILES).clamp(32, 100_000);
    if files < most { -1 } else { most as i32 }
}

#[cfg(unix)]
fn files_of_a_process() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn files_of_a_process() -> u64 {
    512
}

/// Options of a column.
pub fn column_options(column: Column, how: Use) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER);
    options.set_compression_type(if column.large { DBCompressionType::None } else { DBCompressionType::Zstd });
    if column.large {
        // Contents arrive compressed.
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_FLOOR);
        options.set_blob_file_size(256 << 20);
        options.set_blob_compression_type(DBCompressionType::None);
        options.set_enable_blob_gc(how == Use::Compact);
        options.set_blob_gc_age_cutoff(1.0);
    }
    options
}

/// What an error of RocksDB means.
pub fn rocks_error(error: rocksdb::Error) -> EngineError {
    let text = error.to_string();
    match error.kind() {
        _ if text.contains("Too many open files") => EngineError::Io(text),
        // A damaged table takes the keys of many values with it; a damaged blob file values.
        rocksdb::ErrorKind::Corruption | rocksdb::ErrorKind::IOError if text.contains(".sst") => {
            EngineError::Astray(text)
        }
        rocksdb::ErrorKind::Corruption => EngineError::Damaged(text),
        rocksdb::ErrorKind::InvalidArgument => EngineError::Damaged(text),
        _ if text.contains("Permission denied") || text.contains("Read-only") => EngineError::ReadOnly(text),
        _ => EngineError::Io(text),
    }
}

/// What an error of the file system means.
pub fn io_error(error: io::Error) -> EngineError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => EngineError::ReadOnly(error.to_string()),
        _ => EngineError::Io(error.to_string()),
    }
}
