//! Tests of writing into the workspace.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

#[test]
fn a_symlinked_directory_is_followed_inside_and_never_out() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path();
    fs::create_dir(root.join("real")).unwrap();
    symlink("real", root.join("inside")).unwrap();
    symlink(outside.path(), root.join("out")).unwrap();
    symlink("../..", root.join("real/up")).unwrap();
    fs::write(outside.path().join("theirs"), "x").unwrap();
    fs::write(root.join("staged"), "x").unwrap();
    let mut tree = Tree::open(root).unwrap();
    for leads_out in ["out/file", "real/up/file", "out/deep/file"] {
        let error = tree.move_in(&root.join("staged"), &path(leads_out), None).unwrap_err();
        assert!(error.to_string().contains("leads out of the workspace"), "{error}");
    }
    let theirs = Stamp::at(&outside.path().join("theirs")).unwrap();
    assert!(tree.remove_unchanged(&path("out/theirs"), theirs).is_err());
    tree.move_in(&root.join("staged"), &path("inside/file"), None).unwrap().unwrap();
    assert_eq!(fs::read(root.join("real/file")).unwrap(), b"x");
    assert!(outside.path().join("theirs").exists());
}

#[test]
fn directories_are_made_on_the_way_and_removed_only_when_empty() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("staged"), "x").unwrap();
    let mut tree = Tree::open(root).unwrap();
    let stamp = tree.move_in(&root.join("staged"), &path("a/b/c"), None).unwrap();
    assert_eq!(tree.take_made(), [path("a"), path("a/b")]);
    assert!(!tree.remove_directory(&path("a")).unwrap());
    let directory = tree.stamp(&path("a/b")).unwrap();
    assert!(!tree.remove_unchanged(&path("a/b"), directory).unwrap());
    assert!(!tree.remove_unchanged(&path("a/b/none/file"), stamp).unwrap());
    assert!(tree.remove_unchanged(&path("a/b/c"), stamp).unwrap());
    assert!(tree.remove_directory(&path("a/b")).unwrap());
    assert!(tree.remove_directory(&path("a")).unwrap());
}

#[test]
fn a_symlink_is_replaced_and_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("target"), "theirs").unwrap();
    symlink("target", root.join("out")).unwrap();
    fs::write(root.join("staged"), "ours").unwrap();
    let mut tree = Tree::open(root).unwrap();
    let link = tree.stamp(&path("out")).unwrap();
    tree.move_in(&root.join("staged"), &path("out"), link).unwrap().unwrap();
    assert_eq!(fs::read(root.join("target")).unwrap(), b"theirs");
    assert_eq!(fs::read(root.join("out")).unwrap(), b"ours");
}

#[test]
fn what_is_below_a_symlink_goes_where_it_leads_now() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut tree = Tree::open(root).unwrap();
    let mut put = |name: &str, to: &str| {
        fs::write(root.join("staged"), name).unwrap();
        tree.move_in(&root.join("staged"), &path(to), None).unwrap().unwrap();
    };
    put("v1", "v1/file");
    put("v2", "v2/file");
    symlink("v1", root.join("current")).unwrap();
    put("a", "current/a");
    symlink("v2", root.join("next")).unwrap();
    let link = tree.stamp(&path("current")).unwrap();
    tree.move_in(&root.join("next"), &path("current"), link).unwrap().unwrap();
    fs::write(root.join("staged"), "b").unwrap();
    tree.move_in(&root.join("staged"), &path("current/b"), None).unwrap().unwrap();
    assert!(root.join("v1/a").exists() && root.join("v2/b").exists() && !root.join("v1/b").exists());
    let link = tree.stamp(&path("current")).unwrap();
    assert!(tree.remove_unchanged(&path("current"), link).unwrap());
    fs::write(root.join("staged"), "c").unwrap();
    tree.move_in(&root.join("staged"), &path("current/c"), None).unwrap().unwrap();
    assert!(!root.join("current").is_symlink() && root.join("current/c").exists());
}

#[test]
fn what_changed_since_it_was_looked_at_is_neither_removed_nor_replaced() {
    let (dir, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path();
    let mut tree = Tree::open(root).unwrap();
    fs::write(root.join("out"), "ours").unwrap();
    let stamp = tree.stamp(&path("out")).unwrap();
    fs::write(root.join("out"), "theirs now").unwrap();
    fs::write(root.join("staged"), "new").unwrap();
    assert!(!tree.remove_unchanged(&path("out"), stamp).unwrap());
    assert_eq!(tree.move_in(&root.join("staged"), &path("out"), stamp).unwrap(), None);
    assert_eq!(tree.move_in(&root.join("staged"), &path("out"), None).unwrap(), None);
    assert_eq!(fs::read(root.join("out")).unwrap(), b"theirs now");
    let displaced = Displaced::at(store.path().join("displaced"));
    assert!(tree.displace(&path("out"), &displaced).unwrap());
    assert!(!tree.displace(&path("out"), &displaced).unwrap());
    assert!(tree.move_in(&root.join("staged"), &path("out"), None).unwrap().is_some());
}
