//! Two stores, one over the other: what the lower one has fills the upper one when it is asked for.
//!
//! The upper store is local and is asked first. The other may be slow, incomplete, or in strange hands: its errors are
//! misses, and each of its contents is checked against its digest before anybody sees it. Results that are tied to a
//! directory never leave the machine: they are neither asked for nor recorded elsewhere.

use std::io::{self, Read, Write};

use super::ReadError;
use super::id::{ActionKey, Fingerprint, WorkspaceId};
use super::interface::{Contents, Results, Storage};
use super::layout::CHUNKED_ABOVE;
use super::manifest::PathSet;
use super::record::{Content, ResultKey, StoredResult};
use super::writer::{Guard, NewResult};
use crate::base::digest::Digest;
use crate::db::engine::EngineError;

/// Contents up to this size are read in batches of at most [`BATCH`] bytes.
const SMALL: u64 = 64 << 10;
/// What a batch holds at most. The Remote Execution API allows 4 MiB in a message.
const BATCH: u64 = 3 << 20;

/// A local store over another one.
pub struct Layered<'a, L, O> {
    local: &'a L,
    other: &'a O,
}

impl<'a, L: Storage, O: Storage> Layered<'a, L, O> {
    /// Puts a local store over another one.
    pub fn new(local: &'a L, other: &'a O) -> Layered<'a, L, O> {
        Layered { local, other }
    }

    /// Looks for a result in the other store. One that is found is recorded in the local store, with all its contents.
    fn fetch(&self, key: &ResultKey, paths: Option<&PathSet>) -> Option<StoredResult> {
        if key.place.is_some() {
            return None;
        }
        let result = seen("a result", self.other.result(key, paths))??;
        let contents: Vec<Content> = result.contents().collect();
        if let Err(e) = transfer(self.other, self.local, &contents) {
            log::info!("a result of `{}` is elsewhere, but cannot be had: {e}", result.label);
            return None;
        }
        let parts = seen("the parts of a key", self.other.parts(key)).flatten().unwrap_or_default();
        self.local.record(NewResult { key: *key, result: result.clone(), parts, paths: paths.cloned() }, None);
        Some(result)
    }
}

/// Copies those contents that `to` does not have.
fn transfer(from: &dyn Contents, to: &dyn Contents, contents: &[Content]) -> Result<(), ReadError> {
    let had = to.has(contents)?;
    let missing = contents.iter().zip(had).filter(|(_, had)| !had).map(|(content, _)| *content);
    let (small, large): (Vec<_>, Vec<_>) = missing.partition(|content| content.length <= SMALL);
    for batch in batches(&small) {
        for (content, answer) in batch.iter().zip(from.read_many(batch)) {
            keep(to, content, &answer?)?;
        }
    }
    large.iter().try_for_each(|content| copy(from, to, content))
}

/// Copies one content.
fn copy(from: &dyn Contents, to: &dyn Contents, content: &Content) -> Result<(), ReadError> {
    if content.length <= CHUNKED_ABOVE {
        let mut bytes = Vec::with_capacity(content.length as usize);
        from.read(content, &mut bytes)?;
        return keep(to, content, &bytes);
    }
    let (mut reader, mut writer) = io::pipe()?;
    std::thread::scope(|scope| {
        // The thread drops the writing end of the pipe, which ends the reading one.
        let read = scope.spawn(move || from.read(content, &mut writer));
        let added = to.add(&mut reader, &mut |_| ());
        // If it was not added, the pipe is still read to its end: the thread must not wait for a reader.
        let drained = io::copy(&mut reader, &mut io::sink());
        read.join().unwrap_or_else(|_| Err(io::Error::other("reading panicked").into()))?;
        drained?;
        // What is something else has been added under its own digest, where nothing refers to it.
        if added? == *content { Ok(()) } else { Err(ReadError::Damaged(content.digest)) }
    })
}

