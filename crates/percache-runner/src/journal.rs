//! The journal: what the last builds of a worktree left there. Of every path that they looked at, its stamp and digest; and of each
//! task the result that its outputs in the tree belong to, and the paths on which that finding rests.
//!
//! It is a cache of a cache: without it a build is slower, and never wrong. It is replaced by a rename, and ends in its own digest, so
//! that a damaged one is no journal. A build with nothing to do reads it without decoding it, see [`crate::finding`].
//!
//! ```text
//! "percache journal 3\n"  epoch(8) hits(8) misses(8)
//! files:    see crate::known
//! lists:    count, then of each: count, positions in files (4 each), in order
//! finding:  flag [see crate::finding]
//! tasks:    count, then of each, sorted by name: name; sure(1) expiry(8) numbers of lists (count, 4 each);
//!           record (length in front): key flag [key(40)] fingerprint(20) created(8) took(8) previous flag [key(40)],
//!           discovered paths, output manifest, paths of others
//! digest of all of the above
//! ```

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode};
use percache::digest::Hasher;
use percache::files::{Durability, Staged};
use percache::store::record::{Entry, ResultKey, Time};

use crate::finding::Finding;
use crate::image::Image;
use crate::known::KnownFiles;

const MAGIC: &[u8] = b"percache journal 3\n";
const DIGEST: usize = 20;

/// What is in a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// The store's epoch when the journal was written: another one means that results were removed since.
    pub epoch: u64,
    /// Tasks that were found in the store, over all builds.
    pub hits: u64,
    /// Tasks that were not, and ran.
    pub misses: u64,
    /// By name of the task.
    pub tasks: BTreeMap<String, TaskRecord>,
    /// What is known of paths.
    pub files: KnownFiles,
    /// Lists of paths that the evidence of tasks is made of; several tasks may share one.
    pub lists: PathLists,
    /// Under which conditions the evidence of tasks counts; `None` when it does not.
    pub finding: Option<Finding>,
}

/// The result that a task's outputs in the tree belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Its name in the store; `None` for what is never stored.
    pub key: Option<ResultKey>,
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// When it was recorded.
    pub created: Time,
    /// How long the command took, in microseconds.
    pub took: u64,
    /// The other result that the task had here before, for `why`.
    pub previous: Option<ResultKey>,
    /// Paths of its discovered inputs, sorted.
    pub discovered: Vec<Vec<u8>>,
    /// What lies in the tree, sorted by path.
    pub outputs: Vec<Entry>,
    /// Of these, what lay there before and was right already: it may be somebody's own, and is never removed. Sorted.
    pub others: Vec<Vec<u8>>,
    /// On what it rests that the task is up to date.
    pub evidence: Evidence,
}

/// The paths on which the finding rests that a task is up to date: as long as none of their stamps changes, it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Whether the paths are all that there is to it.
    pub sure: bool,
    /// From this time on the result is too old to be used.
    pub expiry: Time,
    /// Numbers of [`Journal::lists`].
    pub lists: Vec<u32>,
}

/// Lists of positions in a [`KnownFiles`], one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathLists {
    positions: Vec<u32>,
    ends: Vec<u32>,
}

impl PathLists {
    /// The list of that number; empty when there is none.
    pub fn get(&self, number: u32) -> &[u32] {
        let end = |i: usize| self.ends.get(i).map(|end| *end as usize);
        let start = (number as usize).checked_sub(1).map_or(Some(0), end);
        start.zip(end(number as usize)).and_then(|(start, end)| self.positions.get(start..end)).unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a list; gives its number.
    pub fn push(&mut self, positions: impl IntoIterator<Item = u32>) -> u32 {
        self.positions.extend(positions);
        self.ends.push(self.positions.len() as u32);
        (self.ends.len() - 1) as u32
    }

    fn encode(&self, to: &mut Vec<u8>) {
        to.count(self.len());
        for number in 0..self.len() as u32 {
            encode_numbers(self.get(number), to);
        }
    }

    /// Every position is below `limit`.
    fn decode(from: &mut Decoder<'_>, limit: usize) -> Result<PathLists, DecodeError> {
        let mut lists = PathLists::default();
        for _ in 0..from.count(4)? {
            lists.push(numbers(raw_numbers(from)?));
        }
        match lists.positions.iter().all(|position| (*position as usize) < limit) {
            true => Ok(lists),
            false => Err(DecodeError("a list names a path that there is not")),
        }
    }
}

fn encode_numbers(numbers: &[u32], to: &mut Vec<u8>) {
    to.count(numbers.len());
    numbers.iter().for_each(|number| to.u32(*number));
}

fn raw_numbers<'a>(from: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
    let count = from.count(4)?;
    from.raw(count * 4)
}

