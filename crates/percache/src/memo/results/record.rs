//! What is stored of a result: its bytes with their digest, and beside them what `stats` and `clear` need to know.
//!
//! | record | bytes |
//! | --- | --- |
//! | result | format 1, SHA-1 of what follows (20), kind (1: value, 2: error, 3: bytes of others, 4 to 6: the same, compressed), time created (8), the encoded value |
//! | entry | format 3, function's name, digest of its code (option), time created (8), cost in nanoseconds (8), length of the result (8), summary of the arguments (option), package, version, program and folder of the function (an option each), source of the package (option, 8) |
//! | entry of old | format 1, as format 3 up to the length of the result |
//! | entry of old | format 2, as format 1, then the summary of the arguments |
//! | uses | format 1, time last used (8), number of hits (8) |
//!
//! Numbers and texts as in [`crate::base::codec`]. A record of another format is one that is not there.

use crate::base::block_hasher;
use crate::base::clock::Time;
use crate::base::codec::{DecodeError, Decoder, Encode};
use crate::base::digest::{DIGEST_LEN, Digest};
use crate::memo::key::origin::Origin;

const FORMAT: u8 = 1;
/// The format of an entry that has a summary of the arguments, and says nothing of the package.
const WITH_ARGUMENTS: u8 = 2;
/// The format of the entries that are written.
const ENTRY_FORMAT: u8 = 3;
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
    let sum = block_hasher::digest(&record[KIND_AT..]);
    record[SUM_AT..KIND_AT].copy_from_slice(sum.as_bytes());
    Ok(Some(record))
}

/// Whether the digest of a record is that of its bytes.
pub fn is_intact(record: &[u8]) -> bool {
    record.len() >= HEADER
        && record[0] == FORMAT
        && block_hasher::digest(&record[KIND_AT..]).as_bytes() == &record[SUM_AT..KIND_AT]
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

/// When a record was computed, compressed or not.
pub fn created(record: &[u8]) -> Option<Time> {
    Some(Time::from_le_bytes(record.get(CREATED_AT..HEADER)?.try_into().ok()?))
}

/// Added to the kind of a record whose value is compressed.
const PACKED: u8 = 3;

/// Returns the compressed value of a record that is intact, if it is compressed.
#[inline]
pub fn packed_value(record: &[u8]) -> Option<&[u8]> {
    let (header, value) = record.split_at_checked(HEADER)?;
    matches!(header[KIND_AT], 4..=6).then_some(value)
}

/// Returns the record with its value compressed to `packed`.
#[cfg(feature = "compression")]
pub fn repack(record: &[u8], packed: &[u8]) -> Vec<u8> {
    let mut bytes = with_value(record, record[KIND_AT] + PACKED, packed);
    let sum = Digest::of(&bytes[KIND_AT..]);
    bytes[SUM_AT..KIND_AT].copy_from_slice(sum.as_bytes());
    bytes
}

/// Returns the compressed record with its `value` as it was, for memory: its digest was checked and is not made anew.
pub fn unpacked(record: &[u8], value: &[u8]) -> Vec<u8> {
    with_value(record, record[KIND_AT] - PACKED, value)
}

fn with_value(record: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + value.len());
    bytes.extend_from_slice(&record[..HEADER]);
    bytes.extend_from_slice(value);
    bytes[KIND_AT] = kind;
    bytes
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
    /// The summary of the arguments, if it was kept.
    pub arguments: Option<String>,
    /// What the function belongs to. Entries of old formats do not say it.
    pub origin: Option<Origin>,
}

impl EntryRecord {
    /// What stands for a record that cannot be read.
    pub fn unknown() -> EntryRecord {
        EntryRecord {
            name: "?".into(),
            code: None,
            created: Time::EPOCH,
            cost: 0,
            size: 0,
            arguments: None,
            origin: None,
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let format = match (&self.origin, &self.arguments) {
            (Some(_), _) => ENTRY_FORMAT,
            (None, Some(_)) => WITH_ARGUMENTS,
            (None, None) => FORMAT,
        };
        let mut bytes = vec![format];
        bytes.text(&self.name);
        bytes.bool(self.code.is_some());
        self.code.iter().for_each(|code| bytes.digest(code));
        bytes.time(self.created);
        bytes.u64(self.cost);
        bytes.u64(self.size);
        if self.origin.is_some() {
            bytes.bool(self.arguments.is_some());
        }
        self.arguments.iter().for_each(|arguments| bytes.text(arguments));
        self.origin.iter().for_each(|origin| origin.encode(&mut bytes));
        bytes
    }

    /// Reads them back.
    pub fn from_bytes(bytes: &[u8]) -> Result<EntryRecord, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let format = decoder.u8()?;
        if !(FORMAT..=ENTRY_FORMAT).contains(&format) {
            return Err(DecodeError("it has another format"));
        }
        let name = decoder.text()?.to_owned();
        let code = if decoder.bool()? { Some(decoder.digest()?) } else { None };
        let (created, cost, size) = (decoder.time()?, decoder.u64()?, decoder.u64()?);
        let has_arguments = match format {
            ENTRY_FORMAT => decoder.bool()?,
            format => format == WITH_ARGUMENTS,
        };
        let arguments = if has_arguments { Some(decoder.text()?.to_owned()) } else { None };
        let origin = if format == ENTRY_FORMAT { Some(Origin::decode(&mut decoder)?) } else { None };
        decoder.finish().map(|()| EntryRecord { name, code, created, cost, size, arguments, origin })
    }

