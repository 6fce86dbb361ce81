//! Names of parts: `train.lr`, `tool."my.tool".x` or, as a JSON pointer (RFC 6901), `/dependencies/left-pad`.

use super::{Data, Format};
use crate::syntax::suggest::nearest;

/// Which part of a tree is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPath {
    steps: Vec<String>,
}

/// Splits `FILE#KEY`, if the file is of a known format. A `#` behind a backslash belongs to the name.
pub fn split(written: &str) -> Option<(&str, &str, Format)> {
    written.match_indices('#').find_map(|(at, _)| {
        let file = &written[..at];
        let format = Format::of(file).filter(|_| !file.ends_with('\\'))?;
        Some((file, &written[at + 1..], format))
    })
}

impl KeyPath {
    /// Parses the name of a part.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub fn parse(text: &str) -> Result<KeyPath, &'static str> {
        let steps = if let Some(pointer) = text.strip_prefix('/') {
            pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
        } else {
            dotted(text)?
        };
        Ok(KeyPath { steps })
    }

    /// Returns the part that is meant, if the tree has it. A number is a position in a list.
    pub fn select<'d>(&self, data: &'d Data) -> Option<&'d Data> {
        self.steps.iter().try_fold(data, step)
    }

    /// Returns the first key that the tree does not have, and the one that was probably meant.
    pub fn missing<'p, 'd>(&'p self, data: &'d Data) -> Option<(&'p str, Option<&'d str>)> {
        let mut data = data;
        for name in &self.steps {
            match step(data, name) {
                Some(inner) => data = inner,
                None => {
                    let Data::Table(entries) = data else { return Some((name, None)) };
                    return Some((name, nearest(name, entries.keys().map(String::as_str))));
                }
            }
        }
        None
    }
}

fn step<'d>(data: &'d Data, name: &String) -> Option<&'d Data> {
    match data {
        Data::Table(entries) => entries.get(name),
        Data::List(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Splits at dots, except in double quotes.
fn dotted(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut steps, mut rest) = (Vec::new(), text);
    loop {
        let (step, behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').ok_or("a quote is not closed")?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if step.is_empty() {
            return Err("a key is empty");
        }
        steps.push(step.to_owned());
        match behind.strip_prefix('.') {
            Some(behind) => rest = behind,
            None if behind.is_empty() => return Ok(steps),
            None => return Err("a dot is missing behind a quote"),
        }
    }
}
