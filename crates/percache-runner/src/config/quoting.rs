//! Puts values into a shell command so that each stays one word, whether it stands bare, in double or in single quotes.
//!
//! Follows the quoting rules of POSIX (Shell Command Language, 2.2) as far as they say where a quote ends; here-documents are
//! not recognised. Knows nothing of placeholders.

use std::borrow::Cow;

/// A shell command that is being put together.
#[derive(Debug)]
pub(super) struct ShellText {
    text: String,
    nesting: Vec<Context>,
}

/// What the next character stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    Single,
    Double,
    /// `$(…)` or `(…)`
    Parenthesis,
    Backquote,
}

impl ShellText {
    pub fn new() -> Self {
        ShellText { text: String::new(), nesting: Vec::new() }
    }

    /// Adds text as the user wrote it.
    pub fn push_written(&mut self, written: &str) {
        let mut chars = written.chars().peekable();
        while let Some(char) = chars.next() {
            let escapes = char == '\\' && self.context() != Some(Context::Single);
            let comment = char == '#' && self.at_word_start() && !self.quoted();
            self.text.push(char);
            if escapes {
                self.text.extend(chars.next());
            } else if comment {
                while let Some(char) = chars.next_if(|&char| char != '\n') {
                    self.text.push(char);
                }
            } else {
                self.step(char);
            }
        }
    }

    /// Adds a value, quoted for the place.
    pub fn push_value(&mut self, value: &str) {
        let quoted: Cow<'_, str> = match self.context() {
            Some(Context::Single) => value.replace('\'', r"'\''").into(),
            Some(Context::Double) => escape_in_double(value).into(),
            _ => shell_words::quote(value),
        };
        self.text.push_str(&quoted);
    }

    /// Adds several values with blanks between them.
    pub fn push_values<S: AsRef<str>>(&mut self, values: &[S]) {
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.text.push(' ');
            }
            self.push_value(value.as_ref());
        }
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn context(&self) -> Option<Context> {
        self.nesting.last().copied()
    }

    fn quoted(&self) -> bool {
        matches!(self.context(), Some(Context::Single | Context::Double))
    }

    fn at_word_start(&self) -> bool {
        self.text.chars().next_back().is_none_or(|char| char.is_whitespace() || "();&|".contains(char))
    }

    fn step(&mut self, char: char) {
        use Context::{Backquote, Double, Parenthesis, Single};
        match (self.context(), char) {
            (Some(Single), '\'') | (Some(Double), '"') | (Some(Parenthesis), ')') | (Some(Backquote), '`') => {
                self.nesting.pop();
            }
            (Some(Single), _) => {}
            (Some(Double), '(') if self.text.ends_with("$(") => self.nesting.push(Parenthesis),
            (_, '`') => self.nesting.push(Backquote),
            (Some(Double), _) => {}
            (_, '\'') => self.nesting.push(Single),
            (_, '"') => self.nesting.push(Double),
            (_, '(') => self.nesting.push(Parenthesis),
            _ => {}
        }
    }
}

fn escape_in_double(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for char in value.chars() {
        if matches!(char, '"' | '$' | '`' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn put(before: &str, value: &str, after: &str) -> String {
        let mut text = ShellText::new();
        text.push_written(before);
        text.push_value(value);
        text.push_written(after);
        text.finish()
    }

    /// What a real shell makes of it.
    fn run(command: &str) -> String {
        let output = Command::new("sh").args(["-ec", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_plain_value_stays_readable() {
        assert_eq!(put("cc -c ", "src/a.c", ""), "cc -c src/a.c");
    }

    #[test]
    fn the_shell_sees_one_word_wherever_the_value_stands() {
        let frames = [
            ("printf '<%s>' ", ""),
            ("printf '<%s>' \"", "\""),
            ("printf '<%s>' '", "'"),
            ("printf '<%s>' \"$(printf %s ", ")\""),
            ("printf '<%s>' \"$(printf %s \"", "\")\""),
            ("printf '<%s>' \"`printf %s '\"'`\" >/dev/null; printf '<%s>' ", ""),
            ("# don't\nprintf '<%s>' ", ""),
            ("printf '<%s>' \\\"x >/dev/null; printf '<%s>' ", ""),
            ("(printf '<%s>' ", ")"),
        ];
        for value in ["a b", "it's", "say \"hi\"", "$HOME", "`id`", "a\\b", "*", "x;y", "é", "a\nb", "!", "-n", "~"] {
            for (before, after) in frames {
                let command = put(before, value, after);
                assert_eq!(run(&command), format!("<{value}>"), "{command}");
            }
        }
    }

    #[test]
    fn arguments_are_words_of_their_own() {
        let mut text = ShellText::new();
        text.push_written("printf '<%s>' ");
        text.push_values(&["a b", "", "c"]);
        assert_eq!(run(&text.finish()), "<a b><><c>");
    }
}
