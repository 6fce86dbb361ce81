//! The start of a build: a survey of what earlier builds left in the tree, and the context that all tasks share.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use percache::base::claim::Claimant;
use percache::store::interface::Storage;

use super::begin::OpenWorktree;
use super::{Build, BuildError};
use crate::action::away::Away;
use crate::action::budget::Budget;
use crate::action::context::{Context, Tools};
use crate::action::directories::{Directories, needed};
use crate::action::further::Documents;
use crate::fs::clearing::Clearing;
use crate::fs::displaced::Displaced;
use crate::fs::git_index::GitIndex;
use crate::fs::stat_cache::Observer;
use crate::model::event::{Event, Reporter};
use crate::model::notice::{Note, StoreTrouble, Warning, WhyKept};
use crate::model::path::RelPath;
use crate::session::freshness::Freshness;
use crate::worktree::Worktree;
use crate::worktree::intents::Intents;
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;
use crate::worktree::ownership::{Buried, Ownership, Sources, bury, survey};

impl<'a> Build<'a> {
    /// Looks at what earlier builds left in the tree, and removes what no task makes any more. Returns the state that
    /// all tasks share.
    pub(super) fn survey(
        &self,
        opened: &'a OpenWorktree,
        fresh: Option<Freshness>,
        reporter: &mut dyn Reporter,
    ) -> Result<Context<'a>, BuildError> {
        let mut ctx = self.context(opened, fresh, reporter).map_err(BuildError::Tree)?;
        if let Some(form) = self.workspace.jobserver.filter(|_| !self.options.dry_run) {
            ctx.budget = Some(Budget::new(self.jobs, form).map_err(BuildError::Jobserver)?);
        }
        Ok(ctx)
    }

    fn context(
        &self,
        opened: &'a OpenWorktree,
        fresh: Option<Freshness>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Context<'a>> {
        let root = &self.workspace.root;
        let mut observer = Observer::since(root, &opened.journal.files, self.began).following(&self.workspace.follow);
        let skip: Vec<_> = RelPath::from_native(root, self.store_dir).into_iter().collect();
        let ownership = survey(&observer, &self.graph.outputs, &opened.journal, &opened.left_behind.intents, &skip)?;
        let (displaced, directories) = (opened.displaced(), Directories::new(&opened.journal.made));
        let git = GitIndex::open(root);
        let stuck = self.clear_leftovers(&observer, &displaced, &directories, &git, &ownership, reporter)?;
        let (intents, untold) = open_intents(opened);
        let carries = fresh.as_ref().is_some_and(|fresh| fresh.conditions);
        let (untouched, tools) = self.trust(fresh, &mut observer, &ownership);
        Ok(Context {
            workspace: self.workspace,
            graph: self.graph,
            options: self.options,
            jobs: self.jobs,
            observer,
            store: self.store.map(|store| store as &dyn Storage),
            trusted: self.store.is_some() && opened.journal.epoch == opened.epoch,
            journal: &opened.journal,
            worktree: opened.worktree.dir(),
            staging: opened.staging(),
            intents,
            claimant: self.claimant(opened),
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
            promised: Mutex::default(),
            stuck: stuck.into_iter().map(|(path, _)| path).collect(),
            tools,
            documents: Documents::default(),
            contents: Contents::new(root, self.store, Texts::at(opened.worktree.texts())),
            carries,
            untouched,
            places: OnceLock::new(),
            executor: None,
            away: self.workers.map(|workers| Away::new(workers, self.jobs)),
            remote: self.remote,
            servers: self.servers,
            budget: None,
            sources: OnceLock::new(),
            trouble: Mutex::new(opened.trouble.clone().or(untold)),
        })
    }

    /// Takes over what the last build found and still holds. Returns which tasks are untouched, and the tools' answers.
    fn trust(
        &self,
        fresh: Option<Freshness>,
        observer: &mut Observer<'_>,
        ownership: &Ownership<'_>,
    ) -> (Vec<bool>, Tools) {
        let Some(mut fresh) = fresh else { return (Vec::new(), Tools::default()) };
        // A file that was removed since is not as it was found.
        let found = if ownership.dead.is_empty() { std::mem::take(&mut fresh.same) } else { Vec::new() };
        observer.take_over(found, &fresh.read);
        let untouched = fresh.untouched();
        let names = self.workspace.tasks.iter().map(|task| task.name.as_str());
        (names.map(|name| untouched.contains(name)).collect(), fresh.tools)
    }

    fn claimant(&self, opened: &OpenWorktree) -> Option<Arc<Claimant>> {
        let may_claim = opened.lock.is_some() && self.store.is_some();
        may_claim.then(|| Claimant::new(opened.worktree.claims(), self.holder))
    }

    /// Reports edited outputs of no task, and removes those that nobody has edited, unless this is a dry run. Returns
    /// what could not be removed.
    fn clear_leftovers(
        &self,
        observer: &Observer<'_>,
        displaced: &Displaced,
        directories: &Directories,
        git: &GitIndex,
        ownership: &Ownership<'_>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Vec<(RelPath, Arc<io::Error>)>> {
        if self.options.dry_run {
            return Ok(Vec::new());
        }
        if !ownership.edited.is_empty() {
            reporter.event(Event::Note(Note::Kept(ownership.edited.clone(), WhyKept::Edited)));
        }
        if ownership.dead.is_empty() {
            return Ok(Vec::new());
        }
        self.take_away_what_is_dead(observer, displaced, directories, git, ownership, reporter)
    }

    /// Removes outputs that no task makes any more, and the directories that were made for them. Returns what could not
    /// be removed.
    fn take_away_what_is_dead(
        &self,
        observer: &Observer<'_>,
        displaced: &Displaced,
        directories: &Directories,
        git: &GitIndex,
        Ownership { dead, .. }: &Ownership<'_>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Vec<(RelPath, Arc<io::Error>)>> {
        let mut clearing = Clearing::open(observer, displaced)?;
        let buried = bury(&mut clearing, observer, dead, &Sources { git, tasks: &self.workspace.tasks });
        let needed = needed(&self.workspace.tasks);
        directories.prune(clearing.tree(), observer, dead.iter().map(|left| &left.path), &needed)?;
        tell_of_dead(reporter, &buried);
        if let Some(moved) = displaced.take_moved() {
            reporter.event(Event::Displaced(moved));
        }
        Ok(buried.stuck)
    }
}

/// Opens the intents of a build that holds its worktree's lock. Returns what went wrong, too.
fn open_intents(opened: &OpenWorktree) -> (Option<Intents>, Option<StoreTrouble>) {
    let intents = opened.lock.as_ref().map(|_| Intents::open(&opened.worktree.intents(), &opened.left_behind));
    match intents.transpose() {
        Ok(intents) => (intents, None),
        Err(e) => (None, Some(StoreTrouble::Intents(e.to_string()))),
    }
}

/// Reports leftover outputs of no task. Those that cannot be removed stop only the tasks that read them.
fn tell_of_dead(reporter: &mut dyn Reporter, Buried { removed, kept, stuck }: &Buried) {
    if !removed.is_empty() {
        reporter.event(Event::Note(Note::Removed(removed.clone())));
    }
    if !kept.is_empty() {
        reporter.event(Event::Note(Note::Kept(kept.clone(), WhyKept::Source)));
    }
    if let Some(((path, error), more)) = stuck.split_first() {
        let (path, error) = (path.clone(), error.clone());
        reporter.event(Event::Warning(Warning::Stuck { path, more: more.len(), error }));
    }
}
