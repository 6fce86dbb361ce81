//! One build of a worktree, from its lock to its journal.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use percache::Digest;
use percache::lock::{FileLock, LockError};
use percache::store::Store;
use percache::store::layout::furnish;
use percache::store::record::Entry;

use crate::build::context::{Context, Options, Tools};
use crate::build::feed::Follower;
use crate::build::inputs::prepare;
use crate::build::{Outcomes, Summary, build};
use crate::contents::Contents;
use crate::environment::{self, Caller, Wishes};
use crate::event::{Event, Listener, Reporter, Runner};
use crate::graph::TaskGraph;
use crate::intents::{Intent, Intents};
use crate::journal::{Journal, TaskRecord};
use crate::maintenance;
use crate::model::{TaskId, Workspace};
use crate::observe::{KnownFiles, Observer};
use crate::paths::RelPath;
use crate::process::Stop;
use crate::snapshot::{self, Snapshot, Tool, Watched};
use crate::stamp::moment;
use crate::territory::{bury, survey};
use crate::texts::{self, Texts};
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
    /// What is asked for, see [`snapshot::request`]; `None` when the next build is not to be answered by a snapshot.
    pub request: Option<Digest>,
}

/// What there is to say when a snapshot answers.
pub struct Idle {
    /// Names of the tasks that are up to date.
    pub tasks: Vec<String>,
}

/// Whether there is nothing to do, told from stamps alone; `None` when a build has to find out.
pub fn is_idle(
    store_dir: &Path,
    root: &Path,
    request: &Digest,
    caller: &Caller,
    colour: bool,
    holder: &str,
) -> Option<Idle> {
    let worktree = Worktree::new(store_dir, root);
    // Nobody builds here, and nobody was killed building.
    let _lock = worktree.snapshot().exists().then(|| worktree.try_lock(holder))??;
    if !snapshot::is_empty(&worktree.intents()) || maintenance::is_time_for_gc(store_dir) {
        return None;
    }
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let epoch = maintenance::epoch(store_dir);
    let same = snapshot::unchanged(&worktree.snapshot(), root, request, epoch, caller, colour, threads)?;
    usage::touch(&worktree.journal()).ok()?;
    Some(Idle { tasks: same.tasks })
}

/// A build that cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The threads.
    #[error("cannot start {0} threads: {1}")]
    Threads(usize, String),
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
    /// What a killed build was about to write.
    left_behind: Vec<Intent>,
    staging: PathBuf,
}

