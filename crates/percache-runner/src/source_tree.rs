//! The files of the workspace that git would not ignore: the inputs of a task that declares none.
//!
//! Goes by .gitignore files at every level, `.git/info/exclude` and the user's global excludes, with and without a repository, by
//! means of the crate `ignore`. It does not read git's index: a file that is ignored and yet tracked (`git add -f`) is not
//! found. Knows nothing of patterns.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::environment::Caller;
use crate::paths::RelPath;
use crate::walk::{WalkError, is_absence};

/// Every file and symlink of a workspace that git would not ignore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTree {
    files: Vec<RelPath>,
    directories: Vec<RelPath>,
}

enum Entry {
    File(RelPath),
    Directory(RelPath),
}

impl SourceTree {
    /// Walks the workspace once, in parallel. `.git` and the paths of `skip` are not entered; symlinks are not followed; what
    /// vanishes meanwhile is not found.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn scan(root: &Path, skip: &[RelPath]) -> Result<Self, WalkError> {
        let (sender, receiver) = mpsc::channel();
        walker(root, skip).build_parallel().run(|| {
            let sender = sender.clone();
            Box::new(move |entry| {
                let failed = match examine(root, entry) {
                    Ok(None) => false,
                    Ok(Some(entry)) => sender.send(Ok(entry)).is_err(),
                    Err(error) => {
                        // The receiver outlives the walk.
                        let _ = sender.send(Err(error));
                        true
                    }
                };
                if failed { WalkState::Quit } else { WalkState::Continue }
            })
        });
        drop(sender);
        let mut tree = SourceTree::default();
        for entry in receiver {
            match entry? {
                Entry::File(path) => tree.files.push(path),
                Entry::Directory(path) => tree.directories.push(path),
            }
        }
        tree.files.sort_unstable();
        tree.directories.sort_unstable();
        Ok(tree)
    }

    /// All files, sorted by bytes.
    pub fn files(&self) -> &[RelPath] {
        &self.files
    }

    /// The directories that were listed, the root included, sorted by bytes.
    pub fn directories(&self) -> &[RelPath] {
        &self.directories
    }

    /// The files below the directory `dir`, sorted by bytes.
    pub fn below(&self, dir: &RelPath) -> &[RelPath] {
        if dir.is_root() {
            return &self.files;
        }
        // In order of bytes, what begins with the directory and a slash stands together.
        let prefix = [dir.as_bytes(), b"/"].concat();
        let files = &self.files[self.files.partition_point(|file| file.as_bytes() < prefix.as_slice())..];
        &files[..files.partition_point(|file| file.as_bytes().starts_with(&prefix))]
    }
}

/// The files that say what git ignores, as far as the walk goes by them: absolute, present or not. `None` when they name further ones.
pub fn rule_files(root: &Path, directories: &[RelPath], caller: &Caller) -> Option<Vec<PathBuf>> {
    let within = directories.iter().map(|dir| dir.to_path(root).join(".gitignore"));
    let above = root.ancestors().flat_map(|dir| [".git", ".git/info/exclude", ".gitignore"].map(|name| dir.join(name)));
    let home = caller.get(OsStr::new("HOME")).map(PathBuf::from);
    let config = caller.get(OsStr::new("XDG_CONFIG_HOME")).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let config = config.or_else(|| Some(home.as_ref()?.join(".config")));
    let settings: Vec<PathBuf> = home
        .map(|home| home.join(".gitconfig"))
        .into_iter()
        .chain(config.iter().map(|dir| dir.join("git/config")))
        .collect();
    // `core.excludesFile` leads to yet another file.
    let leads_on = |path: &PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.to_ascii_lowercase().contains("excludesfile"))
    };
    if settings.iter().any(leads_on) {
        return None;
    }
    Some(within.chain(above).chain(settings).chain(config.map(|dir| dir.join("git/ignore"))).collect())
}

fn walker(root: &Path, skip: &[RelPath]) -> WalkBuilder {
    // Without a repository, what stands above the workspace is nobody's word: `*` in a .gitignore of the home directory would hide
    // every input.
    let in_repository = root.ancestors().any(|dir| dir.join(".git").exists());
    let skip: Arc<[PathBuf]> = skip.iter().map(|path| path.to_path(root)).collect();
    let mut builder = WalkBuilder::new(root);
    builder
        .hidden(false)
        .ignore(false)
        .require_git(false)
        .parents(in_repository)
        .follow_links(false)
        .threads(std::thread::available_parallelism().map_or(1, usize::from))
        .filter_entry(move |entry| entry.file_name() != ".git" && !skip.iter().any(|path| path == entry.path()));
    builder
}

