//! The small contents of a result, packed together into its record.
//!
//! What a small content costs is the call, the lookup and the file at the remote, not its bytes. A result whose
//! contents are small is therefore there with one call, and a bucket has one object for it. What is inlined lies
//! nowhere else on the remote: results that share it do not share its bytes, which is why there is a limit.
//!
//! # Encoding
//!
//! [`percache::base::codec`]: a list of positions in the contents of the record (`u32`, ascending), and one zstd frame
//! as bytes, which has these contents one after the other. Nothing in here is signed, because nothing is believed: each
//! content is checked against both of its names, which the record has.

use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::store::interface::Contents;
use percache::store::record::Content;
use zstd::bulk::Decompressor;

use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};

/// A content up to this size may be inlined.
const SMALL: u64 = 16 << 10;
/// The contents of one record at the most, before they are packed.
const TOGETHER: u64 = 128 << 10;
/// Good enough, and faster than most networks.
const LEVEL: i32 = 3;

/// The contents that a record has in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inlined {
    /// Their positions among the contents of the record, ascending.
    positions: Vec<u32>,
    /// All of them, one after the other, in one frame.
    packed: Vec<u8>,
}

impl Inlined {
    /// Chooses the smallest of contents of these lengths. They are still to be packed.
    pub fn choose(lengths: impl Iterator<Item = u64>) -> Inlined {
        Inlined { positions: smallest(lengths), packed: Vec::new() }
    }

    /// Packs the chosen ones of a record's contents.
    ///
    /// # Errors
    /// One cannot be had, or is not what its name says.
    pub fn pack(&mut self, local: &dyn Contents, contents: &[(Content, Blob)]) -> Result<(), Fault> {
        let failed = |why: String| Fault::new(FaultKind::Local, why);
        let mut bytes = Vec::new();
        for (content, blob) in self.positions.iter().filter_map(|at| contents.get(*at as usize)) {
            let start = bytes.len();
            local.read(content, &mut bytes).map_err(|e| failed(e.to_string()))?;
            if !blob.is(&bytes[start..]) {
                return Err(failed(format!("the remembered name of {} is wrong", content.digest)));
            }
        }
        self.packed = zstd::bulk::compress(&bytes, LEVEL).map_err(|e| failed(e.to_string()))?;
        Ok(())
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Returns whether the content at this position of the record is in it.
    pub fn has(&self, at: usize) -> bool {
        u32::try_from(at).is_ok_and(|at| self.positions.binary_search(&at).is_ok())
    }

    /// Returns whether it has all contents that would be chosen of these, each as its name says.
    pub fn is_whole(&self, contents: &[(Content, Blob)]) -> bool {
        let chosen = smallest(contents.iter().map(|(content, _)| content.length));
        let is_right = |(at, bytes): &(usize, &[u8])| contents[*at].1.is(bytes);
        chosen.iter().all(|at| self.positions.contains(at))
            && (self.is_empty()
                || Unpacker::default().unpack(self, contents).is_some_and(|all| all.iter().all(is_right)))
    }

    /// Writes it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.count(self.positions.len());
        self.positions.iter().for_each(|at| to.u32(*at));
        to.bytes(&self.packed);
    }

    /// Reads it, for a record that has contents of these lengths.
    ///
    /// # Errors
    /// When it is out of order, or larger than it may be.
    pub fn decode(from: &mut Decoder<'_>, lengths: &[u64]) -> Result<Inlined, DecodeError> {
        let positions = (0..from.count(4)?).map(|_| from.u32()).collect::<Result<Vec<_>, _>>()?;
        if !positions.is_sorted_by(|one, next| one < next) {
            return Err(DecodeError("inlined contents are out of order"));
        }
        let inlined = Inlined { positions, packed: from.bytes()?.to_vec() };
        match inlined.length(|at| lengths.get(at).copied()) {
            Some(_) => Ok(inlined),
            None => Err(DecodeError("inlined contents are too large, or none of its own")),
        }
    }

    /// Returns the length of all contents, if there are such contents and that is not too much.
    fn length(&self, of: impl Fn(usize) -> Option<u64>) -> Option<u64> {
        let sum = self.positions.iter().try_fold(0u64, |sum, at| sum.checked_add(of(*at as usize)?));
        sum.filter(|sum| *sum <= TOGETHER)
    }
}

/// Unpacks what records have in them, one after the other, with the same memory.
#[derive(Default)]
pub(crate) struct Unpacker {
    /// Made when it is needed: it is large.
    frames: Option<Decompressor<'static>>,
    bytes: Vec<u8>,
}

impl Unpacker {
    /// Returns the inlined ones of a record's contents, unverified, each with its position; `None` if they cannot be
    /// unpacked to their lengths.
    pub fn unpack(&mut self, inlined: &Inlined, contents: &[(Content, Blob)]) -> Option<Vec<(usize, &[u8])>> {
        let length = inlined.length(|at| contents.get(at).map(|(content, _)| content.length))?;
        if self.frames.is_none() {
            self.frames = Decompressor::new().ok();
        }
        self.bytes.clear();
        self.bytes.reserve(length as usize);
        // No more than there is room for.
        self.frames.as_mut()?.decompress_to_buffer(&inlined.packed, &mut self.bytes).ok()?;
        let mut rest = &self.bytes[..];
        let mut all = Vec::with_capacity(inlined.positions.len());
        for at in inlined.positions.iter().map(|at| *at as usize) {
            let (one, after) = rest.split_at_checked(contents.get(at)?.0.length as usize)?;
            all.push((at, one));
            rest = after;
        }
        rest.is_empty().then_some(all)
    }
}

