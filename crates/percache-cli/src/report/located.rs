//! Finds the errors in a log whose file and line the compiler or test runner names.
//!
//! | who writes it | form |
//! | --- | --- |
//! | gcc, clang, javac, mypy | `path:line:column: error: message`, the column may be missing |
//! | go | `path.go:line:column: message` |
//! | rustc | `error[E0308]: message`, and below it `--> path:line:column` |
//! | tsc | `path(line,column): error TS2322: message`, and with colours `path:line:column - error TS2322: message` |
//! | eslint | a line with the path alone, and below it `line:column  error  message  rule` |
//! | pytest | `E   message`, and below it `path:line: AssertionError` |

/// An error, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The file as the log names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, if it is named.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
}

/// What earlier lines say about later ones.
#[derive(Default)]
struct Before<'t> {
    /// The message of rustc that awaits its place.
    rustc: Option<&'t str>,
    /// The last message of pytest.
    pytest: Option<&'t str>,
    /// The file of eslint's messages.
    eslint: Option<&'t str>,
}

/// Returns the errors in a text without escape sequences, in its order.
pub fn located(text: &str) -> impl Iterator<Item = Located> + '_ {
    let mut before = Before::default();
    text.lines().filter_map(move |line| before.take(line))
}

impl<'t> Before<'t> {
    fn take(&mut self, line: &'t str) -> Option<Located> {
        if let Some(place) = line.trim_start().strip_prefix("--> ") {
            let message = self.rustc.take()?;
            let (file, line, column, rest) = place_before(place)?;
            return rest.is_empty().then(|| found(file, line, column, message));
        }
        if let Some(message) = rustc(line) {
            self.rustc = Some(message);
            return None;
        }
        if let Some(message) = line.strip_prefix("E   ") {
            // The first line of several is the one that says what is wrong.
            self.pytest.get_or_insert(message.trim());
            return None;
        }
        let eslint = self.eslint(line);
        eslint.or_else(|| colons(line)).or_else(|| tsc(line)).or_else(|| self.pytest(line))
    }

    fn eslint(&mut self, line: &'t str) -> Option<Located> {
        let trimmed = line.trim();
        if !line.starts_with(' ') {
            let is_path = trimmed.contains('/') && !trimmed.contains(char::is_whitespace) && !trimmed.ends_with(':');
            self.eslint = is_path.then_some(trimmed).or(self.eslint.filter(|_| trimmed.is_empty()));
            return None;
        }
        let file = self.eslint?;
        let (place, rest) = trimmed.split_once(char::is_whitespace)?;
        let (at, column) = place.split_once(':')?;
        let message = rest.trim_start().strip_prefix("error ")?.trim();
        Some(found(file, number(at)?, Some(number(column)?), message))
    }

    fn pytest(&mut self, line: &str) -> Option<Located> {
        let (file, at, None, rest) = place_before(line)? else { return None };
        let kind = rest.strip_prefix(": ").filter(|_| !file.contains(char::is_whitespace))?;
        let is_error = !kind.contains(char::is_whitespace) && (kind.ends_with("Error") || kind.ends_with("Exception"));
        is_error.then(|| found(file, at, None, self.pytest.take().unwrap_or(kind)))
    }
}

/// Returns the message of rustc: `error: …` or `error[E0308]: …`.
fn rustc(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("error")?;
    let rest = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1,
        None => rest,
    };
    rest.strip_prefix(": ")
}

/// Finds `path:line:column: error: message` and its relatives.
fn colons(line: &str) -> Option<Located> {
    let (file, at, column, rest) = place_before(line)?;
    let said = rest.strip_prefix(": ").or_else(|| rest.strip_prefix(" - "))?;
    let said = said.strip_prefix("fatal ").unwrap_or(said);
    let message = match said.strip_prefix("error").and_then(|rest| rest.strip_prefix(": ")) {
        Some(message) => message,
        // `error TS2322: message`
        None if said.starts_with("error ") => &said["error ".len()..],
        None if column.is_some() && file.ends_with(".go") => said,
        None => return None,
    };
    Some(found(file, at, column, message))
}

