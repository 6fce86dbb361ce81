//! Tests of a worktree's directory, and of its lock.

use super::*;
use crate::process::Stop;

#[test]
fn only_a_path_that_fits_says_that_a_worktree_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("work");
    let worktree = Worktree::new(dir.path(), &root);
    worktree.create().unwrap();
    worktree.prepare().unwrap();
    let abandoned = || Worktree::all(dir.path()).unwrap().iter().map(Worktree::is_abandoned).collect::<Vec<_>>();
    assert_eq!(abandoned(), [true], "the directory was never made");
    // An empty or damaged file says nothing; the next build writes it again.
    for text in ["", "/nonexistent"] {
        fs::write(worktree.dir.join("path"), text).unwrap();
        assert_eq!(abandoned(), [false]);
        worktree.prepare().unwrap();
        assert_eq!(abandoned(), [true]);
    }
    fs::create_dir(&root).unwrap();
    assert_eq!(abandoned(), [false]);
}

#[test]
fn a_tree_with_its_store_in_it_is_known_wherever_it_is_and_others_by_their_path() {
    let dir =
        |store: &str, root: &str| Worktree::new(Path::new(store), Path::new(root)).dir.file_name().unwrap().to_owned();
    assert_eq!(dir("/a/ws/.percache", "/a/ws"), dir("/mnt/.percache", "/mnt"));
    assert_ne!(dir("/a/ws/.percache", "/a/ws"), dir("/a/ws/cache", "/a/ws"));
    assert_ne!(dir("/store", "/a/ws"), dir("/store", "/a/ws2"));
    assert_ne!(dir("/a/ws/../store", "/a/ws"), dir("/a/ws2/../store", "/a/ws2"));
    // The worktree of another branch uses the main worktree's store.
    assert_ne!(dir("/a/ws/.percache", "/a/ws"), dir("/a/ws/.percache", "/a/ws/.worktrees/x"));
}

#[test]
fn one_tree_is_locked_for_all_stores_that_are_elsewhere() {
    let (dir, store, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let worktrees = [store.path(), other.path()].map(|store| Worktree::new(store, dir.path()));
    worktrees.iter().for_each(|worktree| worktree.create().unwrap());
    let lock = worktrees[0].try_lock("me").unwrap();
    assert!(worktrees[1].try_lock("you").is_none());
    drop(lock);
    assert!(worktrees[1].try_lock("you").is_some());
}

#[test]
fn what_a_killed_build_left_on_its_way_is_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let worktree = Worktree::new(dir.path(), dir.path());
    worktree.create().unwrap();
    fs::write(worktree.staging().join("half"), "").unwrap();
    fs::create_dir(worktree.staging().join("directory")).unwrap();
    fs::write(worktree.dir.join("journal.1-0.new"), "").unwrap();
    fs::write(worktree.journal(), "").unwrap();
    fs::write(worktree.dir.join("report.html.1-0.new"), "").unwrap();
    worktree.prepare().unwrap();
    assert_eq!(fs::read_dir(worktree.staging()).unwrap().count(), 0);
    assert!(worktree.journal().exists() && !worktree.dir.join("journal.1-0.new").exists());
    assert!(worktree.dir.join("report.html.1-0.new").exists(), "somebody is just writing it");
}

/// Builds that begin at the same time must all get the lock, and not trip over what the others clear: without the
/// lock, one would run what the others run.
#[test]
fn builds_that_begin_at_once_in_a_new_worktree_all_get_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let stop = Stop::manual().unwrap();
    for round in 0..50 {
        let worktree = Worktree::new(&dir.path().join(round.to_string()), dir.path());
        let begin = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    begin.wait();
                    worktree.create().unwrap();
                    let _lock = worktree.lock("me", &stop, &mut |_| true).unwrap();
                    worktree.prepare().unwrap();
                });
            }
        });
    }
}