fn numbers(raw: &[u8]) -> impl Iterator<Item = u32> + '_ {
    raw.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// A journal as it lies in the file, its tasks not decoded.
pub struct Flat<'a> {
    /// As [`Journal::epoch`].
    pub epoch: u64,
    hits: u64,
    misses: u64,
    /// As [`Journal::files`].
    pub files: KnownFiles,
    /// As [`Journal::lists`].
    pub lists: PathLists,
    /// As [`Journal::finding`].
    pub finding: Option<Finding>,
    /// Sorted by name.
    pub tasks: Vec<FlatTask<'a>>,
}

/// A task in a [`Flat`] journal.
pub struct FlatTask<'a> {
    /// Its name.
    pub name: &'a str,
    /// As [`Evidence::sure`].
    pub sure: bool,
    /// As [`Evidence::expiry`].
    pub expiry: Time,
    lists: &'a [u8],
    record: &'a [u8],
}

impl FlatTask<'_> {
    /// As [`Evidence::lists`].
    pub fn lists(&self) -> impl Iterator<Item = u32> + '_ {
        numbers(self.lists)
    }
}

impl<'a> Flat<'a> {
    /// Reads a journal. Its digest is not looked at: see [`is_whole`].
    pub fn decode(bytes: &'a Arc<Image>) -> Result<Flat<'a>, DecodeError> {
        let end = bytes.len().checked_sub(DIGEST).ok_or(DecodeError("it is too short"))?;
        let fields = bytes[..end].strip_prefix(MAGIC).ok_or(DecodeError("it is of another version"))?;
        let mut from = Decoder::new(fields);
        let (epoch, hits, misses) = (from.u64()?, from.u64()?, from.u64()?);
        let (files, at) = KnownFiles::decode(bytes, MAGIC.len() + 24)?;
        let mut from = Decoder::new(bytes.get(at..end).ok_or(DecodeError("it ends too early"))?);
        let lists = PathLists::decode(&mut from, files.len())?;
        let finding = if from.bool()? { Some(Finding::decode(&mut from)?) } else { None };
        let count = from.count(20)?;
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            tasks.push(FlatTask {
                name: from.text()?,
                sure: from.bool()?,
                expiry: from.u64()?,
                lists: raw_numbers(&mut from)?,
                record: from.bytes()?,
            });
        }
        from.finish()?;
        Ok(Flat { epoch, hits, misses, files, lists, finding, tasks })
    }

    fn decode_tasks(self) -> Result<Journal, DecodeError> {
        if !self.files.is_sorted() {
            return Err(DecodeError("paths are out of order"));
        }
        let mut tasks = BTreeMap::new();
        for task in &self.tasks {
            let evidence = Evidence { sure: task.sure, expiry: task.expiry, lists: task.lists().collect() };
            tasks.insert(task.name.to_owned(), TaskRecord::decode(task.record, evidence)?);
        }
        let Flat { epoch, hits, misses, files, lists, finding, .. } = self;
        Ok(Journal { epoch, hits, misses, tasks, files, lists, finding })
    }
}

/// The bytes of a journal. What stands in the journal before as it will stand there is not copied.
pub struct Encoded<'a> {
    head: Vec<u8>,
    files: Vec<&'a [u8]>,
    rest: Vec<u8>,
}

