//! Fetching the contents of results: the smallest come with the record, others for many results in the same calls,
//! small ones in batches, large ones as streams.
//!
//! A content is verified before it is added: by its SHA-256, which the record claims, and by the local digest, which
//! the record claims as well. What is wrong with one result is no reason to do without the others.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

use percache::store::interface::Contents;
use percache::store::record::Content;

use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::inlined::Unpacker;
use crate::record::RemoteResult;
use crate::remote::Remote;
use crate::verified::{self, damaged};

/// Small contents that are asked for together, in bytes: what is held in memory at a time.
const TOGETHER: u64 = 16 << 20;
/// Large contents that are under way at a time, for one call of [`Remote::fetch`].
const STREAMS: usize = 8;

/// What came of fetching the contents of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// All of them are there.
    Whole {
        /// The bytes that came.
        bytes: u64,
    },
    /// The remote does not have all of them, or not as they were; why.
    Refused(String),
    /// They could not be fetched, now.
    Failed,
}

/// Who waits for a content: the position of a result, and which local content its record claims it to be.
type Waiting = Vec<(usize, Content)>;

/// The results that are being fetched.
struct Fetching<'a> {
    remote: &'a Remote,
    results: &'a [RemoteResult],
    tallies: Vec<Tally>,
    came: &'a mut dyn FnMut(usize, Fetch),
}

/// How far a result is.
#[derive(Default)]
struct Tally {
    /// Contents that are still to come.
    left: usize,
    /// The bytes that come for it. What it shares with another result counts for the first of them.
    bytes: u64,
    /// Why it is not used; the first reason.
    fault: Option<Fault>,
    /// Whether the caller was told.
    is_told: bool,
}

impl Remote {
    /// Adds every content of these results to the local ones, each verified before. Tells `came` of each result once,
    /// as soon as it is known what came of it.
    pub fn fetch(&self, results: &[RemoteResult], local: &dyn Contents, came: &mut dyn FnMut(usize, Fetch)) {
        let tallies = results.iter().map(|_| Tally::default()).collect();
        let mut fetching = Fetching { remote: self, results, tallies, came };
        let mut wanted = fetching.wanted(local);
        fetching.take_inlined(&mut wanted, local);
        fetching.tell();
        if wanted.is_empty() {
            return;
        }
        let most = match self.shared.connection.call(async |service| service.small().await) {
            Ok(most) => most,
            Err(fault) => return fetching.fail_rest(&fault),
        };
        let (small, large): (BTreeMap<_, _>, BTreeMap<_, _>) =
            wanted.into_iter().partition(|(blob, _)| blob.length <= most);
        let blobs: Vec<_> = small.keys().copied().collect();
        for group in groups(&blobs) {
            fetching.fetch_small(group, &small, local);
            fetching.tell();
        }
        fetching.fetch_large(large, local);
    }

    /// Adds a content if it is what was asked for. Returns which one it is here.
    fn keep(&self, blob: &Blob, bytes: &[u8], local: &dyn Contents) -> Result<Content, Fault> {
        if !blob.is(bytes) {
            return Err(damaged(blob));
        }
        let content = local.add_to_read(bytes).map_err(|e| Fault::new(FaultKind::Local, e.to_string()))?;
        self.shared.counters.fetched.fetch_add(blob.length, Ordering::Relaxed);
        Ok(content)
    }

    fn stream(&self, blob: &Blob, local: &dyn Contents) -> Result<Content, Fault> {
        let counted = |count| {
            self.shared.counters.fetched.fetch_add(count, Ordering::Relaxed);
        };
        verified::read(&self.shared.connection, blob, &counted, &mut |from| local.add(from, &mut |_| ()))
    }
}

