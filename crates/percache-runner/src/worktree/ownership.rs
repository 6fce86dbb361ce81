//! Ownership of what earlier builds left in the tree.
//!
//! The journal names every output that percache put there or saw a run make, with its content; intents name those of a
//! killed build. Each path belongs to the task that owns it *now*, whichever task made it: renamed tasks keep their
//! outputs. What no task owns any more is dead: a clean tree would not have it, and a glob could still match it
//! (`build/*.o` after a source file was removed).
//!
//! Ownership is by content. A file that somebody has edited, or put there, is theirs, wherever it lies. Ownership also
//! ends where git tracks a file, or where a task names it as an input and no task makes it: then it is a source.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use percache::store::manifest::PathSet;
use percache::store::record::Node;

use crate::fs::clearing::{Cleared, Clearing, Left};
use crate::fs::git_index::GitIndex;
use crate::fs::outputs::{is_right, present};
use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::{FileState, Observer};
use crate::fs::stat_table::KnownFiles;
use crate::graph::OutputIndex;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{Task, TaskId};
use crate::worktree::Worktree;
use crate::worktree::intents::{Intent, LeftBehind};
use crate::worktree::journal::Journal;

/// What earlier builds left in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership<'a> {
    /// The paths by the task that owns them now; sorted.
    pub owned: HashMap<TaskId, Vec<Left<'a>>>,
    /// The paths that no task owns, and that are as percache or a killed build left them; sorted.
    pub dead: Vec<Left<'a>>,
    /// Files and symlinks that no task owns any more, and that were edited since; sorted.
    pub edited: Vec<RelPath>,
}

/// Assigns what the journal and the intents of a killed build name to owners.
pub fn survey<'a>(
    observer: &Observer<'_>,
    outputs: &OutputIndex,
    journal: &'a Journal,
    left_behind: &[Intent],
    skip: &[RelPath],
) -> io::Result<Ownership<'a>> {
    let mut owned: HashMap<TaskId, BTreeMap<RelPath, Option<&Node>>> = HashMap::new();
    let (mut dead, mut edited) = (BTreeMap::new(), BTreeSet::new());
    let mut perhaps = HashSet::new();
    for (path, literal) in abandoned(observer.root(), left_behind, skip) {
        match outputs.owner(&path) {
            Some(task) => drop(owned.entry(task).or_default().insert(path, None)),
            None if literal => drop(dead.insert(path, None)),
            // A glob may by now match a file of the user, unless the journal names the path, too.
            None => drop(perhaps.insert(path)),
        }
    }
    for (record, (entry, held)) in
        journal.tasks.values().flat_map(|record| record.left().map(move |left| (record, left)))
    {
        // A directory that existed before its outputs is not percache's to remove.
        if held.is_none() && !record.failed && entry.node == Node::Directory {
            continue;
        }
        let Ok(path) = RelPath::new(&entry.path) else { continue };
        match outputs.owner(&path) {
            Some(task) => drop(owned.entry(task).or_default().insert(path, held)),
            None => match observer.observe(&entry.path)? {
                state if is_right(&entry.node, &state) => drop(dead.insert(path, held)),
                // The killed build was running the task that had made it. It is displaced, as what it holds is unknown.
                FileState::File { .. } | FileState::Symlink { .. } if perhaps.contains(&path) => {
                    dead.insert(path, None);
                }
                // Only files that are unchanged are dead: edited ones belong to whoever edited them.
                FileState::File { .. } | FileState::Symlink { .. } => drop(edited.insert(path)),
                _ => {}
            },
        }
    }
    // Where an output needs a directory, an edited file gives way like everything else.
    let in_the_way: Vec<_> = edited.iter().filter(|path| outputs.has_below(path)).cloned().collect();
    for path in in_the_way {
        edited.remove(&path);
        dead.insert(path, None);
    }
    let list = |paths: BTreeMap<RelPath, Option<&'a Node>>| {
        paths.into_iter().map(|(path, held)| Left { path, held }).collect::<Vec<_>>()
    };
    Ok(Ownership {
        owned: owned.into_iter().map(|(task, paths)| (task, list(paths))).collect(),
        dead: list(dead),
        edited: edited.into_iter().collect(),
    })
}

