//! What commands wrote, made fit to be shown among our own lines: escape sequences, widths, last lines.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A log to be shown: of escape sequences only colours, and these only if `colours`; whatever moves the cursor would spoil what stands
/// around it.
pub fn clean(text: &str, colours: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        let sequence = sequence(rest);
        if colours && sequence.starts_with("\x1b[") && sequence.ends_with('m') {
            clean.push_str(sequence);
        }
        rest = &rest[sequence.len()..];
    }
    clean + rest
}

fn is_special(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// The escape sequence or control character at the beginning (ECMA-48: `ESC [`, parameters, one final byte; `ESC ]` and its like up to
/// BEL or `ESC \`; else `ESC`, intermediate bytes, one final byte). One that does not end in its line ends before it is over.
pub(super) fn sequence(text: &str) -> &str {
    let Some(behind) = text.strip_prefix('\x1b') else { return &text[..text.chars().next().map_or(0, char::len_utf8)] };
    let end = |from: usize, is_last: &dyn Fn(char) -> bool| {
        let last = text[from..].char_indices().find(|(_, c)| is_last(*c) || matches!(c, '\n' | '\x1b'));
        match last {
            Some((at, c)) if is_last(c) => from + at + c.len_utf8(),
            Some((at, _)) => from + at,
            None => text.len(),
        }
    };
    let length = match behind.chars().next() {
        Some('[') => end(2, &|c| ('@'..='~').contains(&c)),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let at = end(2, &|c| c == '\x07');
            if text[at..].starts_with("\x1b\\") { at + 2 } else { at }
        }
        Some(' '..='/') => end(1, &|c| ('0'..='~').contains(&c)),
        Some(c) if c.is_ascii_graphic() => 2,
        _ => 1,
    };
    &text[..length]
}

/// The last line that has something to say, in plain text. Of a line that was written over and over (`\r`), the last version.
pub fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.rsplit(['\n', '\r']).map(|line| clean(line, false));
    let line = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().replace('\t', " ")
}

/// How many columns a plain text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, in no more than `columns`; what is missing at its end is marked.
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

/// The text, in no more than `columns`; what is missing in its middle is marked: names are told apart by their ends.
pub fn cut_middle(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let behind = columns.saturating_sub(1) * 2 / 3;
    let end: String = fitting(text.chars().rev(), behind).chars().rev().collect();
    cut(text, columns.saturating_sub(end.width())) + &end
}

/// As many of the characters as fit.
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
        ] {
            assert_eq!(clean(text, true), plain, "{text:?}");
            assert_eq!(clean(text, false), plain, "{text:?}");
        }
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
