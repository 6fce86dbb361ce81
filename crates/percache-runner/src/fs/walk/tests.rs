//! Tests of which files a set of patterns matches.

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
fn a_directory_of_which_everything_is_excluded_is_excluded() {
    let dir = tree(&["out/a/f", "out/b/c/f", "out/f"]);
    let without = ["out", "out/b", "out/b/c", "out/b/c/f", "out/f"];
    for exclusion in ["!out/a/**", "!out/a/", "!out/a", "!**/a/**", "!out/[a]/**"] {
        assert_eq!(found(&dir, &["out", exclusion], Want::Directories), without, "{exclusion}");
    }
    // One of which something is meant all the same is only on the way.
    assert_eq!(found(&dir, &["out/b", "!out/b/**", "out/b/c"], Want::Directories), ["out/b/c", "out/b/c/f"]);
    assert_eq!(found(&dir, &["out/a", "!out/a/*"], Want::Directories), ["out/a"]);
    // A file of the name is no directory.
    assert_eq!(found(&dir, &["out", "!out/b/", "!out/f/**", "!out/a"], Want::Directories), ["out", "out/f"]);
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
    use crate::fs::git_repository::tests::git;
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
    assert_eq!(found(&dir, &["*/x/src/*"], Want::Directories), [".worktrees/x/src/a.c"], "outputs may lie anywhere");
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
    // Root can read everything.
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
    // Root can read everything.
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
