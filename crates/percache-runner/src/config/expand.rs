//! Expands tasks to instances: one per combination of `matrix`, and for each of these one per file of `foreach`.
//!
//! The files of `foreach` are the existing files that no task produces, and the matching literal outputs of other
//! tasks, whether they exist or not. So a built tree and a clean one have the same tasks. Does not know the other keys
//! of a task.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::bind::Bindings;
use super::report::{Place, Report};
use super::stated::{Stated, Text};
use crate::fs::walk::{Kind, Want, expand_noting};
use crate::graph::{OutputIndex, cycles};
use crate::model::TaskId;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::reason;

/// One instance of a task.
#[derive(Debug)]
pub(super) struct Instance {
    /// The position of its template.
    pub stated: usize,
    /// The position of each axis's value, in order of the axes.
    pub choice: Vec<usize>,
    /// The file of `foreach`.
    pub file: Option<RelPath>,
    pub outputs: PatternSet,
    pub depfile: Option<RelPath>,
}

impl Instance {
    /// Returns the values of its axes, in order of the axes.
    pub fn axes<'s>(&self, stated: &'s Stated) -> Vec<&'s str> {
        chosen(stated, &self.choice)
    }
}

/// The search for the files of one `foreach`, in one combination of axes.
struct Search {
    stated: usize,
    choice: Vec<usize>,
    patterns: PatternSet,
    /// The files that match now, sorted.
    present: Vec<RelPath>,
}

/// Access to the files of the workspace.
pub(super) struct Tree<'t> {
    pub root: &'t Path,
    /// Paths that are never entered: the store.
    pub skip: &'t [RelPath],
    /// Whether an earlier build made a file.
    pub made: &'t dyn Fn(&RelPath) -> bool,
    /// Called with the paths that the outcome depends on.
    pub note: &'t mut dyn FnMut(&RelPath),
}

/// Expands all tasks to their instances. Reports mistakes.
pub(super) fn expand(tree: &mut Tree<'_>, all: &[Stated], args: &[String], report: &mut Report) -> Vec<Instance> {
    let (mut single, mut searches) = (Vec::new(), Vec::new());
    for (position, stated) in all.iter().enumerate() {
        let Some(combinations) = combinations(stated) else {
            let title = format!("the matrix of `{}` stands for more than {MOST_COMBINATIONS} tasks", stated.name);
            report.error(title, stated.at.clone(), "has too many combinations").hint("leave an axis out".to_owned());
            continue;
        };
        for choice in combinations {
            match &stated.keys.foreach {
                Some(foreach) => searches.push(search(tree, (position, stated), foreach, choice, report)),
                None => single.push((position, choice)),
            }
        }
    }
    let mut expansion = Expansion { all, args, searches, single, report };
    let first = expansion.run(&HashSet::new());
    if expansion.report_cycles(&first.fed) {
        return first.instances;
    }
    let produced = expansion.produced(&first);
    if produced.is_empty() { first.instances } else { expansion.run(&produced).instances }
}

/// The largest number of combinations of one `matrix`.
const MOST_COMBINATIONS: usize = 10_000;

/// Returns every combination of the axes' values, as positions; one empty combination if there are no axes. `None` if
/// there are too many.
fn combinations(stated: &Stated) -> Option<Vec<Vec<usize>>> {
    let count = stated.axes().iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
    count.filter(|count| *count <= MOST_COMBINATIONS)?;
    let all = stated.axes().iter().fold(vec![Vec::new()], |combinations, axis| {
        let extend = |start: &Vec<usize>| {
            let start = start.clone();
            (0..axis.values.len()).map(move |value| [&start[..], &[value]].concat())
        };
        combinations.iter().flat_map(extend).collect()
    });
    Some(all)
}

fn search(
    tree: &mut Tree<'_>,
    (position, stated): (usize, &Stated),
    foreach: &[Text],
    choice: Vec<usize>,
    report: &mut Report,
) -> Search {
    let axes = chosen(stated, &choice);
    let bindings = Bindings { base: &stated.dir, file: None, axes: &axes, args: &[] };
    let patterns = bindings.patterns(foreach, report);
    let mut found = expand_noting(tree.root, &patterns, tree.skip, Want::Files, tree.note).unwrap_or_else(|error| {
        let title = format!("cannot look for the files of `{}`: {error}", stated.name);
        report.error(title, place(stated), reason(&error.source));
        Vec::new()
    });
    found.retain(|found| found.kind != Kind::Symlink || is_file_behind(tree, &found.path));
    let sources = found.into_iter().map(|found| found.path).filter(|path| !(tree.made)(path));
    let (present, unnamed): (Vec<_>, Vec<_>) = sources.partition(can_be_named);
    if let Some(path) = unnamed.first() {
        let title = format!("file `{path}` cannot be part of a task's name");
        let hint = "rename it, or take it away with a `!` pattern".to_owned();
        report.error(title, place(stated), "matches a name that is not UTF-8 or has control characters").hint(hint);
    }
    Search { stated: position, choice, patterns, present }
}

/// Returns whether a symlink leads to a file. The lock file of an editor (`.#main.c`) leads nowhere, and a directory is
/// not a file.
fn is_file_behind(tree: &mut Tree<'_>, link: &RelPath) -> bool {
    (tree.note)(link);
    link.to_path(tree.root).is_file()
}

fn can_be_named(path: &RelPath) -> bool {
    path.to_str().is_some_and(|path| !path.contains(char::is_control))
}

/// Returns the values of the axes in one combination.
fn chosen<'s>(stated: &'s Stated, choice: &[usize]) -> Vec<&'s str> {
    choice.iter().zip(stated.axes()).map(|(choice, axis)| &axis.values[*choice].value[..]).collect()
}

