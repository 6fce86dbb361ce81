//! Reads TOML.

use toml::de::{DeTable, DeValue};

use super::{Data, Malformed};

/// Returns the tree of a text.
pub(super) fn parse(text: &str) -> Result<Data, Malformed> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        Malformed::new(text, span, error.message())
    })?;
    Ok(tree(DeValue::Table(table.into_inner())))
}

/// The parser limits the depth itself.
fn tree(value: DeValue<'_>) -> Data {
    match value {
        DeValue::String(text) => Data::Text(text.into_owned()),
        DeValue::Boolean(value) => Data::Bool(value),
        DeValue::Integer(number) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            Data::Plain(decimal.map_or_else(|_| number.to_string(), |decimal| decimal.to_string()))
        }
        DeValue::Float(number) => Data::Plain(number.as_str().to_owned()),
        DeValue::Datetime(date) => Data::Plain(date.to_string()),
        DeValue::Array(items) => Data::List(items.into_iter().map(|item| tree(item.into_inner())).collect()),
        DeValue::Table(table) => {
            let entries = table.into_iter();
            Data::Table(entries.map(|(key, value)| (key.into_inner().into_owned(), tree(value.into_inner()))).collect())
        }
    }
}
