//! Parts of files with structured data: `params.yaml#train`, `package.json#/dependencies`.
//!
//! What is read is a tree in which spacing, comments and the order of keys have no place, so that equal data have one
//! canonical text. Numbers and dates are kept as they are written, because different programs read them differently.
//! Knows no file and no task.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `canonical` | The one text of a tree, and how two of them differ |
//! | `json`, `toml`, `yaml` | From the text of a file to a tree |
//! | `path` | Which part of a tree a key names |

mod canonical;
mod json;
mod path;
mod toml;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

pub use canonical::differences;
pub use path::{KeyPath, split};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, a date, or whatever else a program may not take for text, as it is written.
    Plain(String),
    /// A text.
    Text(String),
    /// Several values in order.
    List(Vec<Data>),
    /// Values by their keys.
    Table(BTreeMap<String, Data>),
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON, with comments and commas at the end as in tsconfig.json.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl Format {
    /// Returns the format of a file by its name.
    pub fn of(name: &str) -> Option<Format> {
        match name.rsplit_once('.')?.1 {
            "json" | "jsonc" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Toml => "TOML",
            Format::Yaml => "YAML",
        }
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// Returns what is wrong, with its place.
    pub fn parse(self, text: &str) -> Result<Data, Malformed> {
        match self {
            Format::Json => json::parse(text),
            Format::Toml => toml::parse(text),
            Format::Yaml => yaml::parse(text),
        }
    }
}

impl Data {
    /// Returns the value of a key, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Data> {
        match self {
            Data::Table(entries) => entries.get(key),
            _ => None,
        }
    }

    /// Returns the value behind several keys.
    pub fn at(&self, keys: &[&str]) -> Option<&Data> {
        keys.iter().try_fold(self, |data, key| data.get(key))
    }

    /// Returns the text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items; none if this is no list.
    pub fn items(&self) -> &[Data] {
        match self {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// Yields the entries; none if this is no table.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Data)> {
        let entries = match self {
            Data::Table(entries) => Some(entries),
            _ => None,
        };
        entries.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// Yields the texts of a list.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.items().iter().filter_map(Data::text)
    }
}

/// The deepest nesting that is read: destroying a deeper tree could exhaust the stack.
const DEEPEST: usize = 200;

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The bytes of the text that are wrong; never outside of it.
    pub span: Range<usize>,
    /// The line where they begin, from 1.
    pub line: usize,
    /// What is wrong with them.
    pub problem: String,
}

impl Malformed {
    fn new(text: &str, span: Range<usize>, problem: impl Into<String>) -> Malformed {
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (boundary(span.start), boundary(span.end));
        let line = text[..start].matches('\n').count() + 1;
        Malformed { span: start..end.max(start), line, problem: problem.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

#[cfg(test)]
mod tests;
