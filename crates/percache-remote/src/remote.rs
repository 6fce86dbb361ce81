//! The remote as a build sees it: results are looked up, their contents fetched, and new ones offered.
//!
//! No function here fails. What goes wrong is a miss, and a [`Notice`] when the user should know.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use percache::store::interface::Contents;
use percache::store::manifest::PathSet;
use percache::store::record::Content;

use crate::connection::{Connection, Notice};
use crate::digest::{Blob, Hasher};
use crate::fault::{Fault, FaultKind};
use crate::keys::{ActionKey, FingerprintKey};
use crate::record::{Notary, Refusal, RemoteResult};
use crate::service::stream::{PipeReader, pipe};
use crate::service::{About, Key, Packing};
use crate::settings::Settings;
use crate::trust::{PublicKey, SigningKey, Trust};

/// Small contents that are asked for together, in bytes: what is held in memory at a time.
const TOGETHER: u64 = 16 << 20;

/// What came and went.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    fetched: AtomicU64,
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

/// What came of fetching the contents of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// All of them are there.
    Whole {
        /// The bytes that came.
        bytes: u64,
    },
    /// The remote does not have all of them, or not as they were; why.
    Refused(String),
    /// They could not be fetched, now.
    Failed,
}

/// What both directions share.
pub(crate) struct Shared {
    pub connection: Connection,
    pub notary: Notary,
    counters: Counters,
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
        Remote { shared: Arc::new(Shared { connection, notary, counters: Counters::default() }), read }
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

    /// Returns the path sets of a fingerprint, the newest first, and why some of them are not used.
    pub fn path_sets(&self, fingerprint: &FingerprintKey) -> (Vec<PathSet>, Option<String>) {
        let Some(bytes) = self.get(&Key::Paths(*fingerprint)) else { return Default::default() };
        let refuse = |refusal: Refusal| {
            self.shared.connection.refuse(|| format!("the path sets {}", fingerprint.0), &refusal);
            refusal.to_string()
        };
        match self.shared.notary.decode_paths(fingerprint, &bytes) {
            Ok((sets, refused)) => (sets, refused.map(refuse)),
            Err(refusal) => (Vec::new(), Some(refuse(refusal))),
        }
    }

    /// Returns the result of an action, checked, without its contents.
    ///
    /// # Errors
    /// Why what is there is not used.
    pub fn result(&self, action: &ActionKey) -> Result<Option<RemoteResult>, String> {
        let Some(bytes) = self.get(&Key::Result(*action)) else { return Ok(None) };
        let decoded = self.shared.notary.decode_result(action, &bytes);
        decoded.map(Some).map_err(|refusal| {
            self.shared.connection.refuse(|| format!("the result {}", action.0), &refusal);
            refusal.to_string()
        })
    }

    fn get(&self, key: &Key) -> Option<Vec<u8>> {
        if !self.is_readable() {
            return None;
        }
        self.shared.connection.call(async |service| service.get(key).await).ok().flatten()
    }

    /// Adds every content of a result to the local ones, each verified before.
    pub fn fetch(&self, result: &RemoteResult, local: &dyn Contents) -> Fetch {
        let contents: Vec<_> = result.contents().collect();
        let asked: Vec<_> = contents.iter().map(|(content, _)| *content).collect();
        let Ok(had) = local.has(&asked) else { return Fetch::Failed };
        let wanted: Vec<_> = contents.into_iter().zip(had).filter(|(_, had)| !had).map(|(wanted, _)| wanted).collect();
        let bytes = wanted.iter().map(|(_, blob)| blob.length).sum();
        match self.fetch_all(wanted, local) {
            Ok(()) => {
                self.shared.counters.hits.fetch_add(1, Ordering::Relaxed);
                Fetch::Whole { bytes }
            }
            Err(fault) if matches!(fault.kind, FaultKind::Damaged | FaultKind::Missing) => {
                self.shared.connection.refuse(|| format!("the result of `{}`", result.result.label), &fault);
                Fetch::Refused(fault.message)
            }
            Err(_) => Fetch::Failed,
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

    fn fetch_all(&self, wanted: Vec<(Content, Blob)>, local: &dyn Contents) -> Result<(), Fault> {
        if wanted.is_empty() {
            return Ok(());
        }
        let most = self.shared.connection.call(async |service| service.small().await)?;
        let (small, large): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, blob)| blob.length <= most);
        self.fetch_small(&small, local)?;
        large.iter().try_for_each(|(content, blob)| match self.fetch_large(content, blob, local) {
            // Once more from the start.
            Err(fault) if fault.kind == FaultKind::Transient => self.fetch_large(content, blob, local),
            answer => answer,
        })
    }

