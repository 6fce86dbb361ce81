//! The journal: a cache of what the last builds found and left in a worktree. It has the stamp and digest of every path
//! that they looked at, and for each task the result that its outputs in the tree belong to and the evidence that it is
//! up to date.
//!
//! It is a cache of a cache: without it a build is slower, and never wrong. It is replaced by a rename, and ends in its
//! own digest, so that a damaged journal is recognised and ignored. A build with nothing to do reads it without
//! decoding the tasks, see [`crate::worktree::conditions`].
//!
//! ```text
//! "percache journal 5\n"  epoch(8) hits(8) misses(8)
//! files:    see crate::fs::stat_table
//! lists:    count, then of each: count, positions in files (4 each), in order
//! finding:  flag [see crate::worktree::conditions]
//! made:     count, then paths of directories
//! tasks:    count, then of each, sorted by name: name; sure(1) expiry(8) numbers of lists (count, 4 each);
//!           record (length in front): key flag [key(40)] fingerprint(20) created(8) took(8) previous flag [key(40)],
//!           failed(1), on_remote(1), discovered paths, output manifest, uncertain paths
//! digest of all of the above
//! ```

mod encoded;
mod flat;
mod lists;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use percache::base::clock::{Micros, Time};
use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::base::files::{Durability, Staged};
use percache::store::id::Fingerprint;
use percache::store::manifest::{Manifest, PathSet, are_sorted};
use percache::store::record::{Entry, Node, ResultKey};

use crate::fs::mapped_file::Image;
use crate::fs::stat_table::{KnownFiles, Seen};
use crate::model::path::RelPath;
use crate::syntax::shown::shown;
use crate::worktree::conditions::Finding;

pub use encoded::Encoded;
pub use flat::{Flat, FlatTask, is_whole};
pub use lists::PathLists;
use lists::encode_numbers;

const MAGIC: &[u8] = b"percache journal 5\n";
const DIGEST: usize = 20;
/// The offset of the files.
const FILES: usize = MAGIC.len() + 24;

/// The content of a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// The store's epoch when the journal was written; another one means that results have been removed since.
    pub epoch: u64,
    /// The number of tasks found in the store, over all builds.
    pub hits: u64,
    /// The number of tasks that were not found in the store and ran, over all builds.
    pub misses: u64,
    /// The tasks by name.
    pub tasks: BTreeMap<String, TaskRecord>,
    /// The stamps and digests of paths.
    pub files: KnownFiles,
    /// Lists of paths that the evidence of tasks refers to; several tasks may share one.
    pub lists: PathLists,
    /// The conditions under which the evidence of tasks is valid; `None` if it is not.
    pub finding: Option<Finding>,
    /// Directories that percache created to put outputs into them, sorted. They are removed when they are empty and no
    /// task needs them.
    pub made: Vec<Vec<u8>>,
}

/// The result that a task's outputs in the tree belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Its key in the store; `None` if the task is never stored.
    pub key: Option<ResultKey>,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// When it was recorded.
    pub created: Time,
    /// How long the command took.
    pub took: Micros,
    /// The result that the task had here before this one, for `why`.
    pub previous: Option<ResultKey>,
    /// The paths of its discovered inputs.
    pub discovered: PathSet,
    /// Whether the last run failed. Then `outputs` is what that run left, and the store does not have it.
    pub failed: bool,
    /// The outputs that percache put into the tree or saw a run make; or those that are `on_remote`.
    pub outputs: Manifest,
    /// Whether the outputs were left on the remote: neither the tree nor the store has them.
    pub on_remote: bool,
    /// Paths of outputs of unknown origin that existed before a run, and that the run changed or accepted: part of the
    /// result, but perhaps the user's own, and so never removed. Sorted.
    pub uncertain: Vec<Vec<u8>>,
    /// The evidence that the task is up to date.
    pub evidence: Evidence,
}

/// The paths that prove a task up to date: it is, as long as none of their stamps changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Whether the paths are all that matters.
    pub sure: bool,
    /// The time from which on the result is too old to be used.
    pub expiry: Time,
    /// Numbers of [`Journal::lists`].
    pub lists: Vec<u32>,
}

