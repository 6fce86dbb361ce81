//! Garbage collection: which results go, and with them every blob that nothing refers to any more. Mark and sweep.
//!
//! The one procedure behind `gc` and `clear`: first the results that the policy names, then the least recently used above a size,
//! then what is left without a reference.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::db::engine::{Column, Engine, EngineError, Session, View};
use crate::store::id::Fingerprint;
use crate::store::layout::{
    BLOBS, CHUNKED_ABOVE, INDEX, PARTS, RESULTS, Sizes, digest_key, kind, list_from, result_key,
};
use crate::store::record::{Content, ResultKey, StoredResult};
use crate::store::stats::{last_use, times_of_use};

/// Which results go.
pub struct Policy<'a> {
    /// Those that were not used since then.
    pub unused_since: Option<Time>,
    /// The least recently used, until the blobs that are left take no more than this many bytes.
    pub maxsize: Option<u64>,
    /// Only results of which this is true, with their label, go; blobs without a reference always do.
    pub only: Option<&'a dyn Fn(&str) -> bool>,
    /// Uses that the store does not know of; they are recorded.
    pub used: &'a HashMap<ResultKey, Time>,
    /// Give space back to the file system only when at least this share of all blobs went; 0: whenever anything went.
    pub worthwhile: f64,
}

/// What went and what is left. Sizes in bytes, as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Results removed.
    pub results: u64,
    /// Results left.
    pub results_left: u64,
    /// Blobs removed.
    pub blobs: u64,
    /// Their size.
    pub bytes: u64,
    /// The size of the blobs left.
    pub bytes_left: u64,
}

/// Carries a policy out; waits at most `patience` for another writer.
pub fn collect(engine: &dyn Engine, policy: &Policy<'_>, patience: Duration) -> Result<Collected, EngineError> {
    let mut session = engine.session(patience)?;
    let (plan, collected) = Plan::make(&*session, policy)?;
    plan.sweep(&mut *session, policy)?;
    let all = collected.bytes + collected.bytes_left;
    let went = collected.results + collected.blobs > 0;
    if went && collected.bytes as f64 >= policy.worthwhile * all as f64 {
        session.commit_and_compact()?;
    } else {
        session.commit()?;
    }
    Ok(collected)
}

/// What [`collect`] would do.
pub fn preview(engine: &dyn Engine, policy: &Policy<'_>) -> Result<Collected, EngineError> {
    Ok(Plan::make(&*engine.view()?, policy)?.1)
}

struct Plan {
    results: HashMap<ResultKey, Held>,
    fingerprints: HashSet<Fingerprint>,
    pieces: HashMap<Digest, Piece>,
    lists: HashMap<Digest, Vec<Digest>>,
    live_lists: HashSet<Digest>,
}

/// What gc needs to know about a result.
struct Held {
    last: Time,
    contents: Vec<Content>,
    fingerprint: Fingerprint,
    /// Whether it keeps the contents of its outputs. One that does not takes next to no space.
    keeps: bool,
    stays: bool,
}

struct Piece {
    stored: u64,
    references: u32,
}

impl Plan {
    fn make(view: &dyn View, policy: &Policy<'_>) -> Result<(Plan, Collected), EngineError> {
        let mut plan = Plan {
            results: results(view, policy)?,
            fingerprints: HashSet::new(),
            pieces: pieces(view)?,
            lists: lists(view)?,
            live_lists: HashSet::new(),
        };
        let marked: Vec<ResultKey> = plan.staying();
        for key in &marked {
            plan.refer(key);
        }
        if let Some(maxsize) = policy.maxsize {
            plan.shrink(marked, maxsize);
        }
        plan.mark_names();
        let collected = plan.count();
        Ok((plan, collected))
    }

    fn staying(&self) -> Vec<ResultKey> {
        self.results.iter().filter(|(_, held)| held.stays).map(|(key, _)| *key).collect()
    }

    /// The pieces of a result, each as often as it refers to them.
    fn pieces_of(&self, key: &ResultKey) -> Vec<Digest> {
        let Some(held) = self.results.get(key) else { return Vec::new() };
        let mut digests = Vec::with_capacity(held.contents.len());
        for content in &held.contents {
            match self.lists.get(&content.digest) {
                Some(list) if content.length > CHUNKED_ABOVE => digests.extend_from_slice(list),
                _ => digests.push(content.digest),
            }
        }
        digests
    }

    fn refer(&mut self, key: &ResultKey) {
        for digest in self.pieces_of(key) {
            if let Some(piece) = self.pieces.get_mut(&digest) {
                piece.references += 1;
            }
        }
    }

    /// Lets go of the least recently used results until the rest fits.
    fn shrink(&mut self, mut candidates: Vec<ResultKey>, maxsize: u64) {
        let mut live: u64 = self.pieces.values().filter(|piece| piece.references > 0).map(|piece| piece.stored).sum();
        candidates.sort_by_key(|key| (self.results.get(key).map(|held| held.last), *key));
        for key in candidates {
            if live <= maxsize {
                return;
            }
            if self.results.get(&key).is_some_and(|held| !held.keeps) {
                continue;
            }
            for digest in self.pieces_of(&key) {
                if let Some(piece) = self.pieces.get_mut(&digest) {
                    piece.references -= 1;
                    live -= if piece.references == 0 { piece.stored } else { 0 };
                }
            }
            if let Some(held) = self.results.get_mut(&key) {
                held.stays = false;
            }
        }
    }

