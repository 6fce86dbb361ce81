//! Proposes a first `percache.toml` for a directory: looks at what is there, and suggests tasks.
//!
//! Each kind of project has its own file. A proposal must work unchanged; where percache cannot know the outputs of a
//! script, it proposes a task that always runs. Writes nothing.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `c` | C and C++ without a build system |
//! | `cargo` | Rust |
//! | `make` | Targets of a Makefile |
//! | `node` | Scripts of package.json |
//! | `python` | Python |
//! | `taskfile` | Tasks of a Taskfile |

mod c;
mod cargo;
mod make;
mod node;
mod python;
mod taskfile;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

/// A task to be written.
#[derive(Clone, Debug, Default)]
struct Proposed {
    name: String,
    /// A comment above the table; each line becomes a comment line.
    comment: String,
    /// The keys, each with its TOML value.
    keys: Vec<(&'static str, String)>,
    /// Whether a bare `percache build` builds it.
    default: bool,
}

/// The tasks of one kind of project.
#[derive(Clone, Debug, Default)]
struct Part {
    /// A short description of what was found.
    found: String,
    /// The prefix that distinguishes its tasks from those of the same name in other parts.
    prefix: &'static str,
    members: Vec<String>,
    tasks: Vec<Proposed>,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its directory, relative to the one that was examined, with `/` between components; empty for that one itself.
    pub dir: String,
    /// Its content.
    pub text: String,
    /// Short descriptions of what was found there.
    pub found: Vec<String>,
}

/// Proposes files for `dir`, first the root's, then those of members.
pub fn propose(dir: &Path) -> Vec<File> {
    let looks = [c::look, cargo::look, python::look, make::look, taskfile::look];
    let mut parts: Vec<Part> = looks.iter().filter_map(|look| look(dir)).collect();
    let packages = node::packages(dir);
    parts.extend(node::look(dir, "", &packages));
    let members = packages.iter().filter(|package| !package.dir.is_empty());
    let members = members.filter_map(|package| {
        Some((package.dir.clone(), node::look(&dir.join(&package.dir), &package.dir, &packages)?))
    });
    let members: Vec<(String, Part)> = members.collect();
    for part in &mut parts {
        part.members.retain(|member| members.iter().any(|(dir, _)| dir == member));
    }
    let root = root_text(&parts, &members);
    let mut files =
        vec![File { dir: String::new(), text: root, found: parts.iter().map(|part| part.found.clone()).collect() }];
    files.extend(members.into_iter().map(|(dir, part)| {
        let found = vec![part.found.clone()];
        File { dir, text: tasks_text(&[part]).trim_start().to_owned(), found }
    }));
    files
}

const HEAD: &str = "\
# What percache builds here. `percache build` runs what changed and restores the rest; `percache list` shows the tasks.
# A task is a command with what it reads (inputs) and what it writes (outputs). Without `inputs`, every file that git would not
# ignore is one.
# A pipe succeeds when its last command does, and a success is stored. `shell = [\"bash\", \"-euo\", \"pipefail\", \"-c\"]`
# below [workspace] makes a failure anywhere in a pipe a failure of the task.
";

const NOTHING_FOUND: &str = r#"
# Nothing was found here that suggests a task. This one shows the form: it works as it stands.
[task.words]
description = "Count the words of all texts"
command = "cat *.txt *.md 2>/dev/null | wc -w > words.count"
inputs = ["*.txt", "*.md"]
outputs = ["words.count"]
"#;

fn root_text(parts: &[Part], members_parts: &[(String, Part)]) -> String {
    let mut text = HEAD.to_owned();
    let members: Vec<&String> = parts.iter().flat_map(|part| &part.members).collect();
    let default = default_tasks(parts, members_parts);
    if !members.is_empty() || !default.is_empty() {
        text.push_str("\n[workspace]\n");
    }
    if !members.is_empty() {
        text.push_str("# Directories with a percache.toml of their own.\n");
        text.push_str(&format!("members = {}\n", list(&members)));
    }
    if !default.is_empty() {
        text.push_str("# What a bare `percache build` builds.\n");
        text.push_str(&format!("default = {}\n", list(&default)));
    }
    text.push_str(&if parts.is_empty() { NOTHING_FOUND.to_owned() } else { tasks_text(parts) });
    text
}

fn default_tasks(parts: &[Part], members: &[(String, Part)]) -> Vec<String> {
    let own = named(parts).into_iter().filter(|(_, task)| task.default).map(|(name, _)| name);
    let of_members: BTreeSet<&str> = members
        .iter()
        .flat_map(|(_, part)| &part.tasks)
        .filter(|task| task.default)
        .map(|task| task.name.as_str())
        .collect();
    // `**:build` is the task `build` of every member.
    own.chain(of_members.into_iter().map(|name| format!("**:{name}"))).collect()
}

/// Returns the tasks of all parts under unique names.
fn named(parts: &[Part]) -> Vec<(String, &Proposed)> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for part in parts {
        for task in &part.tasks {
            let name =
                if taken.contains(&task.name) { format!("{}-{}", part.prefix, task.name) } else { task.name.clone() };
            if taken.insert(name.clone()) {
                named.push((name, task));
            }
        }
    }
    named
}

