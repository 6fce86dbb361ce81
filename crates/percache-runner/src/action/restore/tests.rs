//! Tests of restoring.

use super::*;
use crate::action::capture::capture;
use crate::fs::beneath::Tree;
use crate::fs::displaced::list;
use crate::fs::outputs::present;
use crate::fs::stat_table::KnownFiles;
use crate::model::pattern::PatternSet;
use percache::Digest;
use percache::db::memory::MemoryEngine;
use percache::store::Store;
use percache::store::record::Content;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Place {
    dir: tempfile::TempDir,
    store: Store,
    manifest: Manifest,
}

impl Place {
    fn root(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// A tree whose outputs were captured.
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        fs::create_dir_all(root.join("out/empty")).unwrap();
        fs::create_dir_all(dir.path().join("staging")).unwrap();
        fs::write(root.join("out/a"), "a").unwrap();
        fs::write(root.join("out/run"), "#!/bin/sh").unwrap();
        fs::set_permissions(root.join("out/run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("nowhere", root.join("out/link")).unwrap();
        let store = Store::new(Arc::new(MemoryEngine::new()));
        let outputs = PatternSet::parse(&RelPath::root(), &["out"]).unwrap();
        let known = KnownFiles::new();
        let found = present(&root, &outputs, &[]).unwrap();
        let manifest = capture(&Observer::new(&root, &known), Some(&store), &found, 2).unwrap().entries;
        Place { dir, store, manifest }
    }

    /// Adds entries to the manifest.
    fn add<const N: usize>(&mut self, entries: [Entry; N]) {
        self.manifest.merge(Manifest::from_sorted_entries(entries.into()).unwrap());
    }

    fn displaced(&self) -> Displaced {
        Displaced::at(self.dir.path().join("displaced"), self.dir.path())
    }

    fn staging(&self) -> Staging {
        Staging::in_worktree(self.dir.path().join("staging"))
    }

    /// Plans to restore everything, and does something with the plan.
    fn planned<R>(&self, with: impl FnOnce(&Observer<'_>, &Plan<'_>) -> R) -> R {
        let (known, root) = (KnownFiles::new(), self.root());
        let observer = Observer::new(&root, &known);
        let plan = plan(&observer, &PatternSet::default(), &self.manifest, &[]).unwrap();
        with(&observer, &plan)
    }

    /// Restores. Returns how many entries were wrong and stale. Everything in `previous` is as percache left it.
    fn restore(&self, previous: &[&str]) -> Result<(usize, usize), RestoreError> {
        let (known, root) = (KnownFiles::new(), self.root());
        let observer = Observer::new(&root, &known);
        let paths: Vec<_> = previous.iter().map(|path| RelPath::new(path).unwrap()).collect();
        let nodes: Vec<_> = paths.iter().map(|path| node(&observer.observe(path.as_bytes()).unwrap())).collect();
        let previous: Vec<_> =
            paths.into_iter().zip(&nodes).map(|(path, node)| Left { path, held: node.as_ref() }).collect();
        let plan = plan(&observer, &PatternSet::default(), &self.manifest, &previous).unwrap();
        let staging = self.staging();
        let restored = restore(&observer, &self.store, &staging, &self.displaced(), &plan, 2);
        let own = staging.place().unwrap();
        assert_eq!(fs::read_dir(own.parent().unwrap()).unwrap().count(), 0, "nothing is left in staging");
        restored?;
        Ok((plan.wrong.len(), plan.stale.len()))
    }
}

/// Returns the node that the store would have for this state.
fn node(state: &FileState) -> Option<Node> {
    match state {
        FileState::File { digest, executable } => {
            Some(Node::File { content: Content { digest: *digest, length: 0 }, executable: *executable })
        }
        FileState::Symlink { target, .. } => Some(Node::Symlink(target.clone())),
        FileState::Directory => Some(Node::Directory),
        FileState::Absent | FileState::Special => None,
    }
}

#[test]
fn what_is_right_is_not_touched() {
    let place = Place::new();
    let before = fs::metadata(place.root().join("out/a")).unwrap().modified().unwrap();
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
    assert_eq!(fs::metadata(place.root().join("out/a")).unwrap().modified().unwrap(), before);
}

#[test]
fn everything_comes_back() {
    let place = Place::new();
    fs::remove_dir_all(place.root().join("out")).unwrap();
    assert_eq!(place.restore(&[]).unwrap(), (5, 0));
    let out = place.root().join("out");
    assert_eq!(fs::read(out.join("a")).unwrap(), b"a");
    assert!(out.join("empty").is_dir());
    assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("nowhere"));
    assert_eq!(fs::metadata(out.join("run")).unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(fs::metadata(out.join("a")).unwrap().permissions().mode() & 0o111, 0);
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
}

#[test]
fn a_wrong_kind_a_wrong_bit_and_read_only_files_are_put_right() {
    let place = Place::new();
    let out = place.root().join("out");
    fs::remove_file(out.join("a")).unwrap();
    fs::create_dir(out.join("a")).unwrap();
    fs::remove_dir(out.join("empty")).unwrap();
    fs::write(out.join("empty"), "a file").unwrap();
    fs::set_permissions(out.join("run"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::remove_file(out.join("link")).unwrap();
    symlink("elsewhere", out.join("link")).unwrap();
    assert_eq!(place.restore(&[]).unwrap(), (4, 0));
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
}

#[test]
fn what_an_earlier_result_left_goes_and_what_others_put_there_stays() {
    let place = Place::new();
    let out = place.root().join("out");
    fs::create_dir_all(out.join("old/deep")).unwrap();
    fs::write(out.join("old/deep/file"), "x").unwrap();
    fs::create_dir(out.join("shared")).unwrap();
    fs::write(out.join("shared/ours"), "x").unwrap();
    fs::write(out.join("shared/theirs"), "x").unwrap();
    let previous =
        ["out/a", "out/gone", "out/old", "out/old/deep", "out/old/deep/file", "out/shared", "out/shared/ours"];
    assert_eq!(place.restore(&previous).unwrap().0, 0);
    assert!(!out.join("old").exists());
    assert!(!out.join("shared/ours").exists());
    assert!(out.join("shared/theirs").exists());
}

#[test]
fn when_something_is_missing_in_the_store_nothing_is_touched() {
    let mut place = Place::new();
    let missing = Content { digest: Digest::of(b"never stored"), length: 12 };
    let node = Node::File { content: missing, executable: false };
    place.add([Entry::new(*b"out/z", node)]);
    fs::write(place.root().join("out/a"), "edited").unwrap();
    fs::write(place.root().join("out/stale"), "stale").unwrap();
    assert!(matches!(place.restore(&["out/stale"]), Err(RestoreError::Store(ReadError::Missing(_)))));
    assert_eq!(fs::read(place.root().join("out/a")).unwrap(), b"edited");
    assert!(place.root().join("out/stale").exists());
}

#[test]
fn what_percache_does_not_hold_is_moved_aside() {
    let place = Place::new();
    let out = place.root().join("out");
    fs::remove_file(out.join("a")).unwrap();
    fs::create_dir(out.join("a")).unwrap();
    fs::write(out.join("a/theirs"), "directory").unwrap();
    fs::write(out.join("run"), "edited").unwrap();
    fs::remove_dir(out.join("empty")).unwrap();
    fs::write(out.join("empty"), "file").unwrap();
    assert_eq!(place.restore(&[]).unwrap(), (3, 0));
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
    let items = list(place.displaced().dir()).unwrap();
    let contents: Vec<_> =
        items.iter().map(|item| (item.path.to_string(), fs::read_to_string(&item.at).unwrap())).collect();
    let expected = [("out/a/theirs", "directory"), ("out/empty", "file"), ("out/run", "edited")];
    assert_eq!(contents, expected.map(|(path, content)| (path.to_owned(), content.to_owned())));
}

#[test]
fn nothing_is_seen_or_done_through_a_symlink_that_gives_way() {
    let mut place = Place::new();
    let (root, out) = (place.root(), place.root().join("out"));
    // `elsewhere` is what `out` was, without one file, and with one of an earlier result.
    fs::rename(&out, root.join("elsewhere")).unwrap();
    fs::remove_dir(root.join("elsewhere/empty")).unwrap();
    fs::write(root.join("elsewhere/old"), "x").unwrap();
    symlink("elsewhere", &out).unwrap();
    assert_eq!(wholes(&place), (vec![], 0));
    assert_eq!(place.restore(&["out/old"]).unwrap(), (5, 0));
    assert!(!out.is_symlink());
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
    assert!(root.join("elsewhere/old").exists() && !root.join("elsewhere/empty").exists());
    // The same, but an earlier result made the symlink, and this one has no entry for the directory.
    place.manifest.retain(|entry| entry.path != b"out");
    fs::remove_dir_all(&out).unwrap();
    symlink("elsewhere", &out).unwrap();
    assert_eq!(place.restore(&["out", "out/old"]).unwrap(), (4, 1));
    assert!(!out.is_symlink());
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
    assert!(root.join("elsewhere/old").exists() && !root.join("elsewhere/empty").exists());
}

#[test]
fn what_is_below_a_symlink_of_the_same_result_is_put_through_it() {
    let mut place = Place::new();
    let root = place.root();
    fs::create_dir(root.join("v1")).unwrap();
    let node = place.manifest.iter().find(|entry| entry.path == b"out/a").unwrap().node.clone();
    place.add([Entry::new(*b"current", Node::Symlink(b"v1".into())), Entry::new(*b"current/a", node)]);
    assert_eq!(place.restore(&[]).unwrap(), (2, 0));
    assert_eq!(fs::read(root.join("v1/a")).unwrap(), b"a");
    assert_eq!(fs::read_link(root.join("current")).unwrap(), Path::new("v1"));
}

/// Returns the directories that would be restored whole, and for how many entries.
fn wholes(place: &Place) -> (Vec<String>, usize) {
    place.planned(|observer, plan| {
        let found = Wholes::find(observer, &mut Tree::open(observer.root()).unwrap(), plan, &paths_of(plan));
        let names = found.directories.iter().map(ToString::to_string).collect();
        (names, found.of_entry.iter().flatten().count())
    })
}

fn paths_of(plan: &Plan<'_>) -> Vec<RelPath> {
    plan.wrong.iter().map(|wrong| RelPath::new(&wrong.entry.path).unwrap()).collect()
}

#[test]
fn what_is_missing_with_its_directory_comes_back_with_it() {
    let place = Place::new();
    let out = place.root().join("out");
    fs::remove_dir(out.join("empty")).unwrap();
    fs::remove_file(out.join("a")).unwrap();
    assert_eq!(wholes(&place), (vec!["out/empty".into()], 1));
    fs::remove_dir_all(&out).unwrap();
    assert_eq!(wholes(&place), (vec!["out".into()], 5));
}

#[test]
fn what_a_directory_hands_down_is_had_by_what_is_restored_in_it() {
    let place = Place::new();
    let root = place.root();
    fs::remove_dir_all(root.join("out")).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o2755)).unwrap();
    assert_eq!(wholes(&place), (vec![], 0));
    place.restore(&[]).unwrap();
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().mode();
    assert_eq!((mode("out") & 0o2000, mode("out/empty") & 0o2000), (0o2000, 0o2000));
    assert_eq!(wholes(&place), (vec![], 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_default_access_control_list_is_handed_down() {
    let place = Place::new();
    let root = place.root();
    fs::remove_dir_all(root.join("out")).unwrap();
    // Version 2; owner, group and others may do everything. Fields: tag, permissions, no id.
    let entry = |tag: u16| [&tag.to_le_bytes()[..], &7u16.to_le_bytes(), &u32::MAX.to_le_bytes()].concat();
    let list = [&2u32.to_le_bytes()[..], &entry(1), &entry(4), &entry(32)].concat();
    let name = "system.posix_acl_default";
    if rustix::fs::setxattr(&root, name, &list, rustix::fs::XattrFlags::empty()).is_err() {
        return; // This file system has none.
    }
    place.restore(&[]).unwrap();
    assert!(rustix::fs::getxattr(root.join("out/empty"), name, &mut [0u8; 64]).is_ok());
}

#[test]
fn a_directory_that_somebody_made_meanwhile_is_filled() {
    let place = Place::new();
    let out = place.root().join("out");
    fs::remove_dir_all(&out).unwrap();
    place.planned(|observer, plan| {
        // The directory is staged as a whole, and appears before it is moved in.
        let (staging, displaced, paths) = (place.staging(), place.displaced(), paths_of(plan));
        let mut clearing = Clearing::open(observer, &displaced).unwrap();
        let wholes = Wholes::find(observer, clearing.tree(), plan, &paths);
        let mut staged = Staged::fetch(observer, &place.store, &staging, plan, &wholes, 2).unwrap();
        fs::create_dir(&out).unwrap();
        let theirs = fs::metadata(&out).unwrap().ino();
        move_in(observer, &mut clearing, plan, &paths, &wholes, &mut staged).unwrap();
        assert_eq!(fs::metadata(&out).unwrap().ino(), theirs);
    });
    assert_eq!(place.restore(&[]).unwrap(), (0, 0));
}

#[test]
fn files_in_a_whole_directory_are_known_by_their_stamps() {
    let place = Place::new();
    fs::remove_dir_all(place.root().join("out")).unwrap();
    place.planned(|observer, plan| {
        restore(observer, &place.store, &place.staging(), &place.displaced(), plan, 2).unwrap();
        for name in ["out/a", "out/run"] {
            assert_eq!(observer.last_stamp(name.as_bytes()), observer.stamp(name.as_bytes()).unwrap(), "{name}");
        }
    });
}
