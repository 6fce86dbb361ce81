//! Blobs: how a content becomes the pieces that the store keeps, and back.
//!
//! Large contents are cut where their own bytes say so, by FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking for Data
//! Deduplication Based Storage Systems", 2020), so that two versions of a file share most of their chunks. Every piece is compressed
//! with zstd unless that gains nothing. Knows nothing of the database.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use fastcdc::v2020::StreamCDC;
use zstd::bulk::{Compressor, Decompressor};

use crate::base::digest::{Digest, Hasher};
use crate::store::layout::CHUNKED_ABOVE;
use crate::store::record::Content;

/// Shortest, average and longest chunk in bytes. Small enough that an edit costs little, large enough that a list stays short: a
/// 1 GiB file has 16,000 chunks.
const CHUNK: (usize, usize, usize) = (16 << 10, 64 << 10, 256 << 10);
/// Fast: higher levels cost more time than the bytes are worth on a local disk.
const ZSTD_LEVEL: i32 = 1;

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Cuts what `reader` gives into pieces and hands each to `piece`; `seen` is shown all bytes in order. A content of several pieces
/// comes with their digests.
pub fn cut(
    reader: &mut dyn Read,
    seen: &mut dyn FnMut(&[u8]),
    piece: &mut dyn FnMut(Digest, &[u8]) -> io::Result<()>,
) -> io::Result<(Content, Vec<Digest>)> {
    // Not in use while `reader`, `seen` or `piece` may cut something themselves.
    let mut buffer = HEAD.take();
    if buffer.is_empty() {
        // Zeros from the system, which only come when they are written over.
        buffer = vec![0; CHUNKED_ABOVE as usize + 1];
    }
    let cut = cut_with(&mut buffer, reader, seen, piece);
    HEAD.set(buffer);
    cut
}

fn cut_with(
    buffer: &mut [u8],
    reader: &mut dyn Read,
    seen: &mut dyn FnMut(&[u8]),
    piece: &mut dyn FnMut(Digest, &[u8]) -> io::Result<()>,
) -> io::Result<(Content, Vec<Digest>)> {
    let length = fill(buffer, reader)?;
    let head = &buffer[..length];
    if length as u64 <= CHUNKED_ABOVE {
        seen(head);
        let content = Content { digest: Digest::of(head), length: length as u64 };
        piece(content.digest, head)?;
        return Ok((content, Vec::new()));
    }
    let (mut whole, mut length, mut list) = (Hasher::new(), 0, Vec::new());
    for chunk in StreamCDC::new(head.chain(reader), CHUNK.0, CHUNK.1, CHUNK.2) {
        let chunk = chunk.map_err(io::Error::from)?.data;
        seen(&chunk);
        whole.update(&chunk);
        length += chunk.len() as u64;
        let digest = Digest::of(&chunk);
        list.push(digest);
        piece(digest, &chunk)?;
    }
    Ok((Content { digest: whole.finish(), length }, list))
}

/// Reads until the buffer is full or there is no more; how much that was.
fn fill(buffer: &mut [u8], reader: &mut dyn Read) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}

/// The stored form of a piece.
pub fn pack(piece: &[u8]) -> Vec<u8> {
    let compressed = compress(piece).filter(|compressed| compressed.len() < piece.len());
    let (form, bytes) = compressed.as_deref().map_or((RAW, piece), |compressed| (ZSTD, compressed));
    // No more than it needs: it may wait in memory to be written.
    let mut packed = Vec::with_capacity(bytes.len() + 1);
    packed.push(form);
    packed.extend_from_slice(bytes);
    packed
}

/// The piece whose stored form this is; `None` when it is damaged. Allocates no more than a piece may have.
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&RAW, piece) => Some(piece.to_vec()),
        (&ZSTD, compressed) => decompress(compressed),
        _ => None,
    }
}

thread_local! {
    // Made once: most contents are small, and a vector that grows with what is read asks the system a dozen times for each.
    static HEAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    // What zstd works with is large, and costs more to make than to compress a small file with. `None` when there is no memory for it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(ZSTD_LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

fn compress(piece: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(piece).ok())
}

fn decompress(compressed: &[u8]) -> Option<Vec<u8>> {
    // What the frame says of its length may be a lie.
    let length = zstd::zstd_safe::get_frame_content_size(compressed).ok()??.min(CHUNKED_ABOVE);
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(compressed, length as usize).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn pieces(bytes: &[u8]) -> (Content, Vec<Digest>, Vec<Vec<u8>>) {
        let mut pieces = Vec::new();
        let keep = &mut |digest, piece: &[u8]| {
            assert_eq!(digest, Digest::of(piece));
            pieces.push(piece.to_vec());
            Ok(())
        };
        let (content, list) = cut(&mut &bytes[..], &mut |_| (), keep).unwrap();
        (content, list, pieces)
    }

    #[test]
    fn a_small_content_is_one_piece() {
        for length in [0, 1, CHUNKED_ABOVE as usize] {
            let bytes = noise(length);
            let (content, list, pieces) = pieces(&bytes);
            assert_eq!((content.digest, content.length), (Digest::of(&bytes), length as u64));
            assert!(list.is_empty());
            assert_eq!(pieces, [bytes]);
        }
    }

    #[test]
    fn a_large_content_is_its_chunks_in_order() {
        let bytes = noise(3 << 20);
        let (content, list, pieces) = pieces(&bytes);
        assert_eq!(content.digest, Digest::of(&bytes));
        assert_eq!(list.len(), pieces.len());
        assert_eq!(pieces.concat(), bytes);
    }

    #[test]
    fn an_insertion_leaves_most_chunks_as_they_were() {
        let before = noise(4 << 20);
        let mut after = before.clone();
        after.splice(100_000..100_000, *b"inserted");
        let (_, old, _) = pieces(&before);
        let (_, new, _) = pieces(&after);
        let fresh = new.iter().filter(|digest| !old.contains(digest)).count();
        assert!(fresh <= 3, "{fresh} of {} chunks are new", new.len());
    }

    #[test]
    fn packing_gains_or_costs_one_byte() {
        let dull = vec![b'x'; 100_000];
        assert!(pack(&dull).len() < 1_000);
        let lively = noise(100_000);
        assert!(pack(&lively).len() <= lively.len() + 1);
        for piece in [dull, lively, vec![]] {
            assert_eq!(unpack(&pack(&piece)), Some(piece));
        }
    }

    #[test]
    fn damage_is_noticed_or_leads_to_other_bytes() {
        assert_eq!(unpack(b""), None);
        assert_eq!(unpack(b"\x07abc"), None);
        assert_eq!(unpack(b"\x01abc"), None);
    }
}
