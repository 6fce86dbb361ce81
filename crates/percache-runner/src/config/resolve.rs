//! Resolves the tasks that `deps` and `default` name.
//!
//! Knows where names are written; `graph` knows what they mean.

use std::collections::HashMap;

use super::load::Tasks;
use super::report::{At, Place, Report};
use crate::graph::{Meant, Names, SelectError};
use crate::model::TaskId;
use crate::model::path::RelPath;

/// Returns the explicit dependencies of each task, sorted, without duplicates. Reports unknown names.
pub(super) fn resolve_deps(tasks: &Tasks, names: &Names<'_>, report: &mut Report) -> Vec<Meant> {
    // Most names have no placeholder, so that all instances of a task mean the same.
    let mut known: HashMap<(usize, usize), Meant> = HashMap::new();
    let mut all = Vec::with_capacity(tasks.tasks.len());
    for (position, (id, deps)) in (0u32..).map(TaskId).zip(&tasks.deps).enumerate() {
        let (of, stated) = (tasks.of[position], tasks.stated(position));
        let mut all_of = Meant::default();
        for (number, (text, name)) in stated.deps().iter().zip(deps).enumerate() {
            let shared = text.template.fixed().is_some();
            let taken_away = name.strip_prefix('!');
            if !shared || !known.contains_key(&(of, number)) {
                let title = || format!("task `{}` depends on a task that does not exist", stated.name);
                let name = taken_away.unwrap_or(name);
                let found = find(names, &stated.dir, name, title, text.at.clone(), report);
                known.insert((of, number), found);
            }
            if taken_away.is_some() {
                take_away(&mut all_of, &known[&(of, number)], name, &text.at, report);
                continue;
            }
            let glob = text.template.written().any(|part| part.contains(['*', '?']));
            // A glob that matches the task itself means the other tasks.
            let meant = &known[&(of, number)];
            all_of.needs.extend(meant.needs.iter().filter(|found| !(glob && **found == id)));
            all_of.lenient.extend(&meant.lenient);
        }
        all_of.needs.sort_unstable();
        all_of.needs.dedup();
        all_of.lenient.sort_unstable();
        all_of.lenient.dedup();
        all_of.lenient.retain(|id| all_of.needs.binary_search(id).is_err());
        all.push(all_of);
    }
    all
}

/// Removes tasks from the dependencies that were named before. Reports a name that takes nothing away.
fn take_away(ids: &mut Meant, found: &Meant, name: &str, at: &Place, report: &mut Report) {
    let count = |of: &Meant| of.needs.len() + of.lenient.len();
    let before = count(ids);
    let remains = |id: &TaskId| !found.needs.contains(id) && !found.lenient.contains(id);
    ids.needs.retain(remains);
    ids.lenient.retain(remains);
    // A name that means no task was reported.
    if count(ids) == before && count(found) > 0 {
        let hint = "leave it out, or name what a template, or a glob before it, states".to_owned();
        let label = "none of these is a dependency before it";
        report.error(format!("`{name}` takes nothing away"), at.clone(), label).hint(hint);
    }
}

/// Returns the tasks of a bare build: those that `default` names, or without it every task that ends by itself.
pub(super) fn resolve_default(
    tasks: &Tasks,
    names: &Names<'_>,
    default: Option<&[At<String>]>,
    report: &mut Report,
) -> Vec<TaskId> {
    let Some(default) = default else { return (0..tasks.tasks.len() as u32).map(TaskId).collect() };
    let mut ids = Vec::new();
    for name in default {
        let title = || "`default` names a task that does not exist".to_owned();
        let meant = find(names, &RelPath::root(), &name.value, title, name.at.clone(), report);
        ids.extend(meant.needs.into_iter().chain(meant.lenient));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn find(
    names: &Names<'_>,
    scope: &RelPath,
    name: &str,
    title: impl Fn() -> String,
    at: Place,
    report: &mut Report,
) -> Meant {
    names.resolve_dependency(scope, name).unwrap_or_else(|error| {
        let title = match &error {
            SelectError::Unknown { .. } => title(),
            SelectError::NoMatch { .. } => "this glob matches no task".to_owned(),
            SelectError::NoPackages { .. } | SelectError::NoPackage { .. } | SelectError::Above { .. } => {
                format!("`{name}` has no meaning here")
            }
        };
        let stated =
            || "tasks are the tables [task.NAME] of this file; those of a member are named `directory:task`".to_owned();
        report.error(title, at, error.to_string()).hint(error.hint().unwrap_or_else(stated));
        Meant::default()
    })
}
