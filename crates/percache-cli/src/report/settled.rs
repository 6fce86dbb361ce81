//! Turns lines that a command has overwritten into their final state, as a terminal shows it: `10 %\r20 %\rdone` is
//! `done`.
//!
//! Progress bars are drawn this way. In a file, or in the log of a CI job, all versions would follow one another. Other
//! escape sequences, such as colours, are left unchanged.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;

use unicode_width::UnicodeWidthChar;

use crate::report::text::{clean, sequence};

/// The distance between tab stops.
const TAB: usize = 8;
/// How many colour settings are remembered. A program that sets more without a reset loses the first ones.
const SETTINGS: usize = 16;

/// Returns at most `length` bytes of the end of a log, from the beginning of a line on, as plain text in its final
/// state.
pub fn plain_end(log: &[u8], length: usize) -> String {
    let cut = log.len().saturating_sub(length);
    let mut end = &log[cut..];
    if cut > 0 {
        let line = end.iter().position(|byte| *byte == b'\n').map_or(0, |line| line + 1);
        end = &end[line..];
    }
    clean(&settled(&String::from_utf8_lossy(end)), false)
}

/// Returns the final state of the text.
pub fn settled(text: &str) -> Cow<'_, str> {
    if !text.lines().any(is_rewritten) {
        return text.into();
    }
    let (mut settled, mut colours) = (String::with_capacity(text.len()), Colours::default());
    for line in text.split_inclusive('\n') {
        let end = line.trim_end_matches(['\n', '\r']);
        if is_rewritten(end) {
            rewrite(end, &mut colours, &mut settled);
            settled.push_str(if line.ends_with('\n') { "\n" } else { "" });
        } else {
            colours.read(line);
            settled.push_str(line);
        }
    }
    settled.into()
}

/// Returns whether something in a line is overwritten. (`\r` at its end belongs to a Windows line ending.)
fn is_rewritten(line: &str) -> bool {
    line.trim_end_matches('\r').contains(['\r', '\x08'])
}

/// The content of one column.
#[derive(Clone, Default)]
struct Cell {
    /// A character with its combining characters; empty for the second column of a wide character.
    text: String,
    colours: Rc<Colours>,
}

/// The colour settings (SGR) in effect since the last reset.
#[derive(Clone, Default, PartialEq, Eq)]
struct Colours(VecDeque<String>);

impl Colours {
    /// Applies a sequence, if it is a colour setting.
    fn take(&mut self, sequence: &str) {
        let Some(parameters) = sequence.strip_prefix("\x1b[").and_then(|rest| rest.strip_suffix('m')) else { return };
        let first = parameters.split(';').next().unwrap_or_default();
        if first.trim_start_matches('0').is_empty() {
            self.0.clear();
        }
        if !parameters.trim_start_matches('0').is_empty() {
            self.0.push_back(sequence.to_owned());
        }
        if self.0.len() > SETTINGS {
            self.0.pop_front();
        }
    }

    /// Applies all sequences of a line.
    fn read(&mut self, line: &str) {
        let mut rest = line;
        while let Some(at) = rest.find('\x1b') {
            let sequence = sequence(&rest[at..]);
            self.take(sequence);
            rest = &rest[at + sequence.len()..];
        }
    }

    /// Writes the sequences that change `before` to these settings.
    fn write(&self, before: &Colours, to: &mut String) {
        if self != before {
            to.push_str(if before.0.is_empty() { "" } else { "\x1b[0m" });
            self.0.iter().for_each(|sequence| to.push_str(sequence));
        }
    }
}

