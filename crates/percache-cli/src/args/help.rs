//! Commands for beginning and for learning: `init`, `completions`, `help`, `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

/// `percache init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Print it instead of writing it
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `percache completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that percache has completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Zsh
    Zsh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
    /// Elvish
    Elvish,
}

/// `percache help`.
#[derive(Debug, Args)]
pub struct Help {
    /// The command or topic to explain. Without one, all are listed
    #[arg(value_name = "COMMAND|TOPIC", add = ArgValueCompleter::new(completion::subjects))]
    pub subject: Option<String>,
}

/// `percache man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The directory to write `percache.1`, `percache-build.1`, … to
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}
