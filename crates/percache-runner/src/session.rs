//! One build of a worktree, from its lock to its journal.

mod desk;
mod evidence;
mod prior;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use percache::Digest;
use percache::claim::Claimant;
use percache::store::Store;
use percache::store::record::Entry;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::build::budget::Budget;
use crate::build::context::{Context, Force, Options, Tools};
use crate::build::outcomes::{Outcomes, Summary};
use crate::build::{Demands, build, check};
use crate::clearing::Clearing;
use crate::contents::Contents;
use crate::descriptors;
use crate::directories::{Directories, needed};
use crate::displaced::Displaced;
use crate::environment::Caller;
use crate::event::{Event, Listener, Reporter};
use crate::failed_runs;
use crate::finding::Asked;
use crate::git_index::GitIndex;
use crate::graph::TaskGraph;
use crate::history::{Build, History, TaskRun};
use crate::intents::{Intent, Intents, LeftBehind};
use crate::journal::{Journal, TaskRecord};
use crate::known::Seen;
use crate::maintenance::{self, MaintenanceError};
use crate::model::{CacheSettings, TaskId, Workspace};
use crate::nesting::Enclosing;
use crate::observe::Observer;
use crate::ownership::{Buried, Ownership, Sources, bury, survey};
use crate::paths::RelPath;
use crate::process::Stop;
use crate::recorder::{Notes, Recorder, Subject};
use crate::renewal::{Judged, renew};
use crate::shown::shown;
use crate::span::{Phase, timed};
use crate::standing::Holds;
use crate::texts::{self, Texts};
use crate::trouble::{reason, way_out};
use crate::units::format_age;
use crate::unstable;
use crate::worktree::Worktree;

