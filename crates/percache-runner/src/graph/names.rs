//! What a name means, in `deps` and `default` and on the command line.
//!
//! `name` is a task of the file (or directory) one speaks from, `:name` one of the root file, `dir:name` one of the member `dir`. A
//! task with `foreach` or `matrix` stands for all its instances, `name[instance]` is one of them. `*` and `?` match over names;
//! brackets stand for themselves. Knows nothing of where a name is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

use crate::model::path::RelPath;
use crate::model::{TaskId, Workspace};
use crate::syntax::suggest::nearest;

/// A name that means no task.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectError {
    /// No task has this name.
    #[error("no task is named `{name}`")]
    Unknown {
        /// The name as given.
        name: String,
        /// What was probably meant, as it has to be written; the likeliest first.
        meant: Vec<String>,
    },
    /// No task matches this glob.
    #[error("no task matches `{glob}`")]
    NoMatch {
        /// The glob as given.
        glob: String,
        /// What was probably meant.
        meant: Option<String>,
    },
}

/// No more suggestions than this.
const SUGGESTED: usize = 3;

impl SelectError {
    /// What to do about it, if anything is near.
    pub fn hint(&self) -> Option<String> {
        let quoted = |name: &String| format!("`{name}`");
        match self {
            SelectError::Unknown { meant, .. } if meant.is_empty() => None,
            SelectError::Unknown { meant, .. } => {
                Some(format!("did you mean {}?", meant.iter().map(quoted).collect::<Vec<_>>().join(" or ")))
            }
            SelectError::NoMatch { meant: Some(meant), .. } => Some(format!("did you mean `{meant}`?")),
            SelectError::NoMatch { .. } => {
                Some("`*` is any text on its side of the `:`, as in `pkgs/*:test`".to_owned())
            }
        }
    }
}

/// All names of a workspace.
#[derive(Debug, Default)]
pub struct Names<'w> {
    by_name: HashMap<&'w str, TaskId>,
    /// The instances of each task as stated; none for a `foreach` that matches no file.
    by_template: BTreeMap<&'w str, Vec<TaskId>>,
}

/// The tasks that `names`, given in the directory `cwd`, mean: sorted, without doubles. Names without `:` are those of the
/// nearest file with tasks at or above `cwd`.
///
/// # Errors
/// The first name that means no task.
pub fn select(workspace: &Workspace, cwd: &RelPath, names: &[String]) -> Result<Vec<TaskId>, SelectError> {
    let index = Names::new(workspace.tasks.iter().map(|task| (&task.name[..], &task.template[..])), &workspace.empty);
    let scope = scope(workspace, cwd);
    let mut selected = Vec::new();
    for name in names {
        selected.extend(index.resolve(&scope, name)?);
    }
    selected.sort_unstable();
    selected.dedup();
    Ok(selected)
}

/// Returns the directory of the nearest file with tasks at or above `cwd`.
fn scope(workspace: &Workspace, cwd: &RelPath) -> RelPath {
    let dirs = workspace.files.iter().filter_map(RelPath::parent).filter(|dir| cwd.starts_with(dir));
    dirs.max_by_key(|dir| dir.as_bytes().len()).unwrap_or_else(RelPath::root)
}

/// Returns how a task, given by its full name, is named in the directory `cwd`: in a member, a name without `:` is one
/// of its own tasks.
pub fn name_from(workspace: &Workspace, cwd: &RelPath, name: &str) -> String {
    let in_root = scope(workspace, cwd).is_root() || split(name).0.is_some();
    if in_root { name.to_owned() } else { format!(":{name}") }
}

impl<'w> Names<'w> {
    /// The names of tasks, given in order of their ids as name and name without instance, and of those without instances.
    pub fn new(tasks: impl Iterator<Item = (&'w str, &'w str)>, empty: &'w [String]) -> Self {
        let mut names = Names::default();
        names.by_template.extend(empty.iter().map(|name| (&name[..], Vec::new())));
        for (id, (name, template)) in (0u32..).map(TaskId).zip(tasks) {
            names.by_name.insert(name, id);
            names.by_template.entry(template).or_default().push(id);
        }
        names
    }

