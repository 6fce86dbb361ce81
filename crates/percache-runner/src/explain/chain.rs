//! Chains from a task through its dependencies to a first cause, a change that no task made.
//!
//! A chain first goes along tasks that would run, down to one that has a reason of its own; from there it goes back in
//! time, along outputs that changed, to the tasks that made them.

use std::collections::{HashMap, HashSet, VecDeque};

use percache::Digest;
use percache::store::id::ActionKey;
use percache::store::record::{Node, ResultKey, StoredResult};

use super::{Last, Question, is_first, on_worker, origin};
use crate::action::changes::{Change, between, locate, settle};
use crate::action::explain::Why;
use crate::action::tied::elsewhere;
use crate::fs::stat_cache::FileState;
use crate::key::fingerprint::{Discovered, Kind, Parts, Value};
use crate::model::event::Outcome;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{Task, TaskId};
use crate::worktree::Worktree;
use crate::worktree::journal::Journal;
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::as_path;
use crate::worktree::server_parts::{ServerParts, action_key};

/// The largest number of chains that are returned.
pub const CAUSES: usize = 100;

/// A chain from the task that was asked about to a first cause.
pub type Chain = Vec<Link>;

/// One task of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The task.
    pub task: TaskId,
    /// Its state.
    pub stands: Stands,
    /// The path of the output that the previous task in the chain takes from it; `None` if that task only depends on
    /// its being done.
    pub via: Option<Vec<u8>>,
    /// Why it would run, or ran.
    pub why: Why,
}

/// The state of a task in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It would run.
    WouldRun,
    /// One of its dependencies would run, or the output of a tool is not known.
    MayRun,
    /// An earlier build made its outputs anew: its command ran, or another result was restored.
    Renewed,
    /// It is a server, and another one than it was.
    Server,
}

/// Access to the records of earlier builds.
pub(super) struct Past<'a> {
    pub asked: &'a Question,
    pub journal: &'a Journal,
    pub contents: &'a Contents<'a>,
    pub servers: &'a ServerParts,
}

/// Returns the chains from `id` to each first cause, the nearest first, and the number of causes.
pub(super) fn to_causes(
    past: &Past<'_>,
    id: TaskId,
    outcomes: &[(TaskId, Outcome)],
    reasons: &HashMap<TaskId, Why>,
) -> (Vec<Chain>, usize) {
    let stands: HashMap<TaskId, Stands> = outcomes
        .iter()
        .filter_map(|(task, outcome)| match outcome {
            Outcome::WouldRun => Some((*task, Stands::WouldRun)),
            Outcome::MayRun => Some((*task, Stands::MayRun)),
            // A group with a member that would run.
            Outcome::Group if reasons.contains_key(task) => Some((*task, Stands::MayRun)),
            _ => None,
        })
        .collect();
    let (mut came_from, mut pending) = (HashMap::from([(id, id)]), VecDeque::from([id]));
    let (mut chains, mut causes) = (Vec::new(), 0);
    while let Some(task) = pending.pop_front() {
        let own = reasons.get(&task).is_some_and(is_first);
        if own && stands.contains_key(&task) {
            causes += 1;
            if chains.len() < CAUSES {
                chains.push(path(past, id, task, &came_from, &stands, reasons));
            }
        }
        for need in &past.asked.project.graph.needs[task.index()] {
            if stands.contains_key(need) && !came_from.contains_key(need) {
                came_from.insert(*need, task);
                pending.push_back(*need);
            }
        }
    }
    (chains, causes)
}

/// Returns how a server differs from that of the last build, as the chain to the first cause.
pub(super) fn of_server(past: &Past<'_>, id: TaskId, now: Option<&Parts>) -> (Vec<Chain>, usize) {
    let last = past.journal.tasks.get(&past.asked.project.workspace.task(id).name);
    let keys = last.map(|last| Discovered::default().action(&last.fingerprint)).zip(now.map(action_key));
    let Some(why) = keys.and_then(|(old, new)| past.other_server(id, &old, &new)) else { return (Vec::new(), 0) };
    let mut chain = vec![Link { task: id, stands: Stands::Server, via: None, why }];
    past.follow(&mut chain);
    (vec![chain], 1)
}

