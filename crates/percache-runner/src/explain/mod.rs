//! `why`: how a task stands now, down to the first cause; why it was not up to date the last time; and which stored result is nearest.
//! A dry run of the task and what it needs, and a comparison of records.
//!
//! The answer is data; it is worded elsewhere. Runs nothing.

mod chain;
mod closest;
pub mod readers;

pub use chain::{Chain, Link, Stands};
pub use closest::Nearest;

use std::path::Path;
use std::time::Duration;

use percache::store::Store;
use percache::store::record::Time;

use crate::action::context::{Check, Force, HitLogs, Options};
use crate::action::explain::Why;
use crate::fs::stamp::moment;
use crate::graph::TaskGraph;
use crate::model::Caller;
use crate::model::event::{Event, Failure, Outcome, Reporter};
use crate::model::{TaskId, Workspace};
use crate::process::Stop;
use crate::report::history::{Ending, History, TaskRun};
use crate::session::{Session, SessionError};
use crate::worktree::Worktree;
use crate::worktree::failed_runs::{self, FailedRun};
use crate::worktree::journal::Journal;
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;
use chain::Past;

/// What is asked about.
pub struct Question<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// Who needs whom.
    pub graph: &'a TaskGraph,
    /// The store's directory.
    pub store_dir: &'a Path,
    /// The store.
    pub store: &'a Store,
    /// The caller's variables.
    pub caller: &'a Caller,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing to do.
    UpToDate,
    /// Its outputs would be put back.
    WouldRestore,
    /// It has no command, and nothing that it stands for would run.
    Group,
    /// It would run.
    WouldRun,
    /// Something that it needs would run, or what a tool says is not known.
    MayRun,
    /// It, or something that it needs, cannot even be looked at.
    Broken(String),
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How it stands.
    pub state: State,
    /// If it would or may run: from the task to each first cause, the nearest cause first; not more than [`chain::CAUSES`].
    pub chains: Vec<Chain>,
    /// How many first causes there are.
    pub causes: usize,
    /// What is known of the last time.
    pub last: Option<Last>,
    /// Of a task that would run: the stored result that fits best, if it is not the one that the reason is about.
    pub nearest: Option<Nearest>,
    /// Its last run, if that failed or was stopped.
    pub failed: Option<FailedRun>,
    /// Tools that were not run: what they said the last time is taken to hold.
    pub remembered: Vec<String>,
}

/// The result that a task has here, or would have if it were restored.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// When its command ran.
    pub created: Time,
    /// How long that took.
    pub took: Duration,
    /// What makes it another result than the one before: from the task to the first cause. `None` when that is not
    /// known any more, or the result would have to be restored.
    pub chain: Option<Chain>,
    /// Why the last build ran it, if it did, and for another reason than what differs from the result before.
    pub reason: Option<String>,
}

/// Answers.
pub fn why(asked: &Question<'_>, id: TaskId) -> Result<Answer, SessionError> {
    let options = Options {
        jobs: std::thread::available_parallelism().map_or(1, Into::into),
        keep_going: true,
        force: Force::No,
        accept: false,
        check: Check::Sample,
        dry_run: true,
        explain: true,
        hit_logs: HitLogs::No,
    };
    let stop = Stop::manual().map_err(SessionError::Tree)?;
    let session = Session {
        workspace: asked.workspace,
        graph: asked.graph,
        store_dir: asked.store_dir,
        single: None,
        store: Some(asked.store),
        options: &options,
        caller: asked.caller,
        stop: &stop,
        listener: &(),
        holder: "why",
        asked: None,
        kept: None,
        began: moment(),
        last: false,
    };
    let mut seen = Seen::default();
    let outcomes = session.build(&[id], None, &mut seen)?;
    let worktree = Worktree::new(asked.store_dir, &asked.workspace.root);
    let journal = Journal::load(&worktree.journal());
    let contents = Contents::new(&asked.workspace.root, Some(asked.store), Texts::at(worktree.texts()));
    let past = Past { asked, journal: &journal, contents: &contents };
    let state = state(asked, id, &seen);
    let (chains, causes) = match state {
        State::WouldRun | State::MayRun => chain::to_causes(&past, id, &seen.outcomes, &outcomes.reasons),
        _ => (Vec::new(), 0),
    };
    let nearest = outcomes.parts.get(&id).and_then(|now| closest::find(&past, id, now));
    let name = &asked.workspace.task(id).name;
    let failed = failed_runs::of(&worktree.failed(), name).map(|(run, _)| run);
    let failed = failed.filter(|run| run.is_last(journal.tasks.get(name)));
    // What would be restored is not what the task has here.
    let last = match (&state, outcomes.records.get(name)) {
        (State::WouldRestore, Some(record)) => {
            Some(Last { created: record.created, took: Duration::from_micros(record.took), chain: None, reason: None })
        }
        _ => past.last(id).map(|last| Last { reason: reason_of_last_build(&worktree, name, &last), ..last }),
    };
    Ok(Answer { state, chains, causes, last, nearest, failed, remembered: outcomes.remembered })
}

