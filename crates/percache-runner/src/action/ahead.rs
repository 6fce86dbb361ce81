//! Asking a remote for the results of tasks whose turn has not come: for a group of them together, so that neither the
//! way there and back nor a call is paid for each.

use std::collections::VecDeque;

use percache::base::clock::Time;
use percache::store::interface::Storage;
use percache::store::manifest::PathSet;
use percache::store::origin::{Origin, Place};
use percache::store::record::{ResultKey, StoredResult};
use percache::store::writer::NewResult;

use crate::action::context::Context;
use crate::action::inputs::{Dependencies, Prepared, prepare};
use crate::action::leave::needs_the_tree;
use crate::action::lookup::{Hit, is_valid, lookup, observe_all};
use crate::action::remote::{Fetched, Remote, RemoteKey};
use crate::key::fingerprint::Discovered;
use crate::model::event::Provenance;
use crate::model::span::{Phase, timed};
use crate::model::{Task, TaskId};

/// Tells what came of asking for a task.
pub type Tell<'a> = &'a mut dyn FnMut(TaskId, Provenance);

/// A task for which a remote is to be asked.
pub struct Ask {
    /// The task.
    pub id: TaskId,
    /// Its explicit dependencies, all done, with what they show.
    pub deps: Dependencies,
    /// Whether the outputs may stay there.
    pub leave: bool,
    /// Whether the tree has everything that the task depends on.
    pub complete: bool,
}

/// Looks for results of these tasks on the remote, unless the store has one, and adds them to the store. Those that may
/// stay there are only noted, as are all in a dry run. Tells of each task once, as soon as it can. What goes wrong goes
/// wrong again when the task's turn comes, and is told then.
pub fn fetch_ahead(ctx: &Context<'_>, tasks: &[Ask], tell: Tell<'_>) {
    let Some(asking) = Asking::new(ctx) else {
        return tasks.iter().for_each(|ask| tell(ask.id, Provenance::default()));
    };
    let mut unknown = Vec::new();
    for ask in tasks {
        match asking.unknown(ask) {
            Some(task) => unknown.push(task),
            None => tell(ask.id, Provenance::default()),
        }
    }
    asking.learn_path_sets(&mut unknown);
    while !unknown.is_empty() {
        unknown = asking.ask(asking.candidates(unknown, tell), tell);
    }
}

/// A task that the store has no result for.
struct Unknown<'a> {
    id: TaskId,
    task: &'a Task,
    prepared: Prepared,
    fingerprint: RemoteKey,
    /// Those that were not tried yet.
    sets: VecDeque<PathSet>,
    /// Why something that was found is not used.
    refused: Option<String>,
    /// Whether its contents are brought here.
    brings: bool,
}

/// A result that may be there.
struct Candidate<'a> {
    of: Unknown<'a>,
    set: PathSet,
    discovered: Discovered,
    action: RemoteKey,
}

/// Whom to ask, and where to keep what comes.
struct Asking<'a> {
    ctx: &'a Context<'a>,
    remote: &'a dyn Remote,
    store: &'a dyn Storage,
}

