//! Commands for beginning and for learning: `init`, `completions`, `help`, `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

/// `percache init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Use only this, whatever else is found: make, c, npm (also pnpm, yarn and bun), turbo, nx, cargo, python,
    /// taskfile, justfile, dvc [default: all that is found]
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    pub from: Option<From>,
    /// Print it instead of writing it
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// What a configuration is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// Targets of a Makefile
    Make,
    /// C and C++ sources
    C,
    /// Scripts of package.json
    #[value(aliases = ["pnpm", "yarn", "bun"])]
    Npm,
    /// Scripts of package.json, as turbo.json describes them
    Turbo,
    /// Scripts of package.json, as nx.json describes them
    Nx,
    /// Cargo.toml
    Cargo,
    /// A Python project
    Python,
    /// Tasks of a Taskfile
    Taskfile,
    /// Recipes of a justfile
    Justfile,
    /// Stages of dvc.yaml
    Dvc,
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
