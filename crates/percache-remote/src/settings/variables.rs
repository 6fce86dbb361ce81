//! Values with variables in them, and the variables that replace whole values.

use super::{SettingsError, VARIABLES};

/// Where values come from besides the table.
pub(super) struct Source<'a> {
    /// Looks up a variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// What the names of variables that replace a key of this table have between [`VARIABLES`] and the key's name.
    pub infix: &'static str,
}

/// A value, and how it came about.
pub(super) struct Text {
    /// The value, variables filled in.
    pub value: String,
    /// Whether the table has it.
    pub from_table: bool,
    /// Whether a variable was filled in.
    pub expanded: bool,
}

impl Source<'_> {
    /// Returns the variable that replaces a key. An empty one counts as not set.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(&format!("{VARIABLES}{}{name}", self.infix)).filter(|value| !value.trim().is_empty())
    }

    /// Returns the value of a key: the variable's, else the table's.
    pub fn text(&self, key: &'static str, name: &str, written: Option<&str>) -> Result<Option<Text>, SettingsError> {
        if let Some(value) = self.variable(name) {
            return Ok(Some(Text { value, from_table: false, expanded: false }));
        }
        let Some(written) = written else { return Ok(None) };
        if written.trim().is_empty() {
            return Err(SettingsError::new(key, "it is empty"));
        }
        let expanded = |value: String| Text { expanded: value != written, value, from_table: true };
        Ok(expand(written, self.variable).map(expanded))
    }

    /// Returns the truth value of a key.
    pub fn truth(
        &self,
        key: &'static str,
        name: &str,
        written: Option<&str>,
        otherwise: bool,
    ) -> Result<bool, SettingsError> {
        match self.text(key, name, written)? {
            Some(text) => truth(key, &text.value),
            // A variable that is not set: not what the key is without a value, which for `read` would be yes.
            None if written.is_some() => Ok(false),
            None => Ok(otherwise),
        }
    }
}

/// Reads a truth value.
pub(super) fn truth(key: &'static str, text: &str) -> Result<bool, SettingsError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(SettingsError::new(key, format!("`{text}` is neither true nor false"))),
    }
}

/// Fills in `$NAME` and `${NAME}`; `$$` is a dollar. Returns `None` if a variable is not set or empty.
pub(super) fn expand(written: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut value = String::new();
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        value.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = name(rest);
        match name {
            "" if rest.starts_with('$') => {
                value.push('$');
                rest = &rest[1..];
            }
            "" => value.push('$'),
            name => {
                value.push_str(&variable(name).filter(|value| !value.is_empty())?);
                rest = after;
            }
        }
    }
    value.push_str(rest);
    Some(value)
}

/// Splits the name of a variable, in braces or not, from what follows it.
fn name(text: &str) -> (&str, &str) {
    let length = |text: &str| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match text.starts_with(|c: char| c.is_ascii_digit()) {
            true => 0,
            false => text.find(|c| !is_name(c)).unwrap_or(text.len()),
        }
    };
    if let Some(inner) = text.strip_prefix('{') {
        let end = length(inner);
        return match inner[end..].strip_prefix('}') {
            Some(after) => (&inner[..end], after),
            None => ("", text),
        };
    }
    text.split_at(length(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variable = |name: &str| match name {
            "A" => Some("x".to_owned()),
            "A_2" => Some("y".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (written, value) in [
            ("plain", Some("plain")),
            ("$A", Some("x")),
            ("-${A}b$A_2-", Some("-xby-")),
            ("$$A", Some("$A")),
            ("5$", Some("5$")),
            ("$1 ${ ${A", Some("$1 ${ ${A")),
            ("$B", None),
            ("a${B}c", None),
            ("$EMPTY", None),
        ] {
            assert_eq!(expand(written, &variable).as_deref(), value, "{written}");
        }
    }

    #[test]
    fn truth_has_a_few_words() {
        assert_eq!((truth("write", "1"), truth("write", " False")), (Ok(true), Ok(false)));
        assert!(truth("write", "maybe").is_err());
    }
}
