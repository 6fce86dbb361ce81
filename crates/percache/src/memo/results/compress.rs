//! Compression of large results on their way to the back-end.
//!
//! The memory layer holds records as they were made, so a hit in it costs nothing more. A compressed record has a kind of its own and a
//! digest over the compressed bytes; smaller ones than the cache asks for are stored as they always were.

use std::borrow::Cow;

use crate::memo::results::record;

/// zstd's fastest regular level: what is kept here is often read once.
#[cfg(feature = "compression")]
const LEVEL: i32 = 1;
/// A result cannot claim to be larger than this: damaged lengths must not take all memory.
#[cfg(feature = "compression")]
const LARGEST: u64 = 1 << 40;

/// Returns what to store of an intact record: compressed if its value has at least `above` bytes and shrinks by an eighth or more.
#[cfg(feature = "compression")]
pub fn pack(record: &[u8], above: Option<usize>) -> Cow<'_, [u8]> {
    let whole = Cow::Borrowed(record);
    let (Some(above), Some(stored)) = (above, record::open(record)) else { return whole };
    let value = stored.value;
    if value.len() < above || !seems_compressible(value) {
        return whole;
    }
    let Ok(packed) = zstd::bulk::compress(value, LEVEL) else { return whole };
    if packed.len() + 8 > value.len() - value.len() / 8 {
        return whole;
    }
    let mut bytes = (value.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&packed);
    Cow::Owned(record::repack(record, &bytes))
}

/// Whether a sample from the middle shrinks: random bytes, pictures and archives are not compressed in vain.
#[cfg(feature = "compression")]
fn seems_compressible(value: &[u8]) -> bool {
    const SAMPLE: usize = 64 << 10;
    if value.len() < 4 * SAMPLE {
        return true;
    }
    let middle = value.len() / 2;
    let sample = &value[middle..middle + SAMPLE];
    zstd::bulk::compress(sample, LEVEL).is_ok_and(|packed| packed.len() < SAMPLE - SAMPLE / 8)
}

/// Without the feature `compression`, everything is stored as it is.
#[cfg(not(feature = "compression"))]
pub fn pack(record: &[u8], _: Option<usize>) -> Cow<'_, [u8]> {
    Cow::Borrowed(record)
}

/// Makes an intact record from the back-end what it was before it was packed. `None` if that cannot be done.
pub fn unpack(record: Vec<u8>) -> Option<Vec<u8>> {
    match record::packed_value(&record) {
        None => Some(record),
        Some(value) => {
            let unpacked = unpacked_value(value)?;
            Some(record::unpacked(&record, &unpacked))
        }
    }
}

#[cfg(feature = "compression")]
fn unpacked_value(value: &[u8]) -> Option<Vec<u8>> {
    let (length, packed) = value.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    let value = zstd::bulk::decompress(packed, usize::try_from(length).ok().filter(|_| length <= LARGEST)?).ok()?;
    (value.len() as u64 == length).then_some(value)
}

#[cfg(not(feature = "compression"))]
fn unpacked_value(_: &[u8]) -> Option<Vec<u8>> {
    log::debug!("percache: a stored result is compressed; this program is without the feature `compression`");
    None
}

#[cfg(test)]
#[cfg(feature = "compression")]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::memo::results::record::{Kind, is_intact, seal};

    fn record(value: &[u8]) -> Vec<u8> {
        let sealed = seal(Time::from_millis(7), |bytes| {
            bytes.extend_from_slice(value);
            Ok::<_, ()>(Some(Kind::Error))
        });
        sealed.unwrap().unwrap()
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn what_is_large_and_shrinks_is_packed_and_comes_back() {
        let whole = record(&b"value ".repeat(10_000));
        let packed = pack(&whole, Some(1_000)).into_owned();
        assert!(packed.len() < whole.len() / 10 && is_intact(&packed), "{}", packed.len());
        assert_eq!(record::open(&packed).map(|stored| stored.value), None, "older versions do not take it for a value");
        let unpacked = unpack(packed).unwrap();
        let (before, after) = (record::open(&whole).unwrap(), record::open(&unpacked).unwrap());
        assert_eq!((after.kind, after.created, after.value), (before.kind, before.created, before.value));
    }

    #[test]
    fn what_is_small_or_does_not_shrink_stays_as_it_is() {
        let (small, random) = (record(&[0; 999]), record(&noise(300_000)));
        assert_eq!(pack(&small, Some(1_000)), small.as_slice());
        assert_eq!(pack(&random, Some(1_000)), random.as_slice());
        assert_eq!(pack(&record(&[0; 5_000]), None), record(&[0; 5_000]).as_slice());
        assert_eq!(unpack(small.clone()), Some(small));
    }

    #[test]
    fn a_wrong_length_is_no_value() {
        let mut packed = pack(&record(&[0; 5_000]), Some(1)).into_owned();
        packed[record::HEADER] ^= 1;
        assert_eq!(unpack(packed.clone()), None);
        packed[record::HEADER + 7] = 0xff;
        assert_eq!(unpack(packed), None);
    }
}
