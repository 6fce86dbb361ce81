//! Patterns in a file: what was written, and what is made of it anew when it is read.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Pattern, parse};
use crate::model::path::RelPath;

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    negated: bool,
    index: usize,
    directory: bool,
    prefix: RelPath,
    rest: &'a str,
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Pattern { negated, index, directory, prefix, rest_text, .. } = self;
        Kept { negated: *negated, index: *index, directory: *directory, prefix: prefix.clone(), rest: rest_text }
            .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pattern, D::Error> {
        let Kept { negated, index, directory, prefix, rest } = Kept::deserialize(from)?;
        let parsed = parse::parse_rest(rest).map_err(D::Error::custom)?;
        Ok(Pattern { negated, index, directory, prefix, rest: parsed, rest_text: rest.to_owned() })
    }
}
