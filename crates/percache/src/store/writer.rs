//! Results and blobs that wait to be written, and the session that writes them. When it is, `db::write_behind` says.
//!
//! A session that fails ends all writing: the caller is told once, and loses speed, nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::digest::Digest;
use crate::db::engine::{Engine, EngineError, Session};
use crate::db::write_behind::{AfterFailure, Batch, Limits, Sink, WriteBehind, WriteError};
use crate::store::id::Fingerprint;
use crate::store::layout::{
    BLOBS, INDEX, PARTS, RESULTS, Sizes, digest_key, kind, path_set_key, result_key, time_from,
};
use crate::store::manifest::PathSet;
use crate::store::origin::Origin;
use crate::store::record::{Content, ResultKey, StoredResult};

/// When a session begins.
const LIMITS: Limits = Limits { enough: 64 << 20, too_much: 256 << 20, oldest: Duration::from_secs(1) };
/// How long a session waits for another process to finish its own.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Guards that collect at the most: each may keep a file open.
const GUARDS: usize = 256;
/// Path sets that are kept for one fingerprint.
const PATH_SETS: usize = 16;

/// A result to be recorded.
#[derive(Clone, Debug)]
pub struct NewResult {
    /// Its name.
    pub key: ResultKey,
    /// The result.
    pub result: StoredResult,
    /// What was hashed into its key, for `why`; opaque here.
    pub parts: Vec<u8>,
    /// Its discovered inputs, if it can have any.
    pub paths: Option<PathSet>,
    /// Where it came from, if it was not made here.
    pub origin: Option<Origin>,
}

/// A blob to be written: the length of the piece, and its stored form.
pub struct Packed {
    /// Length of the piece.
    pub length: u32,
    /// Its stored form.
    pub bytes: Vec<u8>,
    /// Whether the store's own is known to be missing or damaged, whatever the index says.
    pub anew: bool,
}

/// What one session writes.
#[derive(Default)]
pub struct Pending {
    /// Blobs by digest.
    pub blobs: HashMap<Digest, Arc<Packed>>,
    /// Contents that consist of several blobs.
    pub lists: HashMap<Digest, Vec<Digest>>,
    /// Results by key.
    pub results: HashMap<ResultKey, Arc<NewResult>>,
    /// Dropped when the results are written.
    guards: Vec<Guard>,
    bytes: usize,
}

/// Something that is kept until a result is written: a lock for which others wait who want that result.
pub type Guard = Box<dyn std::any::Any + Send + Sync>;

/// A session that wrote.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// When it began.
    pub begin: Instant,
    /// When it ended.
    pub end: Instant,
    /// How many results it wrote.
    pub results: usize,
    /// How many bytes, roughly.
    pub bytes: usize,
}

impl Batch for Pending {
    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.lists.is_empty() && self.results.is_empty()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_enough(&self) -> bool {
        self.guards.len() >= GUARDS
    }

    /// Blobs that no result names yet are nothing to lose.
    fn is_pressing(&self) -> bool {
        !self.results.is_empty()
    }
}

/// Writes to the database.
struct Sessions {
    engine: Arc<dyn Engine>,
    written: Mutex<Vec<Written>>,
}

impl Sink for Sessions {
    type Batch = Pending;

    fn write(&self, batch: &Pending) -> Result<(), EngineError> {
        let begin = Instant::now();
        let answer = write(&*self.engine, batch);
        let (end, results, bytes) = (Instant::now(), batch.results.len(), batch.bytes);
        let written = Written { begin, end, results, bytes };
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(written);
        answer
    }

    /// A store that cannot be written to cannot be for the next task either: a build would wait for each.
    fn after_failure(&self, _batch: &Pending, _error: &EngineError) -> AfterFailure<Pending> {
        AfterFailure::End
    }
}

/// Collects, and writes in the background.
pub struct Writer(WriteBehind<Sessions>);

impl Writer {
    /// Nothing collected; no thread yet.
    pub fn new(engine: Arc<dyn Engine>) -> Writer {
        Writer(WriteBehind::new(Sessions { engine, written: Mutex::default() }, LIMITS))
    }

    /// Adds a blob; waits while too much has collected.
    pub fn add_blob(&self, digest: Digest, packed: Packed) {
        let bytes = packed.bytes.len() + 64;
        self.add(|pending| {
            if pending.blobs.insert(digest, Arc::new(packed)).is_none() {
                pending.bytes += bytes;
            }
        });
    }

    /// Adds the list of a content whose blobs were added.
    pub fn add_list(&self, content: Digest, list: Vec<Digest>) {
        self.add(|pending| {
            pending.bytes += 20 * list.len() + 64;
            pending.lists.insert(content, list);
        });
    }

