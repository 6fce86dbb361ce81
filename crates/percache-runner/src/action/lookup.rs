//! Lookup: finds the result for a fingerprint that is valid now.
//!
//! There are two steps. Under the fingerprint, the store keeps path sets: the further files that earlier runs reported.
//! The current state of these paths, together with the fingerprint, gives the action key, under which the result is
//! stored. (This is the scheme of Microsoft's BuildXL, weak and strong fingerprint; ccache's direct mode is related.)
//! The journal is asked first, because it needs no database.

use percache::base::clock::{Micros, Time};
use percache::store::id::Fingerprint;
use percache::store::interface::Storage;
use percache::store::manifest::{Manifest, PathSet};
use percache::store::record::ResultKey;

use crate::action::context::Context;
use crate::key::fingerprint::Discovered;
use crate::model::Task;
use crate::worktree::journal::TaskRecord;

/// A valid result.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The key of the result.
    pub key: ResultKey,
    /// The discovered inputs, sorted, with their current states.
    pub discovered: Discovered,
    /// When the result was recorded.
    pub created: Time,
    /// How long the run took.
    pub took: Micros,
    /// The output manifest.
    pub outputs: Manifest,
    /// Whether only the remote has it.
    pub on_remote: bool,
}

/// Looks for a result of `task` under its fingerprint. One whose outputs were left on the remote counts if these may
/// stay there (`leave`).
pub fn lookup(ctx: &Context<'_>, task: &Task, fingerprint: &Fingerprint, leave: bool) -> Option<Hit> {
    let counts = |record: &&TaskRecord| ctx.trusted && (leave || !record.on_remote);
    if let Some(record) = ctx.journal.tasks.get(&task.name).filter(counts)
        && let Some(hit) = from_journal(ctx, task, fingerprint, record)
    {
        return Some(hit);
    }
    let store = ctx.store?;
    let sets = path_sets(ctx, store, task, fingerprint)?;
    sets.into_iter().find_map(|set| from_store(ctx, task, fingerprint, set))
}

/// Returns the path sets that earlier runs left. A task that discovers no inputs has one that is empty.
pub fn path_sets(
    ctx: &Context<'_>,
    store: &dyn Storage,
    task: &Task,
    fingerprint: &Fingerprint,
) -> Option<Vec<PathSet>> {
    if task.discovery.finds_inputs() {
        ctx.or_trouble(store.path_sets(fingerprint))
    } else {
        Some(vec![PathSet::default()])
    }
}

fn from_journal(ctx: &Context<'_>, task: &Task, fingerprint: &Fingerprint, record: &TaskRecord) -> Option<Hit> {
    let counts = record.fingerprint == *fingerprint && is_valid(task, record.created);
    let key = record.key.filter(|key| counts && key.counts_in(&ctx.place))?;
    let discovered = observe_all(ctx, record.discovered.clone())?;
    let holds = discovered.action(fingerprint) == key.action;
    let (created, took, outputs, on_remote) = (record.created, record.took, record.outputs.clone(), record.on_remote);
    holds.then_some(Hit { key, discovered, created, took, outputs, on_remote })
}

fn from_store(ctx: &Context<'_>, task: &Task, fingerprint: &Fingerprint, paths: PathSet) -> Option<Hit> {
    let store = ctx.store?;
    let discovered = observe_all(ctx, paths)?;
    let action = discovered.action(fingerprint);
    for place in [None, Some(ctx.place)] {
        let key = ResultKey { action, place };
        // A damaged result does not hide the one that is tied to this directory.
        let result = ctx.or_trouble(store.result(&key)).flatten();
        if let Some(result) = result.filter(|result| is_valid(task, result.created)) {
            let (created, took, outputs) = (result.created, result.took, result.outputs);
            return Some(Hit { key, discovered, created, took, outputs, on_remote: false });
        }
    }
    None
}

/// Returns the current states of these paths. Returns `None` if one cannot be read, which is a reason to run, not to
/// fail.
pub fn observe_all(ctx: &Context<'_>, paths: PathSet) -> Option<Discovered> {
    let look = |path: Vec<u8>| ctx.observer.observe_input(&path).ok().map(|state| (path, state));
    paths.into_paths().into_iter().map(look).collect::<Option<Vec<_>>>().map(Discovered)
}

/// Returns whether a result that was recorded at `created` is young enough to be used.
pub fn is_valid(task: &Task, created: Time) -> bool {
    // The age of a result from the future (the clock was set back) is unknown.
    let age = Time::now().checked_since(created);
    task.valid_for.is_none_or(|valid| age.is_some_and(|age| age < valid))
}
