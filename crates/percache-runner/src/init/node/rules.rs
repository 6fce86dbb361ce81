//! What turbo.json or nx.json says of a script of a package.

use std::path::Path;

use super::super::InitError;
use super::super::write::task_name;
use super::Describing;
use super::nx::Nx;
use super::project::Member;
use super::turbo::Turbo;
use crate::syntax::data::Data;

/// The name of the task that stands for the sources of a package.
pub(super) const SOURCES: &str = "sources";

/// What is said of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub deps: Vec<Dep>,
    /// The inputs, if they are not all files of the package.
    pub inputs: Option<Vec<String>>,
    /// The outputs, if they are said.
    pub outputs: Option<Vec<String>>,
    pub env_from: Vec<String>,
    pub env_pass: Vec<String>,
    pub tools: Vec<String>,
    pub cache: bool,
    pub persistent: bool,
    pub interactive: bool,
    /// What is said and cannot be translated.
    pub unknown: Vec<String>,
}

/// A task that must be done before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dep {
    /// Of the packages that this one depends on.
    Above(String),
    /// Of the same package.
    Own(String),
    /// Of the package of this name.
    Of(String, String),
    /// Of the root.
    Root(String),
}

/// Whoever describes the scripts.
#[derive(Debug)]
pub(super) enum Rules {
    None,
    Turbo(Box<Turbo>),
    Nx(Box<Nx>),
}

impl Rules {
    pub fn read(dir: &Path, describing: Describing) -> Result<Rules, InitError> {
        let may = |who| describing == Describing::Any || describing == who;
        if may(Describing::Turbo)
            && let Some(turbo) = Turbo::read(dir)?
        {
            return Ok(Rules::Turbo(Box::new(turbo)));
        }
        if may(Describing::Nx)
            && let Some(nx) = Nx::read(dir)?
        {
            return Ok(Rules::Nx(Box::new(nx)));
        }
        Ok(Rules::None)
    }

    /// Returns what is said of a script. `None` if nothing is, or nobody says anything.
    pub fn of(&self, member: &Member, script: &str) -> Option<Rule> {
        match self {
            Rules::None => None,
            Rules::Turbo(turbo) => turbo.rule(member, script),
            Rules::Nx(nx) => nx.rule(member, script),
        }
    }

    /// Returns whether only what is described is a task.
    pub fn is_complete(&self) -> bool {
        matches!(self, Rules::Turbo(_))
    }

    /// Returns whether a script of a package becomes a task.
    pub fn has_task(&self, member: &Member, script: &str) -> bool {
        let is_script = member.scripts().iter().any(|(name, _)| *name == script);
        is_script && !task_name(script).is_empty() && (!self.is_complete() || self.of(member, script).is_some())
    }

    /// Returns what was found, for messages.
    pub fn found(&self) -> &'static str {
        match self {
            Rules::None => "",
            Rules::Turbo(_) => ", with its turbo.json",
            Rules::Nx(_) => ", with its nx.json",
        }
    }

    /// Returns comments for the head of the file.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Rules::None => Vec::new(),
            Rules::Turbo(_) => vec!["Dependencies, inputs, outputs and variables are those of turbo.json.".to_owned()],
            Rules::Nx(_) => Nx::notes(),
        }
    }

    /// Returns patterns in the root that are inputs of every task.
    pub fn global_inputs(&self) -> Vec<String> {
        match self {
            Rules::Turbo(turbo) => turbo.global_inputs.clone(),
            Rules::Nx(nx) => nx.global_inputs(),
            Rules::None => Vec::new(),
        }
    }

    /// Returns the variables of every task: those that count, and those that do not.
    pub fn global_variables(&self) -> (Vec<String>, Vec<String>) {
        match self {
            Rules::Turbo(turbo) => (turbo.global_env.clone(), turbo.global_pass.clone()),
            Rules::None | Rules::Nx(_) => (Vec::new(), Vec::new()),
        }
    }

    /// Returns the inputs of the task that stands for the sources of a package, if they are said.
    pub fn sources(&self, name: &str, member: &Member) -> Option<Vec<String>> {
        match self {
            Rules::Nx(nx) if name == SOURCES => nx.sources(member),
            _ => None,
        }
    }

    /// Returns the names of the tasks that a dependency means in this package. For a script that it does not have, that is
    /// what the script would depend on.
    pub fn resolve(&self, member: &Member, dep: &Dep, depth: usize) -> Vec<String> {
        match dep {
            Dep::Above(name) => member.above(&task_name(name)),
            Dep::Of(package, name) => vec![format!("{package}:{}", task_name(name))],
            Dep::Root(name) => vec![format!(":{}", task_name(name))],
            Dep::Own(name) => {
                let mut names: Vec<String> = self.has_task(member, name).then(|| task_name(name)).into_iter().collect();
                let rule = if depth < 10 { self.of(member, name).unwrap_or_default() } else { Rule::default() };
                let further = rule.deps.iter().flat_map(|dep| self.resolve(member, dep, depth + 1));
                // What a task of the same package makes may stay the same although what it needs of others changed.
                names.extend(further.filter(|dep| !member.has(name) || is_above(member, dep)));
                names
            }
        }
    }
}

/// Returns whether a dependency is on packages that a package depends on.
fn is_above(member: &Member, dep: &str) -> bool {
    let implied = |dep: &str| {
        member.implied.iter().any(|package| dep.strip_prefix(package).is_some_and(|rest| rest.starts_with(':')))
    };
    dep.starts_with('^') || implied(dep)
}

/// Returns the items of a list in the first of several layers that has it, with those of the next one in the place of
/// `marker`.
pub(super) fn layered(layers: &[&Data], key: &str, marker: &str) -> Option<Vec<Data>> {
    let (first, rest) = layers.split_first()?;
    let Some(stated) = first.get(key) else { return layered(rest, key, marker) };
    let inherited = || layered(rest, key, marker).unwrap_or_default();
    let expand = |item: &Data| if item.text() == Some(marker) { inherited() } else { vec![item.clone()] };
    Some(stated.items().iter().flat_map(expand).collect())
}

/// Writes an output without a wildcard so that it may be missing, as the tools allow it. What is a directory, or has a
/// usual name of one, becomes what lies in it. What may be a directory or a file becomes a pattern that matches
/// nothing else: `bin/[t]ool`. `dir` is the directory of the package.
pub(super) fn output(dir: &Path, pattern: &str) -> String {
    let path = pattern.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_glob = pattern.contains(['*', '?', '[', '{']);
    if is_glob || pattern.starts_with('!') {
        return pattern.to_owned();
    }
    let at = dir.join(path);
    if path.len() < pattern.len() || at.is_dir() || (USUAL.contains(&last) && !at.is_file()) {
        return format!("{path}/**");
    }
    let start = path.len() - last.len();
    match last.char_indices().find(|(_, c)| c.is_ascii_alphanumeric()) {
        Some((position, c)) if !last.trim_start_matches('.').contains('.') => {
            format!("{}[{c}]{}", &path[..start + position], &path[start + position + 1..])
        }
        _ => pattern.to_owned(),
    }
}

/// The usual names of directories that tools make.
const USUAL: [&str; 12] = [
    "dist",
    "build",
    "lib",
    "out",
    "coverage",
    "es",
    "storybook-static",
    ".next",
    ".nuxt",
    ".output",
    ".svelte-kit",
    "test-results",
];

/// Returns the way from a package to the root: `../../`.
pub(super) fn up(member: &Member) -> String {
    "../".repeat(member.dir.split('/').filter(|part| !part.is_empty()).count())
}