    /// Adds a result whose contents were added; `guard` is dropped when it is written.
    pub fn add_result(&self, result: NewResult, guard: Option<Guard>) {
        self.add(|pending| {
            pending.bytes += result.parts.len() + 64 * result.result.outputs.len() + 256;
            pending.results.insert(result.key, Arc::new(result));
            pending.guards.extend(guard);
        });
    }

    fn add(&self, add: impl FnOnce(&mut Pending)) {
        // Whoever flushes is told why nothing is written.
        let _ = self.0.add(add);
    }

    /// Whether writing has failed; then adding is in vain.
    pub fn failed(&self) -> Option<EngineError> {
        self.0.ended()
    }

    /// The sessions that wrote so far.
    pub fn sessions(&self) -> Vec<Written> {
        self.0.sink().written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks something up in what waits to be written.
    pub fn find<T>(&self, look: impl FnMut(&Pending) -> Option<T>) -> Option<T> {
        self.0.find(look)
    }

    /// Has everything that has collected written, without waiting for it.
    pub fn begin_flush(&self) {
        self.0.begin_flush();
    }

    /// Writes everything that has collected, and waits for it.
    pub fn flush(&self) -> Result<(), EngineError> {
        self.0.flush().map_err(WriteError::into_cause)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever wants to know has flushed before.
        let _ = self.0.close();
    }
}

/// One session.
fn write(engine: &dyn Engine, batch: &Pending) -> Result<(), EngineError> {
    let mut session = engine.brief_session(PATIENCE)?;
    for (digest, packed) in &batch.blobs {
        let key = digest_key(kind::SIZES, digest);
        if packed.anew || !session.contains(INDEX, &key)? {
            session.put(BLOBS, digest.as_bytes(), &packed.bytes)?;
            let sizes = Sizes { length: packed.length, stored: packed.bytes.len() as u32 };
            session.put(INDEX, &key, &sizes.to_bytes())?;
        }
    }
    for (content, list) in &batch.lists {
        session.put(INDEX, &digest_key(kind::LIST, content), list.concat_bytes().as_slice())?;
    }
    for new in batch.results.values() {
        // A gc of another process may have taken a blob that we found and therefore did not add.
        if complete(&*session, batch, &new.result)? {
            put_result(&mut *session, new)?;
        } else {
            log::warn!("the result of `{}` is not kept: a blob that it shares was removed meanwhile", new.result.label);
        }
    }
    session.commit()
}

fn put_result(session: &mut dyn Session, new: &NewResult) -> Result<(), EngineError> {
    session.put(RESULTS, &result_key(kind::RESULT, &new.key), &new.result.encode())?;
    session.put(PARTS, &new.key.to_bytes(), &new.parts)?;
    if let Some(origin) = &new.origin {
        session.put(RESULTS, &result_key(kind::ORIGIN, &new.key), &origin.encode(new.result.created))?;
    }
    let Some(paths) = &new.paths else { return Ok(()) };
    let encoded = paths.encode();
    let key = path_set_key(&new.result.fingerprint, &Digest::of(&encoded));
    for old in oldest_path_sets(session, &new.result.fingerprint)? {
        session.delete(RESULTS, &old)?;
    }
    let mut value = new.result.created.to_le_bytes().to_vec();
    value.extend_from_slice(&encoded);
    session.put(RESULTS, &key, &value)
}

/// Keys of the path sets that have to go so that one more has room.
fn oldest_path_sets(session: &dyn Session, fingerprint: &Fingerprint) -> Result<Vec<Vec<u8>>, EngineError> {
    let mut sets = Vec::new();
    session.scan(RESULTS, &digest_key(kind::PATHS, fingerprint.digest()), &mut |key, value| {
        sets.push((time_from(value), key.to_vec()));
        std::ops::ControlFlow::Continue(())
    })?;
    sets.sort();
    sets.truncate(sets.len().saturating_sub(PATH_SETS - 1));
    Ok(sets.into_iter().map(|(_, key)| key).collect())
}

/// Whether everything that a result refers to is in the store or in the batch.
fn complete(session: &dyn Session, batch: &Pending, result: &StoredResult) -> Result<bool, EngineError> {
    for content in result.contents() {
        if !present(session, batch, &content)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn present(session: &dyn Session, batch: &Pending, content: &Content) -> Result<bool, EngineError> {
    let blob = |digest: &Digest| -> Result<bool, EngineError> {
        Ok(batch.blobs.contains_key(digest) || session.contains(INDEX, &digest_key(kind::SIZES, digest))?)
    };
    if content.length <= crate::store::layout::CHUNKED_ABOVE {
        return blob(&content.digest);
    }
    match batch.lists.get(&content.digest) {
        None => session.contains(INDEX, &digest_key(kind::LIST, &content.digest)),
        Some(list) => list.iter().try_fold(true, |all, digest| Ok(all && blob(digest)?)),
    }
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<Digest> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|digest| digest.0).collect()
    }
}
