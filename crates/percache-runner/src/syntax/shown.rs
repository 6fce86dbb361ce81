//! Escapes paths for messages, and reads escaped paths back.
//!
//! A name may contain anything but `/` and NUL: a newline could fake a line of percache's output, an escape sequence
//! could control the terminal, and two different names that are not UTF-8 could look the same. So whatever is not plain
//! text is escaped as git does it: `"notes\n\033[2J.md"`, in double quotes, with octal numbers for bytes. A path that
//! needs no escapes is shown unchanged and does not begin with a double quote.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;

/// How many names a message lists.
const LISTED: usize = 3;

/// Lists the first few names, quoted, and counts the others: `` `a`, `b`, `c` and 2 more ``.
pub fn first_few<T: std::fmt::Display>(names: &[T]) -> String {
    let listed: Vec<_> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > LISTED { format!(" and {} more", names.len() - LISTED) } else { String::new() };
    format!("{}{more}", listed.join(", "))
}

/// Returns a path as one line of text that cannot control a terminal.
pub fn shown(path: &(impl AsRef<OsStr> + ?Sized)) -> Cow<'_, str> {
    shown_bytes(path.as_ref().as_encoded_bytes())
}

/// Does the same for the bytes of a path.
pub fn shown_bytes(path: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(path) {
        Ok(text) if !text.starts_with('"') && !text.chars().any(needs_escape) => Cow::Borrowed(text),
        _ => Cow::Owned(quoted(path)),
    }
}

/// Parses what [`shown`] wrote in double quotes and returns the bytes of the path; `None` if the text is not quoted or
/// malformed.
pub fn read_back(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'\\' => {
                let (byte, length) = escaped(rest)?;
                bytes.push(byte);
                rest = &rest[length..];
            }
            // An unescaped quote would have ended the text.
            b'"' => return None,
            plain => bytes.push(*plain),
        }
    }
    Some(bytes)
}

/// Returns whether a character does anything besides being visible: controls, line separators, characters that change
/// the direction of text, and characters of no width.
fn needs_escape(c: char) -> bool {
    let hidden = ['\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{feff}'];
    c.is_control() || hidden.contains(&c) || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

fn quoted(path: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                _ if needs_escape(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(byte, &mut text)),
                _ => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(*byte, &mut text));
    }
    text + "\""
}

fn escape(byte: u8, text: &mut String) {
    match LETTERS.iter().find(|(meant, _)| *meant == byte) {
        Some((_, letter)) => text.extend(['\\', char::from(*letter)]),
        // Writing to a string cannot fail.
        None => drop(write!(text, "\\{byte:03o}")),
    }
}

/// Bytes that are escaped as a letter.
const LETTERS: [(u8, u8); 7] = [(7, b'a'), (8, b'b'), (9, b't'), (10, b'n'), (11, b'v'), (12, b'f'), (13, b'r')];

/// Decodes the escape after a backslash. Returns the byte and the length of the escape.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    let first = *text.first()?;
    if let b'"' | b'\\' = first {
        return Some((first, 1));
    }
    if let Some((meant, _)) = LETTERS.iter().find(|(_, letter)| *letter == first) {
        return Some((*meant, 1));
    }
    let digits = text.get(..3).filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)))?;
    let value = digits.iter().fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    Some((u8::try_from(value).ok()?, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_few_are_listed_and_the_others_counted() {
        assert_eq!(first_few(&["a", "b", "c"]), "`a`, `b`, `c`");
        assert_eq!(first_few(&["a", "b", "c", "d", "e"]), "`a`, `b`, `c` and 2 more");
    }

    #[test]
    fn what_is_plain_stands_as_it_is() {
        for plain in ["docs/api.md", "with space", "grün/漢字", "it's", "a\\b", "a\"b", ".", ""] {
            assert_eq!(shown(plain), plain);
        }
    }

    #[test]
    fn what_is_not_is_escaped_and_read_back() {
        for (path, text) in [
            (&b"a\nremoved `b`"[..], r#""a\nremoved `b`""#),
            (b"\x1b[2J\r\t\x07", r#""\033[2J\r\t\a""#),
            (b"caf\xe9", r#""caf\351""#),
            (b"caf\xe8", r#""caf\350""#),
            (b"\"quoted\"", r#""\"quoted\"""#),
            (b"a\\b\n", r#""a\\b\n""#),
            ("gr\u{fc}n\n".as_bytes(), "\"gr\u{fc}n\\n\""),
            ("\u{9b}2J".as_bytes(), r#""\302\2332J""#),
            ("\u{202e}dm.exe".as_bytes(), r#""\342\200\256dm.exe""#),
            ("\u{2028}".as_bytes(), r#""\342\200\250""#),
        ] {
            assert_eq!(shown_bytes(path), text);
            assert_eq!(read_back(text.as_bytes()).as_deref(), Some(path), "{text}");
        }
    }

    #[test]
    fn every_byte_comes_back_and_stays_in_its_line() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let path = [b'a', first, second];
                let text = shown_bytes(&path);
                assert!(!text.contains(char::is_control), "{text:?}");
                let meant = read_back(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
                assert_eq!(meant, path);
            }
        }
    }

    #[test]
    fn what_nobody_has_shown_is_not_read_back() {
        for text in
            [&b"plain"[..], b"\"", b"\"open", b"\"a\"b\"", br#""\q""#, br#""\""#, br#""\39""#, br#""\777""#, b""]
        {
            assert_eq!(read_back(text), None, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(read_back(b"\"\""), Some(Vec::new()));
    }
}