    /// The tasks that `text`, written in a file of the directory `scope`, means.
    ///
    /// # Errors
    /// When there is none. A task that exists but has no instances is not an error.
    pub fn resolve(&self, scope: &RelPath, text: &str) -> Result<Vec<TaskId>, SelectError> {
        let (dir, local) = split(text);
        let scope_dir = scope.to_str().unwrap_or_default();
        let full = full_name(dir.unwrap_or(scope_dir), local);
        if let Some(ids) = self.by_template.get(&full[..]) {
            return Ok(ids.clone());
        }
        if let Some(id) = self.by_name.get(&full[..]) {
            return Ok(vec![*id]);
        }
        if text.contains(['*', '?']) {
            return self.matching(&full).ok_or_else(|| {
                let meant = dir.and_then(|dir| self.directories(dir).next()).map(|dir| full_name(dir, local));
                SelectError::NoMatch { glob: text.to_owned(), meant: meant.filter(|meant| meant != text) }
            });
        }
        Err(SelectError::Unknown { name: text.to_owned(), meant: self.meant(scope_dir, text, local) })
    }

    /// The tasks whose name, in full, matches a glob; with brackets in it over the instances, else over the tasks as stated.
    fn matching(&self, glob: &str) -> Option<Vec<TaskId>> {
        let (dir, local) = split(glob);
        let fits = |name: &str| {
            let (its_dir, its_local) = split(name);
            let same_depth = dir.is_some() == its_dir.is_some();
            same_depth && matches(dir.unwrap_or(""), its_dir.unwrap_or("")) && matches(local, its_local)
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
        let candidates: Vec<String> = self.by_template.keys().map(|name| seen_from(scope, name)).collect();
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

    /// Returns the tasks with the name nearest to `local`, of the directories that `dir` may mean, else of all.
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

    /// Returns the instances of the task that `local` names an instance of, if there is such a task in `dir`.
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

/// The name of a task of the file in `dir`: `pkgs/app:build`, or `build` at the root.
pub fn full_name(dir: &str, local: &str) -> String {
    if dir.is_empty() { local.to_owned() } else { format!("{dir}:{local}") }
}

/// How a full name is written in a file of the directory `scope`.
fn seen_from(scope: &str, name: &str) -> String {
    match split(name) {
        (None, local) if !scope.is_empty() => format!(":{local}"),
        (Some(dir), local) if dir == scope => local.to_owned(),
        _ => name.to_owned(),
    }
}

/// Directory and name. What stands in brackets is a file's name and may hold a `:`.
fn split(text: &str) -> (Option<&str>, &str) {
    let before_instance = text.find('[').unwrap_or(text.len());
    match text[..before_instance].find(':') {
        Some(colon) => (Some(&text[..colon]), &text[colon + 1..]),
        None => (None, text),
    }
}

/// `*` stands for any text, `?` for one character. Goes back to the last `*` only: an earlier one could not do better.
fn matches(glob: &str, text: &str) -> bool {
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
mod tests {
    use super::*;

    const TASKS: [(&str, &str); 8] = [
        ("app", "app"),
        ("objects[src/a.c]", "objects"),
        ("objects[src/b*.c]", "objects"),
        ("pkgs/app:build", "pkgs/app:build"),
        ("pkgs/app:test", "pkgs/app:test"),
        ("pkgs/lib:build", "pkgs/lib:build"),
        ("pkgs/lib:t[x:y]", "pkgs/lib:t"),
        ("test", "test"),
    ];

    fn resolve(scope: &str, text: &str) -> Result<Vec<&'static str>, SelectError> {
        let empty = ["none".to_owned()];
        let names = Names::new(TASKS.iter().copied(), &empty);
        let ids = names.resolve(&RelPath::new(scope).unwrap(), text)?;
        Ok(ids.into_iter().map(|id| TASKS[id.index()].0).collect())
    }

    fn meant(scope: &str, text: &str) -> Option<String> {
        resolve(scope, text).unwrap_err().hint()
    }

    #[test]
    fn a_name_is_looked_up_in_its_own_file() {
        assert_eq!(resolve("", "test").unwrap(), ["test"]);
        assert_eq!(resolve("pkgs/app", "test").unwrap(), ["pkgs/app:test"]);
        assert_eq!(resolve("pkgs/app", ":test").unwrap(), ["test"]);
        assert_eq!(resolve("", ":test").unwrap(), ["test"]);
        assert_eq!(resolve("pkgs/app", "pkgs/lib:build").unwrap(), ["pkgs/lib:build"]);
    }

    #[test]
    fn a_task_with_instances_stands_for_all_of_them() {
        assert_eq!(resolve("", "objects").unwrap(), ["objects[src/a.c]", "objects[src/b*.c]"]);
        assert_eq!(resolve("", "objects[src/a.c]").unwrap(), ["objects[src/a.c]"]);
        assert_eq!(
            resolve("", "objects[src/b*.c]").unwrap(),
            ["objects[src/b*.c]"],
            "the name itself comes before the glob"
        );
        assert_eq!(resolve("", "pkgs/lib:t[x:y]").unwrap(), ["pkgs/lib:t[x:y]"]);
        assert_eq!(resolve("", "none").unwrap(), [""; 0]);
    }

    #[test]
    fn globs_stay_on_their_side_of_the_colon() {
        assert_eq!(resolve("", "*").unwrap(), ["app", "objects[src/a.c]", "objects[src/b*.c]", "test"]);
        assert_eq!(resolve("pkgs/app", "*").unwrap(), ["pkgs/app:build", "pkgs/app:test"]);
        assert_eq!(resolve("", "*:build").unwrap(), ["pkgs/app:build", "pkgs/lib:build"]);
        assert_eq!(resolve("", "pkgs/*:?est").unwrap(), ["pkgs/app:test"]);
        assert_eq!(resolve("", "objects[*a.c]").unwrap(), ["objects[src/a.c]"]);
        assert_eq!(resolve("pkgs/app", ":a*").unwrap(), ["app"]);
        assert_eq!(resolve("", "x*"), Err(SelectError::NoMatch { glob: "x*".to_owned(), meant: None }));
    }

    #[test]
    fn an_unknown_name_finds_what_was_meant() {
        assert_eq!(meant("", "objcts").as_deref(), Some("did you mean `objects`?"));
        assert_eq!(meant("pkgs/app", "app").as_deref(), Some("did you mean `:app`?"));
        assert_eq!(meant("", "build").as_deref(), Some("did you mean `pkgs/app:build` or `pkgs/lib:build`?"));
        assert_eq!(meant("", "objects[src/c.c]").as_deref(), Some("did you mean `objects[src/a.c]`?"));
        assert_eq!(meant("pkgs/app", "tets").as_deref(), Some("did you mean `test`?"));
        assert_eq!(meant("", "pkgs/ap:build").as_deref(), Some("did you mean `pkgs/app:build`?"));
        assert_eq!(meant("", "zzz"), None);
    }

    #[test]
    fn a_directory_is_known_by_its_last_components() {
        assert_eq!(meant("", "lib:build").as_deref(), Some("did you mean `pkgs/lib:build`?"));
        assert_eq!(meant("pkgs/app", "lib:build").as_deref(), Some("did you mean `pkgs/lib:build`?"));
        assert_eq!(meant("", "lib:biuld").as_deref(), Some("did you mean `pkgs/lib:build`?"));
        assert_eq!(meant("", "biuld").as_deref(), Some("did you mean `pkgs/app:build` or `pkgs/lib:build`?"));
        assert_eq!(meant("", "./pkgs/lib").as_deref(), Some("did you mean `pkgs/lib:*`?"));
        assert_eq!(meant("", "pkgs/lib").as_deref(), Some("did you mean `pkgs/lib:*`?"));
        assert_eq!(meant("", "lib/").as_deref(), Some("did you mean `pkgs/lib:*`?"));
        assert_eq!(meant("", "lib:*").as_deref(), Some("did you mean `pkgs/lib:*`?"));
        assert_eq!(meant("", "kgs/lib").as_deref(), None);
    }
}
