//! The packages of a workspace, read from the files of npm, pnpm, yarn, bun, Cargo, uv and Go: their names, their
//! directories, and which of them depend on which.
//!
//! Knows nothing of tasks. Whatever the answer depends on is noted, so that it can be kept while nothing changes.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `manifests` | Reading manifests, and finding them by patterns |
//! | `node` | package.json, with the workspaces of npm, pnpm, yarn and bun |
//! | `cargo` | Cargo.toml |
//! | `uv` | pyproject.toml |
//! | `go` | go.work and go.mod |

mod cargo;
mod go;
mod manifests;
mod node;
mod uv;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use crate::model::diagnostic::Excerpt;
use crate::model::path::RelPath;
use crate::model::{Ecosystem, Package, PackageDoubt};

use manifests::Manifests;

/// Why the packages are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: RelPath,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where it is wrong, if that is one place.
    pub excerpt: Option<Box<Excerpt>>,
}

impl Mistake {
    /// Adds where the file is wrong, and a remark about that place.
    fn at(self, text: &str, span: Range<usize>, label: String) -> Mistake {
        let excerpt = Excerpt { file: self.file.clone(), text: text.to_owned(), span, label };
        Mistake { excerpt: Some(Box::new(excerpt)), ..self }
    }
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The packages, sorted by directory; the workspace's own, if it has one, comes first.
    pub packages: Vec<Package>,
    /// What is odd about them.
    pub doubts: Vec<PackageDoubt>,
    /// The directories where packages are looked for that have the marker, and no manifest.
    pub strays: Vec<RelPath>,
}

/// Returns the packages of an ecosystem in the workspace in `root`. `marker` is the name of a file that shows that a
/// directory is meant to be one. Calls `note` with every path that the answer depends on.
///
/// # Errors
/// Returns the first file that cannot be read, or does not state what it should.
pub fn read(root: &Path, ecosystem: Ecosystem, marker: &str, note: &mut dyn FnMut(&RelPath)) -> Result<Read, Mistake> {
    let mut manifests = Manifests { root, marker, note, doubts: Vec::new(), strays: Vec::new() };
    let mut found = match ecosystem {
        Ecosystem::Npm | Ecosystem::Pnpm | Ecosystem::Yarn | Ecosystem::Bun => node::read(&mut manifests, ecosystem)?,
        Ecosystem::Cargo => cargo::read(&mut manifests)?,
        Ecosystem::Uv => uv::read(&mut manifests)?,
        Ecosystem::Go => go::read(&mut manifests)?,
    };
    found.sort_by(|a, b| a.dir.cmp(&b.dir));
    found.dedup_by(|a, b| a.dir == b.dir);
    let Manifests { doubts, strays, .. } = manifests;
    Ok(Read { packages: connected(found, ecosystem), doubts, strays })
}

/// Returns whether packages may be read from files of this name.
pub fn is_manifest(name: &[u8]) -> bool {
    let manifests = Ecosystem::ALL.map(Ecosystem::manifest);
    let lists = ["pnpm-workspace.yaml", "go.work"];
    manifests.iter().chain(&lists).any(|known| known.as_bytes() == name)
}

/// A package whose dependencies are directories.
#[derive(Debug)]
struct Found {
    name: String,
    dir: RelPath,
    /// The directories of the packages that it depends on.
    needs: Vec<RelPath>,
    /// Those that it may depend on in a circle: of its tests and examples, and peers.
    lenient: Vec<RelPath>,
}

/// Replaces directories by positions. Directories that are no packages are left out.
fn connected(found: Vec<Found>, ecosystem: Ecosystem) -> Vec<Package> {
    let positions: HashMap<RelPath, u32> =
        (0u32..).zip(&found).map(|(position, of)| (of.dir.clone(), position)).collect();
    let resolve = |own: &RelPath, dirs: &[RelPath]| -> Vec<u32> {
        let others = dirs.iter().filter(|dir| *dir != own);
        let mut needs: Vec<u32> = others.filter_map(|dir| positions.get(dir).copied()).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    };
    let packages = found.iter().map(|of| {
        let needs = resolve(&of.dir, &of.needs);
        let mut lenient = resolve(&of.dir, &of.lenient);
        lenient.retain(|need| needs.binary_search(need).is_err());
        Package { name: of.name.clone(), dir: of.dir.clone(), ecosystem, needs, lenient }
    });
    packages.collect()
}

#[cfg(test)]
mod tests;
