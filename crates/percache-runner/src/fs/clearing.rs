//! Clearing: the only way in which anything in the tree is removed or gives way.
//!
//! percache removes or replaces a file only if it has the content that percache recorded. Anything else in the way is
//! displaced: moved out of the tree, and kept (see [`crate::fs::displaced`]). The content is identified by its digest,
//! and checked right before: if the stamp is not the one under which the digest was made, the content counts as
//! different.
//!
//! Knows nothing about tasks. `tests/tidy.rs` checks that no other file of this crate removes or replaces anything in
//! the tree.

use std::fs;
use std::io;
use std::path::Path;

use percache::store::record::Node;

use crate::fs::beneath::{self, Tree};
use crate::fs::displaced::Displaced;
use crate::fs::outputs::is_right;
use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_cache::{FileState, Observer};
use crate::fs::walk::is_absence;
use crate::model::path::RelPath;

/// A file, symlink or directory that an earlier build left in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left<'a> {
    /// Its path.
    pub path: RelPath,
    /// What percache recorded of it; `None` if a failed or killed run left it.
    pub held: Option<&'a Node>,
}

/// Finds the entry of `path`. `left` is sorted by path.
pub fn find_left<'l, 'a>(left: &'l [Left<'a>], path: &[u8]) -> Option<&'l Left<'a>> {
    let at = left.binary_search_by(|left| left.path.as_bytes().cmp(path)).ok()?;
    left.get(at)
}

/// The outcome of clearing a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// Nothing was there.
    Nothing,
    /// It was removed.
    Removed,
    /// It was displaced.
    Displaced,
    /// It is a directory that is not empty, and it stays.
    Stays,
}

/// A tree in which files give way.
pub struct Clearing<'a, 'b> {
    observer: &'a Observer<'b>,
    displaced: &'a Displaced,
    tree: Tree,
}

impl<'a, 'b> Clearing<'a, 'b> {
    /// Opens the tree that `observer` looks at.
    pub fn open(observer: &'a Observer<'b>, displaced: &'a Displaced) -> io::Result<Clearing<'a, 'b>> {
        Ok(Clearing { observer, displaced, tree: Tree::of(observer)? })
    }

    /// Returns the tree.
    pub fn tree(&mut self) -> &mut Tree {
        &mut self.tree
    }

    /// Clears `path`: removes what is there if it is what `held` says, or an empty directory, and displaces it
    /// otherwise.
    pub fn take(&mut self, path: &RelPath, held: Option<&Node>) -> io::Result<Cleared> {
        if beneath::is_temporary(path) {
            // A temporary file of percache, by its name.
            let stamp = self.observer.stamp(path.as_bytes())?;
            let removed = self.tree.remove_unchanged(path, stamp)?;
            return Ok(if removed { Cleared::Removed } else { Cleared::Nothing });
        }
        // Something that cannot be read is not what percache made.
        let state = self.observer.observe(path.as_bytes()).unwrap_or(FileState::Special);
        match state {
            FileState::Absent => return Ok(Cleared::Nothing),
            FileState::Directory => {
                let removed = self.tree.remove_directory(path)?;
                return Ok(if removed { Cleared::Removed } else { Cleared::Stays });
            }
            _ => {}
        }
        if self.is_held(path, held, &state) {
            let stamp = self.observer.last_stamp(path.as_bytes());
            if self.tree.remove_unchanged(path, stamp)? {
                self.observer.take_away(path.as_bytes(), &state);
                return Ok(Cleared::Removed);
            }
        }
        Ok(if self.displace(path, &state)? { Cleared::Displaced } else { Cleared::Nothing })
    }

    /// Moves what is at `path` out of the tree. Returns whether anything was there.
    fn displace(&mut self, path: &RelPath, state: &FileState) -> io::Result<bool> {
        let displaced = self.tree.displace(path, self.displaced)?;
        if displaced {
            self.observer.take_away(path.as_bytes(), state);
        }
        Ok(displaced)
    }

