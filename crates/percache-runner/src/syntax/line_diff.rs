//! Line-by-line difference of two texts. Knows nothing of where the texts come from.

use std::time::{Duration, Instant};

use similar::{Algorithm, ChangeTag, DiffTag, TextDiff};

/// After this long, the result may be larger than the smallest difference.
const PATIENCE: Duration = Duration::from_millis(200);

/// How one text became another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the first changed line: in the new text, or in the old one if lines were only removed there.
    pub first: usize,
    /// The changed lines, in order: removed lines before the ones that replace them.
    pub lines: Vec<Line>,
}

/// A removed or added line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it was added; otherwise it was removed.
    pub new: bool,
    /// Its number, from 1, in the text that contains it.
    pub number: usize,
    /// The line without its line ending.
    pub text: String,
}

/// Computes how `old` became `new`; `None` if they are the same.
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
