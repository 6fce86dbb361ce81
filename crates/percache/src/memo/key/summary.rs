//! The text that tells people which call a result belongs to: the arguments as Rust would write them, cut off after [`LONGEST`] bytes.
//!
//! It is made by serde, like the key: so it shows what counts and nothing that is skipped, and needs no `Debug`. Control characters
//! and the like are escaped. Formatting ends where the text is full, however large the arguments are.

use std::fmt::{self, Display, Write};

use serde::Serialize;
use serde::ser::{self, Serializer};

/// The text of a summary is never longer.
pub const LONGEST: usize = 200;
const CUT: &str = "…";
/// Room that most summaries do with.
const USUAL: usize = 64;

/// Returns the summary of these arguments.
pub fn summary<A: Serialize + ?Sized>(arguments: &A) -> String {
    let mut text = Text(String::with_capacity(USUAL));
    // What fails is full, or cannot be serialised: what there is of it is shown.
    if arguments.serialize(&mut text).is_err() {
        text.0.push_str(CUT);
    }
    text.0
}

/// The text so far, which has room for the sign that something is missing.
struct Text(String);

/// Nothing more is written.
#[derive(Debug)]
struct Ended;

impl Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the summary ends here")
    }
}

impl std::error::Error for Ended {}

impl ser::Error for Ended {
    fn custom<T: Display>(_: T) -> Ended {
        Ended
    }
}

impl From<fmt::Error> for Ended {
    fn from(_: fmt::Error) -> Ended {
        Ended
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() + CUT.len() <= LONGEST {
            self.0.push_str(text);
            return Ok(());
        }
        text.chars().try_for_each(|char| self.write_char(char))
    }

    fn write_char(&mut self, char: char) -> fmt::Result {
        if self.0.len() + char.len_utf8() + CUT.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push(char);
        Ok(())
    }
}

impl Text {
    /// Begins something with parts; `end` closes it.
    fn parts(&mut self, begin: &str, end: &'static str) -> Result<Parts<'_>, Ended> {
        self.write_str(begin)?;
        Ok(Parts { text: self, end, first: true })
    }
}

/// A list, a tuple, a map or a structure that is being written.
struct Parts<'a> {
    text: &'a mut Text,
    end: &'static str,
    first: bool,
}

impl Parts<'_> {
    fn next(&mut self) -> fmt::Result {
        let first = std::mem::replace(&mut self.first, false);
        if first { Ok(()) } else { self.text.write_str(", ") }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Ended> {
        self.next()?;
        value.serialize(&mut *self.text)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Ended> {
        self.next()?;
        write!(self.text, "{name}: ")?;
        value.serialize(&mut *self.text)
    }

    fn close(self) -> Result<(), Ended> {
        Ok(self.text.write_str(self.end)?)
    }
}

/// Methods of a serializer that write a value the way `Debug` does.
macro_rules! as_debug {
    ($($method:ident $kind:ty),* $(,)?) => {
        $(fn $method(self, value: $kind) -> Result<(), Ended> { Ok(write!(self, "{value:?}")?) })*
    };
}

impl<'a> Serializer for &'a mut Text {
    type Ok = ();
    type Error = Ended;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    as_debug! {
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128,
        serialize_f32 f32, serialize_f64 f64, serialize_char char, serialize_str &str,
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Ended> {
        Ok(write!(self, "b\"{}\"", value.escape_ascii())?)
    }

    fn serialize_none(self) -> Result<(), Ended> {
        Ok(self.write_str("None")?)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Ended> {
        self.serialize_newtype_struct("Some", value)
    }

    fn serialize_unit(self) -> Result<(), Ended> {
        Ok(self.write_str("()")?)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Ended> {
        Ok(self.write_str(name)?)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Ended> {
        Ok(self.write_str(variant)?)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Ended> {
        write!(self, "{name}(")?;
        value.serialize(&mut *self)?;
        Ok(self.write_char(')')?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Ended> {
        self.serialize_newtype_struct(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Ended> {
        self.parts("[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Ended> {
        self.parts("(", ")")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Ended> {
        self.write_str(name)?;
        self.parts("(", ")")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Parts<'a>, Ended> {
        self.serialize_tuple_struct(variant, length)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Ended> {
        self.parts("{", "}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Ended> {
        self.write_str(name)?;
        self.parts(" { ", " }")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Parts<'a>, Ended> {
        self.serialize_struct(variant, length)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Ended> {
        // Not through a string of its own: that could be long.
        self.write_char('"')?;
        write!(Escaped(self), "{value}")?;
        Ok(self.write_char('"')?)
    }
}

/// Escapes what is written to it as `Debug` does.
struct Escaped<'a>(&'a mut Text);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().flat_map(char::escape_debug).try_for_each(|char| self.0.write_char(char))
    }
}

/// The traits by which serde hands over the parts of a value, one at a time.
macro_rules! parts {
    ($($kind:ident $method:ident),*) => {
        $(impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = Ended;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Ended> {
                self.element(value)
            }

            fn end(self) -> Result<(), Ended> {
                self.close()
            }
        })*
    };
}

macro_rules! fields {
    ($($kind:ident),*) => {
        $(impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = Ended;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Ended> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Ended> {
                self.close()
            }
        })*
    };
}

parts! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
}

fields! { SerializeStruct, SerializeStructVariant }

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Ended;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Ended> {
        self.element(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Ended> {
        self.text.write_str(": ")?;
        value.serialize(&mut *self.text)
    }

    fn end(self) -> Result<(), Ended> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Empty,
        Circle(f64),
        Box { width: u8, height: u8 },
    }

    #[test]
    fn arguments_read_as_rust_would_write_them() {
        assert_eq!(summary(&(1u8, "a", -2.5f64, 'x', true, ())), r#"(1, "a", -2.5, 'x', true, ())"#);
        assert_eq!(summary(&(Some(1), None::<u8>, [1, 2], vec!["x"])), r#"(Some(1), None, (1, 2), ["x"])"#);
        let shapes = [Shape::Empty, Shape::Circle(1.0), Shape::Box { width: 1, height: 2 }];
        assert_eq!(summary(&shapes.as_slice()), "[Empty, Circle(1.0), Box { width: 1, height: 2 }]");
        assert_eq!(summary(&BTreeMap::from([("a", 1), ("b", 2)])), r#"{"a": 1, "b": 2}"#);
        assert_eq!(summary(&std::net::Ipv4Addr::LOCALHOST), r#""127.0.0.1""#);
    }

    #[test]
    fn control_characters_are_escaped() {
        let text = summary(&("\x1b[31m\n\u{202e}\0", "\u{7f}", '\r'));
        assert_eq!(text, r#"("\u{1b}[31m\n\u{202e}\0", "\u{7f}", '\r')"#);
    }

    #[test]
    fn long_arguments_are_cut() {
        for text in [summary(&"é".repeat(1_000_000)), summary(&vec![7; 1_000_000]), summary(&vec![vec![(); 9]; 99])] {
            assert!(text.len() <= LONGEST && text.len() > LONGEST - 12 && text.ends_with(CUT), "{text}");
        }
    }
}
