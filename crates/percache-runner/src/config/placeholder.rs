//! Placeholders: `{file}`, `{dir}`, `{name}`, `{stem}`, `{ext}` in a `foreach` task, the names of its axes in a
//! `matrix` task, and `{args}` in a command.
//!
//! Only these are placeholders. `${VAR}`, `{{word}}`, `{a,b}`, `{print $1}` and all other braces are left unchanged.
//! Does not know where a text is used or how a value is quoted there.

use super::stray::{Form, is_meant};
use crate::model::List;
use crate::syntax::suggest::distance;

/// The value that a placeholder refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    File,
    Dir,
    Name,
    Stem,
    Ext,
    Args,
    /// Paths that are known when the task is about to run.
    List(List),
    /// The position of the axis among the axes sorted by name.
    Axis(usize),
}

/// The placeholders of one task.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Whether the task has `foreach`.
    pub foreach: bool,
    /// Its axes, sorted.
    pub axes: Vec<String>,
    /// The kind of text in which `{inputs}`, `{outputs}` and `{deps}` have a value; `None` if they have none.
    pub lists: Option<Form>,
}

const LISTS: [List; 3] = [List::Inputs, List::Outputs, List::Deps];

/// A text with its placeholders located.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Slot(Slot),
}

/// A lone `{word}` that is not a placeholder but resembles one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typo {
    pub word: String,
    pub meant: String,
}

/// Words in braces that are placeholders already, and cannot be axes.
pub(super) const RESERVED: [&str; 6] = ["file", "dir", "name", "stem", "ext", "args"];

const OF_FILE: [(&str, Slot); 5] =
    [("file", Slot::File), ("dir", Slot::Dir), ("name", Slot::Name), ("stem", Slot::Stem), ("ext", Slot::Ext)];

impl Names {
    fn slot(&self, word: &str) -> Option<Slot> {
        self.all().find(|(name, _)| *name == word).map(|(_, slot)| slot)
    }

    /// Returns the placeholder that `{word}` is at a position of a text. Words for lists are left alone where some
    /// program may give them another meaning.
    fn slot_at(&self, text: &str, at: usize, word: &str) -> Option<Slot> {
        let list = || {
            let list = LISTS.into_iter().find(|list| list.name() == word)?;
            let form = self.lists.filter(|form| is_meant(*form, text, at, word))?;
            Some(Slot::List(list)).filter(|_| form != Form::Text)
        };
        self.slot(word).or_else(list)
    }

    /// Returns whether `word` is a placeholder.
    pub fn has(&self, word: &str) -> bool {
        self.slot(word).is_some()
    }

    fn all(&self) -> impl Iterator<Item = (&str, Slot)> {
        let of_file = OF_FILE.iter().copied().filter(|_| self.foreach);
        let axes = self.axes.iter().enumerate().map(|(i, axis)| (axis.as_str(), Slot::Axis(i)));
        of_file.chain(axes).chain([("args", Slot::Args)])
    }

    /// Returns the placeholder that `word` resembles. Names of one or two letters are one edit away from too many words
    /// to suggest a typo.
    fn typo(&self, word: &str) -> Option<Typo> {
        let (meant, _) = self.all().find(|(name, _)| name.len() > 2 && distance(name, word) <= 1)?;
        Some(Typo { word: word.to_owned(), meant: meant.to_owned() })
    }
}

impl Template {
    /// Finds the placeholders of `text`, and the words that were probably meant as one.
    pub fn parse(text: &str, names: &Names) -> (Template, Vec<Typo>) {
        let (mut pieces, mut typos, mut plain) = (Vec::new(), Vec::new(), 0);
        for (start, word) in lone_words(text) {
            let Some(slot) = names.slot_at(text, start, word) else {
                typos.extend(names.typo(word));
                continue;
            };
            if plain < start {
                pieces.push(Piece::Text(text[plain..start].to_owned()));
            }
            pieces.push(Piece::Slot(slot));
            plain = start + word.len() + 2;
        }
        if plain < text.len() || pieces.is_empty() {
            pieces.push(Piece::Text(text[plain..].to_owned()));
        }
        (Template(pieces), typos)
    }

