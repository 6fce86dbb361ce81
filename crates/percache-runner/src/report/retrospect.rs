//! The data for `percache report`: what [`crate::report::history`] remembers of the last build, with reasons that the
//! store still knows, and the growth of the store.

use std::path::Path;

use percache::db::engine::EngineError;
use percache::store::Store;
use percache::store::growth::{Growth, growth};
use percache::store::record::ResultKey;

use crate::action::changes::{between, locate, settle, summary};
use crate::key::fingerprint::Parts;
use crate::report::history::{History, TaskRun};
use crate::report::recorder::key_from;
use crate::worktree::Worktree;
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;

/// The data for `percache report`.
pub struct Retrospect {
    /// The builds, and the tasks of the last one with their reasons filled in.
    pub history: History,
    /// The size that each stored result added, the oldest first. An error if the store could not be read: then some
    /// reasons are missing, too.
    pub growth: Result<Vec<Growth>, EngineError>,
}

/// Collects the data for the workspace at `root`; `None` if no build is remembered.
pub fn retrospect(root: &Path, store_dir: &Path, store: &Store) -> Option<Retrospect> {
    let worktree = Worktree::new(store_dir, root);
    let mut history = History::load(&worktree.builds());
    if history.builds.is_empty() {
        return None;
    }
    let contents = Contents::new(root, Some(store), Texts::at(worktree.texts()));
    for task in &mut history.tasks {
        task.reason = task.reason.take().or_else(|| reason(task, store, &contents));
    }
    let growth = store.engine().view().and_then(|view| growth(&*view));
    Some(Retrospect { history, growth })
}

/// Returns why a task ran: what differs between its result and the one before.
fn reason(task: &TaskRun, store: &Store, contents: &Contents<'_>) -> Option<String> {
    let (old, new) = task.results.as_ref()?;
    let parts = |key: ResultKey| Parts::decode(&store.parts(&key).ok()??).ok();
    let mut changes = between(&parts(key_from(old)?)?, &parts(key_from(new)?)?);
    // What was there at that time is not known.
    settle(&mut changes, &|_| true);
    locate(&mut changes, contents);
    summary(&changes)
}
