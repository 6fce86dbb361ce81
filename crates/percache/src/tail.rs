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
use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::{Decoder, Encode};
use crate::digest::{DIGEST_LEN, Digest};
use crate::engine::{DATABASE, EngineError, Visit};
use crate::files;

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
        let id = self.id.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
            now ^ u64::from(std::process::id()).rotate_left(40)
        });
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
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tail");
        (dir, path)
    }

    fn changes(changes: &[(u8, &str, Option<&str>)]) -> Changes {
        let mut made = Changes::default();
        for (column, key, value) in changes {
            match value {
                Some(value) => made.put(*column, key.as_bytes(), value.as_bytes()),
                None => made.delete(*column, key.as_bytes()),
            }
        }
        made
    }

    fn commit(path: &Path, list: &[(u8, &str, Option<&str>)]) {
        Tail::read(path, 7).unwrap().append(path, &changes(list)).unwrap();
    }

    fn text(tail: &Tail, column: u8, key: &str) -> Option<Option<String>> {
        tail.get(column, key.as_bytes()).map(|value| value.map(|value| String::from_utf8(value.to_vec()).unwrap()))
    }

    fn three_commits() -> (tempfile::TempDir, PathBuf, Vec<usize>) {
        let (dir, path) = place();
        let ends = ["a", "b", "c"].map(|key| {
            commit(&path, &[(1, key, Some("one"))]);
            Tail::read(&path, 7).unwrap().size()
        });
        (dir, path, ends.into())
    }

    #[test]
    fn the_newest_change_counts() {
        let (_dir, path) = place();
        assert!(Tail::read(&path, 7).unwrap().is_empty());
        commit(&path, &[(1, "a", Some("one")), (1, "b", Some("two")), (2, "a", Some("other"))]);
        commit(&path, &[(1, "a", None), (1, "b", Some(""))]);
        let tail = Tail::read(&path, 7).unwrap();
        assert_eq!(text(&tail, 1, "a"), Some(None));
        assert_eq!(text(&tail, 1, "b"), Some(Some(String::new())));
        assert_eq!(text(&tail, 2, "a"), Some(Some("other".into())));
        assert_eq!(text(&tail, 2, "b"), None);
        clear(&path).unwrap();
        assert!(Tail::read(&path, 7).unwrap().is_empty());
    }

    #[test]
    fn a_scan_shows_both_in_order() {
        let (_dir, path) = place();
        commit(&path, &[(1, "ka", Some("A")), (1, "kc", Some("C")), (1, "kd", None), (1, "kx", Some("X"))]);
        commit(&path, &[(1, "k", Some("K")), (1, "l", Some("L")), (2, "kb", Some("another column"))]);
        let tail = Tail::read(&path, 7).unwrap();
        let below = [("ka0", "below"), ("kc", "hidden"), ("kd", "removed"), ("ke", "below")];
        for limit in 1..8 {
            let mut seen = Vec::new();
            let scan = |visit: &mut Visit<'_>| {
                for (key, value) in below {
                    if visit(key.as_bytes(), value.as_bytes()).is_break() {
                        return Ok(());
                    }
                }
                Ok(())
            };
            tail.scan_over(1, b"k", scan, &mut |key, value| {
                seen.push(format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
                if seen.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
            let all = ["k=K", "ka=A", "ka0=below", "kc=C", "ke=below", "kx=X"];
            assert_eq!(seen, all[..limit.min(all.len())]);
        }
    }

    #[test]
    fn a_commit_is_there_whole_or_not_at_all() {
        let (_dir, path, ends) = three_commits();
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            let tail = Tail::parse(whole[..length].to_vec());
            let commits = ends.iter().filter(|end| **end <= length).count();
            assert_eq!((tail.iter().count(), tail.lost()), (commits, 0), "{length} bytes");
            assert_eq!(tail.size(), if commits == 0 { 0 } else { ends[commits - 1] });
            // What was cut short gives way to the next commit.
            fs::write(&path, &whole[..length]).unwrap();
            commit(&path, &[(1, "z", Some("next"))]);
            let tail = Tail::read(&path, 7).unwrap();
            assert_eq!((tail.iter().count(), tail.lost()), (commits + 1, 0));
        }
    }

    #[test]
    fn damage_costs_the_commit_that_it_is_in() {
        let (_dir, path, ends) = three_commits();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            let tail = Tail::parse(damaged);
            let hit = ends.iter().position(|end| at < *end).unwrap();
            let left: Vec<_> = tail.iter().map(|(_, key, _)| key[0]).collect();
            assert_eq!(left, [b'a', b'b', b'c'].into_iter().filter(|key| *key != b'a' + hit as u8).collect::<Vec<_>>());
            assert_eq!(tail.lost(), usize::from(hit < 2), "the last one may have been cut short");
        }
    }

    #[test]
    fn that_of_another_kind_of_database_is_not_read() {
        let (_dir, path, _) = three_commits();
        assert_eq!(Tail::read(&path, 8).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_left_of_an_earlier_tail_does_not_count() {
        let (_dir, path, ends) = three_commits();
        let old = fs::read(&path).unwrap();
        clear(&path).unwrap();
        commit(&path, &[(1, "n", Some("new"))]);
        let mixed = [fs::read(&path).unwrap().as_slice(), &old[ends[0]..]].concat();
        let tail = Tail::parse(mixed);
        assert_eq!(tail.iter().map(|(_, key, _)| key).collect::<Vec<_>>(), [b"n"]);
        assert_eq!(tail.lost(), 0);
    }

    #[test]
    fn a_tail_within_a_damaged_commit_is_none() {
        let (_dir, path) = place();
        let mut inner = changes(&[(1, "inner", Some("x"))]).to_record(7, 1);
        inner.extend(changes(&[(1, "inner", None)]).to_record(7, 1));
        let mut outer = Changes::default();
        outer.put(1, b"a", &inner);
        Tail::read(&path, 7).unwrap().append(&path, &outer).unwrap();
        commit(&path, &[(1, "b", Some("two"))]);
        let mut bytes = fs::read(&path).unwrap();
        // Behind what names the tail, and before the commit that is within.
        bytes[HEAD] ^= 1;
        let tail = Tail::parse(bytes);
        assert_eq!(tail.iter().map(|(_, key, _)| key).collect::<Vec<_>>(), [b"b"]);
        assert_eq!(tail.lost(), 1);
    }
}
