//! Where things are in the store: the directory's own files, the columns of the database, and the keys in them.
//!
//! ```text
//! DIR/CACHEDIR.TAG   tells backup programs to leave it out (https://bford.info/cachedir/)
//! DIR/.gitignore     tells git the same
//! DIR/format         the format's number, twice: a damaged one is not to be taken for another format
//! DIR/db/…           the database: see crate::db::rocks
//!
//! column    key                                   value
//! results   'r' action(20) place(20)              StoredResult
//!           'p' fingerprint(20) path set(20)      time(8) PathSet
//!           'u' action(20) place(20)              time of last use(8)
//!           'o' action(20) place(20)              Origin, of a result that was not made here
//! parts     action(20) place(20)                  what was hashed, for `why`; opaque here
//! index     's' blob(20)                          length(4) stored length(4)
//!           'l' content(20)                       the blobs that it consists of, in order: 20 bytes each
//! blobs     blob(20)                              0 bytes…, or 1 zstd…
//! ```
//!
//! A content of up to [`CHUNKED_ABOVE`] bytes is one blob; a longer one has a list.

use std::fs;
use std::io;
use std::path::Path;

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::base::files::{self, Durability};
use crate::db::engine::Column;
use crate::store::id::Fingerprint;
use crate::store::record::ResultKey;

/// The number of this format.
pub const FORMAT: &str = "1";
/// Longer contents are cut into chunks.
pub const CHUNKED_ABOVE: u64 = 1 << 20;

/// Results, path sets and times of use.
pub const RESULTS: Column = Column { name: "results", large: false, early: false };
/// What was hashed into a fingerprint.
pub const PARTS: Column = Column { name: "parts", large: false, early: false };
/// Which blobs there are, and which contents consist of several.
pub const INDEX: Column = Column { name: "index", large: false, early: true };
/// The blobs.
pub const BLOBS: Column = Column { name: "blobs", large: true, early: true };
/// All of them; RocksDB insists on one that is called `default`.
pub const COLUMNS: &[Column] = &[Column { name: "default", large: false, early: false }, RESULTS, PARTS, INDEX, BLOBS];

/// Prefixes of keys, by kind.
pub mod kind {
    /// A result.
    pub const RESULT: u8 = b'r';
    /// A path set.
    pub const PATHS: u8 = b'p';
    /// A time of use.
    pub const USED: u8 = b'u';
    /// Where a result came from.
    pub const ORIGIN: u8 = b'o';
    /// The sizes of a blob.
    pub const SIZES: u8 = b's';
    /// A list of blobs.
    pub const LIST: u8 = b'l';
}

/// A key of a kind about a result.
pub fn result_key(kind: u8, key: &ResultKey) -> [u8; 1 + ResultKey::LEN] {
    let mut bytes = [kind; 1 + ResultKey::LEN];
    bytes[1..].copy_from_slice(&key.to_bytes());
    bytes
}

/// A key of a kind about a digest.
pub fn digest_key(kind: u8, digest: &Digest) -> [u8; 21] {
    let mut bytes = [kind; 21];
    bytes[1..].copy_from_slice(digest.as_bytes());
    bytes
}

/// The key of a path set.
pub fn path_set_key(fingerprint: &Fingerprint, set: &Digest) -> [u8; 41] {
    let mut bytes = [kind::PATHS; 41];
    bytes[1..21].copy_from_slice(fingerprint.as_bytes());
    bytes[21..].copy_from_slice(set.as_bytes());
    bytes
}

/// The sizes of a blob, as the index has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Length of the content.
    pub length: u32,
    /// Length as stored.
    pub stored: u32,
}

impl Sizes {
    /// The encoding.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.length) | u64::from(self.stored) << 32).to_le_bytes()
    }

    /// Reads it back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Sizes> {
        let both = u64::from_le_bytes(bytes.try_into().ok()?);
        Some(Sizes { length: both as u32, stored: (both >> 32) as u32 })
    }
}

/// Reads a time back.
pub fn time_from(bytes: &[u8]) -> Option<Time> {
    bytes.first_chunk().map(|bytes| Time::from_le_bytes(*bytes))
}

/// Reads a list of digests back.
pub fn list_from(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (digests, rest) = bytes.as_chunks::<20>();
    rest.is_empty().then(|| digests.iter().map(|bytes| Digest(*bytes)).collect())
}

/// The format of the store in `dir`; `None` when there is none, or not twice the same number: then the file is damaged, which says
/// nothing of the database.
pub fn format_of(dir: &Path) -> io::Result<Option<String>> {
    match fs::read(dir.join("format")) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let twice = text.trim_end().split_once(' ').filter(|(one, other)| one == other);
            Ok(twice.map(|(number, _)| number).filter(is_number).map(str::to_owned))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Says that the store in `dir` has the format that is written here.
pub fn write_format(dir: &Path) -> io::Result<()> {
    // Durable: were it torn or lost after a power cut, nobody would know what the database is.
    files::replace(&dir.join("format"), format!("{FORMAT} {FORMAT}\n").as_bytes(), Durability::Durable)
}

/// Writes the directory's own files where they are missing, or empty as after a power cut.
pub fn furnish(dir: &Path) -> io::Result<()> {
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache made by percache.\n";
    for (name, text) in [("CACHEDIR.TAG", tag), (".gitignore", "*\n")] {
        let path = dir.join(name);
        if fs::metadata(&path).map_or(0, |metadata| metadata.len()) == 0 {
            files::replace(&path, text.as_bytes(), Durability::Volatile)?;
        }
    }
    if format_of(dir)?.is_none() { write_format(dir) } else { Ok(()) }
}
