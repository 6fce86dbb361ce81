//! The command line as written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;
use crate::topics;

/// The heading above what all commands share.
const GLOBAL: &str = "Global options";

/// Never run the same thing twice.
///
/// percache runs the tasks of percache.toml whose inputs or definition changed, in parallel, and restores everything else from a
/// cache.
#[derive(Debug, Parser)]
#[command(name = "percache", version, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, after_help = topics::overview())]
pub struct Cli {
    /// Start in this directory
    #[arg(short = 'C', value_name = "DIR", value_hint = ValueHint::DirPath, global = true, help_heading = GLOBAL)]
    pub directory: Option<PathBuf>,
    /// Use colours: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(global = true, help_heading = GLOBAL)]
    pub color: ColorWhen,
    /// Also name the tasks that are up to date
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = GLOBAL)]
    pub verbose: bool,
    /// Say only what failed, and the summary
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, as NO_COLOR and CLICOLOR_FORCE say
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build tasks and what they need
    Build(Build),
    /// Build, and again whenever something changes
    Watch(Watch),
    /// Run one command, without any percache.toml, or give back what it wrote the last time
    Exec(Exec),
    /// Say why a task ran the last time, or would run now
    Why(Why),
    /// Write a percache.toml for what is in the directory
    Init(Init),
    /// List the tasks
    List(List),
    /// Show which task needs which
    Graph(Graph),
    /// Write a page about the last build: timeline, graph, slowest tasks, what the cache saved
    Report(Report),
    /// Show the captured log of a task's last run
    Log(Log),
    /// Remove results that were not used for some time, and blobs that nothing refers to
    #[command(
        after_help = "Without --maxage and --maxsize, the bounds are those of [cache], or 30d and 20GiB. With one of \
        them, it is the only bound."
    )]
    Gc(Gc),
    /// Remove results: all, old ones, or those of the named tasks
    Clear(Clear),
    /// Say how much is in the store, and how often it helped
    Stats(Stats),
    /// Check every record and blob of the store
    Verify(Verify),
    /// List files that were moved aside because percache does not hold their content, or give them back
    Displaced(Displaced),
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

/// `percache build`.
#[derive(Debug, Args)]
pub struct Build {
    /// Tasks to build: names, or globs over names (`pkgs/app:*`). Without any, those of `default`, or all
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Run this many tasks at a time [default: the number of CPUs]
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// After a failure, go on with the tasks that do not need the failed one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Run the named tasks (without any, all of the build) even if the store has their results
    #[arg(short, long)]
    pub force: bool,
    /// Take files of unknown origin for outputs: they were among a task's outputs before, and its command left them alone
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub accept: bool,
    /// Run the named tasks (without any, all) even if the store has their results, and compare what they make with these
    #[arg(long, conflicts_with_all = ["force", "dry_run", "no_cache"])]
    pub check: bool,
    /// Only say what would run, and why
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Say why each task runs
    #[arg(long)]
    pub explain: bool,
    /// Show the logs of these tasks: all, new (those that ran or were restored), failed, none
    #[arg(long, value_name = "WHOSE", default_value = "new", hide_possible_values = true)]
    pub logs: Logs,
    /// Report events as JSON, one a line
    #[arg(long)]
    pub json: bool,
    /// Write a trace of the build to FILE, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Neither look up results nor store them
    #[arg(long)]
    pub no_cache: bool,
    /// What `{args}` stands for in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `percache displaced`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Displaced {
    /// What to do with them; without it, list them
    #[command(subcommand)]
    pub action: Option<DisplacedAction>,
    /// List them as JSON
    #[arg(long)]
    pub json: bool,
    /// Of the commands that `percache exec` ran
    #[arg(long, conflicts_with = "all")]
    pub exec: bool,
    /// Of all workspaces that are known, also of those that are not there any more
    #[arg(long)]
    pub all: bool,
}

/// What to do with displaced files.
#[derive(Debug, Subcommand)]
pub enum DisplacedAction {
    /// Move files back to where they were: of several with one path, the one that was moved aside last
    Restore(DisplacedRestore),
    /// Delete files for good, all versions of them
    Drop(DisplacedDrop),
}

/// `percache displaced restore`.
#[derive(Debug, Args)]
pub struct DisplacedRestore {
    /// Paths that they had; a directory means everything below it
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Of the commands that `percache exec` ran
    #[arg(long, conflicts_with = "all")]
    pub exec: bool,
    /// Of all workspaces that are known, also of those that are not there any more
    #[arg(long)]
    pub all: bool,
    /// An older version, as the list names it
    #[arg(long, value_name = "VERSION")]
    pub from: Option<String>,
    /// Put them below this directory instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: Option<PathBuf>,
}

/// `percache displaced drop`.
#[derive(Debug, Args)]
pub struct DisplacedDrop {
    /// Paths that they had; a directory means everything below it
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Of the commands that `percache exec` ran
    #[arg(long, conflicts_with = "all")]
    pub exec: bool,
    /// Of all workspaces that are known, also of those that are not there any more
    #[arg(long)]
    pub all: bool,
    /// Only this version, as the list names it
    #[arg(long, value_name = "VERSION")]
    pub from: Option<String>,
}

/// `percache completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell with completions.
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
    /// A command or a topic. Without any, both are listed
    #[arg(value_name = "COMMAND|TOPIC", add = ArgValueCompleter::new(completion::subjects))]
    pub subject: Option<String>,
}

/// `percache man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Where to: `percache.1`, `percache-build.1`, …
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}

