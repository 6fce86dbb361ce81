//! Makes the output of commands fit to be shown among percache's lines: escape sequences, widths, last lines.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Removes escape sequences from a log, except colours if `colours`: sequences that move the cursor would spoil the
/// surrounding lines, and some terminals obey sequences that do much more than that.
pub fn clean(text: &str, colours: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        let sequence = sequence(rest);
        if colours && is_colour(sequence) {
            clean.push_str(sequence);
        }
        rest = &rest[sequence.len()..];
    }
    clean + rest
}

/// Cleans a message, which may contain file names, like a log, and also replaces carriage returns.
pub fn clean_message(text: &str) -> String {
    let clean = clean(text, true);
    if clean.contains('\r') { clean.replace("\r\n", "\n").replace('\r', " ") } else { clean }
}

fn is_special(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// Returns whether an escape sequence selects the appearance of text (ECMA-48: SGR). With private parameters (`ESC [ >
/// 4 m`) or intermediate bytes it is something else.
fn is_colour(sequence: &str) -> bool {
    let parameters = sequence.strip_prefix("\x1b[").and_then(|rest| rest.strip_suffix('m'));
    parameters.is_some_and(|parameters| parameters.bytes().all(|byte| byte.is_ascii_digit() || b";:".contains(&byte)))
}

/// Returns the escape sequence or control character at the beginning (ECMA-48: `ESC [`, parameters, intermediate bytes,
/// one final byte; `ESC ]` and similar ones up to BEL or `ESC \`; otherwise `ESC`, intermediate bytes, one final byte;
/// instead of `ESC` and a letter also one control character of the upper set). A sequence that does not end in its line
/// is cut short.
pub(super) fn sequence(text: &str) -> &str {
    let mut chars = text.chars();
    let first = chars.next();
    let (kind, start) = match first {
        Some('\x1b') => (chars.next(), 2),
        Some(upper @ '\u{80}'..='\u{9f}') => (char::from_u32(u32::from(upper) - 0x40), upper.len_utf8()),
        Some(other) => return &text[..other.len_utf8()],
        None => return text,
    };
    let length = match kind {
        Some('[') => control_sequence(text, start),
        Some(']' | 'P' | 'X' | '^' | '_') => control_string(text, start),
        _ if first != Some('\x1b') => start,
        Some(' '..='/') => {
            let behind = text[1..].trim_start_matches(|c| (' '..='/').contains(&c));
            let last = behind.chars().next().filter(|c| ('0'..='~').contains(c));
            text.len() - behind.len() + last.map_or(0, char::len_utf8)
        }
        Some(c) if c.is_ascii_graphic() => 2,
        _ => 1,
    };
    &text[..length]
}

/// Returns the end of a control sequence whose parameters begin at `start`.
fn control_sequence(text: &str, start: usize) -> usize {
    let behind = text[start..].trim_start_matches(|c| ('0'..='?').contains(&c));
    let behind = behind.trim_start_matches(|c| (' '..='/').contains(&c));
    let last = behind.chars().next().filter(|c| ('@'..='~').contains(c));
    text.len() - behind.len() + last.map_or(0, char::len_utf8)
}

/// Returns the end of a control string whose text begins at `start`.
fn control_string(text: &str, start: usize) -> usize {
    let end = text[start..].find(['\x07', '\u{9c}', '\n', '\x1b']).map_or(text.len(), |at| start + at);
    match text[end..].chars().next() {
        Some(terminator @ ('\x07' | '\u{9c}')) => end + terminator.len_utf8(),
        Some('\x1b') if text[end..].starts_with("\x1b\\") => end + 2,
        _ => end,
    }
}

/// Cleans what is written to it in pieces, wherever these are cut.
pub struct Cleaned<W: Write> {
    to: W,
    colours: bool,
    /// What came after the last line, or the last sequence if it may be incomplete.
    begun: Vec<u8>,
}

/// The length from which a line is written before it ends.
const LONGEST_LINE: usize = 64 << 10;

impl<W: Write> Cleaned<W> {
    /// Creates a writer that writes cleaned text to `to`, with or without colours.
    pub fn new(to: W, colours: bool) -> Cleaned<W> {
        Cleaned { to, colours, begun: Vec::new() }
    }

    /// Writes what is left of an unfinished line.
    pub fn end(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.begun);
        self.put(&rest)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(clean(&String::from_utf8_lossy(bytes), self.colours).as_bytes())
    }

    /// Writes what there is of a long line, except a sequence or character that may be incomplete. The text of control
    /// strings longer than a line is shown, which looks bad but is harmless.
    fn put_long(&mut self) -> io::Result<()> {
        const SEQUENCE: usize = 64;
        let recent = self.begun.len() - SEQUENCE;
        let escape = self.begun[recent..].iter().rposition(|byte| *byte == 0x1b);
        let character = self.begun[recent..].iter().rposition(|byte| *byte & 0xc0 != 0x80);
        let cut = recent + escape.or(character).unwrap_or(0);
        let rest = self.begun.split_off(cut);
        let done = std::mem::replace(&mut self.begun, rest);
        self.put(&done)
    }
}

