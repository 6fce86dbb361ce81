//! What waits in the staging directory: contents that were fetched and verified.
//!
//! The files of one restore get one modification time: make, and programs that keep an index beside a file, care which
//! of two outputs is older, and the order of fetching is arbitrary. If other files of the result are right and stay, a
//! file that was deleted gets the time that it had.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use percache::store::record::{Entry, Node};
use percache::store::{ReadError, Store};

use super::whole::Wholes;
use super::{Plan, Wrong};
use crate::fs::parallel::fan_out;
use crate::fs::staging::Staging;
use crate::fs::stamp::{Stamp, moment, set_modified};
use crate::fs::stat_cache::{FileState, Observer};

/// The largest piece in which a file is written.
const PIECE: u64 = 256 << 10;

/// What waits; removed when it was not moved away.
#[derive(Debug, Default)]
pub struct Staged {
    /// In the order of the plan; `None` for a directory.
    pub entries: Vec<Option<Waiting>>,
    /// The directories that come back whole, in their order; empty paths when they have.
    pub directories: Vec<PathBuf>,
    /// What goes to its place alone.
    alone: Vec<PathBuf>,
}

/// A file or a symlink that waits.
#[derive(Debug)]
pub struct Waiting {
    /// Where.
    pub at: PathBuf,
    /// The stamp that it has there.
    pub stamp: Stamp,
    /// A moment before that was taken.
    pub looked: i64,
}

impl Staged {
    /// Fetches all that a plan needs.
    pub fn fetch(
        observer: &Observer<'_>,
        store: &Store,
        staging: &Staging,
        plan: &Plan<'_>,
        wholes: &Wholes,
        threads: usize,
    ) -> Result<Staged, ReadError> {
        let mut staged = Staged::default();
        for _ in &wholes.directories {
            let place = staging.place()?;
            fs::create_dir(&place)?;
            staged.directories.push(place);
        }
        let mut needed = Vec::with_capacity(plan.wrong.len());
        let mut made = PathBuf::new();
        for (Wrong { entry, state, .. }, whole) in plan.wrong.iter().zip(&wholes.of_entry) {
            let is_directory = entry.node == Node::Directory;
            let place = match *whole {
                Some(whole) => {
                    let place = below(&staged.directories[whole], &entry.path, wholes.directories[whole].as_bytes());
                    let directory = if is_directory { Some(&*place) } else { place.parent() };
                    if let Some(directory) = directory.filter(|directory| made != *directory) {
                        fs::create_dir_all(directory)?;
                        made = directory.to_owned();
                    }
                    place
                }
                None if is_directory => PathBuf::new(),
                None => {
                    let place = staging.place()?;
                    staged.alone.push(place.clone());
                    place
                }
            };
            let was_deleted = plan.keeps_files && *state == FileState::Absent;
            let before = if was_deleted { time_before(observer, entry) } else { None };
            needed.push((*entry, place, before));
        }
        let time = OnceLock::new();
        staged.entries =
            fan_out(threads, &needed, |(entry, place, before)| stage(store, entry, place, *before, &time))?;
        Ok(staged)
    }
}

/// Where `path` is if `top`, which it is at or below, is at `place`.
fn below(place: &Path, path: &[u8], top: &[u8]) -> PathBuf {
    match path[top.len()..].strip_prefix(b"/") {
        Some(below) => place.join(OsStr::from_bytes(below)),
        None => place.to_owned(),
    }
}

/// Returns when the file was modified that was there before.
fn time_before(observer: &Observer<'_>, entry: &Entry) -> Option<i64> {
    let Node::File { content, .. } = &entry.node else { return None };
    observer.modified_before(&entry.path, &content.digest)
}

/// Writes what is to wait. A file gets the modification time `before`, or else that of the first file, which comes from
/// the clock of the file system.
fn stage(
    store: &Store,
    entry: &Entry,
    at: &Path,
    before: Option<i64>,
    time: &OnceLock<i64>,
) -> Result<Option<Waiting>, ReadError> {
    let withheld = u32::from(entry.withheld);
    let (stamp, looked) = match &entry.node {
        Node::Directory => {
            // One that goes to its place alone is made there.
            if withheld != 0 && !at.as_os_str().is_empty() {
                let mode = fs::metadata(at)?.permissions().mode() & !withheld;
                fs::set_permissions(at, fs::Permissions::from_mode(mode))?;
            }
            return Ok(None);
        }
        Node::Symlink(target) => {
            symlink(OsStr::from_bytes(target), at)?;
            let looked = moment();
            (Stamp::at(at)?.ok_or(io::ErrorKind::NotFound).map_err(io::Error::from)?, looked)
        }
        Node::File { content, executable } => {
            // The permissions that a program would have given it: everything that the umask allows, but for what the
            // command took away.
            let mode = if *executable { 0o777 } else { 0o666 } & !withheld;
            let file = File::options().write(true).create_new(true).mode(mode).open(at)?;
            let mut writer = BufWriter::with_capacity(content.length.min(PIECE) as usize, file);
            store.read(content, &mut writer)?;
            let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            if let Some(time) = before.or_else(|| time.get().copied()) {
                set_modified(&file, time)?;
            }
            let looked = moment();
            let mut stamp = Stamp::of_file(&file)?;
            let time = before.unwrap_or_else(|| *time.get_or_init(|| stamp.mtime));
            if stamp.mtime != time {
                // Another one was the first meanwhile; or this file system keeps times in larger steps.
                set_modified(&file, time)?;
                stamp = Stamp::of_file(&file)?;
            }
            (stamp, looked)
        }
    };
    Ok(Some(Waiting { at: at.to_owned(), stamp, looked }))
}

impl Drop for Staged {
    fn drop(&mut self) {
        for path in &self.alone {
            let _ = fs::remove_file(path);
        }
        for path in self.directories.iter().filter(|path| !path.as_os_str().is_empty()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}