/// Returns why the last build ran a task, if the result is of that build and something else was the reason than what differs.
fn reason_of_last_build(worktree: &Worktree, name: &str, last: &Last) -> Option<String> {
    let History { builds, tasks } = History::load(&worktree.builds());
    builds.last().filter(|build| build.began <= last.created)?;
    let ran = |run: &TaskRun| run.name == name && matches!(run.ending, Ending::Ran | Ending::Same);
    let reason = tasks.into_iter().find(ran)?.reason?;
    let told = last.chain.as_ref().and_then(|chain| chain.first()).map(|link| &link.why);
    let is_told = match told {
        // It was then, and is not now.
        Some(why @ (Why::FirstResult | Why::Tied(_))) => {
            [Why::FirstTime, Why::NoResult].iter().chain([why]).any(|why| why.to_string() == reason)
        }
        why => why.is_some_and(|why| why.to_string() == reason),
    };
    (!is_told).then_some(reason)
}

fn state(asked: &Question<'_>, id: TaskId, seen: &Seen) -> State {
    let group = asked.workspace.task(id).command.is_none();
    let waits = |task: &TaskId| matches!(seen.of(*task), Some(Outcome::WouldRun | Outcome::MayRun));
    match seen.of(id) {
        Some(Outcome::UpToDate) => State::UpToDate,
        Some(Outcome::WouldRestore) => State::WouldRestore,
        Some(Outcome::WouldRun) => State::WouldRun,
        Some(Outcome::MayRun) => State::MayRun,
        Some(Outcome::Failed(Failure::Error(trouble))) => State::Broken(trouble.message.clone()),
        _ => match seen.broken() {
            Some((task, message)) => {
                State::Broken(format!("it needs `{}`: {message}", asked.workspace.task(task).name))
            }
            None if group && asked.graph.closure(&[id]).iter().any(waits) => State::MayRun,
            None => State::Group,
        },
    }
}

/// Keeps the outcomes.
#[derive(Default)]
struct Seen {
    outcomes: Vec<(TaskId, Outcome)>,
}

impl Seen {
    fn of(&self, id: TaskId) -> Option<&Outcome> {
        self.outcomes.iter().find(|(task, _)| *task == id).map(|(_, outcome)| outcome)
    }

    fn broken(&self) -> Option<(TaskId, &str)> {
        self.outcomes.iter().find_map(|(task, outcome)| match outcome {
            Outcome::Failed(Failure::Error(trouble)) => Some((*task, trouble.message.as_str())),
            _ => None,
        })
    }
}

impl Reporter for Seen {
    fn event(&mut self, event: Event) {
        if let Event::Finished { task, outcome, .. } = event {
            self.outcomes.push((task, outcome));
        }
    }
}

/// Returns whether a reason is about the task itself, and not only about what it needs.
fn is_first(why: &Why) -> bool {
    !matches!(why, Why::Needs { changes, .. } if changes.is_empty())
}
