//! `why`: how a task stands now, and why it ran the last time. A dry run of the task and what it needs, and a comparison of records.

use std::collections::HashSet;
use std::path::Path;

use percache::store::Store;

use crate::build::context::{HitLogs, Options};
use crate::build::explain::Why;
use crate::changes::compare;
use crate::environment::Caller;
use crate::event::{Event, Failure, Outcome, Reporter};
use crate::fingerprint::Parts;
use crate::graph::TaskGraph;
use crate::journal::Journal;
use crate::model::{TaskId, Workspace};
use crate::process::Stop;
use crate::session::{Session, SessionError};
use crate::worktree::Worktree;

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
    /// Whether a build would ask commands for colours.
    pub colour: bool,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing to do.
    UpToDate,
    /// Its outputs would be put back.
    WouldRestore,
    /// It has no command.
    Group,
    /// It would run.
    WouldRun(Why),
    /// What it needs would run; the names of these tasks, with their reasons.
    MayRun(Vec<String>),
    /// It cannot even be looked at.
    Broken(String),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it stands.
    pub state: State,
    /// Why it ran the last time, if that is known.
    pub last: Option<Why>,
}

/// Answers.
pub fn why(asked: &Question<'_>, id: TaskId) -> Result<Answer, SessionError> {
    let options = Options {
        jobs: std::thread::available_parallelism().map_or(1, Into::into),
        keep_going: true,
        force: false,
        dry_run: true,
        explain: true,
        colour: asked.colour,
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
        holder: "why",
        request: None,
    };
    let mut outcomes = Collected::default();
    let whys = session.explain(&[id], &mut outcomes)?;
    let state = match outcomes.of(id) {
        Some(Outcome::UpToDate) => State::UpToDate,
        Some(Outcome::WouldRestore) => State::WouldRestore,
        Some(Outcome::Failed(Failure::Error(message))) => State::Broken(message.clone()),
        Some(Outcome::MayRun) => State::MayRun(causes(asked, id, &outcomes)),
        Some(Outcome::WouldRun) => State::WouldRun(whys.get(&id).cloned().unwrap_or(Why::Unknown)),
        _ if asked.workspace.task(id).command.is_none() => State::Group,
        _ => State::MayRun(Vec::new()),
    };
    Ok(Answer { state, last: last_run(asked, id) })
}

/// The tasks behind which `id` would wait, each with the reason for which it runs.
fn causes(asked: &Question<'_>, id: TaskId, outcomes: &Collected) -> Vec<String> {
    let needed: HashSet<_> = asked.graph.closure(&[id]).into_iter().collect();
    let running =
        outcomes.events.iter().filter(|(task, outcome, _)| needed.contains(task) && *outcome == Outcome::WouldRun);
    let told = running.map(|(task, _, reason)| {
        let name = &asked.workspace.task(*task).name;
        format!("`{name}`, which would run ({})", reason.as_deref().unwrap_or("no reason known"))
    });
    told.collect()
}

/// What differed between the last run and the one before it.
fn last_run(asked: &Question<'_>, id: TaskId) -> Option<Why> {
    let journal = Journal::load(&Worktree::new(asked.store_dir, &asked.workspace.root).journal());
    let record = journal.tasks.get(&asked.workspace.task(id).name)?;
    let key = record.key?;
    let Some(previous) = record.previous else { return Some(Why::FirstTime) };
    let parts = |key| Parts::decode(&asked.store.parts(key).ok()??).ok();
    match (parts(&previous), parts(&key)) {
        (Some(old), Some(new)) => {
            Some(Why::Changed(compare(&old, &new))).filter(|why| *why != Why::Changed(Vec::new()))
        }
        _ => Some(Why::Unknown),
    }
}

/// Keeps the outcomes.
#[derive(Default)]
struct Collected {
    events: Vec<(TaskId, Outcome, Option<String>)>,
}

impl Collected {
    fn of(&self, id: TaskId) -> Option<&Outcome> {
        self.events.iter().find(|(task, ..)| *task == id).map(|(_, outcome, _)| outcome)
    }
}

impl Reporter for Collected {
    fn event(&mut self, event: Event) {
        if let Event::Finished { task, outcome, reason, .. } = event {
            self.events.push((task, outcome, reason));
        }
    }
}
