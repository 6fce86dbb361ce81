//! The remote as a build sees it: results are looked up, and what came is counted.
//!
//! No function here fails. What goes wrong is a miss, and a [`Notice`] when the user should know.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use percache::store::manifest::PathSet;

use crate::connection::{Connection, Notice};
use crate::digest::Blob;
use crate::fault::Fault;
use crate::keys::{ActionKey, FingerprintKey};
use crate::record::{Notary, Refusal, RemoteResult};
use crate::service::{About, Key};
use crate::settings::Settings;
use crate::trust::{PublicKey, SigningKey, Trust};

/// Records that are asked for at a time, by one thread.
const LOOKUPS: usize = 64;

/// What came and went.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub hits: AtomicU64,
    misses: AtomicU64,
    pub fetched: AtomicU64,
}

/// What came from the remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Results that it had.
    pub hits: u64,
    /// Results that it was asked for in vain.
    pub misses: u64,
    /// Bytes of contents that were fetched.
    pub fetched: u64,
}

/// What both directions share.
pub(crate) struct Shared {
    pub connection: Connection,
    pub notary: Notary,
    pub counters: Counters,
    /// Contents that were not what their names say. Nobody has any use for them, so they are written over.
    damaged: Mutex<HashSet<Blob>>,
}

impl Shared {
    /// Returns the contents that were not what their names say.
    pub fn damaged(&self) -> MutexGuard<'_, HashSet<Blob>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A remote. Connects when it is first asked for something.
pub struct Remote {
    pub(crate) shared: Arc<Shared>,
    read: bool,
}

impl Remote {
    /// Makes ready; connects to nothing.
    pub fn new(mut settings: Settings) -> Remote {
        let trust = Trust(std::mem::take(&mut settings.trust.0));
        let notary = Notary { namespace: settings.namespace.clone(), trust, key: settings.key.take() };
        let read = settings.read;
        let connection = Connection::new(settings);
        let shared = Shared { connection, notary, counters: Counters::default(), damaged: Mutex::default() };
        Remote { shared: Arc::new(shared), read }
    }

    /// Returns where it is, without secrets.
    pub fn address(&self) -> String {
        self.shared.connection.settings.address.to_string()
    }

    /// Returns whether it is of any use to look something up.
    pub fn is_readable(&self) -> bool {
        self.read && !self.shared.connection.is_given_up()
    }

    /// Returns whether results are to be offered: they are written now, or by a later run.
    pub fn is_writable(&self) -> bool {
        self.shared.connection.wants_writes()
    }

    /// Returns the keys of those whose results are used; none means everybody.
    pub fn trusted(&self) -> &[PublicKey] {
        &self.shared.notary.trust.0
    }

    /// Returns the key that checks the signatures made here.
    pub fn signs_as(&self) -> Option<PublicKey> {
        self.shared.notary.key.as_ref().map(SigningKey::public)
    }

    /// Returns whether it was given up for the rest of the run.
    pub fn is_given_up(&self) -> bool {
        self.shared.connection.is_given_up()
    }

    /// Ends all calls that are under way, and all later ones.
    pub fn cancel(&self) {
        self.shared.connection.cancel();
    }

    /// Makes the first contact. Returns what the remote says of itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn contact(&self) -> Result<About, Fault> {
        self.shared.connection.call(async |service| service.contact().await)
    }

    /// Returns the path sets of each of these fingerprints, the newest first, and why some of them are not used.
    pub fn path_sets(&self, fingerprints: &[FingerprintKey]) -> Vec<(Vec<PathSet>, Option<String>)> {
        let keys: Vec<_> = fingerprints.iter().copied().map(Key::Paths).collect();
        let read = |(fingerprint, bytes): (&FingerprintKey, Option<Vec<u8>>)| {
            let Some(bytes) = bytes else { return Default::default() };
            let refuse = |refusal: Refusal| {
                self.shared.connection.refuse(|| format!("the path sets {}", fingerprint.0), &refusal);
                refusal.to_string()
            };
            match self.shared.notary.decode_paths(fingerprint, &bytes) {
                Ok((sets, refused)) => (sets, refused.map(refuse)),
                Err(refusal) => (Vec::new(), Some(refuse(refusal))),
            }
        };
        fingerprints.iter().zip(self.get(&keys)).map(read).collect()
    }

    /// Returns the result of each of these actions, checked, without its contents. The error says why what is there is
    /// not used.
    pub fn results(&self, actions: &[ActionKey]) -> Vec<Result<Option<RemoteResult>, String>> {
        let keys: Vec<_> = actions.iter().copied().map(Key::Result).collect();
        let read = |(action, bytes): (&ActionKey, Option<Vec<u8>>)| {
            let Some(bytes) = bytes else { return Ok(None) };
            let decoded = self.shared.notary.decode_result(action, &bytes);
            decoded.map(Some).map_err(|refusal| {
                self.shared.connection.refuse(|| format!("the result {}", action.0), &refusal);
                refusal.to_string()
            })
        };
        actions.iter().zip(self.get(&keys)).map(read).collect()
    }

    /// Reads records, all at the same time.
    fn get(&self, keys: &[Key]) -> Vec<Option<Vec<u8>>> {
        if !self.is_readable() {
            return vec![None; keys.len()];
        }
        let connection = &self.shared.connection;
        let answers = connection.call_each(async |service| {
            let get = async |key| service.get(key).await.inspect(|_| connection.note_answer());
            stream::iter(keys).map(get).buffered(LOOKUPS).collect().await
        });
        match answers {
            Ok(answers) => answers.into_iter().map(|answer| answer.ok().flatten()).collect(),
            Err(_) => vec![None; keys.len()],
        }
    }

    /// Counts an action that is nowhere.
    pub fn note_miss(&self) {
        self.shared.counters.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns what came so far.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { hits: load(&counters.hits), misses: load(&counters.misses), fetched: load(&counters.fetched) }
    }

    /// Takes what the user is to be told.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.shared.connection.take_notices()
    }
}
