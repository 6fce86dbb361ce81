//! Scripts of package.json, and the packages of a workspace of npm, pnpm, yarn or bun.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `project` | The packages, and what they share |
//! | `script` | A script becomes a task |
//! | `state` | Files in which tools note what they have done |
//! | `root` | Scripts of the root that run those of the packages |
//! | `rules` | What turbo.json and nx.json say of a script |
//! | `turbo`, `nx` | Reading these files |
//! | `target` | Targets of Nx that run commands |

mod nx;
mod project;
mod root;
mod rules;
mod script;
mod state;
mod target;
mod turbo;

use std::collections::BTreeSet;
use std::path::Path;

use super::write::task_name;
use super::{InitError, Part, Proposed, list};
use project::{Member, Project};
use rules::Rules;

/// Who may describe the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Describing {
    /// Turborepo or Nx, if one of them is used.
    Any,
    Nobody,
    Turbo,
    Nx,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub root: Option<Part>,
    /// The packages of a workspace that get a file, each with its directory.
    pub members: Vec<(String, Part)>,
}

/// Proposes tasks for the package in `dir`, and for those of its workspace.
pub(super) fn look(dir: &Path, describing: Describing) -> Result<Found, InitError> {
    let Some(mut project) = Project::read(dir)? else { return Ok(Found::default()) };
    let mut rules = Rules::read(dir, describing)?;
    let needed = matches!(describing, Describing::Turbo | Describing::Nx);
    if needed && matches!(rules, Rules::None) {
        return Ok(Found::default());
    }
    let unknown = if let Rules::Nx(nx) = &mut rules {
        nx.learn_names(&project.members);
        project.add_targets(nx);
        project.imply(nx)
    } else {
        Vec::new()
    };
    let mut members: Vec<(String, Part)> = Vec::new();
    for member in project.members.iter().filter(|member| !member.dir.is_empty()) {
        let tasks = script::tasks(&project, member, &rules);
        let notes = left_out(member);
        if !tasks.is_empty() || !notes.is_empty() {
            let found = "a package.json".to_owned();
            let part = Part { found, prefix: project.manager, notes, tasks, ..Part::default() };
            members.push((member.dir.clone(), part));
        }
    }
    add_sources(&project, &rules, &mut members);
    let mut root = root_part(&project, &rules, &members);
    root.iter_mut().for_each(|part| part.notes.extend(unknown.iter().cloned()));
    Ok(Found { root, members })
}

/// Proposes the part of the root's file: the settings of the workspace, and scripts of the root.
fn root_part(project: &Project, rules: &Rules, members: &[(String, Part)]) -> Option<Part> {
    let own = project.members.iter().find(|member| member.dir.is_empty())?;
    let is_workspace = project.members.len() > 1;
    let mut tasks = if is_workspace {
        let known: BTreeSet<&str> =
            members.iter().flat_map(|(_, part)| &part.tasks).map(|task| task.name.as_str()).collect();
        root::tasks(project, own, rules, &known)
    } else {
        script::tasks(project, own, rules)
    };
    if is_workspace {
        tasks.iter_mut().for_each(|task| task.default = false);
    }
    if tasks.is_empty() && members.is_empty() {
        return None;
    }
    let found = if is_workspace { "a workspace of packages" } else { "a package.json" };
    let found = format!("{found}{}", rules.found());
    let settings = if is_workspace { project.settings(rules) } else { Vec::new() };
    let notes = [rules.notes(), left_out(own), installing(project)].concat();
    Some(Part { found, prefix: project.manager, settings, notes, tasks })
}

/// Returns comments on the scripts that cannot be tasks because of their names, and on targets that are none.
fn left_out(member: &Member) -> Vec<String> {
    let scripts = member.scripts();
    let names = scripts.iter().map(|(name, _)| *name).filter(|name| task_name(name).is_empty());
    let nameless = names.map(|name| format!("The script `{name}` is left out: no task can have this name."));
    nameless.chain(member.targets.unknown.iter().cloned()).collect()
}

/// Returns comments on how a task can install packages: it must not own what other tasks write while they run.
fn installing(project: &Project) -> Vec<String> {
    if !project.root.join("node_modules").is_dir() {
        return Vec::new();
    }
    vec![
        "A task that installs packages has `store = false` and leaves out where tools keep their caches:".to_owned(),
        format!("`outputs = {}`", list(&["node_modules/", "!node_modules/.cache/", "!node_modules/.vite/"])),
    ]
}

/// Adds a task to packages that others need and that do not build anything: their sources count as they are.
fn add_sources(project: &Project, rules: &Rules, members: &mut Vec<(String, Part)>) {
    let above: BTreeSet<String> = members
        .iter()
        .flat_map(|(_, part)| &part.tasks)
        .flat_map(|task| task.keys.iter().filter(|(key, _)| *key == "deps"))
        .flat_map(|(_, value)| value.split('"').filter_map(|name| name.strip_prefix('^')).map(str::to_owned))
        .collect();
    for member in project.members.iter().filter(|member| !member.dir.is_empty() && member.is_needed) {
        let own = members.iter().find(|(dir, _)| *dir == member.dir).map(|(_, part)| part);
        let has = |name: &str| own.is_some_and(|part| part.tasks.iter().any(|task| task.name == name));
        let missing: Vec<Proposed> =
            above.iter().filter(|name| !has(name)).map(|name| sources(project, member, rules, name)).collect();
        if missing.is_empty() {
            continue;
        }
        match members.iter_mut().find(|(dir, _)| *dir == member.dir) {
            Some((_, part)) => part.tasks.extend(missing),
            None => {
                let found = "a package without scripts".to_owned();
                let part = Part { found, prefix: project.manager, tasks: missing, ..Part::default() };
                members.push((member.dir.clone(), part));
            }
        }
    }
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
}

fn sources(project: &Project, member: &Member, rules: &Rules, name: &str) -> Proposed {
    let comment = if name == rules::SOURCES {
        "What other packages read of this one."
    } else {
        "Nothing is built here: other packages use the files as they are, and so depend on all of them."
    };
    let mut keys = vec![("command", list(&["true"]))];
    keys.extend(rules.sources(name, member).map(|inputs| ("inputs", list(&inputs))));
    if keys.len() == 1 {
        keys.extend(script::default_inputs(project, member));
    }
    keys.push(("deps", list(&member.above(name))));
    Proposed { name: name.to_owned(), comment: comment.to_owned(), keys, default: false }
}
