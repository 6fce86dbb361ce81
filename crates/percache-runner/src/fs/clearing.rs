//! Clearing: the only way by which anything in the tree goes or gives way.
//!
//! percache removes or replaces what has the content that it recorded, and nothing else. Whatever else is in the way is displaced: moved
//! out of the tree, and kept (see [`crate::fs::displaced`]). The content is known by its digest, and looked at right before: a stamp that is
//! not the one under which the digest was made counts as another content.
//!
//! Knows nothing of tasks. `tests/tidy.rs` checks that no other file of this crate removes or replaces anything in the tree.

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

/// Something that an earlier build left in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left<'a> {
    /// Where.
    pub path: RelPath,
    /// What percache recorded of it; `None` when a run left it that failed or was killed.
    pub held: Option<&'a Node>,
}

/// Finds what an earlier build left at a path. `left` is sorted by path.
pub fn find_left<'l, 'a>(left: &'l [Left<'a>], path: &[u8]) -> Option<&'l Left<'a>> {
    let at = left.binary_search_by(|left| left.path.as_bytes().cmp(path)).ok()?;
    left.get(at)
}

/// What came of clearing a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// Nothing was there.
    Nothing,
    /// It was removed.
    Removed,
    /// It was moved aside.
    Displaced,
    /// It is a directory that is not empty, and stays.
    Stays,
}

/// A tree in which things give way.
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

    /// The tree.
    pub fn tree(&mut self) -> &mut Tree {
        &mut self.tree
    }

    /// Takes away what is at `path`: removes it if it is what `held` says, or an empty directory, and displaces it otherwise.
    pub fn take(&mut self, path: &RelPath, held: Option<&Node>) -> io::Result<Cleared> {
        if beneath::is_temporary(path) {
            // percache's own, by its name.
            let stamp = self.observer.stamp(path.as_bytes())?;
            let removed = self.tree.remove_unchanged(path, stamp)?;
            return Ok(if removed { Cleared::Removed } else { Cleared::Nothing });
        }
        // What cannot be looked at is not what percache made.
        let state = self.observer.observe(path.as_bytes()).unwrap_or(FileState::Special);
        match state {
            FileState::Absent => return Ok(Cleared::Nothing),
            FileState::Directory => {
                let removed = self.tree.remove_directory(path)?;
                return Ok(if removed { Cleared::Removed } else { Cleared::Stays });
            }
            _ => {}
        }
        if held.is_some_and(|held| is_right(held, &state)) {
            let stamp = self.observer.last_stamp(path.as_bytes());
            if self.tree.remove_unchanged(path, stamp)? {
                return Ok(Cleared::Removed);
            }
        }
        let displaced = self.tree.displace(path, self.displaced)?;
        Ok(if displaced { Cleared::Displaced } else { Cleared::Nothing })
    }

    /// Takes away what earlier builds left. `left` is sorted, so that what is in a directory goes before the directory.
    pub fn take_all(&mut self, left: &[Left<'_>]) -> Result<(), (RelPath, io::Error)> {
        for Left { path, held } in left.iter().rev() {
            self.take(path, *held).map_err(|e| (path.clone(), e))?;
        }
        Ok(())
    }

    /// Moves the file or symlink at `from` to `path`. What is there gives way; when it is what `held` says, in one step. `seen` is what was
    /// there a moment ago. Returns the stamp of what is there then, and a moment before that was taken.
    pub fn place(
        &mut self,
        from: &Path,
        path: &RelPath,
        held: Option<&Node>,
        seen: &FileState,
    ) -> io::Result<(Stamp, i64)> {
        let mut over = if *seen == FileState::Absent { None } else { self.give_way(path, held)? };
        // Somebody may put something there at any time.
        for _ in 0..8 {
            let looked = moment();
            if let Some(stamp) = self.tree.move_in(from, path, over)? {
                return Ok((stamp, looked));
            }
            over = self.give_way(path, held)?;
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody else writes to it"))
    }

    /// Makes the way free for a file. Returns the stamp of what may be replaced, `None` when nothing is there any more.
    fn give_way(&mut self, path: &RelPath, held: Option<&Node>) -> io::Result<Option<Stamp>> {
        let state = self.observer.observe(path.as_bytes()).unwrap_or(FileState::Special);
        match state {
            FileState::Absent => return Ok(None),
            FileState::Directory => self.take_directory(path)?,
            _ if held.is_some_and(|held| is_right(held, &state)) => {
                return Ok(self.observer.last_stamp(path.as_bytes()));
            }
            _ => drop(self.tree.displace(path, self.displaced)?),
        }
        Ok(None)
    }

    /// Takes away a directory with all that is in it. What percache holds of that is gone already: the rest is displaced.
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

    /// Makes a directory and those above it, and takes the rights `withheld` from it. What is at `path` and is none gives way.
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

        /// Does something to the tree. Returns what came of it, and what is displaced then.
        fn clear<T>(&self, act: impl FnOnce(&mut Clearing<'_, '_>) -> T) -> (T, Vec<String>) {
            let (known, root) = (KnownFiles::new(), self.at(""));
            let observer = Observer::new(&root, &known);
            let displaced = Displaced::at(self.dir.path().join("displaced"));
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
        // What came since it was looked at is not lost either.
        fs::write(place.at("out"), "theirs").unwrap();
        assert_eq!(put(FileState::Absent, Some(&file("new"))), ["out"]);
        fs::remove_file(place.at("out")).unwrap();
        fs::create_dir_all(place.at("out/deep")).unwrap();
        fs::write(place.at("out/deep/file"), "theirs").unwrap();
        assert_eq!(put(FileState::Directory, None), ["out", "out/deep/file"]);
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
