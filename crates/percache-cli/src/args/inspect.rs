//! Commands that show tasks and what they did: `why`, `list`, `graph`, `report`, `log`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

/// `percache why`.
#[derive(Debug, Args)]
pub struct Why {
    /// The task; a name of several, such as that of a template, gives a summary [default: the last build, from its
    /// first causes]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub task: Option<String>,
    /// Only tasks whose inputs, definition or dependencies differ from the git commit REV [default: the last common
    /// ancestor of HEAD and the default branch]
    #[arg(long, value_name = "REV", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub affected: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Arguments that replace `{args}` in commands
    #[arg(last = true, value_name = "ARGS", requires = "task")]
    pub args: Vec<String>,
}

/// `percache list`.
#[derive(Debug, Args)]
pub struct List {
    /// Tasks to list: names, or globs over names [default: all]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only tasks of these packages: a name or a directory, or a glob over them; `X...` with what X needs, `...X` with
    /// what needs X, `[REV]` what changed since REV, `!X` without X. May be given several times
    #[arg(long, value_name = "PACKAGES")]
    pub filter: Vec<String>,
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
    /// Only tasks of these packages: a name or a directory, or a glob over them; `X...` with what X needs, `...X` with
    /// what needs X, `[REV]` what changed since REV, `!X` without X. May be given several times
    #[arg(long, value_name = "PACKAGES")]
    pub filter: Vec<String>,
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
    /// The task; a name of several, such as that of a template, gives a summary
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub task: String,
}

/// `percache compdb`.
#[derive(Debug, Args)]
pub struct Compdb {
    /// Only these tasks: names, or globs over names [default: all]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
}
