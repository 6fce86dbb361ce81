//! What a caller asks for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percache::store::Store;

use super::project::{Project, usual_store};
use crate::action::context::{Accept, Check, Force, HitLogs, Options};
use crate::config::{DiscoverError, Location, discover};
use crate::model::Caller;
use crate::model::remote::DOWNLOAD;
use crate::worktree::conditions::Asked;

/// Opens the store in a directory. The runner does not know which database it is.
pub type OpenStore<'a> = &'a dyn Fn(&Path) -> Arc<Store>;

/// Where to build.
#[derive(Clone)]
pub enum Target<'a> {
    /// In the workspace at or above this directory.
    Directory(&'a Path),
    /// In a workspace that is already loaded.
    Project(Arc<Project>),
}

/// What a caller asks for: which tasks to bring up to date, and how.
#[derive(Clone)]
pub struct Request<'a> {
    /// Where to build.
    pub target: Target<'a>,
    /// The names of the tasks; none means the default tasks.
    pub tasks: &'a [String],
    /// The arguments that `{args}` stands for.
    pub args: &'a [String],
    /// How to build.
    pub options: Options,
    /// How many tasks may run at a time; `None` for as many as the process may use CPUs.
    pub jobs: Option<usize>,
    /// Whether the caller wants the events of every task, even if nothing has changed.
    pub every_event: bool,
    /// The caller's environment variables.
    pub caller: Caller,
    /// The name of this process, shown to others that wait for it.
    pub holder: String,
    /// Opens the store; `None` means that nothing is looked up and nothing is stored.
    pub store: Option<OpenStore<'a>>,
    /// Whether the process exits after this build. Then destructors are skipped, because the OS frees memory faster.
    pub last: bool,
}

impl Target<'_> {
    /// Finds the workspace's root and the caller's place in it.
    pub(super) fn place(&self) -> Result<Location, DiscoverError> {
        match self {
            Target::Directory(start) => discover(start),
            Target::Project(project) => {
                let (root, cwd) = (project.workspace.root.clone(), project.cwd.clone());
                Ok(Location { root, cwd, doubt: project.doubt.clone() })
            }
        }
    }

    /// Returns where the store is; if the configuration has not been read yet, the place where it is usually.
    pub(super) fn store_dir(&self, root: &Path) -> PathBuf {
        match self {
            Target::Directory(_) => usual_store(root),
            Target::Project(project) => project.store_dir.clone(),
        }
    }

    /// Returns whether it is a single command, without a configuration.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Target::Project(project) if project.single.is_some())
    }
}

impl Request<'_> {
    /// Returns whether the findings of an earlier build may be used.
    pub(super) fn looks_back(&self) -> bool {
        !self.options.dry_run && self.store.is_some() && !self.target.is_single()
    }

    /// Returns whether it asks for nothing but up-to-date tasks. Then there is nothing to tell if all of them are.
    pub(super) fn is_plain(&self) -> bool {
        let Options { keep_going: _, force, accept, check, dry_run, pull: _, download: _, explain, hit_logs } =
            self.options;
        let more = accept != Accept::No || dry_run || explain || self.every_event || hit_logs == HitLogs::All;
        !more && force == Force::No && check == Check::Sample
    }

    /// Returns what the evidence of a build in this place depends on.
    pub(super) fn asked(&self, place: &Location) -> Asked {
        let download = self.caller.get(OsStr::new(DOWNLOAD)).map(|value| value.as_bytes());
        Asked::new(place.cwd.as_bytes(), self.tasks, self.args, download)
    }
}
