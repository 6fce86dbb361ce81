//! Why several tasks ran or would run, in few words: the last build from its first causes, and all instances of a
//! template.

use std::fmt::Write as _;
use std::time::Duration;

use percache::base::clock::Time;
use percache_runner::Project;
use percache_runner::text::{format_age, format_duration};
use percache_runner::why::{Cause, LastBuild, Standing, State};
use serde_json::{Value, json};

use crate::terminal::style::{Paint, Style};

/// How many causes are shown, and how many tasks of each.
const CAUSES: usize = 15;
const TASKS: usize = 4;

/// Describes the last build from its first causes.
pub fn last_build(last: &LastBuild, verbose: bool, paint: Paint) -> String {
    let LastBuild { build, causes, failed } = last;
    let age = format_age(Time::now().since(build.began));
    let counts = [
        (build.failed, "failed"),
        (build.stopped, "stopped"),
        (build.ran, "ran"),
        (build.up_to_date, "up to date"),
        (build.restored, "restored"),
        (build.skipped, "skipped"),
    ];
    let counts: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let took = format_duration(Duration::from_micros(build.took));
    let mut text = format!("the build of {age} ago (`{}`): {} in {took}\n", build.command, counts.join(", "));
    let shown = if verbose { usize::MAX } else { CAUSES };
    let listed = if verbose { usize::MAX } else { TASKS };
    for Cause { reason, tasks } in causes.iter().take(shown) {
        let reason = reason.as_deref().unwrap_or("the reason is not known any more");
        let _ = writeln!(text, "\n{}: {}", paint.apply(Style::Strong, reason), number(tasks.len()));
        let _ = writeln!(text, "  {}", list(tasks, listed));
    }
    if causes.len() > shown {
        let _ = writeln!(text, "\nand {} other reasons; -v shows all", causes.len() - shown);
    }
    if !failed.is_empty() {
        let _ = writeln!(text, "\n{}:", paint.apply(Style::Bad, "failed or stopped"));
        for (task, how) in failed.iter().take(shown) {
            let _ = writeln!(text, "  {task} {}", paint.apply(Style::Faint, format!("({how})")));
        }
        if failed.len() > shown {
            let _ = writeln!(text, "  and {} more; -v shows all", failed.len() - shown);
        }
    }
    text
}

/// Returns the same for programs.
pub fn last_build_json(last: &LastBuild) -> Value {
    let LastBuild { build, causes, failed } = last;
    let causes = causes.iter().map(|cause| json!({ "reason": cause.reason, "tasks": cause.tasks }));
    let failed = failed.iter().map(|(task, how)| json!({ "task": task, "how": how }));
    json!({
        "command": build.command,
        "began": build.began.as_millis() as f64 / 1e3,
        "seconds": build.took as f64 / 1e6,
        "causes": causes.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    })
}

/// Describes how several tasks stand: those with the same state and reason together.
pub fn standings(project: &Project, name: &str, all: &[Standing], verbose: bool, paint: Paint) -> String {
    let mut kinds: Vec<(String, Vec<String>)> = Vec::new();
    for Standing { task, state, reason } in all {
        let words = words(state, reason.as_deref());
        let task = project.workspace.task(*task).name.clone();
        match kinds.iter_mut().find(|(kind, _)| *kind == words) {
            Some((_, tasks)) => tasks.push(task),
            None => kinds.push((words, vec![task])),
        }
    }
    kinds.sort_by_key(|(_, tasks)| std::cmp::Reverse(tasks.len()));
    let mut text = format!("{}: {}\n", paint.apply(Style::Strong, name), number(all.len()));
    let shown = if verbose { usize::MAX } else { CAUSES };
    for (words, tasks) in kinds.iter().take(shown) {
        let _ = writeln!(text, "\n{} {words}", tasks.len());
        let _ = writeln!(text, "  {}", list(tasks, if verbose { usize::MAX } else { TASKS }));
    }
    if kinds.len() > shown {
        let _ = writeln!(text, "\nand {} other reasons; -v shows all", kinds.len() - shown);
    }
    text
}

fn words(state: &State, reason: Option<&str>) -> String {
    let word = match state {
        State::UpToDate => "up to date",
        State::OnRemote => "on the remote",
        State::WouldRestore => "would be restored",
        State::Group => "nothing to run",
        State::Server => "server",
        State::WouldRun => "would run",
        State::MayRun => "may run",
        State::Broken(message) => return format!("would fail: {message}"),
    };
    reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}"))
}

fn number(tasks: usize) -> String {
    if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") }
}

/// Lists the first few tasks, and how many more there are.
fn list(tasks: &[String], shown: usize) -> String {
    let names: Vec<_> = tasks.iter().take(shown).map(String::as_str).collect();
    let more = tasks.len().saturating_sub(shown);
    names.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}
