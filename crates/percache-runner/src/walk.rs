//! Which files a set of patterns names now.
//!
//! Does not go by .gitignore: a pattern means what it says. What git would not ignore is the business of `source_tree`.
//! Only a directory that cannot be read is no error where git ignores it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::git_ignore::is_ignored;
use crate::git_repository::is_other_worktree;
use crate::links;
use crate::paths::RelPath;
use crate::pattern::PatternSet;
use crate::shown::shown;
use crate::version_control::surely_keeps;

/// A path that could not be looked at.
#[derive(Debug, Error)]
#[error("cannot read `{}`", shown(path))]
pub struct WalkError {
    /// The path in the file system.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// What a walk looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Regular files and symlinks.
    Files,
    /// Directories too, and what is neither.
    Directories,
}

/// What was found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A symlink, wherever it leads.
    Symlink,
    /// A symlink where a pattern for outputs means a directory, and to one: it is somebody's own, and what it leads to takes its place.
    DirectoryLink,
    /// A directory.
    Directory,
    /// A socket, a pipe or a device.
    Special,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: RelPath,
    /// What.
    pub kind: Kind,
}

/// Everything below `root` that the patterns mean, sorted by bytes. Symlinks are found and not followed, unless a pattern begins
/// at one. Directories named `.git` and the paths of `skip` are not entered, except that a pattern may name something inside of
/// `.git` without a wildcard, and that the `.git` of a clone is an output like all else in it. Nor are, for files and unless a
/// pattern names them so, other worktrees of the same repository and what other version control systems keep. What vanishes
/// meanwhile is not found.
///
/// # Errors
/// A directory that cannot be read.
pub fn expand(root: &Path, patterns: &PatternSet, skip: &[RelPath], want: Want) -> Result<Vec<Found>, WalkError> {
    expand_noting(root, patterns, skip, want, &mut |_| {})
}

