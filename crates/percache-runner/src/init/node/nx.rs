//! nx.json of Nx: the defaults of targets, and named inputs. Scripts of package.json are targets; `nx` in it and
//! project.json say more about them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::{InitError, parsed, read};
use super::project::Member;
use super::rules::{Dep, Rule, SOURCES, layered, output, up};
use super::target::{RUN_COMMANDS, RUN_SCRIPT, executor};
use crate::syntax::data::{Data, Format};
use crate::syntax::name_globs::NameGlobs;

const OF_PROJECT: &str = "{projectRoot}/";
const OF_ROOT: &str = "{workspaceRoot}/";
/// In a list: what would be inherited otherwise.
const SPREAD: &str = "...";

/// What nx.json says.
#[derive(Debug)]
pub(super) struct Nx {
    dir: PathBuf,
    data: Data,
    /// The operations that are cached, in old versions.
    cacheable: Vec<String>,
    /// The names of packages in `deps`, by the names that Nx knows them by.
    names: BTreeMap<String, String>,
}

impl Nx {
    pub fn read(dir: &Path) -> Result<Option<Nx>, InitError> {
        let Some(text) = read(dir, "nx.json") else { return Ok(None) };
        let data = parsed("nx.json", Format::Json, &text)?;
        let cacheable = data.at(&["tasksRunnerOptions", "default", "options", "cacheableOperations"]);
        let cacheable = cacheable.into_iter().flat_map(Data::texts).map(str::to_owned).collect();
        Ok(Some(Nx { dir: dir.to_owned(), data, cacheable, names: BTreeMap::new() }))
    }

    /// Learns the names of packages that are other ones in project.json than in package.json.
    pub fn learn_names(&mut self, members: &[Member]) {
        let named =
            members.iter().filter_map(|member| Some((own_name(member)?.to_owned(), member.prefix().to_owned())));
        self.names = named.collect();
    }

    /// Returns a dependency on a package by its name in `deps`.
    fn renamed(&self, dep: Dep) -> Dep {
        match dep {
            Dep::Of(package, task) => Dep::Of(self.names.get(&package).cloned().unwrap_or(package), task),
            other => other,
        }
    }

    /// Returns comments for the head of the file.
    pub fn notes() -> Vec<String> {
        vec![
            "Dependencies, inputs, outputs and what is cached are those of nx.json.".to_owned(),
            "Targets that plugins infer, and directories without a package.json, are not here.".to_owned(),
        ]
    }

    /// Returns the files in the root on which, in old versions, packages depend: here all of them do.
    pub fn global_inputs(&self) -> Vec<String> {
        let files = self.data.get("implicitDependencies").into_iter().flat_map(Data::entries);
        files.map(|(file, _)| file.to_owned()).collect()
    }

    /// Returns the positions of the packages that one depends on although its manifest does not say so, and what means no
    /// package.
    pub fn implied(&self, members: &[Member], position: usize) -> (Vec<usize>, Vec<String>) {
        let member = &members[position];
        let of_package = member.manifest.at(&["nx", "implicitDependencies"]);
        let stated = member.of_nx.get("implicitDependencies").into_iter().chain(of_package);
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        // `!package` takes away what Nx infers from imports; a dependency that the manifest states stays.
        for text in stated.flat_map(Data::texts).filter(|text| !text.starts_with('!')) {
            let meant: Vec<usize> = (1..members.len()).filter(|at| means(text, &members[*at])).collect();
            if meant.is_empty() {
                unknown.push(text.to_owned());
            }
            found.extend(meant.into_iter().filter(|at| *at != position));
        }
        found.sort_unstable();
        found.dedup();
        (found, unknown)
    }

