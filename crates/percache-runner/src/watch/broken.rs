//! What to watch while the configuration has a mistake, so that it is not known what the tasks read.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config::{FILE_NAME, store_dir};
use crate::fs::git_files::{Area, SourceTree};
use crate::model::CacheSettings;
use crate::model::path::RelPath;
use crate::packages;
use crate::session::Project;

use super::{Concern, Events};

/// The parts of the last valid configuration.
#[derive(Default)]
pub struct Broken {
    /// Its files, and the directories that were listed for it.
    paths: Vec<PathBuf>,
}

impl Broken {
    /// Remembers a valid configuration.
    pub fn remember(&mut self, project: &Project) {
        let workspace = &project.workspace;
        let paths = workspace.files.iter().chain(&workspace.listed);
        self.paths = paths.map(|path| path.to_path(&workspace.root)).collect();
    }

    /// Follows the directories that contain the configuration, or may come to contain it.
    pub fn follow(&self, root: &Path, events: &Events) {
        // As far as the tree can be read: an unreadable directory is no place for a configuration.
        let (skip, caller) = (store(root), std::env::vars_os().collect());
        let area = Area { root, skip: &skip, configuration: &[], caller: &caller };
        let tree = SourceTree::scan(area).unwrap_or_default();
        let mut directories: BTreeSet<PathBuf> = tree.directories().iter().map(|dir| dir.to_path(root)).collect();
        directories.extend(
            self.paths.iter().flat_map(|path| [Some(path.as_path()), path.parent()]).flatten().map(Path::to_owned),
        );
        directories.insert(root.to_owned());
        events.follow(&directories);
    }

    /// Returns how much a path matters.
    pub fn concern(&self, root: &Path, path: &Path) -> Concern {
        let is_configuration =
            path.file_name().is_some_and(|name| name == FILE_NAME || packages::is_manifest(name.as_bytes()))
                || self.paths.iter().any(|other| other == path);
        let is_listed = || path.parent().is_some_and(|parent| self.paths.iter().any(|other| other == parent));
        let is_store = || {
            RelPath::from_native(root, path).is_some_and(|path| store(root).iter().any(|store| path.starts_with(store)))
        };
        let counts = is_configuration || (is_listed() || path.is_dir()) && !is_store();
        if counts { Concern::Structure } else { Concern::Nothing }
    }
}

/// Returns the store in its default place: any other place is named in the configuration.
fn store(root: &Path) -> Vec<RelPath> {
    RelPath::from_native(root, &store_dir(root, &CacheSettings::default())).into_iter().collect()
}