    fn fetch_small(&self, wanted: &[(Content, Blob)], local: &dyn Contents) -> Result<(), Fault> {
        for group in groups(wanted) {
            let blobs: Vec<_> = group.iter().map(|(_, blob)| *blob).collect();
            let asked: HashMap<Blob, Content> = group.iter().map(|(content, blob)| (*blob, *content)).collect();
            let added = Mutex::new(Vec::new());
            // Runs on this thread, between two answers.
            let got = |blob: Blob, bytes: Vec<u8>| {
                let answer = self.keep(&blob, &bytes, &asked, local);
                self.shared.connection.note_answer();
                added.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
            };
            self.shared.connection.call(async |service| service.read_small(&blobs, &got).await)?;
            let added = added.into_inner().unwrap_or_else(PoisonError::into_inner);
            let came = added.into_iter().collect::<Result<Vec<_>, _>>()?;
            if came.len() < blobs.len() {
                return Err(Fault::new(FaultKind::Missing, "the remote does not have all of its contents"));
            }
        }
        Ok(())
    }

    /// Adds a content if it is what was asked for.
    fn keep(
        &self,
        blob: &Blob,
        bytes: &[u8],
        asked: &HashMap<Blob, Content>,
        local: &dyn Contents,
    ) -> Result<(), Fault> {
        let damaged =
            || Fault::new(FaultKind::Damaged, format!("the content {} is not what its name says", blob.digest));
        if !blob.is(bytes) {
            return Err(damaged());
        }
        let content =
            local.add(&mut &bytes[..], &mut |_| ()).map_err(|e| Fault::new(FaultKind::Local, e.to_string()))?;
        self.shared.counters.fetched.fetch_add(blob.length, Ordering::Relaxed);
        // The record claims that two digests are of one content; the local one is used from now on.
        match asked.get(blob) == Some(&content) {
            true => Ok(()),
            false => Err(damaged()),
        }
    }

    fn fetch_large(&self, content: &Content, blob: &Blob, local: &dyn Contents) -> Result<(), Fault> {
        let connection = &self.shared.connection;
        let packing = connection.service()?.packing();
        let mut checked = Checked::new(connection, &self.shared.counters, blob.length);
        let (read, added) = std::thread::scope(|scope| {
            let (to, from) = pipe();
            let read = scope.spawn(move || {
                let read = connection.call(async |service| service.read_large(blob, &to).await);
                if let Err(fault) = &read {
                    // Whoever reads it may have seen enough.
                    let _ = to.blocking_send(Err(fault.clone()));
                }
                read
            });
            let mut pipe = PipeReader::new(from);
            let added = match packing {
                Packing::Plain => checked.add(&mut pipe, local),
                Packing::Zstd => zstd::stream::read::Decoder::new(&mut pipe)
                    .and_then(|unpacked| checked.add(&mut unpacked.single_frame(), local)),
            };
            drop(pipe);
            (read.join(), added)
        });
        read.unwrap_or_else(|_| Err(Fault::new(FaultKind::Local, "reading it failed")))?;
        match added {
            Ok(added) if checked.finish() == *blob && added == *content => Ok(()),
            _ => {
                let message = format!("the content {} is not what its name says", blob.digest);
                Err(Fault::new(FaultKind::Damaged, message))
            }
        }
    }
}

/// A reader that knows what came through it, and ends when it is too much.
struct Checked<'a> {
    connection: &'a Connection,
    counters: &'a Counters,
    hasher: Hasher,
    length: u64,
    most: u64,
}

impl<'a> Checked<'a> {
    fn new(connection: &'a Connection, counters: &'a Counters, most: u64) -> Checked<'a> {
        Checked { connection, counters, hasher: Hasher::new(), length: 0, most }
    }

    fn add(&mut self, from: &mut dyn Read, local: &dyn Contents) -> io::Result<Content> {
        struct Through<'c, 'a>(&'c mut Checked<'a>, &'c mut dyn Read);
        impl Read for Through<'_, '_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.1.read(buffer)?;
                let checked = &mut *self.0;
                checked.hasher.update(&buffer[..count]);
                checked.length += count as u64;
                checked.counters.fetched.fetch_add(count as u64, Ordering::Relaxed);
                checked.connection.note_answer();
                match checked.length > checked.most {
                    true => Err(io::Error::other("it is longer than it should be")),
                    false => Ok(count),
                }
            }
        }
        local.add(&mut Through(self, from), &mut |_| ())
    }

    fn finish(self) -> Blob {
        Blob { digest: self.hasher.finish(), length: self.length }
    }
}

/// Divides contents into groups that are asked for together.
fn groups(wanted: &[(Content, Blob)]) -> impl Iterator<Item = &[(Content, Blob)]> {
    let mut rest = wanted;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(_, blob): &&(Content, Blob)| {
            bytes += blob.length;
            bytes <= TOGETHER
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (group, after) = rest.split_at(count);
        rest = after;
        (!group.is_empty()).then_some(group)
    })
}