impl Fetching<'_> {
    /// Returns the contents that are not here, and which results wait for each.
    fn wanted(&mut self, local: &dyn Contents) -> BTreeMap<Blob, Waiting> {
        let mut wanted: BTreeMap<Blob, Waiting> = BTreeMap::new();
        for (at, (result, tally)) in self.results.iter().zip(&mut self.tallies).enumerate() {
            let (asked, blobs): (Vec<_>, Vec<_>) = result.contents().unzip();
            let had = match local.has(&asked) {
                Ok(had) => had,
                Err(e) => {
                    tally.fault = Some(Fault::new(FaultKind::Local, e.to_string()));
                    continue;
                }
            };
            for ((content, blob), _) in asked.into_iter().zip(blobs).zip(had).filter(|(_, had)| !had) {
                let waiting = wanted.entry(blob).or_default();
                tally.left += 1;
                tally.bytes += if waiting.is_empty() { blob.length } else { 0 };
                waiting.push((at, content));
            }
        }
        wanted
    }

    /// Adds what came with the records, as far as it is wanted. It is verified like what comes by itself; what is
    /// damaged is no reason for other results to do without that content.
    fn take_inlined(&mut self, wanted: &mut BTreeMap<Blob, Waiting>, local: &dyn Contents) {
        let (remote, mut unpacker) = (self.remote, Unpacker::default());
        for (at, result) in self.results.iter().enumerate().filter(|(_, result)| !result.inlined.is_empty()) {
            let contents: Vec<_> = result.contents().collect();
            let lacks = |(position, (_, blob)): (usize, &(Content, Blob))| {
                result.inlined.has(position) && wanted.contains_key(blob)
            };
            if !contents.iter().enumerate().any(lacks) {
                continue;
            }
            let Some(unpacked) = unpacker.unpack(&result.inlined, &contents) else {
                self.tallies[at].fault.get_or_insert_with(|| {
                    Fault::new(FaultKind::Damaged, "the contents in its record cannot be unpacked")
                });
                continue;
            };
            for (position, bytes) in unpacked {
                let blob = contents[position].1;
                let Some(mut waiting) = wanted.remove(&blob) else { continue };
                let answer = remote.keep(&blob, bytes, local);
                if answer.is_err() {
                    let (own, others) = waiting.into_iter().partition(|(waits, _)| *waits == at);
                    waiting = own;
                    wanted.extend(Some((blob, others)).filter(|(_, others)| !others.is_empty()));
                }
                self.settle(&blob, &waiting, &answer);
            }
        }
        // Nobody needs what only results wait for that lack something else.
        wanted.retain(|_, waiting| waiting.iter().any(|(at, _)| self.tallies[*at].fault.is_none()));
    }

    fn fetch_small(&mut self, blobs: &[Blob], waiting: &BTreeMap<Blob, Waiting>, local: &dyn Contents) {
        let (remote, added) = (self.remote, Mutex::new(HashMap::new()));
        let connection = &remote.shared.connection;
        // Runs on this thread, between two answers.
        let got = |blob: Blob, bytes: Vec<u8>| {
            let answer = remote.keep(&blob, &bytes, local);
            connection.note_answer();
            added.lock().unwrap_or_else(PoisonError::into_inner).insert(blob, answer);
        };
        let read = connection.call(async |service| service.read_small(blobs, &got).await);
        let mut added = added.into_inner().unwrap_or_else(PoisonError::into_inner);
        let absent = read
            .err()
            .unwrap_or_else(|| Fault::new(FaultKind::Missing, "the remote does not have all of its contents"));
        for blob in blobs {
            let answer = added.remove(blob).unwrap_or_else(|| Err(absent.clone()));
            self.settle(blob, waiting.get(blob).map_or(&[], Vec::as_slice), &answer);
        }
    }

    fn fetch_large(&mut self, large: BTreeMap<Blob, Waiting>, local: &dyn Contents) {
        let remote = self.remote;
        let count = STREAMS.min(large.len());
        let failed: Vec<_> = self.tallies.iter().map(|tally| AtomicBool::new(tally.fault.is_some())).collect();
        let queue = Mutex::new(large.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            let (to, from) = channel();
            for _ in 0..count {
                let (to, next, failed) = (to.clone(), &next, &failed);
                scope.spawn(move || {
                    while let Some((blob, waiting)) = next() {
                        // Nobody needs what only results wait for that lack something else.
                        if waiting.iter().all(|(at, _)| failed[*at].load(Ordering::Relaxed)) {
                            continue;
                        }
                        let answer = match remote.stream(&blob, local) {
                            // Once more from the start.
                            Err(fault) if fault.kind == FaultKind::Transient => remote.stream(&blob, local),
                            answer => answer,
                        };
                        // The receiver lives as long as the scope.
                        let _ = to.send((blob, waiting, answer));
                    }
                });
            }
            drop(to);
            for (blob, waiting, answer) in from {
                self.settle(&blob, &waiting, &answer);
                for (at, _) in waiting {
                    failed[at].store(self.tallies[at].fault.is_some(), Ordering::Relaxed);
                }
                self.tell();
            }
        });
    }

    /// Notes what came of a content.
    fn settle(&mut self, blob: &Blob, waiting: &[(usize, Content)], answer: &Result<Content, Fault>) {
        if matches!(answer, Err(fault) if fault.kind == FaultKind::Damaged) {
            self.remote.shared.damaged().insert(*blob);
        }
        for (at, content) in waiting {
            let tally = &mut self.tallies[*at];
            let fault = match answer {
                // The record claims that two digests are of one content; the local one is used from now on.
                Ok(added) if added == content => {
                    tally.left -= 1;
                    continue;
                }
                Ok(_) => damaged(blob),
                Err(fault) => fault.clone(),
            };
            tally.fault.get_or_insert(fault);
        }
    }

    fn fail_rest(&mut self, fault: &Fault) {
        for tally in self.tallies.iter_mut().filter(|tally| tally.left > 0) {
            tally.fault.get_or_insert_with(|| fault.clone());
        }
        self.tell();
    }

    /// Tells of the results of which it is known by now what came of them.
    fn tell(&mut self) {
        let shared = &self.remote.shared;
        for (at, (tally, result)) in self.tallies.iter_mut().zip(self.results).enumerate() {
            if tally.is_told || (tally.fault.is_none() && tally.left > 0) {
                continue;
            }
            tally.is_told = true;
            let fetch = match &tally.fault {
                None => {
                    shared.counters.hits.fetch_add(1, Ordering::Relaxed);
                    Fetch::Whole { bytes: tally.bytes }
                }
                Some(fault) if matches!(fault.kind, FaultKind::Damaged | FaultKind::Missing) => {
                    shared.connection.refuse(|| format!("the result of `{}`", result.result.label), fault);
                    Fetch::Refused(fault.message.clone())
                }
                Some(_) => Fetch::Failed,
            };
            (self.came)(at, fetch);
        }
    }
}

/// Divides contents into groups that are asked for together.
fn groups(blobs: &[Blob]) -> impl Iterator<Item = &[Blob]> {
    let mut rest = blobs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |blob: &&Blob| {
            bytes += blob.length;
            bytes <= TOGETHER
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (group, after) = rest.split_at(count);
        rest = after;
        (!group.is_empty()).then_some(group)
    })
}
