//! The table of paths that a worktree knows: flat, sorted by path, and used in place in the journal.
//!
//! A build with nothing to do reads every line once, so nothing is decoded and nothing is copied. A build that asks for
//! single paths makes a hash index, once.
//!
//! ```text
//! count(4)  length of the paths(4)
//! lines:  flags(1)  stamp(36)  digest(20)  offset of the path(4)
//! paths:  each followed by a NUL, as system calls take them
//! flags:  1 something is there, 2 settled, 4 the digest is known
//! ```

use std::ffi::CStr;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use percache::Digest;
use percache::base::codec::{DecodeError, Decoder, Encode};

use crate::fs::mapped_file::Image;
use crate::fs::stamp::Stamp;

const LINE: usize = 61;
const PRESENT: u8 = 1;
const SETTLED: u8 = 2;
const DIGEST: u8 = 4;

/// The state seen at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The stamp; `None` if nothing was there.
    pub stamp: Option<Stamp>,
    /// The digest of the content, if it was read.
    pub digest: Option<Digest>,
    /// Whether the stamp stands for the state in later builds, too.
    pub settled: bool,
}

/// A single question among so many paths does not pay for an index.
const WORTH_AN_INDEX: usize = 50;

/// The table.
#[derive(Debug, Default)]
pub struct KnownFiles {
    /// The journal's bytes, which contain the table.
    bytes: Arc<Image>,
    lines: Range<usize>,
    paths: Range<usize>,
    /// Lines that differ from the bytes, by position.
    changed: Vec<(usize, [u8; LINE])>,
    index: OnceLock<(HashTable<u32>, RandomState)>,
    /// The number of questions that were answered without the index.
    asked: AtomicUsize,
}

impl KnownFiles {
    /// Creates an empty table.
    pub fn new() -> KnownFiles {
        KnownFiles::default()
    }

    /// Decodes the table that starts at `at` in `bytes`, and returns it with its end. Checks everything that later
    /// accesses rely on.
    pub(crate) fn decode(bytes: &Arc<Image>, at: usize) -> Result<(KnownFiles, usize), DecodeError> {
        const SHORT: DecodeError = DecodeError("it ends too early");
        let mut head = Decoder::new(bytes.get(at..).ok_or(SHORT)?);
        let (count, length) = (head.u32()? as usize, head.u32()? as usize);
        let lines = at + 8..count.checked_mul(LINE).and_then(|size| size.checked_add(at + 8)).ok_or(SHORT)?;
        let paths = lines.end..lines.end.checked_add(length).ok_or(SHORT)?;
        if paths.end > bytes.len() {
            return Err(SHORT);
        }
        let table = KnownFiles { bytes: bytes.clone(), lines, paths, ..KnownFiles::default() };
        let mut expected = 0;
        for i in 0..count {
            let (start, end) = (table.start(i), table.start(i + 1));
            if start != expected || end <= start || end > length || table.paths()[end - 1] != 0 {
                return Err(DecodeError("a path is out of place"));
            }
            expected = end;
        }
        let end = table.paths.end;
        Ok((table, end))
    }

    #[cfg(test)]
    fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.head());
        self.pieces().for_each(|piece| to.extend_from_slice(piece));
    }

    /// Encodes the number of lines and the length of the paths, which precede the [pieces](KnownFiles::pieces).
    pub(crate) fn head(&self) -> [u8; 8] {
        let mut head = Vec::with_capacity(8);
        head.count(self.len());
        head.count(self.paths.len());
        head.try_into().unwrap_or_default()
    }

    /// Returns the lines and the paths, in pieces as long as possible.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let lines = &self.bytes[self.lines.clone()];
        let ends = self.changed.iter().map(|(i, _)| *i * LINE).chain([lines.len()]);
        let starts = std::iter::once(0).chain(self.changed.iter().map(|(i, _)| (*i + 1) * LINE));
        let others = self.changed.iter().map(|(_, line)| line.as_slice()).chain([self.paths()]);
        starts.zip(ends).zip(others).flat_map(move |((start, end), other)| [&lines[start..end], other])
    }

    /// Returns the table with other states at these positions, which are sorted and unique.
    pub fn with(&self, seen: impl IntoIterator<Item = (usize, Seen)>) -> KnownFiles {
        let line = |(i, seen): (usize, Seen)| {
            let mut line = Vec::with_capacity(LINE);
            encode_line(&seen, self.start(i), &mut line);
            Some((i, line.try_into().ok()?))
        };
        let mut changed: Vec<(usize, [u8; LINE])> = seen.into_iter().filter_map(line).collect();
        let untouched = |(i, _): &&(usize, _)| changed.binary_search_by_key(i, |(i, _)| *i).is_err();
        let before: Vec<_> = self.changed.iter().filter(untouched).copied().collect();
        changed.extend(before);
        changed.sort_unstable_by_key(|(i, _)| *i);
        KnownFiles { changed, ..self.clone() }
    }

    /// Returns the number of paths.
    pub fn len(&self) -> usize {
        self.lines.len() / LINE
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn line(&self, i: usize) -> &[u8] {
        if let Ok(changed) = self.changed.binary_search_by_key(&i, |(i, _)| *i) {
            return &self.changed[changed].1;
        }
        &self.bytes[self.lines.start + i * LINE..][..LINE]
    }

    fn paths(&self) -> &[u8] {
        &self.bytes[self.paths.clone()]
    }

    fn start(&self, i: usize) -> usize {
        if i == self.len() {
            return self.paths.len();
        }
        self.line(i).last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    /// Returns the path at a position.
    pub fn path(&self, i: usize) -> &[u8] {
        &self.paths()[self.start(i)..self.start(i + 1) - 1]
    }

    /// Returns the path in the form that system calls take. (A NUL inside would have ended it: no path has one.)
    pub fn c_path(&self, i: usize) -> &CStr {
        CStr::from_bytes_until_nul(&self.paths()[self.start(i)..]).unwrap_or_default()
    }

    /// Returns the state at a position.
    pub fn seen(&self, i: usize) -> Seen {
        let line = self.line(i);
        let mut from = Decoder::new(&line[1..]);
        let (stamp, digest) = (Stamp::decode(&mut from).ok(), from.digest().ok());
        Seen {
            stamp: stamp.filter(|_| line[0] & PRESENT != 0),
            digest: digest.filter(|_| line[0] & DIGEST != 0),
            settled: line[0] & SETTLED != 0,
        }
    }

    /// Returns the position of a path.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        // An index pays off for many questions; a build of a single task has few.
        if self.index.get().is_none() && self.asked.fetch_add(1, Ordering::Relaxed) < self.len() / WORTH_AN_INDEX {
            let position = self.first_from(path, 0);
            return (position < self.len() && self.path(position) == path).then_some(position);
        }
        let (index, state) = self.index.get_or_init(|| {
            let (mut index, state) = (HashTable::with_capacity(self.len()), RandomState::default());
            for i in 0..self.len() {
                index.insert_unique(state.hash_one(self.path(i)), i as u32, |i| state.hash_one(self.path(*i as usize)));
            }
            (index, state)
        });
        index.find(state.hash_one(path), |i| self.path(*i as usize) == path).map(|i| *i as usize)
    }
}

