//! Reads the encoding of a value back, strictly: the bytes must be of the type that is asked for. Containers are in `contents`.

use serde::de::{Deserializer, Visitor};

use super::contents::{Elements, Entries, Fields, OneVariant, RunOfBytes, Variant};
use super::{EncodingError, tag};

/// A serde deserializer over bytes. Never panics, and allocates no more than the bytes at hand justify.
pub struct Decoder<'de> {
    pub(super) rest: &'de [u8],
}

pub(super) fn wrong(what: &str) -> EncodingError {
    EncodingError(format!("the stored value is not {what}"))
}

impl<'de> Decoder<'de> {
    pub fn new(bytes: &'de [u8]) -> Decoder<'de> {
        Decoder { rest: bytes }
    }

    /// Ends reading; bytes that are left over are an error.
    pub fn finish(&self) -> Result<(), EncodingError> {
        if self.rest.is_empty() { Ok(()) } else { Err(wrong("all of what is stored")) }
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'de [u8], EncodingError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| wrong("whole"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, EncodingError> {
        Ok(self.take(1)?[0])
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], EncodingError> {
        self.take(N)?.try_into().map_err(|_| wrong("whole"))
    }

    #[inline]
    fn expect(&mut self, tag: u8, what: &str) -> Result<(), EncodingError> {
        if self.byte()? == tag { Ok(()) } else { Err(wrong(what)) }
    }

    pub(super) fn block(&mut self) -> Result<&'de [u8], EncodingError> {
        let mut length = 0usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            length |= ((byte & 0x7f) as usize) << shift;
            if byte < 0x80 {
                return self.take(length);
            }
        }
        Err(wrong("of a possible length"))
    }

    pub(super) fn text(&mut self) -> Result<&'de str, EncodingError> {
        std::str::from_utf8(self.block()?).map_err(|_| wrong("UTF-8"))
    }

    fn name(&mut self, name: &str) -> Result<(), EncodingError> {
        if self.block()? == name.as_bytes() { Ok(()) } else { Err(wrong(name)) }
    }

    fn char(&mut self) -> Result<char, EncodingError> {
        char::from_u32(u32::from_le_bytes(self.array()?)).ok_or_else(|| wrong("a char"))
    }

    pub(super) fn elements<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, EncodingError> {
        let mut elements = Elements::new(self)?;
        if let Some(run) = elements.only_run() {
            let mut bytes = RunOfBytes::new(run);
            let value = visitor.visit_seq(&mut bytes)?;
            return if bytes.is_empty() { Ok(value) } else { Err(wrong("of this many elements")) };
        }
        let value = visitor.visit_seq(&mut elements)?;
        elements.finish()?;
        Ok(value)
    }

    fn entries<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, EncodingError> {
        let mut entries = Entries::new(self);
        let value = visitor.visit_map(&mut entries)?;
        entries.finish()?;
        Ok(value)
    }

    pub(super) fn fields<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, EncodingError> {
        let mut fields = Fields::new(self);
        let value = visitor.visit_map(&mut fields)?;
        fields.finish()?;
        Ok(value)
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident $type:ident $tag:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
            self.expect(tag::$tag, stringify!($type))?;
            visitor.$visit($type::from_le_bytes(self.array()?))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = EncodingError;

    scalars! {
        deserialize_u8 visit_u8 u8 U8; deserialize_u16 visit_u16 u16 U16; deserialize_u32 visit_u32 u32 U32;
        deserialize_u64 visit_u64 u64 U64; deserialize_u128 visit_u128 u128 U128;
        deserialize_i8 visit_i8 i8 I8; deserialize_i16 visit_i16 i16 I16; deserialize_i32 visit_i32 i32 I32;
        deserialize_i64 visit_i64 i64 I64; deserialize_i128 visit_i128 i128 I128;
        deserialize_f32 visit_f32 f32 F32; deserialize_f64 visit_f64 f64 F64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.byte()? {
            tag::UNIT => visitor.visit_unit(),
            tag::FALSE => visitor.visit_bool(false),
            tag::TRUE => visitor.visit_bool(true),
            tag::NONE => visitor.visit_none(),
            tag::SOME => visitor.visit_some(self),
            tag::U8 => visitor.visit_u8(self.byte()?),
            tag::U16 => visitor.visit_u16(u16::from_le_bytes(self.array()?)),
            tag::U32 => visitor.visit_u32(u32::from_le_bytes(self.array()?)),
            tag::U64 => visitor.visit_u64(u64::from_le_bytes(self.array()?)),
            tag::U128 => visitor.visit_u128(u128::from_le_bytes(self.array()?)),
            tag::I8 => visitor.visit_i8(i8::from_le_bytes(self.array()?)),
            tag::I16 => visitor.visit_i16(i16::from_le_bytes(self.array()?)),
            tag::I32 => visitor.visit_i32(i32::from_le_bytes(self.array()?)),
            tag::I64 => visitor.visit_i64(i64::from_le_bytes(self.array()?)),
            tag::I128 => visitor.visit_i128(i128::from_le_bytes(self.array()?)),
            tag::F32 => visitor.visit_f32(f32::from_le_bytes(self.array()?)),
            tag::F64 => visitor.visit_f64(f64::from_le_bytes(self.array()?)),
            tag::CHAR => visitor.visit_char(self.char()?),
            tag::STR => visitor.visit_borrowed_str(self.text()?),
            tag::BYTES => visitor.visit_borrowed_bytes(self.block()?),
            tag::SEQ | tag::TUPLE => self.elements(visitor),
            tag::MAP => self.entries(visitor),
            tag::STRUCT => self.block().and_then(|_| self.fields(visitor)),
            tag::UNIT_STRUCT => self.block().and_then(|_| visitor.visit_unit()),
            tag::NEWTYPE_STRUCT => self.block().and_then(|_| visitor.visit_newtype_struct(self)),
            tag::TUPLE_STRUCT => self.block().and_then(|_| self.elements(visitor)),
            // As in other self-describing formats: `"Variant"`, or a map of one entry.
            tag::UNIT_VARIANT => self.block().and_then(|_| visitor.visit_borrowed_str(self.text()?)),
            kind @ tag::NEWTYPE_VARIANT..=tag::STRUCT_VARIANT => {
                self.block()?;
                visitor.visit_map(OneVariant::new(Variant::new(self, kind)))
            }
            _ => Err(wrong("of a known type")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.byte()? {
            tag::FALSE => visitor.visit_bool(false),
            tag::TRUE => visitor.visit_bool(true),
            _ => Err(wrong("a bool")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.expect(tag::CHAR, "a char")?;
        visitor.visit_char(self.char()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.expect(tag::STR, "text")?;
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.expect(tag::BYTES, "bytes")?;
        visitor.visit_borrowed_bytes(self.block()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.byte()? {
            tag::NONE => visitor.visit_none(),
            tag::SOME => visitor.visit_some(self),
            _ => Err(wrong("an option")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.expect(tag::UNIT, "unit")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.expect(tag::UNIT_STRUCT, name)?;
        self.name(name)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.expect(tag::NEWTYPE_STRUCT, name)?;
        self.name(name)?;
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        // Some types write a tuple and read a sequence, or the other way round.
        match self.byte()? {
            tag::SEQ | tag::TUPLE => self.elements(visitor),
            _ => Err(wrong("a sequence")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, EncodingError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.expect(tag::TUPLE_STRUCT, name)?;
        self.name(name)?;
        self.elements(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.expect(tag::MAP, "a map")?;
        self.entries(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.expect(tag::STRUCT, name)?;
        self.name(name)?;
        self.fields(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        let kind = self.byte()?;
        if !(tag::UNIT_VARIANT..=tag::STRUCT_VARIANT).contains(&kind) {
            return Err(wrong(name));
        }
        self.name(name)?;
        visitor.visit_enum(Variant::new(self, kind))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
