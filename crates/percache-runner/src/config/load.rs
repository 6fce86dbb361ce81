//! Loads a workspace: from the text of the files to a validated workspace, in one pass that reports every mistake it
//! finds.
//!
//! Knows the order of the steps; each step is a file of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::build::{Common, build};
use super::check_outputs::check_outputs;
use super::cycles::report_cycles;
use super::discover::store_dir;
use super::expand::{Tree, expand};
use super::files::{File, read_all};
use super::members::Members;
use super::report::{At, Report};
use super::resolve::{resolve_default, resolve_deps};
use super::sense::check_sense;
use super::settings::Settings;
use super::stated::{Stated, state};
use super::templates::complete;
use crate::graph::{Names, components, inferred, needs, serves};
use crate::model::diagnostic::Diagnostics;
use crate::model::path::RelPath;
use crate::model::{Package, Task, TaskId, Workspace};

/// The parameters of loading.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The value of `{args}`: the arguments after `--` on the command line.
    pub args: Vec<String>,
    /// The store, if it is not where [`store_dir`] says. Nothing in it is ever a source file.
    pub store: Option<PathBuf>,
    /// Tells which files earlier builds made; without it, no file counts as made.
    pub made: Option<Made>,
}

/// Creates, from the root and the store's directory, a test whether a file is unchanged since an earlier build made it.
/// A `foreach` over such a file would find something that a clean tree does not have: if a task still makes the file,
/// it is found as that task's output.
pub type Made = fn(&Path, &Path) -> Box<dyn Fn(&RelPath) -> bool>;

/// All tasks of a workspace, each with its template.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// Sorted by name.
    pub tasks: Vec<Task>,
    /// For each of `tasks`, its position in `stated`.
    pub of: Vec<usize>,
    /// For each of `tasks`, its `deps` with placeholders filled in.
    pub deps: Vec<Vec<String>>,
    pub stated: Vec<Stated>,
}

impl Tasks {
    /// Returns the template of a task.
    pub fn stated(&self, position: usize) -> &Stated {
        &self.stated[self.of[position]]
    }

    /// Returns the names of the templates without instances, because their `foreach` matches no file.
    pub fn empty(&self) -> Vec<String> {
        let made: BTreeSet<usize> = self.of.iter().copied().collect();
        let without = self.stated.iter().enumerate().filter(|(position, _)| !made.contains(position));
        without.map(|(_, stated)| stated.name.clone()).collect()
    }
}

/// Reads, expands and checks the workspace whose root file is in `root`, an absolute and canonical directory.
///
/// # Errors
/// Returns all mistakes of all files, including errors of reading them.
pub fn load(root: &Path, request: &Request) -> Result<Workspace, Diagnostics> {
    let mut report = Report::default();
    let mut noted = BTreeSet::new();
    let mut note = |path: &RelPath| {
        noted.insert(path.clone());
    };
    let (mut files, Members { packages, doubts, .. }) = read_all(root, &mut report, &mut note);
    let broken = files.iter().any(|file| file.raw.broken);
    let settings = Settings::take(&mut files[0].raw.keys, &mut report);
    let store = request.store.clone().unwrap_or_else(|| store_dir(root, &settings.cache));
    settings.check_store(&mut report, root, &store);
    let skip: Vec<RelPath> = RelPath::from_native(root, &store).into_iter().collect();
    let unused = complete(&mut files, &settings.defaults, &mut report);
    let made = made(request, root, &store, &files);
    let mut tree = Tree { root, skip: &skip, made: &*made, note: &mut note };
    let mut tasks = make_tasks(&mut tree, &settings.common(&request.args), files, &mut report);
    let empty = tasks.empty();
    let files: Vec<RelPath> = report.paths().cloned().collect();
    let mut default = Vec::new();
    // If a file is not valid TOML, tasks may be missing, and names that do exist would be reported.
    if !broken {
        check_outputs(&tasks, &files, &skip, &mut report);
        default = connect(&mut tasks, (&empty, &packages), settings.default.as_deref(), &mut report);
    }
    if report.len() > 0 {
        return Err(report.finish());
    }
    let listed = noted.into_iter().collect();
    let Settings { cache, remote, pools, jobserver, follow, default: stated_default, .. } = settings;
    let pools = pools.into_iter().map(|stated| stated.pool).collect();
    let (root, tasks) = (root.to_owned(), tasks.tasks);
    let mut workspace = Workspace {
        root,
        files,
        listed,
        packages,
        doubts,
        cache,
        remote,
        pools,
        jobserver,
        follow,
        tasks,
        empty,
        unused,
        default,
    };
    if stated_default.is_none() && workspace.tasks.iter().any(|task| task.server.is_some()) {
        // A bare build comes to an end: it starts the servers that a task needs, and no others.
        let ends = workspace.default.iter().copied().filter(|id| serves(&workspace, *id).is_empty());
        workspace.default = ends.collect();
    }
    Ok(workspace)
}

