//! Something that went wrong while tasks run, in the user's terms: one line, and what to do about it.
//!
//! Knows nothing of how it is shown.

use std::io;

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One line: what is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Trouble {
    /// With what to do about it.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Trouble {
        Trouble { message: message.into(), hint: Some(hint.into()) }
    }
}

impl From<String> for Trouble {
    fn from(message: String) -> Trouble {
        Trouble { message, hint: None }
    }
}

/// What the system says, without its error number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
