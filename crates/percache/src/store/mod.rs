//! The store: results and the contents that they refer to, in a database, named by digests.
//!
//! Reading opens the database for reading and takes no lock. What is added collects in memory and is written in short sessions by
//! a thread of the store's own ([`writer`]). Nothing here fails a build: errors are values that tell how much speed is lost.
//! Knows nothing of tasks, of how keys come about, or of where outputs go.

pub mod blob;
mod contents;
mod fresh;
pub mod gc;
pub mod growth;
pub mod id;
pub mod interface;
pub mod layout;
pub mod manifest;
#[cfg(feature = "rocksdb")]
pub mod open;
pub mod origin;
pub mod record;
pub mod stats;
pub mod verify;
pub mod writer;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::db::engine::{Column, Engine, EngineError, SharedView};
use crate::store::fresh::Fresh;
use crate::store::id::{ActionKey, Fingerprint, WorkspaceId};
use crate::store::layout::{PARTS, RESULTS, digest_key, kind, result_key, time_from};
use crate::store::manifest::PathSet;
use crate::store::origin::Origin;
use crate::store::record::{ResultKey, StoredResult};
use crate::store::writer::{Guard, NewResult, PATIENCE, Writer};

/// Why a content cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store does not have it, or not all of it.
    #[error("the store does not have {0}")]
    Missing(Digest),
    /// What the store has is something else.
    #[error("the store's copy of {0} is damaged")]
    Damaged(Digest),
    /// The database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Whoever takes the content.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Proof that a journal may be written: what it names is on the disk.
///
/// A journal that names a result which a power cut takes away would make the next build trust a result that is not there.
#[derive(Debug)]
pub struct Flushed(());

impl Flushed {
    /// For a journal that names no result that this process has recorded.
    pub fn nothing_new() -> Flushed {
        Flushed(())
    }
}

/// How often a file that a view refers to may be missing before that counts as damage.
const RENEWALS: usize = 20;

type ViewAtHand = (u64, Result<SharedView, EngineError>);

/// A store.
pub struct Store {
    engine: Arc<dyn Engine>,
    writer: Writer,
    /// The view at hand and the generation it was asked for at; or what was wrong then.
    view: Arc<Mutex<Option<ViewAtHand>>>,
    /// Opens it before it is asked for.
    opening: Mutex<Option<JoinHandle<()>>>,
    /// Blobs that turned out to be missing or damaged: written again when they are added, whatever the index says.
    broken: Mutex<HashSet<Digest>>,
    /// Contents that were added to be read soon.
    fresh: Fresh,
    renewals: AtomicUsize,
}

impl Store {
    /// A store on a database. Nothing is opened before it is needed.
    pub fn new(engine: Arc<dyn Engine>) -> Store {
        Store {
            writer: Writer::new(engine.clone()),
            engine,
            view: Arc::default(),
            opening: Mutex::new(None),
            broken: Mutex::default(),
            fresh: Fresh::default(),
            renewals: AtomicUsize::new(0),
        }
    }

    /// The database beneath it.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The result of this name.
    pub fn result(&self, key: &ResultKey) -> Result<Option<StoredResult>, EngineError> {
        if let Some(new) = self.writer.find(|pending| pending.results.get(key).cloned()) {
            return Ok(Some(new.result.clone()));
        }
        let value = self.get(RESULTS, &result_key(kind::RESULT, key))?;
        value.map(|bytes| StoredResult::decode(&bytes)).transpose().map_err(|e| EngineError::Damaged(e.to_string()))
    }

    /// What was hashed into the key of a result.
    pub fn parts(&self, key: &ResultKey) -> Result<Option<Vec<u8>>, EngineError> {
        match self.writer.find(|pending| pending.results.get(key).map(|new| new.parts.clone())) {
            Some(parts) => Ok(Some(parts)),
            None => self.get(PARTS, &key.to_bytes()),
        }
    }

    /// Returns where a result came from that was made at `made`; `None` if it was made here.
    pub fn origin(&self, key: &ResultKey, made: Time) -> Result<Option<Origin>, EngineError> {
        if let Some(origin) = self.writer.find(|pending| pending.results.get(key).map(|new| new.origin.clone())) {
            return Ok(origin);
        }
        let value = self.get(RESULTS, &result_key(kind::ORIGIN, key))?;
        let origin = value.map(|bytes| Origin::decode(&bytes, made)).transpose();
        Ok(origin.map_err(|e| EngineError::Damaged(e.to_string()))?.flatten())
    }

    /// The results with this label that are on the disk, in no order.
    pub fn results_of(&self, label: &str) -> Result<Vec<(ResultKey, StoredResult)>, EngineError> {
        self.results_with(&|of| of == label)
    }

