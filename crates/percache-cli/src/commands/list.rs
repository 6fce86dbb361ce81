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
    let width = tasks.iter().map(|task| task.name.chars().count()).max().unwrap_or(0).min(48);
    let paint = Paint::stdout(cli.color);
    for task in tasks {
        let state = match took(&journal, task) {
            Some(took) => format!("{}, {}", state(&journal, task), format_duration(took)),
            None => state(&journal, task).to_owned(),
        };
        let description = task.description.as_deref().unwrap_or_default();
        let line =
            format!("{:width$}  {:18}  {description}", task.name, paint.apply(Style::Faint, format!("{state:18}")));
        crate::say!("{}", line.trim_end());
    }
    Ok(SUCCESS)
}

/// How the task stood when it was last built.
fn state(journal: &Journal, task: &Task) -> &'static str {
    match journal.tasks.get(&task.name) {
        _ if task.command.is_none() => "group",
        None => "never built",
        Some(record) if record.key.is_some() => "built",
        Some(_) if !task.cache || task.interactive => "always runs",
        Some(_) => "failed",
    }
}

fn took(journal: &Journal, task: &Task) -> Option<Duration> {
    let record = journal.tasks.get(&task.name)?;
    (record.took > 0).then(|| Duration::from_micros(record.took))
}