/// Returns the positions of the smallest of these lengths that are small and not too much together, ascending. What is
/// empty is nowhere on the remote.
fn smallest(lengths: impl Iterator<Item = u64>) -> Vec<u32> {
    let small = |(at, length)| (1..=SMALL).contains(&length).then_some((length, at));
    let mut small: Vec<(u64, u32)> = (0..).zip(lengths).filter_map(small).collect();
    small.sort_unstable();
    let mut left = TOGETHER;
    let fits = |(length, _): &&(u64, u32)| {
        let rest = left.checked_sub(*length);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    let mut positions: Vec<_> = small.iter().take_while(fits).map(|(_, at)| *at).collect();
    positions.sort_unstable();
    positions
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use percache::db::memory::MemoryEngine;
    use percache::store::Store;

    use super::*;

    fn add(store: &Store, bytes: &[u8]) -> (Content, Blob) {
        (store.add(&mut &bytes[..], &mut |_| ()).unwrap(), Blob::of(bytes))
    }

    fn reread(inlined: &Inlined, lengths: &[u64]) -> Result<Inlined, DecodeError> {
        let mut bytes = Vec::new();
        inlined.encode(&mut bytes);
        let mut from = Decoder::new(&bytes);
        let inlined = Inlined::decode(&mut from, lengths)?;
        from.finish()?;
        Ok(inlined)
    }

    #[test]
    fn the_smallest_are_taken_while_there_is_room() {
        assert_eq!(smallest([0, SMALL, 5, SMALL + 1, 1].into_iter()), [1, 2, 4]);
        let many = smallest(std::iter::once(SMALL - 1).chain(std::iter::repeat_n(SMALL, 20)));
        assert_eq!(many, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(smallest([0, SMALL + 1].into_iter()), [0u32; 0]);
    }

    #[test]
    fn contents_come_back_in_their_places() {
        let store = Store::new(Arc::new(MemoryEngine::default()));
        let contents = [add(&store, b"two"), add(&store, &vec![7; 100_000]), add(&store, b"one")];
        let lengths = contents.map(|(content, _)| content.length);
        let mut inlined = Inlined::choose(lengths.into_iter());
        inlined.pack(&store, &contents).unwrap();
        assert_eq!((inlined.has(0), inlined.has(1), inlined.has(2), inlined.has(3)), (true, false, true, false));
        let read = reread(&inlined, &lengths).unwrap();
        assert_eq!(read, inlined);
        let mut unpacker = Unpacker::default();
        for _ in 0..2 {
            assert_eq!(unpacker.unpack(&read, &contents), Some(vec![(0, &b"two"[..]), (2, &b"one"[..])]));
        }
    }

    #[test]
    fn what_the_store_lacks_or_names_wrongly_is_not_packed() {
        let store = Store::new(Arc::new(MemoryEngine::default()));
        let (content, blob) = add(&store, b"one");
        let pack = |store: &Store, blob| Inlined::choose([3].into_iter()).pack(store, &[(content, blob)]);
        assert!(pack(&store, blob).is_ok());
        assert!(pack(&store, Blob::of(b"two")).is_err());
        assert!(pack(&Store::new(Arc::new(MemoryEngine::default())), blob).is_err());
    }

    #[test]
    fn what_is_out_of_order_or_too_large_is_refused() {
        let of = |positions: &[u32]| Inlined { positions: positions.to_vec(), packed: b"packed".to_vec() };
        assert!(reread(&of(&[0, 2]), &[1, 1, 1]).is_ok());
        for (positions, lengths) in [(&[1, 0], [1, 1]), (&[0, 0], [1, 1]), (&[0, 2], [1, 1])] {
            assert!(reread(&of(positions), &lengths).is_err(), "{positions:?}");
        }
        assert!(reread(&of(&[0, 1]), &[TOGETHER, 1]).is_err());
        assert!(reread(&of(&[0, 1]), &[u64::MAX, 1]).is_err());
    }

    #[test]
    fn a_frame_of_another_length_is_damaged() {
        let content = |length| (Content { digest: percache::Digest::of(b""), length }, Blob::of(b""));
        // There may be room for more.
        let mut unpacker = Unpacker { frames: None, bytes: Vec::with_capacity(100) };
        for (length, is_right) in [(0, false), (2, false), (3, true), (4, false)] {
            let packed = zstd::bulk::compress(b"one", LEVEL).unwrap();
            let inlined = Inlined { positions: vec![0], packed };
            assert_eq!(unpacker.unpack(&inlined, &[content(length)]).is_some(), is_right, "{length}");
            assert_eq!(Unpacker::default().unpack(&inlined, &[content(length)]).is_some(), is_right, "{length}");
        }
        let inlined = Inlined { positions: vec![0], packed: b"no frame".to_vec() };
        assert_eq!(unpacker.unpack(&inlined, &[content(3)]), None);
    }
}
