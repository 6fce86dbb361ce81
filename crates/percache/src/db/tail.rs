//! The tail of a database: the newest commits, in a file beside it that is appended to.
//!
//! Opening RocksDB to write takes some 20 ms and a dozen syncs, appending to a file takes one. So small commits go to the tail, and
//! the next large one takes them into the database. Readers lay the tail over what the database has.
//!
//! A commit is one record and ends in its own digest, so it is seen whole or not at all, whenever the process is killed or the power
//! fails. Records name the tail that they belong to: what is left of an earlier one, whose commits are in the database since, is not
//! taken for newer than that, nor is what a result holds by chance. Behind damage, reading goes on with the next record that is whole.
//! Knows nothing of the database.
//!
//! ```text
//! record:  "pctail1\n"  kind(4)  tail(8)  length of the changes(4)  changes  digest of all of that(20)
//! change:  number of the column(1)  1 put, 0 delete(1)  key  value
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::{Bound, ControlFlow, Range};
use std::path::Path;

use crate::base::clock;
use crate::base::codec::{Decoder, Encode};
use crate::base::digest::{DIGEST_LEN, Digest};
use crate::base::files;
use crate::db::engine::{DATABASE, EngineError, Visit};

/// The name of its file, beside the database.
pub const NAME: &str = "tail";

const MAGIC: &[u8; 8] = b"pctail1\n";
const HEAD: usize = 24;

/// Changes that are to be committed together.
#[derive(Debug, Default)]
pub struct Changes {
    encoded: Vec<u8>,
}

impl Changes {
    /// Sets the value of a key in the column of that number.
    pub fn put(&mut self, column: u8, key: &[u8], value: &[u8]) {
        self.encoded.u8(column);
        self.encoded.bool(true);
        self.encoded.bytes(key);
        self.encoded.bytes(value);
    }

    /// Removes a key.
    pub fn delete(&mut self, column: u8, key: &[u8]) {
        self.encoded.u8(column);
        self.encoded.bool(false);
        self.encoded.bytes(key);
        self.encoded.bytes(b"");
    }

    /// Their size in bytes.
    pub fn size(&self) -> usize {
        self.encoded.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The record of a commit with these changes, for the tail with that `id` of a database of that `kind`.
    pub fn to_record(&self, kind: u32, id: u64) -> Vec<u8> {
        let mut record = Vec::with_capacity(HEAD + self.size() + DIGEST_LEN);
        record.extend_from_slice(MAGIC);
        record.u32(kind);
        record.u64(id);
        record.bytes(&self.encoded);
        let digest = Digest::of(&record);
        record.digest(&digest);
        record
    }

    /// All changes in order.
    pub fn iter(&self) -> impl Iterator<Item = Change<'_>> {
        let mut from = Decoder::new(&self.encoded);
        std::iter::from_fn(move || next_change(&mut from))
    }
}

/// The number of a column, a key, and its value, or `None` where the key is removed.
pub type Change<'a> = (u8, &'a [u8], Option<&'a [u8]>);

fn next_change<'a>(from: &mut Decoder<'a>) -> Option<Change<'a>> {
    let (column, puts) = (from.u8().ok()?, from.bool().ok()?);
    let (key, value) = (from.bytes().ok()?, from.bytes().ok()?);
    Some((column, key, puts.then_some(value)))
}

/// The commits in a tail, laid one over the other.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    kind: u32,
    bytes: Vec<u8>,
    /// Of each key that was changed, by column, where in `bytes` its value is; `None` where it was removed.
    columns: BTreeMap<u8, BTreeMap<Vec<u8>, Option<Range<usize>>>>,
    id: Option<u64>,
    end: usize,
    lost: usize,
}

