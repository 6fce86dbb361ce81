//! Resolves names of tasks, in `deps` and `default` and on the command line.
//!
//! `name` is a task of the current file (or directory), `:name` one of the root file, `dir:name` one of the member
//! `dir`, or of the package of that name. `^name` means the tasks `name` of the packages that the current one depends
//! on. The name of a task with `foreach` or `matrix` means all its instances, `name[instance]` one of them. `*` and
//! `?` match over names; brackets are literal. Knows nothing of where a name is written.

mod error;

pub use error::SelectError;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::packages::PackageIndex;
use crate::model::path::RelPath;
use crate::model::{NoneAbove, Package, TaskId, Workspace};
use crate::syntax::suggest::nearest;

/// The largest number of suggestions.
const SUGGESTED: usize = 3;

/// All names of a workspace.
#[derive(Debug, Default)]
pub struct Names<'w> {
    by_name: HashMap<&'w str, TaskId>,
    /// The instances of each template; none for a `foreach` that matches no file.
    by_template: BTreeMap<&'w str, Vec<TaskId>>,
    packages: PackageIndex<'w>,
}

/// What a name in `deps` means.
#[derive(Clone, Debug, Default)]
pub struct Meant {
    /// The tasks that it means whatever follows from it.
    pub needs: Vec<TaskId>,
    /// Tasks of packages that may be depended on in a circle.
    pub lenient: Vec<TaskId>,
}

/// Resolves `names`, given in the directory `cwd`, to tasks: sorted, without duplicates. Names without `:` belong to
/// the nearest file with tasks at or above `cwd`.
///
/// # Errors
/// Returns the first name that refers to no task.
pub fn select(workspace: &Workspace, cwd: &RelPath, names: &[String]) -> Result<Vec<TaskId>, SelectError> {
    let index = Names::of(workspace);
    let scope = scope(workspace, cwd);
    let mut selected = Vec::new();
    for name in names {
        selected.extend(index.resolve(&scope, name)?);
    }
    selected.sort_unstable();
    selected.dedup();
    Ok(selected)
}

/// Returns those of `names`, given in the directory `cwd`, that mean tasks of other packages and find none.
pub fn none_above(workspace: &Workspace, cwd: &RelPath, names: &[String]) -> Vec<NoneAbove> {
    if !names.iter().any(|name| name.starts_with('^')) {
        return Vec::new();
    }
    let index = Names::of(workspace);
    let scope = scope(workspace, cwd);
    let is_empty =
        |name: &&String| name.starts_with('^') && index.resolve(&scope, name).is_ok_and(|ids| ids.is_empty());
    let void = names.iter().filter(is_empty);
    void.map(|name| index.none_above(&scope, name)).collect()
}

/// Returns the directory of the nearest file with tasks at or above `cwd`.
fn scope(workspace: &Workspace, cwd: &RelPath) -> RelPath {
    let dirs = workspace.files.iter().filter_map(RelPath::parent).filter(|dir| cwd.starts_with(dir));
    dirs.max_by_key(|dir| dir.as_bytes().len()).unwrap_or_else(RelPath::root)
}

/// Returns how to write the full name of a task in the directory `cwd`: in a member, a name without `:` is one of its
/// own tasks.
pub fn name_from(workspace: &Workspace, cwd: &RelPath, name: &str) -> String {
    let in_root = scope(workspace, cwd).is_root() || split(name).0.is_some();
    if in_root { name.to_owned() } else { format!(":{name}") }
}

impl<'w> Names<'w> {
    /// Collects the names of tasks, given in order of their ids as full name and template name, and of templates
    /// without instances.
    pub fn new(tasks: impl Iterator<Item = (&'w str, &'w str)>, empty: &'w [String]) -> Self {
        let mut names = Names::default();
        names.by_template.extend(empty.iter().map(|name| (&name[..], Vec::new())));
        for (id, (name, template)) in (0u32..).map(TaskId).zip(tasks) {
            names.by_name.insert(name, id);
            names.by_template.entry(template).or_default().push(id);
        }
        names
    }

    /// Collects the names of a workspace.
    pub fn of(workspace: &'w Workspace) -> Self {
        let tasks = workspace.tasks.iter().map(|task| (&task.name[..], &task.template[..]));
        Names::new(tasks, &workspace.empty).with_packages(&workspace.packages)
    }

