//! `percache displaced` and its subcommands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `percache displaced`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Displaced {
    /// What to do with displaced files; without an action, list them
    #[command(subcommand)]
    pub action: Option<DisplacedAction>,
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
    /// Only files displaced by commands of `percache exec`
    #[arg(long, conflicts_with = "all")]
    pub exec: bool,
    /// Files of all known workspaces, including workspaces that no longer exist
    #[arg(long)]
    pub all: bool,
}

/// An action on displaced files.
#[derive(Debug, Subcommand)]
pub enum DisplacedAction {
    /// Move files back to where they were; of several with the same path, the one displaced last
    Restore(DisplacedRestore),
    /// Delete files for good, in all versions
    Drop(DisplacedDrop),
}

/// `percache displaced restore`.
#[derive(Debug, Args)]
pub struct DisplacedRestore {
    /// Original paths of the files; a directory means everything below it
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Only files displaced by commands of `percache exec`
    #[arg(long, conflicts_with = "all")]
    pub exec: bool,
    /// Files of all known workspaces, including workspaces that no longer exist
    #[arg(long)]
    pub all: bool,
    /// Restore this older version, as named in the list
    #[arg(long, value_name = "VERSION")]
    pub from: Option<String>,
    /// Put the files below this directory instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: Option<PathBuf>,
}

/// `percache displaced drop`.
#[derive(Debug, Args)]
pub struct DisplacedDrop {
    /// Original paths of the files; a directory means everything below it
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Only files displaced by commands of `percache exec`
    #[arg(long, conflicts_with = "all")]
    pub exec: bool,
    /// Files of all known workspaces, including workspaces that no longer exist
    #[arg(long)]
    pub all: bool,
    /// Delete only this version, as named in the list
    #[arg(long, value_name = "VERSION")]
    pub from: Option<String>,
}
