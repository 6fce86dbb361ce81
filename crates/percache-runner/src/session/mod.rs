//! One build of a worktree: is there anything to do (`open`), do it (`Session::build`), write it down (`commit`).
//!
//! | file | its one idea |
//! | --- | --- |
//! | `request` | what a caller asks for |
//! | `open` | whether there is anything to do |
//! | `last_build` | the last build's findings that still hold |
//! | `freshness` | tasks that are up to date by the journal alone |
//! | `project` | a workspace with its graph and its store |
//! | `exec` | one command without a `percache.toml` |
//! | `begin` | the worktree's lock, journal and leftovers during a build |
//! | `survey` | leftovers of earlier builds, and the state that all tasks share |
//! | `clean` | the removal of outputs from the tree |
//! | `commit` | the end of a build: results stored, then the journal |
//! | `renewal` | the new journal, from the old one and what the build saw |
//! | `conditions` | the conditions under which the next build may trust this one |

mod begin;
mod clean;
mod commit;
mod conditions;
pub mod exec;
pub mod freshness;
mod last_build;
mod open;
mod project;
pub mod renewal;
mod request;
mod survey;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use percache::Digest;
use percache::store::Store;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::action::check;
use crate::action::context::{Download, Force, Options};
use crate::action::remote::Remote;
use crate::action::servers::Servers;
use crate::action::workers::Workers;
use crate::config::Slips;
use crate::fs::stamp::moment;
use crate::graph::{TaskGraph, none_above, serves};
use crate::model::Caller;
use crate::model::event::{Event, Listener, Reporter};
use crate::model::notice::Note;
use crate::model::span::{Phase, timed};
use crate::model::{TaskId, Workspace};
use crate::process::Stop;
use crate::process::descriptors;
use crate::process::nesting::Enclosing;
use crate::report::recorder::Recorder;
use crate::schedule::results::{Outcomes, Summary};
use crate::schedule::servers::Attended;
use crate::schedule::{self, Demands, Threads};
use crate::worktree::conditions::Asked;

pub use clean::{Clean, Cleaned};
use commit::Built;
use last_build::LastBuild;
pub use open::{Opened, open};
pub use project::{OpenError, Project};
pub use request::{Request, Target};

/// A workspace that is ready to be built, as requested.
pub struct Session<'a> {
    request: Request<'a>,
    project: Arc<Project>,
    /// The requested tasks.
    selected: Vec<TaskId>,
    store: Option<Arc<Store>>,
    /// Where results are shared with others, if anywhere.
    remote: Option<Arc<dyn Remote>>,
    /// Where commands are executed besides here, if anywhere.
    workers: Option<Arc<dyn Workers>>,
    /// What the caller asks for, as digests; `None` when the next build must check everything from scratch.
    asked: Option<Asked>,
    /// The digest of the saved copy of the configuration, if the tasks were read from that copy.
    kept: Option<Digest>,
    /// A moment before any file was looked at for this build, configuration included; see [`crate::fs::stamp::moment`].
    began: i64,
    /// The servers that run, and whether the caller keeps them after a build.
    servers: (Servers, bool),
    /// What still holds of the last build's findings; used up by the first build.
    last_build: Option<LastBuild>,
}

/// What all steps of a build share.
#[derive(Clone, Copy)]
struct Build<'a> {
    workspace: &'a Workspace,
    graph: &'a TaskGraph,
    store_dir: &'a Path,
    /// See [`Project`].
    single: Option<Digest>,
    store: Option<&'a Store>,
    remote: Option<&'a dyn Remote>,
    workers: Option<&'a dyn Workers>,
    options: &'a Options,
    /// How many tasks run at a time.
    jobs: usize,
    servers: &'a Servers,
    /// Whether servers are to run that nothing needs.
    serves: bool,
    /// Whether every name that was asked for means a task. If not, the next build has to say so again.
    finds_all: bool,
    /// Whether the caller names the tasks.
    names_tasks: bool,
    caller: &'a Caller,
    stop: &'a Stop,
    listener: &'a dyn Listener,
    holder: &'a str,
    /// See [`Session::asked`].
    asked: Option<Asked>,
    /// See [`Session::kept`].
    kept: Option<Digest>,
    /// See [`Session::began`].
    began: i64,
    /// See [`Request::last`].
    last: bool,
}

/// A reason why a build cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
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

