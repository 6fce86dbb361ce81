//! The staging directory's contents during a restore: fetched and verified files.
//!
//! All files of one restore get the same modification time: make, and programs that keep an index beside a file, care
//! which of two outputs is older, and the order of fetching is arbitrary. If other files of the result are right and
//! stay, a deleted file gets the time that it had.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use percache::store::ReadError;
use percache::store::interface::Contents;
use percache::store::record::{Entry, Node};

use super::whole::Wholes;
use super::{Plan, Wrong};
use crate::fs::parallel::fan_out;
use crate::fs::staging::Staging;
use crate::fs::stamp::{Stamp, moment, set_modified};
use crate::fs::stat_cache::{FileState, Observer};

/// The largest piece in which a file is written.
const PIECE: u64 = 256 << 10;

/// The staged files and directories; removed on drop unless they were moved away.
#[derive(Debug, Default)]
pub struct Staged {
    /// The staged entries in the order of the plan; `None` for a directory.
    pub entries: Vec<Option<Waiting>>,
    /// The directories that are restored whole, in their order; the path is empty once one was moved.
    pub directories: Vec<PathBuf>,
    /// Entries that are moved to their places one by one.
    alone: Vec<PathBuf>,
}

/// A staged file or symlink.
#[derive(Debug)]
pub struct Waiting {
    /// Its path in the staging directory.
    pub at: PathBuf,
    /// Its stamp there.
    pub stamp: Stamp,
    /// A moment before the stamp was taken.
    pub looked: i64,
}

impl Staged {
    /// Fetches everything that a plan needs.
    pub fn fetch(
        observer: &Observer<'_>,
        store: &dyn Contents,
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

/// Returns the path that corresponds to `path` when `top`, which is at or above it, is moved to `place`.
fn below(place: &Path, path: &[u8], top: &[u8]) -> PathBuf {
    match path[top.len()..].strip_prefix(b"/") {
        Some(below) => place.join(OsStr::from_bytes(below)),
        None => place.to_owned(),
    }
}

/// Returns the modification time of the file that was there before.
fn time_before(observer: &Observer<'_>, entry: &Entry) -> Option<i64> {
    let Node::File { content, .. } = &entry.node else { return None };
    observer.modified_before(&entry.path, &content.digest)
}

/// Stages an entry. A file gets the modification time `before`, or else that of the first staged file, which comes from
/// the file system's clock.
fn stage(
    store: &dyn Contents,
    entry: &Entry,
    at: &Path,
    before: Option<i64>,
    time: &OnceLock<i64>,
) -> Result<Option<Waiting>, ReadError> {
    let withheld = u32::from(entry.withheld);
    let (stamp, looked) = match &entry.node {
        Node::Directory => {
            // A directory that is not restored whole is made in its place later.
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
            // The permissions that a program would have created it with: everything that the umask allows, except what
            // the command took away.
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
                // Another thread's file was first, or this file system keeps times in coarser steps.
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
