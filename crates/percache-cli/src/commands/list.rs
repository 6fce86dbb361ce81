//! `percache list`.

use std::collections::HashMap;
use std::time::Duration;

use percache::base::clock::Time;
use percache_runner::Project;
use percache_runner::tasks::{LastRuns, LastState, Task, TaskId};
use percache_runner::text::{format_age, format_duration, format_size};
use serde_json::{Value, json};

use crate::args::{Cli, List};
use crate::error::{CliError, SUCCESS};
use crate::setup::{load, only_affected, only_filtered};
use crate::terminal::style::{Paint, Style};

/// The width above which names do not widen their column.
const WIDEST_NAME: usize = 48;
/// The word for a stored result of inputs that may have changed since.
const STALE: &str = "stale?";

/// Lists the tasks.
pub fn run(cli: &Cli, args: &List) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let all = args.tasks.is_empty();
    let every = || project.workspace.ids().collect::<Vec<TaskId>>();
    let ids: Vec<TaskId> = match args.filter.as_slice() {
        [] if all => every(),
        [] => project.select(&args.tasks)?,
        filters => only_filtered(&project, (&args.tasks, every()), filters, &[])?,
    };
    let ids = match &args.affected {
        Some(rev) => only_affected(&project, ids, rev, &[])?,
        None => ids,
    };
    let past = LastRuns::of(&project);
    let fresh = past.fresh(&project);
    let known: Vec<Known<'_>> = ids.iter().map(|id| Known::of(&project, &past, &fresh, *id)).collect();
    if args.json {
        let rows = known.iter().map(Known::json);
        crate::say!("{:#}", Value::Array(rows.collect()));
        return Ok(SUCCESS);
    }
    let rows = if all && !cli.verbose { folded(&known) } else { known.iter().map(|task| row(&[task])).collect() };
    print(&rows, Paint::stdout(cli.color));
    Ok(SUCCESS)
}

/// What is known of a task.
struct Known<'a> {
    task: &'a Task,
    state: LastState,
    /// Whether it is up to date, as far as that is known.
    fresh: Option<bool>,
    ended: Option<Time>,
    took: Option<Duration>,
    size: Option<u64>,
}

impl Known<'_> {
    fn of<'a>(project: &'a Project, past: &LastRuns, fresh: &[Option<bool>], id: TaskId) -> Known<'a> {
        let task = project.workspace.task(id);
        Known {
            task,
            state: past.state(task),
            fresh: fresh[id.index()],
            ended: past.ended(task),
            took: past.took(task),
            size: past.size(task),
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.task.name,
            "template": self.task.template,
            "description": self.task.description,
            "group": self.task.command.is_none(),
            "state": word(self.state),
            "fresh": self.fresh,
            "ended": self.ended.map(|ended| ended.as_millis() as f64 / 1e3),
            "seconds": self.took.map(|took| took.as_secs_f64()),
            "bytes": self.size,
        })
    }

    /// Returns the word for the state, and its style: what may be stale is not green.
    fn state(&self) -> (&'static str, Style) {
        match (self.state, self.fresh) {
            (LastState::Built | LastState::OnRemote, Some(false)) => (STALE, Style::Warning),
            (LastState::Built, None) => (word(LastState::Built), Style::Faint),
            (state, _) => (word(state), style(state)),
        }
    }
}

/// A line of the list.
struct Row<'a> {
    name: &'a str,
    states: Vec<(String, Style)>,
    age: String,
    took: String,
    size: String,
    description: &'a str,
}

