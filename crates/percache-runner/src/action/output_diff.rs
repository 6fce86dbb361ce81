//! The outputs in which a run differs from a stored result, and where each begins to differ.
//!
//! Knows nothing about why the two are compared.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use percache::Digest;
use percache::store::interface::Storage;
use percache::store::record::{Content, Entry, Node};

use crate::model::event::{Deviation, Differs};
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::as_path;

/// The number of outputs for which the first difference is located; for any others, only the fact is reported.
const LOCATED: usize = 20;

/// The places where contents can be found.
pub struct Places<'a> {
    /// Old and current texts.
    pub contents: &'a Contents<'a>,
    /// The store, for the stored contents.
    pub store: Option<&'a dyn Storage>,
    /// The workspace root, for the current contents.
    pub root: &'a std::path::Path,
}

/// Returns the differences between the manifests `stored` and `now`, sorted by path.
pub fn deviations(places: &Places<'_>, stored: &[Entry], now: &[Entry]) -> Vec<Deviation> {
    let by_path = |entries| -> BTreeMap<&[u8], &Node> {
        let entries: &[Entry] = entries;
        entries.iter().map(|entry| (entry.path.as_slice(), &entry.node)).collect()
    };
    let (stored, now) = (by_path(stored), by_path(now));
    let mut paths: Vec<&[u8]> = stored.keys().chain(now.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    let mut located = 0;
    let mut deviations = Vec::new();
    for path in paths {
        let name = || String::from_utf8_lossy(path).into_owned();
        let mut note = |what| deviations.push(Deviation { path: name(), what });
        match (stored.get(path), now.get(path)) {
            (Some(_), None) => note(Differs::Gone),
            (None, _) => note(Differs::New),
            (Some(Node::File { content: old, executable: was }), Some(Node::File { content: new, executable: is })) => {
                if old.digest != new.digest {
                    located += 1;
                    note(if located > LOCATED { Differs::Content } else { locate(places, path, old, &new.digest) });
                }
                if was != is {
                    note(Differs::Executable(*is));
                }
            }
            (Some(Node::Symlink(old)), Some(Node::Symlink(new))) => {
                let text = |target: &[u8]| String::from_utf8_lossy(target).into_owned();
                if old != new {
                    note(Differs::Target(text(old), text(new)));
                }
            }
            (Some(old), Some(new)) => {
                if kind(old) != kind(new) {
                    note(Differs::Kind(kind(old), kind(new)));
                }
            }
        }
    }
    deviations
}

fn kind(node: &Node) -> &'static str {
    match node {
        Node::File { .. } => "a file",
        Node::Symlink(_) => "a symlink",
        Node::Directory => "a directory",
    }
}

/// Locates where the content at `path` begins to differ: by lines in texts, by bytes in everything else and in long
/// contents.
fn locate(places: &Places<'_>, path: &[u8], old: &Content, new: &Digest) -> Differs {
    if let Some(difference) = places.contents.difference(path, &old.digest, new) {
        let first = |new| difference.lines.iter().find(|line| line.new == new).map(|line| line.text.clone());
        return Differs::Line { number: difference.first, stored: first(false), now: first(true) };
    }
    let compare = || {
        let now = File::open(places.root.join(as_path(path))).ok()?;
        let mut comparison = Comparison { now: io::BufReader::new(now), at: 0, first: None };
        places.store?.read(old, &mut comparison).ok()?;
        comparison.first.or_else(|| comparison.goes_on().then_some(comparison.at))
    };
    compare().map_or(Differs::Content, |byte| Differs::Byte(byte + 1))
}

/// A writer that compares what it is given with another content.
struct Comparison<R> {
    now: R,
    at: u64,
    first: Option<u64>,
}

impl<R: Read> Comparison<R> {
    /// Returns whether the other content is longer.
    fn goes_on(&mut self) -> bool {
        matches!(self.now.read(&mut [0]), Ok(1))
    }
}

impl<R: Read> Write for Comparison<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.first.is_none() {
            let mut now = Vec::with_capacity(bytes.len());
            self.now.by_ref().take(bytes.len() as u64).read_to_end(&mut now)?;
            let same = bytes.iter().zip(&now).take_while(|(a, b)| a == b).count();
            self.first = (same < bytes.len()).then_some(self.at + same as u64);
            self.at += bytes.len() as u64;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(stored: &[&[u8]], now: &[u8]) -> Option<u64> {
        let mut comparison = Comparison { now, at: 0, first: None };
        stored.iter().for_each(|piece| comparison.write_all(piece).unwrap());
        comparison.first.or_else(|| comparison.goes_on().then_some(comparison.at))
    }

    #[test]
    fn the_first_byte_that_differs_is_found_across_pieces() {
        assert_eq!(first(&[b"abc", b"def"], b"abcdef"), None);
        assert_eq!(first(&[b"abc", b"def"], b"abcdXX"), Some(4));
        assert_eq!(first(&[b"abc", b"def"], b"abcd"), Some(4));
        assert_eq!(first(&[b"abc", b"def"], b"abcdefg"), Some(6));
        assert_eq!(first(&[], b"x"), Some(0));
        assert_eq!(first(&[b"x"], b""), Some(0));
    }
}
