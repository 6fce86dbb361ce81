//! A worktree's state between builds: loaded when a build begins, written back when it ends.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use percache::base::files::Staged;
use percache::base::lock::LockError;
use percache::store::Flushed;
use percache::store::layout::furnish;
use percache::store::record::ResultKey;

use super::last_build::LastBuild;
use super::{Build, BuildError};
use crate::action::context::{Force, HitLogs, Options};
use crate::action::inputs::prepare;
use crate::action::shared_log::Follower;
use crate::config::usual_store;
use crate::fs::displaced::Displaced;
use crate::fs::staging::Staging;
use crate::fs::stamp::Stamp;
use crate::maintenance;
use crate::model::TaskId;
use crate::model::event::{Event, Reporter, Runner};
use crate::model::notice::{Note, StoreTrouble};
use crate::model::path::RelPath;
use crate::process::nesting::{Enclosing, enclosing};
use crate::process::orphans::{self, Trace};
use crate::session::freshness::Freshness;
use crate::worktree::intents::LeftBehind;
use crate::worktree::journal::Journal;
use crate::worktree::last_used;
use crate::worktree::ownership::inherited;
use crate::worktree::{self, Worktree, WorktreeLock};

/// The state that a worktree keeps between builds, as far as it is available.
pub(super) struct OpenWorktree {
    pub(super) worktree: Worktree,
    /// The worktree's lock; `None` in a dry run, and when the store's directory cannot be written.
    pub(super) lock: Option<WorktreeLock>,
    pub(super) journal: Journal,
    /// The store's epoch when the build began.
    pub(super) epoch: u64,
    /// What a killed build was about to write, and those of its commands that could not be ended.
    pub(super) left_behind: LeftBehind,
    /// The first reason why the store cannot be used.
    pub(super) trouble: Option<StoreTrouble>,
}

impl OpenWorktree {
    /// Returns where files are staged on their way into the tree.
    pub(super) fn staging(&self) -> Staging {
        match self.lock {
            Some(_) => Staging::in_worktree(self.worktree.staging()),
            None => Staging::in_system(),
        }
    }

    /// Returns where files go that percache displaces because it does not hold their content.
    pub(super) fn displaced(&self) -> Displaced {
        match self.lock {
            Some(_) => worktree::displaced::of(&self.worktree),
            None => Displaced::in_system(self.worktree.root()),
        }
    }
}

