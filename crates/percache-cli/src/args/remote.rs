//! Sharing results: the options of builds, `remote` with its subcommands, `export` and `import`.

use std::path::PathBuf;

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
    /// Fetch what the remote has of tasks as they are now (of all if none are named) into the store
    Pull(RemotePull),
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

/// `percache remote pull`.
#[derive(Debug, Args)]
pub struct RemotePull {
    /// Tasks: names, or globs over names
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Fetch from the remote at URL, whatever `[remote]` says
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub remote: Option<String>,
}

/// `percache export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The file to write; `-` is standard output
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only results of these tasks: names, or globs over names [default: all results of the store]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Leave out results not used (written or read) for this long: `90` or `90s`, `30m`, `12h`, `30d`, `2w`
    #[arg(long, value_name = "AGE")]
    pub maxage: Option<String>,
}

/// `percache import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}
