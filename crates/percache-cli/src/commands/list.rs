//! `percache list`.

use percache_runner::journal::Journal;
use percache_runner::model::{Task, TaskId};
use percache_runner::units::format_duration;
use percache_runner::worktree::Worktree;
use serde_json::json;
use std::time::Duration;

use crate::args::{Cli, List};
use crate::error::{CliError, SUCCESS};
use crate::setup::Setup;
use crate::style::{Paint, Style};

/// Longer names do not widen their column.
const WIDEST_NAME: usize = 48;

/// Lists the tasks.
pub fn run(cli: &Cli, args: &List) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let all = args.tasks.is_empty();
    let ids: Vec<TaskId> = if all { setup.workspace.ids().collect() } else { setup.select(&args.tasks)? };
    let tasks: Vec<&Task> = ids.iter().map(|id| setup.workspace.task(*id)).collect();
    let journal = Journal::load(&Worktree::new(&setup.store_dir, &setup.workspace.root).journal());
    if args.json {
        let rows = tasks.iter().map(|task| {
            json!({
                "name": task.name,
                "description": task.description,
                "group": task.command.is_none(),
                "state": state(&journal, task),
                "seconds": took(&journal, task).map(|took| took.as_secs_f64()),
            })
        });
        crate::say!("{:#}", serde_json::Value::Array(rows.collect()));
        return Ok(SUCCESS);
    }
    let paint = Paint::stdout(cli.color);
    let rows = tasks.iter().map(|task| {
        let state = state(&journal, task);
        let took = took(&journal, task).map(format_duration).unwrap_or_default();
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

/// How a state is painted.
fn style(state: &str) -> Style {
    match state {
        "built" => Style::Good,
        "failed" => Style::Bad,
        "always runs" | "not stored" => Style::Active,
        _ => Style::Faint,
    }
}

/// How the task stood when it was last built.
fn state(journal: &Journal, task: &Task) -> &'static str {
    match journal.tasks.get(&task.name) {
        _ if task.command.is_none() => "group",
        None => "never built",
        Some(record) if record.key.is_some() => "built",
        Some(_) if !task.cache || task.interactive => "always runs",
        Some(record) if !record.failed => "not stored",
        Some(_) => "failed",
    }
}

fn took(journal: &Journal, task: &Task) -> Option<Duration> {
    let record = journal.tasks.get(&task.name)?;
    (record.took > 0).then(|| Duration::from_micros(record.took))
}
