//! A script of package.json becomes a task.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::ignored::{ignores, inputs_without};
use super::super::nature::{Nature, checks_outputs, endless, nature};
use super::super::write::{list, task_name};
use super::super::{Keys, Proposed, read};
use super::project::{Member, Project};
use super::rules::{Dep, Rule, Rules, SOURCES};
use super::state::{apart, state_files};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::syntax::data::{Data, Format};

/// The outputs of the tasks of a package so far: every file has one owner.
#[derive(Default)]
pub(super) struct Taken {
    outputs: Vec<String>,
    /// The tasks whose results are stored.
    cached: BTreeSet<String>,
}

impl Taken {
    /// Returns whether these outputs belong to no task yet.
    fn leaves(&self, outputs: &[String]) -> bool {
        !outputs.iter().any(|output| self.owns(output))
    }

    fn owns(&self, output: &str) -> bool {
        // Outputs may lie above the package; how far above the root does not matter here.
        let base = RelPath::new("1/2/3/4/5/6/7/8").unwrap_or_else(|_| RelPath::root());
        let parse = |patterns: &[&str]| PatternSet::parse(&base, patterns);
        let taken: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        parse(&taken).is_ok_and(|taken| parse(&[output]).is_ok_and(|own| own.overlaps(&taken)))
    }

    /// Takes those outputs that no task has yet. Returns them, and whether these are all.
    fn take(&mut self, outputs: Vec<String>) -> (Vec<String>, bool) {
        let before = outputs.len();
        let free: Vec<String> =
            outputs.into_iter().filter(|output| output.starts_with('!') || !self.owns(output)).collect();
        let all = free.len() == before;
        self.outputs.extend(free.iter().filter(|output| !output.starts_with('!')).cloned());
        (free, all)
    }
}

/// Returns the tasks of a package's scripts.
pub(super) fn tasks(project: &Project, member: &Member, rules: &Rules) -> Vec<Proposed> {
    let mut taken = Taken::default();
    let mut scripts = member.scripts();
    // What is built comes first: others may depend on it.
    scripts.sort_by_key(|(name, _)| nature(name) != Nature::Build);
    let tasks = scripts.into_iter().filter_map(|script| task(project, member, rules, script, &mut taken));
    let mut tasks: Vec<Proposed> = tasks.collect();
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    tasks
}

/// Returns the task of a script; `None` if it is none.
pub(super) fn task(
    project: &Project,
    member: &Member,
    rules: &Rules,
    (name, text): (&str, &str),
    taken: &mut Taken,
) -> Option<Proposed> {
    let (mut keys, state) = match member.targets.known.get(name) {
        Some(target) => (target.keys(project.manager, member), state_files(&project.at(member), text)),
        None => {
            let (command, state) = command(project, member, (name, text), taken);
            (vec![("command", list(&command))], state)
        }
    };
    let rule = rules.of(member, name);
    if rule.is_none() && rules.is_complete() || task_name(name).is_empty() {
        return None;
    }
    let (further, comment, ends) = match rule {
        Some(rule) => by_rule(project, member, rules, (name, state), rule, taken),
        None => by_name(project, member, (name, state), taken),
    };
    keys.extend(further);
    let cached = ends && !keys.iter().any(|(key, _)| *key == "cache");
    if cached {
        taken.cached.insert(name.to_owned());
    }
    let default = cached && matches!(nature(name), Nature::Build | Nature::Check);
    Some(Proposed { name: task_name(name), comment, keys, default })
}

/// Returns the command of a script, and the files in which it notes what it has done. Where another script notes it in
/// the same file, this one is told another place, if that is possible.
fn command(
    project: &Project,
    member: &Member,
    (name, text): (&str, &str),
    taken: &Taken,
) -> (Vec<String>, Vec<String>) {
    let mut command = [project.manager, "run", name].map(str::to_owned).to_vec();
    let state = state_files(&project.at(member), text);
    if taken.leaves(&state) {
        return (command, state);
    }
    match apart(&task_name(name), text) {
        Some(arguments) => {
            // Only npm wants to be told where the arguments of a script begin.
            command.extend((project.manager == "npm").then(|| "--".to_owned()));
            command.extend(arguments);
            (command, Vec::new())
        }
        None => (command, state),
    }
}

