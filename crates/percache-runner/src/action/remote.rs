//! The seam to a remote: a second place for results, behind the store, that others share.
//!
//! A remote is asked before a task's turn comes, for many tasks at a time, so that the way there and back is not paid
//! for each ([`fetch_ahead`](super::ahead::fetch_ahead)). What it has is added to the store, and is a result like any
//! other from then on. A result that was made here is offered to it ([`offer`]). Nothing here fails: what a remote
//! cannot do costs time, and what is wrong with it is told by whoever owns it.
//!
//! What is tied to this directory stays here, because it is of no use elsewhere.

use percache::base::codec::Sink;
use percache::store::interface::Storage;
use percache::store::manifest::PathSet;
use percache::store::record::{ResultKey, StoredResult};
use percache::store::writer::NewResult;

use crate::action::context::Context;
use crate::key::fingerprint::{Discovered, Parts};
use crate::model::Task;

/// The name of something on a remote. The remote chooses how it is computed.
pub type RemoteKey = [u8; 32];

/// Feeds a hasher with the encoding of what is to be named.
pub type Feed<'a> = &'a dyn Fn(&mut dyn Sink);

/// Names what is shared.
pub trait Names {
    /// Names what is known of a task before it runs.
    fn fingerprint(&self, feed: Feed<'_>) -> RemoteKey;
    /// Names the result for these discovered inputs.
    fn action(&self, fingerprint: &RemoteKey, feed: Feed<'_>) -> RemoteKey;
}

/// What a remote has under the name of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Nothing that is wanted, or it cannot be asked.
    Nothing,
    /// Something that is not used, and why.
    Refused(String),
    /// This result, whose contents are all in the store now.
    Found {
        /// The result.
        result: StoredResult,
        /// The bytes that came for it; without a store, those of all its contents.
        bytes: u64,
    },
}

/// A remote. Shared by all threads of a build; a call may block for as long as a network does.
pub trait Remote: Names + Send + Sync {
    /// Returns where it is, without secrets.
    fn address(&self) -> String;
    /// Returns whether results can be looked up.
    fn is_readable(&self) -> bool;
    /// Returns whether results can be offered.
    fn is_writable(&self) -> bool;
    /// Returns for each fingerprint the path sets of earlier runs, wherever they were, the newest first, and why some
    /// are not used.
    fn path_sets(&self, fingerprints: &[RemoteKey]) -> Vec<(Vec<PathSet>, Option<String>)>;
    /// Looks for the results of several actions together, and adds to `store` the contents of those that `accept`
    /// wants; without a store, tells only what is there. Tells `came` once of each, by its position, as soon as it can.
    fn fetch(
        &self,
        actions: &[RemoteKey],
        accept: &dyn Fn(usize, &StoredResult) -> bool,
        store: Option<&dyn Storage>,
        came: &mut dyn FnMut(usize, Fetched),
    );
    /// Notes that the remote was asked for a result in vain.
    fn missed(&self);
    /// Takes a result whose contents are in the store, and returns at once.
    fn offer(&self, offer: Offer);
    /// Ends everything that is under way: the build was stopped.
    fn cancel(&self);
}

/// A result that others may have.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its key in the store.
    pub key: ResultKey,
    /// The key under which its path set lies on the remote.
    pub fingerprint: RemoteKey,
    /// The key under which it lies itself.
    pub action: RemoteKey,
    /// The result.
    pub result: StoredResult,
    /// Its discovered inputs, if it can have any.
    pub paths: Option<PathSet>,
}

/// Returns whether a result for the task may be looked up on a remote.
pub fn may_fetch(ctx: &Context<'_>, task: &Task) -> bool {
    let stored = task.command.is_some() && task.cache && !task.interactive && task.remote.shares();
    stored && ctx.store.is_some() && ctx.remote.is_some_and(Remote::is_readable)
}

/// Offers a new result to the remote.
pub fn offer(ctx: &Context<'_>, task: &Task, parts: &Parts, discovered: &Discovered, new: &NewResult) {
    let remote = ctx.remote.filter(|remote| task.remote.shares() && remote.is_writable());
    // Another exit status than 0 is an answer to somebody here, and a failure to everybody else.
    let shared = new.key.place.is_none() && new.result.status == 0;
    if let Some(remote) = remote.filter(|_| shared) {
        remote.offer(named(remote, parts, discovered, new));
    }
}

fn named(remote: &dyn Remote, parts: &Parts, discovered: &Discovered, new: &NewResult) -> Offer {
    let fingerprint = remote.fingerprint(&|sink| parts.feed(sink));
    let action = remote.action(&fingerprint, &|sink| discovered.feed(sink));
    let NewResult { key, result, paths, .. } = new.clone();
    Offer { key, fingerprint, action, result, paths }
}

/// Returns a result of the store as one to be offered. `None` if it is none that others may have, or has gone.
pub fn stored_offer(remote: &dyn Remote, store: &dyn Storage, key: &ResultKey) -> Option<Offer> {
    let result = store.result(key).ok()?.filter(|result| key.place.is_none() && result.status == 0)?;
    let parts = store.parts(key).ok()??;
    let (known, discovered) = Parts::decode(&parts).ok()?.divide();
    let paths = Some(discovered.paths()).filter(|_| known.finds_inputs());
    let new = NewResult { key: *key, result, parts, paths, origin: None };
    Some(named(remote, &known, &discovered, &new))
}
