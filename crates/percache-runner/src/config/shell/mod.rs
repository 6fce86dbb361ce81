//! Inserts values into a shell command so that each remains data, wherever it stands.
//!
//! A value of harmless characters is inserted unchanged. Any other value is quoted if the command consists only of
//! words and quotes up to there; after or inside anything else it is assigned to a variable in front of the command,
//! and the variable is inserted instead. So the value is never part of the text that the shell parses, even if this
//! module and the shell disagree about that text. Where a variable would not work, the value is refused. Knows nothing
//! of placeholders.

mod list;
mod scan;
#[cfg(test)]
mod tests;
mod words;

pub(super) use scan::Unsafe;
use scan::{Place, Scanner};
use words::is_keyword;
pub(super) use words::{is_shell, script_of};

/// A shell command under construction.
#[derive(Debug)]
pub(super) struct ShellText {
    text: String,
    scanner: Scanner,
    /// Values that are assigned to variables in front of the command.
    values: Vec<String>,
    /// The position of the last value, if it is an unquoted number at the end of the text.
    number: Option<usize>,
}

impl ShellText {
    pub fn new() -> Self {
        ShellText { text: String::new(), scanner: Scanner::new(), values: Vec::new(), number: None }
    }

    /// Appends text that the user wrote.
    pub fn push_written(&mut self, written: &str) {
        if let Some(number) = self.number.take()
            && written.starts_with(['<', '>'])
        {
            // Without quotes, it would be the number of a file descriptor.
            self.text.insert(number, '\'');
            self.text.push('\'');
        }
        self.text.push_str(written);
        written.chars().for_each(|char| self.scanner.step(char));
    }

    /// Appends a value.
    pub fn push_value(&mut self, value: &str) -> Result<(), Unsafe> {
        let (place, harmless) = (self.scanner.place(), is_harmless(value));
        let escape = self.scanner.take_escape();
        match place {
            Place::Word if escape => {
                self.text.pop();
            }
            // A backslash before the value is a literal character in these places.
            Place::Double | Place::HereDocument { expands: true, .. } if escape => self.text.push('\\'),
            _ => {}
        }
        match place {
            Place::Unsafe(_) if harmless => self.add_bare(value),
            Place::Unsafe(reason) => return Err(reason),
            Place::Comment => self.add_bare(&value.replace(char::is_control, " ")),
            Place::Word if harmless && !value.is_empty() && !is_keyword(value) => {
                let number = value.bytes().all(|byte| byte.is_ascii_digit()).then_some(self.text.len());
                self.add_bare(value);
                self.number = number;
            }
            Place::Single | Place::Double if harmless => self.add_bare(value),
            Place::HereDocument { delimiter, line, expands } => {
                let may_end = delimiter.starts_with(&(line + value));
                match () {
                    () if expands && (may_end || !harmless) => self.add_variable(value, "${", "}"),
                    () if may_end || value.contains('\n') => return Err(Unsafe::DelimiterLine),
                    () => self.add_bare(value),
                }
            }
            place if self.scanner.is_plain() => self.add_quoted(&place, value),
            Place::Single => self.add_variable(value, "'\"${", "}\"'"),
            Place::Double => self.add_variable(value, "${", "}"),
            Place::Word => self.add_variable(value, "\"${", "}\""),
        }
        Ok(())
    }

    /// Appends several values, separated by spaces.
    pub fn push_values<S: AsRef<str>>(&mut self, values: &[S]) -> Result<(), Unsafe> {
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.push_written(" ");
            }
            self.push_value(value.as_ref())?;
        }
        Ok(())
    }

    pub fn finish(self) -> String {
        let assign = |(i, value): (usize, &String)| format!("{}={}; ", variable(i), in_single(value));
        self.values.iter().enumerate().map(assign).collect::<String>() + &self.text
    }

    fn add_bare(&mut self, value: &str) {
        self.text.push_str(value);
        self.scanner.pass_value(value, false);
    }

    fn add_quoted(&mut self, place: &Place, value: &str) {
        let quoted = match place {
            Place::Single => value.replace('\'', r"'\''"),
            Place::Double => in_double(value),
            _ => in_single(value),
        };
        self.text.push_str(&quoted);
        self.scanner.pass_value(value, true);
    }

    fn add_variable(&mut self, value: &str, before: &str, behind: &str) {
        let known = self.values.iter().position(|known| known == value);
        let number = known.unwrap_or_else(|| {
            self.values.push(value.to_owned());
            self.values.len() - 1
        });
        let text = format!("{before}{}{behind}", variable(number));
        self.text.push_str(&text);
        self.scanner.pass_value(&text, true);
    }
}

fn variable(number: usize) -> String {
    format!("percache_value_{}", number + 1)
}

/// Returns whether every shell takes the value as plain text, quoted or not.
fn is_harmless(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte))
}

fn in_single(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn in_double(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for char in value.chars() {
        if matches!(char, '"' | '$' | '`' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}