impl Encoded<'_> {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        [self.head.as_slice()].into_iter().chain(self.files.iter().copied()).chain([self.rest.as_slice()])
    }

    fn len(&self) -> usize {
        self.pieces().map(<[u8]>::len).sum()
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces().collect::<Vec<_>>().concat()
    }
}

/// Whether the bytes of a journal are those that were written.
pub fn is_whole(bytes: &[u8]) -> bool {
    let body = bytes.len().checked_sub(DIGEST).map(|end| bytes.split_at(end));
    body.is_some_and(|(body, digest)| Digest::of(body).as_bytes() == digest)
}

impl Journal {
    /// The journal at `path`; an empty one when there is none, or none that is whole.
    pub fn load(path: &Path) -> Journal {
        let Ok(bytes) = Image::of(path) else { return Journal::default() };
        match Journal::decode(bytes) {
            Ok(journal) => journal,
            Err(e) => {
                log::info!("{}: {e}; going without", path.display());
                Journal::default()
            }
        }
    }

    /// Replaces the journal at `path` by one that was [encoded](Journal::encode).
    pub fn save(encoded: &Encoded<'_>, path: &Path) -> io::Result<()> {
        Journal::stage(encoded, path)?.commit()
    }

    /// Writes what is to replace the journal at `path`.
    pub fn stage(encoded: &Encoded<'_>, path: &Path) -> io::Result<Staged> {
        // Then no number in it is larger than it can write.
        if u32::try_from(encoded.len()).is_err() {
            return Err(io::Error::other("it would be larger than 4 GiB"));
        }
        // Not synced: after a power cut the digest tells a torn journal from a whole one.
        Staged::write(path, encoded.pieces(), Durability::Volatile)
    }

    /// The bytes that [`Journal::save`] writes.
    pub fn encode(&self) -> Encoded<'_> {
        let mut head = MAGIC.to_vec();
        head.u64(self.epoch);
        head.u64(self.hits);
        head.u64(self.misses);
        head.extend_from_slice(&self.files.head());
        let mut to = Vec::with_capacity(1024 + 512 * self.tasks.len());
        self.lists.encode(&mut to);
        to.bool(self.finding.is_some());
        self.finding.iter().for_each(|finding| finding.encode(&mut to));
        to.count(self.tasks.len());
        let mut record = Vec::new();
        for (name, task) in &self.tasks {
            to.text(name);
            to.bool(task.evidence.sure);
            to.u64(task.evidence.expiry);
            encode_numbers(&task.evidence.lists, &mut to);
            record.clear();
            task.encode(&mut record);
            to.bytes(&record);
        }
        let mut encoded = Encoded { head, files: self.files.pieces().collect(), rest: to };
        let mut hasher = Hasher::new();
        encoded.pieces().for_each(|piece| hasher.update(piece));
        encoded.rest.digest(&hasher.finish());
        encoded
    }

    fn decode(bytes: Image) -> Result<Journal, DecodeError> {
        if !is_whole(&bytes) {
            return Err(DecodeError("its digest does not fit"));
        }
        Journal::decode_whole(&Arc::new(bytes))
    }

    /// The journal in bytes that are known to be whole, see [`is_whole`].
    pub fn decode_whole(bytes: &Arc<Image>) -> Result<Journal, DecodeError> {
        Flat::decode(bytes)?.decode_tasks()
    }

    /// Forgets that the store has results other than these.
    pub fn distrust_all_but(&mut self, stored: &[ResultKey]) {
        let stored: HashSet<&ResultKey> = stored.iter().collect();
        for record in self.tasks.values_mut().filter(|record| record.key.is_some_and(|key| !stored.contains(&key))) {
            record.distrust();
        }
    }

    /// Every result that the journal names.
    pub fn keys(&self) -> impl Iterator<Item = ResultKey> + '_ {
        self.tasks.values().filter_map(|task| task.key)
    }
}

impl TaskRecord {
    /// Forgets that the store has its result; what lies in the tree stays known.
    pub fn distrust(&mut self) {
        self.previous = self.key.take().or(self.previous);
        self.evidence = Evidence::default();
    }

