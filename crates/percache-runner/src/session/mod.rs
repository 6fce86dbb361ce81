//! One build of a worktree, from its lock to its journal.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `clean` | the removal of outputs from the tree |
//! | `commit` | the end of a build: results stored, then the journal |
//! | `desk` | the worktree's lock, journal and leftovers during a build |
//! | `evidence` | the conditions under which the next build may trust this one |
//! | `prior` | the last build's findings that still hold |
//! | `renewal` | the new journal, from the old one and what the build saw |
//! | `single` | one command without a `percache.toml` |
//! | `standing` | tasks that are up to date by the journal alone |
//! | `survey` | leftovers of earlier builds, and the state that all tasks share |

pub mod clean;
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
use crate::model::{TaskId, UnusedTemplate, Workspace};
use crate::process::Stop;
use crate::process::descriptors;
use crate::process::nesting::Enclosing;
use crate::report::recorder::Recorder;
use crate::schedule::results::{Outcomes, Summary};
use crate::schedule::{Demands, build};
use crate::worktree::conditions::Asked;

use commit::Built;
pub use prior::{Prior, prior};

/// Everything that one build is given: the workspace, the store, the options and the caller.
pub struct Session<'a> {
    /// The tasks and settings.
    pub workspace: &'a Workspace,
    /// The dependencies between the tasks.
    pub graph: &'a TaskGraph,
    /// The store's directory.
    pub store_dir: &'a Path,
    /// Tells a single command from others that run in the same directory; `None` when the workspace has a
    /// configuration.
    pub single: Option<Digest>,
    /// The store; `None` means that nothing is looked up and nothing is stored.
    pub store: Option<&'a Store>,
    /// How to build.
    pub options: &'a Options,
    /// The caller's environment variables.
    pub caller: &'a Caller,
    /// The request to stop, such as Ctrl-C.
    pub stop: &'a Stop,
    /// Receives the output of commands.
    pub listener: &'a dyn Listener,
    /// The name of this process, shown to others that wait for it.
    pub holder: &'a str,
    /// What the caller asks for, as digests; `None` when the next build must check everything from scratch.
    pub asked: Option<Asked>,
    /// The digest of the saved copy of the configuration, if the tasks were read from that copy.
    pub kept: Option<Digest>,
    /// A moment before any file was looked at for this build, configuration included; see [`crate::fs::stamp::moment`].
    pub began: i64,
    /// Whether the process exits after this build. Then destructors are skipped, because the OS frees memory faster.
    pub last: bool,
}

/// A reason why a build cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Worker threads cannot be started.
    #[error("cannot start {0} threads: {1}")]
    Threads(usize, String),
    /// The jobserver cannot be created.
    #[error("cannot be a jobserver: {0}")]
    Jobserver(io::Error),
    /// The build would wait for itself.
    #[error("{}", within(.0))]
    Within(Enclosing),
    /// The outputs of earlier builds cannot be examined.
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
    /// Returns advice on what to do, if there is any.
    pub fn hint(&self) -> Option<String> {
        let SessionError::Within(Enclosing { task, .. }) = self else { return None };
        let task = task.as_ref().map_or("the task".to_owned(), |task| format!("`{task}`"));
        Some(format!("name what {task} needs in its `deps`; then it is built before"))
    }
}

impl Session<'_> {
    /// Builds the selected tasks and their dependencies. `prior` is the part of the last build's findings that still
    /// holds.
    pub fn run(
        &self,
        selected: &[TaskId],
        prior: Option<Prior>,
        reporter: &mut dyn Reporter,
    ) -> Result<Summary, SessionError> {
        self.build(selected, prior, reporter).map(|outcomes| outcomes.summary)
    }

    /// Like [`Session::run`], but also returns why tasks ran or would run, if the options ask for it.
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
        for UnusedTemplate { name, place } in &self.workspace.unused {
            let message = format!("no task extends the template `{name}` ({place})");
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
            // Its threads are idle, and ending them only takes time.
            std::mem::forget(pool);
        }
        Ok(outcomes)
    }

    /// Determines which tasks must run even if they are up to date.
    fn demands(&self, selected: &[TaskId], tasks: &[TaskId]) -> Demands {
        let forced: HashSet<TaskId> = match self.options.force {
            Force::No => HashSet::new(),
            Force::Selected => selected.iter().flat_map(|id| check::meant_by(self.workspace, *id)).collect(),
            Force::All => tasks.iter().copied().collect(),
        };
        let checked = self.checked(selected, tasks, &forced);
        Demands { forced, checked }
    }

    /// Returns the tasks to check.
    fn checked(&self, selected: &[TaskId], tasks: &[TaskId], forced: &HashSet<TaskId>) -> HashSet<TaskId> {
        if self.store.is_none() || self.options.dry_run {
            return HashSet::new();
        }
        let mut checked = check::choose(self.workspace, self.options.check, selected, tasks);
        checked.retain(|id| !forced.contains(id));
        checked
    }
}

/// Starts the threads that tasks run on: fewer than `most` if the system does not allow that many.
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

/// Names the tools that a dry run did not ask, because it runs nothing.
fn tell_of_tools(reporter: &mut dyn Reporter, remembered: &[String]) {
    if remembered.is_empty() {
        return;
    }
    let names: Vec<_> = remembered.iter().map(|tool| format!("`{tool}`")).collect();
    let message = format!("not run, their last answers are taken to hold: {}", names.join(", "));
    reporter.event(Event::Note { message });
}
