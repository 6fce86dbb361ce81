//! What is seen, and when it counts.

use super::*;
use crate::fs::stat_table::Builder;
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

#[test]
fn a_path_is_resolved_by_its_text_but_for_what_stands_above_a_symlink() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("src/sub")).unwrap();
    fs::create_dir_all(root.join("lib/x")).unwrap();
    symlink("../lib/x", root.join("src/link")).unwrap();
    let known = KnownFiles::new();
    let observer = Observer::new(&root, &known);
    let bytes = |paths: &[&str]| paths.iter().map(|path| path.as_bytes().to_vec()).collect::<Vec<_>>();
    let resolved = |from: &str, path: &str| observer.resolve(from.as_bytes(), path.as_bytes());
    let expected = |path: &str, turns: &[&str], passed: &[&str], way: &[&str]| Resolved {
        path: path.as_bytes().to_vec(),
        turns: bytes(turns),
        passed: bytes(passed),
        way: bytes(way),
    };
    assert_eq!(resolved("", "./src//a.h"), expected("src/a.h", &[], &[], &[]));
    assert_eq!(resolved("src/sub", "../a.h"), expected("src/a.h", &[], &["src/sub"], &[]));
    assert_eq!(resolved("src", "link/../a.h"), expected("lib/a.h", &["src/link"], &[], &[]));
    assert_eq!(resolved("", "src/link/a.h"), expected("src/link/a.h", &[], &[], &["src/link"]));
    assert_eq!(resolved("src/link", "../a.h"), expected("lib/a.h", &["src/link"], &[], &[]));
    let absolute = root.join("src/link/../a.h");
    assert_eq!(resolved("lib", absolute.to_str().unwrap()), expected("lib/a.h", &["src/link"], &[], &[]));
    let outside = root.parent().unwrap().join("a.h");
    assert_eq!(resolved("", "../a.h").path, outside.as_os_str().as_encoded_bytes());
    assert_eq!(resolved("", "/../a.h").path, b"/a.h");
}

#[test]
fn what_takes_the_place_of_a_directory_is_seen_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("v1/sub")).unwrap();
    fs::create_dir(root.join("current")).unwrap();
    fs::create_dir(root.join("current/sub")).unwrap();
    let known = KnownFiles::new();
    let observer = Observer::new(&root, &known);
    assert!(observer.way(b"current/sub").is_none() && observer.way(b"").is_none() && observer.way(b"none").is_none());
    fs::remove_dir_all(root.join("current")).unwrap();
    symlink("v1", root.join("current")).unwrap();
    observer.put_other(b"current");
    let trail = observer.way(b"current/sub").unwrap();
    assert_eq!((trail.links.clone(), trail.end.clone()), (vec![b"current".to_vec()], Some(b"v1/sub".to_vec())));
}

#[test]
fn whoever_watches_a_path_watches_all_that_it_leads_over() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::create_dir(root.join("real")).unwrap();
    fs::write(root.join("real/file"), "x").unwrap();
    symlink("real", root.join("dir")).unwrap();
    symlink("dir/file", root.join("link")).unwrap();
    let known = KnownFiles::new();
    let observer = Observer::new(&root, &known);
    let watched = |path: &str| {
        let mut watched = Vec::new();
        observer.watch(path.as_bytes(), &mut watched);
        watched.into_iter().map(|path| String::from_utf8(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(watched("real/file"), ["real/file"]);
    assert_eq!(watched("dir/file"), ["dir/file", "dir"]);
    assert_eq!(watched("link"), ["link", "dir", "real/file"]);
    let observed = observer.into_observed();
    let seen: Vec<_> = observed.now.iter().map(|(path, _)| path.as_slice()).collect();
    assert_eq!(seen, [&b"dir"[..], b"dir/file", b"link", b"real/file"]);
}
