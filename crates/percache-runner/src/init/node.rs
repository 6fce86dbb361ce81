//! Scripts of package.json, and the packages of a workspace of npm, yarn, pnpm or bun.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Nature, Part, Proposed, ignores, inputs_without, list, nature, read};
use crate::fs::walk::{self, Want};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

/// A package of a workspace.
pub(super) struct Package {
    /// Its directory, relative to the workspace; empty for the root.
    pub dir: String,
    name: String,
    manifest: Value,
    /// The lock file that stands beside the root's package.json decides.
    manager: &'static str,
}

/// The package in `dir`, and those that it names as its workspaces.
pub(super) fn packages(dir: &Path) -> Vec<Package> {
    let manager = manager(dir);
    let Some(root) = package(dir, "", manager) else { return Vec::new() };
    let globs = workspaces(&root.manifest, dir);
    let globs: Vec<String> = globs.iter().map(|glob| format!("{}/package.json", glob.trim_end_matches('/'))).collect();
    let found = PatternSet::parse(&RelPath::root(), &globs).ok().filter(|set| !set.is_empty()).and_then(|set| {
        let skip: Vec<_> = RelPath::new("node_modules").into_iter().collect();
        walk::expand(dir, &set, &skip, Want::Files).ok()
    });
    let dirs =
        found.unwrap_or_default().into_iter().filter_map(|found| found.path.parent()?.to_str().map(str::to_owned));
    let mut packages: Vec<Package> = dirs
        .filter(|path| !path.split('/').any(|name| name == "node_modules"))
        .filter_map(|path| package(&dir.join(&path), &path, manager))
        .collect();
    packages.insert(0, root);
    packages
}

fn package(dir: &Path, at: &str, manager: &'static str) -> Option<Package> {
    let manifest: Value = serde_json::from_str(&read(dir, "package.json")?).ok()?;
    let name = manifest["name"].as_str().unwrap_or_default().to_owned();
    Some(Package { dir: at.to_owned(), name, manifest, manager })
}

fn manager(dir: &Path) -> &'static str {
    let locks = [
        ("pnpm-lock.yaml", "pnpm"),
        ("pnpm-workspace.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
    ];
    locks.into_iter().find(|(lock, _)| dir.join(lock).exists()).map_or("npm", |(_, manager)| manager)
}