/// Returns the chain from `id` to `cause`, extended back in time if the cause is an output that an earlier build made
/// anew.
fn path(
    past: &Past<'_>,
    id: TaskId,
    cause: TaskId,
    came_from: &HashMap<TaskId, TaskId>,
    stands: &HashMap<TaskId, Stands>,
    reasons: &HashMap<TaskId, Why>,
) -> Chain {
    let mut tasks = vec![cause];
    while let Some(before) = tasks.last().filter(|last| **last != id).and_then(|last| came_from.get(last)) {
        tasks.push(*before);
    }
    tasks.reverse();
    // A group is nothing but its members, and is left out.
    let workspace = &past.asked.project.workspace;
    tasks.retain(|task| *task == id || workspace.task(*task).command.is_some());
    let mut chain: Chain = Vec::with_capacity(tasks.len());
    for task in tasks {
        let via = chain.last().and_then(|before| past.feeds(task, before.task));
        let why = reasons.get(&task).cloned().unwrap_or(Why::Unknown);
        chain.push(Link { task, stands: stands.get(&task).copied().unwrap_or(Stands::MayRun), via, why });
    }
    past.follow(&mut chain);
    chain
}

fn is_among(patterns: &PatternSet, change: &Change) -> bool {
    RelPath::new(&change.name).is_ok_and(|path| patterns.matches(&path))
}

