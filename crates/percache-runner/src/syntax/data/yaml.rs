//! Reads YAML: one document, with aliases and merge keys resolved.
//!
//! Programs disagree on which plain words are text: to some, `yes` is a boolean and `1_000` a number. Whatever any of
//! them may take for something else is kept as written, and differs from the same text in quotes.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{DEEPEST, Data, Malformed};

/// The most values that a document may stand for: a few aliases of aliases stand for billions.
const MOST: usize = 1_000_000;

/// Returns the tree of a text.
pub(super) fn parse(text: &str) -> Result<Data, Malformed> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| wrong(text, error.marker(), error.info()))?;
        builder.take(event).map_err(|problem| wrong(text, &span.start, &problem))?;
    }
    Ok(builder.root.unwrap_or(Data::Null))
}

/// Creates the error for one place; the parser counts in characters.
fn wrong(text: &str, at: &Marker, problem: &str) -> Malformed {
    let mut characters = text.char_indices().skip(at.index());
    let start = characters.next().map_or(text.len(), |(start, _)| start);
    Malformed::new(text, start..start, problem)
}

/// A list or table in the making.
struct Open {
    /// The number of its anchor, 0 if it has none.
    anchor: usize,
    tag: Option<String>,
    is_table: bool,
    /// The items; of a table, keys and values in turn.
    items: Vec<Data>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Data>,
    root: Option<Data>,
    documents: usize,
    /// The number of values so far, those of aliases included.
    count: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("it has more than one document".to_owned());
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = tagged(scalar(&text, style, tag.as_deref()), tag.as_deref().and_then(own_tag));
                self.add(value, anchor)?;
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or("an alias within its own anchor")?;
                self.count += size(&value);
                self.add(value, 0)?;
            }
            Event::SequenceStart(anchor, tag) => self.begin(anchor, tag.as_deref(), false)?,
            Event::MappingStart(anchor, tag) => self.begin(anchor, tag.as_deref(), true)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, tag, is_table, items }) = self.open.pop() {
                    let value = if is_table { table(items) } else { Data::List(items) };
                    self.add(tagged(value, tag), anchor)?;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, tag: Option<&Tag>, is_table: bool) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        self.open.push(Open { anchor, tag: tag.and_then(own_tag), is_table, items: Vec::new() });
        Ok(())
    }

    fn add(&mut self, value: Data, anchor: usize) -> Result<(), String> {
        self.count += 1;
        if self.count > MOST {
            return Err(format!("its aliases stand for more than {MOST} values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(value),
            None => self.root = Some(value),
        }
        Ok(())
    }
}

/// Returns the number of values in a tree.
fn size(value: &Data) -> usize {
    match value {
        Data::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Data::Table(entries) => 1 + entries.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// Returns a tag that only the program knows, as it is written.
fn own_tag(tag: &Tag) -> Option<String> {
    (!tag.is_yaml_core_schema()).then(|| tag.to_string())
}

/// Keeps a tag as the key of a table of its own, which no YAML can state.
fn tagged(value: Data, tag: Option<String>) -> Data {
    match tag {
        Some(tag) => Data::Table(BTreeMap::from([(format!("\0{tag}"), value)])),
        None => value,
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if core == Some("str") || (core.is_none() && style != ScalarStyle::Plain) {
        return Data::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" => Data::Bool(true),
        "false" => Data::Bool(false),
        text if core.is_some() || may_be_special(text) => Data::Plain(text.to_owned()),
        text => Data::Text(text.to_owned()),
    }
}

/// Returns whether some program takes a plain word for something else than a text.
fn may_be_special(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let number = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|char: char| char.is_ascii_digit());
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "<<", "="];
    number || words.contains(&unsigned)
}

/// Makes a table of keys and values in turn. `<<` stands for the entries of another table, or of several, that the
/// table does not have itself; of several, the first wins.
fn table(items: Vec<Data>) -> Data {
    let (mut entries, mut merged) = (BTreeMap::new(), Vec::new());
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        match key {
            Data::Plain(key) if key == "<<" => merged.push(value),
            Data::Plain(key) | Data::Text(key) => drop(entries.insert(key, value)),
            key => drop(entries.insert(key.canonical(), value)),
        }
    }
    let tables = merged.into_iter().flat_map(|value| match value {
        Data::List(items) => items,
        value => vec![value],
    });
    for table in tables {
        let Data::Table(table) = table else { continue };
        for (key, value) in table {
            entries.entry(key).or_insert(value);
        }
    }
    Data::Table(entries)
}