/// Returns the keys that say under which conditions a task runs: after which others, and with which variables and
/// tools. Adds dependencies on scripts that are no tasks to what is not known.
fn conditions(project: &Project, member: &Member, rules: &Rules, rule: &mut Rule) -> Keys {
    let mut keys = Keys::new();
    let mut deps: Vec<String> = Vec::new();
    for dep in &rule.deps {
        match exists(project, rules, dep) {
            Existence::Task => {}
            Existence::Nothing => continue,
            Existence::NoTask(name) => {
                rule.unknown.push(format!("`dependsOn: {name}`, which is no task"));
                continue;
            }
        }
        for name in rules.resolve(member, dep, 0) {
            let is_task = |above: &str| exists(project, rules, &Dep::Above(above.to_owned())) == Existence::Task;
            if name.strip_prefix('^').is_none_or(is_task) && !deps.contains(&name) {
                deps.push(name);
            }
        }
    }
    if !deps.is_empty() {
        keys.push(("deps", list(&deps)));
    }
    let mut env_from = rule.env_from.clone();
    env_from.extend(of_frameworks(member));
    let variables = [("env_from", env_from), ("env_pass", rule.env_pass.clone()), ("tools", rule.tools.clone())];
    let variables = variables.into_iter().filter(|(_, names)| !names.is_empty());
    keys.extend(variables.map(|(key, names)| (key, list(&names))));
    keys
}

/// Returns the keys of a task as turbo.json or nx.json describes it, a comment, and whether it ends.
fn by_rule(
    project: &Project,
    member: &Member,
    rules: &Rules,
    (name, state): (&str, Vec<String>),
    mut rule: Rule,
    taken: &mut Taken,
) -> (Keys, String, bool) {
    let mut keys = conditions(project, member, rules, &mut rule);
    if rule.persistent || rule.interactive {
        let kind = if rule.persistent { Nature::Server } else { Nature::Interactive };
        keys.push(endless(kind));
        return (keys, String::new(), false);
    }
    match rule.inputs {
        Some(inputs) => keys.push(("inputs", list(&inputs))),
        None => keys.extend(default_inputs(project, member)),
    }
    if !rule.cache || !rule.unknown.is_empty() {
        keys.push(("cache", "false".to_owned()));
        return (keys, untranslated(&rule.unknown), true);
    }
    let guessed = || if nature(name) == Nature::Build { built(project, member) } else { Vec::new() };
    let mut outputs = rule.outputs.unwrap_or_else(guessed);
    let below = |state: &String| {
        let set = PatternSet::parse(&RelPath::root(), std::slice::from_ref(state)).unwrap_or_default();
        outputs.iter().any(|output| PatternSet::parse(&RelPath::root(), &[output]).is_ok_and(|own| own.overlaps(&set)))
    };
    let state: Vec<String> = state.into_iter().filter(|state| !below(state)).collect();
    outputs.extend(state);
    let (outputs, all) = taken.take(outputs);
    if !all {
        keys.push(("cache", "false".to_owned()));
        return (keys, SHARED_OUTPUTS.to_owned(), true);
    }
    if !outputs.is_empty() {
        keys.push(("outputs", list(&outputs)));
    }
    (keys, String::new(), true)
}

/// Returns the comment on what is said of a task and cannot be translated.
fn untranslated(unknown: &[String]) -> String {
    let lines = unknown.iter().map(|what| format!("Not understood, and left out: {what}."));
    let mut lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        lines.push("So it always runs. State what is missing and take `cache` away to have it cached.".to_owned());
    }
    lines.join("\n")
}