/// Returns the test whether a file was made by an earlier build. Only `foreach` asks for it.
fn made(request: &Request, root: &Path, store: &Path, files: &[File]) -> Box<dyn Fn(&RelPath) -> bool> {
    let mut tasks = files.iter().flat_map(|file| file.raw.keys.task.iter().flatten());
    match request.made {
        Some(made) if tasks.any(|task| task.keys.foreach.is_some()) => made(root, store),
        _ => Box::new(|_: &RelPath| false),
    }
}

/// Returns every instance of every task of `files`, sorted by name.
fn make_tasks(tree: &mut Tree<'_>, common: &Common<'_>, files: Vec<File>, report: &mut Report) -> Tasks {
    let mut stated = Vec::new();
    for file in files {
        for raw in file.raw.keys.task.into_iter().flatten() {
            check_sense(report, &raw, file.raw.broken);
            stated.push(state(report, &file.dir, raw));
        }
    }
    let instances = expand(tree, &stated, common.args, report);
    let mut made: Vec<(Task, usize, Vec<String>)> = Vec::with_capacity(instances.len());
    for instance in instances {
        let position = instance.stated;
        let (task, deps) = build(common, &stated[position], instance, report);
        made.push((task, position, deps));
    }
    made.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let mut tasks = Tasks { stated, ..Tasks::default() };
    for (task, position, deps) in made {
        if tasks.tasks.last().is_some_and(|last| last.name == task.name) {
            let at = tasks.stated[position].at.clone();
            report
                .error(format!("two tasks are named `{}`", task.name), at, "makes the name twice")
                .hint("rename one of them".to_owned());
        }
        tasks.tasks.push(task);
        tasks.of.push(position);
        tasks.deps.push(deps);
    }
    tasks
}

/// Resolves all dependencies, and returns the tasks of a bare build.
fn connect(
    tasks: &mut Tasks,
    (empty, packages): (&[String], &[Package]),
    default: Option<&[At<String>]>,
    report: &mut Report,
) -> Vec<TaskId> {
    let (deps, default) = {
        let names = Names::new(tasks.tasks.iter().map(|task| (&task.name[..], &task.template[..])), empty);
        let names = names.with_packages(packages);
        (resolve_deps(tasks, &names, report), resolve_default(tasks, &names, default, report))
    };
    let mut lenient = Vec::with_capacity(deps.len());
    for (task, deps) in tasks.tasks.iter_mut().zip(deps) {
        task.deps = deps.needs;
        lenient.push(deps.lenient);
    }
    let inferred = inferred(&tasks.tasks);
    for (task, inferred) in tasks.tasks.iter_mut().zip(inferred) {
        task.inferred = inferred;
    }
    if lenient.iter().any(|lenient| !lenient.is_empty()) {
        add_lenient(&mut tasks.tasks, lenient);
    }
    report_cycles(tasks, packages, report);
    default
}

/// Adds those of the lenient dependencies that close no circle. A circle that remains has none of them.
fn add_lenient(tasks: &mut [Task], lenient: Vec<Vec<TaskId>>) {
    let all = tasks.iter().zip(&lenient).map(|(task, lenient)| [needs(task), lenient.clone()].concat());
    let component = components(&all.collect::<Vec<_>>());
    for ((task, lenient), own) in tasks.iter_mut().zip(lenient).zip(&component) {
        let closes_none = |id: &TaskId| component[id.index()] != *own;
        let is_there = |id: &TaskId| task.inferred.binary_search(id).is_ok();
        let added: Vec<TaskId> = lenient.into_iter().filter(|id| closes_none(id) || is_there(id)).collect();
        task.inferred.retain(|id| added.binary_search(id).is_err());
        task.deps.extend(added);
        task.deps.sort_unstable();
    }
}
