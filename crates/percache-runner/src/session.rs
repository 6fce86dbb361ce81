//! One build of a worktree, from its lock to its journal.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use percache::Digest;
use percache::lock::{FileLock, LockError};
use percache::store::Store;
use percache::store::layout::furnish;
use percache::store::record::{Entry, ResultKey};

use crate::build::budget::Budget;
use crate::build::context::{Context, HitLogs, Options, Tools};
use crate::build::feed::Follower;
use crate::build::inputs::prepare;
use crate::build::{Demands, Outcomes, Summary, build, check};
use crate::config::{keep, kept};
use crate::contents::Contents;
use crate::environment::{self, Caller, Wishes};
use crate::event::{Event, Listener, Reporter, Runner};
use crate::finding::{Asked, Finding, Tool, variables_digest};
use crate::graph::TaskGraph;
use crate::history::History;
use crate::intents::{Intent, Intents, LeftBehind};
use crate::journal::{Journal, TaskRecord};
use crate::known::Seen;
use crate::maintenance::{self, MaintenanceError};
use crate::model::{Task, TaskId, Workspace};
use crate::observe::Observer;
use crate::orphans::{self, Trace};
use crate::paths::RelPath;
use crate::process::Stop;
use crate::recorder::{Notes, Recorder, Subject};
use crate::renewal::{Judged, renew};
use crate::span::{Phase, timed};
use crate::stamp::Stamp;
use crate::standing::{self, Holds, Surroundings};
use crate::territory::{bury, survey};
use crate::texts::{self, Texts};
use crate::unstable;
use crate::usage;
use crate::worktree::Worktree;

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
}

/// What an earlier build has found, as far as it still stands, and the lock of its worktree.
pub struct Prior {
    /// The store's directory.
    store_dir: PathBuf,
    lock: FileLock,
    bytes: Arc<Vec<u8>>,
    journal: PathBuf,
    holds: Holds,
}

impl Prior {
    /// Whether it is about a worktree of this store: the configuration may name another one by now.
    pub fn is_of(&self, store_dir: &Path) -> bool {
        self.store_dir == store_dir
    }

    /// The workspace, and the digest under which it is kept: while its configuration stands as it stood, it need not be read.
    pub fn workspace(&self, root: &Path) -> Option<(Workspace, Digest)> {
        let digest = self.holds.kept?;
        let path = Worktree::new(&self.store_dir, root).kept();
        Some((kept(root, &path, &digest)?, digest))
    }

    /// Names of the tasks that are asked for, if all of them are up to date. Says that their results were used.
    pub fn idle(&self) -> Option<&[String]> {
        let idle = self.holds.idle.as_deref()?;
        usage::touch(&self.journal).ok().map(|()| idle)
    }
}

/// What stands of what the last build in this worktree has found; `None` when a build has to find out everything anew.
pub fn prior(store_dir: &Path, root: &Path, asked: &Asked, caller: &Caller, holder: &str) -> Option<Prior> {
    let worktree = Worktree::new(store_dir, root);
    let journal = worktree.journal();
    // Nobody builds here, and nobody was killed building.
    let lock = journal.exists().then(|| worktree.try_lock(holder))??;
    if !Intents::is_empty(&worktree.intents()) || maintenance::is_time_for_gc(store_dir) {
        return None;
    }
    let bytes = Arc::new(fs::read(&journal).ok()?);
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let around = Surroundings { root, epoch: maintenance::epoch(store_dir), caller };
    let holds = standing::check(&bytes, asked, around, threads)?;
    Some(Prior { store_dir: store_dir.to_owned(), lock, bytes, journal, holds })
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
    /// What earlier builds left.
    #[error("cannot look at the outputs of earlier builds: {0}")]
    Tree(io::Error),
}

