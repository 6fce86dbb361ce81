//! turbo.json of Turborepo, with those of packages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::{InitError, parsed, read};
use super::project::Member;
use super::rules::{Dep, Rule, layered, output, up};
use crate::syntax::data::{Data, Format};

const NAMES: [&str; 2] = ["turbo.json", "turbo.jsonc"];
const DEFAULT: &str = "$TURBO_DEFAULT$";
const ROOT: &str = "$TURBO_ROOT$/";
/// In a package's own list: what it would inherit otherwise.
const EXTENDS: &str = "$TURBO_EXTENDS$";
/// How the words begin that Turborepo replaces.
const WORDS: &str = "$TURBO_";

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
            // `$TURBO_ROOT$/` is where they begin anyway.
            global_inputs: [texts("globalDependencies"), texts("globalDotEnv")]
                .concat()
                .iter()
                .map(|text| text.replacen(ROOT, "", 1))
                .collect(),
            global_env: variables("globalEnv"),
            global_pass: variables("globalPassThroughEnv"),
            tasks: tasks(&data),
        }))
    }

    /// Returns what is said of a script of a package: what its own turbo.json says comes before what the root's does.
    pub fn rule(&self, member: &Member, script: &str) -> Option<Rule> {
        let own = if member.dir.is_empty() { Ok(None) } else { data(&self.dir, &member.dir) };
        let (own, broken) = match own {
            Ok(own) => (own, None),
            Err(why) => (None, Some(why.to_string())),
        };
        let of_package = match member.dir.is_empty() {
            true => format!("//#{script}"),
            false => format!("{}#{script}", member.name),
        };
        // The root's scripts are tasks only if they are named.
        let general = self.tasks.get(script).filter(|_| !member.dir.is_empty());
        let root = self.tasks.get(&of_package).or(general);
        let own_tasks = own.as_ref().map(tasks).unwrap_or_default();
        let own_task = own_tasks.get(script);
        let inherits = own_task.is_none_or(|task| task.get("extends") != Some(&Data::Bool(false)));
        let layers: Vec<&Data> = own_task.into_iter().chain(root.filter(|_| inherits)).collect();
        // `extends: false` and nothing else takes the task away.
        let is_nothing = |task: &Data| !inherits && task.entries().count() == 1;
        if layers.is_empty() || own_task.is_some_and(is_nothing) {
            return None;
        }
        let mut rule = self.translated(member, &layers);
        let bases =
            own.iter().filter_map(|data| data.get("extends")).flat_map(Data::texts).filter(|base| *base != "//");
        rule.unknown.extend(bases.map(|base| format!("`extends: {base}` of its turbo.json")));
        rule.unknown.extend(broken);
        Some(rule)
    }

    fn translated(&self, member: &Member, layers: &[&Data]) -> Rule {
        let value = |key: &str| layers.iter().find_map(|layer| layer.get(key));
        let texts = |key: &str| {
            let items = layered(layers, key, EXTENDS)?;
            Some(items.iter().filter_map(Data::text).map(str::to_owned).collect::<Vec<_>>())
        };
        let is = |key: &str| value(key) == Some(&Data::Bool(true));
        let deps = texts("dependsOn").unwrap_or_default();
        // Before `env` there was `$NAME` in `dependsOn`.
        let mut env = texts("env").unwrap_or_default();
        env.extend(deps.iter().filter_map(|dep| dep.strip_prefix('$')).map(str::to_owned));
        let mut unknown = Vec::new();
        let mut inputs = texts("inputs").map(|inputs| inputs_of(member, &known(inputs, &mut unknown)));
        // Git may ignore such a file, and it counts all the same.
        if let Some(files) = texts("dotEnv") {
            inputs.get_or_insert_with(|| vec!["@default".to_owned()]).extend(files);
        }
        let outputs = known(texts("outputs").unwrap_or_default(), &mut unknown);
        let dir = self.dir.join(&member.dir);
        Rule {
            deps: deps.iter().filter(|dep| !dep.starts_with('$')).map(|dep| parse(dep)).collect(),
            inputs,
            outputs: Some(outputs.iter().map(|text| output(&dir, &placed(member, text))).collect()),
            env_from: variables(env),
            env_pass: variables(texts("passThroughEnv").unwrap_or_default()),
            tools: Vec::new(),
            cache: value("cache") != Some(&Data::Bool(false)),
            persistent: is("persistent"),
            interactive: is("interactive"),
            unknown,
        }
    }
}

/// Returns the patterns without those in which Turborepo would replace a word that is not known here.
fn known(patterns: Vec<String>, unknown: &mut Vec<String>) -> Vec<String> {
    let is_known = |pattern: &String| {
        let plain = pattern.strip_prefix('!').unwrap_or(pattern);
        !plain.strip_prefix(ROOT).unwrap_or(plain).contains(WORDS) || plain == DEFAULT
    };
    let (known, others): (Vec<String>, Vec<String>) = patterns.into_iter().partition(is_known);
    unknown.extend(others.into_iter().map(|pattern| format!("`{pattern}`")));
    known
}

/// Reads turbo.json in a directory.
fn data(root: &Path, dir: &str) -> Result<Option<Data>, InitError> {
    let at = root.join(dir);
    let Some((name, text)) = NAMES.iter().find_map(|name| Some((*name, read(&at, name)?))) else { return Ok(None) };
    let file = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    parsed(&file, Format::Json, &text).map(Some)
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
