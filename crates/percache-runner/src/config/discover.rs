//! Finds the workspace that a directory belongs to, and its store.
//!
//! Reads only `members` and `[cache] dir` of a configuration file, and the manifests of packages if `members` means
//! these.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::DeTable;

use super::files::FILE_NAME;
use super::members::{Membership, membership};
use super::raw::{cache_dir_of, members_of};
use crate::model::path::RelPath;
use crate::model::{CacheSettings, PackageDoubt};
use crate::syntax::shown::shown;

/// The variable that names the directory of the store, whatever the configuration says.
const STORE: &str = "PERCACHE_DIR";

/// The workspace and the current directory in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The absolute, canonical directory of the workspace's root file.
    pub root: PathBuf,
    /// The directory where the search began, relative to `root`.
    pub cwd: RelPath,
    /// Why it is perhaps a slip that this is no member of a workspace further up.
    pub doubt: Option<PackageDoubt>,
}

/// Why no workspace was found.
#[derive(Debug, Error)]
pub enum DiscoverError {
    /// There is no file here or above.
    #[error("there is no {FILE_NAME} in `{}` or above", shown(.0))]
    NotFound(PathBuf),
    /// The directory where the search begins cannot be read.
    #[error("cannot read `{}`", shown(path))]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl DiscoverError {
    /// Returns what to do about it, if there is a remedy.
    pub fn hint(&self) -> Option<String> {
        match self {
            DiscoverError::NotFound(_) => Some("`percache init` writes one for what it finds here".to_owned()),
            DiscoverError::Unreadable { .. } => None,
        }
    }
}

/// Finds the workspace of the directory `start`: the nearest file at or above it, unless a file further up names that
/// one as a member.
///
/// # Errors
/// Fails if there is no file at all, or if `start` cannot be read.
pub fn discover(start: &Path) -> Result<Location, DiscoverError> {
    let unreadable = |source| DiscoverError::Unreadable { path: start.to_owned(), source };
    let start = start.canonicalize().map_err(unreadable)?;
    let mut with_file = start.ancestors().filter(|dir| dir.join(FILE_NAME).is_file());
    let Some(nearest) = with_file.next() else { return Err(DiscoverError::NotFound(start)) };
    let mut doubt = None;
    let above = with_file.find(|above| match membership_in(above, nearest) {
        Membership::Member => true,
        Membership::Stranger => false,
        Membership::Doubtful { problem, hint } => {
            let file = RelPath::root().child(FILE_NAME.as_bytes());
            doubt.get_or_insert(PackageDoubt { file, problem, hint });
            false
        }
    });
    let root = above.unwrap_or(nearest);
    let cwd = RelPath::from_native(root, &start).unwrap_or_else(RelPath::root);
    Ok(Location { root: root.to_owned(), cwd, doubt: doubt.filter(|_| above.is_none()) })
}

/// Returns what the directory `dir` is to the workspace in `root`, as far as the file there can be parsed.
fn membership_in(root: &Path, dir: &Path) -> Membership {
    let Ok(text) = std::fs::read_to_string(root.join(FILE_NAME)) else { return Membership::Stranger };
    let Some(dir) = RelPath::from_native(root, dir) else { return Membership::Stranger };
    let members = members_of(DeTable::parse_recoverable(&text).0.into_inner());
    membership(root, &members, &dir)
}

/// Returns the store of the workspace in `root`: the directory that the variable [`STORE`] names, or `dir` of `[cache]`,
/// relative to `root`, or else `.percache` in `root`; if that is in a linked worktree of git, `.percache` in the same
/// directory of the main worktree, so that all worktrees share a store.
pub fn store_dir(root: &Path, cache: &CacheSettings) -> PathBuf {
    named_store().unwrap_or_else(|| configured_store(root, cache))
}

/// Returns the store that the caller's environment names, like every path there relative to the current directory.
fn named_store() -> Option<PathBuf> {
    let named = std::env::var_os(STORE).filter(|named| !named.is_empty())?;
    let path = std::path::absolute(named).ok()?;
    // It may not be there yet, and a workspace that contains it must recognise it.
    let whole = || path.parent()?.canonicalize().ok()?.join(path.file_name()?).into();
    path.canonicalize().ok().or_else(whole).or(Some(path))
}

/// Returns where the store of the workspace in `root` is if nobody says anything else.
pub fn usual_store(root: &Path) -> PathBuf {
    configured_store(root, &CacheSettings::default())
}

fn configured_store(root: &Path, cache: &CacheSettings) -> PathBuf {
    match &cache.dir {
        Some(dir) => root.join(dir),
        None => main_worktree(root).as_deref().unwrap_or(root).join(".percache"),
    }
}

/// Returns whether `root` has no workspace file, or one that cannot be parsed. It is then unknown to which workspace a
/// directory below belongs.
pub fn is_broken(root: &Path) -> bool {
    std::fs::read_to_string(root.join(FILE_NAME)).map_or(true, |text| DeTable::parse(&text).is_err())
}