    fn encode(&self, to: &mut Vec<u8>) {
        encode_key(self.key, to);
        to.digest(&self.fingerprint);
        to.u64(self.created);
        to.u64(self.took);
        encode_key(self.previous, to);
        to.count(self.discovered.len());
        self.discovered.iter().for_each(|path| to.bytes(path));
        to.count(self.outputs.len());
        self.outputs.iter().for_each(|entry| entry.encode(to));
        to.count(self.others.len());
        self.others.iter().for_each(|path| to.bytes(path));
    }

    fn decode(bytes: &[u8], evidence: Evidence) -> Result<TaskRecord, DecodeError> {
        let from = &mut Decoder::new(bytes);
        let record = TaskRecord {
            key: decode_key(from)?,
            fingerprint: from.digest()?,
            created: from.u64()?,
            took: from.u64()?,
            previous: decode_key(from)?,
            discovered: (0..from.count(4)?).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?,
            outputs: (0..from.count(5)?).map(|_| Entry::decode(from)).collect::<Result<_, _>>()?,
            others: (0..from.count(4)?).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?,
            evidence,
        };
        from.clone().finish()?;
        Ok(record)
    }

    /// The outputs that percache put there.
    pub fn own(&self) -> impl Iterator<Item = &Entry> {
        self.outputs.iter().filter(|entry| self.others.binary_search(&entry.path).is_err())
    }
}

fn encode_key(key: Option<ResultKey>, to: &mut Vec<u8>) {
    to.bool(key.is_some());
    if let Some(key) = key {
        to.extend_from_slice(&key.to_bytes());
    }
}

fn decode_key(from: &mut Decoder<'_>) -> Result<Option<ResultKey>, DecodeError> {
    Ok(if from.bool()? { ResultKey::from_bytes(from.raw(ResultKey::LEN)?) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::{Builder, Seen};
    use percache::store::record::Node;

    fn example() -> Journal {
        let key = ResultKey { action: Digest::of(b"a"), place: Some(Digest::of(b"/home/w")) };
        let record = TaskRecord {
            key: Some(key),
            fingerprint: Digest::of(b"f"),
            created: 3,
            took: 4,
            previous: None,
            discovered: vec![b"include/a.h".to_vec()],
            outputs: vec![Entry { path: b"out".to_vec(), node: Node::Directory }],
            others: vec![b"other".to_vec()],
            evidence: Evidence { sure: true, expiry: 9, lists: vec![1, 0] },
        };
        let mut files = Builder::default();
        files.push(b"out", &Seen { stamp: None, digest: None, settled: true });
        files.push(b"src/\xff.c", &Seen { stamp: None, digest: Some(Digest::of(b"x")), settled: false });
        let mut lists = PathLists::default();
        lists.push([]);
        lists.push([0, 1]);
        Journal {
            epoch: 7,
            hits: 1,
            misses: 2,
            tasks: BTreeMap::from([("app".to_owned(), record)]),
            files: files.finish(),
            lists,
            finding: Some(crate::finding::tests::example()),
        }
    }

    #[test]
    fn it_is_read_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert_eq!(Journal::load(&path), Journal::default());
        Journal::save(&example().encode(), &path).unwrap();
        assert_eq!(Journal::load(&path), example());
    }

    #[test]
    fn a_damaged_one_is_none() {
        let whole = example().encode().to_vec();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            // What is looked at before the digest must not be harmed by it either.
            drop(Flat::decode(&Arc::new(damaged.clone().into())).map(Flat::decode_tasks));
            assert!(Journal::decode(damaged.into()).is_err());
            assert!(Flat::decode(&Arc::new(whole[..at].to_vec().into())).is_err());
            assert!(Journal::decode(whole[..at].to_vec().into()).is_err());
        }
    }

    #[test]
    fn lists_stand_one_behind_the_other() {
        let mut lists = PathLists::default();
        assert!(lists.get(0).is_empty());
        assert_eq!([lists.push([3, 4]), lists.push([]), lists.push([5])], [0, 1, 2]);
        assert_eq!([lists.get(0), lists.get(1), lists.get(2), lists.get(3)], [&[3, 4][..], &[], &[5], &[]]);
    }
}