/// Returns a test whether a file is as an earlier build of the workspace at `root` left it.
pub fn made(root: &Path, store: &Path) -> Box<dyn Fn(&RelPath) -> bool> {
    let worktree = Worktree::new(store, root);
    let journal = Journal::load(&worktree.journal());
    let skip: Vec<_> = RelPath::from_native(root, store).into_iter().collect();
    let abandoned = abandoned(root, &LeftBehind::read(&worktree.intents()).intents, &skip);
    let abandoned: HashSet<RelPath> = abandoned.into_iter().map(|(path, _)| path).collect();
    let own = journal.tasks.values().flat_map(|record| &record.outputs);
    let own: HashMap<Vec<u8>, Node> = own.map(|entry| (entry.path.clone(), entry.node.clone())).collect();
    let (root, files) = (root.to_owned(), journal.files);
    Box::new(move |path| {
        let as_left = |node: &Node| {
            let observer = Observer::new(&root, &files);
            observer.observe(path.as_bytes()).is_ok_and(|state| is_right(node, &state))
        };
        abandoned.contains(path) || own.get(path.as_bytes()).is_some_and(as_left)
    })
}

/// Returns the paths that a killed build made or was about to make, each with whether the task named it, or a directory
/// above it, without a wildcard.
fn abandoned(root: &Path, intents: &[Intent], skip: &[RelPath]) -> Vec<(RelPath, bool)> {
    let mut paths = Vec::new();
    for intent in intents {
        let there = |path: &&RelPath| path.to_path(root).symlink_metadata().is_ok();
        paths.extend(intent.temporaries.iter().filter(there).map(|path| (path.clone(), true)));
        let Ok(patterns) = PatternSet::parse(&RelPath::root(), &intent.patterns) else { continue };
        let others: HashSet<_> = intent.others.iter().collect();
        // Errors of listing are left for the task to report.
        for found in present(root, &patterns, skip).unwrap_or_default() {
            // What somebody has put there since the build was killed is theirs.
            let stamp = || Stamp::at(&found.path.to_path(root)).ok().flatten();
            if others.contains(&found.path) || stamp().is_none_or(|stamp| !intent.may_have_written(stamp.ctime)) {
                continue;
            }
            let named = |literal: &RelPath| found.path.starts_with(literal);
            let literal = patterns.patterns().iter().filter_map(|pattern| pattern.literal()).any(named);
            paths.push((found.path, literal));
        }
    }
    paths
}

/// The outcome of removing dead outputs.
#[derive(Debug, Default)]
pub struct Buried {
    /// Files and symlinks that were removed, sorted.
    pub removed: Vec<RelPath>,
    /// Files and symlinks that have become sources, and stay; sorted.
    pub kept: Vec<RelPath>,
    /// Paths that could not be removed, and why: they lie behind a symlink out of the workspace, or the system refuses.
    pub stuck: Vec<(RelPath, Arc<io::Error>)>,
}

/// Removes dead outputs, unless they are sources.
pub fn bury(
    clearing: &mut Clearing<'_, '_>,
    observer: &Observer<'_>,
    dead: &[Left<'_>],
    sources: &Sources<'_>,
) -> Buried {
    let mut buried = Buried::default();
    // Backwards, so that a directory comes after its entries.
    let clones = clones(dead.iter().map(|left| &left.path));
    for Left { path, held } in dead.iter().rev() {
        let is_file =
            matches!(observer.observe(path.as_bytes()), Ok(FileState::File { .. } | FileState::Symlink { .. }));
        if is_file && (sources.contains(path, &clones) || (held.is_none() && sources.is_excluded(path))) {
            buried.kept.push(path.clone());
            continue;
        }
        match clearing.take(path, *held) {
            Ok(Cleared::Removed) if is_file => buried.removed.push(path.clone()),
            Ok(_) => {}
            Err(e) => buried.stuck.push((path.clone(), Arc::new(e))),
        }
    }
    buried.removed.reverse();
    buried.kept.reverse();
    buried.stuck.reverse();
    buried
}

/// Returns the directories of git repositories that a task made: those whose `.git` is among these outputs.
pub fn clones<'p>(outputs: impl Iterator<Item = &'p RelPath>) -> Vec<RelPath> {
    let mut clones: Vec<RelPath> =
        outputs.filter(|path| path.file_name() == b".git").filter_map(RelPath::parent).collect();
    clones.dedup();
    clones
}