impl Past<'_> {
    /// Describes the task's result in this worktree, and why it was made.
    pub fn last(&self, id: TaskId) -> Option<Last> {
        let record = self.journal.tasks.get(&self.asked.project.workspace.task(id).name)?;
        record.key?;
        let chain = self.renewed(id).map(|why| {
            let mut chain = vec![Link { task: id, stands: Stands::Renewed, via: None, why }];
            self.follow(&mut chain);
            chain
        });
        let origin = origin(self.asked, record);
        let (created, took, remote) = (record.created, record.took.into(), on_worker(&origin));
        Some(Last { created, took, chain, origin, reason: None, remote })
    }

    /// Returns what differs between the task's result in this worktree and the one before.
    pub fn renewed(&self, id: TaskId) -> Option<Why> {
        let record = self.journal.tasks.get(&self.asked.project.workspace.task(id).name)?;
        let key = record.key?;
        let Some(previous) = record.previous else {
            let here = Worktree::place(&self.asked.project.workspace.root);
            let before = |result: &StoredResult| result.created < record.created;
            let tied = elsewhere(&*self.asked.store, &self.asked.project.store_dir, &key.action, &here, &before);
            return Some(tied.map_or(Why::FirstResult, Why::Tied));
        };
        self.difference(id, &self.parts(&previous)?, &self.parts(&key)?)
    }

    /// Returns why a task is what a change says, with what became of it: a server is another one, and others were made
    /// anew.
    pub fn behind(&self, maker: TaskId, change: &Change) -> Option<(Stands, Why)> {
        match (&change.old, &change.new) {
            (Some(Value::Digest(old)), Some(Value::Digest(new))) if self.is_server(maker) => {
                let why = self.other_server(maker, &ActionKey::new(*old), &ActionKey::new(*new))?;
                Some((Stands::Server, why))
            }
            _ => Some((Stands::Renewed, self.renewed(maker)?)),
        }
    }

    fn is_server(&self, id: TaskId) -> bool {
        self.asked.project.workspace.task(id).server.is_some()
    }

    /// Returns what differs between two servers of a name, as far as that is still known.
    pub fn other_server(&self, id: TaskId, old: &ActionKey, new: &ActionKey) -> Option<Why> {
        self.difference(id, self.servers.get(old)?, self.servers.get(new)?)
    }

    /// Returns what differs between what was hashed for a task at two times.
    fn difference(&self, id: TaskId, old: &Parts, new: &Parts) -> Option<Why> {
        let mut changes = between(old, new);
        let task = self.asked.project.workspace.task(id);
        settle(&mut changes, &|change| self.remained(task, change));
        locate(&mut changes, self.contents);
        (!changes.is_empty()).then_some(Why::Changed(changes))
    }

    /// Returns whether something was still there when it ceased to count, as far as can be told now.
    fn remained(&self, task: &Task, change: &Change) -> bool {
        match change.kind {
            // A path that would be an input if it existed did not exist.
            Kind::Input if is_among(&task.inputs.patterns, change) => false,
            Kind::Input | Kind::Discovered => {
                self.asked.project.workspace.root.join(as_path(&change.name)).symlink_metadata().is_ok()
            }
            Kind::FilePart | Kind::External => change.remains_at(&self.asked.project.workspace.root),
            // The environment of that time is not known.
            Kind::Env => true,
            _ => false,
        }
    }

    /// Returns the parts that were hashed for a result, if the store still has them.
    pub fn parts(&self, key: &ResultKey) -> Option<Parts> {
        Parts::decode(&self.asked.store.parts(key).ok()??).ok()
    }

    /// Extends a chain from an output that changed to the task that made it anew.
    fn follow(&self, chain: &mut Chain) {
        let mut seen: HashSet<TaskId> = chain.iter().map(|link| link.task).collect();
        while let Some(Link { task, why: Why::Changed(changes), .. }) = chain.last() {
            let task = *task;
            let made = |change: &'_ Change| Some((self.maker(task, change)?, change.clone()));
            let Some(((maker, via), change)) = changes.iter().find_map(made) else { return };
            let Some((stands, why)) = self.behind(maker, &change).filter(|_| seen.insert(maker)) else { return };
            chain.push(Link { task: maker, stands, via, why });
        }
    }

    /// Returns the task whose last result is the change, and the path of the output if the change is one.
    pub fn maker(&self, task: TaskId, change: &Change) -> Option<(TaskId, Option<Vec<u8>>)> {
        let workspace = &self.asked.project.workspace;
        match (change.kind, &change.new) {
            (Kind::Dependency, Some(_)) => {
                let id = workspace.tasks.binary_search_by(|task| task.name.cmp(&change.remark)).ok()?;
                Some((TaskId(id as u32), None))
            }
            (Kind::FilePart, Some(_)) => {
                let path = change.path()?;
                let maker = self.asked.project.graph.outputs.owner(&path)?;
                (maker != task).then(|| (maker, Some(path.as_bytes().to_vec())))
            }
            (Kind::Input | Kind::Discovered, Some(Value::File(state))) => {
                let maker = self.asked.project.graph.outputs.owner(&RelPath::new(&change.name).ok()?)?;
                (maker != task && self.left(maker, &change.name, state)).then(|| (maker, Some(change.name.clone())))
            }
            _ => None,
        }
    }

    /// Returns whether this is what the last result of a task left at a path.
    fn left(&self, id: TaskId, path: &[u8], state: &FileState) -> bool {
        let record = self.journal.tasks.get(&self.asked.project.workspace.task(id).name);
        let entry = record.and_then(|record| record.outputs.iter().find(|entry| entry.path == path));
        let digest = |state: &FileState| match state {
            FileState::File { digest, .. } => Some(*digest),
            _ => None,
        };
        entry.is_some_and(|entry| match &entry.node {
            Node::File { content, .. } => Some::<Digest>(content.digest) == digest(state),
            Node::Symlink(text) => matches!(state, FileState::Symlink { target, .. } if target == text),
            Node::Directory => *state == FileState::Directory,
        })
    }

    /// Returns an output of `maker` that `reader` takes: preferably one that exists, otherwise one that is declared.
    fn feeds(&self, maker: TaskId, reader: TaskId) -> Option<Vec<u8>> {
        let (from, to) = (self.asked.project.workspace.task(maker), self.asked.project.workspace.task(reader));
        let wanted = |path: &RelPath| to.deps.contains(&maker) || to.inputs.patterns.matches(path);
        let left = self.journal.tasks.get(&from.name).map_or(&[][..], |record| &record.outputs);
        let left = left.iter().filter_map(|entry| RelPath::new(&entry.path).ok());
        let declared = from.outputs.patterns().iter().filter_map(|pattern| pattern.literal().cloned());
        left.chain(declared).find(wanted).map(|path| path.as_bytes().to_vec())
    }
}
