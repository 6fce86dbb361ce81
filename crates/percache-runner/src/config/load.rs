//! From the text of the files to a checked workspace, in one pass that reports every mistake it meets.
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
use super::raw::RawCache;
use super::report::{At, Place, Report};
use super::resolve::{resolve_default, resolve_deps};
use super::stated::{Stated, check_variable, state};
use crate::graph::{Names, inferred};
use crate::model::diagnostic::Diagnostics;
use crate::model::path::RelPath;
use crate::model::{CacheSettings, Pool, Task, TaskId, Workspace};

/// What a workspace is loaded for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What `{args}` stands for: the arguments behind `--` on the command line.
    pub args: Vec<String>,
    /// Where the store is, when not where [`store_dir`] says. Nothing in it is ever a source file.
    pub store: Option<PathBuf>,
    /// Tells which files earlier builds made; nothing is known to have been made without it.
    pub made: Option<Made>,
}

/// From the root and the store's directory to a test whether a file is as an earlier build made it. A `foreach` over such a file would
/// find something that a clean tree does not have: if a task still makes it, it is found as that task's output.
pub type Made = fn(&Path, &Path) -> Box<dyn Fn(&RelPath) -> bool>;

/// All tasks of a workspace, each with where it is stated.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// Sorted by name.
    pub tasks: Vec<Task>,
    /// For each of `tasks` its position in `stated`.
    pub of: Vec<usize>,
    /// For each of `tasks` its `deps`, placeholders filled in.
    pub deps: Vec<Vec<String>>,
    pub stated: Vec<Stated>,
}

impl Tasks {
    /// The task as stated that made a task.
    pub fn stated(&self, position: usize) -> &Stated {
        &self.stated[self.of[position]]
    }

    /// Tasks without instances: a `foreach` that matches no file.
    pub fn empty(&self) -> Vec<String> {
        let made: BTreeSet<usize> = self.of.iter().copied().collect();
        let without = self.stated.iter().enumerate().filter(|(position, _)| !made.contains(position));
        without.map(|(_, stated)| stated.name.clone()).collect()
    }
}

/// Reads, expands and checks the workspace whose root file is in `root`, an absolute and canonical directory.
///
/// # Errors
/// All mistakes of all files, those of reading them included.
pub fn load(root: &Path, request: &Request) -> Result<Workspace, Diagnostics> {
    let mut report = Report::default();
    let mut noted = BTreeSet::new();
    let mut files = read_all(root, &mut report, &mut |path| {
        noted.insert(path.clone());
    });
    let top = std::mem::take(&mut files[0].raw);
    let broken = top.broken || files.iter().any(|file| file.raw.broken);
    let dir = top.cache.dir.as_ref().map(|dir| PathBuf::from(&dir.value));
    let RawCache { maxage, maxsize, check_rate, .. } = top.cache;
    let cache = CacheSettings { dir, maxage, maxsize, check_rate: check_rate.unwrap_or_default() };
    let pools: Vec<Pool> = top.pools.into_iter().map(|(name, capacity)| Pool { name: name.value, capacity }).collect();
    let env = top.env.into_iter().map(|(name, value)| {
        check_variable(&mut report, 0, &name);
        (name.value, value.value)
    });
    let env = env.collect();
    let follow = follow(&top.follow, &mut report);
    let common = Common { args: &request.args, pools: &pools, env, follow: &follow };
    files[0].raw.tasks = top.tasks;

    let store = request.store.clone().unwrap_or_else(|| store_dir(root, &cache));
    if let Some(dir) = top.cache.dir.as_ref().filter(|dir| !dir.value.is_empty()) {
        check_store(&mut report, dir, root, &store);
    }
    let skip: Vec<RelPath> = RelPath::from_native(root, &store).into_iter().collect();
    let mut note = |path: &RelPath| {
        noted.insert(path.clone());
    };
    let made = match request.made {
        Some(made) if files.iter().any(|file| file.raw.tasks.iter().any(|task| task.foreach.is_some())) => {
            made(root, &store)
        }
        _ => Box::new(|_: &RelPath| false),
    };
    let mut tree = Tree { root, skip: &skip, made: &*made, note: &mut note };
    let jobserver = top.jobserver;
    let mut tasks = make_tasks(&mut tree, &common, files, &mut report);
    let empty = tasks.empty();
    let files: Vec<RelPath> = report.paths().cloned().collect();
    let mut default = Vec::new();
    // Of a file that is not TOML, tasks may be missing: names would be reported that are there.
    if !broken {
        check_outputs(&tasks, &files, &skip, &mut report);
        default = connect(&mut tasks, &empty, top.default.as_deref(), &mut report);
    }
    if report.len() > 0 {
        return Err(report.finish());
    }
    let listed = noted.into_iter().collect();
    Ok(Workspace {
        root: root.to_owned(),
        files,
        listed,
        cache,
        pools,
        jobserver,
        follow,
        tasks: tasks.tasks,
        empty,
        default,
    })
}

/// The directories of `follow`. A mistake is reported.
fn follow(stated: &[At<String>], report: &mut Report) -> Vec<RelPath> {
    let mut follow = Vec::with_capacity(stated.len());
    for dir in stated {
        let at = Place { file: 0, span: dir.span.clone() };
        match RelPath::new(&dir.value) {
            Ok(path) if path.is_root() => {
                let hint = "name the directory of outputs that is a symlink: `follow = [\"build\"]`".to_owned();
                report.error("`follow` names the workspace", at, "is where the workspace lies").hint(hint);
            }
            Ok(path) if dir.value.contains(['*', '?', '[', '{']) => {
                let hint = "name each directory: `follow = [\"build\", \"dist\"]`".to_owned();
                let title = format!("`{path}` in `follow` is a pattern");
                report.error(title, at, "has a wildcard").hint(hint);
            }
            Ok(path) => follow.push(path),
            Err(error) => {
                let hint = "name the symlink, inside of the workspace; where it leads is up to you".to_owned();
                report.error(format!("`{}` cannot be followed", dir.value), at, error.to_string()).hint(hint);
            }
        }
    }
    follow
}

/// What lies in the store is neither input nor output: one that contains the workspace would hide all of it.
fn check_store(report: &mut Report, dir: &At<String>, root: &Path, store: &Path) {
    if store.canonicalize().is_ok_and(|store| root.starts_with(store)) {
        let at = Place { file: 0, span: dir.span.clone() };
        let hint = "give it a directory of its own, for example `.percache`".to_owned();
        report.error("the store would contain the workspace", at, "contains this file").hint(hint);
    }
}

/// Every instance of every task of `files`, sorted by name.
fn make_tasks(tree: &mut Tree<'_>, common: &Common<'_>, files: Vec<File>, report: &mut Report) -> Tasks {
    let mut stated = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let of_file = file.raw.tasks.into_iter().map(|raw| state(report, number, &file.dir, raw));
        stated.extend(of_file);
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

/// Finds all dependencies and what a bare build builds.
fn connect(tasks: &mut Tasks, empty: &[String], default: Option<&[At<String>]>, report: &mut Report) -> Vec<TaskId> {
    let (deps, default) = {
        let names = Names::new(tasks.tasks.iter().map(|task| (&task.name[..], &task.template[..])), empty);
        (resolve_deps(tasks, &names, report), resolve_default(tasks, &names, default, report))
    };
    for (task, deps) in tasks.tasks.iter_mut().zip(deps) {
        task.deps = deps;
    }
    let inferred = inferred(&tasks.tasks);
    for (task, inferred) in tasks.tasks.iter_mut().zip(inferred) {
        task.inferred = inferred;
    }
    report_cycles(tasks, report);
    default
}
