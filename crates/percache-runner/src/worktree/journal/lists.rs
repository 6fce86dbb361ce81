//! Lists of paths that several tasks can share.

use percache::base::codec::{DecodeError, Decoder, Encode};

/// Lists of positions in a [`KnownFiles`](crate::fs::stat_table::KnownFiles), stored one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathLists {
    positions: Vec<u32>,
    ends: Vec<u32>,
}

impl PathLists {
    /// Returns the list with that number; empty if there is none.
    pub fn get(&self, number: u32) -> &[u32] {
        let end = |i: usize| self.ends.get(i).map(|end| *end as usize);
        let start = (number as usize).checked_sub(1).map_or(Some(0), end);
        start.zip(end(number as usize)).and_then(|(start, end)| self.positions.get(start..end)).unwrap_or_default()
    }

    /// Returns the number of lists.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no lists.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a list and returns its number.
    pub fn push(&mut self, positions: impl IntoIterator<Item = u32>) -> u32 {
        self.positions.extend(positions);
        self.ends.push(self.positions.len() as u32);
        (self.ends.len() - 1) as u32
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        to.count(self.len());
        for number in 0..self.len() as u32 {
            encode_numbers(self.get(number), to);
        }
    }

    /// Decodes lists, and checks that every position is below `limit`.
    pub(super) fn decode(from: &mut Decoder<'_>, limit: usize) -> Result<PathLists, DecodeError> {
        let mut lists = PathLists::default();
        for _ in 0..from.count(4)? {
            lists.push(numbers(raw_numbers(from)?));
        }
        match lists.positions.iter().all(|position| (*position as usize) < limit) {
            true => Ok(lists),
            false => Err(DecodeError("a list names a path that there is not")),
        }
    }
}

pub(super) fn encode_numbers(numbers: &[u32], to: &mut Vec<u8>) {
    to.count(numbers.len());
    numbers.iter().for_each(|number| to.u32(*number));
}

pub(super) fn raw_numbers<'a>(from: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
    let count = from.count(4)?;
    from.raw(count * 4)
}

pub(super) fn numbers(raw: &[u8]) -> impl Iterator<Item = u32> + '_ {
    raw.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}
