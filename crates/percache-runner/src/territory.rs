//! Who owns what earlier builds left in the tree.
//!
//! The journal names every output that percache put there, and intents tell of those of a build that was killed. Each path belongs to
//! the task that owns it *now*, whatever task had made it: renamed tasks keep their outputs. What nobody owns any more is dead: a clean
//! tree would not have it, and a glob could still match it (`build/*.o` after a source file is gone).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;

use percache::store::record::Node;

use crate::capture::{is_right, present};
use crate::graph::OutputIndex;
use crate::intents::{Intent, LeftBehind};
use crate::journal::Journal;
use crate::model::TaskId;
use crate::observe::{FileState, Observer};
use crate::paths::RelPath;
use crate::pattern::PatternSet;
use crate::restore;
use crate::tree::{self, Tree};
use crate::worktree::Worktree;

/// What earlier builds left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Territory {
    /// By the task that owns it now; sorted.
    pub owned: HashMap<TaskId, Vec<RelPath>>,
    /// What nobody owns and is as percache left it; sorted.
    pub dead: Vec<RelPath>,
}

/// Divides up what the journal and the intents of a killed build tell of.
pub fn survey(
    observer: &Observer<'_>,
    outputs: &OutputIndex,
    journal: &Journal,
    left_behind: &[Intent],
    skip: &[RelPath],
) -> io::Result<Territory> {
    let mut owned: HashMap<TaskId, BTreeSet<RelPath>> = HashMap::new();
    let mut dead = BTreeSet::new();
    for entry in journal.tasks.values().flat_map(|record| record.own()) {
        let Ok(path) = RelPath::new(&entry.path) else { continue };
        match outputs.owner(&path) {
            Some(task) => drop(owned.entry(task).or_default().insert(path)),
            // Only as percache left it: what somebody has edited since is theirs.
            None if is_right(&entry.node, &observer.observe(&entry.path)?) => drop(dead.insert(path)),
            None => {}
        }
    }
    for (path, literal) in abandoned(observer.root(), left_behind, skip) {
        match outputs.owner(&path) {
            Some(task) => drop(owned.entry(task).or_default().insert(path)),
            None if literal => drop(dead.insert(path)),
            // A glob may by now match what somebody has put there.
            None => {}
        }
    }
    let owned = owned.into_iter().map(|(task, paths)| (task, paths.into_iter().collect())).collect();
    Ok(Territory { owned, dead: dead.into_iter().collect() })
}

/// Whether a file is as an earlier build of the workspace at `root` left it.
pub fn made(root: &Path, store: &Path) -> Box<dyn Fn(&RelPath) -> bool> {
    let worktree = Worktree::new(store, root);
    let journal = Journal::load(&worktree.journal());
    let skip: Vec<_> = RelPath::from_native(root, store).into_iter().collect();
    let abandoned = abandoned(root, &LeftBehind::read(&worktree.intents()).intents, &skip);
    let abandoned: HashSet<RelPath> = abandoned.into_iter().map(|(path, _)| path).collect();
    let own = journal.tasks.values().flat_map(|record| record.own());
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

/// What a killed build made or was about to make, and whether the task named it, or a directory above it, without a wildcard.
fn abandoned(root: &Path, intents: &[Intent], skip: &[RelPath]) -> Vec<(RelPath, bool)> {
    let mut paths = Vec::new();
    for intent in intents {
        let there = |path: &&RelPath| path.to_path(root).symlink_metadata().is_ok();
        paths.extend(intent.temporaries.iter().filter(there).map(|path| (path.clone(), true)));
        let Ok(patterns) = PatternSet::parse(&RelPath::root(), &intent.patterns) else { continue };
        let others: BTreeSet<_> = intent.others.iter().collect();
        // What cannot be listed now is for the task to find out.
        for found in present(root, &patterns, skip).unwrap_or_default() {
            if !others.contains(&found.path) {
                let named = |literal: &RelPath| found.path.starts_with(literal);
                let literal = patterns.patterns().iter().filter_map(|pattern| pattern.literal()).any(named);
                paths.push((found.path, literal));
            }
        }
    }
    paths
}

/// What became of the dead.
#[derive(Debug, Default)]
pub struct Buried {
    /// What was really there and is gone.
    pub gone: Vec<RelPath>,
    /// What stays, and why: it lies behind a symlink that leads out of the workspace.
    pub stuck: Vec<(RelPath, io::Error)>,
}

/// Removes what is dead, files first.
pub fn bury(observer: &Observer<'_>, dead: &[RelPath]) -> io::Result<Buried> {
    let is_file = |path: &RelPath| {
        matches!(observer.observe(path.as_bytes()), Ok(FileState::File { .. } | FileState::Symlink { .. }))
    };
    let mut tree = Tree::of(observer)?;
    let mut buried = Buried::default();
    // Backwards, so that a directory comes after what is in it.
    for path in dead.iter().rev() {
        let counts = is_file(path);
        match restore::remove(&mut tree, std::slice::from_ref(path)) {
            Ok(()) => buried.gone.extend(Some(path.clone()).filter(|_| counts)),
            Err((path, e)) if tree::leads_out(&e) => buried.stuck.push((path, e)),
            Err((_, e)) => return Err(e),
        }
    }
    buried.gone.reverse();
    buried.stuck.reverse();
    Ok(buried)
}
