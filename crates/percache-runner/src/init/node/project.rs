//! The packages of a project in JavaScript, and what all of them depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::{InitError, list, parsed, read, string};
use super::nx::Nx;
use super::rules::Rules;
use super::target::Targets;
use crate::config::FILE_NAME;
use crate::model::{Ecosystem, Package};
use crate::packages;
use crate::syntax::data::{Data, Format};

/// A package.
pub(super) struct Member {
    /// Its directory, relative to the workspace; empty for the root.
    pub dir: String,
    /// Its name, if it has one.
    pub name: String,
    pub manifest: Data,
    /// The project.json of Nx beside it; nothing if there is none.
    pub of_nx: Data,
    /// The targets that run commands, in a workspace of Nx.
    pub targets: Targets,
    /// Packages that it depends on although its manifest does not say so; as they are named in `deps`.
    pub implied: Vec<String>,
    /// Whether another package depends on it.
    pub is_needed: bool,
}

/// A project: one package, or a workspace of packages.
pub(super) struct Project {
    pub root: PathBuf,
    /// The package manager, by the lock file beside the root's package.json.
    pub manager: &'static str,
    /// All packages, the root's first.
    pub members: Vec<Member>,
}

/// The files that say which versions are installed.
const LOCKS: [(&str, &str); 7] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("pnpm-workspace.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
];

/// How the names of configurations begin that the tools of packages look for in the root.
const SHARED: [&str; 13] = [
    "tsconfig",
    "babel.config.",
    ".babelrc",
    ".eslintrc",
    "eslint.config.",
    "jest.config.",
    "jest.preset.",
    "vitest.config.",
    "vitest.workspace.",
    "vite.config.",
    ".browserslistrc",
    "postcss.config.",
    "tailwind.config.",
];

impl Member {
    /// Returns the names and texts of its scripts and targets, without scripts that run before and after others.
    pub fn scripts(&self) -> Vec<(&str, &str)> {
        let all = || self.manifest.get("scripts").into_iter().flat_map(Data::entries);
        let is_hook = |name: &str| {
            let base = name.strip_prefix("pre").or_else(|| name.strip_prefix("post"));
            base.is_some_and(|base| all().any(|(other, _)| other == base))
        };
        let targets = self.targets.known.iter().map(|(name, target)| (name.as_str(), target.text.as_str()));
        let scripts = all().filter(|(name, _)| !is_hook(name) && !self.targets.known.contains_key(*name));
        scripts.filter_map(|(name, text)| Some((name, text.text()?))).chain(targets).collect()
    }

    /// Returns whether it has a script or a target of this name.
    pub fn has(&self, script: &str) -> bool {
        self.manifest.at(&["scripts", script]).is_some() || self.targets.known.contains_key(script)
    }

    /// Returns the names in `deps` of a task of all packages that it depends on.
    pub fn above(&self, task: &str) -> Vec<String> {
        let implied = self.implied.iter().map(|package| format!("{package}:{task}"));
        std::iter::once(format!("^{task}")).chain(implied).collect()
    }

    /// Returns its name in `deps`.
    pub fn prefix(&self) -> &str {
        if self.name.is_empty() { &self.dir } else { &self.name }
    }

    /// Returns whether it depends on a package from elsewhere.
    pub fn uses(&self, name: &str) -> bool {
        ["dependencies", "devDependencies"].iter().any(|field| self.manifest.at(&[field, name]).is_some())
    }
}

