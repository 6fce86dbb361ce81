//! What a build asks of the store: results, and contents.
//!
//! The two are apart because whoever needs one seldom needs the other: a remote fills in and reads contents, and knows
//! results by keys of its own.

use std::io::{self, Read, Write};

use super::id::{ActionKey, Fingerprint, WorkspaceId};
use super::manifest::PathSet;
use super::origin::Origin;
use super::record::{Content, ResultKey, StoredResult};
use super::writer::{Guard, NewResult};
use super::{ReadError, Store};
use crate::base::clock::Time;
use crate::db::engine::EngineError;

/// Finds and records results.
pub trait Results: Send + Sync {
    /// Returns the path sets of a fingerprint, the newest first.
    fn path_sets(&self, fingerprint: &Fingerprint) -> Result<Vec<PathSet>, EngineError>;

    /// Returns the result of this key.
    fn result(&self, key: &ResultKey) -> Result<Option<StoredResult>, EngineError>;

    /// Returns the results of an action that are tied to a directory, each with that directory.
    fn tied_results(&self, action: &ActionKey) -> Result<Vec<(WorkspaceId, StoredResult)>, EngineError>;

    /// Returns where the result came from that was made at `made`; `None` if it was made here.
    fn origin(&self, key: &ResultKey, made: Time) -> Result<Option<Origin>, EngineError>;

    /// Returns what was hashed into the key of a result, for explanations.
    fn parts(&self, key: &ResultKey) -> Result<Option<Vec<u8>>, EngineError>;

    /// Records a result whose contents were added. `guard` is dropped as soon as other processes can find it.
    fn record(&self, new: NewResult, guard: Option<Guard>);

    /// Has everything that was recorded so far written, without waiting for it.
    fn begin_flush(&self);

    /// Returns a number that grows whenever a process of this machine writes.
    fn generation(&self) -> u64;

    /// Returns a lower bound for the generation that the next lookup sees.
    fn known_generation(&self) -> u64;

    /// Makes the next lookup see everything that is there by then.
    fn renew(&self);
}

/// Keeps contents. All methods may be called from several threads at once.
pub trait Contents: Send + Sync {
    /// Returns for each of these contents whether it can be read, as far as is known without reading it.
    fn has(&self, contents: &[Content]) -> Result<Vec<bool>, EngineError>;

    /// Writes a content to `to`. After `Ok`, exactly that content was written; after an error, anything may have been.
    fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError>;

    /// Adds what `reader` gives; `seen` is shown the bytes in order.
    fn add(&self, reader: &mut dyn Read, seen: &mut dyn FnMut(&[u8])) -> io::Result<Content>;

    /// Adds a content that will soon be read, once. It need not be unpacked and verified then.
    fn add_to_read(&self, bytes: &[u8]) -> io::Result<Content>;
}

/// Keeps both: what a build looks up in, restores from and records to.
pub trait Storage: Results + Contents {}

impl<T: Results + Contents> Storage for T {}

impl Results for Store {
    fn path_sets(&self, fingerprint: &Fingerprint) -> Result<Vec<PathSet>, EngineError> {
        Store::path_sets(self, fingerprint)
    }

    fn result(&self, key: &ResultKey) -> Result<Option<StoredResult>, EngineError> {
        Store::result(self, key)
    }

    fn tied_results(&self, action: &ActionKey) -> Result<Vec<(WorkspaceId, StoredResult)>, EngineError> {
        Store::tied_results(self, action)
    }

    fn origin(&self, key: &ResultKey, made: Time) -> Result<Option<Origin>, EngineError> {
        Store::origin(self, key, made)
    }

    fn parts(&self, key: &ResultKey) -> Result<Option<Vec<u8>>, EngineError> {
        Store::parts(self, key)
    }

    fn record(&self, new: NewResult, guard: Option<Guard>) {
        Store::record(self, new, guard);
    }

    fn begin_flush(&self) {
        Store::begin_flush(self);
    }

    fn generation(&self) -> u64 {
        Store::generation(self)
    }

    fn known_generation(&self) -> u64 {
        Store::known_generation(self)
    }

    fn renew(&self) {
        Store::renew(self);
    }
}

impl Contents for Store {
    fn has(&self, contents: &[Content]) -> Result<Vec<bool>, EngineError> {
        contents.iter().map(|content| Store::has(self, content)).collect()
    }

    fn read(&self, content: &Content, to: &mut dyn Write) -> Result<(), ReadError> {
        Store::read(self, content, to)
    }

    fn add(&self, reader: &mut dyn Read, seen: &mut dyn FnMut(&[u8])) -> io::Result<Content> {
        Store::add(self, reader, seen)
    }

    fn add_to_read(&self, bytes: &[u8]) -> io::Result<Content> {
        Store::add_to_read(self, bytes)
    }
}
