//! Lists of paths that are sorted, checked once when they are made or decoded: the output manifest and the path set.
//!
//! A restore searches a manifest by bisection and removes what it does not find there, so one that is out of order would
//! cost a wanted output. Code that holds one of these types need not check again.

use std::ops::Deref;

use super::record::{Entry, Node};
use crate::base::codec::{DecodeError, Decoder, Encode};

/// The output manifest of a run: entries sorted by path, each path once and inside of the workspace, none below a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest(Vec<Entry>);

impl Manifest {
    /// Makes a manifest of entries that are sorted by path.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn from_sorted_entries(entries: Vec<Entry>) -> Result<Manifest, DecodeError> {
        if !entries.iter().all(|entry| is_relative(&entry.path)) {
            return Err(DecodeError("an output's path is not one inside of the workspace"));
        }
        if !entries.is_sorted_by(|one, next| one.path < next.path) {
            return Err(DecodeError("outputs are out of order"));
        }
        let manifest = Manifest(entries);
        if manifest.has_path_below_a_file() {
            return Err(DecodeError("an output lies below a file"));
        }
        Ok(manifest)
    }

    /// Makes a manifest of entries in any order, as they lie in the tree. Leaves out what cannot be true at the same time
    /// as the entries before it: a second entry of a path, and one below a file.
    pub fn from_found(mut entries: Vec<Entry>) -> Manifest {
        entries.retain(|entry| is_relative(&entry.path));
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        entries.dedup_by(|one, before| one.path == before.path);
        let found = Manifest(entries);
        if !found.has_path_below_a_file() {
            return found;
        }
        let files = found.clone();
        Manifest(found.0.into_iter().filter(|entry| !files.is_below_a_file(&entry.path)).collect())
    }

    /// Returns the entry of this path.
    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        let found = self.0.binary_search_by(|entry| entry.path.as_slice().cmp(path));
        found.ok().map(|at| &self.0[at])
    }

    /// Returns whether there is an entry of this path.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.get(path).is_some()
    }

    /// Returns the entries, in order.
    pub fn into_entries(self) -> Vec<Entry> {
        self.0
    }

    /// Keeps the entries that `keep` accepts.
    pub fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.0.retain(keep);
    }

    /// Moves every path into the directory `dir`, which leaves the order as it is.
    pub fn move_into(&mut self, dir: &[u8]) {
        self.0.iter_mut().for_each(|entry| entry.path = [dir, b"/", &entry.path].concat());
    }

    /// Says of every file that the store does not keep its content.
    pub fn do_not_keep(&mut self) {
        let files = self.0.iter_mut().filter(|entry| matches!(entry.node, Node::File { .. }));
        files.for_each(|entry| entry.kept = false);
    }

    /// Returns whether the store keeps the contents of all files.
    pub fn is_kept(&self) -> bool {
        self.0.iter().all(|entry| entry.kept)
    }

    /// Adds the entries of another manifest, except those that contradict one of this.
    pub fn merge(&mut self, other: Manifest) {
        let mut entries = std::mem::take(&mut self.0);
        entries.extend(other.0);
        *self = Manifest::from_found(entries);
    }

    fn is_file(&self, path: &[u8]) -> bool {
        self.get(path).is_some_and(|entry| matches!(entry.node, Node::File { .. }))
    }

    fn is_below_a_file(&self, path: &[u8]) -> bool {
        let above = std::iter::successors(Some(parent(path)), |path| Some(parent(path)));
        above.take_while(|path| !path.is_empty()).any(|path| self.is_file(path))
    }

    fn has_path_below_a_file(&self) -> bool {
        // Siblings follow each other, mostly: their directories are looked up once.
        let mut seen: &[u8] = b"";
        self.0.iter().any(|entry| {
            let parent = parent(&entry.path);
            let is_new = std::mem::replace(&mut seen, parent) != parent;
            is_new && self.is_below_a_file(&entry.path)
        })
    }

    /// Appends the encoding.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.count(self.0.len());
        self.0.iter().for_each(|entry| entry.encode(to));
    }

    /// Decodes a manifest.
    ///
    /// # Errors
    /// Fails if the bytes are no manifest.
    pub fn decode(from: &mut Decoder<'_>) -> Result<Manifest, DecodeError> {
        Manifest::from_sorted_entries((0..from.count(5)?).map(|_| Entry::decode(from)).collect::<Result<_, _>>()?)
    }
}

impl Deref for Manifest {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Manifest {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The discovered inputs of a run: paths that are sorted, each once. Relative to the workspace, or absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathSet(Vec<Vec<u8>>);

impl PathSet {
    /// Makes a path set of paths that are sorted.
    ///
    /// # Errors
    /// Fails if they are out of order or if one is there twice.
    pub fn from_sorted_paths(paths: Vec<Vec<u8>>) -> Result<PathSet, DecodeError> {
        if are_sorted(&paths) { Ok(PathSet(paths)) } else { Err(DecodeError("paths are out of order")) }
    }

    /// Returns whether this path is in the set.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.0.binary_search_by(|own| own.as_slice().cmp(path)).is_ok()
    }