    fn mark_names(&mut self) {
        for held in self.results.values().filter(|held| held.stays) {
            self.fingerprints.insert(held.fingerprint);
            self.live_lists.extend(held.contents.iter().filter(|c| c.length > CHUNKED_ABOVE).map(|c| c.digest));
        }
    }

    fn count(&self) -> Collected {
        let mut collected = Collected::default();
        for held in self.results.values() {
            *if held.stays { &mut collected.results_left } else { &mut collected.results } += 1;
        }
        for piece in self.pieces.values() {
            if piece.references > 0 {
                collected.bytes_left += piece.stored;
            } else {
                collected.blobs += 1;
                collected.bytes += piece.stored;
            }
        }
        collected
    }

    fn sweep(&self, session: &mut dyn Session, policy: &Policy<'_>) -> Result<(), EngineError> {
        for (digest, _) in self.pieces.iter().filter(|(_, piece)| piece.references == 0) {
            session.delete(BLOBS, digest.as_bytes())?;
            session.delete(INDEX, &digest_key(kind::SIZES, digest))?;
        }
        for digest in self.lists.keys().filter(|digest| !self.live_lists.contains(digest)) {
            session.delete(INDEX, &digest_key(kind::LIST, digest))?;
        }
        let stays = |key: &[u8]| {
            let held = ResultKey::from_bytes(key).and_then(|key| self.results.get(&key));
            held.is_some_and(|held| held.stays)
        };
        delete_unless(session, RESULTS, &[kind::RESULT], &|key| stays(&key[1..]))?;
        delete_unless(session, RESULTS, &[kind::USED], &|key| stays(&key[1..]))?;
        delete_unless(session, RESULTS, &[kind::ORIGIN], &|key| stays(&key[1..]))?;
        delete_unless(session, PARTS, &[], &stays)?;
        delete_unless(session, RESULTS, &[kind::PATHS], &|key| {
            key.get(1..21).and_then(Fingerprint::from_slice).is_some_and(|digest| self.fingerprints.contains(&digest))
        })?;
        for (key, time) in policy.used {
            if self.results.get(key).is_some_and(|held| held.stays && held.last == *time) {
                session.put(RESULTS, &result_key(kind::USED, key), &time.to_le_bytes())?;
            }
        }
        Ok(())
    }
}

fn results(view: &dyn View, policy: &Policy<'_>) -> Result<HashMap<ResultKey, Held>, EngineError> {
    let recorded = times_of_use(view)?;
    let mut results = HashMap::new();
    view.scan(RESULTS, &[kind::RESULT], &mut |key, value| {
        // What cannot be decoded stays out, and is thereby swept.
        if let (Some(key), Ok(result)) = (ResultKey::from_bytes(&key[1..]), StoredResult::decode(value)) {
            let last = last_use(&key, &result, &recorded, policy.used);
            let spared = policy.only.is_some_and(|only| !only(&result.label));
            let unused = policy.unused_since.is_some_and(|since| last <= since);
            let goes = !spared && (unused || (policy.unused_since.is_none() && policy.only.is_some()));
            let contents = result.contents().collect();
            let keeps = result.outputs.is_kept();
            results.insert(key, Held { last, contents, fingerprint: result.fingerprint, keeps, stays: !goes });
        }
        ControlFlow::Continue(())
    })?;
    Ok(results)
}

fn pieces(view: &dyn View) -> Result<HashMap<Digest, Piece>, EngineError> {
    let mut pieces = HashMap::new();
    view.scan(INDEX, &[kind::SIZES], &mut |key, value| {
        if let (Some(digest), Some(sizes)) = (Digest::from_slice(&key[1..]), Sizes::from_bytes(value)) {
            pieces.insert(digest, Piece { stored: u64::from(sizes.stored), references: 0 });
        }
        ControlFlow::Continue(())
    })?;
    Ok(pieces)
}

fn lists(view: &dyn View) -> Result<HashMap<Digest, Vec<Digest>>, EngineError> {
    let mut lists = HashMap::new();
    view.scan(INDEX, &[kind::LIST], &mut |key, value| {
        if let (Some(digest), Some(list)) = (Digest::from_slice(&key[1..]), list_from(value)) {
            lists.insert(digest, list);
        }
        ControlFlow::Continue(())
    })?;
    Ok(lists)
}

fn delete_unless(
    session: &mut dyn Session,
    column: Column,
    prefix: &[u8],
    stays: &dyn Fn(&[u8]) -> bool,
) -> Result<(), EngineError> {
    let mut doomed = Vec::new();
    session.scan(column, prefix, &mut |key, _| {
        if !stays(key) {
            doomed.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    doomed.iter().try_for_each(|key| session.delete(column, key))
}
