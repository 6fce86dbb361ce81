//! `why`: the state of a task down to the first cause, why it was last not up to date, and which stored result is
//! nearest. Consists of a dry run of the task and its dependencies, and a comparison of records.
//!
//! The answer is data; its wording is elsewhere. Runs no task.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `affected` | The tasks that a range of git history affects |
//! | `causes` | The first causes of the last build |
//! | `chain` | Chains of reasons down to a first cause |
//! | `closest` | The stored result that fits with the fewest changes |
//! | `filter` | The tasks of selected packages |
//! | `last_runs` | What the last builds left of each task |
//! | `named_file` | Who makes and who reads a path |
//! | `readers` | The tasks that read a path |
//! | `tied_tasks` | The tasks whose results nobody else can use |

mod acceptable;
mod affected;
mod causes;
mod chain;
mod closest;
mod filter;
mod last_runs;
mod named_file;
mod portable;
mod readers;
mod tied_tasks;

pub use acceptable::{AcceptError, Acceptable, acceptable};
pub use affected::{AffectedError, affected};
pub use causes::{Cause, LastBuild, last_build};
pub use chain::{Chain, Link, Stands};
pub use closest::Nearest;
pub use filter::{FilterError, filtered};
pub use last_runs::{LastLog, LastRuns, LastState, last_log};
pub use named_file::{NamedFile, NamedFileError, named_file};
pub use portable::{NotPortable, not_portable};
pub use tied_tasks::{TiedTask, tied_tasks};

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percache::base::clock::Time;
use percache::store::Store;
use percache::store::origin::{Origin, Place};

use crate::action::context::{Accept, Check, Download, Force, HitLogs, Options};
use crate::action::explain::Why;
use crate::model::Caller;
use crate::model::TaskId;
use crate::model::event::{Event, Failure, Outcome, Reporter};
use crate::process::Stop;
use crate::report::history::{Ending, History, TaskRun};
use crate::schedule::results::Outcomes;
use crate::session::{BuildError, Project, Request, Session, Target};
use crate::worktree::Worktree;
use crate::worktree::failed_runs::{self, FailedRun};
use crate::worktree::journal::{Journal, TaskRecord};
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;
use crate::worktree::server_parts::ServerParts;
use chain::Past;

/// The subject of a question.
pub struct Question {
    /// The workspace.
    pub project: Arc<Project>,
    /// Its store.
    pub store: Arc<Store>,
    /// The caller's variables.
    pub caller: Caller,
}

/// The state of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// There is nothing to do.
    UpToDate,
    /// Its outputs were left on the remote.
    OnRemote,
    /// Its outputs would be restored.
    WouldRestore,
    /// It is a group, and none of its members would run.
    Group,
    /// It is a server, which runs when something needs it.
    Server,
    /// It would run.
    WouldRun,
    /// One of its dependencies would run, or the output of a tool is not known.
    MayRun,
    /// It, or one of its dependencies, cannot even be examined.
    Broken(String),
}

/// The answer to `why`.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The task's state.
    pub state: State,
    /// If the task would or may run: the chains from the task to each first cause, the nearest cause first; at most
    /// `chain::CAUSES`. If it is a server: how it differs from that of the last build.
    pub chains: Vec<Chain>,
    /// The number of first causes.
    pub causes: usize,
    /// What is known of its last result.
    pub last: Option<Last>,
    /// If the task would run: the stored result that fits best, unless it is the one that the reason is about.
    pub nearest: Option<Nearest>,
    /// The last run, if it failed or was stopped.
    pub failed: Option<FailedRun>,
    /// Tools that were not run; their last output is assumed to be still valid.
    pub remembered: Vec<String>,
    /// Why the last build did not use a result that the remote has.
    pub refused: Option<String>,
}

/// The task's result in this worktree, or the one that would be restored.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// When its command ran.
    pub created: Time,
    /// How long the command took.
    pub took: Duration,
    /// What distinguishes it from the result before: the chain from the task to the first cause. `None` if that is no
    /// longer known, or if the result would have to be restored.
    pub chain: Option<Chain>,
    /// Where it came from, if it was not made here.
    pub origin: Option<Origin>,
    /// Why the last build ran it, if it did so for another reason than the difference from the result before.
    pub reason: Option<String>,
    /// Whether it was made on a worker elsewhere.
    pub remote: bool,
}

