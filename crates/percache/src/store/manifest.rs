//! What a run left, path by path: sorted, each path once, none below a file. Checked when it is made and when it is
//! decoded, because who puts outputs back searches it by bisection, and takes what it does not find for stale.

use std::ops::Deref;

use super::record::{Entry, Node};
use crate::base::codec::{DecodeError, Decoder, Encode};

/// Entries of which all that was said holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest(Vec<Entry>);

impl Manifest {
    /// Checks that these are a manifest.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(entries: Vec<Entry>) -> Result<Manifest, DecodeError> {
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

    /// The entry of this path.
    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        let found = self.0.binary_search_by(|entry| entry.path.as_slice().cmp(path));
        found.ok().map(|at| &self.0[at])
    }

    /// Whether there is an entry of this path.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.get(path).is_some()
    }

    /// The entries, in order.
    pub fn into_entries(self) -> Vec<Entry> {
        self.0
    }

    fn has_path_below_a_file(&self) -> bool {
        let is_file = |path: &[u8]| self.get(path).is_some_and(|entry| matches!(entry.node, Node::File { .. }));
        // Of what lies side by side, the directories above are looked at once.
        let mut fine: &[u8] = b"";
        self.0.iter().any(|entry| {
            let parent = parent(&entry.path);
            let mut above = (parent != fine).then_some(parent).filter(|parent| !parent.is_empty());
            fine = parent;
            while let Some(path) = above {
                if is_file(path) {
                    return true;
                }
                above = Some(self::parent(path)).filter(|parent| !parent.is_empty());
            }
            false
        })
    }

    /// Appends the encoding.
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.count(self.0.len());
        self.0.iter().for_each(|entry| entry.encode(to));
    }

    /// Reads one back.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(from: &mut Decoder<'_>) -> Result<Manifest, DecodeError> {
        Manifest::new((0..from.count(5)?).map(|_| Entry::decode(from)).collect::<Result<_, _>>()?)
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

/// Whether paths are sorted and none is there twice.
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
        Manifest::new(paths.iter().map(|path| entry(path)).collect())
    }

    #[test]
    fn what_is_in_order_is_found() {
        let manifest = manifest(&["a/", "a-b", "a/b", "a/c/", "a/c/d", "link", "link/x", "z"]).unwrap();
        assert!(manifest.iter().all(|entry| manifest.get(&entry.path) == Some(entry)));
        assert!(!manifest.contains(b"a/d") && !manifest.contains(b""));
        assert!(Manifest::new(Vec::new()).is_ok());
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