impl Journal {
    /// Loads the journal at `path`; an empty one if there is none, or if it is damaged.
    pub fn load(path: &Path) -> Journal {
        let Ok(bytes) = Image::of(path) else { return Journal::default() };
        match Journal::decode(bytes) {
            Ok(journal) => journal,
            Err(e) => {
                log::info!("{}: {e}; going without", shown(path));
                Journal::default()
            }
        }
    }

    /// Adds the records of another workspace that lies in the directory `dir` of this one. Of these, only the outputs
    /// are trusted.
    pub fn take_in(&mut self, other: Journal, dir: &RelPath) {
        let moved = |path: &[u8]| [dir.as_bytes(), b"/", path].concat();
        for (name, mut record) in other.tasks {
            record.outputs.move_into(dir.as_bytes());
            record.uncertain.iter_mut().for_each(|path| *path = moved(path));
            // No task can have such a name.
            self.tasks.entry(format!("{dir}//{name}")).or_insert(record);
        }
        self.made.extend(other.made.iter().map(|made| moved(made)));
        self.made.sort();
        self.made.dedup();
    }

    /// Replaces the journal at `path` by an [encoded](Journal::encode) one.
    pub fn save(encoded: &Encoded<'_>, path: &Path) -> io::Result<()> {
        Journal::stage(encoded, path)?.commit()
    }

    /// Replaces the journal at `path` by the one in `bytes`, which are known to be undamaged, with what was seen at
    /// these positions updated. The positions are in order, without duplicates.
    pub fn save_with(bytes: &Arc<Image>, seen: &[(usize, Seen)], path: &Path) -> io::Result<()> {
        let damaged = |e: DecodeError| io::Error::new(io::ErrorKind::InvalidData, e.0);
        let (files, end) = KnownFiles::decode(bytes, FILES).map_err(damaged)?;
        let files = files.with(seen.iter().copied());
        let rest = &bytes[end..bytes.len() - DIGEST];
        Journal::save(&Encoded::new(bytes[..FILES].to_vec(), &files, rest.into()), path)
    }

    /// Writes the file that is to replace the journal at `path`.
    pub fn stage(encoded: &Encoded<'_>, path: &Path) -> io::Result<Staged> {
        // This also guarantees that every count fits into 32 bits.
        if u32::try_from(encoded.size()).is_err() {
            return Err(io::Error::other("it would be larger than 4 GiB"));
        }
        // Not synced: after a power cut, the digest reveals a torn journal.
        Staged::write(path, encoded.pieces(), Durability::Volatile)
    }

    /// Encodes the journal for [`Journal::save`].
    pub fn encode(&self) -> Encoded<'_> {
        let mut head = MAGIC.to_vec();
        head.u64(self.epoch);
        head.u64(self.hits);
        head.u64(self.misses);
        let mut to = Vec::with_capacity(1024 + 512 * self.tasks.len());
        self.lists.encode(&mut to);
        to.bool(self.finding.is_some());
        self.finding.iter().for_each(|finding| finding.encode(&mut to));
        to.count(self.made.len());
        self.made.iter().for_each(|path| to.bytes(path));
        to.count(self.tasks.len());
        let mut record = Vec::new();
        for (name, task) in &self.tasks {
            to.text(name);
            to.bool(task.evidence.sure);
            to.time(task.evidence.expiry);
            encode_numbers(&task.evidence.lists, &mut to);
            record.clear();
            task.encode(&mut record);
            to.bytes(&record);
        }
        Encoded::new(head, &self.files, to.into())
    }

    fn decode(bytes: Image) -> Result<Journal, DecodeError> {
        if !is_whole(&bytes) {
            return Err(DecodeError("its digest does not fit"));
        }
        Journal::decode_whole(&Arc::new(bytes))
    }

    /// Decodes a journal from bytes that are known to be undamaged, see [`is_whole`].
    pub fn decode_whole(bytes: &Arc<Image>) -> Result<Journal, DecodeError> {
        Flat::decode(bytes)?.decode_tasks()
    }

    /// Forgets all results that the store no longer has, that is, all but `stored`.
    pub fn distrust_all_but(&mut self, stored: &[ResultKey]) {
        let stored: HashSet<&ResultKey> = stored.iter().collect();
        let is_gone =
            |record: &&mut TaskRecord| record.key.is_some_and(|key| !record.on_remote && !stored.contains(&key));
        for record in self.tasks.values_mut().filter(is_gone) {
            record.distrust();
        }
    }

    /// Yields every result that the journal names.
    pub fn keys(&self) -> impl Iterator<Item = ResultKey> + '_ {
        self.tasks.values().filter_map(|task| task.key)
    }
}