impl Tail {
    /// The tail in the file at `path`; an empty one when there is none. `kind`: that of the database. The tail of another kind is an
    /// error.
    pub fn read(path: &Path, kind: u32) -> io::Result<Tail> {
        match fs::read(path) {
            Ok(bytes) => {
                let tail = Tail::parse(bytes);
                if tail.id.is_some() && tail.kind != kind {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "`tail` belongs to another kind of database",
                    ));
                }
                Ok(Tail { kind, ..tail })
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Tail { kind, ..Tail::default() })
            }
            Err(e) => Err(e),
        }
    }

    /// The tail that these bytes are, as far as they are whole.
    pub fn parse(bytes: Vec<u8>) -> Tail {
        let mut records = Vec::new();
        let mut at = 0;
        while let Some(record) = next_record(&bytes, &mut at) {
            at = record.end;
            records.push(record);
        }
        // The first commit names the tail, even where it is damaged: what a result holds may be a tail itself.
        let named = head_at(&bytes, 0).map(|(_, id)| id).filter(|id| records.iter().any(|record| record.id == *id));
        let id = named.or_else(|| records.first().map(|record| record.id));
        let mut tail = Tail { bytes, id, ..Tail::default() };
        for Record { kind, start, body, end, .. } in records.into_iter().filter(|record| Some(record.id) == id) {
            tail.kind = kind;
            // Of damage at the end nobody can say that it is not a commit that was cut short by a kill.
            tail.lost += usize::from(start > tail.end);
            tail.take(body);
            tail.end = end;
        }
        tail
    }

    fn take(&mut self, body: Range<usize>) {
        let base = self.bytes.as_ptr() as usize;
        let mut from = Decoder::new(&self.bytes[body]);
        while let Some((column, key, value)) = next_change(&mut from) {
            let place = value.map(|value| {
                let start = value.as_ptr() as usize - base;
                start..start + value.len()
            });
            self.columns.entry(column).or_default().insert(key.to_vec(), place);
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.end
    }

    /// Stretches of the file that are damaged: each was at least one commit.
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// What is known here of a key: nothing, its value, or (`Some(None)`) that it was removed.
    pub fn get(&self, column: u8, key: &[u8]) -> Option<Option<&[u8]>> {
        let place = self.columns.get(&column)?.get(key)?;
        Some(place.clone().map(|place| &self.bytes[place]))
    }

    /// All that was changed.
    pub fn iter(&self) -> impl Iterator<Item = Change<'_>> {
        let value = |place: &Option<Range<usize>>| place.clone().map(|place| &self.bytes[place]);
        self.columns.iter().flat_map(move |(column, keys)| {
            keys.iter().map(move |(key, place)| (*column, key.as_slice(), value(place)))
        })
    }

    /// Calls `visit` for all keys that begin with `prefix`, in order: those of `below`, as far as they were not changed here, and those
    /// that are here.
    pub fn scan_over(
        &self,
        column: u8,
        prefix: &[u8],
        below: impl FnOnce(&mut Visit<'_>) -> Result<(), EngineError>,
        visit: &mut Visit<'_>,
    ) -> Result<(), EngineError> {
        let from_here = (Bound::Included(prefix), Bound::Unbounded);
        let ours = self.columns.get(&column).into_iter().flat_map(|keys| keys.range::<[u8], _>(from_here));
        let ours = ours.take_while(|(key, _)| key.starts_with(prefix));
        let mut ours = ours.map(|(key, place)| (key, place.clone().map(|place| &self.bytes[place]))).peekable();
        let mut flow = ControlFlow::Continue(());
        below(&mut |key, value| {
            while let Some((own, change)) = ours.next_if(|(own, _)| own.as_slice() <= key) {
                if let Some(value) = change {
                    flow = visit(own, value);
                }
                if own == key || flow.is_break() {
                    return flow;
                }
            }
            flow = visit(key, value);
            flow
        })?;
        while flow.is_continue()
            && let Some((key, change)) = ours.next()
        {
            if let Some(value) = change {
                flow = visit(key, value);
            }
        }
        Ok(())
    }

    /// Adds a commit to the file at `path`, from which this was read and which nobody else writes to meanwhile. After `Ok` it is on the
    /// disk.
    pub fn append(&self, path: &Path, changes: &Changes) -> io::Result<()> {
        let id = self.id.unwrap_or_else(|| clock::nanos() ^ u64::from(std::process::id()).rotate_left(40));
        let record = changes.to_record(self.kind, id);
        let is_new = !path.exists();
        let mut file = files::private().write(true).create(true).truncate(false).open(path)?;
        let written = file
            // What a killed process began must not stand between the commits.
            .set_len(self.end as u64)
            .and_then(|()| file.seek(SeekFrom::Start(self.end as u64)))
            .and_then(|_| file.write_all(&record))
            .and_then(|()| file.sync_data());
        if let Err(e) = written {
            let _ = file.set_len(self.end as u64);
            return Err(e);
        }
        match path.parent() {
            Some(directory) if is_new => files::sync_dir(directory),
            _ => Ok(()),
        }
    }
}

/// Whether there is a database in `dir`, or commits to one.
pub fn or_database_exists(dir: &Path) -> bool {
    dir.join(DATABASE).exists() || fs::metadata(dir.join(NAME)).is_ok_and(|metadata| metadata.len() > 0)
}

/// Empties the tail at `path`, whose commits are in the database. After `Ok` it does not come back when the power fails.
pub fn clear(path: &Path) -> io::Result<()> {
    let file = match File::options().write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    file.set_len(0)?;
    file.sync_all()
}

/// A record that is whole.
struct Record {
    kind: u32,
    id: u64,
    start: usize,
    /// Where its changes are.
    body: Range<usize>,
    end: usize,
}

/// The first record that is whole, from `at` on.
fn next_record(bytes: &[u8], at: &mut usize) -> Option<Record> {
    while *at < bytes.len() {
        if let Some(found) = record_at(bytes, *at) {
            return Some(found);
        }
        *at += 1 + memchr::memmem::find(&bytes[*at + 1..], MAGIC)?;
    }
    None
}

/// The kind and the tail that a record names.
fn head_at(bytes: &[u8], at: usize) -> Option<(u32, u64)> {
    let mut from = Decoder::new(bytes[at..].strip_prefix(MAGIC)?);
    Some((from.u32().ok()?, from.u64().ok()?))
}

fn record_at(bytes: &[u8], start: usize) -> Option<Record> {
    let (kind, id) = head_at(bytes, start)?;
    let mut from = Decoder::new(&bytes[start + HEAD - 4..]);
    let body = start + HEAD..start + HEAD + from.bytes().ok()?.len();
    let digest = from.digest().ok()?;
    let end = body.end + DIGEST_LEN;
    (Digest::of(&bytes[start..body.end]) == digest).then_some(Record { kind, id, start, body, end })
}

#[cfg(test)]
mod tests;
