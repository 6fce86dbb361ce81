//! The canonical encoding: one value has one sequence of bytes, and two values never share one.
//!
//! | value | bytes |
//! | --- | --- |
//! | `u8`, `bool` | one byte |
//! | `u32`, `u64` | little-endian, 4 or 8 bytes |
//! | time, length of time | milliseconds since 1970, microseconds, as `u64` |
//! | bytes, text | length as `u32`, then the bytes |
//! | digest | 20 bytes |
//! | option | 0, or 1 and the value |
//! | list | number of elements as `u32`, then the elements |
//! | enum | a byte for the variant, then its fields in order |
//!
//! Every variable part is preceded by its length, so that `("ab", "c")` and `("a", "bc")` differ. What is unordered (maps, sets) is
//! sorted by whoever encodes it. Records of the store, the journal and everything that is hashed into a key use this encoding; a
//! golden test pins its bytes, and a change of it is a change of the store's format.

use crate::base::clock::{Micros, Time};
use crate::base::digest::{DIGEST_LEN, Digest, Hasher};

/// Takes the bytes of an encoding: a buffer that keeps them or a hasher that digests them.
pub trait Sink {
    /// Takes the next bytes.
    fn raw(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for Hasher {
    fn raw(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// The encoding of each kind of value, for every [`Sink`].
pub trait Encode: Sink {
    /// One byte.
    fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }
    /// A truth value.
    fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }
    /// Four bytes.
    fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }
    /// Eight bytes.
    fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }
    /// A point in time: milliseconds since 1970.
    fn time(&mut self, value: Time) {
        self.u64(value.as_millis());
    }
    /// A length of time.
    fn micros(&mut self, value: Micros) {
        self.u64(value.get());
    }
    /// The length of a list or of bytes. What is longer than 4 GiB never comes in one piece here: contents are blobs.
    fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX));
    }
    /// Bytes.
    fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.raw(value);
    }
    /// Text.
    fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }
    /// A digest.
    fn digest(&mut self, value: &Digest) {
        self.raw(value.as_bytes());
    }
}

impl<S: Sink + ?Sized> Encode for S {}

/// Bytes that are not the encoding of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged record: {0}")]
pub struct DecodeError(pub &'static str);

/// Reads an encoding back. Never panics and never allocates more than the bytes at hand justify.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { rest: bytes }
    }

    /// The next `length` bytes, without a length in front.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        if length > self.rest.len() {
            return Err(DecodeError("it ends too early"));
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.raw(N)?.try_into().map_err(|_| DecodeError("it ends too early"))
    }

    /// A point in time.
    pub fn time(&mut self) -> Result<Time, DecodeError> {
        self.u64().map(Time::from_millis)
    }
    /// A length of time.
    pub fn micros(&mut self) -> Result<Micros, DecodeError> {
        self.u64().map(Micros::new)
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// A truth value.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError("a truth value is neither 0 nor 1")),
        }
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The length of a list whose elements take at least `least` bytes each.
    pub fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let length = self.u32()? as usize;
        match length.checked_mul(least.max(1)) {
            Some(needed) if needed <= self.rest.len() => Ok(length),
            _ => Err(DecodeError("a list is longer than the record")),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u32()? as usize;
        self.raw(length)
    }

    /// Text.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError("a text is not UTF-8"))
    }

    /// A digest.
    pub fn digest(&mut self) -> Result<Digest, DecodeError> {
        Ok(Digest(self.array::<DIGEST_LEN>()?))
    }

    /// Everything that was not read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends reading; bytes that are left over are an error.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        let mut bytes = Vec::new();
        bytes.u8(7);
        bytes.bool(true);
        bytes.u32(0x0102_0304);
        bytes.u64(5);
        bytes.text("ab");
        bytes.bytes(b"");
        assert_eq!(bytes, b"\x07\x01\x04\x03\x02\x01\x05\0\0\0\0\0\0\0\x02\0\0\0ab\0\0\0\0");
    }

    #[test]
    fn reads_what_it_writes() {
        let mut bytes = Vec::new();
        bytes.text("grün");
        bytes.digest(&Digest::of(b"x"));
        bytes.bool(false);
        let mut decoder = Decoder::new(&bytes);
        assert_eq!(decoder.text(), Ok("grün"));
        assert_eq!(decoder.digest(), Ok(Digest::of(b"x")));
        assert_eq!(decoder.bool(), Ok(false));
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn where_parts_end_matters() {
        let encode = |parts: [&str; 2]| {
            let mut hasher = Hasher::new();
            parts.iter().for_each(|part| hasher.text(part));
            hasher.finish()
        };
        assert_ne!(encode(["ab", "c"]), encode(["a", "bc"]));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        assert!(Decoder::new(b"\xff\xff\xff\xffab").bytes().is_err());
        assert!(Decoder::new(b"\xff\xff\xff\x7fab").count(20).is_err());
        assert!(Decoder::new(b"\x02").bool().is_err());
        assert!(Decoder::new(b"\x01\0\0\0\xff").text().is_err());
        assert!(Decoder::new(b"x").finish().is_err());
    }
}