    /// Returns what is said of a script of a package: what its project.json or package.json says comes before the
    /// defaults.
    pub fn rule(&self, member: &Member, script: &str) -> Option<Rule> {
        let layers = self.layers(member, script);
        if layers.is_empty() && !self.cacheable.iter().any(|name| name == script) {
            return None;
        }
        let value = |key: &str| layers.iter().find_map(|layer| layer.get(key));
        let mut rule = Rule::default();
        if !member.targets.known.contains_key(script) {
            let runs = |key: &str| value(key).and_then(Data::text).filter(|text| executor(text) != RUN_SCRIPT);
            let others = ["executor", "command"].into_iter().filter(|key| runs(key).is_some());
            rule.unknown.extend(others.map(|key| format!("`{key}` of its target")));
        }
        for dep in layered(&layers, "dependsOn", SPREAD).unwrap_or_default() {
            match parse(member, &dep) {
                Some(deps) => rule.deps.extend(deps.into_iter().map(|dep| self.renamed(dep))),
                None => rule.unknown.push(format!("`dependsOn: {}`", shown(&dep))),
            }
        }
        rule.cache = match value("cache") {
            Some(cache) => *cache == Data::Bool(true),
            None => self.cacheable.iter().any(|name| name == script),
        };
        rule.persistent = value("continuous") == Some(&Data::Bool(true));
        let options = value("options");
        rule.outputs =
            layered(&layers, "outputs", SPREAD).map(|outputs| self.outputs(member, &outputs, options, &mut rule));
        let stated = layered(&layers, "inputs", SPREAD);
        let mut inputs = Inputs { nx: self, member, rule: &mut rule, patterns: Vec::new(), of_others: false };
        match stated {
            Some(stated) => stated.iter().for_each(|input| inputs.add(input, 0)),
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

    /// Returns what is said of a script or target, the nearest first: in project.json, in package.json, and by default.
    pub fn layers<'d>(&'d self, member: &'d Member, name: &str) -> Vec<&'d Data> {
        let own = member.of_nx.at(&["targets", name]).into_iter();
        let own: Vec<&Data> = own.chain(member.manifest.at(&["nx", "targets", name])).collect();
        let value = |key: &str| own.iter().find_map(|layer| layer.get(key)).and_then(Data::text);
        let runs = match (value("executor"), value("command")) {
            (Some(stated), _) => executor(stated),
            (None, Some(_)) => RUN_COMMANDS,
            (None, None) => RUN_SCRIPT,
        };
        let default = self.default(runs, name);
        own.into_iter().chain(default).collect()
    }

    /// Returns the default of a target: that of what runs it, or of its name, which may be a glob.
    fn default(&self, executor: &str, script: &str) -> Option<&Data> {
        let defaults = self.data.get("targetDefaults")?;
        let by_glob = || {
            let mut entries = defaults.entries();
            entries.find(|(name, _)| NameGlobs::of(&[name]).matches(OsStr::new(script))).map(|(_, default)| default)
        };
        defaults.get(executor).or_else(|| defaults.get(script)).or_else(by_glob)
    }

    /// Returns the outputs. Nx leaves out one that names an option which the target does not have; here something has
    /// to remain.
    fn outputs(&self, member: &Member, stated: &[Data], options: Option<&Data>, rule: &mut Rule) -> Vec<String> {
        let dir = self.dir.join(&member.dir);
        let (mut outputs, mut missing) = (Vec::new(), Vec::new());
        for text in stated.iter().filter_map(Data::text) {
            match with_options(text, options) {
                None => missing.push(text),
                Some(filled) => match placed(member, &filled) {
                    Some(path) => outputs.push(output(&dir, &path)),
                    None => rule.unknown.push(format!("the output `{text}`")),
                },
            }
        }
        if outputs.is_empty() {
            rule.unknown.extend(missing.iter().map(|text| format!("the output `{text}`")));
        }
        outputs
    }

    /// Returns the files of a package that count for others.
    pub fn sources(&self, member: &Member) -> Option<Vec<String>> {
        let mut rule = Rule::default();
        let mut inputs = Inputs { nx: self, member, rule: &mut rule, patterns: Vec::new(), of_others: false };
        inputs.add_named("production", 0);
        let patterns = with_default(inputs.patterns);
        patterns.filter(|_| rule.unknown.is_empty())
    }
}

/// Replaces `{options.NAME}` by the value of the option; `None` if there is none.
fn with_options(text: &str, options: Option<&Data>) -> Option<String> {
    const OPTION: &str = "{options.";
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(OPTION) {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(options?.get(name)?.text()?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
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
        } else if let Some(pattern) = text("fileset").or_else(|| text("json")) {
            self.add_pattern(pattern);
        } else if let Some(command) = text("runtime") {
            self.rule.tools.push(command.to_owned());
        } else if let Some(name) = text("env") {
            self.rule.env_from.push(name.to_owned());
        } else if let Some(name) = text("input") {
            match (text("projects"), input.get("projects")) {
                (Some("dependencies"), _) => self.of_others = true,
                (Some("self"), _) | (None, None) if input.get("dependencies") != Some(&Data::Bool(true)) => {
                    self.add_named(name, depth);
                }
                (None, None) => self.of_others = true,
                _ => self.rule.unknown.push(format!("the input `{}`", shown(input))),
            }
        } else if input.get("dependencies").is_some() || input.get("dependentTasksOutputFiles").is_some() {
            self.of_others = true;
        } else if input.get("externalDependencies").is_none() {
            // The lock file counts for every task, so packages from elsewhere need not be named.
            self.rule.unknown.push(format!("the input `{}`", shown(input)));
        }
    }

    fn add_pattern(&mut self, stated: &str) {
        let pattern = match stated {
            "{projectRoot}/**/*" | "{projectRoot}/**" => Some("@default".to_owned()),
            pattern => placed(self.member, pattern),
        };
        match pattern {
            Some(pattern) if !self.patterns.contains(&pattern) => self.patterns.push(pattern),
            Some(_) => {}
            None => self.rule.unknown.push(format!("the input `{stated}`")),
        }
    }

    /// Adds a named input. Where nothing is said, `default` means all files of the package.
    fn add_named(&mut self, name: &str, depth: usize) {
        let own = self.member.of_nx.at(&["namedInputs", name]);
        let own = own.or_else(|| self.member.manifest.at(&["nx", "namedInputs", name]));
        match own.or_else(|| self.nx.data.at(&["namedInputs", name])) {
            Some(stated) if depth < 10 => {
                let stated = stated.clone();
                stated.items().iter().for_each(|input| self.add(input, depth + 1));
            }
            _ if name == "default" || name == "production" => self.add_pattern("{projectRoot}/**/*"),
            _ => self.rule.unknown.push(format!("the input `{name}`")),
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

/// Returns what a dependency means; `None` if that is not known.
fn parse(member: &Member, dep: &Data) -> Option<Vec<Dep>> {
    if let Some(text) = dep.text() {
        let (name, is_above) = text.strip_prefix('^').map_or((text, false), |name| (name, true));
        return match name.split_once(':') {
            _ if name.contains('*') => None,
            _ if is_above => Some(vec![Dep::Above(name.to_owned())]),
            Some((package, target)) if !member.has(name) => Some(vec![Dep::Of(package.to_owned(), target.to_owned())]),
            _ => Some(vec![Dep::Own(name.to_owned())]),
        };
    }
    let target = dep.get("target").and_then(Data::text).filter(|target| !target.contains('*'))?;
    if dep.get("dependencies") == Some(&Data::Bool(true)) {
        return Some(vec![Dep::Above(target.to_owned())]);
    }
    let projects: Vec<&str> = match dep.get("projects") {
        None => vec!["self"],
        Some(Data::Text(one)) => vec![one],
        Some(several) => several.texts().collect(),
    };
    projects.into_iter().map(|project| of_projects(project, target)).collect()
}

fn of_projects(project: &str, target: &str) -> Option<Dep> {
    match project {
        "dependencies" | "{dependencies}" | "^" => Some(Dep::Above(target.to_owned())),
        "self" | "{self}" => Some(Dep::Own(target.to_owned())),
        other if other.contains(['*', '{', '!', ':']) => None,
        package => Some(Dep::Of(package.to_owned(), target.to_owned())),
    }
}

/// Returns the name that only Nx knows a package by.
pub(super) fn own_name(member: &Member) -> Option<&str> {
    member.of_nx.get("name").or_else(|| member.manifest.at(&["nx", "name"])).and_then(Data::text)
}

/// Returns whether a name, a glob over names or directories, or a tag means a package.
fn means(text: &str, member: &Member) -> bool {
    let own_name = own_name(member);
    if let Some(tag) = text.strip_prefix("tag:") {
        let tags = member.of_nx.get("tags").into_iter().chain(member.manifest.at(&["nx", "tags"]));
        return tags.flat_map(Data::texts).any(|known| known == tag);
    }
    let names = [member.name.as_str(), own_name.unwrap_or_default(), member.dir.as_str()];
    names.into_iter().filter(|name| !name.is_empty()).any(|name| name == text)
        || text.contains('*') && names.iter().any(|name| NameGlobs::of(&[text]).matches(OsStr::new(name)))
}

/// Returns a short text of what cannot be translated.
fn shown(data: &Data) -> String {
    match data {
        Data::Text(text) | Data::Plain(text) => text.clone(),
        Data::Bool(value) => value.to_string(),
        Data::Null => "null".to_owned(),
        Data::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Data::Table(_) => {
            let entries = data.entries().map(|(key, value)| format!("{key}: {}", shown(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns a path as seen from its package; `None` if Nx replaces more in it than is known here.
fn placed(member: &Member, pattern: &str) -> Option<String> {
    let (sign, pattern) = pattern.strip_prefix('!').map_or(("", pattern), |rest| ("!", rest));
    let pattern = pattern.replace("{projectName}", own_name(member).unwrap_or(&member.name));
    let path = match pattern.strip_prefix(OF_PROJECT) {
        Some(rest) => rest.to_owned(),
        None => {
            let from_root = pattern.strip_prefix(OF_ROOT).unwrap_or(&pattern);
            format!("{}{}", up(member), from_root.replace("{projectRoot}", &member.dir))
        }
    };
    // Braces with a comma are alternatives.
    let mut words = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default());
    let is_known = !words.any(|word| !word.contains(',')) && pattern != "{projectRoot}";
    is_known.then(|| format!("{sign}{path}"))
}
