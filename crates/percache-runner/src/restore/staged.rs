//! What waits in the staging directory: contents that were fetched and verified.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use percache::store::record::{Entry, Node};
use percache::store::{ReadError, Store};

use super::Plan;
use super::whole::Wholes;
use crate::fanout::fan_out;
use crate::staging::Staging;
use crate::stamp::{Stamp, moment};

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
        for ((entry, _), whole) in plan.wrong.iter().zip(&wholes.of_entry) {
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
            needed.push((*entry, place));
        }
        staged.entries = fan_out(threads, &needed, |(entry, place)| stage(store, entry, place))?;
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

fn stage(store: &Store, entry: &Entry, at: &Path) -> Result<Option<Waiting>, ReadError> {
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
            let looked = moment();
            (Stamp::of_file(&file)?, looked)
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
