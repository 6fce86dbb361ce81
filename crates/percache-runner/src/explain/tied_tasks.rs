//! The tasks whose results nobody else can use, because they contain the path of this directory.

use percache::store::Store;

use crate::action::tied::mentioning;
use crate::session::Project;
use crate::worktree::journal::Journal;

/// A task whose last result is tied to this directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TiedTask {
    /// Its name.
    pub task: String,
    /// An output that contains the path; `None` if the store does not have it any more.
    pub output: Option<String>,
}

/// Returns the tasks whose last results are tied to the directory of a project, and how many have results at all.
pub fn tied_tasks(project: &Project, store: &Store) -> (Vec<TiedTask>, usize) {
    let journal = Journal::load(&project.worktree().journal());
    let known = project.workspace.tasks.iter().filter_map(|task| Some((task, journal.tasks.get(&task.name)?.key?)));
    let known: Vec<_> = known.collect();
    let tied = known.iter().filter(|(_, key)| key.place.is_some()).map(|(task, key)| {
        let result = store.result(key).ok().flatten();
        let output = result.and_then(|result| mentioning(store, &result, &project.workspace.root));
        TiedTask { task: task.name.clone(), output }
    });
    (tied.collect(), known.len())
}
