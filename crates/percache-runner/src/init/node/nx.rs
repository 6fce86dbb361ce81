//! nx.json of Nx: the defaults of targets, and named inputs. Scripts of package.json are targets; `nx` in it says more
//! about them.

use std::path::Path;

use super::super::{InitError, read};
use super::project::Member;
use super::rules::{Dep, Rule, SOURCES, output, up};
use crate::syntax::data::{Data, Format};

const OF_PROJECT: &str = "{projectRoot}/";
const OF_ROOT: &str = "{workspaceRoot}/";

/// What nx.json says.
#[derive(Debug)]
pub(super) struct Nx {
    data: Data,
    /// The operations that are cached, in old versions.
    cacheable: Vec<String>,
}

impl Nx {
    pub fn read(dir: &Path) -> Result<Option<Nx>, InitError> {
        let Some(text) = read(dir, "nx.json") else { return Ok(None) };
        let data = Format::Json.parse(&text).map_err(|problem| InitError::Broken(format!("nx.json: {problem}")))?;
        let cacheable = data.at(&["tasksRunnerOptions", "default", "options", "cacheableOperations"]);
        let cacheable = cacheable.into_iter().flat_map(Data::texts).map(str::to_owned).collect();
        Ok(Some(Nx { data, cacheable }))
    }

    /// Returns comments for the head of the file.
    pub fn notes(&self) -> Vec<String> {
        vec![
            "Dependencies, inputs, outputs and what is cached are those of nx.json.".to_owned(),
            "Targets of project.json files and of plugins are not scripts, and not here.".to_owned(),
        ]
    }

    /// Returns what is said of a script of a package: what its package.json says comes before the defaults.
    pub fn rule(&self, member: &Member, script: &str) -> Option<Rule> {
        let own = member.manifest.at(&["nx", "targets", script]);
        let default = self.data.at(&["targetDefaults", script]);
        let layers: Vec<&Data> = own.into_iter().chain(default).collect();
        if layers.is_empty() && !self.cacheable.iter().any(|name| name == script) {
            return None;
        }
        let value = |key: &str| layers.iter().find_map(|layer| layer.get(key));
        let stated = value("dependsOn").into_iter().flat_map(Data::items);
        let mut rule = Rule { deps: stated.filter_map(parse).collect(), ..Rule::default() };
        rule.cache = match value("cache") {
            Some(cache) => *cache == Data::Bool(true),
            None => self.cacheable.iter().any(|name| name == script),
        };
        rule.persistent = value("continuous") == Some(&Data::Bool(true));
        let outputs = value("outputs").map(|outputs| {
            // What depends on the options of an executor is not known.
            let known = outputs.texts().filter(|text| !text.contains("{options"));
            known.map(|text| output(&placed(member, text))).collect()
        });
        rule.outputs = outputs;
        let mut inputs = Inputs { nx: self, member, rule: &mut rule, patterns: Vec::new(), of_others: false };
        match value("inputs") {
            Some(stated) => stated.items().iter().for_each(|input| inputs.add(input, 0)),
            None => inputs.add_named("default", 0),
        }
        let Inputs { patterns, of_others, .. } = inputs;
        rule.inputs = with_default(patterns);
        let built = rule.deps.iter().any(|dep| matches!(dep, Dep::Above(_)));
        if of_others && !built {
            rule.deps.push(Dep::Above(SOURCES.to_owned()));
        }
        Some(rule)
    }

    /// Returns the files of a package that count for others.
    pub fn sources(&self, member: &Member) -> Option<Vec<String>> {
        let mut rule = Rule::default();
        let mut inputs = Inputs { nx: self, member, rule: &mut rule, patterns: Vec::new(), of_others: false };
        inputs.add_named("production", 0);
        with_default(inputs.patterns)
    }
}

/// Collects the inputs of a target.
struct Inputs<'a> {
    nx: &'a Nx,
    member: &'a Member,
    rule: &'a mut Rule,
    patterns: Vec<String>,
    /// Whether files of other packages count.
    of_others: bool,
}

