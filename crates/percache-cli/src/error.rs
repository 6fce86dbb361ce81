//! Errors as the user sees them: `error:`, the cause, an empty line, `hint:`; and the exit status that goes with them.

use std::fmt::Display;
use std::process::ExitCode;

use crate::style::{Paint, Style};

/// Everything went well.
pub const SUCCESS: u8 = 0;
/// A task failed, or a check said no.
pub const FAILURE: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Interrupted by the user.
pub const INTERRUPTED: u8 = 130;

/// Something that ends the command.
#[derive(Debug)]
pub struct CliError {
    /// What is wrong; several lines when it was rendered before.
    message: String,
    /// Whether the message is complete and needs nothing around it.
    rendered: bool,
    hint: Option<String>,
    status: u8,
}

impl CliError {
    /// Wrong usage or configuration.
    pub fn usage(message: impl Display) -> CliError {
        CliError { message: message.to_string(), rendered: false, hint: None, status: USAGE }
    }

    /// Something failed.
    pub fn failure(message: impl Display) -> CliError {
        CliError { status: FAILURE, ..CliError::usage(message) }
    }

    /// Mistakes in the configuration, rendered.
    pub fn rendered(message: String) -> CliError {
        CliError { rendered: true, ..CliError::usage(message) }
    }

    /// With what to do about it.
    pub fn hint(self, hint: Option<impl Display>) -> CliError {
        CliError { hint: hint.map(|hint| hint.to_string()), ..self }
    }

    /// Prints it; the exit status.
    pub fn report(&self, paint: Paint) -> ExitCode {
        if self.rendered {
            eprint!("{}", self.message);
        } else {
            eprintln!("{} {}", paint.apply(Style::Bad, "error:"), self.message);
        }
        if let Some(hint) = &self.hint {
            eprintln!("\n{} {hint}", paint.apply(Style::Hint, "hint:"));
        }
        ExitCode::from(self.status)
    }
}