    /// Returns the results on the disk whose label is wanted, in the order of their keys.
    pub fn results_with(
        &self,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(ResultKey, StoredResult)>, EngineError> {
        let mut results = Vec::new();
        self.view()?.1.scan(RESULTS, &[kind::RESULT], &mut |key, value| {
            if StoredResult::label_of(value).is_some_and(is_wanted)
                && let (Some(key), Ok(result)) = (ResultKey::from_bytes(&key[1..]), StoredResult::decode(value))
            {
                results.push((key, result));
            }
            ControlFlow::Continue(())
        })?;
        Ok(results)
    }

    /// Returns the results of an action that are tied to a directory and on the disk, each with that
    /// directory.
    pub fn tied_results(&self, action: &ActionKey) -> Result<Vec<(WorkspaceId, StoredResult)>, EngineError> {
        let mut results = Vec::new();
        self.view()?.1.scan(RESULTS, &digest_key(kind::RESULT, action.digest()), &mut |key, value| {
            if let Some(ResultKey { place: Some(place), .. }) = ResultKey::from_bytes(&key[1..])
                && let Ok(result) = StoredResult::decode(value)
            {
                results.push((place, result));
            }
            ControlFlow::Continue(())
        })?;
        Ok(results)
    }

    /// The path sets of a fingerprint, the newest first.
    pub fn path_sets(&self, fingerprint: &Fingerprint) -> Result<Vec<PathSet>, EngineError> {
        let pending = self.writer.find(|pending| {
            let of_it = pending.results.values().filter(|new| new.result.fingerprint == *fingerprint);
            let sets: Vec<_> =
                of_it.filter_map(|new| new.paths.clone().map(|paths| (new.result.created, paths))).collect();
            (!sets.is_empty()).then_some(sets)
        });
        let mut sets = pending.unwrap_or_default();
        self.view()?.1.scan(RESULTS, &digest_key(kind::PATHS, fingerprint.digest()), &mut |_, value| {
            if let Some(time) = time_from(value)
                && let Ok(paths) = PathSet::decode(&value[8..])
            {
                sets.push((time, paths));
            }
            ControlFlow::Continue(())
        })?;
        sets.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        Ok(sets.into_iter().map(|(_, paths)| paths).collect())
    }

    /// Records a result whose contents were added. `guard` is dropped when it is on the disk, and others can find it.
    pub fn record(&self, new: NewResult, guard: Option<Guard>) {
        self.writer.add_result(new, guard);
    }

    /// Removes results, as far as they are there. What was hashed into their keys stays, for explanations; that and contents that nothing
    /// refers to any more are left to gc.
    pub fn remove(&self, keys: &[ResultKey]) -> Result<(), EngineError> {
        self.writer.flush()?;
        let mut session = self.engine.brief_session(PATIENCE)?;
        for key in keys {
            session.delete(RESULTS, &result_key(kind::RESULT, key))?;
            session.delete(RESULTS, &result_key(kind::USED, key))?;
            session.delete(RESULTS, &result_key(kind::ORIGIN, key))?;
        }
        session.commit()
    }

    /// Grows with everything that anybody writes.
    pub fn generation(&self) -> u64 {
        self.engine.generation()
    }

    /// Returns a lower bound for the generation that the next lookup sees. If the generation has grown beyond it,
    /// somebody has written something that the lookup may miss.
    pub fn known_generation(&self) -> u64 {
        let at_hand = self.view.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(seen, _)| *seen);
        at_hand.unwrap_or_else(|| self.engine.generation())
    }

    /// Looks at nothing older than what is there now: a lookup that finds something may otherwise be answered as of an earlier moment.
    pub fn renew(&self) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The sessions that wrote to the database so far.
    pub fn sessions(&self) -> Vec<writer::Written> {
        self.writer.sessions()
    }

    /// Begins to write everything added; [`Store::flush`] waits for it.
    pub fn begin_flush(&self) {
        self.writer.begin_flush();
    }

    /// Writes everything added, and waits for it.
    pub fn flush(&self) -> Result<Flushed, EngineError> {
        self.writer.flush().map(|()| Flushed(()))
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let mut value = None;
        self.look(column, key, &mut |bytes| value = Some(bytes.to_vec()))?;
        Ok(value)
    }

    /// Reads from the view at hand, and once more from a new one when that fails or has nothing and somebody has written since, or
    /// when a file is gone that it refers to: another process may be giving space back.
    fn look(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        let (generation, view) = self.view()?;
        let first = view.read(column, key, found);
        if let Ok(true) = first {
            return first;
        }
        let same = self.engine.generation() == generation;
        match &first {
            Ok(_) | Err(EngineError::Damaged(_) | EngineError::Astray(_)) if same => return first,
            Err(_) if same => {
                // Where files are really missing, opening the database for each of them would take for ever.
                if self.renewals.fetch_add(1, Ordering::Relaxed) >= RENEWALS {
                    return first;
                }
                self.engine.forget_view();
            }
            _ => {}
        }
        self.renew();
        self.view()?.1.read(column, key, found)
    }

    /// Opens the database for reading, without waiting for it: soon something will be looked up.
    pub fn begin_view(&self) {
        let (engine, view) = (self.engine.clone(), self.view.clone());
        let open = move || drop(view_at_hand(&*engine, &view));
        // Without a thread, whoever looks something up opens it.
        let thread = std::thread::Builder::new().name("percache-opener".into()).spawn(open);
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = thread.ok();
    }

    fn view(&self) -> Result<(u64, SharedView), EngineError> {
        view_at_hand(&*self.engine, &self.view)
    }
}

fn view_at_hand(engine: &dyn Engine, at_hand: &Mutex<Option<ViewAtHand>>) -> Result<(u64, SharedView), EngineError> {
    let mut view = at_hand.lock().unwrap_or_else(PoisonError::into_inner);
    let (seen, answer) = match &*view {
        // What could not be opened cannot be opened for the next task either, until somebody has written.
        Some((seen, answer)) if answer.is_ok() || *seen == engine.generation() => (*seen, answer.clone()),
        // In this order: a commit in between makes the view look older than it is, never newer.
        _ => view.insert((engine.generation(), engine.view())).clone(),
    };
    answer.map(|view| (seen, view))
}

impl Drop for Store {
    fn drop(&mut self) {
        // A database must not be opened while the process ends.
        let opening = self.opening.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        opening.into_iter().for_each(|thread| drop(thread.join()));
    }
}
