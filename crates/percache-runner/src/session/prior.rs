//! What stands of what the last build in a worktree has found, told before its configuration is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use percache::Digest;

use crate::config::kept;
use crate::fs::mapped_file::Image;
use crate::maintenance;
use crate::model::Caller;
use crate::model::Workspace;
use crate::session::standing::{self, Holds, Surroundings};
use crate::worktree::conditions::Asked;
use crate::worktree::intents::Intents;
use crate::worktree::journal::Journal;
use crate::worktree::last_used;
use crate::worktree::{Worktree, WorktreeLock};

/// What an earlier build has found, as far as it still stands, and the lock of its worktree.
pub struct Prior {
    /// The store's directory.
    store_dir: PathBuf,
    pub(super) lock: WorktreeLock,
    pub(super) bytes: Arc<Image>,
    path: PathBuf,
    /// Decodes it, when there is something to do.
    pub(super) journal: Option<JoinHandle<Journal>>,
    pub(super) holds: Holds,
}

impl Prior {
    /// The store's directory.
    pub fn store_dir(&self) -> &Path {
        &self.store_dir
    }

    /// Whether it is about a worktree of this store: the configuration may name another one by now.
    pub fn is_of(&self, store_dir: &Path) -> bool {
        self.store_dir == store_dir
    }

    /// The workspace, and the digest under which it is kept: while its configuration stands as it stood, it need not be read.
    pub fn workspace(&self, root: &Path) -> Option<(Workspace, Digest)> {
        let digest = self.holds.kept?;
        let path = Worktree::new(&self.store_dir, root).kept();
        Some((kept(root, &path, &digest)?, digest))
    }

    /// Names of the tasks that are asked for, if all of them are up to date. Says that their results were used, and keeps what was learned
    /// of files that were read.
    pub fn idle(&self) -> Option<&[String]> {
        let idle = self.holds.idle.as_deref()?;
        let noted = match self.holds.read.as_slice() {
            [] => last_used::touch(&self.path),
            // Its time says that it was used.
            read => Journal::save_with(&self.bytes, read, &self.path),
        };
        noted.ok().map(|()| idle)
    }
}

/// What stands of what the last build in this worktree has found; `None` when a build has to find out everything anew.
pub fn prior(store_dir: &Path, root: &Path, asked: &Asked, caller: &Caller, holder: &str) -> Option<Prior> {
    let worktree = Worktree::new(store_dir, root);
    let path = worktree.journal();
    // Nobody builds here, and nobody was killed building.
    let lock = path.exists().then(|| worktree.try_lock(holder))??;
    if !Intents::is_empty(&worktree.intents()) || maintenance::is_time_for_gc(store_dir) {
        return None;
    }
    let bytes = Arc::new(Image::of(&path).ok()?);
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let around = Surroundings { root, epoch: maintenance::epoch(store_dir), caller };
    let holds = standing::check(&bytes, asked, around, threads)?;
    let decoding = holds.idle.is_none().then(|| {
        let bytes = bytes.clone();
        std::thread::spawn(move || Journal::decode_whole(&bytes).unwrap_or_default())
    });
    Some(Prior { store_dir: store_dir.to_owned(), lock, bytes, path, journal: decoding, holds })
}
