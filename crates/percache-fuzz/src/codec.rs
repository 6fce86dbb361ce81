//! The canonical encoding: whatever is read in whatever order, writing it gives the bytes that were read.

use percache::base::codec::{Decoder, Encode};

use crate::Target;

pub(crate) const TARGET: Target =
    Target { name: "codec", run, seeds, words: &["\u{0}\u{0}\u{0}\u{0}", "grün"], allocates: Some(16) };

/// The first byte is the number of reads, then a byte for each says what is read, then what it is read from.
fn run(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let (kinds, bytes) = rest.split_at((count as usize).min(rest.len()));
    let (mut from, mut written) = (Decoder::new(bytes), Vec::new());
    for kind in kinds {
        let before = from.rest().len();
        if read(*kind, &mut from, &mut written).is_none() {
            assert!(from.rest().len() <= before);
            return;
        }
        let taken = bytes.len() - from.rest().len();
        assert_eq!(written, bytes[..taken], "after a read of kind {}", kind % 8);
    }
    let left = from.rest().is_empty();
    assert_eq!(from.finish().is_ok(), left);
}

fn read(kind: u8, from: &mut Decoder<'_>, to: &mut Vec<u8>) -> Option<()> {
    match kind % 8 {
        0 => to.u8(from.u8().ok()?),
        1 => to.bool(from.bool().ok()?),
        2 => to.u32(from.u32().ok()?),
        3 => to.u64(from.u64().ok()?),
        4 => to.bytes(from.bytes().ok()?),
        5 => to.text(from.text().ok()?),
        6 => to.digest(&from.digest().ok()?),
        _ => {
            let least = usize::from(kind / 8);
            let count = from.count(least).ok()?;
            // As many as it says are there.
            assert!(count * least <= from.rest().len());
            to.count(count);
        }
    }
    Some(())
}

fn seeds() -> Vec<Vec<u8>> {
    let mut bytes = vec![8, 0, 1, 2, 3, 4, 5, 6, 15];
    bytes.u8(7);
    bytes.bool(true);
    bytes.u32(1 << 20);
    bytes.u64(1 << 40);
    bytes.bytes(b"\xff\0");
    bytes.text("grün");
    bytes.extend_from_slice(&[9; 20]);
    bytes.count(1);
    bytes.u8(0);
    vec![bytes]
}
