//! The journal: what the last builds of a worktree left there. The digest of every file under its stamp, and of each task the result
//! that its outputs in the tree belong to.
//!
//! It is a cache of a cache: without it a build is slower, and never wrong. It is read and written whole, replaced by a rename, and
//! ends in its own digest, so that a damaged one is no journal.
//!
//! ```text
//! "percache journal 1\n"  epoch(8) hits(8) misses(8)
//! tasks:  count, then of each: name, place flag [place], action(20), fingerprint(20), created(8), took(8),
//!         previous flag [key(40)], discovered paths, output manifest, paths of others
//! files:  count, then of each: path, stamp, digest, settled
//! digest of all of the above
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode};
use percache::store::record::{Entry, ResultKey, Time};

use crate::observe::{Known, KnownFiles};
use crate::stamp::Stamp;

const MAGIC: &[u8] = b"percache journal 1\n";

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
    /// What is known of files.
    pub files: KnownFiles,
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
}

impl Journal {
    /// The journal at `path`; an empty one when there is none, or none that is whole.
    pub fn load(path: &Path) -> Journal {
        let Ok(bytes) = fs::read(path) else { return Journal::default() };
        match Journal::decode(&bytes) {
            Ok(journal) => journal,
            Err(e) => {
                log::info!("{}: {e}; going without", path.display());
                Journal::default()
            }
        }
    }

    /// Replaces the journal at `path`.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&self.encode())?;
        drop(file);
        // Not synced: after a power cut the digest tells a torn journal from a whole one.
        fs::rename(&temporary, path)
    }

    fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(256 + 512 * self.tasks.len() + 128 * self.files.len());
        to.extend_from_slice(MAGIC);
        to.u64(self.epoch);
        to.u64(self.hits);
        to.u64(self.misses);
        to.count(self.tasks.len());
        for (name, task) in &self.tasks {
            to.text(name);
            task.encode(&mut to);
        }
        to.count(self.files.len());
        for (path, known) in &self.files {
            to.bytes(path);
            known.stamp.encode(&mut to);
            to.digest(&known.digest);
            to.bool(known.settled);
        }
        let digest = Digest::of(&to);
        to.digest(&digest);
        to
    }

    fn decode(bytes: &[u8]) -> Result<Journal, DecodeError> {
        let body = bytes.len().checked_sub(20).map(|end| bytes.split_at(end));
        let Some((body, digest)) = body else { return Err(DecodeError("it is too short")) };
        let Some(fields) = body.strip_prefix(MAGIC) else { return Err(DecodeError("it is of another version")) };
        if Digest::of(body).as_bytes() != digest {
            return Err(DecodeError("its digest does not fit"));
        }
        let mut from = Decoder::new(fields);
        let mut journal = Journal { epoch: from.u64()?, hits: from.u64()?, misses: from.u64()?, ..Journal::default() };
        for _ in 0..from.count(50)? {
            let name = from.text()?.to_owned();
            journal.tasks.insert(name, TaskRecord::decode(&mut from)?);
        }
        let files = from.count(60)?;
        journal.files.reserve(files);
        for _ in 0..files {
            let path = from.bytes()?.to_vec();
            let known = Known { stamp: Stamp::decode(&mut from)?, digest: from.digest()?, settled: from.bool()? };
            journal.files.insert(path, known);
        }
        from.finish()?;
        Ok(journal)
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

    fn decode(from: &mut Decoder<'_>) -> Result<TaskRecord, DecodeError> {
        Ok(TaskRecord {
            key: decode_key(from)?,
            fingerprint: from.digest()?,
            created: from.u64()?,
            took: from.u64()?,
            previous: decode_key(from)?,
            discovered: (0..from.count(4)?).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?,
            outputs: (0..from.count(5)?).map(|_| Entry::decode(from)).collect::<Result<_, _>>()?,
            others: (0..from.count(4)?).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?,
        })
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
        };
        let stamp = Stamp { size: 1, mtime: -2, ctime: 3, inode: 4, mode: 0o100644 };
        let known = Known { stamp, digest: Digest::of(b"x"), settled: true };
        Journal {
            epoch: 7,
            hits: 1,
            misses: 2,
            tasks: BTreeMap::from([("app".to_owned(), record)]),
            files: KnownFiles::from([(b"src/\xff.c".to_vec(), known)]),
        }
    }

    #[test]
    fn it_is_read_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert_eq!(Journal::load(&path), Journal::default());
        example().save(&path).unwrap();
        assert_eq!(Journal::load(&path), example());
    }

    #[test]
    fn a_damaged_one_is_none() {
        let whole = example().encode();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(Journal::decode(&damaged).is_err());
            assert!(Journal::decode(&whole[..at]).is_err());
        }
    }
}
