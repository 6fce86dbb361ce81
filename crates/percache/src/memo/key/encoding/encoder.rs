//! Writes the encoding of one value. Containers are in `compound`; knows nothing of functions and keys.

use serde::{Serialize, Serializer};

use super::compound::{Elements, Entries, Fields};
use super::unordered::unordered;
use super::{EncodingError, tag};
use crate::base::codec::Sink;

/// A serde serializer into a [`Sink`].
pub struct Encoder<'a, S: Sink> {
    pub(super) sink: &'a mut S,
    /// Whether hash containers are sorted.
    pub(super) sorts: bool,
    /// Whether the value that comes next is a hash container.
    pub(super) unordered: bool,
}

impl<'a, S: Sink> Encoder<'a, S> {
    pub fn for_key(sink: &'a mut S) -> Encoder<'a, S> {
        Encoder { sink, sorts: true, unordered: false }
    }

    pub fn for_result(sink: &'a mut S) -> Encoder<'a, S> {
        Encoder { sink, sorts: false, unordered: false }
    }

    /// Encodes `value`, whose type is known here and nowhere further down.
    #[inline]
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> {
        self.unordered = self.sorts && unordered::<T>();
        value.serialize(self)
    }

    #[inline]
    pub fn tag(&mut self, tag: u8) {
        self.sink.raw(&[tag]);
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) -> Result<(), EncodingError> {
        self.tag(tag);
        self.sink.raw(&bytes);
        Ok(())
    }

    /// A length as LEB128, then the bytes.
    #[inline]
    pub fn block(&mut self, bytes: &[u8]) {
        let mut length = bytes.len();
        while length >= 0x80 {
            self.sink.raw(&[length as u8 | 0x80]);
            length >>= 7;
        }
        self.sink.raw(&[length as u8]);
        self.sink.raw(bytes);
    }

    fn named(&mut self, tag: u8, name: &str) {
        self.tag(tag);
        self.block(name.as_bytes());
    }

    fn variant(&mut self, tag: u8, name: &str, variant: &str) {
        self.named(tag, name);
        self.block(variant.as_bytes());
    }
}

macro_rules! scalars {
    ($($method:ident $type:ty, $tag:ident;)*) => {
        $(#[inline] fn $method(self, value: $type) -> Result<(), EncodingError> { self.fixed(tag::$tag, value.to_le_bytes()) })*
    };
}

impl<'a, 'b, S: Sink> Serializer for &'b mut Encoder<'a, S> {
    type Ok = ();
    type Error = EncodingError;
    type SerializeSeq = Elements<'a, 'b, S>;
    type SerializeTuple = Elements<'a, 'b, S>;
    type SerializeTupleStruct = Elements<'a, 'b, S>;
    type SerializeTupleVariant = Elements<'a, 'b, S>;
    type SerializeMap = Entries<'a, 'b, S>;
    type SerializeStruct = Fields<'a, 'b, S>;
    type SerializeStructVariant = Fields<'a, 'b, S>;

    scalars! {
        serialize_u8 u8, U8; serialize_u16 u16, U16; serialize_u32 u32, U32; serialize_u64 u64, U64; serialize_u128 u128, U128;
        serialize_i8 i8, I8; serialize_i16 i16, I16; serialize_i32 i32, I32; serialize_i64 i64, I64; serialize_i128 i128, I128;
        serialize_f32 f32, F32; serialize_f64 f64, F64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), EncodingError> {
        self.tag(if value { tag::TRUE } else { tag::FALSE });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodingError> {
        self.fixed(tag::CHAR, u32::from(value).to_le_bytes())
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodingError> {
        self.tag(tag::STR);
        self.block(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodingError> {
        self.tag(tag::BYTES);
        self.block(value);
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), EncodingError> {
        self.tag(tag::UNIT);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodingError> {
        self.tag(tag::NONE);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodingError> {
        self.tag(tag::SOME);
        self.value(value)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), EncodingError> {
        self.named(tag::UNIT_STRUCT, name);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodingError> {
        self.named(tag::NEWTYPE_STRUCT, name);
        self.value(value)
    }

    fn serialize_unit_variant(self, name: &'static str, _: u32, variant: &'static str) -> Result<(), EncodingError> {
        self.variant(tag::UNIT_VARIANT, name, variant);
        Ok(())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodingError> {
        self.variant(tag::NEWTYPE_VARIANT, name, variant);
        self.value(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, EncodingError> {
        let sorted = std::mem::take(&mut self.unordered);
        self.tag(if sorted { tag::SET } else { tag::SEQ });
        Ok(Elements::new(self, sorted))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, EncodingError> {
        self.tag(tag::TUPLE);
        Ok(Elements::new(self, false))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, EncodingError> {
        self.named(tag::TUPLE_STRUCT, name);
        Ok(Elements::new(self, false))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodingError> {
        self.variant(tag::TUPLE_VARIANT, name, variant);
        Ok(Elements::new(self, false))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, EncodingError> {
        let sorted = std::mem::take(&mut self.unordered);
        self.tag(tag::MAP);
        Ok(Entries::new(self, sorted))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeStruct, EncodingError> {
        self.named(tag::STRUCT, name);
        Ok(Fields { encoder: self })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodingError> {
        self.variant(tag::STRUCT_VARIANT, name, variant);
        Ok(Fields { encoder: self })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
