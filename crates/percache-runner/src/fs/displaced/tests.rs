//! Tests that displaced files come back as they were, whatever others do at the same time.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn open(dir: &Path) -> std::os::fd::OwnedFd {
    openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

fn displace(root: &Path, displaced: &Displaced, what: &str, content: &str) {
    fs::write(root.join(what), content).unwrap();
    let parent = open(root.join(what).parent().unwrap());
    displaced.take_in(parent.as_fd(), &path(what)).unwrap();
    assert!(!root.join(what).exists());
}

#[test]
fn what_is_displaced_is_listed_and_given_back() {
    let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (root, dir) = (tree.path(), store.path().join("displaced"));
    assert_eq!(list(&dir).unwrap(), []);
    fs::create_dir(root.join("docs")).unwrap();
    let displaced = Displaced::at(dir.clone(), root);
    displace(root, &displaced, "docs/notes", "first");
    displace(root, &displaced, "docs/notes", "second");
    displace(root, &displaced, "top", "third");
    let moved = displaced.take_moved().unwrap();
    assert_eq!((moved.paths, moved.to), (vec![path("docs/notes"), path("top")], dir.canonicalize().unwrap()));
    assert_eq!(displaced.take_moved(), None);
    let items = list(&dir).unwrap();
    let contents: Vec<_> =
        items.iter().map(|item| (item.path.to_string(), fs::read_to_string(&item.at).unwrap())).collect();
    let expected = [("docs/notes", "first"), ("docs/notes", "second"), ("top", "third")];
    assert_eq!(contents, expected.map(|(path, content)| (path.to_owned(), content.to_owned())));

    fs::write(root.join("occupied"), "").unwrap();
    assert!(give_back(&dir, &items[0], &root.join("occupied")).is_err());
    give_back(&dir, &items[0], &root.join("new/notes")).unwrap();
    assert_eq!(fs::read_to_string(root.join("new/notes")).unwrap(), "first");
    assert_eq!(list(&dir).unwrap(), items[1..]);
    items[1..].iter().for_each(|item| give_back(&dir, item, &item.path.to_path(root)).unwrap());
    assert!(!dir.exists(), "nothing is left behind");
}

#[test]
fn a_file_and_a_directory_of_one_name_are_both_kept() {
    let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = tree.path();
    let displaced = Displaced::at(store.path().join("displaced"), root);
    displace(root, &displaced, "a", "file");
    fs::create_dir(root.join("a")).unwrap();
    displace(root, &displaced, "a/b", "below");
    assert_eq!(list(displaced.dir()).unwrap().len(), 2);
}

#[test]
fn what_is_old_goes_and_what_is_young_stays() {
    let store = tempfile::tempdir().unwrap();
    let dir = store.path().join("displaced");
    for (batch, name) in [("1000-0", "old"), ("3000-0", "young")] {
        fs::create_dir_all(dir.join(batch).join("x")).unwrap();
        fs::write(dir.join(batch).join("x").join(name), name).unwrap();
    }
    assert_eq!(expire(&dir, Time::from_millis(2000), true).unwrap(), Amount { files: 1, bytes: 3 });
    assert_eq!(list(&dir).unwrap().len(), 2);
    assert_eq!(expire(&dir, Time::from_millis(2000), false).unwrap().files, 1);
    assert_eq!(list(&dir).unwrap().iter().map(|item| item.path.to_string()).collect::<Vec<_>>(), ["x/young"]);
    assert_eq!(expire(&dir, Time::from_millis(4000), false).unwrap().files, 1);
    assert!(!dir.exists());
}

/// Directories get the permissions that they had, and existing ones keep theirs.
#[test]
fn directories_come_back_with_their_rights() {
    let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = tree.path();
    let displaced = Displaced::at(store.path().join("displaced"), root);
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().mode() & 0o7777;
    let set_mode = |path: &str, mode| fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    [("a", 0o750), ("a/b", 0o2700), ("a/b/c", 0o711)].into_iter().for_each(|(path, mode)| set_mode(path, mode));
    displace(root, &displaced, "a/b/c/file", "x");
    fs::remove_dir_all(root.join("a/b")).unwrap();
    set_mode("a", 0o701);
    let item = list(displaced.dir()).unwrap().remove(0);
    give_back(displaced.dir(), &item, &item.path.to_path(root)).unwrap();
    assert_eq!([mode("a"), mode("a/b"), mode("a/b/c")], [0o701, 0o2700, 0o711]);
}

/// A build displaces files while others give files back and remove old ones.
#[test]
fn nothing_is_lost_and_nothing_fails_when_several_are_at_it() {
    let (tree, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (root, dir) = (tree.path(), store.path().join("displaced"));
    let back = root.join("back");
    fs::create_dir(root.join("d")).unwrap();
    const FILES: usize = 300;
    let given = std::thread::scope(|scope| {
        let builder = scope.spawn(|| {
            let displaced = Displaced::at(dir.clone(), root);
            (0..FILES).for_each(|n| displace(root, &displaced, &format!("d/{n}"), "x"));
        });
        let restorers = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut given = 0;
                while !all_are_back(&back) {
                    for item in list(&dir).unwrap_or_default() {
                        given += usize::from(give_back(&dir, &item, &item.path.to_path(&back)).is_ok());
                    }
                    expire(&dir, Time::from_millis(0), false).unwrap();
                }
                given
            })
        });
        builder.join().unwrap();
        restorers.into_iter().map(|restorer| restorer.join().unwrap()).sum::<usize>()
    });
    assert_eq!((given, fs::read_dir(back.join("d")).unwrap().count()), (FILES, FILES));

    fn all_are_back(back: &Path) -> bool {
        fs::read_dir(back.join("d")).is_ok_and(|entries| entries.count() == FILES)
    }
}