    /// Clears everything that earlier builds left. `left` is sorted, so going backwards, the entries of a directory go
    /// before it.
    pub fn take_all(&mut self, left: &[Left<'_>]) -> Result<(), (RelPath, io::Error)> {
        for Left { path, held } in left.iter().rev() {
            self.take(path, *held).map_err(|e| (path.clone(), e))?;
        }
        Ok(())
    }

    /// Moves the file or symlink at `from` to `path`. Whatever is there gives way, in one step if it is what `held`
    /// says. `seen` is the state of `path` a moment ago. Returns the resulting stamp, and a moment before it was taken.
    pub fn place(
        &mut self,
        from: &Path,
        path: &RelPath,
        held: Option<&Node>,
        seen: &FileState,
    ) -> io::Result<(Stamp, i64)> {
        let mut over = if *seen == FileState::Absent { None } else { self.give_way(path, held)? };
        // Another process may put something there at any time.
        for _ in 0..8 {
            let looked = moment();
            if let Some(stamp) = self.tree.move_in(from, path, over)? {
                return Ok((stamp, looked));
            }
            over = self.give_way(path, held)?;
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody else writes to it"))
    }

    /// Makes room for a file. Returns the stamp of the file that may be replaced; `None` if nothing is there any more.
    fn give_way(&mut self, path: &RelPath, held: Option<&Node>) -> io::Result<Option<Stamp>> {
        let state = self.observer.observe(path.as_bytes()).unwrap_or(FileState::Special);
        match state {
            FileState::Absent => return Ok(None),
            FileState::Directory => self.take_directory(path)?,
            _ if self.is_held(path, held, &state) => {
                return Ok(self.observer.last_stamp(path.as_bytes()));
            }
            _ => drop(self.displace(path, &state)?),
        }
        Ok(None)
    }

    /// Returns whether percache has recorded what is at the path now, for this task or for another one with the same
    /// output.
    fn is_held(&self, path: &RelPath, held: Option<&Node>, state: &FileState) -> bool {
        held.is_some_and(|held| is_right(held, state)) || self.displaced.is_held_by_others(path, state)
    }

    /// Removes a directory with everything in it. The files that percache holds are gone already; the rest is
    /// displaced.
    fn take_directory(&mut self, path: &RelPath) -> io::Result<()> {
        let entries = match fs::read_dir(path.to_path(self.observer.root())) {
            Ok(entries) => entries,
            Err(e) if is_absence(&e) => return Ok(()),
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            let below = path.child(entry.file_name().as_encoded_bytes());
            if entry.file_type()?.is_dir() {
                self.take_directory(&below)?;
            } else {
                self.tree.displace(&below, self.displaced)?;
            }
        }
        self.tree.remove_directory(path).map(|_| ())
    }

    /// Makes a directory and its ancestors, and removes the permissions `withheld` from it. Anything else at `path`
    /// gives way.
    pub fn make_directory(&mut self, path: &RelPath, held: Option<&Node>, withheld: u16) -> io::Result<()> {
        match self.observer.observe(path.as_bytes()) {
            Ok(FileState::Absent | FileState::Directory) | Err(_) => {}
            Ok(_) => drop(self.take(path, held)?),
        }
        self.tree.make_directory_without(path, withheld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::displaced::list;
    use crate::fs::stat_table::KnownFiles;
    use percache::Digest;
    use percache::store::record::Content;
    use std::os::unix::fs::symlink;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("work")).unwrap();
            Place { dir }
        }

        fn at(&self, path: &str) -> std::path::PathBuf {
            self.dir.path().join("work").join(path)
        }

        /// Does something to the tree. Returns the answer, and the files that are displaced afterwards.
        fn clear<T>(&self, act: impl FnOnce(&mut Clearing<'_, '_>) -> T) -> (T, Vec<String>) {
            let (known, root) = (KnownFiles::new(), self.at(""));
            let observer = Observer::new(&root, &known);
            let displaced = Displaced::at(self.dir.path().join("displaced"), &self.at(""));
            let came = act(&mut Clearing::open(&observer, &displaced).unwrap());
            let items = list(displaced.dir()).unwrap();
            (came, items.iter().map(|item| item.path.to_string()).collect())
        }

        fn take(&self, path: &str, held: Option<&Node>) -> (Cleared, Vec<String>) {
            self.clear(|clearing| clearing.take(&RelPath::new(path).unwrap(), held).unwrap())
        }
    }

    fn file(content: &str) -> Node {
        let digest = Digest::of(content.as_bytes());
        Node::File { content: Content { digest, length: content.len() as u64 }, executable: false }
    }

    #[test]
    fn what_percache_holds_is_removed_and_all_else_is_displaced() {
        let place = Place::new();
        assert_eq!(place.take("out", None), (Cleared::Nothing, vec![]));
        fs::write(place.at("out"), "ours").unwrap();
        assert_eq!(place.take("out", Some(&file("ours"))), (Cleared::Removed, vec![]));
        fs::write(place.at("out"), "edited").unwrap();
        assert_eq!(place.take("out", Some(&file("ours"))), (Cleared::Displaced, vec!["out".to_owned()]));
        symlink("ours", place.at("link")).unwrap();
        assert_eq!(place.take("link", Some(&Node::Symlink(b"ours".to_vec()))).0, Cleared::Removed);
        let _socket = std::os::unix::net::UnixListener::bind(place.at("socket")).unwrap();
        assert_eq!(place.take("socket", None).0, Cleared::Displaced);
        fs::create_dir_all(place.at("full/empty")).unwrap();
        assert_eq!(place.take("full", None).0, Cleared::Stays);
        assert_eq!(place.take("full/empty", None).0, Cleared::Removed);
    }

    #[test]
    fn what_is_in_the_place_of_an_output_gives_way_to_it() {
        let place = Place::new();
        let put = |seen: FileState, held: Option<&Node>| {
            fs::write(place.dir.path().join("new"), "new").unwrap();
            let (from, to) = (place.dir.path().join("new"), RelPath::new("out").unwrap());
            let (placed, displaced) = place.clear(|clearing| clearing.place(&from, &to, held, &seen));
            placed.unwrap();
            assert_eq!(fs::read(place.at("out")).unwrap(), b"new");
            displaced
        };
        assert_eq!(put(FileState::Absent, None), [""; 0]);
        assert_eq!(put(FileState::Special, Some(&file("new"))), [""; 0]);
        // A file that appeared after the look is not lost either.
        fs::write(place.at("out"), "theirs").unwrap();
        assert_eq!(put(FileState::Absent, Some(&file("new"))), ["out"]);
        fs::remove_file(place.at("out")).unwrap();
        fs::create_dir_all(place.at("out/deep")).unwrap();
        fs::write(place.at("out/deep/file"), "theirs").unwrap();
        assert_eq!(put(FileState::Directory, None), ["out", "out/deep/file"]);
    }

    #[test]
    fn what_a_symlink_led_to_and_is_made_again_was_not_changed_by_somebody_else() {
        // The file goes first, as in `take_all`: what percache holds of it, and what it does not.
        for held in [Some(file("one")), None] {
            let place = Place::new();
            let (known, root) = (KnownFiles::new(), place.at(""));
            let observer = Observer::new(&root, &known);
            let displaced = Displaced::at(place.dir.path().join("displaced"), &root);
            let make = |text: &str| {
                fs::write(place.at("file"), text).unwrap();
                symlink("file", place.at("link")).unwrap();
            };
            make("one");
            let mut clearing = Clearing::open(&observer, &displaced).unwrap();
            let paths = ["file", "link"].map(|path| RelPath::new(path).unwrap());
            paths.iter().for_each(|path| assert_ne!(clearing.take(path, held.as_ref()).unwrap(), Cleared::Nothing));
            make("two");
            paths.iter().for_each(|path| observer.put_other(path.as_bytes()));
            assert!(!observer.has_flipped(b"file"), "{held:?}");
        }
    }

    #[test]
    fn a_file_gives_way_to_a_directory() {
        let place = Place::new();
        fs::write(place.at("out"), "theirs").unwrap();
        let make =
            |clearing: &mut Clearing<'_, '_>| clearing.make_directory(&RelPath::new("out").unwrap(), None, 0).unwrap();
        assert_eq!(place.clear(make).1, ["out"]);
        assert!(place.at("out").is_dir());
        assert_eq!(place.clear(make).1, ["out"]);
    }
}
