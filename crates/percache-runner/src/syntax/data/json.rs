//! Reads JSON, with what the configuration files of JavaScript tools add to it: comments, and commas at the end.

use jsonc_parser::ast::Value;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::{DEEPEST, Data, Malformed};

/// Returns the tree of a text.
pub(super) fn parse(whole: &str) -> Result<Data, Malformed> {
    let text = whole.strip_prefix('\u{feff}').unwrap_or(whole);
    let before = whole.len() - text.len();
    let wrong =
        |range: Range, problem: String| Malformed::new(whole, before + range.start..before + range.end, problem);
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
        wrong(error.range(), lower.unwrap_or_default())
    })?;
    let empty = || wrong(Range::new(0, 0), "it is empty".to_owned());
    let value = parsed.value.ok_or_else(empty)?;
    tree(&value, 0).map_err(|at| wrong(at, format!("it is nested more than {DEEPEST} deep")))
}

/// Returns the tree of a value; fails with the place that is nested too deep.
fn tree(value: &Value<'_>, depth: usize) -> Result<Data, Range> {
    if depth > DEEPEST {
        return Err(Range::new(value.range().start, value.range().start + 1));
    }
    Ok(match value {
        Value::NullKeyword(_) => Data::Null,
        Value::BooleanLit(literal) => Data::Bool(literal.value),
        Value::NumberLit(literal) => Data::Plain(literal.value.to_owned()),
        Value::StringLit(literal) => Data::Text(literal.value.to_string()),
        Value::Array(array) => {
            let items = array.elements.iter().map(|item| tree(item, depth + 1));
            Data::List(items.collect::<Result<_, _>>()?)
        }
        // Of a key that stands twice, programs take the last value.
        Value::Object(object) => {
            let entries = object.properties.iter();
            let entries = entries.map(|entry| Ok((entry.name.as_str().to_owned(), tree(&entry.value, depth + 1)?)));
            Data::Table(entries.collect::<Result<_, Range>>()?)
        }
    })
}
