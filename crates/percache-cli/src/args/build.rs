//! Commands that make results: `build`, `watch`, `exec`, `accept`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completion;

/// `percache build`.
#[derive(Clone, Debug, Args)]
pub struct Build {
    /// Tasks to build: names, or globs over names (`pkgs/app:*`) [default: `default` of percache.toml, or all tasks]
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
    /// Only tasks whose last run here failed; with TASK, only those among TASK and its dependencies
    #[arg(long)]
    pub failed: bool,
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
    /// After the build, name the tasks whose outputs contain the path of the workspace, so that their results are used
    /// nowhere else. Exit with 1 if there are any
    #[arg(long, conflicts_with_all = ["dry_run", "no_cache"])]
    pub check_portable: bool,
    /// Only show what would run, and why
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Show why each task runs
    #[arg(long)]
    pub explain: bool,
    /// Show the logs of these tasks: all, new (those that ran or were restored), failed, none
    #[arg(long, value_name = "WHOSE", default_value = "new", hide_possible_values = true)]
    pub logs: Logs,
    /// What to print of each task: full (a line, and its log), compact (only failures and slow tasks), dots (a
    /// character) [default: compact on a terminal for more than 200 tasks, else full]
    #[arg(long, value_name = "FORM", hide_possible_values = true, conflicts_with_all = ["json", "dry_run"])]
    pub output: Option<Output>,
    /// Print events as JSON, one per line
    #[arg(long)]
    pub json: bool,
    /// Write a trace of the build to FILE, for Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Write the outcome of each task to FILE, as JUnit XML
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub junit: Option<PathBuf>,
    /// Write events to FILE, as --json prints them
    #[arg(long, value_name = "FILE")]
    pub json_file: Option<PathBuf>,
    /// Write a summary to FILE, in Markdown; `none` writes no summary on GitHub Actions either [default: on GitHub
    /// Actions, $GITHUB_STEP_SUMMARY]
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub summary_file: Option<PathBuf>,
    /// Neither look up nor store results
    #[arg(long)]
    pub no_cache: bool,
    /// Where results are shared
    #[cfg(feature = "remote")]
    #[command(flatten)]
    pub remote: super::RemoteOptions,
    /// Arguments that replace `{args}` in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// `percache watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Tasks to build: names, or globs over names [default: `default` of percache.toml, or all tasks]
    #[arg(value_name = "TASK", add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Only tasks of these packages, as for `build`. May be given several times
    #[arg(long, value_name = "PACKAGES")]
    pub filter: Vec<String>,
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
    /// Where results are shared
    #[cfg(feature = "remote")]
    #[command(flatten)]
    pub remote: super::RemoteOptions,
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

/// `percache accept`.
#[derive(Debug, Args)]
#[command(after_help = "\
What lies at the outputs of the task counts as what its command makes of the present inputs. Everything that the task \
depends on must be up to date.")]
pub struct Accept {
    /// The tasks: names, or globs over names
    #[arg(value_name = "TASK", required = true, add = ArgValueCompleter::new(completion::tasks))]
    pub tasks: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Arguments that replace `{args}` in commands
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
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

/// What to print of each task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line for each task that was not up to date, and logs
    Full,
    /// A line for each task that failed or was slow
    Compact,
    /// A character for each task that was not up to date
    Dots,
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

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a positive number".into()),
        Ok(jobs) => Ok(jobs),
    }
}