/// What an entry of the walk is; `None` for what does not count.
fn examine(root: &Path, entry: Result<DirEntry, ignore::Error>) -> Result<Option<Entry>, WalkError> {
    let entry = match entry {
        Ok(entry) => entry,
        Err(error) => return into_walk_error(root, error).map_or(Ok(None), Err),
    };
    let (Some(file_type), Some(path)) = (entry.file_type(), RelPath::from_native(root, entry.path())) else {
        return Ok(None);
    };
    Ok(if file_type.is_dir() {
        Some(Entry::Directory(path))
    } else {
        (file_type.is_file() || file_type.is_symlink()).then_some(Entry::File(path))
    })
}

/// `None` when the error is that something vanished.
fn into_walk_error(root: &Path, error: ignore::Error) -> Option<WalkError> {
    let path = path_of(&error).unwrap_or(root).to_owned();
    let text = error.to_string();
    let source = error.into_io_error().unwrap_or_else(|| io::Error::other(text));
    (!is_absence(&source)).then_some(WalkError { path, source })
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn scan(dir: &tempfile::TempDir) -> SourceTree {
        SourceTree::scan(dir.path(), &[RelPath::new(".percache").unwrap()]).unwrap()
    }

    fn texts(files: &[RelPath]) -> Vec<String> {
        files.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_git_would_ignore_is_not_found() {
        let dir = tree(&[
            (".gitignore", "*.o\n/build/\n!keep.o\n"),
            ("a.c", ""),
            ("a.o", ""),
            ("keep.o", ""),
            ("build/app", ""),
            ("sub/.gitignore", "local\n"),
            ("sub/local", ""),
            ("sub/build/x", ""),
            (".hidden", ""),
            (".ignore", "a.c\n"),
            (".percache/store", ""),
        ]);
        let expected = [".gitignore", ".hidden", ".ignore", "a.c", "keep.o", "sub/.gitignore", "sub/build/x"];
        assert_eq!(texts(scan(&dir).files()), expected, "without a repository");
        assert_eq!(texts(scan(&dir).directories()), [".", "sub", "sub/build"]);

        fs::create_dir_all(dir.path().join(".git/info")).unwrap();
        fs::write(dir.path().join(".git/info/exclude"), ".hidden\n").unwrap();
        let expected = [".gitignore", ".ignore", "a.c", "keep.o", "sub/.gitignore", "sub/build/x"];
        assert_eq!(texts(scan(&dir).files()), expected, "with a repository and its own excludes");
    }

    #[test]
    fn a_workspace_inside_of_a_repository_heeds_what_stands_above() {
        let dir = tree(&[
            (".git/HEAD", ""),
            (".gitignore", "*.o\n/ws/gen\n"),
            ("ws/a.o", ""),
            ("ws/gen/x", ""),
            ("ws/a.c", ""),
        ]);
        let tree = SourceTree::scan(&dir.path().join("ws"), &[]).unwrap();
        assert_eq!(texts(tree.files()), ["a.c"]);

        fs::remove_dir_all(dir.path().join(".git")).unwrap();
        let tree = SourceTree::scan(&dir.path().join("ws"), &[]).unwrap();
        assert_eq!(texts(tree.files()), ["a.c", "a.o", "gen/x"], "without a repository, nothing above counts");
    }

    #[test]
    fn below_a_directory_is_by_component() {
        let dir = tree(&[("a/x", ""), ("a/y/z", ""), ("a-b/x", ""), ("a.c", ""), ("ab/x", "")]);
        let tree = scan(&dir);
        assert_eq!(texts(tree.below(&RelPath::new("a").unwrap())), ["a/x", "a/y/z"]);
        assert_eq!(tree.below(&RelPath::root()), tree.files());
        assert!(tree.below(&RelPath::new("a.c").unwrap()).is_empty());
        assert!(tree.below(&RelPath::new("z").unwrap()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_are_files_and_are_not_followed() {
        let dir = tree(&[("real/a", "")]);
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        assert_eq!(texts(scan(&dir).files()), ["link", "real/a"]);
    }
}