    /// Returns the tasks that `local` names in each of the directories, in one pass however many these are; `None` if
    /// it names none in any of them.
    pub fn in_dirs(&self, dirs: &BTreeSet<&str>, local: &str) -> Option<Vec<TaskId>> {
        let named = dirs.iter().filter_map(|dir| self.named(&full_name(dir, local)));
        let fits = |name: &str| {
            let (dir, its_local) = split(name);
            dirs.contains(dir.unwrap_or_default()) && matches(local, its_local)
        };
        let found: Vec<Vec<TaskId>> = match (local.contains(['*', '?']), local.contains('[')) {
            (false, _) => named.collect(),
            (true, false) => {
                self.by_template.iter().filter(|(name, _)| fits(name)).map(|(_, ids)| ids.clone()).collect()
            }
            (true, true) => self.by_name.iter().filter(|(name, _)| fits(name)).map(|(_, id)| vec![*id]).collect(),
        };
        (!found.is_empty()).then(|| found.concat())
    }

    /// Adds the packages whose names stand for their directories.
    pub fn with_packages(self, packages: &'w [Package]) -> Self {
        Names { packages: PackageIndex::new(packages), ..self }
    }

    /// Resolves `text`, written in a file of the directory `scope`.
    ///
    /// # Errors
    /// Fails if there is no such task. A template without instances is not an error.
    pub fn resolve(&self, scope: &RelPath, text: &str) -> Result<Vec<TaskId>, SelectError> {
        self.resolve_dependency(scope, text).map(|meant| [meant.needs, meant.lenient].concat())
    }

    /// Resolves `text` as [`Names::resolve`] does, and tells the tasks apart that are only wanted where they close no
    /// circle.
    ///
    /// # Errors
    /// Fails if there is no such task.
    pub fn resolve_dependency(&self, scope: &RelPath, text: &str) -> Result<Meant, SelectError> {
        let scope_dir = scope.to_str().unwrap_or_default();
        match text.strip_prefix('^') {
            Some(local) => self.above(scope_dir, text, local),
            None => self.one(scope_dir, text).map(|needs| Meant { needs, lenient: Vec::new() }),
        }
    }

    fn one(&self, scope_dir: &str, text: &str) -> Result<Vec<TaskId>, SelectError> {
        let (dir, local) = split(text);
        let full = full_name(dir.unwrap_or(scope_dir), local);
        if let Some(ids) = self.named(&full) {
            return Ok(ids);
        }
        let of_package = dir.map(|name| self.packages.dirs_of(name)).unwrap_or_default();
        let in_packages: Vec<Vec<TaskId>> =
            of_package.iter().filter_map(|dir| self.named_or_matching(&full_name(dir, local))).collect();
        if !in_packages.is_empty() {
            return Ok(in_packages.concat());
        }
        if text.contains(['*', '?']) {
            return self.matching(&full).ok_or_else(|| {
                let meant = dir.and_then(|dir| self.directories(dir).next()).map(|dir| full_name(dir, local));
                SelectError::NoMatch { glob: text.to_owned(), meant: meant.filter(|meant| meant != text) }
            });
        }
        Err(SelectError::Unknown { name: text.to_owned(), meant: self.meant(scope_dir, text, local) })
    }

    /// Returns the tasks of exactly this full name.
    fn named(&self, full: &str) -> Option<Vec<TaskId>> {
        let one = || self.by_name.get(full).map(|id| vec![*id]);
        self.by_template.get(full).cloned().or_else(one)
    }

    fn named_or_matching(&self, full: &str) -> Option<Vec<TaskId>> {
        let matching = || if full.contains(['*', '?']) { self.matching(full) } else { None };
        self.named(full).or_else(matching)
    }

    /// Returns the tasks `local` of the packages that the one in `dir` depends on, directly or not. There may be none, but
    /// some package must have such a task.
    fn above(&self, dir: &str, text: &str, local: &str) -> Result<Meant, SelectError> {
        let name = || text.to_owned();
        if local.is_empty() || split(local).0.is_some() || local.starts_with('^') {
            return Err(SelectError::Above { name: name() });
        }
        if self.packages.is_empty() {
            return Err(SelectError::NoPackages { name: name() });
        }
        if !self.packages.has_dir(dir) {
            let dir = if dir.is_empty() { "." } else { dir };
            return Err(SelectError::NoPackage { name: name(), dir: dir.to_owned() });
        }
        let above = self.packages.above(dir);
        let tasks = |dirs: &[&str]| -> Vec<TaskId> {
            dirs.iter().filter_map(|dir| self.named_or_matching(&full_name(dir, local))).flatten().collect()
        };
        let meant = Meant { needs: tasks(&above.needs), lenient: tasks(&above.lenient) };
        if meant.needs.is_empty() && meant.lenient.is_empty() {
            self.check_known(text, local)?;
        }
        Ok(meant)
    }

