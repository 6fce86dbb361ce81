//! Errors as the user sees them: `error:`, the cause, an empty line, `hint:`; and the exit status that goes with them.

use std::fmt::Display;
use std::io;
use std::path::Path;

use percache::db::engine::EngineError;
use percache_runner::configuration::{Diagnostics, DiscoverError};
use percache_runner::store::MaintenanceError;
use percache_runner::tasks::SelectError;
use percache_runner::text::{AgeError, SizeError, reason, shown};
use percache_runner::{BuildError, OpenError};

use crate::diagnostic;
use crate::setup::exec_store_dir;
use crate::terminal::style::{Paint, Style};

/// Success.
pub const SUCCESS: u8 = 0;
/// A task failed, or a check found a difference.
pub const FAILURE: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Interrupted by the user.
pub const INTERRUPTED: u8 = 130;

/// How an error is printed.
#[derive(Debug)]
enum Form {
    /// `error:` and the message.
    Line,
    /// The message alone, because it is laid out already.
    Text,
    /// The mistakes of the configuration, each with its place.
    Mistakes(Diagnostics),
}

/// An error that ends the command.
#[derive(Debug)]
pub struct CliError {
    /// What is wrong.
    message: String,
    form: Form,
    hint: Option<String>,
    status: u8,
    /// Whether no change to files can resolve it.
    lasting: bool,
}

impl CliError {
    /// Creates an error of usage or configuration.
    pub fn usage(message: impl Display) -> CliError {
        CliError { message: message.to_string(), form: Form::Line, hint: None, status: USAGE, lasting: false }
    }

    /// Creates an error of something that failed.
    pub fn failure(message: impl Display) -> CliError {
        CliError { status: FAILURE, ..CliError::usage(message) }
    }

    /// Converts an error of the store in `dir`.
    pub fn store(error: &EngineError, dir: &Path) -> CliError {
        let hint = match error {
            EngineError::Busy { .. } => "try again when that has ended".to_owned(),
            EngineError::Damaged(_) | EngineError::Astray(_) => {
                let exec = exec_store_dir().is_ok_and(|exec| exec == dir);
                let which = if exec { " --exec" } else { "" };
                format!("`percache verify{which} --repair` keeps what is whole and removes the rest")
            }
            EngineError::ReadOnly(_) | EngineError::Io(_) => {
                format!("look at the permissions and the free space of `{}`", shown(dir))
            }
        };
        CliError::failure(format!("the store cannot be used: {error}")).hint(Some(hint))
    }

    /// Converts an error of maintenance of the store in `dir`.
    pub fn maintenance(error: &MaintenanceError, dir: &Path) -> CliError {
        match error {
            MaintenanceError::Engine(error) => CliError::store(error, dir),
            MaintenanceError::Io(error) => CliError::store(&EngineError::Io(reason(error)), dir),
        }
    }

    /// Converts a reason why there is nothing to build.
    pub fn open(error: OpenError) -> CliError {
        match error {
            OpenError::Config(mistakes) => CliError::mistakes(mistakes),
            OpenError::Discover(DiscoverError::Unreadable { path, source }) => CliError::directory(&path, &source),
            OpenError::Discover(error) => CliError::usage(&error).hint(error.hint()),
            OpenError::Select(error) => {
                let hint = match &error {
                    SelectError::NoMatch { meant: None, .. } => None,
                    _ => error.hint(),
                };
                CliError::usage(error).hint(Some(hint.unwrap_or_else(|| "`percache list` shows all tasks".to_owned())))
            }
            OpenError::NoInstance(name) => {
                let hint = "create a file that it matches, or correct `foreach`";
                CliError::usage(format!("`{name}` has no instances: its `foreach` matches no file")).hint(Some(hint))
            }
            OpenError::NoneAbove(none) => {
                let hint = "name the task of another package with its directory: `pkgs/app:build`";
                CliError::usage(none).hint(Some(hint))
            }
            OpenError::NoArguments(only) => {
                let message = match only {
                    Some(name) => format!("`{name}` takes no arguments"),
                    None => "none of these tasks takes arguments".to_owned(),
                };
                let hint =
                    "put `{args}` into its `command` where they are to stand, or leave out `--` and what follows it";
                CliError::usage(message).hint(Some(hint))
            }
        }
    }

    /// Wraps mistakes in files, each with its place.
    pub fn mistakes(mistakes: Diagnostics) -> CliError {
        let message = diagnostic::render(&mistakes, false);
        CliError { form: Form::Mistakes(mistakes), ..CliError::usage(message) }
    }

    /// Converts the error of a build that cannot begin.
    pub fn session(error: BuildError) -> CliError {
        let hint = error.hint();
        match error {
            BuildError::Within(_) => CliError { lasting: true, ..CliError::usage(error) },
            error => CliError::failure(error),
        }
        .hint(hint)
    }

    /// Creates the error for a question about the last build where none is recorded.
    pub fn no_build() -> CliError {
        let hint = "`percache build` records a build in which something ran, failed or was restored";
        CliError::failure("no build is recorded in this worktree").hint(Some(hint))
    }

    /// Returns whether trying again after a change is useless.
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Creates the error for an option whose value is not an age.
    pub fn age(error: AgeError) -> CliError {
        CliError::usage(error).hint(Some("write a whole number with s, m, h, d or w: `90s`, `30m`, `12h`, `30d`, `2w`"))
    }

    /// Creates the error for an option whose value is not a size.
    pub fn size(error: SizeError) -> CliError {
        CliError::usage(error).hint(Some("write a number of bytes, or one with a unit: `500MB`, `2GiB`, `1.5GiB`"))
    }

    /// Creates the error for a directory that cannot be entered.
    pub fn directory(directory: &Path, error: &io::Error) -> CliError {
        let hint = "-C takes an existing directory, as seen from the current one";
        CliError::usage(format!("cannot enter `{}`: {}", shown(directory), reason(error))).hint(Some(hint))
    }

    /// Wraps a message that is laid out already.
    pub fn rendered(message: String) -> CliError {
        CliError { form: Form::Text, ..CliError::usage(message) }
    }

    /// Returns what is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Adds what to do about it.
    pub fn hint(self, hint: Option<impl Display>) -> CliError {
        CliError { hint: hint.map(|hint| hint.to_string()), ..self }
    }

    /// Prints the error and returns the exit status.
    pub fn report(&self, paint: Paint) -> u8 {
        match &self.form {
            Form::Mistakes(mistakes) => crate::aside!("{}", diagnostic::render(mistakes, paint.is_on()).trim_end()),
            Form::Text => crate::aside!("{}", self.message.trim_end()),
            Form::Line => crate::aside!("{} {}", paint.apply(Style::Bad, "error:"), self.message),
        }
        if let Some(hint) = &self.hint {
            crate::aside!("\n{} {hint}", paint.apply(Style::Hint, "hint:"));
        }
        self.status
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> CliError {
        CliError::open(error)
    }
}
