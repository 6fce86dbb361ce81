//! The part of the last build's findings that still holds, determined before the configuration is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use percache::Digest;

use super::project::Project;
use crate::config::{Location, Slips, kept};
use crate::fs::mapped_file::Image;
use crate::maintenance;
use crate::model::Caller;
use crate::model::notice::Note;
use crate::session::freshness::{self, Freshness, Surroundings};
use crate::worktree::conditions::Asked;
use crate::worktree::intents::Intents;
use crate::worktree::journal::Journal;
use crate::worktree::last_used;
use crate::worktree::{Worktree, WorktreeLock};

/// The findings of an earlier build, as far as they still hold, together with the lock of its worktree.
pub(super) struct LastBuild {
    /// The store's directory.
    store_dir: PathBuf,
    pub(super) lock: WorktreeLock,
    pub(super) bytes: Arc<Image>,
    path: PathBuf,
    /// Decodes the journal in the background; `None` when there is nothing to do.
    pub(super) journal: Option<JoinHandle<Journal>>,
    pub(super) freshness: Freshness,
}

impl LastBuild {
    /// Loads the saved copy of the configuration while that is unchanged, and returns it with its digest. Returns
    /// `None` if the configuration must be read.
    pub(super) fn project(&self, place: &Location) -> Option<(Project, Digest)> {
        let digest = self.freshness.kept?;
        let path = Worktree::new(&self.store_dir, &place.root).kept();
        let workspace = kept(&place.root, &path, &digest)?;
        Some((Project::of(place.clone(), workspace), digest))
    }

    /// Returns what every build says about the configuration, which is unchanged.
    pub(super) fn notes(&self, root: &Path) -> Vec<Note> {
        let path = Worktree::new(&self.store_dir, root).slips();
        self.freshness.kept.map_or_else(Vec::new, |digest| Slips::kept(&path, &digest).notes().collect())
    }

    /// Returns the names of the requested tasks if all of them are up to date. Marks their results as used, and keeps
    /// the digests of files that had to be read.
    pub(super) fn idle(&self) -> Option<&[String]> {
        let idle = self.freshness.idle.as_deref()?;
        let noted = match self.freshness.read.as_slice() {
            [] => last_used::touch(&self.path),
            // The journal's modification time is the time of the last use.
            read => Journal::save_with(&self.bytes, read, &self.path),
        };
        noted.ok().map(|()| idle)
    }

    /// Checks what still holds of the last build's findings in this worktree. Returns `None` if the next build must
    /// check everything from scratch.
    pub(super) fn look(
        store_dir: &Path,
        root: &Path,
        asked: &Asked,
        caller: &Caller,
        holder: &str,
    ) -> Option<LastBuild> {
        let worktree = Worktree::new(store_dir, root);
        let path = worktree.journal();
        // Held by nobody, so no build runs here; the next check rules out that one was killed.
        let lock = path.exists().then(|| worktree.try_lock(holder))??;
        if !Intents::is_empty(&worktree.intents()) || maintenance::is_time_for_gc(store_dir) {
            return None;
        }
        let bytes = Arc::new(Image::of(&path).ok()?);
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        let around = Surroundings { root, epoch: maintenance::epoch(store_dir), caller };
        let freshness = freshness::check(&bytes, asked, around, threads)?;
        let decoding = freshness.idle.is_none().then(|| {
            let bytes = bytes.clone();
            std::thread::spawn(move || Journal::decode_whole(&bytes).unwrap_or_default())
        });
        Some(LastBuild { store_dir: store_dir.to_owned(), lock, bytes, path, journal: decoding, freshness })
    }
}
