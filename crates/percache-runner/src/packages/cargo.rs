//! Packages of a Cargo workspace.
//!
//! Besides the members that it lists, every path dependency inside of the workspace is one. Dependencies of tests
//! (`dev-dependencies`) may form circles.

use std::collections::{BTreeMap, BTreeSet};

use super::manifests::{Manifests, at_root, list, mistake};
use super::{Found, Mistake};
use crate::model::path::RelPath;
use crate::syntax::data::{Data, Format};

const MANIFEST: &str = "Cargo.toml";

/// What a package needs to be built, and what only its tests need.
const NEEDED: [&str; 4] = ["dependencies", "build-dependencies", "build_dependencies", "target"];
const OF_TESTS: [&str; 2] = ["dev-dependencies", "dev_dependencies"];

pub(super) fn read(manifests: &mut Manifests<'_>) -> Result<Vec<Found>, Mistake> {
    let root = at_root(MANIFEST);
    let missing = |problem: &str| {
        mistake(&root, problem, Some("`members = \"cargo\"` means the packages of its [workspace]".to_owned()))
    };
    let own = manifests.data(&root, Format::Toml)?.ok_or_else(|| missing("it is not there"))?;
    let workspace = own.get("workspace").ok_or_else(|| missing("it has no [workspace]"))?.clone();
    let listed = list(&root, "members", workspace.get("members"))?;
    let excluded = list(&root, "exclude", workspace.get("exclude"))?;
    let excluded: Vec<RelPath> = excluded.iter().filter_map(|dir| RelPath::new(dir).ok()).collect();
    let is_excluded = |dir: &RelPath| excluded.iter().any(|excluded| dir.starts_with(excluded));
    let shared = Shared::of(&own);
    if let Some(dir) = manifests.missing(&listed, MANIFEST).into_iter().find(|dir| !is_excluded(dir)) {
        let hint = format!("write one, or take `{dir}` out of `members`; Cargo refuses it, too");
        return Err(mistake(&root, &format!("`members` names `{dir}`, which has no {MANIFEST}"), Some(hint)));
    }
    let mut open = manifests.dirs(&root, &listed, MANIFEST)?;
    open.retain(|dir| !is_excluded(dir));
    open.insert(0, RelPath::root());
    let mut seen: BTreeSet<RelPath> = open.iter().cloned().collect();
    let mut found = Vec::new();
    while let Some(dir) = open.pop() {
        let manifest = match dir.is_root() {
            true => Some(own.clone()),
            false => manifests.data(&dir.child(MANIFEST.as_bytes()), Format::Toml)?,
        };
        let Some(manifest) = manifest else { continue };
        let Some(name) = manifest.at(&["package", "name"]).and_then(Data::text) else { continue };
        let needs = shared.dirs(&dir, &manifest, &NEEDED);
        let lenient = shared.dirs(&dir, &manifest, &OF_TESTS);
        let further = needs.iter().chain(&lenient).filter(|dir| !is_excluded(dir));
        open.extend(further.filter(|dir| seen.insert((*dir).clone())).cloned());
        found.push(Found { name: name.to_owned(), dir, needs, lenient });
    }
    match found.is_empty() {
        true => Err(missing("no package that its [workspace] lists is there")),
        false => Ok(found),
    }
}

/// What packages take over from the root.
struct Shared {
    /// The directories of `[workspace.dependencies]` and of `[patch]`, by name.
    dependencies: BTreeMap<String, RelPath>,
    patches: BTreeMap<String, RelPath>,
}

impl Shared {
    fn of(own: &Data) -> Shared {
        let path = |(name, value): (&str, &Data)| Some((name.to_owned(), dir_of(&RelPath::root(), value)?));
        let dependencies = own.at(&["workspace", "dependencies"]).into_iter().flat_map(Data::entries).filter_map(path);
        let patches = own.get("patch").into_iter().flat_map(Data::entries);
        let patches = patches.flat_map(|(_, of)| of.entries()).filter_map(path);
        Shared { dependencies: dependencies.collect(), patches: patches.collect() }
    }

    /// Returns the directories that the dependencies of a package lead to.
    fn dirs(&self, dir: &RelPath, manifest: &Data, kinds: &[&str]) -> Vec<RelPath> {
        let mut dirs = Vec::new();
        for (kind, table) in kinds.iter().filter_map(|kind| Some((*kind, manifest.get(kind)?))) {
            if kind == "target" {
                // One table for each platform, with the same kinds below.
                let below = table.entries();
                dirs.extend(below.flat_map(|(_, of)| self.dirs(dir, of, &NEEDED[..3])));
                continue;
            }
            dirs.extend(table.entries().filter_map(|(name, value)| self.meant(dir, name, value)));
        }
        if kinds == OF_TESTS {
            let targets = manifest.get("target").into_iter().flat_map(Data::entries);
            let below = targets.flat_map(|(_, of)| OF_TESTS.iter().filter_map(|kind| of.get(kind)));
            let entries = below.flat_map(Data::entries);
            dirs.extend(entries.filter_map(|(name, value)| self.meant(dir, name, value)));
        }
        dirs
    }

    fn meant(&self, dir: &RelPath, name: &str, value: &Data) -> Option<RelPath> {
        if let Some(path) = dir_of(dir, value) {
            return Some(path);
        }
        if let Some(path) = value.get("workspace").and(self.dependencies.get(name)) {
            return Some(path.clone());
        }
        let name = value.get("package").and_then(Data::text).unwrap_or(name);
        self.patches.get(name).cloned()
    }
}

/// Returns the directory that `path` of a dependency names, if it lies in the workspace.
fn dir_of(dir: &RelPath, value: &Data) -> Option<RelPath> {
    dir.join(value.get("path")?.text()?).ok()
}
