//! The times of the last use of results, as far as the store itself does not have them.
//!
//! A hit writes nothing to the store. The journal of a worktree names the results that its tree consists of, and its
//! own modification time is the time of their last use; a build with nothing to do only touches it. When a build
//! replaces a result in the journal, it appends the old one, with that time, to the worktree's `used` file. gc reads
//! all of these and empties the `used` files.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use percache::base::clock::Time;
use percache::base::files;
use percache::store::record::ResultKey;

use crate::worktree::Worktree;
use crate::worktree::journal::Journal;

const RECORD: usize = ResultKey::LEN + 8;

/// Collects the uses that all worktrees of a store have noted.
pub fn gather(store: &Path) -> io::Result<HashMap<ResultKey, Time>> {
    let mut used: HashMap<ResultKey, Time> = HashMap::new();
    let mut note = |key: ResultKey, time: Time| {
        let last = used.entry(key).or_default();
        *last = time.max(*last);
    };
    for worktree in Worktree::all(store)? {
        let bytes = fs::read(worktree.used()).unwrap_or_default();
        for record in bytes.chunks_exact(RECORD) {
            let (key, time) = record.split_at(ResultKey::LEN);
            if let (Some(key), Ok(time)) = (ResultKey::from_bytes(key), time.try_into()) {
                note(key, Time::from_le_bytes(time));
            }
        }
        let time = last_use(&worktree.journal()).unwrap_or_default();
        Journal::load(&worktree.journal()).keys().for_each(|key| note(key, time));
    }
    Ok(used)
}

/// Empties the `used` files after their content was recorded.
pub fn forget(store: &Path) -> io::Result<()> {
    for worktree in Worktree::all(store)? {
        match OpenOptions::new().write(true).open(worktree.used()) {
            Ok(file) => file.set_len(0)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Returns the time of the last use of the results that a journal names.
pub fn last_use(journal: &Path) -> Option<Time> {
    let modified = fs::metadata(journal).and_then(|metadata| metadata.modified()).ok()?;
    modified.duration_since(UNIX_EPOCH).is_ok().then(|| Time::of(modified))
}

/// Notes that everything that a journal names was used now.
pub fn touch(journal: &Path) -> io::Result<()> {
    File::options().append(true).open(journal)?.set_modified(percache::base::clock::now())
}

/// Notes the last use of results that the journal no longer names.
pub fn append(path: &Path, keys: impl Iterator<Item = ResultKey>, time: Time) -> io::Result<()> {
    let mut records = Vec::new();
    for key in keys {
        records.extend_from_slice(&key.to_bytes());
        records.extend_from_slice(&time.to_le_bytes());
    }
    if records.is_empty() {
        return Ok(());
    }
    files::private().create(true).append(true).open(path)?.write_all(&records)
}
