//! The end of a build: results first, then the journal that names them.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::PoisonError;

use percache::Digest;
use percache::store::Store;
use percache::store::record::{Entry, ResultKey};

use super::Session;
use super::desk::Desk;
use crate::action::context::{Context, Tools};
use crate::fs::stat_cache::{Observed, Observer};
use crate::fs::stat_table::Seen;
use crate::maintenance::{self, MaintenanceError};
use crate::model::TaskId;
use crate::model::event::{Event, Reporter};
use crate::model::path::RelPath;
use crate::model::span::{Phase, timed};
use crate::report::history::{Build, History, TaskRun};
use crate::report::recorder::{Notes, Subject};
use crate::schedule::results::Outcomes;
use crate::session::renewal::{Judged, renew};
use crate::worktree::Worktree;
use crate::worktree::failed_runs;
use crate::worktree::intents::{Intent, Intents, LeftBehind};
use crate::worktree::journal::{Journal, TaskRecord};
use crate::worktree::old_texts;
use crate::worktree::unstable;

/// What a build has done.
pub(super) struct Built<'b> {
    /// The tasks that were asked for, and what they need.
    pub(super) tasks: &'b [TaskId],
    /// Those of them that ran whatever was stored.
    pub(super) forced: &'b HashSet<TaskId>,
    pub(super) outcomes: &'b Outcomes,
    pub(super) notes: &'b Notes,
}

/// What a build has learned of the tree and of the store while it went on.
pub(super) struct Learned {
    observed: Observed,
    /// The paths on which it rests that these are the tasks.
    configuration: Vec<Vec<u8>>,
    /// Whether what was read there is what is there now.
    is_read: bool,
    intents: Option<Intents>,
    tools: Tools,
    /// Directories that percache has made, those of earlier builds included.
    directories: Vec<Vec<u8>>,
    /// What could not be removed although no task makes it any more.
    stuck: BTreeSet<RelPath>,
    /// Whether what the last build knew of untouched tasks goes on.
    carries: bool,
    /// What is wrong with the store.
    pub(super) trouble: Option<String>,
}

impl Session<'_> {
    /// Takes what is to be kept from the context of a build that is over.
    pub(super) fn learned(&self, ctx: Context<'_>) -> Learned {
        let Context { observer, intents, trouble, tools, carries, directories, stuck, .. } = ctx;
        let (configuration, is_read) = self.configuration(&observer);
        let trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (observed, directories) = (observer.into_observed(), directories.into_list());
        Learned { observed, configuration, is_read, intents, tools, directories, stuck, carries, trouble }
    }

    /// Writes down what a build has done: results, then the journal. Whatever is wrong with the store is one warning.
    pub(super) fn commit(&self, mut desk: Desk, learned: Learned, built: &Built<'_>, reporter: &mut dyn Reporter) {
        // The journal is made while the results are written.
        self.store.into_iter().for_each(Store::begin_flush);
        let Built { outcomes, .. } = *built;
        let (named, before) = (desk.named(), std::mem::take(&mut desk.journal));
        let remembered = self.remembered(&before, built);
        let unfinished = self.unfinished(&desk, outcomes);
        let mut journal = self.next_journal(before, desk.epoch, outcomes, &learned.stuck);
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
            // For explanations and reports: nothing here waits for it.
            if keeps_texts || remembered.is_some() {
                scope.spawn(|| self.keep_for_later(&desk.worktree, keeps_texts.then_some(&observed.now), remembered));
            }
            self.keep_failed_runs(&desk, built);
            let list = timed(self.listener, Phase::Journal, None, || renew(&mut journal, &observed, &judged));
            let list = list.filter(|_| learned.is_read && trouble.is_none());
            journal.finding = list.and_then(|list| self.finding(&desk, list, &journal, built.tasks, &learned.tools));
            self.write(&desk, &mut journal, &named, outcomes, &mut trouble)
        });
        let written = written.and_then(|()| match learned.intents {
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
        if self.last {
            // Tens of thousands of small pieces of memory.
            std::mem::forget((journal, observed));
        }
    }

    /// Replaces the journal when everything that it names is stored: a kill in between must not leave names of nothing.
    fn write(
        &self,
        desk: &Desk,
        journal: &mut Journal,
        named: &[ResultKey],
        outcomes: &Outcomes,
        trouble: &mut Option<String>,
    ) -> io::Result<()> {
        let path = desk.worktree.journal();
        let stage =
            |journal: &Journal| timed(self.listener, Phase::Journal, None, || Journal::stage(&journal.encode(), &path));
        let mut staged = stage(journal);
        let flush = || self.store.map_or(Ok(()), Store::flush);
        let flushed = timed(self.listener, Phase::Flush, None, flush);
        let aside = self.set_aside(desk, outcomes);
        if flushed.is_err() || aside.is_err() {
            if let Err(e) = flushed {
                trouble.get_or_insert(e.to_string());
                journal.distrust_all_but(named);
            }
            if let Err(e) = aside {
                trouble.get_or_insert(e);
            }
            journal.finding = None;
            staged = stage(journal);
        }
        timed(self.listener, Phase::Journal, None, || desk.replace_journal(journal, staged?, named))
    }

    /// Keeps the logs of tasks that failed, until they are done.
    fn keep_failed_runs(&self, desk: &Desk, built: &Built<'_>) {
        if self.single.is_some() {
            return;
        }
        let is_done = |name: &str| {
            let position = self.workspace.tasks.binary_search_by(|task| task.name.as_str().cmp(name));
            position.map_or(true, |position| built.notes.is_done(TaskId(position as u32)))
        };
        if let Err(e) = failed_runs::keep(&desk.worktree.failed(), &built.outcomes.failed_runs, &is_done) {
            log::info!("the logs of failed runs cannot be kept: {e}");
        }
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
    pub(super) fn close(&self, trouble: Option<String>, reporter: &mut dyn Reporter) {
        if let Some(trouble) = trouble {
            self.store_trouble(reporter, &trouble);
        }
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
    fn remembered(&self, before: &Journal, built: &Built<'_>) -> Option<(Build, Vec<TaskRun>)> {
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
        let texts = seen.map_or(Ok(()), |seen| old_texts::keep(&worktree.texts(), root, seen, &secret, &is_input));
        let builds = remembered.map_or(Ok(()), |(build, tasks)| History::add(&worktree.builds(), build, &tasks));
        if let Err(e) = texts.and(builds) {
            log::info!("nothing for explanations and reports: {e}");
        }
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
                self.store_dir.display()
            )),
        });
    }
}