/// Finds `path(line,column): error TS2322: message`.
fn tsc(line: &str) -> Option<Located> {
    let (place, said) = line.split_once("): error ")?;
    let (file, at) = place.rsplit_once('(')?;
    let (at, column) = at.split_once(',').map_or((at, None), |(at, column)| (at, Some(column)));
    let column = column.map_or(Some(None), |column| number(column).map(Some))?;
    Some(found(file, number(at)?, column, said))
}

/// Splits `path:line:column` off the beginning of a line; the column may be missing. What is left follows.
fn place_before(line: &str) -> Option<(&str, u32, Option<u32>, &str)> {
    // The first number between colons ends the path, which may contain colons itself.
    let (end, at) = line.match_indices(':').find_map(|(at, _)| Some((at, leading(&line[at + 1..])?)))?;
    let rest = &line[end + 1 + at.len()..];
    let column = rest.strip_prefix(':').and_then(leading);
    let rest = column.map_or(rest, |column| &rest[1 + column.len()..]);
    let column = column.map_or(Some(None), |column| number(column).map(Some))?;
    let file = line[..end].trim_start();
    (!file.is_empty()).then_some((file, number(at)?, column, rest))
}

/// Returns the digits at the beginning, if there are some.
fn leading(text: &str) -> Option<&str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some(&text[..digits])
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

fn found(file: &str, line: u32, column: Option<u32>, message: &str) -> Located {
    Located { file: file.to_owned(), line, column, message: message.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        let shown = |it: Located| {
            let column = it.column.map(|column| format!(":{column}")).unwrap_or_default();
            format!("{}:{}{column} {}", it.file, it.line, it.message)
        };
        located(text).map(shown).collect()
    }

    #[test]
    fn each_tool_names_places_in_its_own_form() {
        for (text, expected) in [
            ("src/a.c:3:5: error: expected ';'\n", "src/a.c:3:5 expected ';'"),
            ("a.c:1:10: fatal error: b.h: No such file or directory", "a.c:1:10 b.h: No such file or directory"),
            ("src/A.java:7: error: ';' expected", "src/A.java:7 ';' expected"),
            ("./main.go:3:2: undefined: x", "./main.go:3:2 undefined: x"),
            ("error[E0308]: mismatched types\n  --> src/lib.rs:2:9\n   |\n", "src/lib.rs:2:9 mismatched types"),
            ("error: expected `;`\n --> src/main.rs:1:1", "src/main.rs:1:1 expected `;`"),
            ("src/a.ts(12,5): error TS2322: Type", "src/a.ts:12:5 TS2322: Type"),
            ("src/a.ts:12:5 - error TS2322: Type", "src/a.ts:12:5 TS2322: Type"),
            (
                "/w/src/a.js\n  1:7  error  'x' is not defined  no-undef\n\n✖ 1 problem",
                "/w/src/a.js:1:7 'x' is not defined  no-undef",
            ),
            (
                "E   assert 1 == 2\nE    +  where\n\ntests/test_a.py:4: AssertionError",
                "tests/test_a.py:4 assert 1 == 2",
            ),
            ("tests/test_a.py:4: ValueError", "tests/test_a.py:4 ValueError"),
        ] {
            assert_eq!(places(text), [expected], "{text:?}");
        }
    }

    #[test]
    fn what_names_no_error_or_no_place_is_none() {
        for text in [
            "src/a.c:3:5: warning: unused\nsrc/a.c:3:5: note: here",
            "error: could not compile `a` due to 1 previous error",
            "warning: unused\n --> src/lib.rs:1:1",
            "12:30:45 server started",
            "a.c:0:1: error: no line\na.c:99999999999: error: too large",
            ":3: error: no file",
            "/w/src/a.js\n  1:7  warning  'x'  no-unused",
            "  1:7  error  whose?",
            "a.ts(x,1): error TS1: no number",
            "see a.c:3 Error",
            "",
        ] {
            assert_eq!(places(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn a_text_of_any_kind_is_no_panic() {
        for text in ["ä:1:ö: error: ü", ":", "::", "1:", "x:1", "error[", "error[]", "E   ", "--> ", "(): error "] {
            let _ = places(text);
        }
    }
}