impl<'a> Asking<'a> {
    fn new(ctx: &'a Context<'a>) -> Option<Asking<'a>> {
        Some(Asking { ctx, remote: ctx.remote?, store: ctx.store? })
    }

    /// Returns the task if the remote is to be asked for it.
    fn unknown(&self, Ask { id, deps, leave, complete }: &Ask) -> Option<Unknown<'a>> {
        let (ctx, id) = (self.ctx, *id);
        let task = ctx.workspace.task(id);
        let command = task.command.as_ref().filter(|_| !ctx.stop.requested())?;
        let prepared = timed(ctx.listener, Phase::Inputs, Some(id), || prepare(ctx, task, command, deps));
        let prepared = prepared.ok().filter(|prepared| prepared.unknown_tools.is_empty())?;
        if !complete && needs_the_tree(ctx, task, &prepared) {
            return None;
        }
        let found = timed(ctx.listener, Phase::Lookup, Some(id), || lookup(ctx, task, &prepared.fingerprint, *leave));
        if found.is_some() {
            return None;
        }
        let fingerprint = self.remote.fingerprint(&|sink| prepared.parts.feed(sink));
        let sets = VecDeque::from([PathSet::default()]);
        let brings = !leave && (!ctx.options.dry_run || ctx.options.pull);
        Some(Unknown { id, task, prepared, fingerprint, sets, refused: None, brings })
    }

    /// Asks which inputs earlier runs discovered, for those that may have any.
    fn learn_path_sets(&self, unknown: &mut [Unknown<'_>]) {
        let mut discover: Vec<_> = unknown.iter_mut().filter(|of| of.task.discovery.finds_inputs()).collect();
        if discover.is_empty() {
            return;
        }
        let fingerprints: Vec<_> = discover.iter().map(|of| of.fingerprint).collect();
        discover.iter_mut().for_each(|of| of.sets.clear());
        for (of, (sets, refused)) in discover.into_iter().zip(self.remote.path_sets(&fingerprints)) {
            (of.sets, of.refused) = (sets.into(), refused);
        }
    }

    /// Returns the next candidate of each task. Tells of those that have none left.
    fn candidates(&self, unknown: Vec<Unknown<'a>>, tell: Tell<'_>) -> Vec<Candidate<'a>> {
        let mut candidates = Vec::with_capacity(unknown.len());
        for mut of in unknown {
            let next = loop {
                let Some(set) = of.sets.pop_front() else { break None };
                if let Some(discovered) = observe_all(self.ctx, set.clone()) {
                    break Some((set, discovered));
                }
            };
            if let Some((set, discovered)) = next {
                let action = self.remote.action(&of.fingerprint, &|sink| discovered.feed(sink));
                candidates.push(Candidate { of, set, discovered, action });
            } else {
                self.remote.missed();
                tell(of.id, Provenance { refused: of.refused, ..Provenance::default() });
            }
        }
        candidates
    }

    /// Asks for these results. Returns the tasks for which none came.
    fn ask(&self, candidates: Vec<Candidate<'a>>, tell: Tell<'_>) -> Vec<Unknown<'a>> {
        let (bring, look): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| candidate.of.brings);
        let mut none = self.ask_for(look, None, tell);
        none.extend(self.ask_for(bring, Some(self.store), tell));
        none
    }

    fn ask_for(&self, candidates: Vec<Candidate<'a>>, store: Option<&dyn Storage>, tell: Tell<'_>) -> Vec<Unknown<'a>> {
        if candidates.is_empty() {
            return Vec::new();
        }
        let actions: Vec<_> = candidates.iter().map(|candidate| candidate.action).collect();
        let wanted: Vec<_> = candidates.iter().map(|one| (one.of.prepared.fingerprint, one.of.task)).collect();
        // The remote names it by another function than the store does; both have to agree on what it is.
        let accept = |at: usize, result: &StoredResult| {
            let (fingerprint, task) = wanted[at];
            result.fingerprint == fingerprint && is_valid(task, result.created)
        };
        let mut candidates: Vec<_> = candidates.into_iter().map(Some).collect();
        let mut came = |at: usize, fetched: Fetched| match fetched {
            Fetched::Found { result, bytes } => {
                if let Some(candidate) = candidates[at].take() {
                    let id = candidate.of.id;
                    tell(id, self.keep(candidate, result, bytes));
                }
            }
            Fetched::Refused(why) => {
                if let Some(candidate) = &mut candidates[at] {
                    candidate.of.refused = Some(why);
                }
            }
            Fetched::Nothing => {}
        };
        self.remote.fetch(&actions, &accept, store, &mut came);
        candidates.into_iter().flatten().map(|candidate| candidate.of).collect()
    }

    /// Adds a result to the store, or only remembers it for the task's turn.
    fn keep(&self, candidate: Candidate<'_>, mut result: StoredResult, bytes: u64) -> Provenance {
        let Candidate { of, set, discovered, .. } = candidate;
        result.label.clone_from(&of.task.name);
        let key = ResultKey { action: discovered.action(&of.prepared.fingerprint), place: None };
        let origin = Origin { from: Place::Remote(self.remote.address()), came: Time::now() };
        // In a dry run, they would come.
        let fetched = (of.brings || self.ctx.options.dry_run).then_some(bytes);
        let provenance = Provenance { origin: Some(origin.clone()), fetched, refused: None };
        if !of.brings {
            let (created, took, outputs) = (result.created, result.took, result.outputs);
            self.ctx.promise(of.id, Hit { key, discovered, created, took, outputs, on_remote: true });
            return provenance;
        }
        let paths = of.task.discovery.finds_inputs().then_some(set);
        let parts = of.prepared.parts.record(&discovered);
        self.store.record(NewResult { key, result, parts, paths, origin: Some(origin) }, None);
        provenance
    }
}
