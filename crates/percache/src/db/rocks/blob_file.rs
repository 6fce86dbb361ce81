//! RocksDB's blob files, read without RocksDB: for values whose keys can no longer be looked up.
//!
//! ```text
//! header(30)   records   footer(32)
//! record: key length(8) value length(8) expiration(8) checksums(4, 4) key value
//! ```
//!
//! The checksums are not looked at: a value here has a key that says whether it is whole.

use memchr::memmem::Finder;

/// All keys of large values are digests.
pub const KEY: usize = 20;
const FIXED: usize = 32;

/// Hands every key and value in the bytes of a blob file to `found`, which says whether they are sound. Behind what is not, it looks for
/// the next record byte by byte.
pub fn records(bytes: &[u8], found: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
    let mark = (KEY as u64).to_le_bytes();
    let finder = Finder::new(&mark);
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| finder.find(rest)) {
        at += next;
        match record(&bytes[at..]) {
            Some((key, value)) if found(key, value) => at += FIXED + KEY + value.len(),
            _ => at += 1,
        }
    }
}

fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
    let (key, rest) = bytes.get(FIXED..)?.split_at_checked(KEY)?;
    Some((key, rest.get(..usize::try_from(length).ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(values: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![7; 30];
        for (number, value) in values.iter().enumerate() {
            bytes.extend_from_slice(&(KEY as u64).to_le_bytes());
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&[0; 16]);
            bytes.extend_from_slice(&[number as u8; KEY]);
            bytes.extend_from_slice(value);
        }
        bytes.extend_from_slice(&[9; 32]);
        bytes
    }

    fn sound_in(bytes: &[u8], values: &[&[u8]]) -> Vec<u8> {
        let mut sound = Vec::new();
        records(bytes, &mut |key, value| {
            let is = values.get(usize::from(key[0])).is_some_and(|whole| *whole == value);
            if is {
                sound.push(key[0]);
            }
            is
        });
        sound
    }

    #[test]
    fn one_damaged_byte_costs_one_value_at_the_most() {
        let values: [&[u8]; 4] = [b"first", b"", &[20; 3000], b"last"];
        let whole = file(&values);
        assert_eq!(sound_in(&whole, &values), [0, 1, 2, 3]);
        for at in 0..whole.len() {
            for bit in [1, 0x80] {
                let mut damaged = whole.clone();
                damaged[at] ^= bit;
                assert!(sound_in(&damaged, &values).len() >= 3, "byte {at}");
            }
            sound_in(&whole[..at], &values);
        }
    }
}
