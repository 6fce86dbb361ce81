//! The seam to a remote: a second place for results, behind the store, that others share.
//!
//! A remote is asked before a task's turn comes, for many tasks at a time, so that the way there and back is not paid
//! for each ([`fetch_ahead`]). What it has is added to the store, and is a result like any other from then on. A result
//! that was made here is offered to it ([`offer`]). Nothing here fails: what a remote cannot do costs time, and what is
//! wrong with it is told by whoever owns it.
//!
//! What is tied to this directory stays here, because it is of no use elsewhere.

use std::ops::Not;

use percache::base::codec::Sink;
use percache::store::interface::Storage;
use percache::store::manifest::PathSet;
use percache::store::record::{ResultKey, StoredResult};
use percache::store::writer::NewResult;

use crate::action::context::Context;
use crate::action::inputs::{Dependencies, Prepared, prepare};
use crate::action::lookup::{is_valid, lookup, observe_all};
use crate::key::fingerprint::{Discovered, Parts};
use crate::model::span::{Phase, timed};
use crate::model::{Task, TaskId};

/// The name of something on a remote. The remote chooses how it is computed.
pub type RemoteKey = [u8; 32];

/// Feeds a hasher with the encoding of what is to be named.
pub type Feed<'a> = &'a dyn Fn(&mut dyn Sink);

/// A remote. Shared by all threads of a build; a call may block for as long as a network does.
pub trait Remote: Send + Sync {
    /// Returns whether results can be looked up.
    fn is_readable(&self) -> bool;
    /// Returns whether results can be offered.
    fn is_writable(&self) -> bool;
    /// Names what is known of a task before it runs.
    fn fingerprint(&self, feed: Feed<'_>) -> RemoteKey;
    /// Names the result for these discovered inputs.
    fn action(&self, fingerprint: &RemoteKey, feed: Feed<'_>) -> RemoteKey;
    /// Returns the path sets of earlier runs, wherever they were, the newest first.
    fn path_sets(&self, fingerprint: &RemoteKey) -> Vec<PathSet>;
    /// Adds the contents of a result to `store` if `accept` wants the result. Returns it when all of them are there.
    fn fetch(
        &self,
        action: &RemoteKey,
        accept: &dyn Fn(&StoredResult) -> bool,
        store: &dyn Storage,
    ) -> Option<StoredResult>;
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
    stored && !ctx.options.dry_run && ctx.store.is_some() && ctx.remote.is_some_and(Remote::is_readable)
}

/// Looks for a result of the task on the remote, unless the store has one, and adds it to the store. Returns whether it
/// did. What goes wrong goes wrong again when the task's turn comes, and is told then.
pub fn fetch_ahead(ctx: &Context<'_>, id: TaskId, task: &Task, deps: &Dependencies) -> bool {
    let (Some(remote), Some(store), Some(command)) = (ctx.remote, ctx.store, &task.command) else { return false };
    let prepared = timed(ctx.listener, Phase::Inputs, Some(id), || prepare(ctx, task, command, deps));
    let Some(prepared) = prepared.ok().filter(|prepared| prepared.unknown_tools.is_empty()) else { return false };
    timed(ctx.listener, Phase::Lookup, Some(id), || {
        if lookup(ctx, task, &prepared.fingerprint).is_some() || ctx.stop.requested() {
            return false;
        }
        let found = find(ctx, task, &prepared, remote, store);
        found.not().then(|| remote.missed());
        found
    })
}

fn find(ctx: &Context<'_>, task: &Task, prepared: &Prepared, remote: &dyn Remote, store: &dyn Storage) -> bool {
    let fingerprint = remote.fingerprint(&|sink| prepared.parts.feed(sink));
    let sets = match task.discovery.finds_inputs() {
        true => remote.path_sets(&fingerprint),
        false => vec![PathSet::default()],
    };
    sets.into_iter().any(|set| {
        let Some(discovered) = observe_all(ctx, set.clone()) else { return false };
        let action = remote.action(&fingerprint, &|sink| discovered.feed(sink));
        // The remote names it by another function than the store does; both have to agree on what it is.
        let accept =
            |result: &StoredResult| result.fingerprint == prepared.fingerprint && is_valid(task, result.created);
        let Some(mut result) = remote.fetch(&action, &accept, store) else { return false };
        result.label.clone_from(&task.name);
        let key = ResultKey { action: discovered.action(&prepared.fingerprint), place: None };
        let paths = task.discovery.finds_inputs().then_some(set);
        store.record(NewResult { key, result, parts: prepared.parts.record(&discovered), paths }, None);
        true
    })
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
    let new = NewResult { key: *key, result, parts, paths };
    Some(named(remote, &known, &discovered, &new))
}
