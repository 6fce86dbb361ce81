//! Finds the stored result of a task that fits with the fewest changes.
//!
//! The reason that `why` gives is about the last result in this worktree. Another one may be nearer: from another
//! branch, another worktree, or from before an edit that was undone but for one file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percache::base::clock::Time;
use percache::store::record::{ResultKey, StoredResult};

use super::chain::Past;
use crate::action::changes::{Change, compare, locate, settle};
use crate::fs::stat_cache::{FileState, Observer};
use crate::key::fingerprint::{Kind, Part, Parts, Value};
use crate::model::TaskId;
use crate::worktree::Worktree;

/// The largest number of results that are compared, the newest ones.
const COMPARED: usize = 200;

/// The stored result that fits best.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// When its command ran.
    pub created: Time,
    /// Whether it is tied to another directory: its outputs contain that directory's path.
    pub tied_elsewhere: bool,
    /// That directory, if it belongs to a worktree that the store knows.
    pub directory: Option<PathBuf>,
    /// What would have to change for it to fit, from that result to now.
    pub changes: Vec<Change>,
}

/// Finds the result nearest to `now`, the parts that the task depends on; `None` if that is the last one here, or there
/// is none.
pub(super) fn find(past: &Past<'_>, id: TaskId, now: &Parts) -> Option<Nearest> {
    let workspace = &past.asked.project.workspace;
    let task = workspace.task(id);
    let mut results = past.asked.store.results_of(&task.name).ok()?;
    // Contents that are not kept are of no use in another directory.
    let here = Worktree::place(&workspace.root);
    results.retain(|(key, result)| result.outputs.is_kept() || key.place == Some(here));
    results.sort_by_key(|(_, result)| std::cmp::Reverse(result.created));
    let observer = Observer::new(&workspace.root, &past.journal.files);
    let difference = |(key, result): &(ResultKey, StoredResult)| {
        let old = past.parts(key)?;
        // Discovered inputs belong to the run that discovered them.
        let discovered = old.iter().filter(|part| part.kind == Kind::Discovered);
        let looked = discovered.filter_map(|part| {
            let state = observer.observe(&part.name).ok()?;
            Some(Part::new(Kind::Discovered, part.name.clone(), Value::File(state)))
        });
        let now = Parts::new(now.iter().cloned().chain(looked).collect());
        Some((*key, result.created, compare(&old, &now)))
    };
    let compared = results.iter().take(COMPARED).filter_map(difference);
    let (key, created, mut changes) = compared.min_by_key(|(.., changes)| changes.len())?;
    let last = past.journal.tasks.get(&task.name).and_then(|record| record.key.or(record.previous));
    // The output of tools that were not asked is not known.
    let unknown = |change: &Change| {
        change.new.is_none()
            && change.kind == Kind::Tool
            && task.tools.iter().any(|tool| tool.as_bytes() == change.name)
    };
    changes.retain(|change| !unknown(change));
    let tied_elsewhere = key.place.is_some_and(|place| place != here);
    if last == Some(key) || (changes.is_empty() && !tied_elsewhere) {
        return None;
    }
    let is_there = |path: &[u8]| observer.observe(path).is_ok_and(|state| state != FileState::Absent);
    settle(&mut changes, &|change| match change.kind {
        Kind::Input | Kind::Discovered => is_there(&change.name),
        Kind::FilePart | Kind::External => change.remains_at(&workspace.root),
        Kind::Env => past.asked.caller.contains_key(OsStr::from_bytes(&change.name)),
        _ => false,
    });
    locate(&mut changes, past.contents);
    let place = key.place.filter(|_| tied_elsewhere);
    let directory = place.and_then(|place| Worktree::root_of(&past.asked.project.store_dir, &place));
    Some(Nearest { created, tied_elsewhere, directory, changes })
}
