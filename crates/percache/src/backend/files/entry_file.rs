//! A file of the file back-end: a result, and what is known of it.
//!
//! | bytes | |
//! | --- | --- |
//! | 4 | `pcf` and the format, 1 |
//! | 4 | length of the entry; `u32::MAX`: there is none |
//! | 8 | length of the result; `u64::MAX`: there is none |
//! | 20 | SHA-1 of the sixteen bytes before and of the entry |
//! | … | the entry, the result |
//!
//! Numbers are little-endian. A file that is shorter than it says, has another sum or another format is one that is not
//! there. The bytes of a result are not summed here: records carry a SHA-1 of their own, which is checked by whoever
//! reads one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::is_gone;
use crate::base::digest::{DIGEST_LEN, Hasher};
use crate::base::files;

const MAGIC: [u8; 4] = *b"pcf\x01";
const SUM_AT: usize = 16;
const HEAD: usize = SUM_AT + DIGEST_LEN;
/// Read at once: most files are no longer.
const BLOCK: usize = 4096;
/// Up to this length, a file is put together in memory and written at once.
const SMALL: usize = 64 << 10;

/// What is read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// What is known of the result.
    Entry,
    /// The result.
    Result,
}

struct Head {
    entry: Option<u32>,
    result: Option<u64>,
    sum: [u8; DIGEST_LEN],
}

impl Head {
    fn new(entry: Option<&[u8]>, result: Option<&[u8]>) -> io::Result<Head> {
        let length = |entry: &[u8]| u32::try_from(entry.len()).ok().filter(|length| *length != u32::MAX);
        let entry_length = match entry {
            Some(entry) => Some(length(entry).ok_or(io::ErrorKind::FileTooLarge)?),
            None => None,
        };
        let head = Head { entry: entry_length, result: result.map(|result| result.len() as u64), sum: [0; DIGEST_LEN] };
        Ok(Head { sum: head.sum_with(entry.unwrap_or_default()), ..head })
    }

    fn lengths(&self) -> [u8; SUM_AT] {
        let mut bytes = [0; SUM_AT];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.entry.unwrap_or(u32::MAX).to_le_bytes());
        bytes[8..].copy_from_slice(&self.result.unwrap_or(u64::MAX).to_le_bytes());
        bytes
    }

    fn sum_with(&self, entry: &[u8]) -> [u8; DIGEST_LEN] {
        let mut hasher = Hasher::new();
        hasher.update(&self.lengths());
        hasher.update(entry);
        hasher.finish().0
    }

    fn to_bytes(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..SUM_AT].copy_from_slice(&self.lengths());
        bytes[SUM_AT..].copy_from_slice(&self.sum);
        bytes
    }

    fn from_bytes(bytes: &[u8; HEAD]) -> Option<Head> {
        let entry = u32::from_le_bytes(*bytes[4..].first_chunk()?);
        let result = u64::from_le_bytes(*bytes[8..].first_chunk()?);
        let head = Head {
            entry: (entry != u32::MAX).then_some(entry),
            result: (result != u64::MAX).then_some(result),
            sum: *bytes[SUM_AT..].first_chunk()?,
        };
        (bytes[..4] == MAGIC).then_some(head)
    }
}

/// Returns a part of the file at `path`; `None` if there is no such file or part, or it is damaged.
pub fn read(path: &Path, part: Parts) -> io::Result<Option<Vec<u8>>> {
    match File::open(path).and_then(|file| read_part(file, part)) {
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        answer => answer,
    }
}

fn read_part(file: File, part: Parts) -> io::Result<Option<Vec<u8>>> {
    let mut file = BufReader::with_capacity(BLOCK, file);
    let mut head = [0; HEAD];
    file.read_exact(&mut head)?;
    let Some(head) = Head::from_bytes(&head) else { return Ok(None) };
    let entry = read_exactly(&mut file, u64::from(head.entry.unwrap_or(0)))?;
    if head.sum_with(&entry) != head.sum {
        return Ok(None);
    }
    match (part, head.entry, head.result) {
        (Parts::Entry, has_entry, _) => Ok(has_entry.map(|_| entry)),
        (Parts::Result, _, Some(length)) => read_exactly(&mut file, length).map(Some),
        (Parts::Result, _, None) => Ok(None),
    }
}

fn read_exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The file may say anything about its length: memory that is not there is an error and no abort.
    let needed = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.try_reserve_exact(needed).map_err(|_| io::ErrorKind::OutOfMemory)?;
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() == needed { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Replaces the file at `path`, in one step: whoever reads it sees the old one or the new one.
pub fn write(path: &Path, entry: Option<&[u8]>, result: Option<&[u8]>) -> io::Result<()> {
    let head = Head::new(entry, result)?.to_bytes();
    let pieces = [&head[..], entry.unwrap_or_default(), result.unwrap_or_default()];
    replace(path, &pieces)
}

/// Replaces the file at `path` by these pieces, in one step; makes its directory if need be.
pub fn replace(path: &Path, pieces: &[&[u8]]) -> io::Result<()> {
    let new = temporary(path);
    let create = || files::private().write(true).create_new(true).open(&new);
    let file = match (create(), path.parent()) {
        (Err(error), Some(directory)) if error.kind() == io::ErrorKind::NotFound => {
            files::create_private_dir(directory)?;
            create()
        }
        (file, _) => file,
    }?;
    let moved = write_pieces(file, pieces).and_then(|()| fs::rename(&new, path));
    if moved.is_err() {
        let _ = fs::remove_file(&new);
    }
    moved
}

fn write_pieces(mut file: File, pieces: &[&[u8]]) -> io::Result<()> {
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() <= SMALL {
        return file.write_all(&pieces.concat());
    }
    pieces.iter().try_for_each(|piece| file.write_all(piece))
}

/// A name beside `path` that nobody uses, here or on another machine that shares the directory.
fn temporary(path: &Path) -> PathBuf {
    static TOKEN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(path);
    // The process as well: after a fork, both have the same token.
    name.push(format!(".{:x}-{}-{number}.new", *TOKEN, std::process::id()));
    PathBuf::from(name)
}
