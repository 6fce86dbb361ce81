//! Which results are tied to this directory, because outputs contain its path, and by which outputs.
//!
//! The records of the last build say which results are tied; only the outputs of those are searched.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use memchr::memmem::Finder;
use percache::store::Store;
use percache::store::record::{Entry, Node};

use crate::action::search::Search;
use crate::model::TaskId;
use crate::session::Project;
use crate::syntax::shown::shown_bytes;
use crate::worktree::Worktree;
use crate::worktree::journal::Journal;

/// A task whose result is used in no other directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPortable {
    /// The name of the task.
    pub task: String,
    /// The outputs that contain the path of the workspace, in order.
    pub outputs: Vec<String>,
}

/// Returns the tasks among these and their dependencies whose results are tied to this directory, in order of their
/// names. Those whose outputs the store does not keep are used nowhere else in any case.
pub fn not_portable(project: &Project, store: &Store, ids: &[TaskId]) -> Vec<NotPortable> {
    let (workspace, journal) = (&project.workspace, Journal::load(&project.worktree().journal()));
    let here = Worktree::place(&workspace.root);
    let finder = Finder::new(workspace.root.as_os_str().as_bytes());
    let mut closure = project.graph.closure(ids);
    closure.sort_unstable();
    let tied = closure.into_iter().filter_map(|id| {
        let task = workspace.task(id);
        let record = journal.tasks.get(&task.name)?;
        let is_tied = record.key.is_some_and(|key| key.place == Some(here)) && record.outputs.is_kept();
        if !is_tied {
            return None;
        }
        let outputs = record.outputs.iter().filter(|entry| mentions(project, store, entry, &finder));
        let outputs = outputs.map(|entry| shown_bytes(&entry.path).into_owned()).collect();
        Some(NotPortable { task: task.name.clone(), outputs })
    });
    tied.collect()
}

/// Returns whether an output contains the path. Where the store cannot tell, the tree does.
fn mentions(project: &Project, store: &Store, entry: &Entry, finder: &Finder<'_>) -> bool {
    let mut search = Search::new(finder);
    match &entry.node {
        Node::Directory => {}
        Node::Symlink(target) => search.see(target),
        Node::File { content, .. } => {
            if store.read(content, &mut search).is_err() {
                search = Search::new(finder);
                let path = project.workspace.root.join(OsStr::from_bytes(&entry.path));
                let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut search));
                read.map_err(|e| log::info!("{}: {e}", shown_bytes(&entry.path))).unwrap_or_default();
            }
        }
    }
    search.has_found()
}
