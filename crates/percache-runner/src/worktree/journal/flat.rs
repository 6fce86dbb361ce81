//! A view of a journal's file, without decoding its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use percache::Digest;
use percache::base::clock::Time;
use percache::base::codec::{DecodeError, Decoder};
use percache::store::id::WorkspaceId;
use percache::store::record::ResultKey;

use super::lists::{PathLists, numbers, raw_numbers};
use super::{DIGEST, Evidence, FILES, Journal, MAGIC, TaskRecord};
use crate::fs::mapped_file::Image;
use crate::fs::stat_table::KnownFiles;
use crate::worktree::conditions::Finding;

/// A view of a journal's file; its tasks are not decoded.
pub struct Flat<'a> {
    /// Like [`Journal::epoch`].
    pub epoch: u64,
    hits: u64,
    misses: u64,
    /// Like [`Journal::files`].
    pub files: KnownFiles,
    /// Like [`Journal::lists`].
    pub lists: PathLists,
    /// Like [`Journal::finding`].
    pub finding: Option<Finding>,
    made: Vec<&'a [u8]>,
    /// Sorted by name.
    pub tasks: Vec<FlatTask<'a>>,
}

/// A task in a [`Flat`] journal.
pub struct FlatTask<'a> {
    /// Its name.
    pub name: &'a str,
    /// Like [`Evidence::sure`].
    pub sure: bool,
    /// Like [`Evidence::expiry`].
    pub expiry: Time,
    lists: &'a [u8],
    record: &'a [u8],
}

impl FlatTask<'_> {
    /// Like [`Evidence::lists`].
    pub fn lists(&self) -> impl Iterator<Item = u32> + '_ {
        numbers(self.lists)
    }
}

impl FlatTask<'_> {
    /// Returns whether it names a result. A server has none, however sure its evidence is.
    pub fn has_result(&self) -> bool {
        self.record.first().is_some_and(|tag| *tag != 0)
    }

    /// Returns whether its result counts in the directory `place`: see [`ResultKey::counts_in`].
    pub fn counts_in(&self, place: &WorkspaceId) -> bool {
        let key = self.record.get(1..=ResultKey::LEN).filter(|_| self.has_result()).and_then(ResultKey::from_bytes);
        key.is_none_or(|key| key.counts_in(place))
    }
}

impl<'a> Flat<'a> {
    /// Reads a journal, without verifying its digest: see [`is_whole`].
    pub fn decode(bytes: &'a Arc<Image>) -> Result<Flat<'a>, DecodeError> {
        let end = bytes.len().checked_sub(DIGEST).ok_or(DecodeError("it is too short"))?;
        let fields = bytes[..end].strip_prefix(MAGIC).ok_or(DecodeError("it is of another version"))?;
        let mut from = Decoder::new(fields);
        let (epoch, hits, misses) = (from.u64()?, from.u64()?, from.u64()?);
        let (files, at) = KnownFiles::decode(bytes, FILES)?;
        let mut from = Decoder::new(bytes.get(at..end).ok_or(DecodeError("it ends too early"))?);
        let lists = PathLists::decode(&mut from, files.len())?;
        let finding = if from.bool()? { Some(Finding::decode(&mut from)?) } else { None };
        let made = (0..from.count(4)?).map(|_| from.bytes()).collect::<Result<_, _>>()?;
        let count = from.count(20)?;
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            tasks.push(FlatTask {
                name: from.text()?,
                sure: from.bool()?,
                expiry: from.time()?,
                lists: raw_numbers(&mut from)?,
                record: from.bytes()?,
            });
        }
        from.finish()?;
        Ok(Flat { epoch, hits, misses, files, lists, finding, made, tasks })
    }

    pub(super) fn decode_tasks(self) -> Result<Journal, DecodeError> {
        if !self.files.is_sorted() {
            return Err(DecodeError("paths are out of order"));
        }
        let mut tasks = BTreeMap::new();
        for task in &self.tasks {
            let evidence = Evidence { sure: task.sure, expiry: task.expiry, lists: task.lists().collect() };
            tasks.insert(task.name.to_owned(), TaskRecord::decode(task.record, evidence)?);
        }
        let Flat { epoch, hits, misses, files, lists, finding, made, .. } = self;
        let made = made.into_iter().map(<[u8]>::to_vec).collect();
        Ok(Journal { epoch, hits, misses, tasks, files, lists, finding, made })
    }
}

/// Returns whether the bytes of a journal have their digest, and so are undamaged.
pub fn is_whole(bytes: &[u8]) -> bool {
    let body = bytes.len().checked_sub(DIGEST).map(|end| bytes.split_at(end));
    body.is_some_and(|(body, digest)| Digest::of(body).as_bytes() == digest)
}