const SHARED_OUTPUTS: &str = "Another task has its outputs, and every file has one owner; so it always runs.";
const UNKNOWN: &str =
    "What it writes is not known, so it always runs. State `outputs` and take `cache` away to have it cached.";
const CHECK: &str = "Check the outputs: what is not stated is not kept.";
const STATE: &str = "In such a file a tool notes what it has written or checked: it must not\noutlive that.";

/// Returns the keys of a task as its name suggests, a comment, and whether it ends.
fn by_name(
    project: &Project,
    member: &Member,
    (name, state): (&str, Vec<String>),
    taken: &mut Taken,
) -> (Keys, String, bool) {
    let kind = nature(name);
    let mut keys = Keys::new();
    let deps = before(project, member, name, taken);
    if !deps.is_empty() && kind != Nature::Other {
        keys.push(("deps", list(&deps)));
    }
    if matches!(kind, Nature::Interactive | Nature::Server) {
        keys.push(endless(kind));
        return (keys, String::new(), false);
    }
    let env: Vec<String> = of_frameworks(member).collect();
    if !env.is_empty() && kind != Nature::Other {
        keys.push(("env_from", list(&env)));
    }
    if project.members.len() == 1 && kind != Nature::Other {
        keys.push(("tools", list(&["node --version"])));
    }
    let outputs = if kind == Nature::Build { built(project, member) } else { Vec::new() };
    let known = kind == Nature::Check || kind == Nature::Build && !outputs.is_empty();
    let below = |path: &String| outputs.iter().any(|place| path.starts_with(&format!("{place}/")));
    let state: Vec<String> = state.into_iter().filter(|path| !below(path)).collect();
    let has_state = !state.is_empty();
    let (outputs, all) = if known { taken.take([outputs, state].concat()) } else { (Vec::new(), true) };
    if !known || !all {
        keys.push(("cache", "false".to_owned()));
        return (keys, if known { SHARED_OUTPUTS } else { UNKNOWN }.to_owned(), true);
    }
    keys.extend(default_inputs(project, member));
    if outputs.is_empty() {
        return (keys, String::new(), true);
    }
    keys.push(("outputs", list(&outputs)));
    let comment = match (kind == Nature::Build, has_state) {
        (true, true) => format!("{CHECK} {STATE}"),
        (true, false) => CHECK.to_owned(),
        (false, _) => STATE.to_owned(),
    };
    (keys, comment, true)
}

/// Returns what must be built before a script runs: what the package depends on and, for what tests it, itself.
fn before(project: &Project, member: &Member, name: &str, taken: &Taken) -> Vec<String> {
    let mut deps = Vec::new();
    if checks_outputs(name) && taken.cached.contains("build") {
        deps.push("build".to_owned());
    }
    let builds = |member: &Member| member.has("build");
    let any = project.members.iter().skip(1).any(|member| member.is_needed || builds(member));
    if !member.dir.is_empty() && any {
        deps.extend(member.above("build"));
    }
    deps
}

/// What a dependency means.
#[derive(PartialEq, Eq)]
enum Existence {
    Task,
    /// Nothing: a package need not have a script.
    Nothing,
    /// Something that is there, or ought to be, and is no task; as it is named.
    NoTask(String),
}

/// Returns whether a dependency means any task at all.
fn exists(project: &Project, rules: &Rules, dep: &Dep) -> Existence {
    let mut members = project.members.iter();
    let of = |member: Option<&Member>, script: &str, shown: String| match member {
        Some(member) if rules.has_task(member, script) => Existence::Task,
        Some(member) if !member.has(script) => Existence::Nothing,
        _ => Existence::NoTask(shown),
    };
    let is_task = match dep {
        Dep::Above(name) if name == SOURCES => members.any(|member| member.is_needed),
        Dep::Above(name) => members.skip(1).any(|member| {
            let is_it = |script: &str| task_name(script) == task_name(name) && rules.has_task(member, script);
            member.is_needed || member.scripts().iter().any(|(script, _)| is_it(script))
        }),
        Dep::Of(package, name) => {
            return of(members.find(|member| member.prefix() == package), name, format!("{package}#{name}"));
        }
        Dep::Root(name) => return of(members.next(), name, format!("//#{name}")),
        Dep::Own(_) => true,
    };
    if is_task { Existence::Task } else { Existence::Nothing }
}

