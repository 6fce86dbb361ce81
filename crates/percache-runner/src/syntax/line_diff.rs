//! Which lines of a text changed. Knows nothing of where the texts come from.

use std::time::{Duration, Instant};

use similar::{Algorithm, ChangeTag, DiffTag, TextDiff};

/// After this long the difference is taken to be larger than it needs to be.
const PATIENCE: Duration = Duration::from_millis(200);

/// How one text became another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the first line that changed: in the new text, or in the old one if lines are only gone.
    pub first: usize,
    /// The lines that changed, in order: what is gone before what is new in its place.
    pub lines: Vec<Line>,
}

/// A line that is gone or new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is new; else it is gone.
    pub new: bool,
    /// Its number, from 1, in the text that it is in.
    pub number: usize,
    /// Without its end.
    pub text: String,
}

/// How `old` became `new`; `None` when they are the same.
pub fn difference(old: &str, new: &str) -> Option<Difference> {
    let diff = diff(old, new);
    let first = diff.ops().iter().find(|op| op.tag() != DiffTag::Equal)?;
    let first = if first.tag() == DiffTag::Delete { first.old_range().start } else { first.new_range().start };
    let lines = diff.iter_all_changes().filter_map(|change| {
        let (new, number) = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => (false, change.old_index()?),
            ChangeTag::Insert => (true, change.new_index()?),
        };
        Some(Line { new, number: number + 1, text: change.value().trim_end_matches(['\n', '\r']).to_owned() })
    });
    Some(Difference { first: first + 1, lines: lines.collect() })
}

fn diff<'a>(old: &'a str, new: &'a str) -> TextDiff<'a, 'a, str> {
    TextDiff::configure().algorithm(Algorithm::Myers).deadline(Instant::now() + PATIENCE).diff_lines(old, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<String> {
        let sign = |line: &Line| if line.new { '+' } else { '-' };
        let lines = difference(old, new).map(|difference| difference.lines).unwrap_or_default();
        lines.iter().map(|line| format!("{}{} {}", sign(line), line.number, line.text)).collect()
    }

    #[test]
    fn what_is_gone_stands_before_what_is_new() {
        assert_eq!(told("a\nb\nc\n", "a\nB\nc\nd\n"), ["-2 b", "+2 B", "+4 d"]);
        assert_eq!(told("a\r\n", ""), ["-1 a"]);
        assert_eq!(told("a", "a"), [""; 0]);
    }

    #[test]
    fn the_first_line_is_where_one_looks_for_it() {
        let first = |old: &str, new: &str| difference(old, new).map(|difference| difference.first);
        assert_eq!(first("a\nb\nc\n", "a\nB\nc\n"), Some(2));
        assert_eq!(first("a\nb\nc\n", "a\nc\n"), Some(2));
        assert_eq!(first("a\n", "x\na\n"), Some(1));
        assert_eq!(first("a\n", "a\n"), None);
    }
}
