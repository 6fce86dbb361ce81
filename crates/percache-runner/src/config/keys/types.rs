//! The types of keys: how a value is read, and how editors are told about it.
//!
//! Knows no key.

use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::table::{Table, Traits};
use crate::config::members::Member;
use crate::config::reader::Fields;
use crate::config::report::{At, Report};
use crate::model::{Ecosystem, Jobserver};
use crate::syntax::suggest::did_you_mean;
use crate::syntax::units;

/// The type of a key.
pub(in crate::config) trait Type {
    /// What is read.
    type Value: std::fmt::Debug;

    /// Takes the value of `key`, if present. Reports mistakes.
    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value>;

    /// Returns the schema of a value, without its description.
    fn schema() -> Value;
}

/// The type of a key of a task, whose texts may have placeholders.
pub(in crate::config) trait TaskType {
    /// What is read, with texts in the form of `T`.
    type Of<T>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Of<At<String>>>;

    fn schema() -> Value;

    /// Replaces every text of a value.
    fn map<T, U>(value: Self::Of<T>, traits: Traits, to: &mut impl FnMut(Traits, T) -> U) -> Self::Of<U>;

    /// Lays a value over another. Most types replace it.
    fn merge<T>(under: &mut Self::Of<T>, over: Self::Of<T>) {
        *under = over;
    }
}

/// A struct with a field for each key of a table.
pub(in crate::config) trait Section {
    /// Returns the keys.
    fn table() -> &'static Table;

    /// Takes the keys.
    fn read(fields: &mut Fields<'_, '_>) -> Self;
}

impl<K: TaskType> Type for K
where
    K::Of<At<String>>: std::fmt::Debug,
{
    type Value = K::Of<At<String>>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Self::Value> {
        K::read(fields, key)
    }

    fn schema() -> Value {
        K::schema()
    }
}