impl Inputs<'_> {
    fn add(&mut self, input: &Data, depth: usize) {
        let text = |key: &str| input.get(key).and_then(Data::text);
        if let Some(name) = input.text() {
            match name.strip_prefix('^') {
                Some(_) => self.of_others = true,
                None if name.contains(['{', '/', '*']) => self.add_pattern(name),
                None => self.add_named(name, depth),
            }
        } else if let Some(pattern) = text("fileset") {
            self.add_pattern(pattern);
        } else if let Some(command) = text("runtime") {
            self.rule.tools.push(command.to_owned());
        } else if let Some(name) = text("env") {
            self.rule.env_from.push(name.to_owned());
        } else if let Some(name) = text("input") {
            match text("projects") {
                Some("dependencies") => self.of_others = true,
                _ => self.add_named(name, depth),
            }
        } else if input.get("dependencies").is_some() {
            self.of_others = true;
        }
    }

    fn add_pattern(&mut self, pattern: &str) {
        let pattern = match pattern {
            "{projectRoot}/**/*" | "{projectRoot}/**" => "@default".to_owned(),
            pattern => placed(self.member, pattern),
        };
        if !self.patterns.contains(&pattern) {
            self.patterns.push(pattern);
        }
    }

    /// Adds a named input. Where nothing is said, `default` means all files of the package.
    fn add_named(&mut self, name: &str, depth: usize) {
        let own = self.member.manifest.at(&["nx", "namedInputs", name]);
        match own.or_else(|| self.nx.data.at(&["namedInputs", name])) {
            Some(stated) if depth < 10 => {
                let stated = stated.clone();
                stated.items().iter().for_each(|input| self.add(input, depth + 1));
            }
            _ if name == "default" || name == "production" => self.add_pattern("{projectRoot}/**/*"),
            _ => {}
        }
    }
}

/// Returns the patterns, unless they are the default alone. What only takes away takes away from the default.
fn with_default(mut patterns: Vec<String>) -> Option<Vec<String>> {
    if patterns.iter().all(|pattern| pattern.starts_with('!')) {
        patterns.insert(0, "@default".to_owned());
    }
    // An exclusion takes away from what stands before it.
    patterns.sort_by_key(|pattern| pattern.starts_with('!'));
    (patterns != ["@default"]).then_some(patterns)
}

fn parse(dep: &Data) -> Option<Dep> {
    if let Some(text) = dep.text() {
        return Some(match (text.strip_prefix('^'), text.split_once(':')) {
            (Some(name), _) => Dep::Above(name.to_owned()),
            (None, _) => Dep::Own(text.to_owned()),
        });
    }
    let target = dep.get("target").and_then(Data::text)?.to_owned();
    let above = dep.get("dependencies") == Some(&Data::Bool(true));
    Some(match dep.get("projects").and_then(Data::text) {
        _ if above => Dep::Above(target),
        Some("dependencies" | "^") => Dep::Above(target),
        Some("self" | "{self}") | None => match dep.get("projects").and_then(|projects| projects.texts().next()) {
            Some(package) => Dep::Of(package.to_owned(), target),
            None => Dep::Own(target),
        },
        Some(package) => Dep::Of(package.to_owned(), target),
    })
}

/// Returns a path as seen from its package.
fn placed(member: &Member, pattern: &str) -> String {
    let (sign, pattern) = pattern.strip_prefix('!').map_or(("", pattern), |rest| ("!", rest));
    let name = member.name.as_str();
    let pattern = pattern.replace("{projectName}", name);
    if let Some(rest) = pattern.strip_prefix(OF_PROJECT) {
        return format!("{sign}{rest}");
    }
    let from_root = pattern.strip_prefix(OF_ROOT).unwrap_or(&pattern).replace("{projectRoot}", &member.dir);
    format!("{sign}{}{from_root}", up(member))
}