impl BuildError {
    /// Returns advice on what to do, if there is any.
    pub fn hint(&self) -> Option<String> {
        let BuildError::Within(Enclosing { task, .. }) = self else { return None };
        let task = task.as_ref().map_or("the task".to_owned(), |task| format!("`{task}`"));
        Some(format!("name what {task} needs in its `deps`; then it is built before"))
    }
}

impl<'a> Session<'a> {
    /// Returns the workspace.
    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// Returns the store; `None` if none is used.
    pub fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// Shares results with others from now on.
    pub fn share(&mut self, remote: Arc<dyn Remote>) {
        self.remote = Some(remote);
    }

    /// Brings the outputs of only these results of the remote from now on; in the beginning, it is as the request says.
    pub fn download(&mut self, download: Download) {
        self.request.options.download = download;
    }

    /// Uses these servers, which stay when a build is over: one that runs as it is configured is not started again.
    pub fn keep_servers(&mut self, servers: &Servers) {
        servers.forget();
        self.servers = (servers.clone(), true);
    }

    /// Has commands executed on workers from now on, where that is possible.
    pub fn execute_on(&mut self, workers: Arc<dyn Workers>) {
        self.workers = Some(workers);
    }

    /// Creates a session that always looks at the selected tasks and at what they need.
    pub(crate) fn from_scratch(request: Request<'a>, project: Arc<Project>, selected: Vec<TaskId>) -> Session<'a> {
        let store = request.store.map(|open| open(&project.store_dir));
        Session {
            request,
            project,
            selected,
            store,
            remote: None,
            workers: None,
            asked: None,
            kept: None,
            began: moment(),
            servers: Default::default(),
            last_build: None,
        }
    }

    /// Builds the requested tasks and their dependencies: events go to `reporter`, the output of commands to
    /// `listener`, and `stop` ends it.
    ///
    /// # Errors
    /// Fails if the build cannot start. A failed task is not an error.
    pub fn build(
        &mut self,
        stop: &Stop,
        listener: &dyn Listener,
        reporter: &mut dyn Reporter,
    ) -> Result<Summary, BuildError> {
        self.run(stop, listener, reporter).map(|outcomes| outcomes.summary)
    }

    /// Like [`Session::build`], but also returns why tasks ran or would run, if the options ask for it.
    pub(crate) fn run(
        &mut self,
        stop: &Stop,
        listener: &dyn Listener,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcomes, BuildError> {
        let last_build = self.last_build.take();
        let tasks = self.project.graph.closure(&self.selected);
        self.tell_of_slips(reporter);
        let none_above = none_above(&self.project.workspace, &self.project.cwd, self.request.tasks);
        let (servers, kept) = (&self.servers.0, self.servers.1);
        let workspace = &self.project.workspace;
        let foreground = self.selected.iter().flat_map(|id| serves(workspace, *id)).collect();
        let attended = Attended::new(workspace, &tasks, &foreground, kept);
        // Those of tasks that are gone, or not watched any more.
        let is_known = |name: &String| attended.ids.iter().any(|id| workspace.task(*id).name == *name);
        servers.running().iter().filter(|name| !is_known(name)).for_each(|name| servers.end(name));
        let mut build = self.shared(self.jobs(tasks.len(), reporter), stop, listener);
        build.serves = !foreground.is_empty();
        build.finds_all = none_above.is_empty();
        none_above.into_iter().for_each(|none| reporter.event(Event::Note(Note::NoneAbove(none))));
        let (opened, fresh) = timed(listener, Phase::Begin, None, || build.begin(last_build, reporter))?;
        let threads = Threads {
            tasks: threads((build.jobs + build.away()).min(tasks.len()).max(1))?,
            remote: build.remote.map(|_| threads(schedule::GROUPS.min(tasks.len()).max(1))).transpose()?,
        };
        let ctx = timed(listener, Phase::Survey, None, || build.survey(&opened, fresh, reporter))?;
        let demands = build.demands(&self.selected, &tasks);
        let mut recorder = Recorder::new(reporter);
        let mut outcomes = schedule::build(&ctx, &threads, &tasks, &demands, &attended, &mut recorder);
        let built =
            Built { tasks: &tasks, forced: &demands.forced, outcomes: &outcomes, notes: &recorder.into_notes() };
        if !outcomes.remembered.is_empty() {
            reporter.event(Event::Note(Note::NotAsked(outcomes.remembered.clone())));
        }
        let learned = build.learned(ctx);
        build.commit(opened, learned, &built, reporter);
        if !kept {
            let how = (stop, build.options.keep_going);
            let begun = Instant::now();
            schedule::servers::serve(servers, workspace, &attended, how, &mut outcomes.summary, reporter);
            outcomes.summary.took += begun.elapsed();
        }
        build.end(threads);
        Ok(outcomes)
    }

    fn tell_of_slips(&self, reporter: &mut dyn Reporter) {
        let doubt = self.project.doubt.clone().map(Note::Packages).into_iter();
        doubt.chain(Slips::of(&self.project.workspace).notes()).for_each(|note| reporter.event(Event::Note(note)));
    }

    /// Returns how many tasks run at a time: no more than the limit on open files allows.
    fn jobs(&self, tasks: usize, reporter: &mut dyn Reporter) -> usize {
        // CPU affinity and cgroup quotas are taken into account.
        let cpus = || std::thread::available_parallelism().map_or(1, Into::into);
        let jobs = self.request.jobs.unwrap_or_else(cpus);
        let fit = descriptors::make_room(jobs);
        if fit < jobs.min(tasks) {
            reporter.event(Event::Note(Note::FewerJobs(fit)));
        }
        fit
    }

    /// Returns what all steps of a build share.
    fn shared<'b>(&'b self, jobs: usize, stop: &'b Stop, listener: &'b dyn Listener) -> Build<'b> {
        Build {
            workspace: &self.project.workspace,
            graph: &self.project.graph,
            store_dir: &self.project.store_dir,
            single: self.project.single,
            store: self.store.as_deref(),
            remote: self.remote.as_deref(),
            workers: self.workers.as_deref(),
            options: &self.request.options,
            jobs,
            servers: &self.servers.0,
            serves: false,
            finds_all: true,
            names_tasks: !self.request.tasks.is_empty(),
            caller: &self.request.caller,
            stop,
            listener,
            holder: &self.request.holder,
            asked: self.asked,
            kept: self.kept,
            began: self.began,
            last: self.request.last,
        }
    }
}

