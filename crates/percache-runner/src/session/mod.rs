//! One build of a worktree, from its lock to its journal.

mod commit;
mod desk;
mod evidence;
mod prior;
pub mod renewal;
pub mod single;
pub mod standing;
mod survey;

use std::collections::HashSet;
use std::io;
use std::path::Path;

use percache::Digest;
use percache::store::Store;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::action::budget::Budget;
use crate::action::check;
use crate::action::context::{Force, Options};
use crate::graph::TaskGraph;
use crate::model::Caller;
use crate::model::event::{Event, Listener, Reporter};
use crate::model::span::{Phase, timed};
use crate::model::{TaskId, Workspace};
use crate::process::Stop;
use crate::process::descriptors;
use crate::process::nesting::Enclosing;
use crate::report::recorder::Recorder;
use crate::schedule::results::{Outcomes, Summary};
use crate::schedule::{Demands, build};
use crate::worktree::conditions::Asked;

use commit::Built;
pub use prior::{Prior, prior};

/// What a build is about.
pub struct Session<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// Who needs whom.
    pub graph: &'a TaskGraph,
    /// The store's directory.
    pub store_dir: &'a Path,
    /// Tells a build of a single command from others in the same directory; `None` when the workspace has a configuration.
    pub single: Option<Digest>,
    /// `None`: nothing is looked up and nothing is stored.
    pub store: Option<&'a Store>,
    /// How to build.
    pub options: &'a Options,
    /// The caller's variables.
    pub caller: &'a Caller,
    /// Tells when to stop.
    pub stop: &'a Stop,
    /// Hears what commands write.
    pub listener: &'a dyn Listener,
    /// Names this process to others that wait for it.
    pub holder: &'a str,
    /// What is asked for; `None` when the next build is to find out everything anew.
    pub asked: Option<Asked>,
    /// The digest of what is kept of the configuration, when the tasks come from there.
    pub kept: Option<Digest>,
    /// The moment before which nothing was looked at for this build, the configuration neither; see [`crate::fs::stamp::moment`].
    pub began: i64,
    /// Whether the process ends with this build: then nothing is taken down that the system takes down faster.
    pub last: bool,
}

/// A build that cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The threads.
    #[error("cannot start {0} threads: {1}")]
    Threads(usize, String),
    /// The budget of parallel work.
    #[error("cannot be a jobserver: {0}")]
    Jobserver(io::Error),
    /// It would wait for itself.
    #[error("{}", within(.0))]
    Within(Enclosing),
    /// What earlier builds left.
    #[error("cannot look at the outputs of earlier builds: {0}")]
    Tree(io::Error),
}

fn within(Enclosing { task, holder }: &Enclosing) -> String {
    match task {
        Some(task) => {
            format!("cannot build inside of task `{task}`: {holder} builds in this worktree, and waits for the task")
        }
        None => format!("cannot build inside of a command of {holder}, which builds in this worktree and waits for it"),
    }
}

impl SessionError {
    /// What to do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        let SessionError::Within(Enclosing { task, .. }) = self else { return None };
        let task = task.as_ref().map_or("the task".to_owned(), |task| format!("`{task}`"));
        Some(format!("name what {task} needs in its `deps`; then it is built before"))
    }
}

impl Session<'_> {
    /// Builds the selected tasks and what they need. `prior` is what stands of what the last build has found.
    pub fn run(
        &self,
        selected: &[TaskId],
        prior: Option<Prior>,
        reporter: &mut dyn Reporter,
    ) -> Result<Summary, SessionError> {
        self.build(selected, prior, reporter).map(|outcomes| outcomes.summary)
    }

    /// As [`Session::run`]; with why tasks ran or would run, if the options ask for that.
    pub fn build(
        &self,
        selected: &[TaskId],
        prior: Option<Prior>,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcomes, SessionError> {
        let tasks = self.graph.closure(selected);
        let (jobs, fit) = (self.options.jobs, descriptors::make_room(self.options.jobs));
        if fit < jobs.min(tasks.len()) {
            let message = format!("{fit} jobs at a time: more do not fit into the files that may be open (ulimit -n)");
            reporter.event(Event::Note { message });
        }
        let options = &Options { jobs: fit, ..self.options.clone() };
        let (mut desk, holds) = timed(self.listener, Phase::Begin, None, || self.sit_down(prior, reporter));
        if let Some(enclosing) = desk.enclosing.take() {
            return Err(SessionError::Within(enclosing));
        }
        let pool = threads(fit.min(tasks.len()).max(1))?;
        let ctx = timed(self.listener, Phase::Survey, None, || self.context(options, &desk, holds, reporter));
        let mut ctx = ctx.map_err(SessionError::Tree)?;
        if let Some(form) = self.workspace.jobserver.filter(|_| !self.options.dry_run) {
            ctx.budget = Some(Budget::new(fit, form).map_err(SessionError::Jobserver)?);
        }
        let demands = self.demands(selected, &tasks);
        let mut recorder = Recorder::new(reporter);
        let outcomes = build(&ctx, &pool, &tasks, &demands, &mut recorder);
        let notes = recorder.into_notes();
        tell_of_tools(reporter, &outcomes.remembered);
        let learned = self.learned(ctx);
        if desk.lock.is_some() {
            let built = Built { tasks: &tasks, forced: &demands.forced, outcomes: &outcomes, notes: &notes };
            self.commit(desk, learned, &built, reporter);
        } else {
            self.close(learned.trouble, reporter);
        }
        if self.last {
            // Threads that wait.
            std::mem::forget(pool);
        }
        Ok(outcomes)
    }

    /// What is asked of the tasks beyond being up to date.
    fn demands(&self, selected: &[TaskId], tasks: &[TaskId]) -> Demands {
        let forced: HashSet<TaskId> = match self.options.force {
            Force::No => HashSet::new(),
            Force::Selected => selected.iter().flat_map(|id| check::meant_by(self.workspace, *id)).collect(),
            Force::All => tasks.iter().copied().collect(),
        };
        let checked = self.checked(selected, tasks, &forced);
        Demands { forced, checked }
    }

    /// The tasks that are to be checked.
    fn checked(&self, selected: &[TaskId], tasks: &[TaskId], forced: &HashSet<TaskId>) -> HashSet<TaskId> {
        if self.store.is_none() || self.options.dry_run {
            return HashSet::new();
        }
        let mut checked = check::choose(self.workspace, self.options.check, selected, tasks);
        checked.retain(|id| !forced.contains(id));
        checked
    }
}

/// The threads that tasks run on. Where the system does not give that many, fewer do.
fn threads(most: usize) -> Result<ThreadPool, SessionError> {
    let start = |count| ThreadPoolBuilder::new().num_threads(count).thread_name(|i| format!("percache-{i}")).build();
    let mut count = most;
    loop {
        match start(count) {
            Ok(pool) => return Ok(pool),
            Err(e) if count == 1 => return Err(SessionError::Threads(most, e.to_string())),
            Err(_) => count = count.div_ceil(2),
        }
    }
}

/// What only looks runs nothing.
fn tell_of_tools(reporter: &mut dyn Reporter, remembered: &[String]) {
    if remembered.is_empty() {
        return;
    }
    let names: Vec<_> = remembered.iter().map(|tool| format!("`{tool}`")).collect();
    let message = format!("not run, their last answers are taken to hold: {}", names.join(", "));
    reporter.event(Event::Note { message });
}