/// Adds a content, if these bytes are that content.
fn keep(to: &dyn Contents, content: &Content, mut bytes: &[u8]) -> Result<(), ReadError> {
    if bytes.len() as u64 != content.length || Digest::of(bytes) != content.digest {
        return Err(ReadError::Damaged(content.digest));
    }
    to.add(&mut bytes, &mut |_| ())?;
    Ok(())
}

/// Splits contents into runs of at most [`BATCH`] bytes.
fn batches(contents: &[Content]) -> Vec<&[Content]> {
    let (mut batches, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (at, content) in contents.iter().enumerate() {
        bytes += content.length;
        if bytes > BATCH {
            batches.push(&contents[begin..at]);
            (begin, bytes) = (at, content.length);
        }
    }
    batches.push(&contents[begin..]);
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Returns the answer of the other store. Its errors are no reason to do without the local one.
fn seen<T>(what: &str, answer: Result<T, EngineError>) -> Option<T> {
    answer.inspect_err(|e| log::info!("{what} cannot be looked up elsewhere: {e}")).ok()
}

impl<L: Storage, O: Storage> Results for Layered<'_, L, O> {
    fn path_sets(&self, fingerprint: &Fingerprint) -> Result<Vec<PathSet>, EngineError> {
        let mut sets = self.local.path_sets(fingerprint)?;
        for set in seen("path sets", self.other.path_sets(fingerprint)).unwrap_or_default() {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        Ok(sets)
    }

    fn result(&self, key: &ResultKey, paths: Option<&PathSet>) -> Result<Option<StoredResult>, EngineError> {
        Ok(self.local.result(key, paths)?.or_else(|| self.fetch(key, paths)))
    }

    fn tied_results(&self, action: &ActionKey) -> Result<Vec<(WorkspaceId, StoredResult)>, EngineError> {
        self.local.tied_results(action)
    }

    fn parts(&self, key: &ResultKey) -> Result<Option<Vec<u8>>, EngineError> {
        let local = self.local.parts(key)?;
        Ok(local.or_else(|| seen("the parts of a key", self.other.parts(key)).flatten()))
    }

    fn record(&self, new: NewResult, guard: Option<Guard>) {
        if new.key.place.is_none() {
            let contents: Vec<Content> = new.result.contents().collect();
            match transfer(self.local, self.other, &contents) {
                Ok(()) => self.other.record(new.clone(), None),
                Err(e) => log::info!("the result of `{}` is not recorded elsewhere: {e}", new.result.label),
            }
        }
        self.local.record(new, guard);
    }

    fn generation(&self) -> u64 {
        self.local.generation()
    }

    fn known_generation(&self) -> u64 {
        self.local.known_generation()
    }

    fn renew(&self) {
        self.local.renew();
        self.other.renew();
    }
}

impl<L: Storage, O: Storage> Contents for Layered<'_, L, O> {
    fn has(&self, contents: &[Content]) -> Result<Vec<bool>, EngineError> {
        let mut had = self.local.has(contents)?;
        let missing: Vec<usize> = (0..had.len()).filter(|at| !had[*at]).collect();
        if !missing.is_empty() {
            let asked: Vec<Content> = missing.iter().map(|at| contents[*at]).collect();
            let answers = seen("contents", self.other.has(&asked)).unwrap_or_default();
            missing.into_iter().zip(answers).for_each(|(at, answer)| had[at] = answer);
        }
        Ok(had)
    }

    fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError> {
        if self.local.has(&[*content])?.contains(&false) {
            // What cannot be copied is reported as what it is here: missing.
            copy(self.other, self.local, content)
                .unwrap_or_else(|e| log::info!("{} cannot be had: {e}", content.digest));
        }
        self.local.read(content, to)
    }

    fn add(&self, reader: &mut dyn Read, seen: &mut dyn FnMut(&[u8])) -> io::Result<Content> {
        self.local.add(reader, seen)
    }
}

#[cfg(test)]
mod tests;