impl Build<'_> {
    /// Returns how many commands may be executed elsewhere at a time.
    fn away(&self) -> usize {
        self.workers.map_or(0, Workers::jobs)
    }

    /// Ends the threads of a build.
    fn end(&self, threads: Threads) {
        if self.last {
            // They are idle, and ending them only takes time.
            std::mem::forget(threads);
        }
    }

    /// Determines which tasks must run even if they are up to date.
    fn demands(&self, selected: &[TaskId], tasks: &[TaskId]) -> Demands {
        let forced: HashSet<TaskId> = match self.options.force {
            Force::No => HashSet::new(),
            Force::Selected => selected.iter().flat_map(|id| check::meant_by(self.workspace, *id)).collect(),
            Force::All => tasks.iter().copied().collect(),
        };
        let checked = self.checked(selected, tasks, &forced);
        Demands { forced, checked, wanted: self.wanted(selected, tasks) }
    }

    /// Returns the tasks whose outputs are wanted here: those that the caller names; else those on which no other task
    /// of the build depends, groups apart.
    fn wanted(&self, selected: &[TaskId], tasks: &[TaskId]) -> HashSet<TaskId> {
        if self.options.download != Download::Wanted {
            return HashSet::new();
        }
        if self.names_tasks {
            return selected.iter().flat_map(|id| check::meant_by(self.workspace, *id)).collect();
        }
        let counts = |id: &TaskId| self.workspace.task(*id).command.is_some() && tasks.binary_search(id).is_ok();
        let mut inner: HashSet<TaskId> = HashSet::new();
        for id in tasks.iter().filter(|id| counts(id)) {
            let needs = &self.graph.needs[id.index()];
            inner.extend(needs.iter().flat_map(|need| check::meant_by(self.workspace, *need)));
        }
        tasks.iter().copied().filter(|id| counts(id) && !inner.contains(id)).collect()
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
fn threads(most: usize) -> Result<ThreadPool, BuildError> {
    let start = |count| ThreadPoolBuilder::new().num_threads(count).thread_name(|i| format!("percache-{i}")).build();
    let mut count = most;
    loop {
        match start(count) {
            Ok(pool) => return Ok(pool),
            Err(e) if count == 1 => return Err(BuildError::Threads(most, e.to_string())),
            Err(_) => count = count.div_ceil(2),
        }
    }
}