/// As [`expand`], and calls `note` with every path on whose own state the outcome depends: the directories that were listed, and the
/// places where the patterns begin, present or not.
///
/// # Errors
/// A directory that cannot be read.
pub fn expand_noting(
    root: &Path,
    patterns: &PatternSet,
    skip: &[RelPath],
    want: Want,
    note: &mut dyn FnMut(&RelPath),
) -> Result<Vec<Found>, WalkError> {
    let mut found = Vec::new();
    let mut pending = Vec::new();
    // Paths of `skip` as they are named behind a symlink.
    let mut detours: Vec<RelPath> = Vec::new();
    for start in patterns.roots() {
        if skip.iter().any(|skipped| start.starts_with(skipped)) {
            continue;
        }
        let kind = kind_at(&start.to_path(root))?;
        let meant = patterns.matches(&start);
        // A file that is meant speaks for itself: whoever asks for files looks at it. In the place of a directory it does not.
        if kind != Some(Kind::File) || !meant || want == Want::Directories {
            note(&start);
        }
        let Some(kind) = kind else { continue };
        match kind {
            Kind::Symlink => detours.extend(start_at_link(root, start, patterns, skip, want, &mut found, &mut pending)),
            _ => take(start, kind, meant, want, patterns, &mut found, &mut pending),
        }
    }
    while let Some(dir) = pending.pop() {
        note(&dir);
        let entries = match list(&dir.to_path(root)) {
            Err(e) if want == Want::Files && is_beside_the_point(root, &dir, &e, patterns) => continue,
            entries => entries?,
        };
        if want == Want::Files && is_left_out(root, &dir, &entries, patterns) {
            continue;
        }
        for (name, kind) in entries {
            let path = dir.child(&name);
            // That of the workspace itself is nobody's output.
            if name == b".git" && (want == Want::Files || dir.is_root() || !patterns.matches(&path)) {
                continue;
            }
            if want == Want::Files && kind == Kind::Symlink && is_lock(&name, &path.to_path(root)) {
                note(&path);
                continue;
            }
            let is_directory = kind == Kind::Directory;
            if want == Want::Files && surely_keeps(&name, is_directory) && !is_named(&path, patterns) {
                continue;
            }
            if !skip.contains(&path) && !detours.contains(&path) {
                let meant = patterns.matches(&path);
                take(path, kind, meant, want, patterns, &mut found, &mut pending);
            }
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether a directory is another worktree of the repository that the workspace lies in, and no pattern names it or
/// something in it without a wildcard: there are the same files once more, and `**/*.c` is not meant to be about them.
fn is_left_out(root: &Path, dir: &RelPath, entries: &[(Vec<u8>, Kind)], patterns: &PatternSet) -> bool {
    let is_linked = entries.iter().any(|(name, kind)| name == b".git" && *kind == Kind::File);
    is_linked && !is_named(dir, patterns) && is_other_worktree(root, &dir.to_path(root))
}

/// Whether a directory may be passed over that cannot be read: git ignores it, and no pattern names it or something in
/// it without a wildcard. It may be that of a database, with an owner of its own.
fn is_beside_the_point(root: &Path, dir: &RelPath, error: &WalkError, patterns: &PatternSet) -> bool {
    error.source.kind() == io::ErrorKind::PermissionDenied && !is_named(dir, patterns) && is_ignored(root, dir)
}

fn is_named(dir: &RelPath, patterns: &PatternSet) -> bool {
    patterns.patterns().iter().any(|pattern| !pattern.negated && pattern.prefix().starts_with(dir))
}

/// Takes what is at the place where patterns begin when that is a symlink. A pattern like `link/*.c` or `link/` names it as the directory to
/// look into; one like `link` means the symlink and, whoever asks for files, what is in the directory behind it. Gives what is not to be
/// entered below it.
fn start_at_link(
    root: &Path,
    start: RelPath,
    patterns: &PatternSet,
    skip: &[RelPath],
    want: Want,
    found: &mut Vec<Found>,
    pending: &mut Vec<RelPath>,
) -> Vec<RelPath> {
    let meant = patterns.matches(&start);
    let native = start.to_path(root);
    let is_entered = match want {
        Want::Files => native.is_dir() && patterns.enters(&start),
        Want::Directories => links::stands_in(root, &start, patterns),
    };
    if meant {
        let kind = if is_entered && want == Want::Directories { Kind::DirectoryLink } else { Kind::Symlink };
        found.push(Found { path: start.clone(), kind });
    }
    let Some(real) = native.canonicalize().ok().filter(|_| is_entered) else { return Vec::new() };
    let skipped = skip.iter().filter_map(|skip| skip.to_path(root).canonicalize().ok());
    let skipped: Vec<PathBuf> = skipped.collect();
    if skipped.iter().any(|skip| real.starts_with(skip)) {
        return Vec::new();
    }
    let below = skipped.iter().filter_map(|skip| RelPath::from_native(&real, skip));
    let detours = below.filter_map(|rest| start.join(rest).ok()).collect();
    pending.push(start);
    detours
}

fn take(
    path: RelPath,
    kind: Kind,
    meant: bool,
    want: Want,
    patterns: &PatternSet,
    found: &mut Vec<Found>,
    pending: &mut Vec<RelPath>,
) {
    if kind == Kind::Directory && patterns.enters(&path) {
        pending.push(path.clone());
    }
    if meant && (matches!(kind, Kind::File | Kind::Symlink) || want == Want::Directories) {
        found.push(Found { path, kind });
    }
}

/// What is at `path`; `None` when nothing is.
fn kind_at(path: &Path) -> Result<Option<Kind>, WalkError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(kind_of(metadata.file_type()))),
        Err(error) if is_absence(&error) => Ok(None),
        Err(source) => Err(WalkError { path: path.to_owned(), source }),
    }
}

fn kind_of(file_type: fs::FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else if file_type.is_dir() {
        Kind::Directory
    } else {
        Kind::Special
    }
}

/// Names and kinds of a directory's entries; nothing when it is none any more.
pub(crate) fn list(path: &Path) -> Result<Vec<(Vec<u8>, Kind)>, WalkError> {
    let list = || -> io::Result<Vec<(Vec<u8>, Kind)>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_type() {
                Ok(file_type) => entries.push((entry.file_name().into_encoded_bytes(), kind_of(file_type))),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    };
    match list() {
        Err(error) if is_absence(&error) => Ok(Vec::new()),
        other => other.map_err(|source| WalkError { path: path.to_owned(), source }),
    }
}

/// Whether a symlink is the lock that Emacs and JOE put beside a file while that is edited: `.#main.c`, which leads to nothing.
pub(crate) fn is_lock(name: &[u8], link: &Path) -> bool {
    name.starts_with(b".#") && fs::metadata(link).is_err_and(|e| is_absence(&e))
}

