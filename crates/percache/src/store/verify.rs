//! Checks every record and blob of the store, and removes what is broken when asked to.
//!
//! A blob is whole when its bytes have the digest that names it; a result is whole when it can be decoded and everything that it
//! refers to is there and whole.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::base::digest::{Digest, Hasher};
use crate::db::engine::{Engine, EngineError, View};
use crate::store::blob;
use crate::store::layout::{BLOBS, CHUNKED_ABOVE, INDEX, PARTS, RESULTS, digest_key, kind, list_from, result_key};
use crate::store::record::{ResultKey, StoredResult};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Whole results.
    pub results: u64,
    /// Whole blobs.
    pub blobs: u64,
    /// Blobs whose bytes are not what their name says, or that the index and the blobs do not agree on.
    pub broken_blobs: Vec<Digest>,
    /// Contents whose list is broken or does not give them.
    pub broken_lists: Vec<Digest>,
    /// Results that refer to something broken or missing, with their label; of one that cannot be decoded the label is unknown.
    pub broken_results: Vec<(Vec<u8>, Option<String>)>,
    /// Commits that cannot be read any more.
    pub lost_commits: usize,
}

impl Findings {
    /// Whether nothing is broken.
    pub fn is_sound(&self) -> bool {
        let all = self.broken_blobs.is_empty() && self.broken_lists.is_empty() && self.broken_results.is_empty();
        all && self.lost_commits == 0
    }
}

/// Goes through everything. What seems broken is looked at again while nobody writes: a gc of another process takes files away that the
/// first look refers to.
pub fn check(engine: &dyn Engine, patience: Duration) -> Result<Findings, EngineError> {
    let verify = |view: &dyn View| Ok(Findings { lost_commits: engine.lost()?, ..verify(view)? });
    let first = engine.view().and_then(|view| verify(&*view));
    if first.as_ref().is_ok_and(Findings::is_sound) {
        return first;
    }
    let mut findings = Findings::default();
    engine.undisturbed(patience, &mut |view| {
        findings = verify(view)?;
        Ok(())
    })?;
    Ok(findings)
}

/// Goes through everything.
pub fn verify(view: &dyn View) -> Result<Findings, EngineError> {
    let mut findings = Findings::default();
    let whole = blobs(view, &mut findings)?;
    let lists = lists(view, &whole, &mut findings)?;
    // What stands in these says nothing that could be checked; but it can be read.
    let beside = [(PARTS, &[][..]), (RESULTS, &[kind::PATHS]), (RESULTS, &[kind::USED]), (RESULTS, &[kind::ORIGIN])];
    for (column, prefix) in beside {
        view.scan(column, prefix, &mut |_, _| ControlFlow::Continue(()))?;
    }
    view.scan(RESULTS, &[kind::RESULT], &mut |key, value| {
        match StoredResult::decode(value) {
            Ok(result) if refers_to_whole(&result, &whole, &lists) => findings.results += 1,
            Ok(result) => findings.broken_results.push((key[1..].to_vec(), Some(result.label))),
            Err(_) => findings.broken_results.push((key[1..].to_vec(), None)),
        }
        ControlFlow::Continue(())
    })?;
    Ok(findings)
}

/// Removes what [`verify`] finds broken; everything whole stays.
pub fn repair(engine: &dyn Engine, patience: Duration) -> Result<Findings, EngineError> {
    let mut session = engine.session(patience)?;
    let findings = Findings { lost_commits: engine.lost()?, ..verify(&*session)? };
    for digest in &findings.broken_blobs {
        session.delete(BLOBS, digest.as_bytes())?;
        session.delete(INDEX, &digest_key(kind::SIZES, digest))?;
    }
    for digest in &findings.broken_lists {
        session.delete(INDEX, &digest_key(kind::LIST, digest))?;
    }
    for (key, _) in &findings.broken_results {
        session.delete(PARTS, key)?;
        let key = [&[kind::RESULT], key.as_slice()].concat();
        session.delete(RESULTS, &key)?;
        if let Some(key) = ResultKey::from_bytes(&key[1..]) {
            session.delete(RESULTS, &result_key(kind::USED, &key))?;
            session.delete(RESULTS, &result_key(kind::ORIGIN, &key))?;
        }
    }
    if findings.is_sound() {
        session.commit()?
    } else {
        session.commit_and_compact()?
    }
    Ok(findings)
}

/// The whole blobs.
fn blobs(view: &dyn View, findings: &mut Findings) -> Result<HashSet<Digest>, EngineError> {
    let mut indexed = HashSet::new();
    view.scan(INDEX, &[kind::SIZES], &mut |key, _| {
        indexed.extend(Digest::from_slice(&key[1..]));
        ControlFlow::Continue(())
    })?;
    let mut whole = HashSet::new();
    // One by one and not by a scan: a blob that cannot be read must not hide those behind it.
    for digest in indexed {
        let mut sound = false;
        let check = &mut |bytes: &[u8]| sound = blob::unpack(bytes).is_some_and(|piece| Digest::of(&piece) == digest);
        // Not taken for broken when only the way to it is: it may well be whole.
        if let Err(e @ EngineError::Astray(_)) = view.read(BLOBS, digest.as_bytes(), check) {
            return Err(e);
        }
        if sound {
            findings.blobs += 1;
            whole.insert(digest);
        } else {
            findings.broken_blobs.push(digest);
        }
    }
    findings.broken_blobs.sort();
    Ok(whole)
}

/// The whole contents that consist of several blobs, with their lengths.
fn lists(
    view: &dyn View,
    whole: &HashSet<Digest>,
    findings: &mut Findings,
) -> Result<HashMap<Digest, u64>, EngineError> {
    let mut lists = Vec::new();
    view.scan(INDEX, &[kind::LIST], &mut |key, value| {
        lists.extend(Digest::from_slice(&key[1..]).map(|content| (content, list_from(value))));
        ControlFlow::Continue(())
    })?;
    let mut sound = HashMap::new();
    for (content, list) in lists {
        let list = list.filter(|list| list.iter().all(|digest| whole.contains(digest)));
        match list.and_then(|list| hash_list(view, &list)) {
            Some((digest, length)) if digest == content => {
                sound.insert(content, length);
            }
            _ => findings.broken_lists.push(content),
        }
    }
    Ok(sound)
}

fn hash_list(view: &dyn View, list: &[Digest]) -> Option<(Digest, u64)> {
    let (mut hasher, mut length) = (Hasher::new(), 0);
    for digest in list {
        let mut piece = None;
        view.read(BLOBS, digest.as_bytes(), &mut |bytes| piece = blob::unpack(bytes)).ok()?;
        let piece = piece?;
        hasher.update(&piece);
        length += piece.len() as u64;
    }
    Some((hasher.finish(), length))
}

fn refers_to_whole(result: &StoredResult, whole: &HashSet<Digest>, lists: &HashMap<Digest, u64>) -> bool {
    result.contents().all(|content| {
        if content.length <= CHUNKED_ABOVE {
            whole.contains(&content.digest)
        } else {
            lists.get(&content.digest) == Some(&content.length)
        }
    })
}