/// `percache watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Tasks to build: names, or globs over names. Without any, those of `default`, or all
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// What to do about a build that runs when something changes: restart it, or let it finish first
    #[arg(long, value_name = "WHAT", default_value = "restart", hide_possible_values = true)]
    pub on_change: OnChange,
    /// Run this many tasks at a time [default: the number of CPUs]
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// After a failure, go on with the tasks that do not need the failed one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Say why each task runs
    #[arg(long)]
    pub explain: bool,
    /// What `{args}` stands for in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// What to do about a build that runs when something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnChange {
    /// End it and begin anew
    Restart,
    /// Let it finish, then build again
    Finish,
}

/// `percache exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
Results belong to the command line, the directory, the inputs (-i) and the variables (-e). Nothing else is looked at: name what the \
command reads. The exit status is that of the command; 127 if it cannot be started.

  percache exec -i 'src/**' -- tokei src
  percache exec --valid-for 10m -e KUBECONFIG -- kubectl get pods
  percache exec -i data.csv -o plot.png -- python3 plot.py")]
pub struct Exec {
    /// A file that the command reads, a directory, or a glob; `!` takes away. May be given several times
    #[arg(short, long = "input", value_name = "GLOB")]
    pub inputs: Vec<String>,
    /// What the command writes: a file, a directory, or a glob. Kept, and put back when missing or changed
    #[arg(short, long = "output", value_name = "PATH")]
    pub outputs: Vec<String>,
    /// A variable that the command sees and depends on, or a glob over names
    #[arg(short, long = "env", value_name = "VAR")]
    pub env: Vec<String>,
    /// A variable that the command sees and does not depend on, or a glob over names
    #[arg(long, value_name = "VAR")]
    pub env_pass: Vec<String>,
    /// Do not use a result older than this: `90` or `90s`, `30m`, `12h`, `30d`, `2w`
    #[arg(long, value_name = "AGE")]
    pub valid_for: Option<String>,
    /// An exit status that is an answer and kept, like 1 of grep and diff. All others but 0 are failures, and never kept
    #[arg(long = "keep", value_name = "STATUS", value_parser = clap::value_parser!(u8).range(1..))]
    pub keep: Vec<u8>,
    /// Run the command even if there is a result
    #[arg(short, long)]
    pub force: bool,
    /// The command and its arguments, without a shell
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a positive number".into()),
        Ok(jobs) => Ok(jobs),
    }
}

/// Whose logs to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Logs {
    /// Of every task
    All,
    /// Of tasks that ran or were restored
    New,
    /// Of failed tasks
    Failed,
    /// Of none
    None,
}

/// `percache why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The task
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub task: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// What `{args}` stands for in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `percache init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Print it, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `percache list`.
#[derive(Debug, Args)]
pub struct List {
    /// Tasks to list: names, or globs over names. Without any, all
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Of the results of functions in FILE, the cache of a program, instead of those of this workspace
    #[arg(long, value_name = "FILE")]
    pub cache: Option<PathBuf>,
}

/// `percache graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// Tasks to show with what they need. Without any, all
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only what TASK needs, directly or not, and TASK itself; with --needed-by, what lies between
    #[arg(long, value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub needs: Vec<String>,
    /// Only what needs FILE, directly or not: the tasks that a change of it may run. FILE may also name a task
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub needed_by: Vec<String>,
    /// Show it as text, dot (Graphviz), mermaid or json
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub format: GraphFormat,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A tree of what each task needs
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
    /// Nodes and edges
    Json,
}

/// `percache report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Write it to FILE, or to standard output if that is `-` [default: report.html in the worktree's directory in the store]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print what it says as JSON
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
}

/// `percache log`.
#[derive(Debug, Args)]
pub struct Log {
    /// The task
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub task: String,
}

#[derive(Debug, Args)]
pub struct Gc {
    /// Remove results not used (written or read) for this long: `90` or `90s`, `30m`, `12h`, `30d`, `2w`
    #[arg(long, value_name = "AGE")]
    pub maxage: Option<String>,
    /// Then remove the least recently used, until the store is below this size: `500MB`, `2GiB`
    #[arg(long, value_name = "SIZE")]
    pub maxsize: Option<String>,
    /// Only say what would go
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Of the results of `percache exec` instead of those of this workspace
    #[arg(long)]
    pub exec: bool,
    /// Of the results of functions in FILE, the cache of a program, instead of those of this workspace
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache clear`.
#[derive(Debug, Args)]
pub struct Clear {
    /// Only results of these tasks: names, or globs over names
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only results not used for this long
    #[arg(long, value_name = "AGE")]
    pub maxage: Option<String>,
    /// Of the results of `percache exec` instead of those of this workspace
    #[arg(long, conflicts_with = "tasks")]
    pub exec: bool,
    /// Of the results of functions in FILE, the cache of a program, instead of those of this workspace
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Of the results of `percache exec` instead of those of this workspace
    #[arg(long)]
    pub exec: bool,
    /// Of the results of functions in FILE, the cache of a program, instead of those of this workspace
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}

/// `percache verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Remove what is broken
    #[arg(long)]
    pub repair: bool,
    /// Of the results of `percache exec` instead of those of this workspace
    #[arg(long)]
    pub exec: bool,
    /// Of the results of functions in FILE, the cache of a program, instead of those of this workspace
    #[arg(long, value_name = "FILE", conflicts_with = "exec")]
    pub cache: Option<PathBuf>,
}
