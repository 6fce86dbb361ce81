//! What turbo.json or nx.json says of a script of a package.

use std::path::Path;

use super::super::InitError;
use super::super::write::task_name;
use super::Describing;
use super::nx::Nx;
use super::project::Member;
use super::turbo::Turbo;

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
            Rules::Nx(nx) => nx.notes(),
        }
    }

    /// Returns patterns in the root that are inputs of every task.
    pub fn global_inputs(&self) -> Vec<String> {
        match self {
            Rules::Turbo(turbo) => turbo.global_inputs.clone(),
            Rules::None | Rules::Nx(_) => Vec::new(),
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
            Dep::Above(name) => vec![format!("^{}", task_name(name))],
            Dep::Of(package, name) => vec![format!("{package}:{}", task_name(name))],
            Dep::Root(name) => vec![format!(":{}", task_name(name))],
            Dep::Own(name) => {
                let mut names: Vec<String> = member.has(name).then(|| task_name(name)).into_iter().collect();
                let rule = if depth < 10 { self.of(member, name).unwrap_or_default() } else { Rule::default() };
                let further = rule.deps.iter().flat_map(|dep| self.resolve(member, dep, depth + 1));
                // What a task of the same package makes may stay the same although what it needs of others changed.
                names.extend(further.filter(|dep| !member.has(name) || dep.starts_with('^')));
                names
            }
        }
    }
}

/// Writes an output without a wildcard as what lies in it, if it looks like a directory: the tools do not mind if it is
/// not there.
pub(super) fn output(pattern: &str) -> String {
    let last = pattern.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_glob = pattern.contains(['*', '?', '[', '{']);
    let is_file = last.trim_start_matches('.').contains('.');
    if is_glob || is_file || pattern.starts_with('!') {
        pattern.to_owned()
    } else {
        format!("{}/**", pattern.trim_end_matches('/'))
    }
}

/// Returns the way from a package to the root: `../../`.
pub(super) fn up(member: &Member) -> String {
    "../".repeat(member.dir.split('/').filter(|part| !part.is_empty()).count())
}
