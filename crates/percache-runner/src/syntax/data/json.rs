//! Reads JSON, with what the configuration files of JavaScript tools add to it: comments, and commas at the end.

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::{DEEPEST, Data, line};

/// Returns the tree of a text.
pub(super) fn parse(text: &str) -> Result<Data, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &collect, &options).map_err(|error| {
        let kind = error.kind().to_string();
        let lower = kind.chars().next().map(|first| first.to_lowercase().to_string() + &kind[first.len_utf8()..]);
        format!("line {}: {}", line(text, error.range().start), lower.unwrap_or_default())
    })?;
    parsed.value.map_or_else(|| Err("line 1: it is empty".to_owned()), |value| tree(text, &value, 0))
}

fn tree(text: &str, value: &Value<'_>, depth: usize) -> Result<Data, String> {
    if depth > DEEPEST {
        return Err(format!("line {}: it is nested more than {DEEPEST} deep", line(text, value.range().start)));
    }
    Ok(match value {
        Value::NullKeyword(_) => Data::Null,
        Value::BooleanLit(literal) => Data::Bool(literal.value),
        Value::NumberLit(literal) => Data::Plain(literal.value.to_owned()),
        Value::StringLit(literal) => Data::Text(literal.value.to_string()),
        Value::Array(array) => {
            let items = array.elements.iter().map(|item| tree(text, item, depth + 1));
            Data::List(items.collect::<Result<_, _>>()?)
        }
        // Of a key that stands twice, programs take the last value.
        Value::Object(object) => {
            let entries = object.properties.iter();
            let entries =
                entries.map(|entry| Ok((entry.name.as_str().to_owned(), tree(text, &entry.value, depth + 1)?)));
            Data::Table(entries.collect::<Result<_, String>>()?)
        }
    })
}