impl Build<'_> {
    /// Takes the worktree: its lock, its journal and what a killed build left, and what still holds of the last build.
    pub(super) fn begin(
        &self,
        last_build: Option<LastBuild>,
        reporter: &mut dyn Reporter,
    ) -> Result<(OpenWorktree, Option<Freshness>), BuildError> {
        match last_build.filter(|_| self.can_use_last_build()) {
            Some(last_build) => {
                let (opened, fresh) = self.take_over(last_build);
                Ok((opened, Some(fresh)))
            }
            None => Ok((self.open_worktree(reporter)?, None)),
        }
    }

    /// Takes over the lock and the journal with which the last build's findings were checked.
    fn take_over(&self, last_build: LastBuild) -> (OpenWorktree, Freshness) {
        let LastBuild { lock, bytes, freshness, journal, .. } = last_build;
        // The bytes are known to be intact: the check of the journal has verified their digest.
        let decoded = journal.and_then(|thread| thread.join().ok());
        let journal = decoded.unwrap_or_else(|| Journal::decode_whole(&bytes).unwrap_or_default());
        // Opening the store may have dropped results.
        let epoch = maintenance::epoch(self.store_dir);
        let stands = epoch == journal.epoch && self.is_read_as_found(&journal, &freshness);
        let freshness = if stands { freshness } else { freshness.without_conditions() };
        let (worktree, left_behind) = (self.worktree(), LeftBehind::default());
        (OpenWorktree { worktree, lock: Some(lock), journal, epoch, left_behind, trouble: None }, freshness)
    }

    /// Locks the worktree, waiting for another build if there is one, and loads what is kept about it.
    fn open_worktree(&self, reporter: &mut dyn Reporter) -> Result<OpenWorktree, BuildError> {
        let worktree = self.worktree();
        let (mut trouble, mut within) = (None, None);
        let lock = self.wait_for_lock(&worktree, &mut within, reporter).unwrap_or_else(|e| {
            trouble = Some(StoreTrouble::Database(e.to_string()));
            None
        });
        if let Some(enclosing) = within {
            return Err(BuildError::Within(enclosing));
        }
        if lock.is_some()
            && let Err(e) = worktree.prepare()
        {
            trouble = Some(StoreTrouble::Database(e.to_string()));
        }
        let (journal, epoch) = (self.journal(&worktree), maintenance::epoch(self.store_dir));
        let mut left_behind = LeftBehind::read(&worktree.intents());
        if lock.is_some() && self.end_orphans(&left_behind.commands, reporter) {
            left_behind.commands.clear();
        }
        Ok(OpenWorktree { worktree, lock, journal, epoch, left_behind, trouble })
    }

    fn worktree(&self) -> Worktree {
        match &self.single {
            Some(identity) => Worktree::single(self.store_dir, &self.workspace.root, identity),
            None => Worktree::new(self.store_dir, &self.workspace.root),
        }
    }

    /// Locks the worktree. While another build holds it, shows the output of a single command that both run. Sets
    /// `within`, and does not wait, if this process runs inside a command of that build: it would never end.
    fn wait_for_lock(
        &self,
        worktree: &Worktree,
        within: &mut Option<Enclosing>,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<WorktreeLock>, LockError> {
        let mut followed = None;
        self.lock(worktree, &mut |holder| {
            if followed.is_none() {
                *within = enclosing(worktree.dir(), holder);
                if within.is_some() {
                    return false;
                }
            }
            let followed = followed.get_or_insert_with(|| {
                reporter.event(Event::Waiting { task: None, holder: holder.to_owned() });
                self.awaited()
            });
            if let Some((task, follower)) = followed {
                follower.follow(&mut |stream, bytes| self.listener.wrote(*task, Runner::Other, stream, bytes));
            }
            true
        })
    }

    /// Locks the worktree. Returns `None` in a dry run, and when nothing will start: the build was stopped while it
    /// waited, or it would wait forever.
    fn lock(
        &self,
        worktree: &Worktree,
        waiting: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<WorktreeLock>, LockError> {
        if self.options.dry_run {
            return Ok(None);
        }
        let made = worktree.create().and_then(|()| furnish(self.store_dir));
        match made.map_err(LockError::Io).and_then(|()| worktree.lock(self.holder, self.stop, waiting)) {
            Err(LockError::Held(_)) => Ok(None),
            lock => lock.map(Some),
        }
    }

    /// Loads the journal of the last build. In a worktree that was never built, inherits what other worktrees' journals
    /// say about it.
    fn journal(&self, worktree: &Worktree) -> Journal {
        let path = worktree.journal();
        if self.single.is_some() {
            return Journal::load(&path);
        }
        let root = &self.workspace.root;
        if path.exists() {
            let mut journal = Journal::load(&path);
            self.take_in_members(&mut journal);
            return journal;
        }
        let usual = usual_store(root);
        let stores = [self.store_dir, &usual];
        let stores = if usual == self.store_dir { &stores[..1] } else { &stores[..] };
        let mut journal = Journal { epoch: maintenance::epoch(self.store_dir), ..inherited(root, stores) };
        self.take_in_members(&mut journal);
        journal
    }

    /// Takes over the journals of directories that have become members and were workspaces of their own.
    fn take_in_members(&self, journal: &mut Journal) {
        let members = self.workspace.files.iter().filter(|file| journal.files.find(file.as_bytes()).is_none());
        let dirs: Vec<RelPath> = members.filter_map(RelPath::parent).filter(|dir| !dir.is_root()).collect();
        for dir in dirs {
            let root = dir.to_path(&self.workspace.root);
            let store = usual_store(&root);
            if store != self.store_dir && store.is_dir() {
                journal.take_in(inherited(&root, &[&store]), &dir);
            }
        }
    }

    /// Ends the commands of a killed build, which would overwrite what this build is about to look at. Returns whether
    /// all of them are gone.
    fn end_orphans(&self, commands: &[Trace], reporter: &mut dyn Reporter) -> bool {
        let waiting = &mut |holder: &str| reporter.event(Event::Waiting { task: None, holder: holder.to_owned() });
        let ended = orphans::end(commands, self.stop, waiting);
        if ended.found > 0 {
            reporter.event(Event::Note(Note::EndedOrphans(ended.found)));
        }
        !ended.some_left
    }

    /// Returns a follower of the claim on a single command's action, so that its output is shown when another process
    /// runs it.
    fn awaited(&self) -> Option<(TaskId, Follower)> {
        if self.single.is_none() || self.options.force != Force::No {
            return None;
        }
        let options = Options { dry_run: true, ..self.options.clone() };
        let look = Build { options: &options, ..*self };
        let opened = look.open_worktree(&mut ()).ok()?;
        let ctx = look.survey(&opened, None, &mut ()).ok()?;
        let (id, task) = self.workspace.ids().zip(&self.workspace.tasks).next()?;
        let prepared = prepare(&ctx, task, task.command.as_ref()?, &Vec::new()).ok()?;
        Some((id, Follower::new(&opened.worktree.claims().join(prepared.fingerprint.to_string()))))
    }

    /// Returns whether the configuration that was read is the one that the journal's evidence is about: it may have
    /// been edited between the check and the read.
    fn is_read_as_found(&self, journal: &Journal, found: &Freshness) -> bool {
        let root = &self.workspace.root;
        let seen = |position: usize| match found.read.binary_search_by_key(&position, |(position, _)| *position) {
            Ok(i) => found.read[i].1,
            Err(_) => journal.files.seen(position),
        };
        let same_at = |position: usize| {
            let (seen, path) = (seen(position), journal.files.path(position));
            let now = Stamp::at(&root.join(OsStr::from_bytes(path)));
            now.is_ok_and(|now| seen.settled && seen.stamp == now)
        };
        let same = |path: &RelPath| journal.files.find(path.as_bytes()).is_some_and(same_at);
        let named = || self.workspace.files.iter().chain(&self.workspace.listed);
        // The list is longer than these only if symlinks are on the way.
        let rests_on = journal.finding.as_ref().map_or(&[][..], |finding| journal.lists.get(finding.configuration));
        let more = rests_on.len() > named().count();
        named().all(same) && (!more || rests_on.iter().all(|position| same_at(*position as usize)))
    }

    /// Returns whether tasks may be taken as up to date without looking at them.
    fn can_use_last_build(&self) -> bool {
        self.store.is_some() && !self.options.dry_run && self.options.hit_logs != HitLogs::All
    }
}

impl OpenWorktree {
    /// Returns the keys of the results that the journal named when the build began.
    pub(super) fn named(&self) -> Vec<ResultKey> {
        self.journal.keys().collect()
    }

    /// Replaces the journal, which named the results `before`, with `journal`, which is already `staged`.
    pub(super) fn replace_journal(
        &self,
        journal: &Journal,
        staged: Staged,
        before: &[ResultKey],
        _proof: Flushed,
    ) -> io::Result<()> {
        let path = self.worktree.journal();
        let kept: HashSet<_> = journal.keys().collect();
        let replaced = before.iter().filter(|key| !kept.contains(key)).copied();
        last_used::append(&self.worktree.used(), replaced, last_used::last_use(&path).unwrap_or_default())?;
        staged.commit()
    }
}
