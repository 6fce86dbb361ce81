//! What differs between the tree and a commit, and the names of the files of a commit.
//!
//! The only place that runs the program `git`: this needs the objects of the repository, and nobody waits for it in a
//! build that does not ask. Knows nothing about tasks.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::fs::git_repository::Repository;
use crate::model::path::RelPath;

/// A reason why the tree cannot be compared with a commit.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The workspace is in no repository.
    #[error("the workspace is in no git repository")]
    NoRepository,
    /// The program cannot be run.
    #[error("cannot run git: {0}")]
    NotRun(io::Error),
    /// The name does not stand for a commit.
    #[error("`{0}` is no commit of this repository")]
    UnknownRevision(String),
    /// No name was given, and there is no branch to compare with.
    #[error("cannot tell the default branch: there is no origin/HEAD, origin/main, origin/master, main or master")]
    NoDefaultBranch,
    /// The histories do not meet, as far as they are here.
    #[error("HEAD and `{0}` have no common ancestor here")]
    NoMergeBase(String),
    /// git failed.
    #[error("git failed: {0}")]
    Failed(String),
    /// Files of the commit cannot be written to a temporary directory.
    #[error("cannot write a copy of the commit's names: {0}")]
    Copy(#[from] io::Error),
}

impl GitError {
    /// Returns advice on what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            GitError::NoRepository | GitError::NotRun(_) => "it takes git and a repository to say what has changed",
            GitError::UnknownRevision(_) => "name a branch, a tag or a commit, as `git log` accepts it",
            GitError::NoDefaultBranch => "name the branch or commit to compare with: `--affected=REV`",
            GitError::NoMergeBase(_) => {
                "a shallow clone lacks it: fetch more (`git fetch --unshallow`), or name a commit: `--affected=REV`"
            }
            GitError::Failed(_) | GitError::Copy(_) => "name another commit: `--affected=REV`",
        }
    }
}

/// The differences between a commit and the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The paths below the root whose content or mode differs, or that only one of the two has, untracked files
    /// included; sorted. What git ignores is not among them.
    pub paths: Vec<RelPath>,
    /// Whether one of the two has a file that the other one has not.
    pub names_differ: bool,
}

/// A repository, seen from a directory in it.
#[derive(Clone, Copy, Debug)]
pub struct Git<'a> {
    root: &'a Path,
}

impl<'a> Git<'a> {
    /// Opens the repository that contains `root`, an absolute path.
    pub fn at(root: &'a Path) -> Result<Git<'a>, GitError> {
        Repository::containing(root).map(|_| Git { root }).ok_or(GitError::NoRepository)
    }

    /// Returns the commit to compare with: the one that `rev` names or, without it, the last common ancestor of HEAD and
    /// the default branch.
    pub fn base(&self, rev: Option<&str>) -> Result<String, GitError> {
        if let Some(rev) = rev {
            return self.commit(rev)?.ok_or_else(|| GitError::UnknownRevision(rev.to_owned()));
        }
        for branch in ["origin/HEAD", "origin/main", "origin/master", "main", "master"] {
            if self.commit(branch)?.is_some() {
                let output = self.run(&["merge-base", "HEAD", branch])?;
                return line(&output).ok_or_else(|| GitError::NoMergeBase(branch.to_owned()));
            }
        }
        Err(GitError::NoDefaultBranch)
    }

    fn commit(&self, rev: &str) -> Result<Option<String>, GitError> {
        let named = format!("{rev}^{{commit}}");
        let output = self.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &named])?;
        Ok(line(&output))
    }

    /// Returns the differences between `commit` and the tree.
    pub fn changes(&self, commit: &str) -> Result<Changes, GitError> {
        let diff = ["diff", "--no-ext-diff", "--no-renames", "--name-status", "--relative", "-z", commit, "--", "."];
        let diff = succeeded(self.run(&diff)?)?;
        let mut changes = Changes::default();
        let mut fields = diff.split(|byte| *byte == 0);
        while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
            changes.names_differ |= matches!(status.first(), Some(b'A' | b'D'));
            changes.paths.extend(RelPath::new(path));
        }
        let untracked = succeeded(self.run(&["ls-files", "--others", "--exclude-standard", "-z", "--", "."])?)?;
        for path in untracked.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            changes.names_differ = true;
            changes.paths.extend(RelPath::new(path));
        }
        changes.paths.sort_unstable();
        changes.paths.dedup();
        Ok(changes)
    }

    /// Makes a copy of the files that `commit` has below the root in `dest`, an empty directory. Only files that are
    /// `wanted` have their content; the others are empty.
    pub fn copy_names(&self, commit: &str, dest: &Path, wanted: &dyn Fn(&RelPath) -> bool) -> Result<(), GitError> {
        let listed = succeeded(self.run(&["ls-tree", "-r", "-z", commit, "--", "."])?)?;
        for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let Some((head, path)) = entry.iter().position(|byte| *byte == b'\t').map(|at| entry.split_at(at)) else {
                continue;
            };
            let head = String::from_utf8_lossy(head);
            let mut head = head.split(' ');
            let (mode, object) = (head.next().unwrap_or_default(), head.nth(1).unwrap_or_default());
            // A path that leaves the root is in no sound repository.
            let Ok(path) = RelPath::new(&path[1..]) else { continue };
            let place = path.to_path(dest);
            if let Some(above) = place.parent() {
                fs::create_dir_all(above)?;
            }
            match mode {
                "160000" => fs::create_dir(&place)?,
                "120000" => symlink(OsStr::from_bytes(&self.content(object)?), &place)?,
                _ if wanted(&path) => fs::File::create_new(&place)?.write_all(&self.content(object)?)?,
                _ => drop(fs::File::create_new(&place)?),
            }
        }
        Ok(())
    }

    fn content(&self, object: &str) -> Result<Vec<u8>, GitError> {
        succeeded(self.run(&["cat-file", "blob", object])?)
    }

    fn run(&self, args: &[&str]) -> Result<Output, GitError> {
        Command::new("git")
            // A monitor that the user has configured must not be started for a question.
            .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false"])
            .args(args)
            .current_dir(self.root)
            // A hook sets these for the repository that it belongs to.
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .output()
            .map_err(GitError::NotRun)
    }
}

