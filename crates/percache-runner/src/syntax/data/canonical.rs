//! The canonical text of a tree: JSON without spaces, with sorted keys. What is neither text nor a JSON number stands in
//! a table of its own.

use std::collections::BTreeSet;

use super::{Data, json};

/// The key of a value that is neither text nor a JSON number.
const PLAIN: &str = "\0";

/// The most characters of a value that are shown.
const SHOWN: usize = 60;

impl Data {
    /// Returns the canonical text. Equal data have the same one, and different data never share one.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) {
        match self {
            Data::Null => to.push_str("null"),
            Data::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
            Data::Plain(text) if is_number(text) => to.push_str(text),
            Data::Plain(text) => {
                to.push('{');
                quote(PLAIN, to);
                to.push(':');
                quote(text, to);
                to.push('}');
            }
            Data::Text(text) => quote(text, to),
            Data::List(items) => {
                to.push('[');
                for (position, item) in items.iter().enumerate() {
                    to.push_str(if position > 0 { "," } else { "" });
                    item.write(to);
                }
                to.push(']');
            }
            Data::Table(entries) => {
                to.push('{');
                for (position, (key, value)) in entries.iter().enumerate() {
                    to.push_str(if position > 0 { "," } else { "" });
                    quote(key, to);
                    to.push(':');
                    value.write(to);
                }
                to.push('}');
            }
        }
    }

    /// Returns the value for people, shortened.
    fn shown(&self) -> String {
        let text = match self {
            Data::Table(entries) if entries.len() == 1 && entries.contains_key(PLAIN) => match &entries[PLAIN] {
                Data::Text(text) => text.clone(),
                other => other.canonical(),
            },
            Data::Plain(text) => text.clone(),
            other => other.canonical(),
        };
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

fn quote(text: &str, to: &mut String) {
    to.push_str(&serde_json::Value::from(text).to_string());
}

fn is_number(text: &str) -> bool {
    matches!(json::parse(text), Ok(Data::Plain(number)) if number == text)
}

/// Returns how two canonical texts differ, value by value: `train.lr: 0.1 → 0.2`. `at` names the whole.
pub fn differences(at: &str, old: &str, new: &str) -> Vec<String> {
    let (Ok(old), Ok(new)) = (json::parse(old), json::parse(new)) else { return Vec::new() };
    let mut found = Vec::new();
    compare(at, Some(&old), Some(&new), &mut found);
    found
}

fn compare(at: &str, old: Option<&Data>, new: Option<&Data>, found: &mut Vec<String>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Data::Table(old)), Some(Data::Table(new))) if !old.contains_key(PLAIN) && !new.contains_key(PLAIN) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            keys.iter().for_each(|key| compare(&below(at, key), old.get(*key), new.get(*key), found));
        }
        (Some(Data::List(old)), Some(Data::List(new))) if old.len() == new.len() => {
            let pairs = old.iter().zip(new).enumerate();
            pairs.for_each(|(position, (old, new))| {
                compare(&below(at, &position.to_string()), Some(old), Some(new), found)
            });
        }
        (Some(old), Some(new)) => found.push(format!("{at}: {} → {}", old.shown(), new.shown())),
        (None, Some(new)) => found.push(format!("{at}: new, {}", new.shown())),
        (Some(old), None) => found.push(format!("{at}: gone, was {}", old.shown())),
        (None, None) => {}
    }
}

/// Returns the name of a part of `at`, in the form that `at` has.
fn below(at: &str, key: &str) -> String {
    if at.starts_with('/') {
        return format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    }
    if key.contains(['.', '"']) { format!("{at}.\"{key}\"") } else { format!("{at}.{key}") }
}
