//! `percache clean`: removes the outputs of tasks from the tree. The store and the journal stay as they are, so the
//! next build restores what the store holds.
//!
//! Only what percache recorded is removed, after a comparison of its content. An output that somebody has edited stays,
//! and so does a file that has become a source.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use percache::base::lock::LockError;
use percache::store::record::Entry;

use crate::action::directories::{Directories, needed};
use crate::fs::clearing::{Clearing, Left};
use crate::fs::git_index::GitIndex;
use crate::fs::outputs::is_right;
use crate::fs::stat_cache::{FileState, Observer};
use crate::graph::TaskGraph;
use crate::model::path::RelPath;
use crate::model::{TaskId, Workspace};
use crate::process::Stop;
use crate::worktree::intents::LeftBehind;
use crate::worktree::journal::Journal;
use crate::worktree::ownership::{Sources, bury, clones, survey};
use crate::worktree::{self, Worktree, WorktreeLock};

/// A request to remove outputs.
pub struct Clean<'a> {
    /// The tasks and settings.
    pub workspace: &'a Workspace,
    /// The dependencies between the tasks.
    pub graph: &'a TaskGraph,
    /// The store's directory.
    pub store_dir: &'a Path,
    /// The tasks whose outputs to remove; `None` for all, and for outputs that no task makes any more.
    pub tasks: Option<&'a [TaskId]>,
    /// Whether to look only.
    pub dry_run: bool,
}

/// What was removed, and what was not.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The files and symlinks that were removed, or would be; sorted.
    pub removed: Vec<RelPath>,
    /// The outputs that stay because somebody has edited them; sorted.
    pub edited: Vec<RelPath>,
    /// The files at outputs that stay because it is unknown whose they are: a failed run left them, they were accepted,
    /// or they were there before a run; sorted.
    pub unknown: Vec<RelPath>,
    /// The outputs that stay because they are sources: git tracks them, or a task names them as an input; sorted.
    pub sources: Vec<RelPath>,
    /// Names of tasks that have to run again, because the store does not have what was removed; sorted.
    pub not_kept: Vec<String>,
    /// The paths that could not be removed, and why.
    pub stuck: Vec<(RelPath, Arc<io::Error>)>,
}