    /// Describes a name that means tasks of other packages and finds none.
    fn none_above(&self, scope: &RelPath, name: &str) -> NoneAbove {
        let dir = scope.to_str().unwrap_or_default();
        let above = self.packages.above(dir);
        let package = self.packages.names_at(dir).next().map_or_else(|| scope.to_string(), str::to_owned);
        let has_dependencies = !(above.needs.is_empty() && above.lenient.is_empty());
        NoneAbove { name: name.to_owned(), package, has_dependencies }
    }

    /// Checks that some package has a task of this name.
    fn check_known(&self, text: &str, local: &str) -> Result<(), SelectError> {
        let of_packages = self.by_template.keys().map(|name| split(name));
        let locals = of_packages.filter(|(dir, _)| self.packages.has_dir(dir.unwrap_or_default()));
        let locals: BTreeSet<&str> = locals.map(|(_, local)| local).collect();
        let template = local.split('[').next().unwrap_or(local);
        if locals.iter().any(|known| matches(template, known)) {
            return Ok(());
        }
        let meant = nearest(local, locals).map(|near| format!("^{near}"));
        Err(SelectError::Unknown { name: text.to_owned(), meant: meant.into_iter().collect() })
    }

    /// Returns the tasks whose full name matches a glob; with brackets in the glob, it matches over instances,
    /// otherwise over templates.
    fn matching(&self, glob: &str) -> Option<Vec<TaskId>> {
        let (dir, local) = split(glob);
        let fits = |name: &str| {
            let (its_dir, its_local) = split(name);
            let same_depth = dir.is_some() == its_dir.is_some();
            let is_meant = |dir: &str, its_dir: &str| matches(dir, its_dir) || self.packages.is_called(its_dir, dir);
            same_depth && matches(local, its_local) && is_meant(dir.unwrap_or(""), its_dir.unwrap_or(""))
        };
        if local.contains('[') {
            let mut ids: Vec<TaskId> = self.by_name.iter().filter(|(name, _)| fits(name)).map(|(_, id)| *id).collect();
            ids.sort_unstable();
            return (!ids.is_empty()).then_some(ids);
        }
        let mut fitting = self.by_template.iter().filter(|(name, _)| fits(name)).map(|(_, ids)| ids).peekable();
        fitting.peek()?;
        Some(fitting.flatten().copied().collect())
    }