/// Appends the final state of a line, which comes without its line ending.
fn rewrite(line: &str, colours: &mut Colours, to: &mut String) {
    let before = Rc::new(colours.clone());
    let mut current = before.clone();
    let (mut cells, mut column): (Vec<Cell>, usize) = (Vec::new(), 0);
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        let length = match char {
            '\x1b' => {
                let sequence = sequence(rest);
                if sequence.ends_with('m') {
                    colours.take(sequence);
                    current = Rc::new(colours.clone());
                }
                erase(sequence, &mut cells, column);
                sequence.len()
            }
            '\r' => {
                column = 0;
                1
            }
            '\x08' => {
                column = column.saturating_sub(1);
                1
            }
            '\t' => {
                column = (column / TAB + 1) * TAB;
                1
            }
            char => {
                put(char, &current, &mut cells, &mut column);
                char.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    let mut shown = before;
    for cell in cells.iter().take(cells.iter().rposition(|cell| cell.text.trim() != "").map_or(0, |last| last + 1)) {
        cell.colours.write(&shown, to);
        shown = cell.colours.clone();
        to.push_str(&cell.text);
    }
    colours.write(&shown, to);
}

/// Writes one character at a column.
fn put(char: char, colours: &Rc<Colours>, cells: &mut Vec<Cell>, column: &mut usize) {
    let width = char.width().unwrap_or(0);
    if width == 0 {
        // Combining characters go with the character before them; so do control characters.
        if let Some(cell) = column.checked_sub(1).and_then(|at| cells.get_mut(at)) {
            cell.text.push(char);
        }
        return;
    }
    let blank = || Cell { text: " ".to_owned(), ..Cell::default() };
    if cells.len() < *column + width {
        cells.resize_with(*column + width, blank);
    }
    // Overwriting one column of a wide character erases both.
    if cells[*column].text.is_empty() && *column > 0 {
        cells[*column - 1] = blank();
    }
    if let Some(behind) = cells.get_mut(*column + width).filter(|cell| cell.text.is_empty()) {
        *behind = blank();
    }
    cells[*column] = Cell { text: char.to_string(), colours: colours.clone() };
    for behind in &mut cells[*column + 1..*column + width] {
        *behind = Cell { text: String::new(), colours: colours.clone() };
    }
    *column += width;
}

/// Erases the part of the line that the sequence erases (EL, ED).
fn erase(sequence: &str, cells: &mut Vec<Cell>, column: usize) {
    match sequence {
        "\x1b[K" | "\x1b[0K" | "\x1b[J" | "\x1b[0J" => cells.truncate(column),
        "\x1b[1K" => {
            cells.iter_mut().take(column + 1).for_each(|cell| *cell = Cell { text: " ".into(), ..Cell::default() })
        }
        "\x1b[2K" => cells.clear(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_line() {
        assert_eq!(plain_end(b"10 %\r20 %\n\x1b[31mred\x1b[0m\n", 100), "20 %\nred\n");
        assert_eq!(plain_end(b"first\nsecond\nthird", 10), "third");
        assert_eq!(plain_end(b"first\nsecond", 3), "ond", "a line that is too long is cut");
        assert_eq!(plain_end(b"first", 0), "");
    }

    #[test]
    fn what_was_written_over_is_gone() {
        for (text, expected) in [
            ("10 %\r20 %\r100 % done\nnext\n", "100 % done\nnext\n"),
            ("10 %\r20 %\r", "20 %"),
            ("abcdef\rxy\n", "xycdef\n"),
            ("100 %\r\x1b[Kdone\n", "done\n"),
            ("100 %\x1b[2K\rdone\n", "done\n"),
            ("abc\x1b[1K\rx\n", "x\n"),
            ("spin |\x08/\x08-\x08 \n", "spin\n"),
            ("abc\r   \rx\n", "x\n"),
            ("a\tb\rx\n", "x       b\n"),
            ("漢字\rab\n", "ab字\n"),
            ("漢字\ra\n", "a 字\n"),
            ("e\u{301}x\ry\n", "yx\n"),
            ("\rone\r\n", "one\n"),
        ] {
            assert_eq!(settled(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_that_were_not_stay_as_they_are() {
        for text in ["", "one\ntwo\r\n", "\x1b[31mred\x1b[0m\x1b[K\n", "no end\r"] {
            assert_eq!(settled(text), text);
        }
    }

    #[test]
    fn colours_stay_with_their_characters() {
        assert_eq!(settled("\x1b[31m10 %\r\x1b[0;32mok\x1b[0m\x1b[K\n"), "\x1b[0;32mok\x1b[0m\n");
        assert_eq!(settled("\x1b[1mab\rx\x1b[0m\n"), "\x1b[1mxb\x1b[0m\n");
        // A colour that was set in an earlier line and continues.
        assert_eq!(settled("\x1b[31mred\nab\rx\nred\x1b[m\n"), "\x1b[31mred\nxb\nred\x1b[m\n");
    }
}
