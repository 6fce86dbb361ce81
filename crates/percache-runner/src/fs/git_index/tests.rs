//! What an index answers, with indexes that the real git wrote.

use std::fs;

use super::*;
use crate::fs::git_repository::tests::{git, write};

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

/// Makes a repository in which `a.txt`, `src/b.c` and the ignored `kept.log` are tracked, and `other.log` is not.
fn repository(init: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &[&["init", "-q"], init].concat());
    write(
        dir.path(),
        &[("a.txt", ""), ("src/b.c", ""), ("kept.log", ""), ("other.log", ""), (".gitignore", "*.log\n")],
    );
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["add", "-f", "kept.log"]);
    dir
}

#[track_caller]
fn assert_usual(root: &Path) {
    let index = GitIndex::open(root);
    for tracked in ["a.txt", "src/b.c", "kept.log", ".gitignore"] {
        assert!(index.tracks(&path(tracked)), "{tracked}");
    }
    for other in ["other.log", "src", "src/b", "src/b.c/d", "a", "", "z"] {
        assert!(!index.tracks(&path(other)), "{other}");
    }
    let below = |dir: &str| index.tracks_below(&path(dir));
    assert!(below("") && below("src") && below("src/b.c") && below("a.txt"));
    assert!(!below("sr") && !below("other.log") && !below("src/b") && !below("z"));
    assert_eq!(index.trouble(), None);
}

#[test]
fn what_was_added_is_tracked_in_every_version_of_the_format() {
    for version in ["2", "3", "4"] {
        let dir = repository(&[]);
        // Only an entry that needs them makes git write the wider flags of version 3.
        git(dir.path(), &["update-index", "--skip-worktree", "src/b.c"]);
        git(dir.path(), &["update-index", "--index-version", version]);
        assert_usual(dir.path());
    }
}

#[test]
fn an_index_in_two_files_and_one_without_a_checksum_are_read() {
    let dir = repository(&[]);
    git(dir.path(), &["update-index", "--split-index"]);
    write(dir.path(), &[("new", "")]);
    git(dir.path(), &["add", "new"]);
    git(dir.path(), &["rm", "-q", "--cached", "a.txt"]);
    let index = GitIndex::open(dir.path());
    assert!(index.tracks(&path("new")) && index.tracks(&path("src/b.c")) && !index.tracks(&path("a.txt")));

    let dir = repository(&[]);
    git(dir.path(), &["-c", "index.skipHash=true", "update-index", "--force-write-index"]);
    assert_usual(dir.path());
}

#[test]
fn a_repository_with_sha256_is_read() {
    assert_usual(repository(&["--object-format=sha256"]).path());
}

#[test]
fn below_a_directory_that_a_sparse_index_leaves_out_everything_counts() {
    let dir = repository(&[]);
    write(dir.path(), &[("far/deep/x", ""), ("near/y", "")]);
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "x"]);
    git(dir.path(), &["sparse-checkout", "set", "--cone", "--sparse-index", "near"]);
    let index = GitIndex::open(dir.path());
    assert!(index.tracks(&path("a.txt")) && index.tracks(&path("near/y")) && !index.tracks(&path("near/z")));
    assert!(
        index.tracks(&path("far/deep/x")) && index.tracks_below(&path("far")) && index.tracks_below(&path("far/deep"))
    );
    assert!(!index.tracks_below(&path("fa")) && !index.tracks(&path("far")));
}

#[test]
fn a_workspace_below_the_top_and_a_linked_worktree_have_their_own_answers() {
    let dir = repository(&[]);
    git(dir.path(), &["commit", "-qm", "x"]);
    let below = GitIndex::open(&dir.path().join("src"));
    assert!(below.tracks(&path("b.c")) && below.tracks_below(&RelPath::root()) && !below.tracks(&path("a.txt")));

    let linked = tempfile::tempdir().unwrap();
    let linked = linked.path().join("linked");
    git(dir.path(), &["worktree", "add", "-q", linked.to_str().unwrap()]);
    git(&linked, &["rm", "-q", "a.txt"]);
    let index = GitIndex::open(&linked);
    assert!(index.tracks(&path("src/b.c")) && !index.tracks(&path("a.txt")));
    assert_usual(dir.path());
}

#[test]
fn a_nested_repository_answers_for_its_own_files() {
    let dir = repository(&[]);
    for inner in ["sub", "nested/deep"] {
        let inner = dir.path().join(inner);
        write(&inner, &[("in.c", ""), ("out.c", "")]);
        git(&inner, &["init", "-q"]);
        git(&inner, &["add", "in.c"]);
        git(&inner, &["commit", "-qm", "x"]);
    }
    git(dir.path(), &["submodule", "--quiet", "add", "./sub"]);
    let index = GitIndex::open(dir.path());
    for inner in ["sub", "nested/deep"] {
        assert!(index.tracks(&path(&format!("{inner}/in.c"))), "{inner}");
        assert!(!index.tracks(&path(&format!("{inner}/out.c"))), "{inner}");
        assert!(index.tracks_below(&path(inner)), "{inner}");
    }
    assert!(index.tracks(&path("sub")) && !index.tracks(&path("nested/deep")));
    let outer = Tracked::read(&Repository::at(dir.path()).unwrap()).unwrap();
    assert!(outer.is_submodule(b"sub") && !outer.is_submodule(b"nested/deep") && !outer.is_submodule(b"src/b.c"));
}

#[test]
fn a_file_in_conflict_is_tracked() {
    let dir = repository(&[]);
    git(dir.path(), &["commit", "-qm", "x"]);
    git(dir.path(), &["checkout", "-qb", "other"]);
    git(dir.path(), &["rm", "-q", "src/b.c"]);
    git(dir.path(), &["commit", "-qm", "y"]);
    git(dir.path(), &["checkout", "-q", "-"]);
    write(dir.path(), &[("src/b.c", "changed")]);
    git(dir.path(), &["commit", "-qam", "z"]);
    git(dir.path(), &["read-tree", "-m", "HEAD~1", "HEAD", "other"]);
    let stages = git(dir.path(), &["ls-files", "--unmerged"]);
    assert!(!stages.is_empty());
    assert!(GitIndex::open(dir.path()).tracks(&path("src/b.c")));
}

#[test]
fn without_a_repository_or_without_an_index_nothing_is_tracked() {
    let dir = tempfile::tempdir().unwrap();
    let index = GitIndex::open(dir.path());
    assert!(!index.tracks(&path("a")) && !index.tracks_below(&RelPath::root()));
    git(dir.path(), &["init", "-q"]);
    let index = GitIndex::open(dir.path());
    assert!(!index.tracks(&path("a")) && !index.tracks_below(&RelPath::root()));
    assert_eq!(index.trouble(), None);
}

#[test]
fn a_broken_index_is_told_and_no_panic() {
    let dir = repository(&[]);
    let file = dir.path().join(".git/index");
    let whole = fs::read(&file).unwrap();
    let flipped = |i: usize| {
        let mut bytes = whole.clone();
        bytes[i] ^= 0x41;
        bytes
    };
    let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
    for broken in cut.chain((0..whole.len()).map(flipped)) {
        fs::write(&file, &broken).unwrap();
        let index = GitIndex::open(dir.path());
        assert!(!index.tracks(&path("a.txt")) && !index.tracks_below(&path("src")));
        let trouble = index.trouble().expect("an index that was damaged");
        assert!(trouble.contains("index`: "), "{trouble}");
    }
}

#[test]
fn it_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<GitIndex>();
}