fn succeeded(output: Output) -> Result<Vec<u8>, GitError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(GitError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn line(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().filter(|_| output.status.success()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::git_repository::tests::git;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn changes_are_those_of_the_tree_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let (top, root) = (dir.path(), dir.path().join("w"));
        git(top, &["init", "-q", "-b", "main"]);
        fs::create_dir(&root).unwrap();
        for name in ["w/a", "w/b", "w/c", "outside"] {
            fs::write(top.join(name), name).unwrap();
        }
        git(top, &["add", "."]);
        git(top, &["commit", "-qm", "first"]);
        let here = Git::at(&root).unwrap();
        let base = here.base(None).unwrap();
        assert_eq!(here.changes(&base).unwrap(), Changes::default());

        fs::write(root.join("a"), "changed").unwrap();
        fs::write(top.join("outside"), "changed").unwrap();
        let changes = here.changes(&base).unwrap();
        assert_eq!(changes, Changes { paths: vec![path("a")], names_differ: false });

        fs::remove_file(root.join("b")).unwrap();
        fs::write(root.join("new ünd\nodd"), "").unwrap();
        fs::write(root.join(".gitignore"), "ignored").unwrap();
        fs::write(root.join("ignored"), "").unwrap();
        git(top, &["commit", "-qam", "second"]);
        let changes = here.changes(&base).unwrap();
        let paths = [".gitignore", "a", "b", "new ünd\nodd"].map(path).to_vec();
        assert_eq!(changes, Changes { paths, names_differ: true });
    }

    #[test]
    fn the_names_of_a_commit_are_copied_with_the_wanted_contents() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("r");
        fs::create_dir_all(root.join("d")).unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        fs::write(root.join("d/full"), "text").unwrap();
        fs::write(root.join("d/empty"), "text").unwrap();
        symlink("d/full", root.join("link")).unwrap();
        git(&root, &["add", "."]);
        git(&root, &["commit", "-qm", "first"]);
        let dest = dir.path().join("copy");
        fs::create_dir(&dest).unwrap();
        Git::at(&root).unwrap().copy_names("HEAD", &dest, &|path| path.file_name() == b"full").unwrap();
        assert_eq!(fs::read(dest.join("link")).unwrap(), b"text");
        assert_eq!(fs::read(dest.join("d/empty")).unwrap(), b"");
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "-b", "trunk"]);
        let here = Git::at(dir.path()).unwrap();
        assert!(matches!(here.base(None), Err(GitError::NoDefaultBranch)));
        assert!(matches!(here.base(Some("--help")), Err(GitError::UnknownRevision(_))));
    }
}