impl Project {
    /// Reads the package in `dir`, and those of its workspace.
    pub fn read(dir: &Path) -> Result<Option<Project>, InitError> {
        let Some(text) = read(dir, "package.json") else { return Ok(None) };
        let parse = |file: &str, text: &str| parsed(file, Format::Json, text);
        let own = parse("package.json", &text)?;
        let manager = LOCKS.into_iter().find(|(lock, _)| dir.join(lock).exists()).map_or("npm", |(_, manager)| manager);
        let of_nx = |at: &str| {
            let file = Path::new(at).join("project.json");
            let text = if dir.join("nx.json").is_file() { read(&dir.join(at), "project.json") } else { None };
            text.map_or(Ok(Data::Null), |text| parse(&file.display().to_string(), &text))
        };
        let name = |manifest: &Data| manifest.get("name").and_then(Data::text).unwrap_or_default().to_owned();
        let root = Member {
            dir: String::new(),
            name: name(&own),
            manifest: own,
            of_nx: of_nx("")?,
            targets: Targets::default(),
            implied: Vec::new(),
            is_needed: false,
        };
        let lists = |name: &str| dir.join(name).exists();
        // pnpm looks into its own file alone.
        let is_workspace =
            lists("pnpm-workspace.yaml") || manager != "pnpm" && root.manifest.get("workspaces").is_some();
        let mut members = vec![root];
        if is_workspace {
            let ecosystem = Ecosystem::named(manager).unwrap_or(Ecosystem::Npm);
            let packages = packages::read(dir, ecosystem, FILE_NAME, &mut |_| {})
                .map_err(|mistake| match mistake.excerpt {
                    Some(excerpt) => InitError::Malformed(excerpt),
                    None => InitError::Broken(format!("{}: {}", mistake.file, mistake.problem)),
                })?
                .packages;
            let needed: BTreeSet<u32> = packages.iter().flat_map(Package::all_needs).collect();
            for (position, package) in (0u32..).zip(&packages).filter(|(_, package)| !package.dir.is_root()) {
                let Some(at) = package.dir.to_str() else { continue };
                let file = format!("{at}/package.json");
                let Some(text) = read(dir, &file) else { continue };
                let (name, is_needed) = (package.name.clone(), needed.contains(&position));
                let (manifest, of_nx) = (parse(&file, &text)?, of_nx(at)?);
                let (dir, targets) = (at.to_owned(), Targets::default());
                members.push(Member { dir, name, manifest, of_nx, targets, implied: Vec::new(), is_needed });
            }
        }
        Ok(Some(Project { root: dir.to_owned(), manager, members }))
    }

    /// Adds the targets that run commands.
    pub fn add_targets(&mut self, nx: &Nx) {
        for position in 0..self.members.len() {
            self.members[position].targets = Targets::of(nx, &self.members[position]);
        }
    }

    /// Adds the dependencies between packages that only Nx knows. Returns those that mean no package here, as sentences.
    pub fn imply(&mut self, nx: &Nx) -> Vec<String> {
        let mut unknown = Vec::new();
        for position in 1..self.members.len() {
            let (found, others) = nx.implied(&self.members, position);
            unknown.extend(others.iter().map(|other| {
                format!("`{other}` in `implicitDependencies` of {} means no package here.", self.members[position].dir)
            }));
            self.members[position].implied = found.iter().map(|at| self.members[*at].prefix().to_owned()).collect();
            found.into_iter().for_each(|at| self.members[at].is_needed = true);
        }
        unknown
    }

    /// Returns the directory of a package in the file system.
    pub fn at(&self, member: &Member) -> PathBuf {
        self.root.join(&member.dir)
    }

    /// Returns the keys of `[workspace]`: who lists the members, and what all of them depend on.
    pub fn settings(&self, rules: &Rules) -> Vec<(String, &'static str, String)> {
        let mut settings = vec![(
            "The packages with a percache.toml are members; `^task` in `deps` means tasks of those that one depends on."
                .to_owned(),
            "members",
            string(self.manager),
        )];
        let mut inputs: Vec<String> =
            LOCKS.iter().map(|(lock, _)| (*lock).to_owned()).filter(|lock| self.root.join(lock).is_file()).collect();
        inputs.extend(self.shared_files());
        inputs.extend(rules.global_inputs());
        let mut seen = BTreeSet::new();
        inputs.retain(|input| seen.insert(input.clone()));
        if !inputs.is_empty() {
            let comment = "Inputs of every task: which versions are installed, and what configurations build on.";
            settings.push((comment.to_owned(), "inputs", list(&inputs)));
        }
        settings.push((
            "Another version of Node.js runs every task again.".to_owned(),
            "tools",
            list(&["node --version"]),
        ));
        let (from, pass) = rules.global_variables();
        let variables = [("env_from", from, "part of every fingerprint"), ("env_pass", pass, "part of none")];
        for (key, names, meaning) in variables.into_iter().filter(|(_, names, _)| !names.is_empty()) {
            settings.push((format!("Variables that every command sees, {meaning}."), key, list(&names)));
        }
        settings
    }

    /// Returns the files in the root that configurations of packages build on, or that tools find by themselves.
    fn shared_files(&self) -> Vec<String> {
        let names = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let names = names.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let is_state = |name: &str| name.ends_with(".tsbuildinfo");
        let mut shared: Vec<String> = names
            .filter(|name| !is_state(name) && SHARED.iter().any(|beginning| name.starts_with(beginning)))
            .collect();
        shared.sort_unstable();
        shared
    }
}
