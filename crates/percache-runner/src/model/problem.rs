//! Errors at run time, in the user's terms: what is wrong in one line, and what to do about it.
//!
//! Knows nothing of how they are shown.

use std::io;

/// An error: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Trouble {
    /// Creates an error with a remedy.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Trouble {
        Trouble { message: message.into(), hint: Some(hint.into()) }
    }
}

impl From<String> for Trouble {
    fn from(message: String) -> Trouble {
        Trouble { message, hint: None }
    }
}

/// Returns the system's message in lower case without the error number, or percache's own message unchanged.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(_) => text.split(" (os error").next().unwrap_or_default().to_lowercase(),
        None => text,
    }
}

/// Suggests what to do about something that is in the way of an output.
pub fn way_out(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotADirectory => "a file is where a directory has to be: move it away, or name another output",
        // Without an error number, it is percache's own error, as below.
        io::ErrorKind::NotFound if error.raw_os_error().is_none() => {
            "make the directory that the symlink leads to, or have it lead elsewhere"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
            "move away what is yours, or name another output"
        }
        // Without an error number, it is percache's own error, not the system's.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            "a symlink leads out of the workspace, and outputs are written inside: put a directory in its place, or name the symlink in \
             `follow` of [workspace]"
        }
        io::ErrorKind::PermissionDenied => "look at the owner and the permissions of its directory",
        io::ErrorKind::StorageFull => "make room on the disk; `percache gc --maxsize SIZE` makes the store smaller",
        _ => return None,
    };
    Some(hint.to_owned())
}
