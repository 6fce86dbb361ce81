//! What waits to be written, and the thread that writes it in short sessions.
//!
//! Results and blobs collect in memory, bounded in bytes; when enough has collected, or a result has waited long enough, or somebody
//! asks, one session writes everything. What waits can be read meanwhile. A session that fails ends all writing: the caller is told
//! once, and loses speed, nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::digest::Digest;
use crate::db::engine::{Engine, EngineError, Session};
use crate::store::id::Fingerprint;
use crate::store::layout::{BLOBS, INDEX, PARTS, RESULTS, Sizes, digest_key, kind, path_set_key, result_key};
use crate::store::manifest::PathSet;
use crate::store::record::{Content, ResultKey, StoredResult};

/// A session begins when this much has collected.
const ENOUGH: usize = 64 << 20;
/// Whoever adds waits while this much has collected.
const TOO_MUCH: usize = 256 << 20;
/// A result waits no longer than this: so much is lost at the most when the process is killed.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
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
    since: Option<Instant>,
}

/// Something that is kept until a result is written: a lock for which others wait who want that result.
pub type Guard = Box<dyn std::any::Any + Send + Sync>;

#[derive(Default)]
struct State {
    collecting: Pending,
    writing: Arc<Pending>,
    busy: bool,
    flush: bool,
    closing: bool,
    failed: Option<EngineError>,
    sessions: Vec<Written>,
}

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

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Collects, and writes in the background.
pub struct Writer {
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Nothing collected; no thread yet.
    pub fn new(engine: Arc<dyn Engine>) -> Writer {
        Writer { engine, shared: Arc::default(), thread: Mutex::new(None) }
    }

    /// Adds a blob; waits while too much has collected.
    pub fn add_blob(&self, digest: Digest, packed: Packed) {
        let bytes = packed.bytes.len() + 64;
        let mut state = self.shared.state();
        while state.failed.is_none() && state.collecting.bytes + state.writing.bytes > TOO_MUCH {
            state = self.shared.wait(state);
        }
        if state.failed.is_none() && state.collecting.blobs.insert(digest, Arc::new(packed)).is_none() {
            self.added(state, bytes);
        }
    }

    /// Adds the list of a content whose blobs were added.
    pub fn add_list(&self, content: Digest, list: Vec<Digest>) {
        let mut state = self.shared.state();
        if state.failed.is_none() {
            let bytes = 20 * list.len() + 64;
            state.collecting.lists.insert(content, list);
            self.added(state, bytes);
        }
    }

    /// Adds a result whose contents were added; `guard` is dropped when it is written.
    pub fn add_result(&self, result: NewResult, guard: Option<Guard>) {
        let mut state = self.shared.state();
        if state.failed.is_none() {
            let bytes = result.parts.len() + 64 * result.result.outputs.len() + 256;
            state.collecting.since.get_or_insert_with(Instant::now);
            state.collecting.results.insert(result.key, Arc::new(result));
            state.collecting.guards.extend(guard);
            self.added(state, bytes);
        }
    }

    fn added(&self, mut state: MutexGuard<'_, State>, bytes: usize) {
        state.collecting.bytes += bytes;
        let wake = state.collecting.is_much() || state.collecting.results.len() == 1;
        drop(state);
        self.start();
        if wake {
            self.shared.changed.notify_all();
        }
    }

    /// Whether writing has failed; then adding is in vain.
    pub fn failed(&self) -> Option<EngineError> {
        self.shared.state().failed.clone()
    }

    /// The sessions that wrote so far.
    pub fn sessions(&self) -> Vec<Written> {
        self.shared.state().sessions.clone()
    }

    /// Looks something up in what waits to be written.
    pub fn find<T>(&self, look: impl Fn(&Pending) -> Option<T>) -> Option<T> {
        let state = self.shared.state();
        look(&state.collecting).or_else(|| look(&state.writing))
    }

    /// Has everything that has collected written, without waiting for it.
    pub fn begin_flush(&self) {
        let mut state = self.shared.state();
        if !state.collecting.is_empty() {
            state.flush = true;
            self.shared.changed.notify_all();
        }
    }

    /// Writes everything that has collected, and waits for it.
    pub fn flush(&self) -> Result<(), EngineError> {
        let mut state = self.shared.state();
        while state.failed.is_none() && (state.busy || !state.collecting.is_empty()) {
            state.flush = true;
            self.shared.changed.notify_all();
            state = self.shared.wait(state);
        }
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn start(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (engine, shared) = (self.engine.clone(), self.shared.clone());
            let body = move || run(&*engine, &shared);
            match std::thread::Builder::new().name("percache-writer".into()).spawn(body) {
                Ok(handle) => *thread = Some(handle),
                Err(e) => self.shared.state().failed = Some(EngineError::Io(e.to_string())),
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.lists.is_empty() && self.results.is_empty()
    }

    /// Whether it is worth a session.
    fn is_much(&self) -> bool {
        self.bytes >= ENOUGH || self.guards.len() >= GUARDS
    }

    /// How long a result may still wait.
    fn patience(&self) -> Option<Duration> {
        self.since.map(|since| LONG_ENOUGH.saturating_sub(since.elapsed()))
    }
}

impl State {
    fn due(&self) -> bool {
        !self.collecting.is_empty()
            && (self.flush
                || self.closing
                || self.collecting.is_much()
                || self.collecting.patience() == Some(Duration::ZERO))
    }
}

/// The thread.
fn run(engine: &dyn Engine, shared: &Shared) {
    let mut state = shared.state();
    loop {
        while !state.due() {
            if state.closing {
                return;
            }
            state = match state.collecting.patience() {
                None => shared.wait(state),
                Some(left) => shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        let batch = Arc::new(std::mem::take(&mut state.collecting));
        state.writing = batch.clone();
        (state.busy, state.flush) = (true, false);
        drop(state);
        let begin = Instant::now();
        // A panic in here must not leave those who wait for a flush waiting for ever.
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| write(engine, &batch)))
            .unwrap_or_else(|_| Err(EngineError::Io("the writing thread panicked".into())));
        state = shared.state();
        let (end, results, bytes) = (Instant::now(), batch.results.len(), batch.bytes);
        state.sessions.push(Written { begin, end, results, bytes });
        state.busy = false;
        state.writing = Arc::default();
        if let Err(error) = written {
            state.failed = Some(error);
            state.collecting = Pending::default();
        }
        shared.changed.notify_all();
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
        sets.push((value.first_chunk::<8>().map(|time| u64::from_le_bytes(*time)), key.to_vec()));
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
