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

/// What the system says, without its error number; what percache says itself, as it is.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(_) => text.split(" (os error").next().unwrap_or_default().to_lowercase(),
        None => text,
    }
}

/// What to do about something that is in the way of an output.
pub fn way_out(error: &io::Error) -> Option<String> {
    let hint = match error.kind() {
        io::ErrorKind::NotADirectory => "a file is where a directory has to be: move it away, or name another output",
        // As below, it comes from us.
        io::ErrorKind::NotFound if error.raw_os_error().is_none() => {
            "make the directory that the symlink leads to, or have it lead elsewhere"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
            "move away what is yours, or name another output"
        }
        // Without a number it comes from us, not from the system.
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
