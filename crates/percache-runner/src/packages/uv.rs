//! Packages of a uv workspace: pyproject.toml.

use std::collections::HashMap;

use super::manifests::{Manifests, at_root, list, mistake};
use super::{Found, Mistake};
use crate::model::path::RelPath;
use crate::syntax::data::{Data, Format};
use crate::syntax::python_name::normal;

const MANIFEST: &str = "pyproject.toml";

pub(super) fn read(manifests: &mut Manifests<'_>) -> Result<Vec<Found>, Mistake> {
    let root = at_root(MANIFEST);
    let missing = |problem: &str| {
        let hint = "`members = \"uv\"` means the packages of its [tool.uv.workspace]: `members = [\"packages/*\"]`";
        mistake(&root, problem, Some(hint.to_owned()))
    };
    let own = manifests.data(&root, Format::Toml)?.ok_or_else(|| missing("it is not there"))?;
    let workspace = own.at(&["tool", "uv", "workspace"]).ok_or_else(|| missing("it has no [tool.uv.workspace]"))?;
    let mut patterns = list(&root, "members", workspace.get("members"))?;
    manifests.doubt(&root, "members", &patterns, MANIFEST);
    let excluded = list(&root, "exclude", workspace.get("exclude"))?;
    patterns.extend(excluded.iter().map(|pattern| format!("!{pattern}")));
    let mut packages = vec![(RelPath::root(), own.clone())];
    for dir in manifests.dirs(&root, &patterns, MANIFEST)? {
        if let Some(manifest) = manifests.data(&dir.child(MANIFEST.as_bytes()), Format::Toml)? {
            packages.push((dir, manifest));
        }
    }
    packages.retain(|(_, manifest)| name(manifest).is_some());
    if packages.is_empty() {
        return Err(missing("no package that its [tool.uv.workspace] lists is there"));
    }
    let by_name: HashMap<String, RelPath> =
        packages.iter().filter_map(|(dir, manifest)| Some((normal(name(manifest)?), dir.clone()))).collect();
    let found = packages.iter().map(|(dir, manifest)| {
        let stated = stated(manifest);
        let needs = stated.iter().filter_map(|name| meant(dir, name, manifest, &own, &by_name));
        let needs = needs.collect();
        Found { name: name(manifest).unwrap_or_default().to_owned(), dir: dir.clone(), needs, lenient: Vec::new() }
    });
    Ok(found.collect())
}

fn name(manifest: &Data) -> Option<&str> {
    manifest.at(&["project", "name"]).and_then(Data::text)
}

/// Returns the normal names of what a package depends on, extras, groups and the build's own needs included.
fn stated(manifest: &Data) -> Vec<String> {
    let lists = [&["project", "dependencies"][..], &["build-system", "requires"], &["tool", "uv", "dev-dependencies"]];
    let lists = lists.iter().filter_map(|keys| manifest.at(keys));
    let groups = [&["project", "optional-dependencies"][..], &["dependency-groups"]];
    let groups = groups.iter().filter_map(|keys| manifest.at(keys)).flat_map(Data::entries).map(|(_, list)| list);
    lists.chain(groups).flat_map(Data::texts).map(|requirement| normal(required(requirement))).collect()
}

/// Returns the name at the beginning of a requirement: `requests[socks] >= 2.8 ; …`.
fn required(requirement: &str) -> &str {
    let requirement = requirement.trim_start();
    let end = requirement.find(|char: char| !char.is_ascii_alphanumeric() && !"-_.".contains(char));
    &requirement[..end.unwrap_or(requirement.len())]
}

/// Returns the directory of the package of the workspace that a dependency means: the sources of a package come before
/// those of the root.
fn meant(
    dir: &RelPath,
    name: &str,
    manifest: &Data,
    own: &Data,
    packages: &HashMap<String, RelPath>,
) -> Option<RelPath> {
    let source = |manifest: &Data, dir: &RelPath| {
        let sources = manifest.at(&["tool", "uv", "sources"])?.entries();
        let (_, source) = sources.into_iter().find(|(other, _)| normal(other) == name)?;
        let all = match source {
            Data::List(items) => items.iter().collect(),
            one => vec![one],
        };
        let places = all.into_iter().map(|source| match source.get("path").and_then(Data::text) {
            Some(path) => dir.join(path).ok(),
            None => source.get("workspace").and(packages.get(name)).cloned(),
        });
        Some(places.flatten().next())
    };
    let stated = source(manifest, dir).or_else(|| source(own, &RelPath::root()));
    // Without a source, uv asks for one if the name is that of a package of the workspace.
    stated.unwrap_or_else(|| packages.get(name).cloned())
}