impl KnownFiles {
    /// Returns whether the paths are sorted and unique, as all lookups assume.
    pub fn is_sorted(&self) -> bool {
        (1..self.len()).all(|i| self.path(i - 1) < self.path(i))
    }

    /// Returns the position, at or after `from`, of the first path that is not less than `path`.
    pub fn first_from(&self, path: &[u8], from: usize) -> usize {
        let (mut low, mut high) = (from, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.path(middle) < path {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Clone for KnownFiles {
    fn clone(&self) -> KnownFiles {
        KnownFiles {
            bytes: self.bytes.clone(),
            lines: self.lines.clone(),
            paths: self.paths.clone(),
            changed: self.changed.clone(),
            ..KnownFiles::default()
        }
    }
}

impl PartialEq for KnownFiles {
    fn eq(&self, other: &KnownFiles) -> bool {
        self.len() == other.len()
            && (0..self.len()).all(|i| self.path(i) == other.path(i) && self.seen(i) == other.seen(i))
    }
}

/// Encodes the line of a path that starts at `start`.
fn encode_line(seen: &Seen, start: usize, to: &mut Vec<u8>) {
    const NOTHING: Stamp = Stamp { size: 0, mtime: 0, ctime: 0, inode: 0, mode: 0 };
    let flag = |on: bool, flag: u8| if on { flag } else { 0 };
    to.push(flag(seen.stamp.is_some(), PRESENT) | flag(seen.settled, SETTLED) | flag(seen.digest.is_some(), DIGEST));
    seen.stamp.unwrap_or(NOTHING).encode(to);
    to.digest(&seen.digest.unwrap_or_default());
    to.count(start);
}

/// Builds a table line by line, in order of the paths.
#[derive(Default)]
pub struct Builder {
    lines: Vec<u8>,
    paths: Vec<u8>,
}

impl Builder {
    /// Returns the number of lines.
    pub(crate) fn len(&self) -> usize {
        self.lines.len() / LINE
    }

    /// Appends a line. Its path must be greater than all others in byte order, and must not contain a NUL.
    pub fn push(&mut self, path: &[u8], seen: &Seen) {
        encode_line(seen, self.paths.len(), &mut self.lines);
        self.paths.extend_from_slice(path);
        self.paths.push(0);
    }

    /// Appends the lines of another table at these positions, unchanged.
    pub fn extend(&mut self, table: &KnownFiles, positions: Range<usize>) {
        if positions.is_empty() {
            return;
        }
        if !table.changed.is_empty() {
            return positions.for_each(|i| self.push(table.path(i), &table.seen(i)));
        }
        let (from, to) = (table.start(positions.start), table.start(positions.end));
        let shift = (self.paths.len() as u32).wrapping_sub(from as u32);
        let first = self.lines.len();
        let lines = &table.bytes[table.lines.clone()];
        self.lines.extend_from_slice(&lines[positions.start * LINE..positions.end * LINE]);
        self.paths.extend_from_slice(&table.paths()[from..to]);
        if shift == 0 {
            return;
        }
        for line in self.lines[first..].chunks_exact_mut(LINE) {
            if let Some(start) = line.last_chunk_mut::<4>() {
                *start = u32::from_le_bytes(*start).wrapping_add(shift).to_le_bytes();
            }
        }
    }

    /// Returns the table.
    pub fn finish(self) -> KnownFiles {
        let (lines, end) = (0..self.lines.len(), self.lines.len() + self.paths.len());
        let mut bytes = self.lines;
        bytes.extend_from_slice(&self.paths);
        KnownFiles { bytes: Arc::new(bytes.into()), paths: lines.end..end, lines, ..KnownFiles::default() }
    }
}

#[cfg(test)]
mod tests;
