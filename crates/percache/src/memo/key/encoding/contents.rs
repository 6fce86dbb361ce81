//! Reads what is inside of containers: elements, entries, fields and variants.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::decoder::{Decoder, wrong};
use super::{EncodingError, tag};

/// The elements of a sequence or a tuple.
pub struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    /// What is left of a run of `u8`.
    run: &'de [u8],
    ended: bool,
}

impl<'a, 'de> Elements<'a, 'de> {
    /// Positioned at the first element.
    pub fn new(decoder: &'a mut Decoder<'de>) -> Result<Elements<'a, 'de>, EncodingError> {
        let mut elements = Elements { decoder, run: &[], ended: false };
        elements.load()?;
        Ok(elements)
    }

    /// Looks at what comes next, when no run is left.
    #[inline]
    fn load(&mut self) -> Result<(), EncodingError> {
        match self.decoder.rest.first() {
            Some(&tag::END) if !self.ended => {
                self.ended = true;
                self.decoder.rest = &self.decoder.rest[1..];
            }
            Some(&tag::RUN) if !self.ended => {
                self.decoder.rest = &self.decoder.rest[1..];
                self.run = self.decoder.block()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The run of bytes that is all there is, if that is how it is. Nothing is left to read then.
    pub fn only_run(&mut self) -> Option<&'de [u8]> {
        let is_all = !self.run.is_empty() && self.decoder.rest.first() == Some(&tag::END);
        is_all.then(|| {
            self.decoder.rest = &self.decoder.rest[1..];
            std::mem::take(&mut self.run)
        })
    }

    /// There must be no more.
    pub fn finish(mut self) -> Result<(), EncodingError> {
        if self.run.is_empty() {
            self.load()?;
        }
        if self.ended && self.run.is_empty() { Ok(()) } else { Err(wrong("of this many elements")) }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = EncodingError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, EncodingError> {
        if let Some((byte, rest)) = self.run.split_first() {
            self.run = rest;
            return seed.deserialize((*byte).into_deserializer()).map(Some);
        }
        self.load()?;
        if !self.run.is_empty() {
            return self.next_element_seed(seed);
        }
        if self.ended { Ok(None) } else { seed.deserialize(&mut *self.decoder).map(Some) }
    }

    fn size_hint(&self) -> Option<usize> {
        (!self.run.is_empty()).then_some(self.run.len())
    }
}

/// A sequence of nothing but `u8`: what byte vectors are to serde. Apart from [`Elements`] because it must be fast.
pub struct RunOfBytes<'de>(std::slice::Iter<'de, u8>);

impl<'de> RunOfBytes<'de> {
    pub fn new(bytes: &'de [u8]) -> RunOfBytes<'de> {
        RunOfBytes(bytes.iter())
    }

    pub fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}

impl<'de> SeqAccess<'de> for &mut RunOfBytes<'de> {
    type Error = EncodingError;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, EncodingError> {
        match self.0.next() {
            Some(byte) => seed.deserialize((*byte).into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The entries of a map.
pub struct Entries<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    ended: bool,
}

impl<'a, 'de> Entries<'a, 'de> {
    pub fn new(decoder: &'a mut Decoder<'de>) -> Entries<'a, 'de> {
        Entries { decoder, ended: false }
    }

    fn at_end(&mut self) -> bool {
        if !self.ended && self.decoder.rest.first() == Some(&tag::END) {
            self.decoder.rest = &self.decoder.rest[1..];
            self.ended = true;
        }
        self.ended
    }

    /// There must be no more.
    pub fn finish(mut self) -> Result<(), EncodingError> {
        if self.at_end() { Ok(()) } else { Err(wrong("of this many entries")) }
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = EncodingError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, EncodingError> {
        if self.at_end() { Ok(None) } else { seed.deserialize(&mut *self.decoder).map(Some) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, EncodingError> {
        seed.deserialize(&mut *self.decoder)
    }
}

/// The fields of a struct.
pub struct Fields<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    ended: bool,
}

impl<'a, 'de> Fields<'a, 'de> {
    pub fn new(decoder: &'a mut Decoder<'de>) -> Fields<'a, 'de> {
        Fields { decoder, ended: false }
    }

    fn at_end(&mut self) -> Result<bool, EncodingError> {
        if !self.ended {
            match self.decoder.byte()? {
                tag::END => self.ended = true,
                tag::FIELD => {}
                _ => return Err(wrong("a struct")),
            }
        }
        Ok(self.ended)
    }

    /// There must be no more.
    pub fn finish(mut self) -> Result<(), EncodingError> {
        if self.at_end()? { Ok(()) } else { Err(wrong("of this many fields")) }
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de> {
    type Error = EncodingError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, EncodingError> {
        if self.at_end()? {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(self.decoder.text()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, EncodingError> {
        seed.deserialize(&mut *self.decoder)
    }
}

/// A variant of an enum, from its name on.
pub struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    kind: u8,
}

impl<'a, 'de> Variant<'a, 'de> {
    pub fn new(decoder: &'a mut Decoder<'de>, kind: u8) -> Variant<'a, 'de> {
        Variant { decoder, kind }
    }

    fn is(&self, kind: u8) -> Result<(), EncodingError> {
        if self.kind == kind { Ok(()) } else { Err(wrong("this kind of variant")) }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = EncodingError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), EncodingError> {
        let name = self.decoder.text()?;
        Ok((seed.deserialize(BorrowedStrDeserializer::<EncodingError>::new(name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = EncodingError;

    fn unit_variant(self) -> Result<(), EncodingError> {
        self.is(tag::UNIT_VARIANT)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, EncodingError> {
        self.is(tag::NEWTYPE_VARIANT)?;
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, EncodingError> {
        self.is(tag::TUPLE_VARIANT)?;
        self.decoder.elements(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, EncodingError> {
        self.is(tag::STRUCT_VARIANT)?;
        self.decoder.fields(visitor)
    }
}

/// A variant with content as a map of one entry, for readers that do not know the enum.
pub struct OneVariant<'a, 'de> {
    variant: Variant<'a, 'de>,
    told: bool,
}

impl<'a, 'de> OneVariant<'a, 'de> {
    pub fn new(variant: Variant<'a, 'de>) -> OneVariant<'a, 'de> {
        OneVariant { variant, told: false }
    }
}

impl<'de> MapAccess<'de> for OneVariant<'_, 'de> {
    type Error = EncodingError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, EncodingError> {
        if std::mem::replace(&mut self.told, true) {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(self.variant.decoder.text()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, EncodingError> {
        seed.deserialize(Content { decoder: &mut *self.variant.decoder, kind: self.variant.kind })
    }
}

/// What a variant contains.
struct Content<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    kind: u8,
}

impl<'de> Deserializer<'de> for Content<'_, 'de> {
    type Error = EncodingError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, EncodingError> {
        match self.kind {
            tag::TUPLE_VARIANT => self.decoder.elements(visitor),
            tag::STRUCT_VARIANT => self.decoder.fields(visitor),
            _ => self.decoder.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