use desk::Desk;
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
    /// The moment before which nothing was looked at for this build, the configuration neither; see [`crate::stamp::moment`].
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
        let options = &Options { jobs: descriptors::make_room(self.options.jobs), ..self.options.clone() };
        let (jobs, tasks) = (options.jobs, self.graph.closure(selected));
        if jobs < self.options.jobs.min(tasks.len()) {
            let message = format!("{jobs} jobs at a time: more do not fit into the files that may be open (ulimit -n)");
            reporter.event(Event::Note { message });
        }
        let (mut desk, holds) = timed(self.listener, Phase::Begin, None, || self.sit_down(prior, reporter));
        if let Some(enclosing) = desk.enclosing.take() {
            return Err(SessionError::Within(enclosing));
        }
        let pool = threads(jobs.min(tasks.len()).max(1))?;
        let ctx = timed(self.listener, Phase::Survey, None, || self.context(options, &desk, holds, reporter));
        let mut ctx = ctx.map_err(SessionError::Tree)?;
        if let Some(form) = self.workspace.jobserver.filter(|_| !self.options.dry_run) {
            ctx.budget = Some(Budget::new(jobs, form).map_err(SessionError::Jobserver)?);
        }
        let forced: HashSet<TaskId> = match self.options.force {
            Force::No => HashSet::new(),
            Force::Selected => selected.iter().flat_map(|id| check::meant_by(self.workspace, *id)).collect(),
            Force::All => tasks.iter().copied().collect(),
        };
        let checked = self.checked(selected, &tasks, &forced);
        let demands = Demands { forced, checked };
        let mut recorder = Recorder::new(reporter);
        let outcomes = build(&ctx, &pool, &tasks, &demands, &mut recorder);
        let notes = recorder.into_notes();
        tell_of_tools(reporter, &outcomes.remembered);
        let Context { observer, intents, trouble, tools, carries, directories, previous, stuck, .. } = ctx;
        drop(previous);
        let mut trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        if desk.lock.is_none() {
            self.close(trouble, reporter);
            return Ok(outcomes);
        }
        let (configuration, is_read) = self.configuration(&observer);
        // The journal is made while the results are written.
        self.store.into_iter().for_each(Store::begin_flush);
        let observed = observer.into_observed();
        let (named, before) = (desk.named(), std::mem::take(&mut desk.journal));
        let remembered = self.remembered(&before, &notes, &tasks, &demands.forced, &outcomes);
        let unfinished = self.unfinished(&desk, &outcomes);
        let mut journal = self.next_journal(before, desk.epoch, &outcomes, &stuck);
        journal.made = directories.into_list();
        let doubtful = self.doubtful(&outcomes);
        let judged = Judged {
            bases: &outcomes.bases,
            recalled: &outcomes.recalled,
            doubtful: &doubtful,
            carries,
            configuration: &configuration,
        };
        let is_done = |name: &str| {
            let position = self.workspace.tasks.binary_search_by(|task| task.name.as_str().cmp(name));
            position.map_or(true, |position| notes.is_done(TaskId(position as u32)))
        };
        let keeps_texts = outcomes.summary.ran + outcomes.summary.restored > 0 && self.single.is_none();
        let written = std::thread::scope(|scope| {
            // For explanations and reports: nothing here waits for it.
            if keeps_texts || remembered.is_some() {
                scope.spawn(|| self.keep_for_later(&desk.worktree, keeps_texts.then_some(&observed.now), remembered));
            }
            if self.single.is_none()
                && let Err(e) = failed_runs::keep(&desk.worktree.failed(), &outcomes.failed_runs, &is_done)
            {
                log::info!("the logs of failed runs cannot be kept: {e}");
            }
            let list = timed(self.listener, Phase::Journal, None, || renew(&mut journal, &observed, &judged));
            let list = list.filter(|_| is_read && trouble.is_none());
            journal.finding = list.and_then(|list| self.finding(&desk, list, &journal, &tasks, &tools));
            let path = desk.worktree.journal();
            let stage = |journal: &Journal| {
                timed(self.listener, Phase::Journal, None, || Journal::stage(&journal.encode(), &path))
            };
            let mut staged = stage(&journal);
            // First the results, then the journal that names them: a kill in between must not leave names of nothing.
            let flush = || self.store.map_or(Ok(()), Store::flush);
            let flushed = timed(self.listener, Phase::Flush, None, flush);
            let aside = self.set_aside(&desk, &outcomes);
            if flushed.is_err() || aside.is_err() {
                if let Err(e) = flushed {
                    trouble.get_or_insert(e.to_string());
                    journal.distrust_all_but(&named);
                }
                if let Err(e) = aside {
                    trouble.get_or_insert(e);
                }
                journal.finding = None;
                staged = stage(&journal);
            }
            timed(self.listener, Phase::Journal, None, || desk.replace_journal(&journal, staged?, &named))
        });
        let written = written.and_then(|()| match intents {
            Some(intents) => intents.keep(&desk.worktree.intents(), &unfinished),
            None => Ok(()),
        });
        if let Err(e) = written {
            trouble.get_or_insert(format!("its journal cannot be written: {e}"));
        }
        if trouble.is_none() {
            trouble = self.take_away_what_is_too_old(reporter);
        }
        self.close(trouble, reporter);
        if self.last {
            // Tens of thousands of small pieces of memory, and threads that wait.
            std::mem::forget((journal, observed, pool));
        }
        Ok(outcomes)
    }

    /// The paths on which it rests that these are the tasks, with the symlinks on the way to them and what they lead to; and whether what was
    /// read of them is what is there now.
    fn configuration(&self, observer: &Observer<'_>) -> (Vec<Vec<u8>>, bool) {
        let mut paths = Vec::new();
        let named = self.workspace.files.iter().chain(&self.workspace.listed);
        let unchanged: Vec<bool> = named.map(|path| observer.watch_content(path.as_bytes(), &mut paths)).collect();
        (paths, unchanged.into_iter().all(|unchanged| unchanged))
    }

    /// Once, at the end: whatever is wrong with the store, it is one thing for the user.
    fn close(&self, trouble: Option<String>, reporter: &mut dyn Reporter) {
        if let Some(trouble) = trouble {
            self.store_trouble(reporter, &trouble);
        }
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

    /// Results that a check has refuted are removed, and what checks have found is noted.
    fn set_aside(&self, desk: &Desk, outcomes: &Outcomes) -> Result<(), String> {
        if let Some(store) = self.store.filter(|_| !outcomes.refuted.is_empty()) {
            // First, so that no journal is believed that names one of them.
            maintenance::advance_epoch(self.store_dir).map_err(|e| e.to_string())?;
            store.remove(&outcomes.refuted).map_err(|e| e.to_string())?;
        }
        let noted = unstable::note(&desk.worktree.unstable(), &outcomes.news);
        noted.map_err(|e| format!("unstable tasks cannot be noted: {e}"))
    }

    /// Tasks that were not judged although something that they need came out otherwise than the journal says, or not at all.
    fn doubtful(&self, outcomes: &Outcomes) -> HashSet<&str> {
        let dependents = self.graph.dependents(&outcomes.otherwise);
        let names = dependents.into_iter().map(|id| self.workspace.task(id).name.as_str());
        names.filter(|name| !outcomes.bases.contains_key(*name)).collect()
    }

    /// For reports. A build that did nothing leaves nothing.
    fn remembered(
        &self,
        before: &Journal,
        notes: &Notes,
        tasks: &[TaskId],
        forced: &HashSet<TaskId>,
        outcomes: &Outcomes,
    ) -> Option<(Build, Vec<TaskRun>)> {
        let summary = &outcomes.summary;
        let checked = summary.checked + summary.unstable.len();
        let did = checked + summary.ran + summary.restored + summary.failed.len() + summary.stopped + summary.skipped;
        if did == 0 || self.single.is_some() {
            return None;
        }
        let subject = Subject {
            workspace: self.workspace,
            graph: self.graph,
            tasks,
            forced,
            stores: self.store.is_some(),
            before,
            outcomes,
        };
        let command = self.holder.split_once('(').map_or(self.holder, |(_, command)| command.trim_end_matches(')'));
        Some((notes.build(summary, command, self.options.jobs), notes.tasks(&subject)))
    }

    /// Texts for explanations, a record of the build for reports. That it cannot be done costs them some detail, and is not worth a word.
    fn keep_for_later(
        &self,
        worktree: &Worktree,
        seen: Option<&Vec<(Vec<u8>, Seen)>>,
        remembered: Option<(Build, Vec<TaskRun>)>,
    ) {
        let root = &self.workspace.root;
        let env_files: HashSet<&RelPath> = self.workspace.tasks.iter().flat_map(|task| &task.env_file).collect();
        // By content, because they may have other names; by path, because they may have changed since.
        let secret = env_files.iter().filter_map(|path| Some(Digest::of(&std::fs::read(path.to_path(root)).ok()?)));
        let secret: HashSet<Digest> = secret.collect();
        let is_input = |path: &[u8]| {
            RelPath::new(path).is_ok_and(|path| !env_files.contains(&path) && self.graph.outputs.owner(&path).is_none())
        };
        let texts = seen.map_or(Ok(()), |seen| texts::keep(&worktree.texts(), root, seen, &secret, &is_input));
        let builds = remembered.map_or(Ok(()), |(build, tasks)| History::add(&worktree.builds(), build, &tasks));
        if let Err(e) = texts.and(builds) {
            log::info!("nothing for explanations and reports: {e}");
        }
    }

    fn context<'a>(
        &'a self,
        options: &'a Options,
        desk: &'a Desk,
        holds: Option<Holds>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Context<'a>> {
        let root = &self.workspace.root;
        let mut observer = Observer::since(root, &desk.journal.files, self.began).following(&self.workspace.follow);
        let skip: Vec<_> = RelPath::from_native(root, self.store_dir).into_iter().collect();
        let ownership = survey(&observer, &self.graph.outputs, &desk.journal, &desk.left_behind.intents, &skip)?;
        let (displaced, directories) = (desk.displaced(), Directories::new(&desk.journal.made));
        let git = GitIndex::open(root);
        let mut stuck = Vec::new();
        if !self.options.dry_run && !ownership.dead.is_empty() {
            stuck = self.take_away_what_is_dead(&observer, &displaced, &directories, &git, &ownership, reporter)?;
        }
        let intents = desk.lock.as_ref().map(|_| Intents::open(&desk.worktree.intents(), &desk.left_behind));
        let (intents, untold) = match intents.transpose() {
            Ok(intents) => (intents, None),
            Err(e) => (None, Some(format!("what it is about to write cannot be noted: {e}"))),
        };
        let carries = holds.as_ref().is_some_and(|holds| holds.conditions);
        let (untouched, tools) = match holds {
            Some(mut holds) => {
                // What was removed since is not as it was found.
                let found = if ownership.dead.is_empty() { std::mem::take(&mut holds.same) } else { Vec::new() };
                observer.take_over(found, &holds.read);
                let untouched = holds.untouched();
                let names = self.workspace.tasks.iter().map(|task| task.name.as_str());
                (names.map(|name| untouched.contains(name)).collect(), holds.tools)
            }
            None => (Vec::new(), Tools::default()),
        };
        Ok(Context {
            workspace: self.workspace,
            graph: self.graph,
            options,
            observer,
            store: self.store,
            trusted: self.store.is_some() && desk.journal.epoch == desk.epoch,
            journal: &desk.journal,
            worktree: desk.worktree.dir(),
            staging: desk.staging(),
            intents,
            claimant: desk.lock.as_ref().and(self.store).map(|_| Claimant::new(desk.worktree.claims(), self.holder)),
            holder: self.holder,
            caller: self.caller,
            stop: self.stop,
            listener: self.listener,
            store_dir: self.store_dir,
            skip,
            place: Worktree::place(root),
            previous: ownership.owned,
            displaced,
            directories,
            needed: OnceLock::new(),
            git,
            kept: Mutex::default(),
            stuck: stuck.into_iter().map(|(path, _)| path).collect(),
            tools,
            contents: Contents::new(root, self.store, Texts::at(desk.worktree.texts())),
            carries,
            untouched,
            places: OnceLock::new(),
            budget: None,
            sources: OnceLock::new(),
            trouble: Mutex::new(desk.trouble.clone().or(untold)),
        })
    }

    /// Removes what no task makes any more, and the directories that were there for it. Returns what could not be removed.
    fn take_away_what_is_dead(
        &self,
        observer: &Observer<'_>,
        displaced: &Displaced,
        directories: &Directories,
        git: &GitIndex,
        Ownership { dead, .. }: &Ownership<'_>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Vec<(RelPath, io::Error)>> {
        let mut clearing = Clearing::open(observer, displaced)?;
        let buried = bury(&mut clearing, observer, dead, &Sources { git, tasks: &self.workspace.tasks });
        let needed = needed(&self.workspace.tasks);
        directories.prune(clearing.tree(), observer, dead.iter().map(|left| &left.path), &needed)?;
        tell_of_dead(reporter, &buried);
        tell_of_stuck(reporter, &buried.stuck);
        if let Some(moved) = displaced.take_moved() {
            reporter.event(Event::Displaced(moved));
        }
        Ok(buried.stuck)
    }

    /// Of what a killed build was about to write, that of tasks that this build had nothing to do with; and what still runs of it.
    fn unfinished(&self, desk: &Desk, outcomes: &Outcomes) -> LeftBehind {
        let LeftBehind { intents, commands } = &desk.left_behind;
        if intents.is_empty() {
            return LeftBehind { intents: Vec::new(), commands: commands.clone() };
        }
        let others = self.workspace.tasks.iter().filter(|task| !outcomes.records.contains_key(&task.name));
        let patterns: HashSet<_> = others.map(|task| Intent::new(&task.outputs, Vec::new()).patterns).collect();
        let intents = intents.iter().filter(|intent| patterns.contains(&intent.patterns)).cloned().collect();
        LeftBehind { intents, commands: commands.clone() }
    }

    /// The trouble with that.
    fn take_away_what_is_too_old(&self, reporter: &mut dyn Reporter) -> Option<String> {
        let settings = &self.workspace.cache;
        match maintenance::automatic_gc(self.store?, self.store_dir, settings) {
            Ok(report) => {
                report.iter().for_each(|report| tell_of_displaced(reporter, report, settings));
                None
            }
            Err(MaintenanceError::Engine(e)) => Some(e.to_string()),
            Err(MaintenanceError::Io(e)) => Some(e.to_string()),
        }
    }

    fn next_journal(
        &self,
        mut journal: Journal,
        epoch: u64,
        outcomes: &Outcomes,
        stuck: &BTreeSet<RelPath>,
    ) -> Journal {
        // The epoch that lookups saw: if results were removed meanwhile, the next build must ask the store.
        if journal.epoch != epoch {
            journal.tasks.values_mut().for_each(TaskRecord::distrust);
        }
        journal.epoch = epoch;
        journal.hits += (outcomes.summary.up_to_date + outcomes.summary.restored) as u64;
        journal.misses += (outcomes.summary.ran + outcomes.summary.failed.len()) as u64;
        // Of tasks that are gone, the outputs are buried, or belong to others now; as long as those are not built, nobody else knows.
        let names: HashSet<&str> = self.workspace.tasks.iter().map(|task| task.name.as_str()).collect();
        let inherited = |entry: &Entry| {
            if stuck.contains(entry.path.as_slice()) {
                return true;
            }
            let heir = RelPath::new(&entry.path).ok().and_then(|path| self.graph.outputs.owner(&path));
            heir.is_some_and(|heir| !outcomes.records.contains_key(&self.workspace.task(heir).name))
        };
        journal.tasks.retain(|name, record| names.contains(name.as_str()) || record.outputs.iter().any(inherited));
        journal.tasks.extend(outcomes.records.iter().map(|(name, record)| (name.clone(), record.clone())));
        journal
    }

    fn store_trouble(&self, reporter: &mut dyn Reporter, trouble: &str) {
        let (what, option) =
            if self.single.is_some() { ("the command runs", " --exec") } else { ("the build goes on", "") };
        reporter.event(Event::Warning {
            message: format!("the store cannot be used: {}", trouble.split(" (os error").next().unwrap_or(trouble)),
            hint: Some(format!(
                "{what} without it; `percache verify{option} --repair` puts a damaged store right, else look at the permissions and the \
                 space of `{}`",
                shown(self.store_dir)
            )),
        });
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

/// They may be somebody's work: none of them goes without a word, and none goes because there are too many.
fn tell_of_displaced(reporter: &mut dyn Reporter, report: &maintenance::Report, settings: &CacheSettings) {
    let (went, left) = (report.displaced, report.displaced_left);
    if went.files > 0 {
        let age = format_age(settings.maxage.unwrap_or(maintenance::DEFAULT_MAXAGE));
        let message = format!("removed {went}: moved aside more than {age} ago");
        reporter.event(Event::Note { message });
    }
    if left.bytes > settings.maxsize.unwrap_or(maintenance::DEFAULT_MAXSIZE) {
        reporter.event(Event::Warning {
            message: format!("{left} are kept, which is more than the store may have (`maxsize`)"),
            hint: Some("`percache displaced` lists them, and `percache displaced drop PATH` deletes some".to_owned()),
        });
    }
}

fn tell_of_dead(reporter: &mut dyn Reporter, Buried { removed, kept, .. }: &Buried) {
    let mut note = |message: String| reporter.event(Event::Note { message });
    if !removed.is_empty() {
        note(format!("removed {}: no task makes it any more", named(removed)));
    }
    if !kept.is_empty() {
        note(format!("kept {}: no task makes it any more, but it is a source now", named(kept)));
    }
}

/// They stop only the tasks that read them.
fn tell_of_stuck(reporter: &mut dyn Reporter, stuck: &[(RelPath, io::Error)]) {
    let Some(((path, why), more)) = stuck.split_first() else { return };
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    reporter.event(Event::Warning {
        message: format!("`{path}`{more} cannot be removed, although no task makes it any more: {}", reason(why)),
        hint: way_out(why),
    });
}

/// Some paths by name, the others by number.
fn named(paths: &[RelPath]) -> String {
    const NAMED: usize = 3;
    let names: Vec<_> = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    let more = if paths.len() > NAMED { format!(" and {} more", paths.len() - NAMED) } else { String::new() };
    format!("{}{more}", names.join(", "))
}