/// Returns the rows, one for all instances of a template.
fn folded<'a>(known: &'a [Known<'a>]) -> Vec<Row<'a>> {
    let mut templates: Vec<Vec<&Known<'_>>> = Vec::new();
    // They are sorted by name, so the instances of a template are neighbours, but for names that begin like it.
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for one in known {
        let position = *positions.entry(&one.task.template).or_insert_with(|| {
            templates.push(Vec::new());
            templates.len() - 1
        });
        templates[position].push(one);
    }
    templates.iter().map(|instances| row(instances)).collect()
}

/// Returns the row of a task, or of all instances of a template.
fn row<'a>(tasks: &[&Known<'a>]) -> Row<'a> {
    let first = tasks[0].task;
    let (name, states) = match tasks {
        [one] => (&one.task.name, vec![(one.state().0.to_owned(), one.state().1)]),
        _ => (&first.template, counts(tasks)),
    };
    let ended = tasks.iter().filter_map(|task| task.ended).max();
    let took: Duration = tasks.iter().filter_map(|task| task.took).sum();
    let size: u64 = tasks.iter().filter_map(|task| task.size).sum();
    let age = |ended: Time| format!("{} ago", format_age(Time::now().since(ended)));
    Row {
        name,
        states,
        age: ended.map(age).unwrap_or_default(),
        took: if took.is_zero() { String::new() } else { format_duration(took) },
        size: if size == 0 { String::new() } else { format_size(size) },
        description: first.description.as_deref().unwrap_or_default(),
    }
}

/// Counts the states of the instances of a template, what needs attention first.
fn counts(tasks: &[&Known<'_>]) -> Vec<(String, Style)> {
    let mut counts: Vec<((&str, Style), usize)> = Vec::new();
    for state in tasks.iter().map(|task| task.state()) {
        match counts.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state, 1)),
        }
    }
    counts.sort_by_key(|((_, style), _)| match style {
        Style::Bad => 0,
        Style::Warning => 1,
        _ => 2,
    });
    let counts = counts.into_iter().map(|((word, style), count)| (format!("{count} {word}"), style));
    [(tasks.len().to_string(), Style::Strong)].into_iter().chain(counts).collect()
}

/// Prints the rows in columns; columns without content are left out.
fn print(rows: &[Row<'_>], paint: Paint) {
    const BETWEEN: &str = " · ";
    let state = |row: &Row<'_>| row.states.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(BETWEEN);
    let widest = |column: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(column).max().unwrap_or(0);
    let chars = |text: &str| text.chars().count();
    let names = widest(&|row| chars(row.name)).min(WIDEST_NAME);
    let (states, ages) = (widest(&|row| chars(&state(row))), widest(&|row| chars(&row.age)));
    let (tooks, sizes) = (widest(&|row| chars(&row.took)), widest(&|row| chars(&row.size)));
    for row in rows {
        let painted: Vec<_> = row.states.iter().map(|(text, style)| paint.apply(*style, text)).collect();
        let fill = " ".repeat(states - chars(&state(row)));
        let mut cells = vec![paint.apply(Style::Strong, format!("{:names$}", row.name)), painted.join(BETWEEN) + &fill];
        let faint = |(text, width): (&String, usize)| paint.apply(Style::Faint, format!("{text:>width$}"));
        let columns = [(&row.age, ages), (&row.took, tooks), (&row.size, sizes)];
        cells.extend(columns.into_iter().filter(|(_, width)| *width > 0).map(faint));
        crate::say!("{}", format!("{}  {}", cells.join("  "), row.description).trim_end());
    }
}

/// Returns the word for a state.
pub fn word(state: LastState) -> &'static str {
    match state {
        LastState::Group => "group",
        LastState::Stopped => "stopped",
        LastState::Failed => "failed",
        LastState::NeverBuilt => "never built",
        LastState::Built => "built",
        LastState::OnRemote => "on remote",
        LastState::Server => "server",
        LastState::AlwaysRuns => "always runs",
        LastState::NotStored => "not stored",
    }
}

/// Returns the style of a state.
pub fn style(state: LastState) -> Style {
    match state {
        LastState::Built | LastState::OnRemote => Style::Good,
        LastState::Failed => Style::Bad,
        LastState::Stopped | LastState::NotStored => Style::Warning,
        LastState::AlwaysRuns | LastState::Server => Style::Active,
        LastState::Group | LastState::NeverBuilt => Style::Faint,
    }
}