impl<W: Write> Write for Cleaned<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        if let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.begun.split_off(end + 1);
            let lines = std::mem::replace(&mut self.begun, rest);
            self.put(&lines)?;
        }
        if self.begun.len() >= LONGEST_LINE {
            self.put_long()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Returns the last line that is not blank, as plain text. If it was overwritten (`\r`), the last version counts.
pub fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.rsplit(['\n', '\r']).map(|line| clean(line, false));
    let line = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().replace('\t', " ")
}

/// Returns the width of a plain text in columns.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Shortens the text to at most `columns`, with a mark at its end.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut cut = fitting(text.chars(), columns.saturating_sub(1));
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// Shortens the text to at most `columns`, with a mark in its middle, because names differ at their ends.
pub fn cut_middle(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let behind = columns.saturating_sub(1) * 2 / 3;
    let end: String = fitting(text.chars().rev(), behind).chars().rev().collect();
    cut(text, columns.saturating_sub(end.width())) + &end
}

/// Returns as many of the characters as fit.
fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= columns
    };
    characters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_escape_sequences_only_colours_stay_and_only_if_wanted() {
        let coloured = "a\x1b[1;31mred\x1b[0m b";
        assert_eq!(clean(coloured, true), coloured);
        assert_eq!(clean(coloured, false), "ared b");
        for (text, plain) in [
            ("\x1b[Kend\x1b[", "end"),
            ("up\x1b[3A\x1b[?1049hdown", "updown"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07.", "link."),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]never ends\nnext", "\nnext"),
            ("\x1b(Bx\x1bcy\x1b", "xy"),
            ("bell\x07 back\x08 tab\t end\r\n", "bell back tab\t end\r\n"),
            ("grün", "grün"),
            ("\x1b[grün", "rün"),
            // What a terminal takes for a colour, and what only resembles one.
            ("A\x1b[>4;2mB\x1b[?4mC\x1b[0 mD\x1b[!mE", "ABCDE"),
            ("\x1b[\x0emC\x1b[\u{9d}0;x\x07mD", "mCmD"),
            ("\u{9b}2Ja\u{9d}0;title\x07b\u{90}q\u{9c}c\u{84}d", "abcd"),
            ("\x1bP$q\x1b\\a\x1b_x\x07b\x1b^x\u{9c}c\x1b#8d\x1b%Ge", "abcde"),
            ("\x0e\x0f\x7f\x05", ""),
        ] {
            assert_eq!(clean(text, true), plain, "{text:?}");
            assert_eq!(clean(text, false), plain, "{text:?}");
        }
    }

    #[test]
    fn what_comes_in_pieces_is_cleaned_as_a_whole() {
        let log = "a\x1b[38;5;1mred\x1b[0m \x1b]0;title\x07漢\u{9d}1\u{9c}\n\x1b[>4;2m\x1b[2J end".as_bytes();
        for colours in [true, false] {
            let whole = clean(&String::from_utf8_lossy(log), colours);
            for size in 1..=log.len() {
                let mut written = Vec::new();
                let mut cleaned = Cleaned::new(&mut written, colours);
                log.chunks(size).for_each(|part| cleaned.write_all(part).unwrap());
                cleaned.end().unwrap();
                assert_eq!(String::from_utf8(written).unwrap(), whole);
            }
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut written = Vec::new();
        let mut cleaned = Cleaned::new(&mut written, true);
        for _ in 0..10_000 {
            cleaned.write_all("漢\x1b[1mfett\x1b[0m".as_bytes()).unwrap();
            assert!(cleaned.begun.len() <= LONGEST_LINE);
        }
        cleaned.end().unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "漢\x1b[1mfett\x1b[0m".repeat(10_000));
    }

    #[test]
    fn a_message_stays_in_its_line() {
        assert_eq!(clean_message("`a\rb\x1b[2J`\r\nnext\u{9b}2J"), "`a b`\nnext");
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line(b"one\ntwo\n \n\n"), "two");
        assert_eq!(last_line(b"one\n  thr"), "thr");
        assert_eq!(last_line(b"10 %\r20 %\r"), "20 %");
        assert_eq!(last_line(b"a\n\x1b[32mgreen\tleaf\x1b[0m\x1b[K\n"), "green leaf");
        assert_eq!(last_line(b"\xff\n"), "\u{fffd}");
        assert_eq!(last_line(b""), "");
    }

    #[test]
    fn what_is_cut_fits() {
        assert_eq!(cut("0123456789", 10), "0123456789");
        assert_eq!(cut("0123456789", 5), "0123…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("0123456789", 0), "");
        assert_eq!(cut_middle("objects[src/main.c]", 12), "obje…main.c]");
        for columns in 0..30 {
            for text in ["objects[src/main.c]", "漢字漢字漢字漢字", ""] {
                assert!(width(&cut(text, columns)) <= columns);
                assert!(width(&cut_middle(text, columns)) <= columns, "{text} {columns}");
            }
        }
    }
}
