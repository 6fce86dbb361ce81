//! The end of a build: results are stored first, then the journal that names them.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::PoisonError;

use percache::Digest;
use percache::store::record::{Entry, ResultKey};
use percache::store::{Flushed, Store};

use super::Build;
use super::begin::OpenWorktree;
use crate::action::context::{Context, Tools};
use crate::fs::stat_cache::{Observed, Observer};
use crate::fs::stat_table::Seen;
use crate::maintenance::{self, MaintenanceError};
use crate::model::event::{Event, Reporter};
use crate::model::notice::{Note, StoreTrouble, Warning};
use crate::model::path::RelPath;
use crate::model::span::{Phase, timed};
use crate::model::{CacheSettings, TaskId};
use crate::report::history::{self, History, TaskRun};
use crate::report::recorder::{Notes, Subject};
use crate::schedule::results::Outcomes;
use crate::session::renewal::{Judged, renew};
use crate::worktree::Worktree;
use crate::worktree::failed_runs;
use crate::worktree::intents::{Intent, Intents, LeftBehind};
use crate::worktree::journal::{Journal, TaskRecord};
use crate::worktree::old_texts;
use crate::worktree::server_parts;
use crate::worktree::unstable;

/// What a build has done.
pub(super) struct Built<'b> {
    /// The requested tasks and their dependencies.
    pub(super) tasks: &'b [TaskId],
    /// The tasks among them that ran regardless of stored results.
    pub(super) forced: &'b HashSet<TaskId>,
    pub(super) outcomes: &'b Outcomes,
    pub(super) notes: &'b Notes,
}

/// What a build has learned about the tree and the store along the way.
pub(super) struct Learned {
    observed: Observed,
    /// The paths that determine which tasks there are.
    configuration: Vec<Vec<u8>>,
    /// Whether the configuration that was read is what is on disk now.
    is_read: bool,
    intents: Option<Intents>,
    tools: Tools,
    /// The directories that percache has made, in this build or an earlier one.
    directories: Vec<Vec<u8>>,
    /// Leftover outputs of no task that could not be removed.
    stuck: BTreeSet<RelPath>,
    /// Whether the last build's evidence for untouched tasks is carried over.
    carries: bool,
    /// What is wrong with the store, if anything.
    trouble: Option<StoreTrouble>,
}

