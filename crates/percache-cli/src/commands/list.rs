//! `percache list`.

use percache_runner::tasks::{LastRuns, LastState, Task, TaskId};
use percache_runner::text::format_duration;
use serde_json::json;

use crate::args::{Cli, List};
use crate::error::{CliError, SUCCESS};
use crate::setup::{load, only_affected};
use crate::terminal::style::{Paint, Style};

/// The width above which names do not widen their column.
const WIDEST_NAME: usize = 48;

/// Lists the tasks.
pub fn run(cli: &Cli, args: &List) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let all = args.tasks.is_empty();
    let ids: Vec<TaskId> = if all { project.workspace.ids().collect() } else { project.select(&args.tasks)? };
    let ids = match &args.affected {
        Some(rev) => only_affected(&project, ids, rev, &[])?,
        None => ids,
    };
    let tasks: Vec<&Task> = ids.iter().map(|id| project.workspace.task(*id)).collect();
    let past = LastRuns::of(&project);
    if args.json {
        let rows = tasks.iter().map(|task| {
            json!({
                "name": task.name,
                "description": task.description,
                "group": task.command.is_none(),
                "state": word(past.state(task)),
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
        [(task.name.clone(), Style::Strong), (word(state).to_owned(), style(state)), (took, Style::Faint)]
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

/// Returns the word for a state.
fn word(state: LastState) -> &'static str {
    match state {
        LastState::Group => "group",
        LastState::Stopped => "stopped",
        LastState::Failed => "failed",
        LastState::NeverBuilt => "never built",
        LastState::Built => "built",
        LastState::AlwaysRuns => "always runs",
        LastState::NotStored => "not stored",
    }
}

/// Returns the style of a state.
fn style(state: LastState) -> Style {
    match state {
        LastState::Built => Style::Good,
        LastState::Failed => Style::Bad,
        LastState::Stopped | LastState::NotStored => Style::Warning,
        LastState::AlwaysRuns => Style::Active,
        LastState::Group | LastState::NeverBuilt => Style::Faint,
    }
}
