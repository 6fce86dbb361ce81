//! The typed encoding of arguments and results: any serde value as bytes that say what they are.
//!
//! | tag | value | what follows |
//! | --- | --- | --- |
//! | 1 | unit | |
//! | 2, 3 | `false`, `true` | |
//! | 4, 5 | `None`, `Some` | for `Some` the value |
//! | 6–10 | `u8` `u16` `u32` `u64` `u128` | little-endian |
//! | 11–15 | `i8` `i16` `i32` `i64` `i128` | little-endian |
//! | 16, 17 | `f32` `f64` | the bits, little-endian |
//! | 18 | `char` | as `u32` |
//! | 19, 20 | text, bytes | length, then the bytes |
//! | 21 | sequence | the elements, then 0 |
//! | 22 | (inside a sequence) a run of `u8` elements | length, then the bytes |
//! | 23 | hash set (keys only) | the encoded elements in the order of their bytes, then 0 |
//! | 24 | tuple | the elements, then 0 |
//! | 25 | map | key, value, key, value …, then 0 |
//! | 26 | struct | name, then for each field 34, its name and its value, then 0 |
//! | 27, 28, 29 | unit, newtype, tuple struct | name, then nothing, the value, or the elements and 0 |
//! | 30–33 | unit, newtype, tuple, struct variant | name of the enum, name of the variant, then as for structs |
//!
//! A length is a LEB128 number; a name is a length and that many bytes of UTF-8. Each value is self-delimiting and starts with its
//! type, so no two different values have the same bytes: `1u64`, `1u32`, `"1"`, `1.0`, `Some(1)`, `(1,)` and `[1]` all differ.
//!
//! *Floats* count by their bits: `0.0` and `-0.0` are two values (a function can tell them apart), and a NaN equals itself.
//!
//! *Unordered containers.* In a key, the entries of hash maps and hash sets are sorted by their bytes, because their iteration order
//! differs from process to process. serde does not say which container it serialises, so they are recognised by the name of their
//! type ([`unordered`]); a container that is not recognised is encoded in its own order. That way the mistake that remains possible is
//! a miss and never a wrong result: sorting an `IndexMap` would make two arguments equal that a function can tell apart.
//!
//! *Results* use the same encoding, unsorted. Reading is strict about types, struct names and field names, so a stored result whose
//! type has changed since is an error here and a miss for the caller, never a value with its fields exchanged.

mod compound;
mod contents;
mod decoder;
mod encoder;
mod unordered;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::codec::Sink;
use encoder::Encoder;

mod tag {
    pub const END: u8 = 0;
    pub const UNIT: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const TRUE: u8 = 3;
    pub const NONE: u8 = 4;
    pub const SOME: u8 = 5;
    pub const U8: u8 = 6;
    pub const U16: u8 = 7;
    pub const U32: u8 = 8;
    pub const U64: u8 = 9;
    pub const U128: u8 = 10;
    pub const I8: u8 = 11;
    pub const I16: u8 = 12;
    pub const I32: u8 = 13;
    pub const I64: u8 = 14;
    pub const I128: u8 = 15;
    pub const F32: u8 = 16;
    pub const F64: u8 = 17;
    pub const CHAR: u8 = 18;
    pub const STR: u8 = 19;
    pub const BYTES: u8 = 20;
    pub const SEQ: u8 = 21;
    pub const RUN: u8 = 22;
    pub const SET: u8 = 23;
    pub const TUPLE: u8 = 24;
    pub const MAP: u8 = 25;
    pub const STRUCT: u8 = 26;
    pub const UNIT_STRUCT: u8 = 27;
    pub const NEWTYPE_STRUCT: u8 = 28;
    pub const TUPLE_STRUCT: u8 = 29;
    pub const UNIT_VARIANT: u8 = 30;
    pub const NEWTYPE_VARIANT: u8 = 31;
    pub const TUPLE_VARIANT: u8 = 32;
    pub const STRUCT_VARIANT: u8 = 33;
    pub const FIELD: u8 = 34;
}

/// A value that cannot be encoded, or bytes that are not the encoding of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodingError(pub(crate) String);

impl serde::ser::Error for EncodingError {
    fn custom<T: fmt::Display>(message: T) -> EncodingError {
        EncodingError(message.to_string())
    }
}

impl serde::de::Error for EncodingError {
    fn custom<T: fmt::Display>(message: T) -> EncodingError {
        EncodingError(message.to_string())
    }
}

/// Encodes `value` as part of a key: hash maps and hash sets in the order of their bytes.
#[inline]
pub fn encode_key<T: Serialize + ?Sized>(value: &T, sink: &mut impl Sink) -> Result<(), EncodingError> {
    Encoder::for_key(sink).value(value)
}

/// Begins the encoding of a tuple; each element is an [`encode_key`], and [`end_tuple`] ends it.
#[inline]
pub fn begin_tuple(sink: &mut impl Sink) {
    sink.raw(&[tag::TUPLE]);
}

/// Ends the encoding of a tuple.
#[inline]
pub fn end_tuple(sink: &mut impl Sink) {
    sink.raw(&[tag::END]);
}

/// Whether these bytes are the encoding of an error: of an `Err`, also inside of a `Some` or an `Ok`.
pub fn is_err(mut bytes: &[u8]) -> bool {
    const OK: &[u8] = b"\x1f\x06Result\x02Ok";
    const ERR: &[u8] = b"\x1f\x06Result\x03Err";
    loop {
        bytes = match bytes.strip_prefix(&[tag::SOME]).or_else(|| bytes.strip_prefix(OK)) {
            Some(inside) => inside,
            None => return bytes.starts_with(ERR),
        };
    }
}

/// Encodes `value` as a result, to be read by [`decode`].
pub fn encode<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), EncodingError> {
    Encoder::for_result(bytes).value(value)
}

/// Reads a value that [`encode`] wrote. All of `bytes` must be that value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EncodingError> {
    let mut decoder = decoder::Decoder::new(bytes);
    let value = T::deserialize(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