impl Build<'_> {
    /// Takes what is to be kept out of the context of a finished build.
    pub(super) fn learned(&self, ctx: Context<'_>) -> Learned {
        let Context { observer, intents, trouble, tools, carries, directories, stuck, .. } = ctx;
        let (configuration, is_read) = self.configuration(&observer);
        let trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (observed, directories) = (observer.into_observed(), directories.into_list());
        Learned { observed, configuration, is_read, intents, tools, directories, stuck, carries, trouble }
    }

    /// Writes down what a build has done: results, then the journal. Reports store errors as a single warning.
    /// Without the worktree's lock, only reports those.
    pub(super) fn commit(
        &self,
        mut opened: OpenWorktree,
        learned: Learned,
        built: &Built<'_>,
        reporter: &mut dyn Reporter,
    ) {
        if opened.lock.is_none() {
            return self.close(learned.trouble, reporter);
        }
        // The journal is prepared while the results are being written.
        self.store.into_iter().for_each(Store::begin_flush);
        let Built { outcomes, .. } = *built;
        let (named, before) = (opened.named(), std::mem::take(&mut opened.journal));
        let remembered = self.remembered(&before, built);
        let unfinished = self.unfinished(&opened, outcomes);
        let mut journal = self.next_journal(before, opened.epoch, outcomes, &learned.stuck);
        journal.made = learned.directories;
        let doubtful = self.doubtful(outcomes);
        let judged = Judged {
            bases: &outcomes.bases,
            recalled: &outcomes.recalled,
            doubtful: &doubtful,
            carries: learned.carries,
            configuration: &learned.configuration,
        };
        let (observed, mut trouble) = (learned.observed, learned.trouble);
        let keeps_texts = outcomes.summary.ran + outcomes.summary.restored > 0 && self.single.is_none();
        let written = std::thread::scope(|scope| {
            // For explanations and reports: nothing here waits for these.
            if keeps_texts || remembered.is_some() {
                scope.spawn(|| self.keep_for_later(&opened.worktree, keeps_texts.then_some(&observed.now), remembered));
            }
            self.keep_failed_runs(&opened, built);
            self.keep_servers(&opened, outcomes);
            let list = timed(self.listener, Phase::Journal, None, || renew(&mut journal, &observed, &judged));
            let list = list.filter(|_| learned.is_read && trouble.is_none());
            journal.finding = list.and_then(|list| self.finding(&opened, list, &journal, built.tasks, &learned.tools));
            self.write(&opened, &mut journal, &named, outcomes, &mut trouble)
        });
        let written = written.and_then(|()| match learned.intents {
            Some(intents) => intents.keep(&opened.worktree.intents(), &unfinished),
            None => Ok(()),
        });
        if let Err(e) = written {
            trouble.get_or_insert(StoreTrouble::Journal(e.to_string()));
        }
        if trouble.is_none() {
            trouble = self.take_away_what_is_too_old(reporter);
        }
        self.close(trouble, reporter);
        if self.last {
            // Skips freeing tens of thousands of small allocations.
            std::mem::forget((journal, observed));
        }
    }

    /// Replaces the journal once every result that it names is stored: after a kill in between, it must not name
    /// results that do not exist.
    fn write(
        &self,
        opened: &OpenWorktree,
        journal: &mut Journal,
        named: &[ResultKey],
        outcomes: &Outcomes,
        trouble: &mut Option<StoreTrouble>,
    ) -> io::Result<()> {
        let path = opened.worktree.journal();
        let stage =
            |journal: &Journal| timed(self.listener, Phase::Journal, None, || Journal::stage(&journal.encode(), &path));
        let mut staged = stage(journal);
        let flush = || self.store.map_or_else(|| Ok(Flushed::nothing_new()), Store::flush);
        let flushed = timed(self.listener, Phase::Flush, None, flush);
        let aside = self.set_aside(opened, outcomes);
        let is_stored = flushed.is_ok();
        let flushed = flushed.unwrap_or_else(|e| {
            trouble.get_or_insert(StoreTrouble::Database(e.to_string()));
            journal.distrust_all_but(named);
            Flushed::nothing_new()
        });
        if !is_stored || aside.is_err() {
            if let Err(e) = aside {
                trouble.get_or_insert(e);
            }
            journal.finding = None;
            staged = stage(journal);
        }
        timed(self.listener, Phase::Journal, None, || opened.replace_journal(journal, staged?, named, flushed))
    }

    /// Keeps the logs of failed tasks until the tasks succeed.
    fn keep_failed_runs(&self, opened: &OpenWorktree, built: &Built<'_>) {
        if self.single.is_some() {
            return;
        }
        let is_done = |name: &str| {
            let position = self.workspace.tasks.binary_search_by(|task| task.name.as_str().cmp(name));
            position.map_or(true, |position| built.notes.is_done(TaskId(position as u32)))
        };
        if let Err(e) = failed_runs::keep(&opened.worktree.failed(), &built.outcomes.failed_runs, &is_done) {
            log::info!("the logs of failed runs cannot be kept: {e}");
        }
    }

    /// Keeps what was hashed for servers that are other ones than in the last build.
    fn keep_servers(&self, opened: &OpenWorktree, outcomes: &Outcomes) {
        let servers = outcomes.parts.iter().filter(|(id, _)| self.workspace.task(**id).server.is_some());
        if let Err(e) = server_parts::keep(&opened.worktree.servers(), servers.map(|(_, parts)| parts)) {
            log::info!("what was hashed for servers cannot be kept: {e}");
        }
    }

    /// Returns the paths that determine which tasks there are, with the symlinks on the way to them and their targets,
    /// and whether what was read of them is what is on disk now.
    fn configuration(&self, observer: &Observer<'_>) -> (Vec<Vec<u8>>, bool) {
        let mut paths = Vec::new();
        let named = self.workspace.files.iter().chain(&self.workspace.listed);
        let unchanged: Vec<bool> = named.map(|path| observer.watch_content(path.as_bytes(), &mut paths)).collect();
        (paths, unchanged.into_iter().all(|unchanged| unchanged))
    }

    /// Reports store trouble once, at the end: whatever went wrong, it is one thing for the user.
    fn close(&self, trouble: Option<StoreTrouble>, reporter: &mut dyn Reporter) {
        if let Some(trouble) = trouble {
            let (dir, single) = (self.store_dir.to_owned(), self.single.is_some());
            reporter.event(Event::Warning(Warning::Store { trouble, dir, single }));
        }
    }

    /// Removes results that a check has refuted, and notes what checks have found.
    fn set_aside(&self, opened: &OpenWorktree, outcomes: &Outcomes) -> Result<(), StoreTrouble> {
        if let Some(store) = self.store.filter(|_| !outcomes.refuted.is_empty()) {
            // Comes first, so that no journal that names one of them is trusted.
            maintenance::advance_epoch(self.store_dir).map_err(database)?;
            store.remove(&outcomes.refuted).map_err(database)?;
        }
        let noted = unstable::note(&opened.worktree.unstable(), &outcomes.news);
        noted.map_err(|e| StoreTrouble::Unstable(e.to_string()))
    }

    /// Returns the tasks that were not judged although one of their dependencies came out differently from the journal,
    /// or not at all.
    fn doubtful(&self, outcomes: &Outcomes) -> HashSet<&str> {
        let dependents = self.graph.dependents(&outcomes.otherwise);
        let names = dependents.into_iter().map(|id| self.workspace.task(id).name.as_str());
        names.filter(|name| !outcomes.bases.contains_key(*name)).collect()
    }

    /// Returns the record of this build for reports; `None` for a build that did nothing.
    fn remembered(&self, before: &Journal, built: &Built<'_>) -> Option<(history::Build, Vec<TaskRun>)> {
        let Built { tasks, forced, outcomes, notes } = *built;
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
        Some((notes.build(summary, command, self.jobs), notes.tasks(&subject)))
    }

    /// Keeps old texts for explanations and a record of the build for reports. A failure costs those some detail, and
    /// is only logged.
    fn keep_for_later(
        &self,
        worktree: &Worktree,
        seen: Option<&Vec<(Vec<u8>, Seen)>>,
        remembered: Option<(history::Build, Vec<TaskRun>)>,
    ) {
        let root = &self.workspace.root;
        let env_files: HashSet<&RelPath> = self.workspace.tasks.iter().flat_map(|task| &task.env_file).collect();
        // By content, because copies may have other names; by path, because the files may have changed since.
        let secret = env_files.iter().filter_map(|path| Some(Digest::of(&std::fs::read(path.to_path(root)).ok()?)));
        let secret: HashSet<Digest> = secret.collect();
        let is_input = |path: &[u8]| {
            RelPath::new(path).is_ok_and(|path| !env_files.contains(&path) && self.graph.outputs.owner(&path).is_none())
        };
        let texts = seen.map_or(Ok(()), |seen| old_texts::keep(&worktree.texts(), root, seen, &secret, &is_input));
        let builds = remembered.map_or(Ok(()), |(build, tasks)| History::add(&worktree.builds(), build, &tasks));
        if let Err(e) = texts.and(builds) {
            log::info!("nothing for explanations and reports: {e}");
        }
    }

    /// Returns those intents of a killed build whose tasks this build did not touch, and the commands of it that still
    /// run.
    fn unfinished(&self, opened: &OpenWorktree, outcomes: &Outcomes) -> LeftBehind {
        let LeftBehind { intents, commands } = &opened.left_behind;
        if intents.is_empty() {
            return LeftBehind { intents: Vec::new(), commands: commands.clone() };
        }
        let others = self.workspace.tasks.iter().filter(|task| !outcomes.records.contains_key(&task.name));
        let patterns: HashSet<_> = others.map(|task| Intent::new(&task.outputs, Vec::new()).patterns).collect();
        let intents = intents.iter().filter(|intent| patterns.contains(&intent.patterns)).cloned().collect();
        LeftBehind { intents, commands: commands.clone() }
    }

    /// Runs automatic gc if it is due. Returns what is wrong with the store.
    fn take_away_what_is_too_old(&self, reporter: &mut dyn Reporter) -> Option<StoreTrouble> {
        let settings = &self.workspace.cache;
        match maintenance::automatic_gc(self.store?, self.store_dir, settings) {
            Ok(report) => {
                report.iter().for_each(|report| tell_of_displaced(reporter, report, settings));
                None
            }
            Err(MaintenanceError::Engine(e)) => Some(database(e)),
            Err(MaintenanceError::Io(e)) => Some(database(e)),
        }
    }

    fn next_journal(
        &self,
        mut journal: Journal,
        epoch: u64,
        outcomes: &Outcomes,
        stuck: &BTreeSet<RelPath>,
    ) -> Journal {
        // The epoch is the one that lookups saw: if results were removed meanwhile, the next build must ask the store.
        if journal.epoch != epoch {
            journal.tasks.values_mut().for_each(TaskRecord::distrust);
        }
        journal.epoch = epoch;
        let summary = &outcomes.summary;
        journal.hits += (summary.up_to_date + summary.restored + summary.on_remote) as u64;
        journal.misses += (outcomes.summary.ran + outcomes.summary.failed.len()) as u64;
        // The outputs of deleted tasks have been removed, or belong to other tasks now; until those are built, only
        // this record knows about them.
        let names: HashSet<&str> = self.workspace.tasks.iter().map(|task| task.name.as_str()).collect();
        let inherited = |entry: &Entry| {
            if stuck.contains(entry.path.as_slice()) {
                return true;
            }
            let heir = RelPath::new(&entry.path).ok().and_then(|path| self.graph.outputs.owner(&path));
            heir.is_some_and(|heir| !outcomes.records.contains_key(&self.workspace.task(heir).name))
        };
        journal
            .tasks
            .retain(|name, record| names.contains(name.as_str()) || record.left().any(|(entry, _)| inherited(entry)));
        journal.tasks.extend(outcomes.records.iter().map(|(name, record)| (name.clone(), record.clone())));
        journal
    }
}

fn database(error: impl std::fmt::Display) -> StoreTrouble {
    StoreTrouble::Database(error.to_string())
}

/// Reports displaced files that gc removed, and warns if too many are kept. They may be somebody's work: none is
/// removed silently, and none because there are too many.
fn tell_of_displaced(reporter: &mut dyn Reporter, report: &maintenance::Report, settings: &CacheSettings) {
    let (went, left) = (report.displaced, report.displaced_left);
    if went.files > 0 {
        let age = settings.maxage.unwrap_or(maintenance::DEFAULT_MAXAGE);
        reporter.event(Event::Note(Note::ExpiredDisplaced { files: went.files, bytes: went.bytes, age }));
    }
    if left.bytes > settings.maxsize.unwrap_or(maintenance::DEFAULT_MAXSIZE) {
        reporter.event(Event::Warning(Warning::ManyDisplaced { files: left.files, bytes: left.bytes }));
    }
}