impl Clean<'_> {
    /// Removes the outputs. Waits for a build in this worktree to end, and calls `waiting` with its name meanwhile.
    ///
    /// # Errors
    /// Fails if the worktree cannot be locked or the tree cannot be read.
    pub fn run(&self, holder: &str, stop: &Stop, waiting: &mut dyn FnMut(&str)) -> Result<Cleaned, LockError> {
        let worktree = Worktree::new(self.store_dir, &self.workspace.root);
        if !worktree.journal().exists() {
            return Ok(Cleaned::default());
        }
        let _lock = self.lock(&worktree, holder, stop, waiting)?;
        let journal = Journal::load(&worktree.journal());
        Ok(self.clear(&worktree, &journal)?)
    }

    fn lock(
        &self,
        worktree: &Worktree,
        holder: &str,
        stop: &Stop,
        waiting: &mut dyn FnMut(&str),
    ) -> Result<Option<WorktreeLock>, LockError> {
        let mut last = String::new();
        let mut tell = |other: &str| {
            if last != other {
                waiting(other);
                last = other.to_owned();
            }
            true
        };
        if self.dry_run { Ok(None) } else { worktree.lock(holder, stop, &mut tell).map(Some) }
    }

    fn clear(&self, worktree: &Worktree, journal: &Journal) -> io::Result<Cleaned> {
        let root = &self.workspace.root;
        let observer = Observer::new(root, &journal.files).following(&self.workspace.follow);
        let skip: Vec<_> = RelPath::from_native(root, self.store_dir).into_iter().collect();
        let left_behind = LeftBehind::read(&worktree.intents());
        let ownership = survey(&observer, &self.graph.outputs, journal, &left_behind.intents, &skip)?;

        let is_meant = |id: &TaskId| self.tasks.is_none_or(|tasks| tasks.contains(id));
        let mut owned: Vec<Left<'_>> = Vec::new();
        for (_, left) in ownership.owned.iter().filter(|(id, _)| is_meant(id)) {
            owned.extend(left.iter().cloned());
        }
        owned.sort_by(|a, b| a.path.cmp(&b.path));
        let (owned, edited, unknown) = sort_out(&observer, owned);
        let dead = if self.tasks.is_none() { ownership.dead } else { Vec::new() };

        let git = GitIndex::open(root);
        // That a task names an output of another task as an input does not make it a source.
        let whole =
            [(owned, Sources { git: &git, tasks: &[] }), (dead, Sources { git: &git, tasks: &self.workspace.tasks })];
        let mut cleaned = Cleaned { edited, unknown, ..Cleaned::default() };
        if self.dry_run {
            whole.iter().for_each(|(left, sources)| look(&observer, left, sources, &mut cleaned));
        } else {
            let displaced = worktree::displaced::of(worktree);
            let mut clearing = Clearing::open(&observer, &displaced)?;
            for (left, sources) in &whole {
                let buried = bury(&mut clearing, &observer, left, sources);
                cleaned.removed.extend(buried.removed);
                cleaned.sources.extend(buried.kept);
                cleaned.stuck.extend(buried.stuck);
            }
            let gone = whole.iter().flat_map(|(left, _)| left).map(|left| &left.path);
            self.prune(journal, &mut clearing, &observer, gone)?;
        }
        cleaned.removed.sort_unstable();
        cleaned.not_kept = not_kept(journal, &cleaned.removed);
        cleaned.sources.sort_unstable();
        Ok(cleaned)
    }

    /// Removes the directories that percache made and that are empty now. The next build makes those again that tasks
    /// need.
    fn prune<'p>(
        &self,
        journal: &Journal,
        clearing: &mut Clearing<'_, '_>,
        observer: &Observer<'_>,
        gone: impl Iterator<Item = &'p RelPath>,
    ) -> io::Result<()> {
        let (directories, none) = (Directories::new(&journal.made), HashSet::new());
        directories.prune(clearing.tree(), observer, gone, &none)?;
        // A file below a needed directory, so that the directory itself is looked at.
        let needed: Vec<RelPath> = needed(&self.workspace.tasks).into_iter().map(|path| path.child(b"-")).collect();
        directories.prune(clearing.tree(), observer, &needed, &none)
    }
}

/// Returns the names of the tasks of whose outputs something is removed that the store does not keep.
fn not_kept(journal: &Journal, removed: &[RelPath]) -> Vec<String> {
    let is_removed = |entry: &Entry| removed.binary_search_by(|path| path.as_bytes().cmp(&entry.path)).is_ok();
    let tasks = journal.tasks.iter().filter(|(_, record)| record.key.is_some());
    let lost = tasks.filter(|(_, record)| record.outputs.iter().any(|entry| !entry.kept && is_removed(entry)));
    lost.map(|(name, _)| name.clone()).collect()
}

/// Separates the paths that are as they were left from files and symlinks that somebody has edited since, and from those
/// that may be anybody's.
fn sort_out<'a>(observer: &Observer<'_>, mine: Vec<Left<'a>>) -> (Vec<Left<'a>>, Vec<RelPath>, Vec<RelPath>) {
    let (mut right, mut edited, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for left in mine {
        match observer.observe(left.path.as_bytes()) {
            Ok(FileState::Absent) => {}
            Ok(FileState::Directory) => right.push(left),
            Ok(state) if left.held.is_some_and(|held| is_right(held, &state)) => right.push(left),
            _ if left.held.is_none() => unknown.push(left.path),
            _ => edited.push(left.path),
        }
    }
    (right, edited, unknown)
}

/// Adds what would be removed.
fn look(observer: &Observer<'_>, left: &[Left<'_>], sources: &Sources<'_>, cleaned: &mut Cleaned) {
    let clones = clones(left.iter().map(|left| &left.path));
    for Left { path, .. } in left {
        match observer.observe(path.as_bytes()) {
            Ok(FileState::Directory) => {}
            _ if sources.contains(path, &clones) => cleaned.sources.push(path.clone()),
            _ => cleaned.removed.push(path.clone()),
        }
    }
}