/// Returns the directories that a build probably makes: those with usual names, those where package.json finds what was
/// built, and those that tsconfig.json names, as far as git ignores them.
/// The root of a workspace builds its packages, and nothing itself.
fn built(project: &Project, member: &Member) -> Vec<String> {
    if member.dir.is_empty() && project.members.len() > 1 {
        return Vec::new();
    }
    const USUAL: [&str; 10] =
        ["dist", "build", "lib", "out", ".next", ".nuxt", ".output", ".svelte-kit", "storybook-static", "es"];
    let dir = project.at(member);
    let mut places: Vec<String> = USUAL.map(str::to_owned).to_vec();
    let entries = ["main", "module", "types", "typings", "exports", "bin"];
    entries.iter().filter_map(|key| member.manifest.get(key)).for_each(|entry| add_places(entry, &mut places));
    let tsconfig = read(&dir, "tsconfig.json").and_then(|text| Format::Json.parse(&text).ok());
    let out = tsconfig.as_ref().and_then(|data| data.at(&["compilerOptions", "outDir"]));
    out.into_iter().for_each(|out| add_place(out.text().unwrap_or_default(), &mut places));
    let mut found: Vec<String> = places.into_iter().filter(|place| ignores(&dir, place)).collect();
    if found.iter().any(|place| place == ".next") {
        found.push("!.next/cache".to_owned());
    }
    found
}

/// Adds the directories of the files that an entry of package.json names.
fn add_places(entry: &Data, places: &mut Vec<String>) {
    match entry {
        Data::Text(path) if path.contains('/') => {
            if let Some((dir, _)) = path.rsplit_once('/') {
                add_place(dir, places);
            }
        }
        entry => entry.entries().for_each(|(_, inner)| add_places(inner, places)),
    }
}

fn add_place(path: &str, places: &mut Vec<String>) {
    let first = path.split('/').find(|part| !matches!(*part, "" | "."));
    if let Some(first) = first.filter(|first| *first != ".." && !first.contains('*') && *first != "node_modules")
        && !places.iter().any(|place| place == first)
    {
        places.push(first.to_owned());
    }
}

/// Returns the key `inputs` where the default would include what is not a source.
pub(super) fn default_inputs(project: &Project, member: &Member) -> Option<(&'static str, String)> {
    let dir = project.at(member);
    let state = states(&dir, member);
    let made = built(project, member);
    let made = made.iter().chain(&state).map(String::as_str).filter(|made| !made.starts_with('!'));
    inputs_without(&dir, &std::iter::once("node_modules").chain(made).collect::<Vec<_>>())
}

fn states(dir: &Path, member: &Member) -> Vec<String> {
    let mut all: Vec<String> = member.scripts().iter().flat_map(|(_, text)| state_files(dir, text)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Yields the variables that the frameworks of a package build in.
fn of_frameworks(member: &Member) -> impl Iterator<Item = String> {
    const VARIABLES: [(&str, &str); 8] = [
        ("next", "NEXT_PUBLIC_*"),
        ("vite", "VITE_*"),
        ("react-scripts", "REACT_APP_*"),
        ("@vue/cli-service", "VUE_APP_*"),
        ("nuxt", "NUXT_*"),
        ("gatsby", "GATSBY_*"),
        ("astro", "PUBLIC_*"),
        ("expo", "EXPO_PUBLIC_*"),
    ];
    VARIABLES.iter().filter(|(package, _)| member.uses(package)).map(|(_, variables)| (*variables).to_owned())
}
