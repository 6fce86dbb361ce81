//! `--filter`: the tasks of packages that are selected by name, by directory, by what depends on what, and by what
//! changed.
//!
//! A package is a directory with tasks, or one that an ecosystem names. What packages depend on is what their manifests
//! say; a directory that is no package depends on those whose tasks its own tasks need.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `selector` | The language of selectors |

mod selector;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::explain::affected::{AffectedError, changed};
use crate::graph::{Names, SelectError, is_called, matches, select};
use crate::model::path::RelPath;
use crate::model::pattern::{PatternError, PatternSet};
use crate::model::{Caller, Package, TaskId};
use crate::session::Project;
use crate::syntax::suggest::did_you_mean;

use selector::{Selector, parse};

/// Why it is not known which tasks are selected.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A selector is not one.
    #[error("`--filter {filter}`: {problem}")]
    Malformed {
        /// The selector.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A selector names no package.
    #[error("`--filter {filter}` matches no package")]
    NoMatch {
        /// The selector.
        filter: String,
        /// What to do about it.
        hint: String,
    },
    /// No selected package has a task of this name.
    #[error("none of the selected packages has a task `{name}`")]
    NoTask {
        /// The name.
        name: String,
        /// What was probably meant.
        hint: Option<String>,
    },
    /// A commit cannot be compared with the tree.
    #[error("{0}")]
    Affected(#[from] AffectedError),
    /// A name refers to no task.
    #[error("a name refers to no task")]
    Select(SelectError),
}

impl FilterError {
    /// Returns what to do about it, if it says so.
    pub fn hint(&self) -> Option<String> {
        match self {
            FilterError::NoMatch { hint, .. } => Some(hint.clone()),
            FilterError::NoTask { hint, .. } => hint.clone(),
            FilterError::Malformed { .. } => Some(
                "`web`, `@acme/*`, `{apps/web}` and `[main]` select packages; `web...` adds what they need".to_owned(),
            ),
            FilterError::Affected(_) | FilterError::Select(_) => None,
        }
    }
}

/// Returns the tasks of the selected packages, sorted: those that `names` name, or else those of `unnamed`. A name
/// without a directory means that task of every selected package.
///
/// # Errors
/// Fails if a selector or a name means nothing, or if git cannot compare the tree.
pub fn filtered(
    project: &Project,
    (names, unnamed): (&[String], Vec<TaskId>),
    filters: &[String],
    args: &[String],
    caller: &Caller,
) -> Result<Vec<TaskId>, FilterError> {
    let units = Units::of(project);
    let dirs = units.selected(project, filters, args, caller)?;
    let is_inside = |id: &TaskId| dirs.contains(&project.workspace.task(*id).dir);
    if names.is_empty() {
        return Ok(unnamed.into_iter().filter(is_inside).collect());
    }
    let mut tasks = BTreeSet::new();
    for name in names {
        let found = match name.contains(':') || name.starts_with('^') {
            true => {
                select(&project.workspace, &project.cwd, std::slice::from_ref(name)).map_err(FilterError::Select)?
            }
            false => in_each(project, &dirs, name)?,
        };
        tasks.extend(found.into_iter().filter(is_inside));
    }
    Ok(tasks.into_iter().collect())
}

/// Returns the task of this name of every directory that has one.
fn in_each(project: &Project, dirs: &BTreeSet<RelPath>, name: &str) -> Result<Vec<TaskId>, FilterError> {
    let workspace = &project.workspace;
    let with_tasks = workspace.tasks.iter().filter(|task| dirs.contains(&task.dir));
    let of: BTreeSet<&str> = with_tasks.clone().filter_map(|task| task.dir.to_str()).collect();
    match Names::of(workspace).in_dirs(&of, name) {
        Some(tasks) => Ok(tasks),
        None if of.is_empty() => Ok(Vec::new()),
        None => {
            let locals = with_tasks.map(|task| task.template.rsplit(':').next().unwrap_or(&task.template));
            Err(FilterError::NoTask { name: name.to_owned(), hint: did_you_mean(name, locals) })
        }
    }
}

/// A directory that a selector can mean.
#[derive(Default)]
struct Unit<'p> {
    packages: Vec<&'p Package>,
    needs: BTreeSet<&'p RelPath>,
}

impl<'p> Unit<'p> {
    fn names(&self) -> impl Iterator<Item = &'p str> {
        self.packages.iter().map(|package| package.name.as_str()).filter(|name| !name.is_empty())
    }
}

struct Units<'p>(BTreeMap<RelPath, Unit<'p>>);