/// Returns where the store of the workspace in `root` probably is: the place named in its file, as far as it can be
/// parsed, and the default place. Displaced files must be found although the file is broken, or names another store by
/// now.
pub fn likely_stores(root: &Path) -> Vec<PathBuf> {
    let text = std::fs::read(root.join(FILE_NAME)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let dir = cache_dir_of(DeTable::parse_recoverable(&text).0.into_inner()).map(PathBuf::from);
    let configured = configured_store(root, &CacheSettings { dir, ..CacheSettings::default() });
    let mut stores: Vec<PathBuf> = Vec::new();
    for store in named_store().into_iter().chain([configured, usual_store(root)]) {
        if !stores.contains(&store) {
            stores.push(store);
        }
    }
    stores
}

/// Returns the directory in git's main worktree that corresponds to `root`, if `root` is in a linked one. Follows the
/// files of gitrepository-layout(5): `.git` names the worktree's own directory, and its `commondir` names the
/// repository.
fn main_worktree(root: &Path) -> Option<PathBuf> {
    let worktree = root.ancestors().find(|dir| dir.join(".git").exists())?;
    let link = std::fs::read_to_string(worktree.join(".git")).ok()?;
    let git_dir = worktree.join(link.strip_prefix("gitdir:")?.trim());
    let common = std::fs::read_to_string(git_dir.join("commondir")).ok()?;
    let repository = git_dir.join(common.trim()).canonicalize().ok()?;
    if repository.file_name()? != ".git" {
        return None;
    }
    let corresponding = repository.parent()?.join(root.strip_prefix(worktree).ok()?);
    corresponding.is_dir().then_some(corresponding)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cwd_and_root(root: &Path, start: &str) -> (String, String) {
        let start = root.join(start);
        fs::create_dir_all(&start).unwrap();
        let location = discover(&start).unwrap();
        let shown = location.root.strip_prefix(root.canonicalize().unwrap()).unwrap().display().to_string();
        (shown, location.cwd.to_string())
    }

    #[test]
    fn the_nearest_file_is_the_root_unless_one_above_names_it_as_a_member() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "percache.toml", "workspace.members = ['pkgs/*', '!pkgs/old']\n[task\nbroken");
        for member in ["pkgs/app", "pkgs/old", "pkgs/app/deeper", "other"] {
            write(dir.path(), &format!("{member}/percache.toml"), "");
        }
        let at = |start| cwd_and_root(dir.path(), start);
        assert_eq!(at("src/x"), (String::new(), "src/x".to_owned()));
        assert_eq!(at("pkgs/app/src"), (String::new(), "pkgs/app/src".to_owned()));
        assert_eq!(at("pkgs/old"), ("pkgs/old".to_owned(), ".".to_owned()));
        assert_eq!(at("pkgs/app/deeper"), ("pkgs/app/deeper".to_owned(), ".".to_owned()));
        assert_eq!(at("other/x"), ("other".to_owned(), "x".to_owned()));
    }

    #[test]
    fn without_a_file_the_way_out_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = discover(dir.path()).unwrap_err();
        assert!(matches!(error, DiscoverError::NotFound(_)));
        assert!(error.hint().unwrap().contains("percache init"));
        assert!(matches!(discover(&dir.path().join("no")), Err(DiscoverError::Unreadable { .. })));
    }

    #[test]
    fn the_store_is_beside_the_root_file_or_where_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let settings = |dir: Option<&str>| CacheSettings { dir: dir.map(PathBuf::from), ..CacheSettings::default() };
        assert_eq!(store_dir(dir.path(), &settings(None)), dir.path().join(".percache"));
        assert_eq!(store_dir(dir.path(), &settings(Some("x/y"))), dir.path().join("x/y"));
        assert_eq!(store_dir(dir.path(), &settings(Some("/x"))), Path::new("/x"));
    }

    #[test]
    fn of_a_broken_file_the_store_is_known_as_far_as_it_can_be_understood() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join(".percache");
        for (text, named) in [
            ("", None),
            ("cache.dir = '../store'\n[task.a\ncommand = ", Some("../store")),
            ("[cache]\ndir = \"x\"\nmaxage = soon\n", Some("x")),
            ("[cache]\ndir = 7\n", None),
            ("[cache]\ndir = \"\"\n", None),
            ("cache = [", None),
        ] {
            write(dir.path(), FILE_NAME, text);
            let named = named.map(|named| dir.path().join(named));
            assert_eq!(
                likely_stores(dir.path()),
                named.into_iter().chain([usual.clone()]).collect::<Vec<_>>(),
                "{text}"
            );
        }
        fs::write(dir.path().join(FILE_NAME), b"cache.dir = 'x'\n# caf\xe9").unwrap();
        assert_eq!(likely_stores(dir.path())[0], dir.path().join("x"));
        fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(likely_stores(dir.path()), [usual]);
    }

    #[test]
    fn linked_worktrees_share_the_store_of_the_main_one() {
        let dir = tempfile::tempdir().unwrap();
        let git = |dir: &Path, args: &[&str]| {
            let identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"];
            let status = std::process::Command::new("git").current_dir(dir).args(identity).args(args).output().unwrap();
            assert!(status.status.success(), "{status:?}");
        };
        let main = dir.path().join("main");
        write(&main, "sub/percache.toml", "");
        git(&main, &["init", "-q"]);
        git(&main, &["add", "."]);
        git(&main, &["commit", "-qm", "x"]);
        git(&main, &["worktree", "add", "-q", "../linked"]);
        let settings = CacheSettings::default();
        let shared = main.canonicalize().unwrap().join("sub/.percache");
        assert_eq!(store_dir(&dir.path().join("linked/sub"), &settings), shared);
        assert_eq!(store_dir(&main.join("sub"), &settings), main.join("sub/.percache"));
    }
}
