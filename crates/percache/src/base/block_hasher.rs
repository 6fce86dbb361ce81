//! SHA-1 that goes on from a state which many hashes have in common, and keeps small pieces until they fill a block.
//!
//! Makes what [`Hasher`](crate::base::digest::Hasher) makes. The key of a memoized call is most often one block: then this costs one
//! compression and little else, while a general hasher would be copied, fed and ended, which takes as long again.

use sha1::block_api::compress;

use crate::base::codec::Sink;
use crate::base::digest::Digest;

/// Bytes that SHA-1 takes at a time.
pub const BLOCK: usize = 64;
/// How many bytes are held before they are hashed.
const HELD: usize = 2 * BLOCK;
/// The end mark and the length.
const END: usize = 1 + size_of::<u64>();
/// The state before anything is hashed (FIPS 180-4, 5.3.1).
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// The state of SHA-1 after some whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockState {
    state: [u32; 5],
    length: u64,
}

impl BlockState {
    /// The state after these bytes, and as many zeros as it takes to fill the last block.
    pub fn after(mut bytes: Vec<u8>) -> BlockState {
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        let mut state = INITIAL;
        compress(&mut state, bytes.as_chunks().0);
        BlockState { state, length: bytes.len() as u64 }
    }
}

/// Returns the digest of bytes that are all at hand.
#[inline]
pub fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = BlockHasher::new(BlockState { state: INITIAL, length: 0 });
    hasher.raw(bytes);
    hasher.finish()
}

/// Hashes what follows a [`BlockState`].
pub struct BlockHasher {
    start: BlockState,
    buffer: [u8; HELD + BLOCK],
    held: usize,
}

impl BlockHasher {
    /// Goes on from there.
    #[inline]
    pub fn new(start: BlockState) -> BlockHasher {
        BlockHasher { start, buffer: [0; HELD + BLOCK], held: 0 }
    }

    /// Returns the digest of everything. By reference: the buffer is larger than most keys, and moving it takes as long as hashing one.
    #[inline]
    pub fn finish(&mut self) -> Digest {
        let bits = (self.start.length + self.held as u64).wrapping_mul(8);
        let end = (self.held + END).next_multiple_of(BLOCK);
        self.buffer[self.held] = 0x80;
        self.buffer[self.held + 1..end - 8].fill(0);
        self.buffer[end - 8..end].copy_from_slice(&bits.to_be_bytes());
        let mut state = self.start.state;
        compress(&mut state, self.buffer[..end].as_chunks().0);
        let mut digest = Digest::default();
        for (bytes, word) in digest.0.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }

    /// Takes bytes for which there is no room.
    #[inline(never)]
    fn overflow(&mut self, mut bytes: &[u8]) {
        while self.held + bytes.len() > HELD {
            let (now, later) = bytes.split_at(HELD - self.held);
            self.buffer[self.held..HELD].copy_from_slice(now);
            compress(&mut self.start.state, self.buffer[..HELD].as_chunks().0);
            self.start.length += HELD as u64;
            self.held = 0;
            let (blocks, rest) = later.as_chunks();
            compress(&mut self.start.state, blocks);
            self.start.length += (later.len() - rest.len()) as u64;
            bytes = rest;
        }
        self.raw(bytes);
    }
}

impl Sink for BlockHasher {
    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        let end = self.held + bytes.len();
        if end > HELD {
            return self.overflow(bytes);
        }
        self.buffer[self.held..end].copy_from_slice(bytes);
        self.held = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hashes_as_sha_1_does_whatever_the_pieces() {
        let bytes: Vec<u8> = (0..1_500u32).map(|n| (n * 7 + n / 256) as u8).collect();
        for prefix in [0, 1, 64, 65] {
            let before = bytes[..prefix].to_vec();
            let mut padded = before.clone();
            padded.resize(prefix.next_multiple_of(BLOCK), 0);
            for length in (0..400).chain([511, 512, 513, 1_400]) {
                assert_eq!(digest(&bytes[..length]), Digest::of(&bytes[..length]));
                let expected = Digest::of(&[&padded[..], &bytes[..length]].concat());
                for piece in [1, 7, 63, 64, 255, 256, 257, 1_400] {
                    let mut hasher = BlockHasher::new(BlockState::after(before.clone()));
                    bytes[..length].chunks(piece).for_each(|piece| hasher.raw(piece));
                    assert_eq!(hasher.finish(), expected, "{prefix} {length} {piece}");
                }
            }
        }
    }
}