    /// Returns the paths, in order.
    pub fn into_paths(self) -> Vec<Vec<u8>> {
        self.0
    }

    /// Encodes the path set.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        self.encode_to(&mut to);
        to
    }

    /// Appends the encoding.
    pub fn encode_to(&self, to: &mut Vec<u8>) {
        to.count(self.0.len());
        self.0.iter().for_each(|path| to.bytes(path));
    }

    /// Decodes a path set.
    ///
    /// # Errors
    /// Fails if the bytes are no path set.
    pub fn decode(bytes: &[u8]) -> Result<PathSet, DecodeError> {
        let mut from = Decoder::new(bytes);
        let paths = PathSet::decode_from(&mut from)?;
        from.finish()?;
        Ok(paths)
    }

    /// Decodes a path set that is followed by something else.
    ///
    /// # Errors
    /// Fails if the bytes do not begin with a path set.
    pub fn decode_from(from: &mut Decoder<'_>) -> Result<PathSet, DecodeError> {
        let count = from.count(4)?;
        PathSet::from_sorted_paths((0..count).map(|_| from.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?)
    }
}

impl FromIterator<Vec<u8>> for PathSet {
    /// Takes paths in any order.
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(paths: I) -> PathSet {
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_unstable();
        paths.dedup();
        PathSet(paths)
    }
}

impl Deref for PathSet {
    type Target = [Vec<u8>];

    fn deref(&self) -> &[Vec<u8>] {
        &self.0
    }
}

/// Returns whether paths are sorted and none is there twice.
pub fn are_sorted<P: AsRef<[u8]>>(paths: &[P]) -> bool {
    paths.is_sorted_by(|one, next| one.as_ref() < next.as_ref())
}

fn parent(path: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', path).map_or(b"", |at| &path[..at])
}

fn is_relative(path: &[u8]) -> bool {
    !path.contains(&0) && path.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::store::record::Content;

    fn entry(path: &str) -> Entry {
        let content = Content { digest: Digest::of(b""), length: 0 };
        let node = match path.strip_suffix('/') {
            Some(_) => Node::Directory,
            None if path.ends_with("link") => Node::Symlink(b"x".to_vec()),
            None => Node::File { content, executable: false },
        };
        Entry::new(path.trim_end_matches('/'), node)
    }

    fn manifest(paths: &[&str]) -> Result<Manifest, DecodeError> {
        Manifest::from_sorted_entries(paths.iter().map(|path| entry(path)).collect())
    }

    #[test]
    fn what_is_in_order_is_found() {
        let manifest = manifest(&["a/", "a-b", "a/b", "a/c/", "a/c/d", "link", "link/x", "z"]).unwrap();
        assert!(manifest.iter().all(|entry| manifest.get(&entry.path) == Some(entry)));
        assert!(!manifest.contains(b"a/d") && !manifest.contains(b""));
        assert!(Manifest::from_sorted_entries(Vec::new()).is_ok());
    }

    #[test]
    fn what_was_found_becomes_a_manifest() {
        let found = |paths: &[&str]| Manifest::from_found(paths.iter().map(|path| entry(path)).collect());
        assert_eq!(found(&["z", "a/b/c", "../x", "a/b", "a/", "a/b/", "z"]), manifest(&["a/", "a/b", "z"]).unwrap());
        let mut merged = manifest(&["a", "c/"]).unwrap();
        merged.merge(manifest(&["a/", "a/b", "c/d", "e"]).unwrap());
        assert_eq!(merged, manifest(&["a", "c/", "c/d", "e"]).unwrap());
        merged.move_into(b"sub");
        assert_eq!(merged, manifest(&["sub/a", "sub/c/", "sub/c/d", "sub/e"]).unwrap());
    }

    #[test]
    fn paths_out_of_order_are_no_path_set() {
        let encoded = |paths: &[&str]| PathSet(paths.iter().map(|path| path.as_bytes().to_vec()).collect()).encode();
        let sorted = PathSet::decode(&encoded(&["a", "b"])).unwrap();
        assert!(sorted.contains(b"a") && sorted.contains(b"b") && !sorted.contains(b"c"));
        assert!(PathSet::decode(&encoded(&["b", "a"])).is_err() && PathSet::decode(&encoded(&["a", "a"])).is_err());
        assert_eq!(PathSet::from_iter([b"b".to_vec(), b"a".to_vec(), b"b".to_vec()]), sorted);
    }

    #[test]
    fn what_is_not_is_refused() {
        for paths in [&["b", "a"][..], &["a", "a"], &["a/b", "a/"], &["a", "c", "b"]] {
            assert_eq!(manifest(paths), Err(DecodeError("outputs are out of order")), "{paths:?}");
        }
        for paths in [&["a", "a/b"][..], &["a", "a-b", "a/b/c"], &["a/", "a/b", "a/b/c/d"], &["a", "a.b", "a.c", "a/x"]]
        {
            assert_eq!(manifest(paths), Err(DecodeError("an output lies below a file")), "{paths:?}");
        }
        for path in ["", "/etc", "../x", "a/../b", "a//b", "./a", "a/.", "a\0"] {
            assert!(manifest(&[path]).is_err(), "{path:?}");
        }
    }
}