    /// Guesses what was meant, the likeliest first: the same name in a directory of this name, the tasks of a
    /// directory, the nearest name, the same name elsewhere.
    fn meant(&self, scope: &str, text: &str, local: &str) -> Vec<String> {
        let dir = split(text).0;
        if let Some(instances) = self.instances_like(dir.unwrap_or(scope), local) {
            let names: Vec<String> = instances.iter().map(|name| seen_from(scope, name)).collect();
            return nearest(text, names.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
        }
        let full = |dir: &str| self.by_template.contains_key(&full_name(dir, local)[..]).then(|| full_name(dir, local));
        let of_directory = self.directories(dir.unwrap_or(text));
        let named: Vec<String> = match dir {
            Some(_) => of_directory.filter_map(full).collect(),
            None => of_directory.map(|dir| self.all_of(dir)).collect(),
        };
        let mut candidates: Vec<String> = self.by_template.keys().map(|name| seen_from(scope, name)).collect();
        if dir.is_some() {
            candidates.extend(self.by_template.keys().flat_map(|name| self.by_package(name)));
        }
        let same: Vec<&str> = candidates.iter().map(String::as_str).filter(|name| split(name).1 == local).collect();
        let near = |among: &[&str]| nearest(text, among.iter().copied()).into_iter().map(str::to_owned).collect();
        let everywhere: Vec<&str> = candidates.iter().map(String::as_str).collect();
        // Without a directory, the same name elsewhere is nearer than any other name here.
        let elsewhere = || same.iter().filter(|name| **name != text).map(|name| (*name).to_owned()).collect();
        let alike = || self.alike(scope, dir, local);
        let ways: [&dyn Fn() -> Vec<String>; 5] = match dir {
            Some(_) => [&|| named.clone(), &|| near(&same), &|| near(&everywhere), &alike, &elsewhere],
            None => [&elsewhere, &|| named.clone(), &|| near(&everywhere), &alike, &Vec::new],
        };
        let mut meant = ways.iter().map(|way| way()).find(|meant| !meant.is_empty()).unwrap_or_default();
        meant.truncate(SUGGESTED);
        meant
    }

    /// Yields a full name with the names of the packages in its directory instead of that.
    fn by_package(&self, name: &str) -> impl Iterator<Item = String> {
        let (dir, local) = split(name);
        self.packages.names_at(dir.unwrap_or_default()).map(move |package| full_name(package, local))
    }

    /// Returns the tasks with the name nearest to `local`, in the directories that `dir` may mean, or else in all.
    fn alike(&self, scope: &str, dir: Option<&str>, local: &str) -> Vec<String> {
        let dirs: Option<Vec<&str>> = dir.map(|dir| self.directories(dir).collect());
        let is_there = |name: &&&str| match (&dirs, split(name).0) {
            (Some(dirs), Some(dir)) => dirs.contains(&dir),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let names: Vec<&&str> = self.by_template.keys().filter(is_there).collect();
        let Some(near) = nearest(local, names.iter().map(|name| split(name).1)) else { return Vec::new() };
        names.iter().filter(|name| split(name).1 == near).map(|name| seen_from(scope, name)).collect()
    }

    /// Returns all instances of the template that `local` names, if `dir` has such a template.
    fn instances_like(&self, dir: &str, local: &str) -> Option<Vec<&str>> {
        let (template, _) = local.split_once('[')?;
        let ids = self.by_template.get(&full_name(dir, template)[..])?;
        let of_it = self.by_name.iter().filter(|(_, id)| ids.binary_search(id).is_ok());
        let mut names: Vec<&str> = of_it.map(|(name, _)| *name).collect();
        names.sort_unstable();
        Some(names)
    }

    /// Returns the directories with tasks whose path is `name` or ends in it.
    fn directories<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n str> {
        let dirs: BTreeSet<&str> = self.by_template.keys().filter_map(|name| split(name).0).collect();
        let name = name.trim_start_matches("./").trim_end_matches('/');
        let is_called =
            move |dir: &&str| *dir == name || dir.strip_suffix(name).is_some_and(|above| above.ends_with('/'));
        dirs.into_iter().filter(move |dir| !name.is_empty() && is_called(dir))
    }

    /// Returns a name for all tasks of a directory.
    fn all_of(&self, dir: &str) -> String {
        let mut tasks = self.by_template.keys().filter(|name| split(name).0 == Some(dir));
        match (tasks.next(), tasks.next()) {
            (Some(only), None) => (*only).to_owned(),
            _ => full_name(dir, "*"),
        }
    }
}

/// Returns the full name of a task in `dir`: `pkgs/app:build`, or `build` at the root.
pub fn full_name(dir: &str, local: &str) -> String {
    if dir.is_empty() { local.to_owned() } else { format!("{dir}:{local}") }
}

/// Returns how to write a full name in a file of the directory `scope`.
fn seen_from(scope: &str, name: &str) -> String {
    match split(name) {
        (None, local) if !scope.is_empty() => format!(":{local}"),
        (Some(dir), local) if dir == scope => local.to_owned(),
        _ => name.to_owned(),
    }
}

/// Splits a name into directory and task. Brackets contain the name of a file, which may have a `:`.
fn split(text: &str) -> (Option<&str>, &str) {
    let before_instance = text.find('[').unwrap_or(text.len());
    match text[..before_instance].find(':') {
        Some(colon) => (Some(&text[..colon]), &text[colon + 1..]),
        None => (None, text),
    }
}

/// Matches a glob: `*` is any text, `?` is one character. Backtracks to the last `*` only: an earlier one could not do
/// better.
pub fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                retry = Some((g, t));
                g += 1;
            }
            Some(char) if *char == '?' || *char == text[t] => (g, t) = (g + 1, t + 1),
            _ => {
                let Some((star, from)) = &mut retry else { return false };
                *from += 1;
                (g, t) = (*star + 1, *from);
            }
        }
    }
    glob[g..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests;