impl<'p> Units<'p> {
    fn of(project: &'p Project) -> Units<'p> {
        let workspace = &project.workspace;
        let mut units: BTreeMap<RelPath, Unit<'p>> = BTreeMap::new();
        for package in &workspace.packages {
            let unit = units.entry(package.dir.clone()).or_default();
            unit.packages.push(package);
            unit.needs.extend(package.all_needs().map(|need| &workspace.packages[need as usize].dir));
        }
        let is_package: BTreeSet<RelPath> = units.keys().cloned().collect();
        for (task, needs) in workspace.tasks.iter().zip(&project.graph.needs) {
            let unit = units.entry(task.dir.clone()).or_default();
            if !is_package.contains(&task.dir) {
                let others = needs.iter().map(|need| &workspace.task(*need).dir).filter(|dir| **dir != task.dir);
                unit.needs.extend(others);
            }
        }
        Units(units)
    }

    /// Returns the directories that the selectors leave. Without one that adds, they take away from all.
    fn selected(
        &self,
        project: &Project,
        filters: &[String],
        args: &[String],
        caller: &Caller,
    ) -> Result<BTreeSet<RelPath>, FilterError> {
        let (mut added, mut removed, mut adds) = (BTreeSet::new(), BTreeSet::new(), false);
        for filter in filters {
            let malformed = |problem: String| FilterError::Malformed { filter: filter.clone(), problem };
            let selector = parse(filter).map_err(|problem| malformed(problem.to_owned()))?;
            let mut named = self.named(project, &selector).map_err(malformed)?;
            if named.is_empty() {
                return Err(FilterError::NoMatch { filter: filter.clone(), hint: self.hint(&selector) });
            }
            if let Some(since) = &selector.since {
                let changed = self.changed(project, since, args, caller)?;
                named.retain(|dir| changed.contains(dir));
            }
            let found = self.extended(&selector, named);
            adds |= !selector.excludes;
            if selector.excludes { removed.extend(found) } else { added.extend(found) }
        }
        if !adds {
            added.extend(self.0.keys().cloned());
        }
        Ok(added.difference(&removed).cloned().collect())
    }

    /// Returns the directories that the name and the path of a selector mean.
    fn named(&self, project: &Project, selector: &Selector) -> Result<BTreeSet<RelPath>, String> {
        let path = selector.path.as_deref().map(|path| directories(project, path)).transpose();
        let path = path.map_err(|error| error.kind.to_string())?;
        let fits = |(dir, unit): &(&RelPath, &Unit<'_>)| {
            let by_name = selector.name.as_deref().is_none_or(|name| {
                let by_dir = dir.to_str().is_some_and(|dir| matches(name, dir));
                by_dir || unit.packages.iter().any(|package| is_called(package, name))
            });
            by_name && path.as_ref().is_none_or(|set| set.matches(dir))
        };
        Ok(self.0.iter().filter(fits).map(|(dir, _)| dir.clone()).collect())
    }

    /// Adds what the named packages need, and what needs them.
    fn extended(&self, selector: &Selector, named: BTreeSet<RelPath>) -> BTreeSet<RelPath> {
        let mut found = BTreeSet::new();
        if selector.with_dependencies {
            let edges = self.0.iter().map(|(dir, unit)| (dir, unit.needs.iter().copied().collect()));
            found.extend(reached(&named, &edges.collect()));
        }
        if selector.with_dependents {
            let mut edges: HashMap<&RelPath, Vec<&RelPath>> = HashMap::new();
            for (dir, need) in self.0.iter().flat_map(|(dir, unit)| unit.needs.iter().map(move |need| (dir, *need))) {
                edges.entry(need).or_default().push(dir);
            }
            found.extend(reached(&named, &edges));
        }
        match selector.without_itself {
            true => found.retain(|dir| !named.contains(dir)),
            false => found.extend(named),
        }
        found
    }

    /// Returns the directories in which something changed: a file, or what a task reads or does.
    fn changed(
        &self,
        project: &Project,
        since: &str,
        args: &[String],
        caller: &Caller,
    ) -> Result<BTreeSet<RelPath>, AffectedError> {
        let changed = changed(project, since, args, caller)?;
        let tasks = changed.tasks.iter().map(|id| project.workspace.task(*id).dir.clone());
        let nearest = |path: &RelPath| {
            let mut dirs = std::iter::once(path.as_bytes()).chain(path.ancestors());
            dirs.find_map(|dir| self.0.get_key_value(dir)).map(|(dir, _)| dir.clone())
        };
        Ok(changed.paths.iter().filter_map(nearest).chain(tasks).collect())
    }

    fn hint(&self, selector: &Selector) -> String {
        let wanted = selector.name.as_deref().or(selector.path.as_deref()).unwrap_or_default();
        let wanted = wanted.trim_start_matches("./");
        let names = self.0.iter().flat_map(|(dir, unit)| dir.to_str().into_iter().chain(unit.names()));
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        // The last part of a name is what people remember.
        let short = names.iter().copied().find(|name| name.rsplit('/').next() == Some(wanted) && *name != wanted);
        let meant = || short.map(|name| format!("did you mean `{name}`?"));
        let some = || match names.as_slice() {
            [] => "there are no packages: name tasks instead".to_owned(),
            [first, ..] => format!("packages are known by name or directory, such as `{first}`"),
        };
        did_you_mean(wanted, names.iter().copied()).or_else(meant).unwrap_or_else(some)
    }
}

/// Returns everything that is reached, the start excluded unless it is reached itself.
fn reached(from: &BTreeSet<RelPath>, edges: &HashMap<&RelPath, Vec<&RelPath>>) -> BTreeSet<RelPath> {
    let mut reached: HashSet<&RelPath> = HashSet::new();
    let mut open: Vec<&RelPath> = from.iter().collect();
    while let Some(dir) = open.pop() {
        let next = edges.get(dir).into_iter().flatten().copied();
        open.extend(next.filter(|dir| reached.insert(dir)));
    }
    reached.into_iter().cloned().collect()
}

/// Parses a pattern for directories: relative to the current one if it begins with a dot, else to the root.
fn directories(project: &Project, path: &str) -> Result<PatternSet, PatternError> {
    let from_here = path == "." || path.starts_with("./") || path.starts_with("../");
    let base = if from_here { project.cwd.clone() } else { RelPath::root() };
    PatternSet::parse(&base, &[path])
}
