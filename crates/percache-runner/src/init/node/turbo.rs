//! turbo.json of Turborepo, with those of packages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::{InitError, read};
use super::project::Member;
use super::rules::{Dep, Rule, output, up};
use crate::syntax::data::{Data, Format};

const NAMES: [&str; 2] = ["turbo.json", "turbo.jsonc"];
const DEFAULT: &str = "$TURBO_DEFAULT$";
const ROOT: &str = "$TURBO_ROOT$/";

/// What turbo.json says.
#[derive(Debug, Default)]
pub(super) struct Turbo {
    dir: PathBuf,
    /// By script, or `package#script`.
    tasks: BTreeMap<String, Data>,
    pub global_inputs: Vec<String>,
    pub global_env: Vec<String>,
    pub global_pass: Vec<String>,
}

impl Turbo {
    pub fn read(dir: &Path) -> Result<Option<Turbo>, InitError> {
        let Some(data) = data(dir, "")? else { return Ok(None) };
        let texts = |key: &str| data.get(key).into_iter().flat_map(Data::texts).map(str::to_owned).collect::<Vec<_>>();
        let variables = |key: &str| variables(texts(key));
        Ok(Some(Turbo {
            dir: dir.to_owned(),
            global_inputs: texts("globalDependencies"),
            global_env: variables("globalEnv"),
            global_pass: variables("globalPassThroughEnv"),
            tasks: tasks(&data),
        }))
    }

    /// Returns what is said of a script of a package: what its own turbo.json says comes before what the root's does.
    pub fn rule(&self, member: &Member, script: &str) -> Option<Rule> {
        let own = match member.dir.is_empty() {
            true => BTreeMap::new(),
            false => data(&self.dir, &member.dir).ok().flatten().map(|data| tasks(&data)).unwrap_or_default(),
        };
        let of_package = match member.dir.is_empty() {
            true => format!("//#{script}"),
            false => format!("{}#{script}", member.name),
        };
        // The root's scripts are tasks only if they are named.
        let general = self.tasks.get(script).filter(|_| !member.dir.is_empty());
        let root = self.tasks.get(&of_package).or(general);
        let layers: Vec<&Data> = own.get(script).into_iter().chain(root).collect();
        if layers.is_empty() {
            return None;
        }
        let value = |key: &str| layers.iter().find_map(|layer| layer.get(key));
        let texts = |key: &str| value(key).map(|list| list.texts().map(str::to_owned).collect::<Vec<_>>());
        let is = |key: &str| value(key) == Some(&Data::Bool(true));
        let deps = texts("dependsOn").unwrap_or_default();
        // Before `env` there was `$NAME` in `dependsOn`.
        let mut env = texts("env").unwrap_or_default();
        env.extend(deps.iter().filter_map(|dep| dep.strip_prefix('$')).map(str::to_owned));
        Some(Rule {
            deps: deps.iter().filter(|dep| !dep.starts_with('$')).map(|dep| parse(dep)).collect(),
            inputs: texts("inputs").map(|inputs| inputs_of(member, &inputs)),
            outputs: Some(
                texts("outputs").unwrap_or_default().iter().map(|text| output(&placed(member, text))).collect(),
            ),
            env_from: variables(env),
            env_pass: variables(texts("passThroughEnv").unwrap_or_default()),
            tools: Vec::new(),
            cache: value("cache") != Some(&Data::Bool(false)),
            persistent: is("persistent"),
            interactive: is("interactive"),
        })
    }
}

/// Reads turbo.json in a directory.
fn data(root: &Path, dir: &str) -> Result<Option<Data>, InitError> {
    let at = root.join(dir);
    let Some((name, text)) = NAMES.iter().find_map(|name| Some((*name, read(&at, name)?))) else { return Ok(None) };
    let file = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    Format::Json.parse(&text).map(Some).map_err(|problem| InitError::Broken(format!("{file}: {problem}")))
}

/// Returns the tasks of a turbo.json; before version 2 they were called a pipeline.
fn tasks(data: &Data) -> BTreeMap<String, Data> {
    let tasks = data.get("tasks").or_else(|| data.get("pipeline"));
    tasks.into_iter().flat_map(Data::entries).map(|(name, task)| (name.to_owned(), task.clone())).collect()
}

fn parse(dep: &str) -> Dep {
    if let Some(name) = dep.strip_prefix('^') {
        return Dep::Above(name.to_owned());
    }
    match dep.split_once('#') {
        Some(("//", name)) => Dep::Root(name.to_owned()),
        Some((package, name)) => Dep::Of(package.to_owned(), name.to_owned()),
        None => Dep::Own(dep.to_owned()),
    }
}

/// Returns a path as seen from its package.
fn placed(member: &Member, pattern: &str) -> String {
    let (sign, pattern) = pattern.strip_prefix('!').map_or(("", pattern), |rest| ("!", rest));
    match pattern.strip_prefix(ROOT) {
        Some(rest) => format!("{sign}{}{rest}", up(member)),
        None => format!("{sign}{pattern}"),
    }
}

/// Returns the inputs of a task. package.json counts whatever is said.
fn inputs_of(member: &Member, stated: &[String]) -> Vec<String> {
    let mut inputs: Vec<String> = Vec::with_capacity(stated.len() + 1);
    if !stated.iter().any(|input| input == DEFAULT) {
        inputs.push("package.json".to_owned());
    }
    // What only takes away needs something to take away from.
    if stated.iter().all(|input| input.starts_with('!')) {
        inputs = vec!["@default".to_owned()];
    }
    inputs.extend(stated.iter().map(|input| match input.as_str() {
        DEFAULT => "@default".to_owned(),
        input => placed(member, input),
    }));
    inputs
}

/// Leaves out what takes variables away: only what is named is seen anyway.
fn variables(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| !name.starts_with('!') && !name.is_empty()).collect()
}
