//! The key `matrix`: axes and their values.

use serde_json::{Value, json};
use toml::Spanned;
use toml::de::DeValue;

use super::table::Traits;
use super::types::TaskType;
use crate::config::placeholder::{RESERVED, is_word};
use crate::config::reader::Fields;
use crate::config::report::At;

/// The type of the key.
pub(in crate::config) struct Matrix;

/// One axis.
#[derive(Clone, Debug)]
pub(in crate::config) struct Axis {
    pub name: At<String>,
    pub values: Vec<At<String>>,
}

impl TaskType for Matrix {
    /// Sorted by name.
    type Of<T> = Vec<Axis>;

    fn read(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Vec<Axis>> {
        let axes = fields.table(key)?;
        let mut read: Vec<Axis> = axes.into_iter().filter_map(|(name, value)| read_axis(fields, name, value)).collect();
        read.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        Some(read)
    }

    fn schema() -> Value {
        let values = json!({
            "type": "array", "items": { "type": ["string", "number", "boolean"] }, "minItems": 1, "uniqueItems": true
        });
        let axis = format!("^(?!({})$)[A-Za-z_][A-Za-z0-9_-]*$", RESERVED.join("|"));
        json!({ "type": "object", "additionalProperties": false, "patternProperties": { axis: values } })
    }

    fn map<T, U>(value: Vec<Axis>, _: Traits, _: &mut impl FnMut(Traits, T) -> U) -> Vec<Axis> {
        value
    }

    fn merge<T>(under: &mut Vec<Axis>, over: Vec<Axis>) {
        under.retain(|axis| !over.iter().any(|other| other.name.value == axis.name.value));
        under.extend(over);
        under.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    }
}

fn read_axis(fields: &mut Fields<'_, '_>, name: At<String>, value: Spanned<DeValue<'_>>) -> Option<Axis> {
    if !is_word(&name.value) {
        let hint = "use letters, digits, `_` and `-`, not beginning with a digit or `-`".to_owned();
        let title = format!("`{}` cannot be an axis", name.value);
        fields.error(title, &name.at.span, "could not stand between braces").hint(hint);
    }
    if RESERVED.contains(&name.value.as_str()) {
        let title = format!("`{}` cannot be an axis", name.value);
        let hint = format!("name it differently, for example `a_{}`", name.value);
        fields.error(title, &name.at.span, format!("`{{{}}}` already has a meaning", name.value)).hint(hint);
    }
    let what = format!("matrix.{}", name.value);
    let span = value.span();
    let items = match value.into_inner() {
        DeValue::Array(items) => items,
        other => {
            fields.wrong_type(&what, span, "an array", &other);
            return None;
        }
    };
    if items.is_empty() {
        let hint = "give it at least one value".to_owned();
        fields.error(format!("axis `{}` has no values", name.value), &span, "makes no task at all").hint(hint);
    }
    let mut values: Vec<At<String>> = Vec::with_capacity(items.len());
    for item in items {
        let Some(value) = axis_value(fields, &what, item) else { continue };
        if let Some(first) = values.iter().find(|first| first.value == value.value) {
            let first = first.at.clone();
            let title = format!("axis `{}` has the value `{}` twice", name.value, value.value);
            let hint = "leave one of them out".to_owned();
            fields.error(title, &value.at.span, "stands here again").also(&first, "first stated here").hint(hint);
        } else {
            values.push(value);
        }
    }
    Some(Axis { name, values })
}

/// Returns the text of one value of an axis: numbers and booleans as they are written.
fn axis_value(fields: &mut Fields<'_, '_>, what: &str, item: Spanned<DeValue<'_>>) -> Option<At<String>> {
    let span = item.span();
    let value = match item.into_inner() {
        DeValue::String(text) => text.into_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        other => {
            fields.wrong_type(what, span, "a string, a number or a boolean", &other);
            return None;
        }
    };
    if value.is_empty() || value.chars().any(char::is_control) {
        let hint = "it becomes part of the task's name: write a text of one line".to_owned();
        fields.error("this cannot be the value of an axis", &span, "is empty or has control characters").hint(hint);
        return None;
    }
    Some(At { value, at: fields.place(&span) })
}