/// How one of several tasks stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The task.
    pub task: TaskId,
    /// Its state.
    pub state: State,
    /// The nearest reason why it would run, if it would or may.
    pub reason: Option<String>,
}

/// Says how several tasks stand, each in few words.
pub fn standings(asked: &Question, ids: &[TaskId]) -> Result<Vec<Standing>, BuildError> {
    let (seen, outcomes) = dry_run(asked, ids.to_vec())?;
    let standing = |id: &TaskId| {
        let state = state(asked, *id, &seen);
        let reason = outcomes.reasons.get(id).filter(|_| matches!(state, State::WouldRun | State::MayRun));
        Standing { task: *id, state, reason: reason.map(Why::to_string) }
    };
    Ok(ids.iter().map(standing).collect())
}

/// Answers a question about a task.
pub fn why(asked: &Question, id: TaskId) -> Result<Answer, BuildError> {
    let (seen, outcomes) = dry_run(asked, vec![id])?;
    Ok(answer(asked, id, &seen, outcomes))
}

/// Finds out what a build of these tasks would do.
fn dry_run(asked: &Question, ids: Vec<TaskId>) -> Result<(Seen, Outcomes), BuildError> {
    let store = |_: &Path| asked.store.clone();
    let request = Request {
        target: Target::Project(asked.project.clone()),
        tasks: &[],
        args: &[],
        options: Options {
            keep_going: true,
            force: Force::No,
            accept: Accept::No,
            check: Check::Sample,
            dry_run: true,
            pull: false,
            download: Download::AsItIs,
            explain: true,
            hit_logs: HitLogs::No,
        },
        jobs: None,
        every_event: true,
        caller: asked.caller.clone(),
        holder: "why".to_owned(),
        store: Some(&store),
        last: false,
    };
    let stop = Stop::manual().map_err(BuildError::Tree)?;
    let mut seen = Seen::default();
    let outcomes = Session::from_scratch(request, asked.project.clone(), ids).run(&stop, &(), &mut seen)?;
    Ok((seen, outcomes))
}

fn answer(asked: &Question, id: TaskId, seen: &Seen, outcomes: Outcomes) -> Answer {
    let worktree = asked.project.worktree();
    let journal = Journal::load(&worktree.journal());
    let contents = Contents::new(&asked.project.workspace.root, Some(&asked.store), Texts::at(worktree.texts()));
    let is_server = |id: &TaskId| asked.project.workspace.task(*id).server.is_some();
    let now = outcomes.parts.iter().filter(|(id, _)| is_server(id)).map(|(_, parts)| parts);
    let servers = ServerParts::new(worktree.servers(), now);
    let past = Past { asked, journal: &journal, contents: &contents, servers: &servers };
    let state = state(asked, id, seen);
    let (chains, causes) = match state {
        State::WouldRun | State::MayRun => chain::to_causes(&past, id, &seen.outcomes, &outcomes.reasons),
        State::Server => chain::of_server(&past, id, outcomes.parts.get(&id)),
        _ => (Vec::new(), 0),
    };
    let nearest = outcomes.parts.get(&id).filter(|_| !is_server(&id)).and_then(|now| closest::find(&past, id, now));
    let name = &asked.project.workspace.task(id).name;
    let failed = failed_runs::of(&worktree.failed(), name).map(|(run, _)| run);
    let failed = failed.filter(|run| run.is_last(journal.tasks.get(name)));
    // A result that would be restored is not the task's current one.
    let last = match (&state, outcomes.records.get(name)) {
        (State::WouldRestore, Some(record)) => {
            let (created, took) = (record.created, record.took.into());
            let origin = origin(asked, record);
            Some(Last { created, took, chain: None, remote: on_worker(&origin), origin, reason: None })
        }
        _ => past.last(id).map(|last| of_last_build(&worktree, name, last)),
    };
    let refused = refused_in_last_build(&worktree, name);
    Answer { state, chains, causes, last, nearest, failed, remembered: outcomes.remembered, refused }
}