    /// Makes a text without placeholders.
    pub fn plain(text: &str) -> Template {
        Template(vec![Piece::Text(text.to_owned())])
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Returns the text, if it has no placeholders.
    pub fn fixed(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub fn uses(&self, slot: Slot) -> bool {
        self.0.contains(&Piece::Slot(slot))
    }

    /// Yields the text outside placeholders.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Slot(_) => None,
        })
    }

    /// Returns the text with every placeholder replaced by its value.
    pub fn render<'v>(&self, value: impl Fn(Slot) -> std::borrow::Cow<'v, str>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Slot(slot) => text.push_str(&value(*slot)),
            }
        }
        text
    }
}

/// Returns the names of the placeholders of a `foreach` task.
pub(super) fn names_of_file() -> impl Iterator<Item = &'static str> {
    OF_FILE.iter().map(|(name, _)| *name)
}

/// Yields every `{word}` of `text`, with the position of its brace, that is neither `${word}` nor `{{word}}`.
pub(super) fn lone_words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = text.as_bytes();
    text.match_indices('{').filter_map(move |(open, _)| {
        let rest = &text[open + 1..];
        let word = &rest[..rest.find('}')?];
        let after = open + word.len() + 2;
        let before = open.checked_sub(1).map(|at| bytes[at]);
        let foreign = before == Some(b'$') || (before == Some(b'{') && bytes.get(after) == Some(&b'}'));
        (is_word(word) && !foreign).then_some((open, word))
    })
}

/// Returns whether `text` may be the name of an axis, and hence a placeholder.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { foreach: true, axes: vec!["os".to_owned(), "python".to_owned()], lists: None }
    }

    fn render(text: &str) -> String {
        let (template, _) = Template::parse(text, &names());
        template.render(|slot| format!("<{slot:?}>").into())
    }

    fn typos(text: &str) -> Vec<(String, String)> {
        Template::parse(text, &names()).1.into_iter().map(|typo| (typo.word, typo.meant)).collect()
    }

    #[test]
    fn the_names_of_the_task_are_placeholders() {
        assert_eq!(render("{file}"), "<File>");
        assert_eq!(render("cc {file} -o b/{stem}.{ext}"), "cc <File> -o b/<Stem>.<Ext>");
        assert_eq!(render("{dir}{name}{args}"), "<Dir><Name><Args>");
        assert_eq!(render("{os}-{python}"), "<Axis(0)>-<Axis(1)>");
        assert_eq!(render(""), "");
    }

    #[test]
    fn every_other_brace_belongs_to_the_shell() {
        for text in [
            "${file}",
            "{{file}}",
            "awk '{print $1}'",
            "{}",
            "{ file }",
            "{a,b}",
            "{file",
            "file}",
            "{other}",
            "{1..9}",
            "{é}",
        ] {
            assert_eq!(render(text), text);
        }
        assert_eq!(render("{{stem}.c,{stem}.h}"), "{<Stem>.c,<Stem>.h}");
    }

    #[test]
    fn a_word_one_slip_away_from_a_placeholder_is_a_typo() {
        let one = |word: &str, meant: &str| vec![(word.to_owned(), meant.to_owned())];
        assert_eq!(typos("cc {fiel}"), one("fiel", "file"));
        assert_eq!(typos("{File}"), one("File", "file"));
        assert_eq!(typos("{pyton}"), one("pyton", "python"));
        assert_eq!(typos("{arg}"), one("arg", "args"));
        assert_eq!(typos("${fiel} {{fiel}} {ox} {x} {filename}"), []);
        assert_eq!(Template::parse("{fiel}", &Names::default()).1, [], "no foreach, no such placeholder");
    }
}
