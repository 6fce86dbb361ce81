//! Commands that look after the store: `gc`, `clear`, `stats`, `verify`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

#[derive(Debug, Args)]
pub struct Gc {
    /// Remove results not used (written or read) for this long: `90` or `90s`, `30m`, `12h`, `30d`, `2w`
    #[arg(long, value_name = "AGE")]
    pub maxage: Option<String>,
    /// Then remove the least recently used results until the store is below this size: `500MB`, `2GiB`
    #[arg(long, value_name = "SIZE")]
    pub maxsize: Option<String>,
    /// Only show what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Apply to the results of `percache exec` instead of this workspace's
    #[arg(long)]
    pub exec: bool,
    /// Apply to the results of functions in FILE, the cache of a program, instead of this workspace's
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache clear`.
#[derive(Debug, Args)]
pub struct Clear {
    /// Remove only results of these tasks: names, or globs over names
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Remove only results not used for this long
    #[arg(long, value_name = "AGE")]
    pub maxage: Option<String>,
    /// Apply to the results of `percache exec` instead of this workspace's
    #[arg(long, conflicts_with = "tasks")]
    pub exec: bool,
    /// Apply to the results of functions in FILE, the cache of a program, instead of this workspace's
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Apply to the results of `percache exec` instead of this workspace's
    #[arg(long)]
    pub exec: bool,
    /// Apply to the results of functions in FILE, the cache of a program, instead of this workspace's
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Remove what is damaged
    #[arg(long)]
    pub repair: bool,
    /// Apply to the results of `percache exec` instead of this workspace's
    #[arg(long)]
    pub exec: bool,
    /// Apply to the results of functions in FILE, the cache of a program, instead of this workspace's
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache clean`.
#[derive(Debug, Args)]
pub struct Clean {
    /// Remove only outputs of these tasks: names, or globs over names [default: all outputs]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only show what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