/// What a worktree keeps between builds, as far as it can be had.
struct Desk {
    worktree: Worktree,
    /// `None` when the store's directory cannot be written, and in a dry run.
    lock: Option<FileLock>,
    journal: Journal,
    /// The store's epoch when the build began.
    epoch: u64,
    /// What a killed build was about to write, and which of its commands could not be ended.
    left_behind: LeftBehind,
    staging: PathBuf,
    /// Why the store cannot be used, so far.
    trouble: Option<String>,
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
        let jobs = self.options.jobs.max(1);
        let (mut desk, holds) = timed(self.listener, Phase::Begin, None, || self.sit_down(prior, reporter));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).thread_name(|i| format!("percache-{i}")).build();
        let pool = pool.map_err(|e| SessionError::Threads(jobs, e.to_string()))?;
        let carries = holds.as_ref().is_some_and(|holds| holds.conditions);
        let ctx = timed(self.listener, Phase::Survey, None, || self.context(&desk, holds, reporter));
        let mut ctx = ctx.map_err(SessionError::Tree)?;
        if let Some(form) = self.workspace.jobserver.filter(|_| !self.options.dry_run) {
            ctx.budget = Some(Budget::new(jobs, form).map_err(SessionError::Jobserver)?);
        }
        let tasks = self.graph.closure(selected);
        let forced: HashSet<TaskId> =
            if self.options.force { selected.iter().copied().collect() } else { HashSet::new() };
        let checked = self.checked(selected, &tasks, &forced);
        let demands = Demands { forced, checked };
        let mut recorder = Recorder::new(reporter);
        let outcomes = build(&ctx, &pool, &tasks, &demands, &mut recorder);
        let notes = recorder.into_notes();
        tell_of_tools(reporter, &outcomes.remembered);
        let Context { observer, intents, trouble, tools, .. } = ctx;
        let mut trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        if desk.lock.is_none() {
            self.close(trouble, reporter);
            return Ok(outcomes);
        }
        let configuration: Vec<_> = self.workspace.files.iter().chain(&self.workspace.listed).collect();
        configuration.iter().for_each(|path| observer.watch(path.as_bytes()));
        let configuration: Vec<_> = configuration.into_iter().map(|path| path.as_bytes().to_vec()).collect();
        // The journal is made while the results are written.
        self.store.into_iter().for_each(Store::begin_flush);
        let observed = observer.into_observed();
        if outcomes.summary.ran + outcomes.summary.restored > 0 && self.single.is_none() {
            self.keep_texts(&desk, &observed.now);
        }
        self.remember(&desk, &notes, &tasks, &demands.forced, &outcomes);
        let (named, before) = (desk.named(), std::mem::take(&mut desk.journal));
        let unfinished = self.unfinished(&desk, &outcomes);
        let mut journal = self.next_journal(before, desk.epoch, &outcomes);
        let doubtful = self.doubtful(&outcomes);
        let judged = Judged { bases: &outcomes.bases, doubtful: &doubtful, carries, configuration: &configuration };
        let list = timed(self.listener, Phase::Journal, None, || renew(&mut journal, &observed, &judged));
        journal.finding =
            list.filter(|_| trouble.is_none()).and_then(|list| self.finding(&desk, list, &journal, &tasks, &tools));
        let mut encoded = timed(self.listener, Phase::Journal, None, || journal.encode());
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
            encoded = journal.encode();
        }
        let written = timed(self.listener, Phase::Journal, None, || desk.write_journal(&journal, &encoded, &named));
        let written = written.and_then(|()| match intents {
            Some(intents) => intents.keep(&desk.worktree.intents(), &unfinished),
            None => Ok(()),
        });
        if let Err(e) = written {
            trouble.get_or_insert(format!("its journal cannot be written: {e}"));
        }
        if trouble.is_none() {
            trouble = self.take_away_what_is_too_old();
        }
        self.close(trouble, reporter);
        Ok(outcomes)
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

    /// Under which conditions the evidence in the journal counts.
    fn finding(
        &self,
        desk: &Desk,
        configuration: u32,
        journal: &Journal,
        tasks: &[TaskId],
        asked: &Tools,
    ) -> Option<Finding> {
        let request = self.asked?;
        // The last two decide which files say what git ignores.
        let mut variables: Vec<String> = ["LANG", "LC_*", "TZ", "HOME", "XDG_CONFIG_HOME"].map(str::to_owned).into();
        variables.extend(self.workspace.tasks.iter().flat_map(|task| task.env_from.iter().cloned()));
        variables.sort();
        variables.dedup();
        let positions: HashMap<&str, u32> = journal.tasks.keys().map(String::as_str).zip(0..).collect();
        let commands = tasks.iter().map(|id| self.workspace.task(*id)).filter(|task| task.command.is_some());
        let positions: Option<Vec<u32>> = commands.map(|task| positions.get(task.name.as_str()).copied()).collect();
        Some(Finding {
            args: request.args,
            environment: variables_digest(self.caller, &variables),
            variables,
            tools: self.tools(journal, asked)?,
            configuration,
            // That it cannot be kept costs the next build the time to read it.
            kept: self.kept.or_else(|| keep(self.workspace, &desk.worktree.kept()).ok()),
            // Which tasks are to be checked is to be decided anew in each build.
            request: positions
                .filter(|_| self.workspace.cache.check_rate == 0.0)
                .map(|positions| (request.tasks, positions)),
        })
    }

    /// The tools of all tasks with evidence, each once, with what they say now.
    fn tools(&self, journal: &Journal, asked: &Tools) -> Option<Vec<Tool>> {
        let mut tools = Vec::new();
        let sure = |task: &&Task| journal.tasks.get(&task.name).is_some_and(|record| record.evidence.sure);
        for task in self.workspace.tasks.iter().filter(|task| !task.tools.is_empty()).filter(sure) {
            for command in &task.tools {
                let wishes = Wishes::of(task);
                let variables = environment::resolve(wishes, self.caller, &[]).variables;
                let cwd = task.cwd.to_path(&self.workspace.root);
                let answer = asked.version(command, cwd, variables.into_iter().collect(), self.stop).ok()?;
                let tool = Tool {
                    command: command.clone(),
                    cwd: task.cwd.as_bytes().to_vec(),
                    pass: wishes.pass.to_vec(),
                    from: wishes.from.to_vec(),
                    set: wishes.set.clone(),
                    answer,
                };
                if !tools.contains(&tool) {
                    tools.push(tool);
                }
            }
        }
        Some(tools)
    }

    /// For reports. A build that did nothing leaves nothing; that it cannot be written is not worth a word.
    fn remember(&self, desk: &Desk, notes: &Notes, tasks: &[TaskId], forced: &HashSet<TaskId>, outcomes: &Outcomes) {
        let summary = &outcomes.summary;
        let checked = summary.checked + summary.unstable.len();
        let did = checked + summary.ran + summary.restored + summary.failed.len() + summary.stopped + summary.skipped;
        if did == 0 || self.single.is_some() {
            return;
        }
        let subject =
            Subject { workspace: self.workspace, graph: self.graph, tasks, forced, before: &desk.journal, outcomes };
        let command = self.holder.split_once('(').map_or(self.holder, |(_, command)| command.trim_end_matches(')'));
        let build = notes.build(summary, command, self.options.jobs);
        if let Err(e) = History::add(&desk.worktree.builds(), build, &notes.tasks(&subject)) {
            log::info!("no record of the build: {e}");
        }
    }

    /// For explanations. That it cannot be done costs them some detail, and is not worth a word.
    fn keep_texts(&self, desk: &Desk, seen: &[(Vec<u8>, Seen)]) {
        let is_input = |path: &[u8]| RelPath::new(path).is_ok_and(|path| self.graph.outputs.owner(&path).is_none());
        if let Err(e) = texts::keep(&desk.worktree.texts(), &self.workspace.root, seen, &is_input) {
            log::info!("no texts: {e}");
        }
    }

    fn sit_down(&self, prior: Option<Prior>, reporter: &mut dyn Reporter) -> (Desk, Option<Holds>) {
        if let Some(Prior { lock, bytes, holds, .. }) = prior.filter(|prior| self.can_use(prior)) {
            let worktree = Worktree::new(self.store_dir, &self.workspace.root);
            let staging = worktree.staging();
            // Its bytes are those that were written.
            let journal = Journal::decode_whole(&bytes).unwrap_or_default();
            // Opening the store may have cost results.
            let (epoch, lock) = (maintenance::epoch(self.store_dir), Some(lock));
            let stands = epoch == journal.epoch && self.is_read_as_found(&journal);
            let holds = if stands { holds } else { holds.without_conditions() };
            let desk =
                Desk { worktree, lock, journal, epoch, left_behind: LeftBehind::default(), staging, trouble: None };
            return (desk, Some(holds));
        }
        let worktree = match &self.single {
            Some(identity) => Worktree::single(self.store_dir, &self.workspace.root, identity),
            None => Worktree::new(self.store_dir, &self.workspace.root),
        };
        let mut followed = None;
        let waiting = &mut |holder: &str| {
            let followed = followed.get_or_insert_with(|| {
                reporter.event(Event::Waiting { task: None, holder: holder.to_owned() });
                self.awaited()
            });
            if let Some((task, follower)) = followed {
                follower.follow(&mut |stream, bytes| self.listener.wrote(*task, Runner::Other, stream, bytes));
            }
        };
        let mut trouble = None;
        let lock = if self.options.dry_run {
            None
        } else {
            let made = worktree.create().and_then(|()| furnish(self.store_dir));
            let lock = made.map_err(LockError::Io).and_then(|()| worktree.lock(self.holder, self.stop, waiting));
            match lock {
                // Stopped while it waited: nothing will start.
                Err(LockError::Held(_)) => None,
                lock => lock.map_err(|e| trouble = Some(e.to_string())).ok(),
            }
        };
        let staging = if lock.is_some() { worktree.staging() } else { std::env::temp_dir() };
        if lock.is_some()
            && let Err(e) = worktree.prepare()
        {
            trouble = Some(e.to_string());
        }
        let (journal, epoch) = (Journal::load(&worktree.journal()), maintenance::epoch(self.store_dir));
        let mut left_behind = LeftBehind::read(&worktree.intents());
        if lock.is_some() && self.end_orphans(&left_behind.commands, reporter) {
            left_behind.commands.clear();
        }
        (Desk { worktree, lock, journal, epoch, left_behind, staging, trouble }, None)
    }

    /// The commands of a killed build would write over what this one is about to look at. Whether they are gone.
    fn end_orphans(&self, commands: &[Trace], reporter: &mut dyn Reporter) -> bool {
        let waiting = &mut |holder: &str| reporter.event(Event::Waiting { task: None, holder: holder.to_owned() });
        let ended = orphans::end(commands, self.stop, waiting);
        if ended.found > 0 {
            let what = if ended.found == 1 { "a process".to_owned() } else { format!("{} processes", ended.found) };
            reporter.event(Event::Note { message: format!("ended {what} that a killed build had left running") });
        }
        !ended.some_left
    }

    /// Where the action of a single command is claimed, to hear what it writes when somebody else runs it.
    fn awaited(&self) -> Option<(TaskId, Follower)> {
        if self.single.is_none() || self.options.force {
            return None;
        }
        let options = Options { dry_run: true, ..self.options.clone() };
        let look = Session { options: &options, ..*self };
        let (desk, _) = look.sit_down(None, &mut ());
        let ctx = look.context(&desk, None, &mut ()).ok()?;
        let (id, task) = self.workspace.ids().zip(&self.workspace.tasks).next()?;
        let prepared = prepare(&ctx, task, task.command.as_ref()?, &Vec::new()).ok()?;
        Some((id, Follower::new(&desk.worktree.claims().join(prepared.fingerprint.to_string()))))
    }

    /// Whether the configuration that was read is the one that a journal's evidence is about: it may have been edited after that was
    /// checked and before it was read.
    fn is_read_as_found(&self, journal: &Journal) -> bool {
        let root = &self.workspace.root;
        let same = |path: &RelPath| {
            let seen = journal.files.find(path.as_bytes()).map(|i| journal.files.seen(i));
            let now = Stamp::at(&path.to_path(root));
            seen.zip(now.ok()).is_some_and(|(seen, now)| seen.settled && seen.stamp == now)
        };
        self.workspace.files.iter().chain(&self.workspace.listed).all(same)
    }

    /// Whether tasks may be taken for up to date without a look at them.
    fn can_use(&self, prior: &Prior) -> bool {
        let options = self.options;
        prior.is_of(self.store_dir) && self.store.is_some() && !options.dry_run && options.hit_logs != HitLogs::All
    }

    fn context<'a>(
        &'a self,
        desk: &'a Desk,
        holds: Option<Holds>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Context<'a>> {
        let root = &self.workspace.root;
        let observer = Observer::since(root, &desk.journal.files, self.began);
        let skip: Vec<_> = RelPath::from_native(root, self.store_dir).into_iter().collect();
        let territory = survey(&observer, &self.graph.outputs, &desk.journal, &desk.left_behind.intents, &skip)?;
        if !self.options.dry_run && !territory.dead.is_empty() {
            let gone = bury(&observer, &territory.dead)?;
            tell_of_dead(reporter, &gone);
        }
        let intents = desk.lock.as_ref().map(|_| Intents::open(&desk.worktree.intents()));
        let (intents, untold) = match intents.transpose() {
            Ok(intents) => (intents, None),
            Err(e) => (None, Some(format!("what it is about to write cannot be noted: {e}"))),
        };
        let (untouched, tools) = match holds {
            Some(holds) => {
                let names = self.workspace.tasks.iter().map(|task| &task.name);
                (names.map(|name| holds.untouched.contains(name)).collect(), holds.tools)
            }
            None => (Vec::new(), Tools::default()),
        };
        Ok(Context {
            workspace: self.workspace,
            graph: self.graph,
            options: self.options,
            observer,
            store: self.store,
            trusted: self.store.is_some() && desk.journal.epoch == desk.epoch,
            journal: &desk.journal,
            staging: desk.staging.clone(),
            intents,
            claims: desk.lock.as_ref().and(self.store).map(|_| desk.worktree.claims()),
            holder: self.holder,
            caller: self.caller,
            stop: self.stop,
            listener: self.listener,
            skip,
            place: Worktree::place(root),
            previous: territory.owned,
            tools,
            contents: Contents::new(root, self.store, Texts::at(desk.worktree.texts())),
            untouched,
            budget: None,
            sources: OnceLock::new(),
            trouble: Mutex::new(desk.trouble.clone().or(untold)),
        })
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
    fn take_away_what_is_too_old(&self) -> Option<String> {
        let collected = maintenance::automatic_gc(self.store?, self.store_dir, &self.workspace.cache);
        collected.err().map(|e| match e {
            MaintenanceError::Engine(e) => e.to_string(),
            MaintenanceError::Io(e) => e.to_string(),
        })
    }

    fn next_journal(&self, mut journal: Journal, epoch: u64, outcomes: &Outcomes) -> Journal {
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
            let heir = RelPath::new(&entry.path).ok().and_then(|path| self.graph.outputs.owner(&path));
            heir.is_some_and(|heir| !outcomes.records.contains_key(&self.workspace.task(heir).name))
        };
        journal.tasks.retain(|name, record| names.contains(name.as_str()) || record.own().any(inherited));
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
                self.store_dir.display()
            )),
        });
    }
}

impl Desk {
    /// The results that the journal named when the build began.
    fn named(&self) -> Vec<ResultKey> {
        self.journal.keys().collect()
    }

    /// Replaces the journal, which named the results `before`, by `journal`, whose bytes are `encoded`.
    fn write_journal(&self, journal: &Journal, encoded: &[u8], before: &[ResultKey]) -> io::Result<()> {
        let path = self.worktree.journal();
        let kept: HashSet<_> = journal.keys().collect();
        let replaced = before.iter().filter(|key| !kept.contains(key)).copied();
        usage::append(&self.worktree.used(), replaced, usage::last_use(&path).unwrap_or(0))?;
        Journal::save(encoded, &path)
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

fn tell_of_dead(reporter: &mut dyn Reporter, gone: &[RelPath]) {
    const NAMED: usize = 3;
    if gone.is_empty() {
        return;
    }
    let names: Vec<_> = gone.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
    let more = if gone.len() > NAMED { format!(" and {} more", gone.len() - NAMED) } else { String::new() };
    reporter.event(Event::Note { message: format!("removed {}{more}: no task makes it any more", names.join(", ")) });
}
