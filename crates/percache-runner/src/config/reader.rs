//! Typed access to TOML tables that reports wrong types and unknown keys instead of stopping at the first.
//!
//! Knows nothing of what the keys mean.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{At, Mistake, Place, Report};
use crate::syntax::suggest::did_you_mean;

/// The entries of one table, taken one by one. What is left at the end is unknown.
pub(super) struct Fields<'r, 'i> {
    pub report: &'r mut Report,
    pub file: usize,
    /// The table as a message names it: `[task.app]`.
    what: String,
    table: DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'r, 'i> Fields<'r, 'i> {
    pub fn new(report: &'r mut Report, file: usize, what: impl Into<String>, table: DeTable<'i>) -> Self {
        Fields { report, file, what: what.into(), table, known: Vec::new() }
    }

    /// The value of `key`, if present.
    pub fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.remove(key)
    }

    pub fn string(&mut self, key: &'static str) -> Option<At<String>> {
        let value = self.take(key)?;
        self.expect_string(key, value)
    }

    /// A string, or an integer as its text: `90` and `"90"` are the same age.
    pub fn string_or_integer(&mut self, key: &'static str) -> Option<At<String>> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Integer(number) => Some(At { value: number.to_string(), span: value.span() }),
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

    /// A string or an array of strings.
    pub fn one_or_more(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(vec![At { value: text.into_owned(), span }]),
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
            DeValue::Boolean(value) => Some(At { value, span }),
            other => {
                self.wrong_type(key, span, "`true` or `false`", &other);
                None
            }
        }
    }

    /// An integer from `least` to what 32 bits hold.
    pub fn count(&mut self, key: &'static str, least: u32) -> Option<At<u32>> {
        let value = self.take(key)?;
        expect_count(self.report, self.file, key, value, least)
    }

    /// A number from 0 to 1.
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

    /// The entries of a table, in the order in which they stand in the file.
    pub fn table(&mut self, key: &'static str) -> Option<Vec<(At<String>, Spanned<DeValue<'i>>)>> {
        let value = self.take(key)?;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(entries(table)),
            other => {
                self.wrong_type(key, span, "a table", &other);
                None
            }
        }
    }

    /// A table of strings.
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
            DeValue::String(text) => Some(At { value: text.into_owned(), span }),
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

    /// The keys that stand in the table, each with its place.
    pub fn keys(&self) -> Vec<At<String>> {
        let keys = self.table.keys().map(|key| At { value: key.get_ref().to_string(), span: key.span() });
        keys.collect()
    }

    pub fn place(&self, span: &Range<usize>) -> Place {
        Place { file: self.file, span: span.clone() }
    }

    pub fn wrong_type(&mut self, key: &str, span: Range<usize>, wanted: &str, found: &DeValue<'_>) -> Mistake<'_> {
        wrong_type(self.report, self.file, key, span, wanted, found)
    }

    fn text(&self, span: &Range<usize>) -> String {
        self.report.text(&self.place(span)).to_owned()
    }

    /// Reports every key that nobody asked for.
    pub fn finish(mut self) {
        self.known.sort_unstable();
        for (key, _) in entries(self.table) {
            let hint = did_you_mean(&key.value, self.known.iter().copied());
            let hint = hint.unwrap_or_else(|| format!("its keys are {}", listed(&self.known)));
            let at = Place { file: self.file, span: key.span };
            let title = format!("unknown key `{}` in {}", key.value, self.what);
            self.report.error(title, at, "no such key").hint(hint);
        }
    }
}

/// The entries of a table, in the order in which they stand in the file.
pub(super) fn entries<'i>(table: DeTable<'i>) -> Vec<(At<String>, Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| (At { span: key.span(), value: key.into_inner().into_owned() }, value))
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

/// An integer of at least `least`.
pub(super) fn expect_count(
    report: &mut Report,
    file: usize,
    key: &str,
    value: Spanned<DeValue<'_>>,
    least: u32,
) -> Option<At<u32>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Integer(number) => match u32::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if value >= least => Some(At { value, span }),
            _ => {
                let label = format!("must be an integer from {least} to {}", u32::MAX);
                report.error(format!("`{key}` is out of range"), Place { file, span }, label);
                None
            }
        },
        other => {
            wrong_type(report, file, key, span, "an integer", &other);
            None
        }
    }
}

pub(super) fn wrong_type<'r>(
    report: &'r mut Report,
    file: usize,
    key: &str,
    span: Range<usize>,
    wanted: &str,
    found: &DeValue<'_>,
) -> Mistake<'r> {
    let label = format!("expected {wanted}, found {}", kind(found));
    report.error(format!("`{key}` has the wrong type"), Place { file, span }, label)
}

/// What a value is, with its article.
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

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}
