//! The command line, as clap parses it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;
use crate::topics;

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
    /// Explain why a task last ran, or why it would run now
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

/// `percache build`.
#[derive(Clone, Debug, Args)]
pub struct Build {
    /// Tasks to build: names, or globs over names (`pkgs/app:*`) [default: `default` of percache.toml, or all tasks]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only tasks whose inputs, definition or dependencies differ from the git commit REV [default: the last common
    /// ancestor of HEAD and the default branch]
    #[arg(long, value_name = "REV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub affected: Option<String>,
    /// Run at most this many tasks at a time [default: the number of CPUs]
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// After a failure, continue with the tasks that do not depend on the failed one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Run the named tasks (all tasks of the build if none are named) even if the store has their results
    #[arg(short, long)]
    pub force: bool,
    /// Accept files of unknown origin as outputs: outputs matched them before, and the command left them unchanged
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub accept: bool,
    /// Run the named tasks (all if none are named) even if the store has their results, and compare the new outputs
    /// with these
    #[arg(long, conflicts_with_all = ["force", "dry_run", "no_cache"])]
    pub check: bool,
    /// Only show what would run, and why
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Show why each task runs
    #[arg(long)]
    pub explain: bool,
    /// Show the logs of these tasks: all, new (those that ran or were restored), failed, none
    #[arg(long, value_name = "WHOSE", default_value = "new", hide_possible_values = true)]
    pub logs: Logs,
    /// Print events as JSON, one per line
    #[arg(long)]
    pub json: bool,
    /// Write a trace of the build to FILE, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Neither look up nor store results
    #[arg(long)]
    pub no_cache: bool,
    /// Arguments that replace `{args}` in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

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

/// `percache watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Tasks to build: names, or globs over names [default: `default` of percache.toml, or all tasks]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// What to do with a running build when something changes: restart it, or finish it first
    #[arg(long, value_name = "WHAT", default_value = "restart", hide_possible_values = true)]
    pub on_change: OnChange,
    /// Run at most this many tasks at a time [default: the number of CPUs]
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// After a failure, continue with the tasks that do not depend on the failed one
    #[arg(short, long)]
    pub keep_going: bool,
    /// Show why each task runs
    #[arg(long)]
    pub explain: bool,
    /// Arguments that replace `{args}` in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// What to do with a running build when something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnChange {
    /// End it and start again
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
    /// A file, directory or glob that the command reads; `!` excludes. May be given several times
    #[arg(short, long = "input", value_name = "GLOB")]
    pub inputs: Vec<String>,
    /// A file, directory or glob that the command writes. Stored, and restored when missing or changed
    #[arg(short, long = "output", value_name = "PATH")]
    pub outputs: Vec<String>,
    /// A variable that the command sees and its result depends on, or a glob over names
    #[arg(short, long = "env", value_name = "VAR")]
    pub env: Vec<String>,
    /// A variable that the command sees and its result does not depend on, or a glob over names
    #[arg(long, value_name = "VAR")]
    pub env_pass: Vec<String>,
    /// Do not use results older than this: `90` or `90s`, `30m`, `12h`, `30d`, `2w`
    #[arg(long, value_name = "AGE")]
    pub valid_for: Option<String>,
    /// An exit status whose result is stored, like 1 of grep and diff. All others except 0 are failures, and never
    /// stored
    #[arg(long = "keep", value_name = "STATUS", value_parser = clap::value_parser!(u8).range(1..))]
    pub keep: Vec<u8>,
    /// Run the command even if the store has its result
    #[arg(short, long)]
    pub force: bool,
    /// The command and its arguments, run without a shell
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
    /// Arguments that replace `{args}` in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `percache init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Print it instead of writing it
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `percache list`.
#[derive(Debug, Args)]
pub struct List {
    /// Tasks to list: names, or globs over names [default: all]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only tasks whose inputs, definition or dependencies differ from the git commit REV [default: the last common
    /// ancestor of HEAD and the default branch]
    #[arg(long, value_name = "REV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub affected: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// List the results of functions in FILE, the cache of a program, instead of this workspace's tasks
    #[arg(long, value_name = "FILE")]
    pub cache: Option<PathBuf>,
}

/// `percache graph`.
#[derive(Debug, Args)]
pub struct Graph {
    /// Tasks to show, with their dependencies [default: all]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only tasks whose inputs, definition or dependencies differ from the git commit REV [default: the last common
    /// ancestor of HEAD and the default branch]
    #[arg(long, value_name = "REV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub affected: Option<String>,
    /// Only TASK and its dependencies, direct and indirect; with --needed-by, what lies between
    #[arg(long, value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub needs: Vec<String>,
    /// Only the dependents of FILE, direct and indirect: the tasks that a change to it may run. FILE may also be a
    /// task's name
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub needed_by: Vec<String>,
    /// Output format: text, dot (Graphviz), mermaid or json
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub format: GraphFormat,
}

/// The output format of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A tree of each task's dependencies
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
    /// Write the page to FILE, or to standard output if FILE is `-` [default: report.html in the worktree's directory
    /// in the store]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the data as JSON
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

/// `percache compdb`.
#[derive(Debug, Args)]
pub struct Compdb {
    /// Only these tasks: names, or globs over names [default: all]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
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
