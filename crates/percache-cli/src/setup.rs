//! The beginning of most commands: find the workspace, load it, open its store.

use std::path::{Path, PathBuf};

use percache::store::Store;
use percache_runner::OpenError;
use percache_runner::Project;
use percache_runner::store;
use percache_runner::tasks::{AffectedError, CacheSettings, FilterError, TaskId, affected, filtered};

use crate::args::Cli;
use crate::error::CliError;
use crate::terminal::style::{Paint, Style};

/// Returns the directory where the command is to be run.
pub fn directory(cli: &Cli) -> &Path {
    cli.directory.as_deref().unwrap_or(Path::new("."))
}

/// Loads the workspace at or above the directory where the command is to be run.
pub fn load(cli: &Cli, args: &[String]) -> Result<Project, CliError> {
    Ok(Project::load(directory(cli), args)?)
}

/// Keeps those of `tasks` that differ from the git commit `rev`; an empty `rev` stands for the last common ancestor of
/// HEAD and the default branch.
pub fn only_affected(
    project: &Project,
    tasks: Vec<TaskId>,
    rev: &str,
    args: &[String],
) -> Result<Vec<TaskId>, CliError> {
    affected(project, tasks, rev, args, &std::env::vars_os().collect()).map_err(|e| not_compared(&e))
}

fn not_compared(error: &AffectedError) -> CliError {
    let hint = match error {
        AffectedError::Git(e) => Some(e.hint()),
        AffectedError::Walk(_) => None,
    };
    CliError::usage(format!("cannot tell what is affected: {error}")).hint(hint)
}

/// Returns the tasks of the packages that `filters` select: those that `names` name, or else those of `unnamed`.
pub fn only_filtered(
    project: &Project,
    names: (&[String], Vec<TaskId>),
    filters: &[String],
    args: &[String],
) -> Result<Vec<TaskId>, CliError> {
    filtered(project, names, filters, args, &std::env::vars_os().collect()).map_err(|error| match error {
        FilterError::Affected(error) => not_compared(&error),
        FilterError::Select(error) => CliError::from(OpenError::from(error)),
        error => {
            let hint = error.hint().unwrap_or_else(|| "`percache list` shows all tasks".to_owned());
            CliError::usage(error).hint(Some(hint))
        }
    })
}

/// Opens the store in `dir`, printing its warning if there is one.
pub fn open_store(dir: &Path, paint: Paint) -> Store {
    let (store, warning) = percache::store::open::open(dir, &holder());
    if let Some(warning) = warning {
        crate::aside!("{} {warning}", paint.apply(Style::Warning, "warning:"));
        crate::aside!(
            "{} delete it, unless another version of percache still needs it",
            paint.apply(Style::Hint, "hint:")
        );
        // The journals name results that are gone. If this fails, failing lookups will reveal it.
        let _ = store::advance_epoch(dir);
    }
    store
}

/// A store alone, for maintenance.
pub struct Keeping {
    /// Its directory.
    pub dir: PathBuf,
    /// The limits of its size and age.
    pub settings: CacheSettings,
}

impl Keeping {
    /// Finds the store of the workspace, or that of `percache exec`.
    pub fn load(cli: &Cli, exec: bool) -> Result<Keeping, CliError> {
        if exec {
            let settings = CacheSettings::default();
            return Ok(Keeping { dir: exec_store_dir()?, settings });
        }
        let project = load(cli, &[])?;
        Ok(Keeping { dir: project.store_dir, settings: project.workspace.cache })
    }
}

/// Returns the store of `percache exec`, in the system's directory for a user's caches.
pub fn exec_store_dir() -> Result<PathBuf, CliError> {
    let strategy = etcetera::choose_base_strategy().map_err(|e| {
        let hint = "set HOME or XDG_CACHE_HOME".to_owned();
        CliError::usage(format!("there is no directory for caches: {e}")).hint(Some(hint))
    })?;
    Ok(etcetera::BaseStrategy::cache_dir(&strategy).join("percache").join("exec"))
}

/// Describes this process to others that wait for it.
pub fn holder() -> String {
    let command: Vec<_> = std::env::args().skip(1).take(4).collect();
    format!("process {} (percache {})", std::process::id(), command.join(" "))
}
