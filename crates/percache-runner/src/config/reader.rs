//! Typed access to TOML tables that reports all wrong types and unknown keys instead of stopping at the first.
//!
//! Knows nothing of what the keys mean.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Table;
use super::report::{At, Mistake, Place, Report};
use crate::syntax::suggest::did_you_mean;

/// The entries of one table, taken one by one. Those left at the end are unknown.
pub(super) struct Fields<'r, 'i> {
    pub report: &'r mut Report,
    pub file: usize,
    /// The name of the table in messages: `[task.app]`.
    what: String,
    table: DeTable<'i>,
    taken: Vec<At<&'static str>>,
}

/// The keys that a table has.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// Those that mean something, each with its place.
    pub known: Vec<At<&'static str>>,
    /// Those that were reported.
    pub unknown: Vec<String>,
}

impl Written {
    /// Returns the place of a key.
    pub fn place(&self, key: &str) -> Option<&Place> {
        self.known.iter().find(|at| at.value == key).map(|at| &at.at)
    }
}

impl<'r, 'i> Fields<'r, 'i> {
    pub fn new(report: &'r mut Report, file: usize, what: impl Into<String>, table: DeTable<'i>) -> Self {
        Fields { report, file, what: what.into(), table, taken: Vec::new() }
    }

    /// Takes the value of `key`, if present.
    pub fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        let (written, value) = self.table.remove_entry(key)?;
        self.taken.push(At { value: key, at: self.place(&written.span()) });
        Some(value)
    }

    /// Returns the place of a key that was taken.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        self.taken.iter().find(|taken| taken.value == key).map(|taken| taken.at.clone())
    }

    /// Returns whether the value of `key` is an array.
    pub fn is_list(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Array(_)))
    }

    pub fn string(&mut self, key: &'static str) -> Option<At<String>> {
        let value = self.take(key)?;
        self.expect_string(key, value)
    }

    /// Takes a string, or an integer as its text: `90` and `"90"` are the same age.
    pub fn string_or_integer(&mut self, key: &'static str) -> Option<At<String>> {
        let value = self.take(key)?;
        self.expect_string_or_integer(key, value)
    }

    /// Returns a string, or an integer as its text. Reports anything else.
    pub fn expect_string_or_integer(&mut self, key: &str, value: Spanned<DeValue<'i>>) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::Integer(number) => Some(At { value: number.to_string(), at: self.place(&value.span()) }),
            _ => self.expect_string(key, value),
        }
    }

    pub fn strings(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(items) => Some(items.into_iter().filter_map(|item| self.expect_string(key, item)).collect()),
            other => {
                let hint = other.as_str().map(|_| format!("write `{key} = [{}]`", self.text(&span)));
                self.wrong_type(key, span, "an array of strings", &other).hint(hint);
                None
            }
        }
    }

    /// Takes a string or an array of strings.
    pub fn one_or_more(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(vec![At { value: text.into_owned(), at: self.place(&span) }]),
            DeValue::Array(items) => Some(items.into_iter().filter_map(|item| self.expect_string(key, item)).collect()),
            other => {
                self.wrong_type(key, span, "a string or an array of strings", &other);
                None
            }
        }
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<At<bool>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Boolean(value) => Some(At { value, at: self.place(&span) }),
            other => {
                self.wrong_type(key, span, "`true` or `false`", &other);
                None
            }
        }
    }

    /// Takes an integer from `least` to the largest of 32 bits.
    pub fn count(&mut self, key: &'static str, least: u32) -> Option<At<u32>> {
        let value = self.take(key)?;
        self.expect_count(key, value, least)
    }

    /// Returns an integer of at least `least`. Reports anything else.
    pub fn expect_count(&mut self, key: &str, value: Spanned<DeValue<'_>>, least: u32) -> Option<At<u32>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Integer(number) => match u32::from_str_radix(number.as_str(), number.radix()) {
                Ok(value) if value >= least => Some(At { value, at: self.place(&span) }),
                _ => {
                    let label = format!("must be an integer from {least} to {}", u32::MAX);
                    self.error(format!("`{key}` is out of range"), &span, label);
                    None
                }
            },
            other => {
                self.wrong_type(key, span, "an integer", &other);
                None
            }
        }
    }

    /// Takes a number from 0 to 1.
    pub fn fraction(&mut self, key: &'static str) -> Option<f64> {
        let value = self.take(key)?;
        let span = value.span();
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64),
            other => {
                self.wrong_type(key, span, "a number", other);
                return None;
            }
        };
        let fraction = number.filter(|number| (0.0..=1.0).contains(number));
        if fraction.is_none() {
            self.error(format!("`{key}` is not a fraction"), &span, "must be a number from 0 to 1")
                .hint("`0.01` is one in a hundred, `1` is all".to_owned());
        }
        fraction
    }

    /// Takes the entries of a table, in the order of the file.
    pub fn table(&mut self, key: &'static str) -> Option<Vec<(At<String>, Spanned<DeValue<'i>>)>> {
        let table = self.bare_table(key)?;
        Some(entries(self.file, table))
    }

    /// Takes a table.
    pub fn bare_table(&mut self, key: &'static str) -> Option<DeTable<'i>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(table),
            other => {
                self.wrong_type(key, span, "a table", &other);
                None
            }
        }
    }

    /// Takes a table of strings.
    pub fn string_table(&mut self, key: &'static str) -> Option<Vec<(At<String>, At<String>)>> {
        let entries = self.table(key)?;
        let strings = entries.into_iter().filter_map(|(name, value)| {
            let what = format!("{key}.{}", name.value);
            Some((name, self.expect_string(&what, value)?))
        });
        Some(strings.collect())
    }

    pub fn expect_string(&mut self, key: &str, value: Spanned<DeValue<'i>>) -> Option<At<String>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(At { value: text.into_owned(), at: self.place(&span) }),
            other => {
                let scalar = !matches!(other, DeValue::Array(_) | DeValue::Table(_));
                let hint = scalar.then(|| format!("write `\"{}\"`", self.text(&span)));
                self.wrong_type(key, span, "a string", &other).hint(hint);
                None
            }
        }
    }

    /// Reports a mistake at a place in this file.
    pub fn error(&mut self, title: impl Into<String>, span: &Range<usize>, label: impl Into<String>) -> Mistake<'_> {
        let at = self.place(span);
        self.report.error(title, at, label)
    }

    pub fn place(&self, span: &Range<usize>) -> Place {
        Place { file: self.file, span: span.clone() }
    }

    pub fn wrong_type(&mut self, key: &str, span: Range<usize>, wanted: &str, found: &DeValue<'_>) -> Mistake<'_> {
        let label = format!("expected {wanted}, found {}", kind(found));
        self.error(format!("`{key}` has the wrong type"), &span, label)
    }

    pub fn text(&self, span: &Range<usize>) -> String {
        self.report.text(&self.place(span)).to_owned()
    }

    /// Reports every key that is not in `table`. Returns the keys that the table has.
    pub fn finish(self, table: &Table) -> Written {
        let mut unknown = Vec::new();
        for (key, _) in entries(self.file, self.table) {
            let hint = did_you_mean(&key.value, table.names()).unwrap_or_else(|| listed(table));
            let title = format!("unknown key `{}` in {}", key.value, self.what);
            self.report.error(title, key.at, "no such key").hint(hint);
            unknown.push(key.value);
        }
        Written { known: self.taken, unknown }
    }
}

/// Returns the entries of a table, in the order of the file.
pub(super) fn entries<'i>(file: usize, table: DeTable<'i>) -> Vec<(At<String>, Spanned<DeValue<'i>>)> {
    let at = |key: &Spanned<_>| Place { file, span: key.span() };
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| (At { at: at(&key), value: key.into_inner().into_owned() }, value))
        .collect();
    entries.sort_by_key(|(key, _)| key.at.span.start);
    entries
}

/// Returns the name of a value's type, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the hint that lists the keys of a table.
fn listed(table: &Table) -> String {
    let mut names: Vec<&str> = table.names().collect();
    names.sort_unstable();
    let names: Vec<String> = names.iter().map(|key| format!("`{key}`")).collect();
    format!("its keys are {}", names.join(", "))
}