/// Whether the error says that nothing is at the path: it, or a directory on the way to it, does not exist or is a file.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    // Symlinks that lead in a circle lead to nothing.
    let circle = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    circle || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            if file.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, file).unwrap();
            }
        }
        dir
    }

    fn found(dir: &tempfile::TempDir, patterns: &[&str], want: Want) -> Vec<String> {
        let patterns = PatternSet::parse(&RelPath::root(), patterns).unwrap();
        let skip = [RelPath::new(".percache").unwrap()];
        expand(dir.path(), &patterns, &skip, want).unwrap().iter().map(|found| found.path.to_string()).collect()
    }

    #[test]
    fn files_are_found_in_order_of_bytes() {
        let dir = tree(&["src/b.c", "src/a.c", "src/a/z.c", "src/.h.c", "src/x.h", "lib/a.c"]);
        assert_eq!(found(&dir, &["src/**/*.c"], Want::Files), ["src/.h.c", "src/a.c", "src/a/z.c", "src/b.c"]);
        assert_eq!(found(&dir, &["*/a*", "!src/a"], Want::Files), ["lib/a.c", "src/a.c"]);
        assert_eq!(found(&dir, &["missing/*", "lib/a.c/x", "lib/a.c"], Want::Files), ["lib/a.c"]);
    }

    #[test]
    fn directories_are_found_when_asked_for() {
        let dir = tree(&["out/a/f", "out/empty/"]);
        assert_eq!(found(&dir, &["out"], Want::Files), ["out/a/f"]);
        assert_eq!(found(&dir, &["out"], Want::Directories), ["out", "out/a", "out/a/f", "out/empty"]);
        assert_eq!(found(&dir, &["out/**"], Want::Directories), ["out/a", "out/a/f", "out/empty"]);
    }

    #[test]
    fn the_store_and_git_are_not_entered() {
        let dir = tree(&[".percache/x", "sub/.git/x", ".git/HEAD", "a"]);
        assert_eq!(found(&dir, &["**"], Want::Files), ["a"]);
        assert_eq!(found(&dir, &["**/x"], Want::Directories), [""; 0]);
        assert_eq!(found(&dir, &[".percache/x", ".percache/*"], Want::Files), [""; 0]);
        assert_eq!(found(&dir, &[".git/HEAD"], Want::Files), [".git/HEAD"]);
    }

    #[test]
    fn a_clone_is_an_output_with_its_git_directory() {
        let dir = tree(&[".git/HEAD", "dep/.git/HEAD", "dep/f"]);
        let whole = ["dep", "dep/.git", "dep/.git/HEAD", "dep/f"];
        assert_eq!(found(&dir, &["dep/"], Want::Directories), whole);
        assert_eq!(found(&dir, &["**"], Want::Directories), whole);
    }

    #[test]
    fn what_other_systems_keep_is_not_entered_unless_it_is_named() {
        let dir = tree(&[".hg/a.c", "src/.svn/b.c", "src/CVS/c.c", "src/d.c", ".jj/repo/e.c"]);
        assert_eq!(found(&dir, &["**/*.c"], Want::Files), ["src/CVS/c.c", "src/d.c"]);
        assert_eq!(found(&dir, &["src", ".hg/*"], Want::Files), [".hg/a.c", "src/CVS/c.c", "src/d.c"]);
        assert_eq!(found(&dir, &["src/.*/*"], Want::Directories), ["src/.svn/b.c"], "outputs may lie anywhere");
    }

    #[test]
    fn another_worktree_of_the_repository_is_not_entered_unless_it_is_named() {
        use crate::git_repository::tests::git;
        let dir = tree(&["src/a.c"]);
        git(dir.path(), &["init", "-q"]);
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-qm", "x"]);
        git(dir.path(), &["worktree", "add", "-q", ".worktrees/x"]);
        git(dir.path(), &["clone", "-q", ".", "clone"]);
        assert_eq!(found(&dir, &["**/*.c"], Want::Files), ["clone/src/a.c", "src/a.c"]);
        assert_eq!(found(&dir, &[".worktrees/x/**/*.c"], Want::Files), [".worktrees/x/src/a.c"]);
        let both = ["**/*.c", ".worktrees/x/src/b.c", "!clone"];
        assert_eq!(found(&dir, &both, Want::Files), [".worktrees/x/src/a.c", "src/a.c"]);
        assert_eq!(
            found(&dir, &["*/x/src/*"], Want::Directories),
            [".worktrees/x/src/a.c"],
            "outputs may lie anywhere"
        );
    }

    #[test]
    fn symlinks_are_entries_and_are_followed_only_where_a_pattern_begins() {
        let dir = tree(&["real/a.c"]);
        symlink("real", dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        assert_eq!(found(&dir, &["**"], Want::Files), ["dangling", "link", "real/a.c"]);
        assert_eq!(found(&dir, &["link"], Want::Files), ["link", "link/a.c"]);
        assert_eq!(found(&dir, &["link", "!link/a.c"], Want::Files), ["link"]);
        assert_eq!(found(&dir, &["dangling/*", "dangling"], Want::Files), ["dangling"]);
        assert_eq!(found(&dir, &["link"], Want::Directories), ["link"], "an output that is a symlink");
        assert_eq!(found(&dir, &["link/"], Want::Directories), ["link", "link/a.c"], "a directory of outputs");
        assert_eq!(found(&dir, &["link/*.c"], Want::Files), ["link/a.c"], "named as the directory to look into");
        assert_eq!(found(&dir, &["*/a.c"], Want::Files), ["real/a.c"]);
    }

    #[test]
    fn a_symlink_to_what_is_skipped_does_not_lead_into_it() {
        let dir = tree(&[".percache/x", "sub/a", "a"]);
        symlink(".", dir.path().join("self")).unwrap();
        symlink(".percache", dir.path().join("store")).unwrap();
        assert_eq!(found(&dir, &["self/**/x", "self/a", "store"], Want::Files), ["self/a", "store"]);
    }

    #[test]
    fn a_circle_of_symlinks_leads_to_nothing() {
        let dir = tree(&["a"]);
        symlink("round", dir.path().join("round")).unwrap();
        assert_eq!(found(&dir, &["round/*", "round/x/y"], Want::Files), [""; 0]);
    }

    #[test]
    fn sockets_are_not_files_and_found_only_among_directories() {
        let dir = tree(&["a"]);
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        assert_eq!(found(&dir, &["**", "socket"], Want::Files), ["a"]);
        assert_eq!(found(&dir, &["**", "socket"], Want::Directories), ["a", "socket"]);
    }

    #[test]
    fn an_unreadable_directory_is_an_error_that_names_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tree(&["locked/a"]);
        let locked = dir.path().join("locked");
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o0)).unwrap();
        let patterns = PatternSet::parse(&RelPath::root(), &["**"]).unwrap();
        let result = expand(dir.path(), &patterns, &[], Want::Files);
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
        // Root reads everything.
        if !rustix::process::geteuid().is_root() {
            assert_eq!(result.unwrap_err().path, locked);
        }
    }

    #[test]
    fn an_unreadable_directory_that_git_ignores_is_passed_over_unless_it_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tree(&["a.c", "sub/data/b.c"]);
        fs::write(dir.path().join("sub/.gitignore"), "/data\n").unwrap();
        let data = dir.path().join("sub/data");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o0)).unwrap();
        let expanded = |pattern: &str| {
            let patterns = PatternSet::parse(&RelPath::root(), &[pattern]).unwrap();
            expand(dir.path(), &patterns, &[], Want::Files).map(|found| found.len())
        };
        let (wild, named) = (expanded("**/*.c"), expanded("sub/data/*.c"));
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        // Root reads everything.
        if !rustix::process::geteuid().is_root() {
            assert_eq!(wild.unwrap(), 1);
            assert_eq!(named.unwrap_err().path, data);
        }
        assert_eq!(expanded("**/*.c").unwrap(), 2, "a pattern does not go by what git ignores");
    }

    #[test]
    fn the_lock_of_an_editor_is_no_file_and_what_it_depends_on_is_noted() {
        let dir = tree(&["src/main.c", "src/.#real.c"]);
        symlink("me@host.4711:1700000000", dir.path().join("src/.#main.c")).unwrap();
        symlink("main.c", dir.path().join("src/.#link.c")).unwrap();
        assert_eq!(found(&dir, &["src/*.c"], Want::Files), ["src/.#link.c", "src/.#real.c", "src/main.c"]);
        assert_eq!(found(&dir, &["src/.#main.c"], Want::Files), ["src/.#main.c"], "it is named");
        let patterns = PatternSet::parse(&RelPath::root(), &["src/*.c"]).unwrap();
        let mut noted = Vec::new();
        expand_noting(dir.path(), &patterns, &[], Want::Files, &mut |path| noted.push(path.to_string())).unwrap();
        noted.dedup();
        assert_eq!(noted, ["src", "src/.#main.c"]);
    }

    #[test]
    fn a_path_that_the_system_refuses_is_an_error_that_names_it() {
        let dir = tree(&[]);
        let name = "x".repeat(5000);
        let patterns = PatternSet::parse(&RelPath::root(), &[&name]).unwrap();
        let error = expand(dir.path(), &patterns, &[], Want::Files).unwrap_err();
        assert_eq!(error.path, dir.path().join(&name));
    }

    #[test]
    fn what_the_outcome_depends_on_is_noted() {
        let dir = tree(&["src/a/x.c", "src/b/y.h", "doc/z"]);
        let patterns = PatternSet::parse(&RelPath::root(), &["src/*/*.c", "gen/*.h"]).unwrap();
        let mut noted = Vec::new();
        expand_noting(dir.path(), &patterns, &[], Want::Files, &mut |path| noted.push(path.to_string())).unwrap();
        noted.sort();
        noted.dedup();
        assert_eq!(noted, ["gen", "src", "src/a", "src/b"]);
    }
}
