//! Writes changes in one session, and of what does not fit as much as does.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::{Database, PATIENCE, column};
use crate::backend::Table;
use crate::backend::overlay::{Change, Changes};
use crate::base::digest::Digest;
use crate::db::engine::{EngineError, Session};
use crate::db::write_behind::{AfterFailure, Batch, Sink};

/// Puts changes into a session.
fn put<'a>(
    session: &mut dyn Session,
    changes: impl Iterator<Item = (&'a (Table, Digest), &'a Change)>,
) -> Result<(), EngineError> {
    for ((table, key), change) in changes {
        match change {
            Some(value) => session.put(column(*table), key.as_bytes(), value)?,
            None => session.delete(column(*table), key.as_bytes())?,
        }
    }
    Ok(())
}

impl Sink for Database {
    type Batch = Changes;

    fn write(&self, changes: &Changes) -> Result<(), EngineError> {
        self.note_removals(changes);
        self.write_together(changes.all())
    }

    fn publish(&self) -> Result<(), EngineError> {
        if self.is_closed() { Ok(()) } else { self.renewed_view().map(drop) }
    }

    /// What does not fit today may fit tomorrow, and is not lost until then.
    fn after_failure(&self, changes: &Changes, error: &EngineError) -> AfterFailure<Changes> {
        let written = self.write_what_fits(changes, error);
        AfterFailure::TryAgain { rest: changes.but(|key| written.contains(key)), merge: Changes::merge }
    }
}

impl Database {
    /// Writes the changes, and gives the space of what was removed back to the file system, which may take a while.
    /// Returns whether there was anything to do.
    pub(super) fn write_and_compact(&self, changes: &Changes) -> Result<bool, EngineError> {
        if !self.note_removals(changes) {
            return if changes.is_empty() { Ok(false) } else { self.write_together(changes.all()).map(|()| true) };
        }
        let mut session = self.engine.session(PATIENCE)?;
        put(&mut *session, changes.all())?;
        session.commit_and_compact()?;
        self.removed.store(false, Ordering::Relaxed);
        Ok(true)
    }

    /// Returns whether anything was removed whose space the file system does not have back.
    fn note_removals(&self, changes: &Changes) -> bool {
        let removes = changes.all().any(|(_, change)| change.is_none());
        self.removed.fetch_or(removes, Ordering::Relaxed) || removes
    }

    fn write_together<'a>(
        &self,
        changes: impl Iterator<Item = (&'a (Table, Digest), &'a Change)>,
    ) -> Result<(), EngineError> {
        let mut session = self.engine.brief_session(PATIENCE)?;
        put(&mut *session, changes)?;
        session.commit()
    }

    /// Writes of changes that cannot be written together as many results as fit, the smallest first: on a disk that is
    /// full, one large result does not take all others with it. Returns the keys that were written.
    fn write_what_fits(&self, changes: &Changes, error: &EngineError) -> HashSet<Digest> {
        let mut written = HashSet::new();
        // Only space is a matter of how much is written.
        let EngineError::Io(_) = error else { return written };
        let mut by_key: HashMap<Digest, (usize, Vec<_>)> = HashMap::new();
        for (place, change) in changes.all() {
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
            match self.write_together(next.iter().flat_map(|(_, (_, of_key))| of_key.iter().copied())) {
                Ok(()) => {
                    written.extend(next.iter().map(|(key, _)| *key));
                    rest = after;
                }
                Err(_) => many /= 2,
            }
        }
        written
    }
}
