//! Results that fit but cannot be used because their outputs contain the path of another directory. They are reported,
//! so that nobody looks for a change that does not exist.

use std::fmt;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use percache::base::clock::Time;
use percache::store::id::{ActionKey, WorkspaceId};
use percache::store::interface::Storage;
use percache::store::record::{Node, StoredResult};

use crate::action::context::Context;
use crate::action::inputs::Prepared;
use crate::action::lookup::{is_valid, observe_all, path_sets};
use crate::model::Task;
use crate::syntax::shown::{shown, shown_bytes};
use crate::worktree::Worktree;

/// Outputs longer than this are not searched for the path.
const SEARCHED: u64 = 16 << 20;

/// A result that is tied to another directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tied {
    /// That directory, if it is the root of a worktree that the store knows.
    pub directory: Option<PathBuf>,
    /// An output that contains its path.
    pub output: Option<String>,
    /// When the result was recorded.
    pub created: Time,
}

/// Returns a result that would be used if it were not tied to another directory.
pub fn tied(ctx: &Context<'_>, task: &Task, prepared: &Prepared) -> Option<Tied> {
    let store = ctx.store?;
    let sets = path_sets(ctx, store, task, &prepared.fingerprint)?;
    sets.into_iter().find_map(|set| {
        let action = observe_all(ctx, set)?.action(&prepared.fingerprint);
        elsewhere(store, ctx.store_dir, &action, &ctx.place, &|result| is_valid(task, result.created))
    })
}

/// Returns the newest result of an action that is `wanted` and tied to a directory other than `here`.
pub fn elsewhere(
    store: &dyn Storage,
    store_dir: &Path,
    action: &ActionKey,
    here: &WorkspaceId,
    wanted: &dyn Fn(&StoredResult) -> bool,
) -> Option<Tied> {
    // Trouble with the store is reported where its results are looked up.
    let results = store.tied_results(action).ok()?;
    // One whose contents are not kept would be of no use here, whatever is in them.
    let others =
        results.into_iter().filter(|(place, result)| place != here && result.outputs.is_kept() && wanted(result));
    let (place, result) = others.max_by_key(|(_, result)| result.created)?;
    let directory = Worktree::root_of(store_dir, &place);
    let output = directory.as_ref().and_then(|directory| mentioning(store, &result, directory));
    Some(Tied { directory, output, created: result.created })
}

/// Returns an output that contains a path.
pub fn mentioning(store: &dyn Storage, result: &StoredResult, directory: &Path) -> Option<String> {
    let path = directory.as_os_str().as_bytes();
    let entry = result.outputs.iter().find(|entry| match &entry.node {
        Node::File { content, .. } if content.length <= SEARCHED => {
            let mut bytes = Vec::new();
            store.read(content, &mut bytes as &mut dyn Write).is_ok() && Finder::new(path).find(&bytes).is_some()
        }
        Node::Symlink(target) => Finder::new(path).find(target).is_some(),
        Node::File { .. } | Node::Directory => false,
    })?;
    Some(shown_bytes(&entry.path).into_owned())
}

impl fmt::Display for Tied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.directory {
            Some(directory) => write!(f, "is tied to `{}`", shown(directory))?,
            None => f.write_str("is tied to another directory")?,
        }
        match &self.output {
            Some(output) => write!(f, ", whose path is in its output `{output}`"),
            None => f.write_str(", whose path is in its outputs"),
        }
    }
}
