//! What is seen, and when it counts.

use super::*;
use crate::known::Builder;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

fn observed(root: &Path, known: &KnownFiles, path: &str) -> FileState {
    Observer::new(root, known).observe(path.as_bytes()).unwrap()
}

#[test]
fn every_kind_of_file_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("file"), "x").unwrap();
    fs::write(root.join("script"), "x").unwrap();
    fs::set_permissions(root.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(root.join("dir")).unwrap();
    symlink("file", root.join("link")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let digest = Digest::of(b"x");
    let known = KnownFiles::new();
    assert_eq!(observed(root, &known, "none"), FileState::Absent);
    assert_eq!(observed(root, &known, "file/none"), FileState::Absent);
    assert_eq!(observed(root, &known, "file"), FileState::File { digest, executable: false });
    assert_eq!(observed(root, &known, "script"), FileState::File { digest, executable: true });
    assert_eq!(observed(root, &known, "dir"), FileState::Directory);
    let link = FileState::Symlink { target: b"file".into(), behind: Behind::File { digest, executable: false } };
    assert_eq!(observed(root, &known, "link"), link);
    let dangling = FileState::Symlink { target: b"nowhere".into(), behind: Behind::Nothing };
    assert_eq!(observed(root, &known, "dangling"), dangling);
}

#[test]
fn only_a_settled_stamp_stands_for_the_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    let stamp = Stamp::at(&path).unwrap().unwrap();
    let lie = Digest::of(b"something else");
    let known = |settled| {
        let mut builder = Builder::default();
        builder.push(b"file", &Seen { stamp: Some(stamp), digest: Some(lie), settled });
        builder.finish()
    };
    let believed = FileState::File { digest: lie, executable: false };
    assert_eq!(observed(dir.path(), &known(true), "file"), believed);
    assert_ne!(observed(dir.path(), &known(false), "file"), believed);
}

/// A workspace with a `file` and without `none`, the stamp of the file, and what is known of both.
fn workspace() -> (tempfile::TempDir, Option<Stamp>, KnownFiles) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    let mut builder = Builder::default();
    let stamp = Stamp::at(&path).unwrap();
    builder.push(b"file", &Seen { stamp, digest: Some(Digest::of(b"x")), settled: true });
    builder.push(b"none", &Seen { stamp: None, digest: None, settled: true });
    (dir, stamp, builder.finish())
}

/// An observer for which everything was found to be as it was.
fn finder<'a>(root: &'a Path, known: &'a KnownFiles) -> Observer<'a> {
    let mut observer = Observer::new(root, known);
    observer.take_over(vec![true; known.len()], &[]);
    observer
}

#[test]
fn what_was_found_is_not_looked_at_again_before_a_command_runs() {
    let (dir, stamp, known) = workspace();
    let (path, observer) = (dir.path().join("file"), finder(dir.path(), &known));
    fs::write(&path, "other").unwrap();
    fs::write(dir.path().join("none"), "y").unwrap();
    let file = |text: &str| FileState::File { digest: Digest::of(text.as_bytes()), executable: false };
    assert_eq!(observer.observe(b"file").unwrap(), file("x"));
    assert_eq!(observer.observe(b"none").unwrap(), FileState::Absent);
    // Whoever runs by it notices.
    assert_eq!(observer.last_stamp(b"file"), stamp);
    assert!(!observer.stands(b"file", Stamp::at(&path).unwrap()));
    observer.expect_changes();
    assert_eq!(observer.observe(b"file").unwrap(), file("other"));
    assert_eq!(observer.observe(b"none").unwrap(), file("y"));
}

#[test]
fn what_percache_has_put_there_is_not_what_was_found() {
    let (dir, stamp, known) = workspace();
    let observer = finder(dir.path(), &known);
    fs::remove_file(dir.path().join("file")).unwrap();
    observer.put_other(b"file");
    assert_eq!(observer.observe(b"file").unwrap(), FileState::Absent);
    assert_eq!(observer.into_observed().confirmed, [false, false]);
    // Of a journal that could not be read, nothing was found.
    let none = KnownFiles::new();
    let mut observer = Observer::new(dir.path(), &none);
    observer.take_over(vec![true], &[(0, Seen { stamp, digest: None, settled: true })]);
    assert_eq!(observer.observe(b"file").unwrap(), FileState::Absent);
}

#[test]
fn a_second_content_under_one_stamp_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    let known = KnownFiles::new();
    let observer = Observer::new(dir.path(), &known);
    observer.observe(b"file").unwrap();
    let stamp = Stamp::at(&path).unwrap().unwrap();
    observer.doubt(b"file");
    observer.learn(b"file", stamp, Digest::of(b"y"), 0);
    let observed = observer.into_observed();
    assert!(observed.flipped.contains(b"file".as_slice()));
    assert_eq!(observed.now[0].1.digest, Some(Digest::of(b"y")));
}
