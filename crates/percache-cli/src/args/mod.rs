//! The command line, as clap parses it: what all commands share, and the list of commands.
//!
//! | file | its commands |
//! | --- | --- |
//! | `build` | `build`, `watch`, `exec`, `accept` |
//! | `inspect` | `why`, `list`, `graph`, `report`, `log`, `compdb` |
//! | `remote` | `remote` and its subcommands, the options of builds for it, `export`, `import` |
//! | `store` | `gc`, `clear`, `clean`, `stats`, `verify` |
//! | `displaced` | `displaced` and its subcommands |
//! | `help` | `init`, `completions`, `help`, `man` |

mod build;
mod displaced;
mod help;
mod inspect;
#[cfg(feature = "remote")]
mod remote;
mod store;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};

use crate::completion;
use crate::topics;

pub use build::{Accept, Build, Exec, Logs, OnChange, Output, Watch};
pub use displaced::{Displaced, DisplacedAction, DisplacedDrop, DisplacedRestore};
pub use help::{Completions, From, Help, Init, Man, Shell};
pub use inspect::{Compdb, Graph, GraphFormat, List, Log, Report, Why};
#[cfg(feature = "remote")]
pub use remote::{Export, Import, Remote, RemoteAction, RemoteOptions, RemotePull, RemotePush};
pub use store::{Clean, Clear, Gc, Stats, Verify};

/// The heading above the options that all commands share.
const GLOBAL: &str = "Global options";

/// Never run the same thing twice.
///
/// percache runs the tasks of percache.toml whose inputs or definition changed, in parallel, and restores everything
/// else from a cache.
#[derive(Debug, Parser)]
#[command(name = "percache", version, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, after_help = topics::overview())]
pub struct Cli {
    /// Run as if started in this directory
    #[arg(short = 'C', value_name = "DIR", value_hint = ValueHint::DirPath, global = true, help_heading = GLOBAL)]
    pub directory: Option<PathBuf>,
    /// Use colours: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(global = true, help_heading = GLOBAL)]
    pub color: ColorWhen,
    /// Also list the tasks that are up to date
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = GLOBAL)]
    pub verbose: bool,
    /// Show only failures and the summary
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, or as NO_COLOR and CLICOLOR_FORCE say
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build tasks and their dependencies
    Build(Build),
    /// Build, and build again whenever something changes
    Watch(Watch),
    /// Run a single command, without a percache.toml, or replay its stored output
    Exec(Exec),
    /// Take what lies in the tree as the results of tasks, without running them
    Accept(Accept),
    /// Explain why a task last ran, or why it would run now; without a task, why the last build ran what it ran
    Why(Why),
    /// Write a percache.toml that suits the files in the directory
    Init(Init),
    /// List the tasks
    List(List),
    /// Show the dependency graph
    Graph(Graph),
    /// Write an HTML page about the last build: timeline, graph, slowest tasks, time saved by the cache
    Report(Report),
    /// Show the captured log of a task's last run
    Log(Log),
    /// Remove results that have not been used for some time, and unreferenced blobs
    #[command(
        after_help = "Without --maxage and --maxsize, the bounds are those of [cache], or 30d and 20GiB. With one of \
        them, it is the only bound."
    )]
    Gc(Gc),
    /// Remove results: all, old ones, or those of the named tasks
    Clear(Clear),
    /// Remove the outputs of tasks from the tree; the store keeps them
    Clean(Clean),
    /// Show the size of the store, and its hits and misses
    Stats(Stats),
    /// Check every record and blob of the store
    Verify(Verify),
    /// List files that were moved aside because percache does not hold their content, or restore them
    Displaced(Displaced),
    /// Write stored results to a file, for another machine or another store
    #[cfg(feature = "remote")]
    Export(Export),
    /// Take the results of files that `export` has written into the store
    #[cfg(feature = "remote")]
    Import(Import),
    /// Look at the remote that results are shared with, or move results there and from there
    #[cfg(feature = "remote")]
    Remote(Remote),
    /// Print a compile_commands.json of the tasks that compile C, C++ and the like, for clangd
    Compdb(Compdb),
    /// Print the JSON Schema of percache.toml
    #[command(
        after_help = "Editors with Taplo complete and check percache.toml by it: put `#:schema FILE` into its first line."
    )]
    Schema,
    /// Print completions for a shell
    #[command(after_help = completion::HOW)]
    Completions(Completions),
    /// Explain a command or a topic
    Help(Help),
    /// Write manual pages, one for each command
    #[command(hide = true)]
    Man(Man),
}
