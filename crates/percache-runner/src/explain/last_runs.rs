//! What the last builds of a worktree left of each task: its state, and its log.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percache::base::clock::{Micros, Time};
use percache::store::record::{Entry, Node, ResultKey};

use crate::fs::mapped_file::Image;
use crate::fs::stamp::Stamp;
use crate::model::Task;
use crate::session::Project;
use crate::session::freshness::by_stamps;
use crate::worktree::failed_runs::{self, FailedRun};
use crate::worktree::journal::Journal;

/// The last runs of all tasks of a worktree.
pub struct LastRuns {
    journal: Journal,
    failed: HashMap<String, FailedRun>,
    /// Where the logs of failed runs are.
    logs: PathBuf,
}

/// The state of a task after its last build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastState {
    /// It is a group and runs nothing itself.
    Group,
    /// Its last run was stopped.
    Stopped,
    /// Its last run failed.
    Failed,
    /// It was never built here.
    NeverBuilt,
    /// Its result is stored.
    Built,
    /// The remote has its result, and its outputs were left there.
    OnRemote,
    /// It is a server, which runs when something needs it.
    Server,
    /// Its results are never stored.
    AlwaysRuns,
    /// It succeeded, but its result is not stored.
    NotStored,
}

/// The log of a task's last run.
pub enum LastLog {
    /// The last run failed; this is what is kept of its log.
    Failed(FailedRun, Vec<u8>),
    /// The last run that left a stored result.
    Stored {
        /// The result, whose log is in the store.
        key: ResultKey,
        /// Whether that was the last run.
        is_last: bool,
    },
    /// There is no stored result.
    Nothing,
}

impl LastRuns {
    /// Reads what is kept about the last builds.
    pub fn of(project: &Project) -> LastRuns {
        let worktree = project.worktree();
        let logs = worktree.failed();
        let failed = failed_runs::all(&logs).into_iter().map(|run| (run.task.clone(), run)).collect();
        LastRuns { journal: Journal::load(&worktree.journal()), failed, logs }
    }

    /// Returns the last run of the task with this name, and what is kept of its log, if it failed or was stopped.
    pub fn failure(&self, name: &str) -> Option<(FailedRun, Vec<u8>)> {
        self.failed.get(name).filter(|run| run.is_last(self.journal.tasks.get(name)))?;
        failed_runs::of(&self.logs, name)
    }

    /// Returns the state of a task.
    pub fn state(&self, task: &Task) -> LastState {
        let record = self.journal.tasks.get(&task.name);
        let failed = self.failed.get(&task.name).filter(|run| run.is_last(record));
        match (failed, record) {
            _ if task.command.is_none() => LastState::Group,
            (Some(run), _) if run.stopped => LastState::Stopped,
            (Some(_), _) => LastState::Failed,
            _ if task.server.is_some() => LastState::Server,
            (None, None) => LastState::NeverBuilt,
            (None, Some(record)) if record.on_remote => LastState::OnRemote,
            (None, Some(record)) if record.key.is_some() => LastState::Built,
            (None, Some(_)) if !task.cache || task.interactive => LastState::AlwaysRuns,
            (None, Some(_)) => LastState::NotStored,
        }
    }

    /// Returns when the last run of a task ended or its result was found, in milliseconds since 1970.
    pub fn ended(&self, task: &Task) -> Option<Time> {
        let record = self.journal.tasks.get(&task.name);
        let failed = self.failed.get(&task.name).filter(|run| run.is_last(record)).map(|run| run.ended);
        failed.or(record.map(|record| record.created))
    }

    /// Returns the size of the outputs that the last run of a task left, in bytes.
    pub fn size(&self, task: &Task) -> Option<u64> {
        let record = self.journal.tasks.get(&task.name)?;
        let length = |entry: &Entry| match &entry.node {
            Node::File { content, .. } => content.length,
            _ => 0,
        };
        Some(record.outputs.iter().map(length).sum())
    }

    /// Tells for each task of the workspace, as far as stamps of files do, whether it is up to date: `Some(false)` if
    /// something that it rests on, or that a task which it needs rests on, is not as the last build left it.
    pub fn fresh(&self, project: &Project) -> Vec<Option<bool>> {
        let path = project.worktree().journal();
        let written = Stamp::at(&path).ok().flatten().map_or(0, |stamp| stamp.mtime);
        let stamps = Image::of(&path).map(|bytes| by_stamps(&Arc::new(bytes), &project.workspace.root, written));
        let stamps = stamps.unwrap_or_default();
        let mut fresh = vec![None; project.workspace.tasks.len()];
        for id in &project.graph.order {
            let task = project.workspace.task(*id);
            let own = match self.state(task) {
                LastState::Group => Some(true),
                LastState::Built | LastState::OnRemote | LastState::Server => stamps.get(&task.name).copied().flatten(),
                LastState::AlwaysRuns => None,
                LastState::Stopped | LastState::Failed | LastState::NeverBuilt | LastState::NotStored => Some(false),
            };
            let needs = project.graph.needs[id.index()].iter().map(|need| fresh[need.index()]);
            // A task that is stale outweighs one of which nothing is known.
            let worst = needs.chain([own]).min_by_key(|fresh| match fresh {
                Some(false) => 0,
                None => 1,
                Some(true) => 2,
            });
            fresh[id.index()] = worst.flatten();
        }
        fresh
    }

    /// Returns how long the last run of a task took, as far as that is known.
    pub fn took(&self, task: &Task) -> Option<Duration> {
        let record = self.journal.tasks.get(&task.name)?;
        (record.took > Micros::ZERO).then(|| record.took.into())
    }
}

/// Finds the log of a task's last run.
pub fn last_log(project: &Project, task: &Task) -> LastLog {
    let worktree = project.worktree();
    let journal = Journal::load(&worktree.journal());
    let record = journal.tasks.get(&task.name);
    let failed = failed_runs::of(&worktree.failed(), &task.name).filter(|(run, _)| run.is_last(record));
    match (failed, record.and_then(|record| record.key.or(record.previous))) {
        (Some((run, log)), _) => LastLog::Failed(run, log),
        (None, Some(key)) => LastLog::Stored { key, is_last: record.is_some_and(|record| record.key.is_some()) },
        (None, None) => LastLog::Nothing,
    }
}