/// Returns why the last build did not use the result that the remote has of a task.
fn refused_in_last_build(worktree: &Worktree, name: &str) -> Option<String> {
    let tasks = History::load(&worktree.builds()).tasks;
    tasks.into_iter().find(|run| run.name == name)?.refused
}

/// Adds to a result what is known of it if the last build made it.
fn of_last_build(worktree: &Worktree, name: &str, last: Last) -> Last {
    let History { builds, tasks } = History::load(&worktree.builds());
    let is_new = builds.last().is_some_and(|build| build.began <= last.created);
    let ran = |run: &TaskRun| is_new && run.name == name && matches!(run.ending, Ending::Ran | Ending::Same);
    let Some(run) = tasks.into_iter().find(ran) else { return last };
    let remote = run.queued.is_some() || last.remote;
    Last { reason: run.reason.and_then(|reason| other_reason(reason, &last)), remote, ..last }
}

/// Returns why the last build ran a task, if that was for another reason than the difference from the result before.
fn other_reason(reason: String, last: &Last) -> Option<String> {
    let told = last.chain.as_ref().and_then(|chain| chain.first()).map(|link| &link.why);
    let is_told = match told {
        // These were the reasons at that time, and are no longer so now.
        Some(why @ (Why::FirstResult | Why::Tied(_))) => {
            [Why::FirstTime, Why::NoResult].iter().chain([why]).any(|why| why.to_string() == reason)
        }
        why => why.is_some_and(|why| why.to_string() == reason),
    };
    (!is_told).then_some(reason)
}

fn state(asked: &Question, id: TaskId, seen: &Seen) -> State {
    let group = asked.project.workspace.task(id).command.is_none();
    let waits = |task: &TaskId| matches!(seen.of(*task), Some(Outcome::WouldRun | Outcome::MayRun));
    match seen.of(id) {
        Some(Outcome::NotStarted | Outcome::WouldStart) => State::Server,
        Some(Outcome::UpToDate) => State::UpToDate,
        Some(Outcome::OnRemote) => State::OnRemote,
        Some(Outcome::WouldRestore) => State::WouldRestore,
        Some(Outcome::WouldRun) => State::WouldRun,
        Some(Outcome::MayRun) => State::MayRun,
        Some(Outcome::Failed(Failure::Error(trouble))) => State::Broken(trouble.message.clone()),
        _ => match seen.broken() {
            Some((task, message)) => {
                State::Broken(format!("it needs `{}`: {message}", asked.project.workspace.task(task).name))
            }
            None if group && asked.project.graph.closure(&[id]).iter().any(waits) => State::MayRun,
            None => State::Group,
        },
    }
}

/// Collects the outcomes of the dry run.
#[derive(Default)]
struct Seen {
    outcomes: Vec<(TaskId, Outcome)>,
    positions: HashMap<TaskId, usize>,
}

impl Seen {
    fn of(&self, id: TaskId) -> Option<&Outcome> {
        let position = self.positions.get(&id)?;
        self.outcomes.get(*position).map(|(_, outcome)| outcome)
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
            self.positions.entry(task).or_insert(self.outcomes.len());
            self.outcomes.push((task, outcome));
        }
    }
}

/// Returns where the result of a record came from, if it was not made here.
/// Returns whether a result of this origin was made on a worker.
fn on_worker(origin: &Option<Origin>) -> bool {
    origin.as_ref().is_some_and(|origin| matches!(origin.from, Place::Worker { .. }))
}

fn origin(asked: &Question, record: &TaskRecord) -> Option<Origin> {
    asked.store.origin(&record.key?, record.created).ok().flatten()
}

/// Returns whether a reason is about the task itself, and not only about its dependencies.
fn is_first(why: &Why) -> bool {
    !matches!(why, Why::Needs { changes, .. } if changes.is_empty())
}
