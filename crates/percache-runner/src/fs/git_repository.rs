//! Where git keeps what it knows of a work tree.
//!
//! Follows the files that gitrepository-layout(5) describes, and goes by nothing else: not by `GIT_DIR`, which a hook
//! sets for the repository that it belongs to, and not by the program `git`. Knows nothing of what is in a repository.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A repository as seen from one of its work trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The top directory of the work tree.
    pub top: PathBuf,
    /// The directory of this work tree: HEAD and the index.
    pub git_dir: PathBuf,
    /// What all work trees of the repository share: configuration, excludes. In a linked worktree it differs from
    /// `git_dir`.
    pub common_dir: PathBuf,
}

impl Repository {
    /// Returns the repository whose work tree contains `dir`, an absolute path.
    pub fn containing(dir: &Path) -> Option<Repository> {
        dir.ancestors().find_map(Repository::at)
    }

    /// Returns the repository whose work tree begins at `top`: the main one, a linked worktree or a submodule. A `.git`
    /// that is no repository counts for nothing, as for git.
    pub fn at(top: &Path) -> Option<Repository> {
        let dot_git = top.join(".git");
        let git_dir = if fs::metadata(&dot_git).ok()?.is_dir() { dot_git } else { linked(top, &dot_git)? };
        let common_dir = match fs::read(git_dir.join("commondir")) {
            Ok(text) => git_dir.join(OsStr::from_bytes(text.trim_ascii_end())),
            Err(_) => git_dir.clone(),
        };
        let is_repository = git_dir.join("HEAD").symlink_metadata().is_ok()
            && common_dir.join("objects").is_dir()
            && common_dir.join("refs").is_dir();
        is_repository.then(|| Repository { top: top.to_owned(), git_dir, common_dir })
    }

    /// Returns where the index of this work tree is, present or not.
    pub fn index(&self) -> PathBuf {
        self.git_dir.join("index")
    }
}

/// Whether a work tree begins at `dir` that is another one of the repository whose work tree contains `root`.
pub(crate) fn is_other_worktree(root: &Path, dir: &Path) -> bool {
    let other = Repository::at(dir).filter(|other| other.git_dir != other.common_dir);
    let same = |other: Repository| {
        let own = Repository::containing(root)?.common_dir.canonicalize().ok()?;
        Some(other.common_dir.canonicalize().ok()? == own)
    };
    other.and_then(same).unwrap_or(false)
}

/// Returns the directory that the file `dot_git` names.
fn linked(top: &Path, dot_git: &Path) -> Option<PathBuf> {
    let text = fs::read(dot_git).ok()?;
    let named = text.strip_prefix(b"gitdir:")?.trim_ascii();
    (!named.is_empty()).then(|| top.join(OsStr::from_bytes(named)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Runs git in `dir`, untouched by the configuration and the variables of whoever runs the tests. Returns what it
    /// prints.
    pub fn git(dir: &Path, args: &[&str]) -> Vec<u8> {
        let fixed = ["-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "protocol.file.allow=always"];
        let output = std::process::Command::new("git")
            .current_dir(dir)
            .args(fixed)
            .args(args)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Writes files below `root`, directories included.
    pub fn write(root: &Path, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_nearest_repository_is_found_and_what_is_none_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        write(
            &root,
            &[("main/a/b/.git/info/exclude", ""), ("main/file/.git", "gitdir: nowhere\n"), ("main/empty/.git", "")],
        );
        assert_eq!(Repository::containing(&root.join("main/a")), None);
        git(&root.join("main"), &["init", "-q"]);
        for inside in ["main", "main/a/b", "main/file", "main/empty"] {
            let found = Repository::containing(&root.join(inside)).unwrap();
            assert_eq!((&found.top, found.index()), (&root.join("main"), root.join("main/.git/index")), "{inside}");
        }
    }

    #[test]
    fn a_linked_worktree_shares_what_the_main_one_has() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let main = root.join("main");
        write(&main, &[("a", "")]);
        git(&main, &["init", "-q"]);
        git(&main, &["add", "."]);
        git(&main, &["commit", "-qm", "x"]);
        git(&main, &["worktree", "add", "-q", "../linked"]);
        let linked = Repository::at(&root.join("linked")).unwrap();
        assert_eq!(linked.git_dir, main.join(".git/worktrees/linked"));
        assert_eq!(linked.common_dir.canonicalize().unwrap(), main.join(".git"));
    }
}
