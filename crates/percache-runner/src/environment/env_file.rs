//! Files of `KEY=value` lines, as `env_file` names them.
//!
//! A line is empty, a comment (`#`), or `KEY=value` with an optional `export` before it. A value without quotes ends at the end of the
//! line or at a `#` after white space. `'…'` is taken as it stands; in `"…"` the escapes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are
//! replaced; both may span lines. A `$` is a `$`: nothing is taken from other variables, for then the value would depend on what the
//! fingerprint does not know. That is why the crate `dotenvy` does not serve here.
//!
//! Knows nothing of the environment of any process.

use std::borrow::Cow;
use std::collections::BTreeMap;

use thiserror::Error;

use crate::model::path::RelPath;

/// A mistake in an env file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {kind}")]
pub struct EnvFileError {
    /// The file.
    pub file: RelPath,
    /// The line, from 1. Of an unclosed quote, the one where it opens.
    pub line: usize,
    /// What is wrong there.
    pub kind: EnvFileErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvFileErrorKind {
    /// The file is not text.
    #[error("the file is not valid UTF-8")]
    NotUtf8,
    /// There is no `=`.
    #[error("a line must have the form `KEY=value`")]
    NoEquals,
    /// What stands before the `=` is no name of a variable.
    #[error("`{0}` is no name of a variable")]
    BadName(String),
    /// A quote without its end.
    #[error("the quote `{0}` is not closed")]
    UnclosedQuote(char),
    /// Something behind the closing quote.
    #[error("`{0}` stands behind the closing quote")]
    BehindQuote(String),
    /// A value that no process can be given.
    #[error("the value contains a NUL byte")]
    Nul,
}

/// The variables that `text` sets; of two lines for one variable the later one wins. `file` is for messages.
///
/// # Errors
/// The first line that is malformed.
pub fn parse(file: &RelPath, text: &[u8]) -> Result<BTreeMap<String, String>, EnvFileError> {
    let error = |line, kind| EnvFileError { file: file.clone(), line, kind };
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(invalid) => return Err(error(line_at(text, invalid.valid_up_to()), EnvFileErrorKind::NotUtf8)),
    };
    // In a value of several lines as well, a line ends as it does elsewhere.
    let text: Cow<'_, str> = if text.contains('\r') { text.replace("\r\n", "\n").into() } else { text.into() };
    let text = &*text;
    let mut variables = BTreeMap::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(variables);
        }
        if rest.starts_with('#') {
            rest = split_line(rest).1;
            continue;
        }
        let line = line_at(text.as_bytes(), text.len() - rest.len());
        let (name, value, tail) = assignment(rest).map_err(|kind| error(line, kind))?;
        variables.insert(name.to_owned(), value);
        rest = tail;
    }
}

fn line_at(text: &[u8], offset: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', &text[..offset]).count()
}

/// The first line without its end, and what follows it.
fn split_line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.strip_suffix('\r').unwrap_or(line), rest)
}

/// Reads one assignment: the name, the value, what follows its line.
fn assignment(text: &str) -> Result<(&str, String, &str), EnvFileErrorKind> {
    let (line, following) = split_line(text);
    let (name, value) = line.split_once('=').ok_or(EnvFileErrorKind::NoEquals)?;
    let name = name.trim();
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(name, str::trim_start);
    if !is_name(name) {
        return Err(EnvFileErrorKind::BadName(name.to_owned()));
    }
    let value = value.trim_start();
    let (value, following) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            // From the opening quote on, lines no longer count. `line` is where `text` begins, `value` is where `line` ends.
            let start = line.len() - value.len() + 1;
            let (value, rest) = quoted(&text[start..], quote).ok_or(EnvFileErrorKind::UnclosedQuote(quote))?;
            let (behind, following) = split_line(rest);
            if !matches!(behind.trim_start().chars().next(), None | Some('#')) {
                return Err(EnvFileErrorKind::BehindQuote(behind.trim().to_owned()));
            }
            (value, following)
        }
        _ => (unquoted(value).to_owned(), following),
    };
    if value.contains('\0') { Err(EnvFileErrorKind::Nul) } else { Ok((name, value, following)) }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|char: char| char.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
}

/// A value without quotes: ends before white space and `#`.
fn unquoted(value: &str) -> &str {
    let comment =
        value.char_indices().find(|&(at, char)| char == '#' && (at == 0 || value[..at].ends_with([' ', '\t'])));
    comment.map_or(value, |(at, _)| &value[..at]).trim_end()
}

/// What stands before the closing quote, and what follows it; `None` without one.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            char if char == quote => return Some((value, chars.as_str())),
            '\\' if quote == '"' => match chars.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                char @ ('"' | '\\' | '$') => value.push(char),
                char => value.extend(['\\', char]),
            },
            char => value.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, (usize, EnvFileErrorKind)> {
        let file = RelPath::new(".env").unwrap();
        parse(&file, text.as_bytes()).map(|map| map.into_iter().collect()).map_err(|error| (error.line, error.kind))
    }

    #[track_caller]
    fn assert_value(text: &str, value: &str) {
        assert_eq!(read(text), Ok(vec![("K".to_owned(), value.to_owned())]), "{text}");
    }

    #[test]
    fn values_are_read() {
        for (text, value) in [
            ("K=v", "v"),
            ("K=", ""),
            ("  export K = a b  \r\n", "a b"),
            ("K=a#b # comment", "a#b"),
            ("K=# comment", ""),
            ("K='a # $x \\n'", "a # $x \\n"),
            ("K=\"a\\n\\t\\\"\\\\\\$\\x\" # c", "a\n\t\"\\$\\x"),
            ("K=\"one\ntwo\"\n", "one\ntwo"),
            ("K=\"one\r\ntwo\"\r\n", "one\ntwo"),
            ("K=\"one\\r\\ntwo\"\r\n", "one\r\ntwo"),
            ("K='a=\"b\"'", "a=\"b\""),
            ("K=$HOME", "$HOME"),
            ("# c\n\nK=1\nK=2", "2"),
            ("\u{feff}K=v", "v"),
            ("K=é", "é"),
        ] {
            assert_value(text, value);
        }
        assert_eq!(read("exported=1").unwrap()[0].0, "exported");
        assert_eq!(read("A.b-c_1=x\nB=y").unwrap().len(), 2);
    }

    #[test]
    fn mistakes_name_the_line() {
        for (text, line, kind) in [
            ("A=1\n\nB", 3, EnvFileErrorKind::NoEquals),
            ("export A", 1, EnvFileErrorKind::NoEquals),
            ("A=1\n=x", 2, EnvFileErrorKind::BadName(String::new())),
            ("1A=x", 1, EnvFileErrorKind::BadName("1A".to_owned())),
            ("A B=x", 1, EnvFileErrorKind::BadName("A B".to_owned())),
            ("A='x\ny'\nB=\"x\n\n", 3, EnvFileErrorKind::UnclosedQuote('"')),
            ("A='x'y", 1, EnvFileErrorKind::BehindQuote("y".to_owned())),
            ("A=\0", 1, EnvFileErrorKind::Nul),
        ] {
            assert_eq!(read(text), Err((line, kind)), "{text:?}");
        }
        let error = parse(&RelPath::new("a/.env").unwrap(), b"A=1\nB=\xff").unwrap_err();
        assert_eq!(error.to_string(), "a/.env:2: the file is not valid UTF-8");
    }
}