    /// Returns whether it may be a result of the function of this name and origin: of entries that do not say their origin, the name decides.
    pub fn is_of(&self, name: &str, origin: Option<&Origin>) -> bool {
        let same = |own: &Origin| origin.is_none_or(|origin| origin == own);
        self.name == name && self.origin.as_ref().is_none_or(same)
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
        bytes.time(self.last);
        bytes.u64(self.hits);
        bytes
    }

    /// Reads them back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Uses, DecodeError> {
        let mut decoder = decoder(bytes)?;
        let uses = Uses { last: decoder.time()?, hits: decoder.u64()? };
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
        let sealed = seal(Time::from_millis(7), |bytes| {
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
        assert_eq!((stored.kind, stored.created, stored.value), (Kind::Error, Time::from_millis(7), &b"value"[..]));
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

    fn entry() -> EntryRecord {
        EntryRecord {
            name: "f".into(),
            code: None,
            created: Time::from_millis(1),
            cost: 2,
            size: 3,
            arguments: None,
            origin: None,
        }
    }

    fn origin() -> Origin {
        Origin { package: Some("p".into()), source: Some(9), ..Origin::default() }
    }

    #[test]
    fn the_bytes_of_entries_are_pinned() {
        let common = b"\x01\0\0\0f\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0";
        assert_eq!(entry().to_bytes(), [b"\x01", &common[..]].concat());
        let told = EntryRecord { arguments: Some("(1)".into()), ..entry() };
        assert_eq!(told.to_bytes(), [b"\x02", &common[..], b"\x03\0\0\0(1)"].concat());
        let of = b"\x01\x01\0\0\0p\0\0\0\x01\x09\0\0\0\0\0\0\0";
        let placed = EntryRecord { origin: Some(origin()), ..told };
        assert_eq!(placed.to_bytes(), [b"\x03", &common[..], b"\x01\x03\0\0\0(1)", of].concat());
        let untold = EntryRecord { origin: Some(Origin::default()), ..entry() };
        assert_eq!(untold.to_bytes(), [b"\x03", &common[..], b"\0\0\0\0\0\0"].concat());
    }

    #[test]
    fn entries_of_all_formats_and_uses_come_back() {
        let coded = EntryRecord { code: Some(Digest::of(b"x")), ..entry() };
        let told = EntryRecord { arguments: Some("(1, \"x\")".into()), ..coded.clone() };
        let text = |text: &str| Some(text.to_owned());
        let whole = Origin { version: text("1"), program: text("tool"), folder: text("src"), ..origin() };
        let placed = EntryRecord { origin: Some(whole), ..told.clone() };
        for entry in [entry(), coded, told, placed, EntryRecord { origin: Some(origin()), ..entry() }] {
            let bytes = entry.to_bytes();
            assert_eq!(EntryRecord::from_bytes(&bytes), Ok(entry));
            assert!((0..bytes.len()).all(|length| EntryRecord::from_bytes(&bytes[..length]).is_err()));
        }
        assert!(EntryRecord::from_bytes(&[b"\x04", &entry().to_bytes()[1..]].concat()).is_err());
        let at = |millis, hits| Uses { last: Time::from_millis(millis), hits };
        let uses = at(5, 9);
        assert_eq!(Uses::from_bytes(&uses.to_bytes()), Ok(uses));
        assert_eq!(uses.and(at(4, 1)), at(5, 10));
    }

    #[test]
    fn entries_of_old_formats_belong_to_all_functions_of_their_name() {
        let other = Origin::default();
        let told = EntryRecord { origin: Some(origin()), ..entry() };
        assert!(told.is_of("f", None) && told.is_of("f", Some(&origin())));
        assert!(!told.is_of("f", Some(&other)) && !told.is_of("g", Some(&origin())));
        assert!(entry().is_of("f", Some(&other)) && !entry().is_of("g", None));
    }
}