/// Returns the place of `foreach`.
fn place(stated: &Stated) -> Place {
    stated.keys.foreach.iter().flatten().next().map_or_else(|| stated.at.clone(), |text| text.at.clone())
}

struct Expansion<'x> {
    all: &'x [Stated],
    args: &'x [String],
    searches: Vec<Search>,
    /// The instances without a file: template and choice.
    single: Vec<(usize, Vec<usize>)>,
    report: &'x mut Report,
}

#[derive(Default)]
struct Run {
    instances: Vec<Instance>,
    /// For each search, the matching outputs of other tasks.
    derived: HashSet<(usize, RelPath)>,
    /// Pairs of templates: the `foreach` of the second matches outputs of the first.
    fed: BTreeSet<(usize, usize)>,
}

/// An instance to expand.
struct Open {
    stated: usize,
    choice: Vec<usize>,
    file: Option<RelPath>,
    /// The number of tasks in the chain that produced the file.
    depth: usize,
}

impl Expansion<'_> {
    /// Expands all instances, starting from the present files without `produced` (search and file), until no output
    /// matches anything new.
    fn run(&mut self, produced: &HashSet<(usize, RelPath)>) -> Run {
        let (mut run, mut seen) = (Run::default(), HashSet::new());
        let single = self.single.iter();
        let single =
            single.map(|(stated, choice)| Open { stated: *stated, choice: choice.clone(), file: None, depth: 0 });
        let mut open: Vec<Open> = single.collect();
        for (number, search) in self.searches.iter().enumerate() {
            for path in &search.present {
                let key = (number, path.clone());
                if !produced.contains(&key) && seen.insert(key) {
                    open.push(search.open(path, 0));
                }
            }
        }
        while let Some(next) = open.pop() {
            let depth = next.depth + 1;
            let instance = self.instance(next);
            for output in literals(&instance.outputs) {
                for (number, search) in self.searches.iter().enumerate() {
                    if search.stated == instance.stated || !search.patterns.matches(output) {
                        continue;
                    }
                    run.fed.insert((instance.stated, search.stated));
                    run.derived.insert((number, output.clone()));
                    // A chain that visits a task twice is a cycle, reported after the run.
                    if depth <= self.all.len() && seen.insert((number, output.clone())) {
                        open.push(search.open(output, depth));
                    }
                }
            }
            run.instances.push(instance);
        }
        run
    }

    fn instance(&mut self, open: Open) -> Instance {
        let stated = &self.all[open.stated];
        let Open { choice, file, .. } = open;
        let axes = chosen(stated, &choice);
        let bindings = Bindings { base: &stated.dir, file: file.as_ref(), axes: &axes, args: self.args };
        let outputs = bindings.patterns(stated.outputs(), self.report);
        let depfile = stated.keys.depfile.as_ref().and_then(|depfile| bindings.path(depfile, self.report));
        Instance { stated: open.stated, choice, file, outputs, depfile }
    }

    /// Returns the present files, with their search, that are not sources because other instances than their own
    /// produce them.
    fn produced(&self, run: &Run) -> HashSet<(usize, RelPath)> {
        let mut index = OutputIndex::default();
        for (id, instance) in (0u32..).map(TaskId).zip(&run.instances) {
            index.insert(id, &instance.outputs);
            index.extend(id, instance.depfile.as_ref());
        }
        let mut produced = HashSet::new();
        for (number, search) in self.searches.iter().enumerate() {
            for path in &search.present {
                let key = (number, path.clone());
                let own = |id: TaskId| {
                    let owner = &run.instances[id.index()];
                    (owner.stated, &owner.choice, owner.file.as_ref()) == (search.stated, &search.choice, Some(path))
                };
                if !run.derived.contains(&key) && index.owners(path).any(|id| !own(id)) {
                    produced.insert(key);
                }
            }
        }
        produced
    }

    /// Reports tasks whose `foreach` patterns match each other's outputs: such a chain has no end.
    fn report_cycles(&mut self, fed: &BTreeSet<(usize, usize)>) -> bool {
        let mut feeds = vec![Vec::new(); self.all.len()];
        for (from, to) in fed {
            feeds[*from].push(TaskId(*to as u32));
        }
        let cycles = cycles(&feeds);
        for cycle in &cycles {
            let tasks: Vec<&Stated> = cycle.iter().map(|id| &self.all[id.index()]).collect();
            let names: Vec<String> = tasks.iter().map(|task| format!("`{}`", task.name)).collect();
            let title = format!("the `foreach` of {} match each other's outputs", names.join(" and "));
            let label = format!("matches outputs of {}", names[names.len() - 1]);
            let mut mistake = self.report.error(title, place(tasks[0]), label);
            for (task, feeder) in tasks.iter().skip(1).zip(&names) {
                mistake = mistake.also(&place(task), format!("matches outputs of {feeder}"));
            }
            mistake.hint("take the outputs away from one of them with a `!` pattern".to_owned());
        }
        !cycles.is_empty()
    }
}

impl Search {
    fn open(&self, path: &RelPath, depth: usize) -> Open {
        Open { stated: self.stated, choice: self.choice.clone(), file: Some(path.clone()), depth }
    }
}

/// Yields the outputs that are files and are named without wildcards.
fn literals(outputs: &PatternSet) -> impl Iterator<Item = &RelPath> {
    let named = outputs.patterns().iter().filter(|pattern| !pattern.negated && !pattern.directory);
    named.filter_map(|pattern| pattern.literal()).filter(|path| outputs.matches(path))
}