fn workspaces(manifest: &Value, dir: &Path) -> Vec<String> {
    let stated = manifest["workspaces"].as_array().or_else(|| manifest["workspaces"]["packages"].as_array());
    if let Some(stated) = stated {
        return stated.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    // Of its YAML no more than the items of a list, which is what this file has.
    let text = read(dir, "pnpm-workspace.yaml").unwrap_or_default();
    let items = text.lines().skip_while(|line| line.trim_end() != "packages:").skip(1);
    let items = items.map_while(|line| line.trim().strip_prefix("- "));
    items.map(|item| item.trim().trim_matches(['\'', '"']).to_owned()).collect()
}

/// What the package in `dir` has; `at` is where that is in the workspace.
pub(super) fn look(dir: &Path, at: &str, packages: &[Package]) -> Option<Part> {
    let package = packages.iter().find(|package| package.dir == at)?;
    let members: Vec<String> = if at.is_empty() {
        packages.iter().filter(|package| !package.dir.is_empty()).map(|package| package.dir.clone()).collect()
    } else {
        Vec::new()
    };
    let scripts = package.manifest["scripts"].as_object();
    let names = scripts.into_iter().flat_map(|scripts| scripts.keys());
    let hooks = |name: &String| {
        let base = name.strip_prefix("pre").or_else(|| name.strip_prefix("post"));
        base.is_some_and(|base| scripts.is_some_and(|scripts| scripts.contains_key(base)))
    };
    // A root script of a workspace most often calls what the members have: it would do twice what they do.
    let mut tasks: Vec<Proposed> = Vec::new();
    for name in names.filter(|name| !hooks(name)) {
        // Two tasks cannot have the same outputs.
        let taken = tasks.iter().any(|task| task.keys.iter().any(|(key, _)| *key == "outputs"));
        tasks.push(script(dir, package, packages, name, members.is_empty(), taken));
    }
    if tasks.is_empty() && members.is_empty() {
        return None;
    }
    let found = if members.is_empty() { "a package.json" } else { "a workspace of packages" };
    Some(Part { found: found.to_owned(), prefix: package.manager, members, tasks })
}

/// `taken` says whether another script has the outputs already.
fn script(dir: &Path, package: &Package, packages: &[Package], name: &str, alone: bool, taken: bool) -> Proposed {
    let kind = nature(name);
    let outputs = ["dist", "build", "lib", "out", ".next"].into_iter().filter(|place| ignores(dir, place));
    let outputs: Vec<String> = outputs.map(str::to_owned).collect();
    let state = state_files(dir, package.manifest["scripts"][name].as_str().unwrap_or_default());
    let mut keys = vec![("command", list(&[package.manager, "run", name]))];
    let deps = built_before(package, packages);
    if !deps.is_empty() && kind != Nature::Other {
        keys.push(("deps", list(&deps)));
    }
    let mut comment = "";
    // Where inputs have to be stated at all, what a build makes is none of them.
    let below = |path: &String| outputs.iter().any(|place| path.starts_with(&format!("{place}/")));
    let state: Vec<String> = state.into_iter().filter(|path| !below(path)).collect();
    let scripts = package.manifest["scripts"].as_object().into_iter().flat_map(|scripts| scripts.values());
    let states: Vec<String> =
        scripts.flat_map(|script| state_files(dir, script.as_str().unwrap_or_default())).collect();
    let made = outputs.iter().chain(&states).map(String::as_str);
    let none: Vec<&str> = std::iter::once("node_modules").chain(made).collect();
    match kind {
        Nature::Build if !outputs.is_empty() && !taken => {
            keys.extend(inputs_without(dir, &none));
            keys.push(("outputs", list(&[outputs, state.clone()].concat())));
            comment = match state.is_empty() {
                true => "Check the outputs: what is not stated is not kept.",
                false => {
                    "Check the outputs: what is not stated is not kept. In *.tsbuildinfo, tsc notes what it has \
                     written: it must not\n\
                     outlive that."
                }
            };
        }
        Nature::Check => keys.extend(inputs_without(dir, &none)),
        Nature::Interactive => keys.push(("interactive", "true".to_owned())),
        Nature::Build | Nature::Other => {
            comment = "What it writes is not known, so it always runs. State `outputs` and take `cache` away to have it cached.";
            keys.push(("cache", "false".to_owned()));
        }
    }
    let default = alone && matches!(kind, Nature::Build | Nature::Check);
    Proposed { name: name.replace(':', "-"), comment: comment.to_owned(), keys, default }
}

/// Returns the files in which a tool that a script runs notes, beside its outputs, what it has made: one that outlives
/// the outputs makes the next run leave out what it believes to be there.
fn state_files(dir: &Path, script: &str) -> Vec<String> {
    let mut words = script.split(|char: char| !(char.is_ascii_alphanumeric() || "-_.".contains(char)));
    let runs_tsc = words.any(|word| matches!(word, "tsc" | "vue-tsc" | "tsgo")) && !script.contains("--noEmit");
    if !runs_tsc {
        return Vec::new();
    }
    let configurations = fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        (name.starts_with("tsconfig") && name.ends_with(".json")).then(|| read(dir, &name))?
    });
    let text = configurations.collect::<Vec<_>>().join("\n");
    // What it extends may say so, too. With `--build`, it keeps such a file whatever the configuration says.
    let keys = ["\"composite\"", "\"incremental\"", "\"tsBuildInfoFile\"", "\"extends\""];
    let keeps = keys.iter().any(|key| text.contains(key))
        || script.split_whitespace().any(|word| matches!(word, "-b" | "--build" | "--incremental"));
    let named = text.split("\"tsBuildInfoFile\"").skip(1).filter_map(|rest| {
        let path = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?;
        let path = RelPath::root().join(path).ok()?;
        path.to_str().filter(|path| !path.starts_with("node_modules/")).map(str::to_owned)
    });
    let mut files: Vec<String> = if keeps { vec!["*.tsbuildinfo".to_owned()] } else { Vec::new() };
    files.extend(named.filter(|path| path.contains('/') || !path.ends_with(".tsbuildinfo")));
    files.dedup();
    files
}

/// The build tasks of the packages of this workspace that this one depends on.
fn built_before(package: &Package, packages: &[Package]) -> Vec<String> {
    let fields = ["dependencies", "devDependencies"];
    let needs = |other: &&Package| {
        let named = fields.iter().any(|field| package.manifest[field].get(&other.name).is_some());
        named && !other.dir.is_empty() && other.manifest["scripts"].get("build").is_some()
    };
    packages.iter().filter(needs).map(|other| format!("{}:build", other.dir)).collect()
}
