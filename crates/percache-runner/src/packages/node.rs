//! Packages of npm, pnpm, yarn and bun: package.json, and pnpm-workspace.yaml.
//!
//! Dependencies mean packages of the workspace if the package manager would link these: those of `dependencies`,
//! `devDependencies` and `optionalDependencies` whose name and version fit, or whose path leads there. So do
//! `peerDependencies`, which often form circles: a plugin has its host as a peer, and the host has it as a dependency.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::manifests::{Manifests, at_root, list, mistake};
use super::{Found, Mistake};
use crate::model::Ecosystem;
use crate::model::path::RelPath;
use crate::syntax::data::{Data, Format};
use crate::syntax::npm_range;

const MANIFEST: &str = "package.json";
const OF_PNPM: &str = "pnpm-workspace.yaml";

/// Where a package says what it depends on.
const FIELDS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// Where it says what those who use it depend on as well. npm links these, and its code imports them.
const PEERS: &str = "peerDependencies";

pub(super) fn read(manifests: &mut Manifests<'_>, ecosystem: Ecosystem) -> Result<Vec<Found>, Mistake> {
    let root = at_root(MANIFEST);
    let own = manifests.data(&root, Format::Json)?;
    let (stated_in, key, mut patterns) = patterns(manifests, own.as_ref(), ecosystem)?;
    manifests.doubt(&stated_in, key, &patterns, MANIFEST);
    patterns.push("!**/node_modules/**".to_owned());
    let mut packages: Vec<(RelPath, Data)> = own.into_iter().map(|own| (RelPath::root(), own)).collect();
    for dir in manifests.dirs(&stated_in, &patterns, MANIFEST)? {
        if let Some(manifest) = manifests.data(&dir.child(MANIFEST.as_bytes()), Format::Json)? {
            packages.push((dir, manifest));
        }
    }
    let mut by_name: HashMap<&str, &(RelPath, Data)> = HashMap::new();
    for package in &packages {
        let Some(name) = name(&package.1) else { continue };
        if let Some(other) = by_name.insert(name, package).filter(|(dir, _)| *dir != package.0) {
            let hint = Some("rename one of them: that is what dependencies mean".to_owned());
            let path = package.0.child(MANIFEST.as_bytes());
            let problem = format!("its name `{name}` is that of {}", other.0.child(MANIFEST.as_bytes()));
            return Err(mistake(&path, &problem, hint));
        }
    }
    let found = packages.iter().map(|(dir, manifest)| {
        let meant = |(name, version): (&str, &Data)| meant(manifests.root, dir, (name, version.text()?), &by_name);
        let stated = |field: &&str| manifest.get(field).into_iter().flat_map(Data::entries).collect::<Vec<_>>();
        let own: Vec<(&str, &Data)> = FIELDS.iter().flat_map(stated).collect();
        // Where the package installs it itself, that says which one is meant.
        let installed: HashSet<&str> = own.iter().map(|(name, _)| *name).collect();
        let peers = stated(&PEERS).into_iter().filter(|(name, _)| !installed.contains(name));
        Found {
            name: name(manifest).unwrap_or_default().to_owned(),
            dir: dir.clone(),
            lenient: peers.filter_map(meant).collect(),
            needs: own.into_iter().filter_map(meant).collect(),
        }
    });
    let found: Vec<Found> = found.collect();
    match found.is_empty() {
        true => Err(mistake(&stated_in, "no package that it lists is there", Some(format!("correct its `{key}`")))),
        false => Ok(found),
    }
}

fn name(manifest: &Data) -> Option<&str> {
    manifest.get("name").and_then(Data::text).filter(|name| !name.is_empty())
}

/// Returns the patterns that list the packages, with the file and the key that have them.
fn patterns(
    manifests: &mut Manifests<'_>,
    own: Option<&Data>,
    ecosystem: Ecosystem,
) -> Result<(RelPath, &'static str, Vec<String>), Mistake> {
    let stated = own.and_then(|own| own.get("workspaces"));
    let stated = stated.map(|stated| stated.get("packages").unwrap_or(stated));
    if let Some(stated) = stated.filter(|_| ecosystem != Ecosystem::Pnpm) {
        let root = at_root(MANIFEST);
        let patterns = list(&root, "workspaces", Some(stated))?;
        return Ok((root, "workspaces", patterns));
    }
    let of_pnpm = at_root(OF_PNPM);
    if let Some(stated) = manifests.data(&of_pnpm, Format::Yaml)? {
        let patterns = list(&of_pnpm, "packages", stated.get("packages"))?;
        if patterns.is_empty() {
            let hint = "list them: `packages: [\"packages/*\"]`".to_owned();
            manifests.add_doubt(&of_pnpm, "it lists no `packages`".to_owned(), hint);
        }
        return Ok((of_pnpm, "packages", patterns));
    }
    let (file, problem, hint) = match (ecosystem, own) {
        (Ecosystem::Pnpm, _) => (OF_PNPM, "it is not there", "write one: `packages: [\"packages/*\"]`"),
        (_, None) => (MANIFEST, "it is not there", "`members` means the packages that it lists as `workspaces`"),
        (_, Some(_)) => (MANIFEST, "it has no `workspaces`", "list the packages: `\"workspaces\": [\"packages/*\"]`"),
    };
    Err(mistake(&at_root(file), problem, Some(hint.to_owned())))
}

/// Returns the directory of the package of the workspace that a dependency means.
fn meant(
    root: &Path,
    dir: &RelPath,
    (name, version): (&str, &str),
    packages: &HashMap<&str, &(RelPath, Data)>,
) -> Option<RelPath> {
    let at = |name: &str| packages.get(name).map(|(dir, _)| dir.clone());
    let beside = |path: &str| match path.starts_with('/') {
        true => RelPath::from_native(root, Path::new(path)),
        false => dir.join(path).ok(),
    };
    // npm takes what begins like a path for one; nobody but the shell knows what `~` is, so the name has to tell.
    match version.split_once(':') {
        _ if version.starts_with(['.', '/']) => beside(version),
        _ if version.starts_with("~/") => at(name),
        Some(("workspace", path)) if path.starts_with('.') => beside(path),
        // `workspace:other@^` is another package under this name.
        Some(("workspace", other)) => match other.char_indices().skip(1).find(|(_, char)| *char == '@') {
            Some((end, _)) => at(&other[..end]),
            None => at(name),
        },
        Some(("file" | "link" | "portal", path)) => beside(path.strip_prefix("//").unwrap_or(path)),
        // The catalog names a version, and that may be the one of the workspace.
        Some(("catalog", _)) => at(name),
        Some(_) => None,
        None if version.contains('/') => None,
        None => {
            let (dir, manifest) = packages.get(name)?;
            let own = manifest.get("version").and_then(Data::text);
            let fits = own.and_then(|own| npm_range::contains(version, own)).unwrap_or(true);
            fits.then(|| dir.clone())
        }
    }
}
