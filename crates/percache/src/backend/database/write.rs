//! Writes the changes that wait: in one session, when they are old or many, and of what does not fit as much as does.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{MAX_AGE, OVERLAID, PATIENCE, Shared, Signal, TOO_MANY_BYTES, column, lock};
use crate::backend::overlay::{Change, Changes};
use crate::backend::{BackendError, Table};
use crate::base::digest::Digest;
use crate::db::engine::{EngineError, Session};

/// Writes changes in one session.
fn write_to<'a>(
    mut session: Box<dyn Session + '_>,
    changes: impl Iterator<Item = (&'a (Table, Digest), &'a Change)>,
    compacts: bool,
) -> Result<(), EngineError> {
    for ((table, key), change) in changes {
        match change {
            Some(value) => session.put(column(*table), key.as_bytes(), value)?,
            None => session.delete(column(*table), key.as_bytes())?,
        }
    }
    if compacts { session.commit_and_compact() } else { session.commit() }
}

impl Shared {
    /// Writes the changes that wait, unless the back-end is closed.
    pub(super) fn write(&self, compacts: bool) -> Result<(), BackendError> {
        self.check_open()?;
        self.write_now(compacts)
    }

    /// Writes the changes that wait; `Ok` means that all changes made before the call are permanent. `compacts`: gives the space of
    /// what was removed back to the file system, which may take a while.
    pub(super) fn write_now(&self, compacts: bool) -> Result<(), BackendError> {
        let mut removed = lock(&self.writing);
        let changes = self.overlay.write().unwrap_or_else(PoisonError::into_inner).take();
        *removed |= changes.values().any(Option::is_none);
        let compacts = compacts && *removed;
        if changes.is_empty() && !compacts {
            return Ok(());
        }
        let session = if compacts { self.engine.session(PATIENCE) } else { self.engine.brief_session(PATIENCE) };
        let written = session.and_then(|session| write_to(session, changes.iter(), compacts));
        let kept = match &written {
            Ok(()) => {
                *removed &= !compacts;
                None
            }
            Err(error) => Some(self.write_what_fits(&changes, error)),
        };
        let renewed = if self.is_closed() {
            Ok(())
        } else if written.is_ok() || kept.as_ref().is_some_and(|kept| !kept.is_empty()) {
            // Until the new picture is there, the overlay answers.
            self.renewed_view().map(|_| ())
        } else {
            Ok(())
        };
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        let waits = match &kept {
            None => {
                overlay.written();
                true
            }
            Some(kept) => overlay.failed(TOO_MANY_BYTES, |key| kept.contains(key)),
        };
        if overlay.is_empty() {
            self.state.fetch_and(!OVERLAID, Ordering::Release);
        }
        drop(overlay);
        match written {
            Ok(()) => renewed,
            Err(error) => {
                let note = if waits { "it will be tried again" } else { "what was to be written is dropped" };
                Err(BackendError::new(format!("results could not be written, {note}: {error}")))
            }
        }
    }

    /// Writes of changes that cannot be written together as many results as fit, the smallest first: on a disk that is
    /// full, one large result does not take all others with it. Returns the keys that were written.
    fn write_what_fits(&self, changes: &Changes, error: &EngineError) -> HashSet<Digest> {
        let mut written = HashSet::new();
        // Only space is a matter of how much is written.
        let EngineError::Io(_) = error else { return written };
        let mut by_key: HashMap<Digest, (usize, Vec<_>)> = HashMap::new();
        for (place, change) in changes {
            let (size, of_key) = by_key.entry(place.1).or_default();
            *size += change.as_ref().map_or(0, |value| value.len());
            of_key.push((place, change));
        }
        let mut results: Vec<_> = by_key.into_iter().collect();
        results.sort_unstable_by_key(|(key, (size, _))| (*size, *key));
        let mut rest = &results[..];
        let mut many = rest.len() / 2;
        while many > 0 && !rest.is_empty() {
            let (next, after) = rest.split_at(many.min(rest.len()));
            let all = next.iter().flat_map(|(_, (_, of_key))| of_key.iter().copied());
            let session = self.engine.brief_session(PATIENCE);
            match session.and_then(|session| write_to(session, all, false)) {
                Ok(()) => {
                    written.extend(next.iter().map(|(key, _)| *key));
                    rest = after;
                }
                Err(_) => many /= 2,
            }
        }
        written
    }

    /// What the writing thread does until the back-end is closed.
    pub(super) fn write_in_time(&self) {
        loop {
            let mut signal = lock(&self.signal);
            while !signal.waiting && !signal.closed {
                signal = self.changed.wait(signal).unwrap_or_else(PoisonError::into_inner);
            }
            let due = Instant::now() + MAX_AGE;
            while !signal.closed && !signal.urgent && Instant::now() < due {
                let left = due.saturating_duration_since(Instant::now());
                signal = self.changed.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            if signal.closed {
                return;
            }
            *signal = Signal::default();
            drop(signal);
            if let Err(error) = self.write_now(false) {
                log::warn!("percache: {error}");
            }
        }
    }
}