fn tasks_text(parts: &[Part]) -> String {
    let mut text = String::new();
    for (name, task) in named(parts) {
        text.push('\n');
        task.comment.lines().for_each(|line| text.push_str(&format!("# {line}\n")));
        text.push_str(&format!("[task.{}]\n", key(&name)));
        task.keys.iter().for_each(|(key, value)| text.push_str(&format!("{key} = {value}\n")));
    }
    text
}

/// Returns a TOML key, quoted where necessary.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { string(name) }
}

/// Returns a TOML string.
fn string(text: impl AsRef<str>) -> String {
    toml::Value::String(text.as_ref().to_owned()).to_string()
}

/// Returns a TOML array of strings.
fn list<S: AsRef<str>>(texts: &[S]) -> String {
    format!("[{}]", texts.iter().map(string).collect::<Vec<_>>().join(", "))
}

fn read(dir: &Path, name: &str) -> Option<String> {
    fs::read_to_string(dir.join(name)).ok()
}

/// Returns whether git ignores this directory, as far as the `.gitignore` here and those above it in the repository
/// say; if not, it must be excluded from the inputs.
fn ignores(dir: &Path, name: &str) -> bool {
    let states = |dir: &Path, is: &dyn Fn(&str) -> bool| {
        read(dir, ".gitignore").unwrap_or_default().lines().any(|line| is(line.trim().trim_end_matches('/')))
    };
    let above = dir.ancestors().take_while(|dir| !dir.join(".git").exists()).filter_map(Path::parent);
    // A leading slash means this directory only in its own `.gitignore`.
    states(dir, &|line| line.trim_start_matches('/') == name)
        || above.into_iter().any(|dir| states(dir, &|line| line.trim_start_matches("**/") == name))
}

/// Returns the key `inputs` if the default would include what does not belong there.
fn inputs_without(dir: &Path, names: &[&str]) -> Option<(&'static str, String)> {
    if names.iter().all(|name| ignores(dir, name)) {
        return None;
    }
    let without: Vec<String> = names.iter().map(|name| format!("!**/{name}")).collect();
    Some(("inputs", list(&everything_but(dir, without))))
}

/// Returns patterns for every file but these and those that git ignores, which explicit `inputs` do not exclude by
/// themselves.
fn everything_but(dir: &Path, without: Vec<String>) -> Vec<String> {
    let mut patterns = vec![".".to_owned()];
    for pattern in without.into_iter().chain(ignored_patterns(dir)) {
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns
}

/// Returns the lines of the `.gitignore` here and of those above it in the repository as exclusions, in the order in
/// which git reads them.
fn ignored_patterns(dir: &Path) -> Vec<String> {
    let mut patterns = Vec::new();
    let above: Vec<&Path> = dir.ancestors().skip(1).collect();
    let inside = dir.ancestors().position(|dir| dir.join(".git").exists()).unwrap_or_default();
    for (of, here) in above[..inside].iter().rev().map(|of| (*of, false)).chain([(dir, true)]) {
        let text = read(of, ".gitignore").unwrap_or_default();
        patterns.extend(text.lines().filter_map(|line| ignored_pattern(line, here)));
    }
    patterns
}

/// Converts a line of a `.gitignore` to an exclusion of percache; `None` if it does not concern the files here, or
/// cannot be expressed.
fn ignored_pattern(line: &str, here: bool) -> Option<String> {
    let line = line.trim_end();
    let (sign, line) = line.strip_prefix('!').map_or(("!", line), |line| ("", line));
    let name = line.strip_suffix('/').unwrap_or(line);
    if name.is_empty() || line.starts_with('#') || line.contains('\\') {
        return None;
    }
    // A slash before the end of a pattern anchors it to the directory of its file.
    let pattern = match name.strip_prefix('/') {
        Some(name) => here.then(|| format!("{sign}{name}"))?,
        None if name.starts_with("**/") => format!("{sign}{name}"),
        None if name.contains('/') => here.then(|| format!("{sign}{name}"))?,
        None => format!("{sign}**/{name}"),
    };
    PatternSet::parse(&RelPath::root(), &[".", &pattern]).is_ok().then_some(pattern)
}

/// What the name of a script or target suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// Creates outputs.
    Build,
    /// Examines the sources and succeeds or fails.
    Check,
    /// Runs until the user ends it, or asks the user questions.
    Interactive,
    /// Does anything else.
    Other,
}

fn nature(name: &str) -> Nature {
    let first = name.split([':', '-', '_', '.']).next().unwrap_or(name);
    match first {
        _ if name.ends_with("watch") || name.ends_with(":fix") => Nature::Interactive,
        "build" | "compile" | "bundle" | "all" => Nature::Build,
        "test" | "tests" | "check" | "lint" | "typecheck" | "types" | "tsc" | "eslint" | "unit" => Nature::Check,
        "dev" | "start" | "serve" | "preview" | "watch" | "repl" | "storybook" => Nature::Interactive,
        _ => Nature::Other,
    }
}