/// Returns whether git tracks a path for the user: in a clone that a task made, only the repository around the clone
/// counts. If an index cannot be read, everything counts as tracked.
pub fn is_tracked(git: &GitIndex, path: &RelPath, clones: &[RelPath]) -> bool {
    let tracked = match clones.iter().any(|clone| path.starts_with(clone)) {
        true => git.tracks_itself(path),
        false => git.tracks(path),
    };
    tracked || git.trouble().is_some()
}

/// Tells which files are sources although percache once made them.
pub struct Sources<'a> {
    /// The index of what git tracks.
    pub git: &'a GitIndex,
    /// All tasks.
    pub tasks: &'a [Task],
}

impl Sources<'_> {
    /// Returns whether git tracks the path, or a task names it, without a wildcard, as an input.
    pub fn contains(&self, path: &RelPath, clones: &[RelPath]) -> bool {
        self.is_named(path) || is_tracked(self.git, path, clones)
    }

    /// Returns whether a task excludes a path from its outputs by name (`!docs/notes.md`): if it may be the user's own,
    /// it then certainly is.
    fn is_excluded(&self, path: &RelPath) -> bool {
        let mut patterns = self.tasks.iter().flat_map(|task| task.outputs.patterns());
        patterns.any(|pattern| pattern.negated && pattern.literal() == Some(path))
    }

    fn is_named(&self, path: &RelPath) -> bool {
        self.tasks.iter().flat_map(|task| [&task.inputs.patterns, &task.inputs.partial]).any(|inputs| {
            let mut named = inputs.patterns().iter().filter(|pattern| !pattern.negated);
            named.any(|pattern| pattern.literal() == Some(path)) && inputs.matches(path)
        })
    }
}

/// Returns the records of other worktrees of these stores that apply to the tree at `root`: outputs that are there with
/// the same content and the same modification time. So the outputs of a workspace are known after it was moved or
/// copied (`cp -a`), or another store was named; a file of the user that merely has the same content is not taken for
/// one.
pub fn inherited(root: &Path, stores: &[&Path]) -> Journal {
    let files = KnownFiles::new();
    let observer = Observer::new(root, &files);
    let mut journal = Journal::default();
    let worktrees = stores.iter().flat_map(|store| Worktree::all(store).unwrap_or_default());
    for worktree in worktrees.filter(|worktree| !worktree.is_single()) {
        let mut other = Journal::load(&worktree.journal());
        let tasks = std::mem::take(&mut other.tasks);
        let known = journal.tasks.len();
        for (name, mut record) in tasks.into_iter().filter(|(_, record)| !record.failed && !record.on_remote) {
            let modified = |path: &[u8]| other.files.find(path).and_then(|at| other.files.seen(at).stamp);
            let lies_here = |path: &[u8], node: &Node| {
                let now = observer.stamp(path).ok().flatten();
                let same_time = *node == Node::Directory
                    || now.zip(modified(path)).is_some_and(|(now, then)| now.mtime == then.mtime);
                same_time && observer.observe(path).is_ok_and(|state| is_right(node, &state))
            };
            record.outputs.retain(|entry| lies_here(&entry.path, &entry.node));
            if record.outputs.is_empty() {
                continue;
            }
            record.distrust();
            record.discovered = PathSet::default();
            match journal.tasks.get_mut(&name) {
                None => drop(journal.tasks.insert(name, record)),
                Some(known) => known.outputs.merge(record.outputs),
            }
        }
        if journal.tasks.len() > known {
            journal.made.extend(other.made);
        }
    }
    journal.made.sort();
    journal.made.dedup();
    journal
}