impl Session<'_> {
    /// Builds the selected tasks and what they need.
    pub fn run(&self, selected: &[TaskId], reporter: &mut dyn Reporter) -> Result<Summary, SessionError> {
        self.build(selected, reporter).map(|outcomes| outcomes.summary)
    }

    /// As [`Session::run`]; with why tasks ran or would run, if the options ask for that.
    pub fn build(&self, selected: &[TaskId], reporter: &mut dyn Reporter) -> Result<Outcomes, SessionError> {
        let desk = self.sit_down(reporter);
        let jobs = self.options.jobs.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).thread_name(|i| format!("percache-{i}")).build();
        let pool = pool.map_err(|e| SessionError::Threads(jobs, e.to_string()))?;
        let began = moment();
        let ctx = self.context(&desk, reporter).map_err(SessionError::Tree)?;
        let tasks = self.graph.closure(selected);
        let forced: HashSet<TaskId> =
            if self.options.force { selected.iter().copied().collect() } else { HashSet::new() };
        let outcomes = build(&ctx, &pool, &tasks, &forced, reporter);
        tell_of_tools(reporter, &outcomes.remembered);
        let (observer, intents, trouble) = (ctx.observer, ctx.intents, ctx.trouble);
        if desk.lock.is_some() {
            let finding = self.finding(&tasks, &outcomes);
            let watched =
                finding.and_then(|()| Some((self.watched(&observer, began)?, self.tools(&tasks, &ctx.tools)?)));
            let complete = tasks.len() == self.workspace.tasks.len() && outcomes.summary.skipped == 0;
            let mut trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
            // First the results, then the journal that names them: a kill in between must not leave names of nothing.
            if let Some(Err(e)) = self.store.map(Store::flush) {
                trouble.get_or_insert(e.to_string());
            }
            let known = observer.into_known();
            if outcomes.summary.ran > 0 && self.single.is_none() {
                self.keep_texts(&desk, &known);
            }
            let journal = self.next_journal(&desk, &outcomes, known, complete);
            let unfinished = self.unfinished(&desk, &outcomes);
            let written = self.write_journal(&desk, &journal).and_then(|()| match intents {
                Some(intents) => intents.keep(&desk.worktree.intents(), &unfinished),
                None => Ok(()),
            });
            if let Err(e) = written {
                trouble.get_or_insert(format!("its journal cannot be written: {e}"));
            }
            let sound = trouble.is_none();
            self.close(trouble, reporter);
            if let Some((watched, tools)) = watched.filter(|_| sound) {
                self.take_snapshot(&desk, &tasks, &journal, &watched, tools);
            }
        }
        Ok(outcomes)
    }

    /// Whether the build has found that there is nothing to do, and would find it again as long as nothing changes.
    fn finding(&self, tasks: &[TaskId], outcomes: &Outcomes) -> Option<()> {
        let summary = &outcomes.summary;
        let commands = || tasks.iter().map(|id| self.workspace.task(*id)).filter(|task| task.command.is_some());
        let idle = summary.up_to_date == commands().count() && outcomes.reasons.is_empty() && !outcomes.warned;
        // To ask a tool again takes its environment, and what comes from an `env_file` is not to be written down.
        let can_ask = commands().all(|task| task.tools.is_empty() || task.env_file.is_empty());
        (idle && can_ask && self.request.is_some()).then_some(())
    }

    fn watched(&self, observer: &Observer<'_>, began: i64) -> Option<Watched> {
        let configuration = self.workspace.files.iter().chain(&self.workspace.listed);
        configuration.for_each(|path| observer.watch(path.as_bytes()));
        observer.watched(began)
    }

    /// The tools of these tasks, each once, with what they said in this build.
    fn tools(&self, tasks: &[TaskId], asked: &Tools) -> Option<Vec<Tool>> {
        let mut tools = Vec::new();
        for task in tasks.iter().map(|id| self.workspace.task(*id)) {
            for command in &task.tools {
                let wishes = Wishes::of(task);
                let variables = environment::resolve(wishes, self.caller, &[], self.options.colour).variables;
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

    /// For the next build. That it cannot be written costs that build some time, and is not worth a word.
    fn take_snapshot(&self, desk: &Desk, tasks: &[TaskId], journal: &Journal, watched: &Watched, tools: Vec<Tool>) {
        let Some(request) = self.request else { return };
        let tasks = || tasks.iter().map(|id| self.workspace.task(*id)).filter(|task| task.command.is_some());
        let expiry = tasks().filter_map(|task| {
            let valid = task.valid_for?.as_millis() as u64;
            Some(journal.tasks.get(&task.name)?.created.saturating_add(valid))
        });
        // The last two decide which files say what git ignores.
        let mut variables: Vec<String> = ["LANG", "LC_*", "TZ", "HOME", "XDG_CONFIG_HOME"].map(str::to_owned).into();
        variables.extend(tasks().flat_map(|task| task.env_from.iter().cloned()));
        variables.sort();
        variables.dedup();
        let snapshot = Snapshot {
            request,
            epoch: journal.epoch,
            expiry: expiry.min().unwrap_or(u64::MAX),
            variables,
            tools,
            tasks: tasks().map(|task| task.name.as_str()).collect(),
            watched,
        };
        if let Err(e) = snapshot.save(&desk.worktree.snapshot(), self.caller) {
            log::info!("no snapshot: {e}");
        }
    }

    /// For explanations. That it cannot be done costs them some detail, and is not worth a word.
    fn keep_texts(&self, desk: &Desk, known: &KnownFiles) {
        let is_input = |path: &[u8]| RelPath::new(path).is_ok_and(|path| self.graph.outputs.owner(&path).is_none());
        if let Err(e) = texts::keep(&desk.worktree.texts(), &self.workspace.root, known, &is_input) {
            log::info!("no texts: {e}");
        }
    }

    fn sit_down(&self, reporter: &mut dyn Reporter) -> Desk {
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
        let lock = if self.options.dry_run {
            None
        } else {
            let made = worktree.create().and_then(|()| furnish(self.store_dir));
            let lock = made.map_err(LockError::Io).and_then(|()| worktree.lock(self.holder, self.stop, waiting));
            match lock {
                // Stopped while it waited: nothing will start.
                Err(LockError::Held(_)) => None,
                lock => lock.map_err(|e| self.store_trouble(reporter, &e.to_string())).ok(),
            }
        };
        let staging = if lock.is_some() { worktree.staging() } else { std::env::temp_dir() };
        if lock.is_some()
            && let Err(e) = snapshot::discard(&worktree.snapshot())
        {
            self.store_trouble(reporter, &e.to_string());
        }
        let (journal, epoch) = (Journal::load(&worktree.journal()), maintenance::epoch(self.store_dir));
        let left_behind = Intents::left_behind(&worktree.intents());
        Desk { worktree, lock, journal, epoch, left_behind, staging }
    }

    /// Where the action of a single command is claimed, to hear what it writes when somebody else runs it.
    fn awaited(&self) -> Option<(TaskId, Follower)> {
        if self.single.is_none() || self.options.force {
            return None;
        }
        let options = Options { dry_run: true, ..self.options.clone() };
        let look = Session { options: &options, ..*self };
        let desk = look.sit_down(&mut ());
        let ctx = look.context(&desk, &mut ()).ok()?;
        let (id, task) = self.workspace.ids().zip(&self.workspace.tasks).next()?;
        let prepared = prepare(&ctx, task, task.command.as_ref()?, &Vec::new()).ok()?;
        Some((id, Follower::new(&desk.worktree.claims().join(prepared.fingerprint.to_string()))))
    }

    fn context<'a>(&'a self, desk: &'a Desk, reporter: &mut dyn Reporter) -> io::Result<Context<'a>> {
        let root = &self.workspace.root;
        let observer = Observer::new(root, &desk.journal.files);
        let skip: Vec<_> = RelPath::from_native(root, self.store_dir).into_iter().collect();
        let territory = survey(&observer, &self.graph.outputs, &desk.journal, &desk.left_behind, &skip)?;
        if !self.options.dry_run && !territory.dead.is_empty() {
            let gone = bury(&observer, &territory.dead)?;
            tell_of_dead(reporter, &gone);
        }
        let intents = match &desk.lock {
            Some(_) => Some(Intents::open(&desk.worktree.intents())?),
            None => None,
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
            tools: Tools::default(),
            contents: Contents::new(root, self.store, Texts::at(desk.worktree.texts())),
            sources: OnceLock::new(),
            trouble: Mutex::new(None),
        })
    }

    /// Of what a killed build was about to write, that of tasks that this build had nothing to do with.
    fn unfinished<'a>(&self, desk: &'a Desk, outcomes: &Outcomes) -> Vec<&'a Intent> {
        if desk.left_behind.is_empty() {
            return Vec::new();
        }
        let others = self.workspace.tasks.iter().filter(|task| !outcomes.records.contains_key(&task.name));
        let patterns: HashSet<_> = others.map(|task| Intent::new(&task.outputs, Vec::new()).patterns).collect();
        desk.left_behind.iter().filter(|intent| patterns.contains(&intent.patterns)).collect()
    }

    /// Takes away what is too old, and tells of trouble.
    fn close(&self, mut trouble: Option<String>, reporter: &mut dyn Reporter) {
        if let Some(store) = self.store.filter(|_| trouble.is_none())
            && let Err(e) = maintenance::automatic_gc(store, self.store_dir, &self.workspace.cache)
        {
            trouble = Some(e.to_string());
        }
        if let Some(trouble) = trouble {
            self.store_trouble(reporter, &trouble);
        }
    }

    fn next_journal(&self, desk: &Desk, outcomes: &Outcomes, known: KnownFiles, complete: bool) -> Journal {
        let mut journal = desk.journal.clone();
        // The epoch that lookups saw: if results were removed meanwhile, the next build must ask the store.
        journal.epoch = desk.epoch;
        if desk.journal.epoch != desk.epoch {
            journal.tasks.values_mut().for_each(TaskRecord::distrust);
        }
        journal.hits += (outcomes.summary.up_to_date + outcomes.summary.restored) as u64;
        journal.misses += (outcomes.summary.ran + outcomes.summary.failed.len()) as u64;
        // Of tasks that are gone, the outputs are buried, or belong to others now; as long as those are not built, nobody else knows.
        let names: HashSet<&str> = self.workspace.tasks.iter().map(|task| task.name.as_str()).collect();
        let inherited = |entry: &Entry| {
            let heir = RelPath::new(&entry.path).ok().and_then(|path| self.graph.outputs.owner(&path));
            heir.is_some_and(|heir| !outcomes.records.contains_key(&self.workspace.task(heir).name))
        };
        journal.tasks.retain(|name, record| names.contains(name.as_str()) || record.own().any(inherited));
        journal.tasks.extend(outcomes.records.clone());
        // A build of everything has looked at everything that matters; what is not in it is of the past.
        if complete {
            journal.files.clear();
        }
        journal.files.extend(known);
        journal
    }

    fn store_trouble(&self, reporter: &mut dyn Reporter, trouble: &str) {
        let (what, option) =
            if self.single.is_some() { ("the command runs", " --exec") } else { ("the build goes on", "") };
        reporter.event(Event::Warning {
            message: format!("the store cannot be used: {trouble}"),
            hint: Some(format!("{what} without it; `percache verify{option} --repair` puts a damaged store right")),
        });
    }

    fn write_journal(&self, desk: &Desk, journal: &Journal) -> io::Result<()> {
        let path = desk.worktree.journal();
        let kept: HashSet<_> = journal.keys().collect();
        let replaced = desk.journal.keys().filter(|key| !kept.contains(key));
        usage::append(&desk.worktree.used(), replaced, usage::last_use(&path).unwrap_or(0))?;
        journal.save(&path)
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
