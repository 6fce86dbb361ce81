//! Sharing results: the options of builds, and `remote` with its subcommands.

use clap::{Args, Subcommand, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

/// Where results are shared, for this run.
#[derive(Clone, Debug, Default, Args)]
pub struct RemoteOptions {
    /// Share results with the remote at URL, whatever `[remote]` says
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "no_remote")]
    pub remote: Option<String>,
    /// Neither look up results on the remote nor write them there, and execute no command remotely
    #[arg(long)]
    pub no_remote: bool,
}

/// `percache remote`.
#[derive(Debug, Args)]
pub struct Remote {
    /// The action
    #[command(subcommand)]
    pub action: RemoteAction,
}

/// What to do with the remote.
#[derive(Debug, Subcommand)]
pub enum RemoteAction {
    /// Connect, and show what the remote is, how far away, and whether it is written to
    Check(RemoteCheck),
    /// Write the stored results of tasks (of all if none are named) to the remote
    Push(RemotePush),
    /// Make a key that results are signed with, and print both of its halves
    Key,
}

/// `percache remote check`.
#[derive(Debug, Args)]
pub struct RemoteCheck {
    /// Look at the remote at URL, whatever `[remote]` says
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub remote: Option<String>,
}

/// `percache remote push`.
#[derive(Debug, Args)]
pub struct RemotePush {
    /// Tasks: names, or globs over names
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Write to the remote at URL, whatever `[remote]` says
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub remote: Option<String>,
}