/// Defines types of one text.
macro_rules! texts {
    ($($(#[$about:meta])* $name:ident: $read:ident, $schema:tt;)*) => {$(
        $(#[$about])*
        pub(in crate::config) struct $name;

        impl TaskType for $name {
            type Of<T> = T;

            fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<String>> {
                fields.$read(key)
            }

            fn schema() -> Value {
                json!($schema)
            }

            fn map<T, U>(value: T, traits: Traits, to: &mut impl FnMut(Traits, T) -> U) -> U {
                to(traits, value)
            }
        }
    )*};
}

texts! {
    /// A string.
    Text: string, { "type": "string" };
    /// A path, which is never empty.
    Path: string, { "type": "string", "minLength": 1 };
    /// A time as `90s` or a number of seconds. It is parsed once placeholders are filled in.
    Age: string_or_integer, { "type": ["string", "integer"], "pattern": r"^([0-9]+[smhdw]?|.*\{.*\}.*)$", "minimum": 0 };
}

/// Defines types of several texts.
macro_rules! lists {
    ($($(#[$about:meta])* $name:ident: $read:expr, $merge:expr, $schema:tt;)*) => {$(
        $(#[$about])*
        pub(in crate::config) struct $name;

        impl TaskType for $name {
            type Of<T> = Vec<T>;

            fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<At<String>>> {
                ($read)(fields, key)
            }

            fn merge<T>(under: &mut Vec<T>, over: Vec<T>) {
                ($merge)(under, over);
            }

            fn schema() -> Value {
                json!($schema)
            }

            fn map<T, U>(value: Vec<T>, traits: Traits, to: &mut impl FnMut(Traits, T) -> U) -> Vec<U> {
                value.into_iter().map(|text| to(traits, text)).collect()
            }
        }
    )*};
}

lists! {
    /// An array of strings.
    Texts: |fields: &mut Fields<'_, '_>, key| fields.strings(key), append, { "type": "array", "items": { "type": "string" } };
    /// A string or an array of strings.
    OneOrMore: |fields: &mut Fields<'_, '_>, key| fields.one_or_more(key), append,
        { "type": ["string", "array"], "items": { "type": "string" } };
    /// A program and its arguments.
    Shell: read_shell, replace,
        { "type": "array", "items": { "type": "string" }, "minItems": 1 };
}

fn append<T>(under: &mut Vec<T>, over: Vec<T>) {
    under.extend(over);
}

fn replace<T>(under: &mut Vec<T>, over: Vec<T>) {
    *under = over;
}

/// Defines types of a value without texts.
macro_rules! plain {
    ($($(#[$about:meta])* $name:ident: $value:ty, $read:expr, $schema:tt;)*) => {$(
        $(#[$about])*
        pub(in crate::config) struct $name;

        impl TaskType for $name {
            type Of<T> = $value;

            fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<$value> {
                ($read)(fields, key)
            }

            fn schema() -> Value {
                json!($schema)
            }

            fn map<T, U>(value: $value, _: Traits, _: &mut impl FnMut(Traits, T) -> U) -> $value {
                value
            }
        }
    )*};
}

plain! {
    /// `true` or `false`.
    Flag: At<bool>, |fields: &mut Fields<'_, '_>, key| fields.boolean(key), { "type": "boolean" };
    /// An integer from 0.
    Count: u32, |fields: &mut Fields<'_, '_>, key| fields.count(key, 0).map(|count| count.value),
        { "type": "integer", "format": "uint32", "minimum": 0 };
    /// A number from 0 to 1.
    Fraction: f64, |fields: &mut Fields<'_, '_>, key| fields.fraction(key),
        { "type": "number", "minimum": 0, "maximum": 1 };
    /// The directory of the store.
    Directory: At<String>, read_directory, { "type": "string", "minLength": 1 };
    /// An age without placeholders.
    MaxAge: Duration, read_age, { "type": ["string", "integer"], "pattern": "^[0-9]+[smhdw]?$", "minimum": 0 };
    /// A number of bytes.
    MaxSize: u64, read_size, {
        "type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]{1,18})? *([kmgtKMGT][iI]?)?[bB]?$", "minimum": 0
    };
    /// The name of an ecosystem, or patterns and such names.
    Members: Vec<At<Member>>, read_members, {
        "type": ["string", "array"], "pattern": "^(npm|pnpm|yarn|bun|cargo|uv|go)$", "items": { "type": "string" }
    };
    /// The form of the jobserver, `None` if there is none.
    JobserverForm: Option<Jobserver>, read_jobserver,
        { "type": ["boolean", "string"], "enum": [false, true, "pipe", "fifo"] };
}

/// A table of strings by the names of variables. `None` stands for `false`, which takes a variable away.
pub(in crate::config) struct Variables;

impl TaskType for Variables {
    type Of<T> = Vec<(At<String>, Option<T>)>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<(At<String>, Option<At<String>>)>> {
        let mut variables = Vec::new();
        for (name, value) in fields.table(key)? {
            let what = format!("{key}.{}", name.value);
            let value = match value.get_ref() {
                DeValue::Boolean(false) => None,
                DeValue::String(_) => Some(fields.expect_string(&what, value)?),
                other => {
                    let scalar = !matches!(other, DeValue::Array(_) | DeValue::Table(_) | DeValue::Boolean(_));
                    let hint = scalar.then(|| format!("write `\"{}\"`", fields.text(&value.span())));
                    fields.wrong_type(&what, value.span(), "a string, or `false` to take it away", other).hint(hint);
                    continue;
                }
            };
            check_variable(fields.report, &name);
            variables.push((name, value));
        }
        Some(variables)
    }

    fn schema() -> Value {
        let value = json!({ "anyOf": [{ "type": "string" }, { "const": false }] });
        json!({ "type": "object", "additionalProperties": false, "patternProperties": { "^[^=]+$": value } })
    }

    fn map<T, U>(
        value: Vec<(At<String>, Option<T>)>,
        traits: Traits,
        to: &mut impl FnMut(Traits, T) -> U,
    ) -> Vec<(At<String>, Option<U>)> {
        value.into_iter().map(|(name, text)| (name, text.map(|text| to(traits, text)))).collect()
    }

    /// What takes a variable away stays behind what it takes away, so that one that takes nothing away is noticed.
    fn merge<T>(under: &mut Vec<(At<String>, Option<T>)>, over: Vec<(At<String>, Option<T>)>) {
        under.retain(|(name, value)| {
            let replaces = |other: &Option<T>| other.is_some() || value.is_none();
            !over.iter().any(|(other, new)| other.value == name.value && replaces(new))
        });
        under.extend(over);
    }
}

/// A table of amounts, by the names of pools: numbers, or sizes.
pub(in crate::config) struct Amounts;

impl TaskType for Amounts {
    type Of<T> = Vec<(At<String>, T)>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<(At<String>, At<String>)>> {
        let entries = fields.table(key)?;
        let amounts = entries.into_iter().filter_map(|(pool, value)| {
            let what = format!("{key}.{}", pool.value);
            match value.get_ref() {
                DeValue::Integer(number) => {
                    let value = At { value: number.to_string(), at: fields.place(&value.span()) };
                    Some((pool, value))
                }
                DeValue::String(_) => Some((pool, fields.expect_string(&what, value)?)),
                other => {
                    fields.wrong_type(&what, value.span(), "an integer, or a size as a string", other);
                    None
                }
            }
        });
        Some(amounts.collect())
    }

    fn schema() -> Value {
        let amount = json!({ "type": ["integer", "string"], "minimum": 1 });
        json!({ "type": "object", "additionalProperties": amount })
    }

    fn map<T, U>(
        value: Vec<(At<String>, T)>,
        traits: Traits,
        to: &mut impl FnMut(Traits, T) -> U,
    ) -> Vec<(At<String>, U)> {
        value.into_iter().map(|(pool, text)| (pool, to(traits, text))).collect()
    }

    fn merge<T>(under: &mut Vec<(At<String>, T)>, over: Vec<(At<String>, T)>) {
        under.retain(|(pool, _)| !over.iter().any(|(other, _)| other.value == pool.value));
        under.extend(over);
    }
}

/// Reports a name that the operating system does not accept for a variable.
pub(in crate::config) fn check_variable(report: &mut Report, name: &At<String>) {
    if name.value.is_empty() || name.value.contains(['=', '\0']) {
        let hint = "write the name alone; a value is set by `env = { NAME = \"value\" }`".to_owned();
        let title = format!("`{}` cannot be a variable", name.value);
        report.error(title, name.at.clone(), "is empty or has a `=`").hint(hint);
    }
}

fn read_shell(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<At<String>>> {
    let words = fields.strings(key)?;
    if words.first().is_none_or(|program| program.value.is_empty())
        && let Some(at) = fields.place_of(key)
    {
        let hint = "name a program and its arguments: `[\"bash\", \"-euo\", \"pipefail\", \"-c\"]`".to_owned();
        fields.report.error(format!("`{key}` is empty"), at, "names no program").hint(hint);
    }
    Some(words)
}

fn read_directory(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<String>> {
    let dir = fields.string(key)?;
    if dir.value.is_empty() || dir.value.contains('\0') {
        fields
            .report
            .error(format!("`{key}` is not a path"), dir.at.clone(), "must name a directory")
            .hint("leave it out for `.percache`".to_owned());
    }
    Some(dir)
}

fn read_age(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Duration> {
    let age = fields.string_or_integer(key)?;
    expect_age(fields.report, key, &age)
}

/// Parses an age. Reports a mistake.
pub(in crate::config) fn expect_age(report: &mut Report, key: &str, age: &At<String>) -> Option<Duration> {
    let parsed = units::parse_age(&age.value).ok();
    if parsed.is_none() {
        let hint = "write a whole number with s, m, h, d or w: `90s`, `30m`, `12h`, `30d`, `2w`".to_owned();
        report.error(format!("`{key}` is not an age"), age.at.clone(), "is not an age").hint(hint);
    }
    parsed
}

fn read_size(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<u64> {
    let size = fields.string_or_integer(key)?;
    let parsed = units::parse_size(&size.value).ok();
    if parsed.is_none() {
        let hint = "write a number of bytes, or one with a unit: `500MB`, `2GiB`, `1.5GiB`".to_owned();
        fields.report.error(format!("`{key}` is not a size"), size.at.clone(), "is not a size").hint(hint);
    }
    parsed
}

fn read_members(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<At<Member>>> {
    let is_list = fields.is_list(key);
    let stated = fields.one_or_more(key)?;
    let mut members = Vec::with_capacity(stated.len());
    for At { value, at } in stated {
        match Ecosystem::named(&value) {
            Some(ecosystem) if !is_list => members.push(At { value: Member::alone(ecosystem), at }),
            None if !is_list => {
                let hint = did_you_mean(&value, Ecosystem::ALL.map(Ecosystem::name));
                let hint = hint.unwrap_or_else(|| format!("directories are a list: `{key} = [\"{value}\"]`"));
                let names = Ecosystem::ALL.map(|ecosystem| format!("`{}`", ecosystem.name())).join(", ");
                let title = format!("`{value}` is not an ecosystem");
                fields.report.error(title, at, format!("must be one of {names}")).hint(hint);
            }
            _ => members.push(At { value: Member::listed(&value), at }),
        }
    }
    Some(members)
}

fn read_jobserver(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Option<Jobserver>> {
    let value = fields.take(key)?;
    let span = value.span();
    match value.get_ref() {
        DeValue::Boolean(false) => Some(None),
        DeValue::Boolean(true) => Some(Some(Jobserver::Pipe)),
        DeValue::String(text) if text == "pipe" => Some(Some(Jobserver::Pipe)),
        DeValue::String(text) if text == "fifo" => Some(Some(Jobserver::Fifo)),
        other => {
            fields.wrong_type(key, span, "`true`, `false`, `\"pipe\"` or `\"fifo\"`", other);
            None
        }
    }
}
