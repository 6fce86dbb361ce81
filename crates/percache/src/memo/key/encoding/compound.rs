//! Writes the containers: sequences, sets, tuples, maps and structs.

use std::any::type_name;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant,
};

use super::encoder::Encoder;
use super::{EncodingError, tag};
use crate::base::codec::Sink;

/// The elements of a sequence, a set or a tuple.
pub struct Elements<'a, 'b, S: Sink> {
    encoder: &'b mut Encoder<'a, S>,
    /// `u8` elements that were not written yet.
    run: Vec<u8>,
    /// Of a set: its encoded elements.
    set: Option<Vec<Vec<u8>>>,
}

impl<'a, 'b, S: Sink> Elements<'a, 'b, S> {
    pub fn new(encoder: &'b mut Encoder<'a, S>, sorted: bool) -> Elements<'a, 'b, S> {
        Elements { encoder, run: Vec::new(), set: sorted.then(Vec::new) }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> {
        if let Some(set) = &mut self.set {
            set.push(encoded(value)?);
            return Ok(());
        }
        // Collections hand out references to their elements. The name of a primitive type has no path: nothing else is called this.
        if type_name::<T>().trim_start_matches('&') == "u8" {
            let start = self.run.len();
            Encoder::for_result(&mut self.run).value(value)?;
            // The byte moves to the place of its tag.
            self.run.swap_remove(start);
            return Ok(());
        }
        self.end_run();
        self.encoder.value(value)
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            self.encoder.tag(tag::RUN);
            self.encoder.block(&self.run);
            self.run.clear();
        }
    }

    fn finish(mut self) -> Result<(), EncodingError> {
        self.end_run();
        if let Some(mut set) = self.set {
            set.sort_unstable();
            set.iter().for_each(|element| self.encoder.sink.raw(element));
        }
        self.encoder.tag(tag::END);
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident;)*) => {$(
        impl<S: Sink> $trait for Elements<'_, '_, S> {
            type Ok = ();
            type Error = EncodingError;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> { self.element(value) }
            fn end(self) -> Result<(), EncodingError> { self.finish() }
        }
    )*};
}
elements! {
    SerializeSeq serialize_element; SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field; SerializeTupleVariant serialize_field;
}

/// The entries of a map.
pub struct Entries<'a, 'b, S: Sink> {
    encoder: &'b mut Encoder<'a, S>,
    /// Of a hash map: its encoded entries, each key directly followed by its value.
    sorted: Option<Vec<Vec<u8>>>,
}

impl<'a, 'b, S: Sink> Entries<'a, 'b, S> {
    pub fn new(encoder: &'b mut Encoder<'a, S>, sorted: bool) -> Entries<'a, 'b, S> {
        Entries { encoder, sorted: sorted.then(Vec::new) }
    }
}

impl<S: Sink> SerializeMap for Entries<'_, '_, S> {
    type Ok = ();
    type Error = EncodingError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodingError> {
        match &mut self.sorted {
            Some(entries) => entries.push(encoded(key)?),
            None => self.encoder.value(key)?,
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodingError> {
        match self.sorted.as_mut().map(|entries| entries.last_mut()) {
            Some(Some(entry)) => Encoder::for_key(entry).value(value),
            Some(None) => Err(EncodingError("a map has a value without a key".into())),
            None => self.encoder.value(value),
        }
    }

    fn end(self) -> Result<(), EncodingError> {
        if let Some(mut entries) = self.sorted {
            entries.sort_unstable();
            entries.iter().for_each(|entry| self.encoder.sink.raw(entry));
        }
        self.encoder.tag(tag::END);
        Ok(())
    }
}

/// The fields of a struct, each with its name.
pub struct Fields<'a, 'b, S: Sink> {
    pub(super) encoder: &'b mut Encoder<'a, S>,
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl<S: Sink> $trait for Fields<'_, '_, S> {
            type Ok = ();
            type Error = EncodingError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodingError> {
                self.encoder.tag(tag::FIELD);
                self.encoder.block(name.as_bytes());
                self.encoder.value(value)
            }
            fn end(self) -> Result<(), EncodingError> {
                self.encoder.tag(tag::END);
                Ok(())
            }
        }
    )*};
}
fields! { SerializeStruct SerializeStructVariant }

fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    Encoder::for_key(&mut bytes).value(value)?;
    Ok(bytes)
}