impl TaskRecord {
    /// Forgets that the store has its result; the outputs in the tree remain known.
    pub fn distrust(&mut self) {
        self.previous = self.key.take().or(self.previous);
        self.evidence = Evidence::default();
    }

    fn encode(&self, to: &mut Vec<u8>) {
        encode_key(self.key, to);
        to.digest(self.fingerprint.digest());
        to.time(self.created);
        to.micros(self.took);
        encode_key(self.previous, to);
        to.bool(self.failed);
        to.bool(self.on_remote);
        self.discovered.encode_to(to);
        self.outputs.encode(to);
        to.count(self.uncertain.len());
        self.uncertain.iter().for_each(|path| to.bytes(path));
    }

    fn decode(bytes: &[u8], evidence: Evidence) -> Result<TaskRecord, DecodeError> {
        let from = &mut Decoder::new(bytes);
        let record = TaskRecord {
            key: decode_key(from)?,
            fingerprint: Fingerprint::new(from.digest()?),
            created: from.time()?,
            took: from.micros()?,
            previous: decode_key(from)?,
            failed: from.bool()?,
            on_remote: from.bool()?,
            discovered: PathSet::decode_from(from)?,
            outputs: Manifest::decode(from)?,
            uncertain: (0..from.count(4)?).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?,
            evidence,
        };
        from.clone().finish()?;
        // They are searched by bisection.
        if !are_sorted(&record.uncertain) {
            return Err(DecodeError("paths of a task are out of order"));
        }
        Ok(record)
    }

    /// Yields the task's outputs in the tree, each with its content if the store or a successful run vouches for it.
    pub fn left(&self) -> impl Iterator<Item = (&Entry, Option<&Node>)> {
        let is_certain = |entry: &Entry| !self.failed && self.uncertain.binary_search(&entry.path).is_err();
        let here = self.outputs.iter().filter(|_| !self.on_remote);
        here.map(move |entry| (entry, is_certain(entry).then_some(&entry.node)))
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
    use crate::fs::stat_table::Builder;
    use percache::Digest;
    use percache::store::id::{ActionKey, WorkspaceId};

    fn example() -> Journal {
        let key = ResultKey {
            action: ActionKey::new(Digest::of(b"a")),
            place: Some(WorkspaceId::new(Digest::of(b"/home/w"))),
        };
        let record = TaskRecord {
            key: Some(key),
            fingerprint: Fingerprint::new(Digest::of(b"f")),
            created: Time::from_millis(3),
            took: Micros::new(4),
            previous: None,
            discovered: PathSet::from_iter([b"include/a.h".to_vec()]),
            outputs: Manifest::from_found(vec![Entry::new(*b"out", Node::Directory)]),
            failed: true,
            on_remote: false,
            uncertain: vec![b"out".to_vec()],
            evidence: Evidence { sure: true, expiry: Time::from_millis(9), lists: vec![1, 0] },
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
            finding: Some(crate::worktree::conditions::tests::example()),
            made: vec![b"build".to_vec()],
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
    fn what_is_not_stored_is_distrusted_unless_it_was_left_on_the_remote() {
        for on_remote in [false, true] {
            let mut journal = example();
            journal.tasks.values_mut().for_each(|record| record.on_remote = on_remote);
            journal.distrust_all_but(&[]);
            assert_eq!(journal.keys().count(), usize::from(on_remote));
            assert_eq!(journal.tasks["app"].left().count(), usize::from(!on_remote), "what is left is in the tree");
        }
    }

    #[test]
    fn what_was_seen_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let seen = Seen { stamp: None, digest: Some(Digest::of(b"y")), settled: true };
        let bytes = Arc::new(example().encode().to_vec().into());
        Journal::save_with(&bytes, &[(1, seen)], &path).unwrap();
        let journal = Journal::load(&path);
        assert_eq!(journal.files.seen(1), seen);
        assert_eq!(Journal { files: example().files, ..journal }, example());
    }

    #[test]
    fn a_damaged_one_is_none() {
        let whole = example().encode().to_vec();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            // Whatever is read before the digest is verified must also survive damage.
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
