//! What is stored of a result: its bytes with their digest, and beside them what `stats` and `clear` need to know.
//!
//! | record | bytes |
//! | --- | --- |
//! | result | format 1, SHA-1 of what follows (20), kind (1: value, 2: error, 3: bytes of others), time created (8), the encoded value |
//! | entry | format 1, function's name, digest of its code (option), time created (8), cost in nanoseconds (8), length of the result (8) |
//! | uses | format 1, time last used (8), number of hits (8) |
//!
//! Numbers and texts as in [`crate::codec`]. A record of another format is one that is not there.

use crate::codec::{DecodeError, Decoder, Encode};
use crate::digest::{DIGEST_LEN, Digest};
use crate::memo::clock::Time;

const FORMAT: u8 = 1;
const SUM_AT: usize = 1;
const KIND_AT: usize = SUM_AT + DIGEST_LEN;
const CREATED_AT: usize = KIND_AT + 1;
/// Number of bytes before the encoded value.
pub const HEADER: usize = CREATED_AT + 8;

/// Whether a function returned or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What it returned.
    Value = 1,
    /// The error of a `Result`.
    Error = 2,
    /// Bytes that are no encoded value: what another language has made of one.
    Bytes = 3,
}

/// A result record that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Value or error.
    pub kind: Kind,
    /// When it was computed.
    pub created: Time,
    /// The encoded value.
    pub value: &'a [u8],
}

/// Makes a result record: `encode` appends the encoded value and says what it is. `None` if it says that there is nothing to keep.
pub fn seal<E>(
    created: Time,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<Option<Kind>, E>,
) -> Result<Option<Vec<u8>>, E> {
    let mut record = vec![0; HEADER];
    let Some(kind) = encode(&mut record)? else { return Ok(None) };
    record[0] = FORMAT;
    record[KIND_AT] = kind as u8;
    record[CREATED_AT..HEADER].copy_from_slice(&created.to_le_bytes());
    let sum = Digest::of(&record[KIND_AT..]);
    record[SUM_AT..KIND_AT].copy_from_slice(sum.as_bytes());
    Ok(Some(record))
}

/// Whether the digest of a record is that of its bytes.
pub fn is_intact(record: &[u8]) -> bool {
    record.len() >= HEADER
        && record[0] == FORMAT
        && Digest::of(&record[KIND_AT..]).as_bytes() == &record[SUM_AT..KIND_AT]
}

/// Reads a record whose digest was checked before.
#[inline]
pub fn open(record: &[u8]) -> Option<Stored<'_>> {
    let (header, value) = record.split_at_checked(HEADER)?;
    let kind = match header[KIND_AT] {
        1 => Kind::Value,
        2 => Kind::Error,
        3 => Kind::Bytes,
        _ => return None,
    };
    Some(Stored { kind, created: Time::from_le_bytes(header[CREATED_AT..].try_into().ok()?), value })
}

/// What is known of a result without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRecord {
    /// Name of the function.
    pub name: String,
    /// Digest of the function's code, if it is known.
    pub code: Option<Digest>,
    /// When it was computed.
    pub created: Time,
    /// How long that took, in nanoseconds.
    pub cost: u64,
    /// Number of bytes of the result record.
    pub size: u64,
}

impl EntryRecord {
    /// What stands for a record that cannot be read.
    pub fn unknown() -> EntryRecord {
        EntryRecord { name: "?".into(), code: None, created: 0, cost: 0, size: 0 }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.text(&self.name);
        bytes.bool(self.code.is_some());
        self.code.iter().for_each(|code| bytes.digest(code));
        bytes.u64(self.created);
        bytes.u64(self.cost);
        bytes.u64(self.size);
        bytes
    }

    /// Reads them back.
    pub fn from_bytes(bytes: &[u8]) -> Result<EntryRecord, DecodeError> {
        let mut decoder = decoder(bytes)?;
        let name = decoder.text()?.to_owned();
        let code = if decoder.bool()? { Some(decoder.digest()?) } else { None };
        let record = EntryRecord { name, code, created: decoder.u64()?, cost: decoder.u64()?, size: decoder.u64()? };
        decoder.finish().map(|()| record)
    }
}

/// When and how often a result was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// The last time.
    pub last: Time,
    /// The number of hits.
    pub hits: u64,
}

impl Uses {
    /// Both together.
    pub fn and(self, other: Uses) -> Uses {
        Uses { last: self.last.max(other.last), hits: self.hits.saturating_add(other.hits) }
    }

    /// Its bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.u64(self.last);
        bytes.u64(self.hits);
        bytes
    }

    /// Reads them back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Uses, DecodeError> {
        let mut decoder = decoder(bytes)?;
        let uses = Uses { last: decoder.u64()?, hits: decoder.u64()? };
        decoder.finish().map(|()| uses)
    }
}

fn decoder(bytes: &[u8]) -> Result<Decoder<'_>, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    if decoder.u8()? == FORMAT { Ok(decoder) } else { Err(DecodeError("it has another format")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        let sealed = seal(7, |bytes| {
            bytes.extend_from_slice(b"value");
            Ok::<_, ()>(Some(Kind::Error))
        });
        sealed.unwrap().unwrap()
    }

    #[test]
    fn a_result_comes_back() {
        let record = sealed();
        assert!(is_intact(&record));
        let stored = open(&record).unwrap();
        assert_eq!((stored.kind, stored.created, stored.value), (Kind::Error, 7, &b"value"[..]));
    }

    #[test]
    fn a_torn_or_changed_result_is_not_intact() {
        let record = sealed();
        for length in 0..record.len() {
            assert!(!is_intact(&record[..length]));
        }
        for place in 0..record.len() {
            let mut damaged = record.clone();
            damaged[place] ^= 1;
            assert!(!is_intact(&damaged));
        }
    }

    #[test]
    fn entries_and_uses_come_back() {
        let entry = EntryRecord { name: "f".into(), code: Some(Digest::of(b"x")), created: 1, cost: 2, size: 3 };
        assert_eq!(EntryRecord::from_bytes(&entry.to_bytes()), Ok(entry.clone()));
        assert!(EntryRecord::from_bytes(&entry.to_bytes()[1..]).is_err());
        let uses = Uses { last: 5, hits: 9 };
        assert_eq!(Uses::from_bytes(&uses.to_bytes()), Ok(uses));
        assert_eq!(uses.and(Uses { last: 4, hits: 1 }), Uses { last: 5, hits: 10 });
    }
}
