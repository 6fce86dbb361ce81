//! `percache list`.

use percache_runner::model::{Task, TaskId};
use percache_runner::syntax::units::format_duration;
use percache_runner::worktree::Worktree;
use percache_runner::worktree::failed_runs::{self, FailedRun};
use percache_runner::worktree::journal::Journal;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

use crate::args::{Cli, List};
use crate::error::{CliError, SUCCESS};
use crate::setup::Setup;
use crate::terminal::style::{Paint, Style};

/// The width above which names do not widen their column.
const WIDEST_NAME: usize = 48;

/// Lists the tasks.
pub fn run(cli: &Cli, args: &List) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let all = args.tasks.is_empty();
    let ids: Vec<TaskId> = if all { setup.workspace.ids().collect() } else { setup.select(&args.tasks)? };
    let ids = match &args.affected {
        Some(rev) => setup.affected(ids, rev, &[])?,
        None => ids,
    };
    let tasks: Vec<&Task> = ids.iter().map(|id| setup.workspace.task(*id)).collect();
    let worktree = Worktree::new(&setup.store_dir, &setup.workspace.root);
    let past = Past {
        journal: Journal::load(&worktree.journal()),
        failed: failed_runs::all(&worktree.failed()).into_iter().map(|run| (run.task.clone(), run)).collect(),
    };
    if args.json {
        let rows = tasks.iter().map(|task| {
            json!({
                "name": task.name,
                "description": task.description,
                "group": task.command.is_none(),
                "state": past.state(task),
                "seconds": past.took(task).map(|took| took.as_secs_f64()),
            })
        });
        crate::say!("{:#}", serde_json::Value::Array(rows.collect()));
        return Ok(SUCCESS);
    }
    let paint = Paint::stdout(cli.color);
    let rows = tasks.iter().map(|task| {
        let state = past.state(task);
        let took = past.took(task).map(format_duration).unwrap_or_default();
        [(task.name.clone(), Style::Strong), (state.to_owned(), style(state)), (took, Style::Faint)]
    });
    let rows: Vec<_> = rows.collect();
    let widest = |column: usize| rows.iter().map(|row| row[column].0.chars().count()).max().unwrap_or(0);
    let widths = [widest(0).min(WIDEST_NAME), widest(1), widest(2)];
    for (task, row) in tasks.iter().zip(&rows) {
        let cell = |(text, style): &(String, Style), width: usize| paint.apply(*style, format!("{text:width$}"));
        let cells: Vec<String> =
            row.iter().zip(widths).filter(|(_, width)| *width > 0).map(|(c, w)| cell(c, w)).collect();
        let line = format!("{}  {}", cells.join("  "), task.description.as_deref().unwrap_or_default());
        crate::say!("{}", line.trim_end());
    }
    Ok(SUCCESS)
}

/// Returns the style of a state.
fn style(state: &str) -> Style {
    match state {
        "built" => Style::Good,
        "failed" => Style::Bad,
        "stopped" | "not stored" => Style::Warning,
        "always runs" => Style::Active,
        _ => Style::Faint,
    }
}

/// What the last builds of the worktree left.
struct Past {
    journal: Journal,
    failed: HashMap<String, FailedRun>,
}

impl Past {
    /// Returns the state of the task after its last build.
    fn state(&self, task: &Task) -> &'static str {
        let record = self.journal.tasks.get(&task.name);
        let failed = self.failed.get(&task.name).filter(|run| run.is_last(record));
        match (failed, record) {
            _ if task.command.is_none() => "group",
            (Some(run), _) if run.stopped => "stopped",
            (Some(_), _) => "failed",
            (None, None) => "never built",
            (None, Some(record)) if record.key.is_some() => "built",
            (None, Some(_)) if !task.cache || task.interactive => "always runs",
            (None, Some(_)) => "not stored",
        }
    }

    fn took(&self, task: &Task) -> Option<Duration> {
        let record = self.journal.tasks.get(&task.name)?;
        (record.took > 0).then(|| Duration::from_micros(record.took))
    }
}
