//! Reports dependency cycles, with the place in the configuration that causes each step.
//!
//! `graph` finds the cycles themselves.

use super::load::Tasks;
use super::report::{Place, Report};
use crate::graph::{Names, cycles, feeds, needs};
use crate::model::path::RelPath;
use crate::model::pattern::Pattern;
use crate::model::{Package, TaskId};

/// Reports one shortest cycle of every group of tasks that need each other.
pub(super) fn report_cycles(tasks: &Tasks, packages: &[Package], report: &mut Report) {
    let needs: Vec<Vec<TaskId>> = tasks.tasks.iter().map(needs).collect();
    let cycles = cycles(&needs);
    if cycles.is_empty() {
        return;
    }
    let names = Names::new(tasks.tasks.iter().map(|task| (&task.name[..], &task.template[..])), &[]);
    let names = names.with_packages(packages);
    for cycle in cycles {
        report_cycle(tasks, &names, &cycle, report);
    }
}

fn report_cycle(tasks: &Tasks, names: &Names<'_>, cycle: &[TaskId], report: &mut Report) {
    let name = |id: TaskId| format!("`{}`", tasks.tasks[id.index()].name);
    let round = cycle.iter().chain(cycle.first());
    let steps = cycle.iter().zip(cycle.iter().cycle().skip(1)).map(|(from, to)| step(tasks, names, *from, *to));
    let steps: Vec<Step> = steps.collect();
    let Some((first, others)) = steps.split_first() else { return };
    let title = match cycle {
        [only] => format!("task {} depends on itself", name(*only)),
        _ => format!("dependency cycle: {}", round.map(|id| name(*id)).collect::<Vec<_>>().join(" → ")),
    };
    let mut mistake = report.error(title, first.at.clone(), &first.says);
    for step in others {
        mistake = mistake.also(&step.at, &step.says);
    }
    let excluded = steps.iter().find_map(|step| step.exclude.as_ref());
    let between_packages = steps.iter().all(|step| step.above);
    mistake.hint(match excluded {
        None if between_packages => {
            "these packages depend on each other: take one out of the dependencies of another, or name tasks instead \
             of using `^`"
                .to_owned()
        }
        Some(output) => format!("if `{output}` is not meant as an input, add `\"!{output}\"` to `inputs`"),
        None => "one of these steps has to go: take the name out of `deps`".to_owned(),
    });
}

struct Step {
    at: Place,
    says: String,
    /// Whether it was written with `^`, so that packages depend on each other.
    above: bool,
    /// The pattern to exclude from `inputs` so that no dependency is inferred.
    exclude: Option<String>,
}

/// Explains why `from` needs `to`.
fn step(tasks: &Tasks, names: &Names<'_>, from: TaskId, to: TaskId) -> Step {
    let (task, stated) = (&tasks.tasks[from.index()], tasks.stated(from.index()));
    let other = &tasks.tasks[to.index()];
    if task.deps.binary_search(&to).is_ok() {
        let mut written = stated.deps().iter().zip(&tasks.deps[from.index()]);
        let named = written.find(|(_, name)| names.resolve(&stated.dir, name).is_ok_and(|ids| ids.contains(&to)));
        let (at, written) = named.map_or((&stated.at, ""), |(text, name)| (&text.at, name.as_str()));
        let above = written.starts_with('^');
        let why = if above { format!(" (`{written}`)") } else { String::new() };
        let says = format!("`{}` depends on `{}`{why}", task.name, other.name);
        return Step { at: at.clone(), says, above, exclude: None };
    }
    let feed = feeds(other, task);
    let input = feed.and_then(|feed| stated.keys.inputs.as_ref()?.get(feed.input));
    let output = feed.and_then(|feed| other.outputs.patterns().iter().find(|pattern| pattern.index == feed.output));
    let output = output.map(|pattern| seen_from(&stated.dir, pattern));
    let says = match &output {
        Some(output) => format!("`{}` reads `{output}`, an output of `{}`", task.name, other.name),
        None => format!("`{}` reads outputs of `{}`", task.name, other.name),
    };
    Step { at: input.map_or(&stated.at, |text| &text.at).clone(), says, above: false, exclude: output }
}

/// Returns a pattern as it is written in a file of the directory `dir`.
pub(super) fn seen_from(dir: &RelPath, pattern: &Pattern) -> String {
    let text = pattern.to_string();
    RelPath::new(&text).map_or(text, |path| String::from_utf8_lossy(&path.relative_to(dir)).into_owned())
}
