//! The repository that decides on a part of a workspace.

use std::io;
use std::path::{Path, PathBuf};

use super::Area;
use crate::fs::git_ignore::{Rules, stated_in};
use crate::fs::git_index::{IndexError, Tracked, joined};
use crate::fs::git_repository::Repository;
use crate::fs::walk::WalkError;
use crate::model::path::RelPath;

/// The repository that decides on the files at and below a directory of the workspace; or, without any, what takes its
/// place.
#[derive(Debug)]
pub(super) struct Domain {
    /// The directory.
    dir: RelPath,
    /// Where that is in the repository's work tree.
    prefix: Vec<u8>,
    /// `None` without a repository.
    tracked: Option<Tracked>,
}

impl Domain {
    /// Returns the domain of the whole workspace, and the rules that hold in its root directory.
    pub fn of_workspace(area: &Area<'_>, consulted: &mut Vec<PathBuf>) -> Result<(Domain, Rules), WalkError> {
        let repository = containing(area.root, consulted);
        let mut rules = Rules::general(repository.as_ref(), area.caller, consulted);
        let Some(repository) = repository else {
            return Ok((Domain { dir: RelPath::root(), prefix: Vec::new(), tracked: None }, rules));
        };
        consult(&repository, consulted);
        let prefix = RelPath::from_native(&repository.top, area.root).unwrap_or_else(RelPath::root);
        let mut above = RelPath::root();
        for name in prefix.components() {
            let dir = above.to_path(&repository.top);
            consulted.push(dir.join(".gitignore"));
            rules = rules.with(above.as_bytes(), &stated_in(&dir).unwrap_or_default());
            above = above.child(name);
            if rules.ignore(above.as_bytes(), true) {
                // Whoever puts a workspace into an ignored directory does not want one without files.
                rules = Rules::default();
                break;
            }
        }
        let tracked = Some(read(&repository)?);
        Ok((Domain { dir: RelPath::root(), prefix: prefix.as_bytes().to_vec(), tracked }, rules))
    }

    /// Returns the domain of a repository whose work tree begins at `dir`, a directory of the workspace, and its rules.
    pub fn nested(
        area: &Area<'_>,
        dir: RelPath,
        repository: &Repository,
        consulted: &mut Vec<PathBuf>,
    ) -> Result<(Domain, Rules), WalkError> {
        let rules = Rules::general(Some(repository), area.caller, consulted);
        consult(repository, consulted);
        Ok((Domain { dir, prefix: Vec::new(), tracked: Some(read(repository)?) }, rules))
    }

    /// Returns how the repository calls a path of the workspace in this domain.
    pub fn path(&self, path: &RelPath) -> Vec<u8> {
        joined(&self.prefix, path.below(&self.dir).unwrap_or_default())
    }

    /// Whether the repository's index lists a path, as the repository calls it.
    pub fn tracks(&self, path: &[u8]) -> bool {
        self.tracked.as_ref().is_some_and(|index| index.tracks(path))
    }

    /// Whether it lists anything at or below a directory.
    pub fn tracks_below(&self, dir: &[u8]) -> bool {
        self.tracked.as_ref().is_some_and(|index| index.tracks(dir) || index.tracks_below(dir))
    }

    /// Whether a repository whose work tree begins at `dir` belongs to this one: as a submodule. Where there is no
    /// repository, what is nested is nested in nothing.
    pub fn embraces(&self, dir: &[u8]) -> bool {
        self.tracked.as_ref().is_none_or(|index| index.is_submodule(dir))
    }
}

/// Returns the repository that contains `root`, and notes where it was looked for.
fn containing(root: &Path, consulted: &mut Vec<PathBuf>) -> Option<Repository> {
    for dir in root.ancestors() {
        if let Some(repository) = Repository::at(dir) {
            return Some(repository);
        }
        consulted.push(dir.join(".git"));
    }
    None
}

/// Notes what else of a repository decides on its files.
fn consult(repository: &Repository, consulted: &mut Vec<PathBuf>) {
    consulted.push(repository.index());
    let dot_git = repository.top.join(".git");
    // The directory itself changes with every command of git. If it goes, so does the index or the configuration.
    if dot_git != repository.git_dir {
        consulted.extend([dot_git, repository.git_dir.join("commondir")]);
    }
}

fn read(repository: &Repository) -> Result<Tracked, WalkError> {
    Tracked::read(repository).map_err(|IndexError { path, reason }| {
        let remedy = "`git status` may say more; a task with `inputs` of its own does without";
        WalkError { path, source: io::Error::other(format!("{reason} ({remedy})")) }
    })
}
