//! Packages by name and by directory, and which packages are above another one: what `@acme/web:build` and `^build`
//! mean.
//!
//! Knows no tasks; the caller says which packages have one.

use std::collections::HashMap;

use super::names::matches;
use crate::model::{Ecosystem, Package};
use crate::syntax::python_name::normal;

/// Returns whether a glob matches the name of a package. That of Python has many spellings.
pub fn is_called(package: &Package, glob: &str) -> bool {
    let in_normal_form = || package.ecosystem == Ecosystem::Uv && matches(&normal(glob), &normal(&package.name));
    !package.name.is_empty() && (matches(glob, &package.name) || in_normal_form())
}

/// An index of the packages of a workspace.
#[derive(Debug, Default)]
pub(super) struct PackageIndex<'w> {
    all: &'w [Package],
    /// The positions of the packages of a name; several only if they are of different ecosystems.
    by_name: HashMap<&'w str, Vec<usize>>,
    /// Those of Python by the normal form of their names.
    by_normal: HashMap<String, Vec<usize>>,
    by_dir: HashMap<&'w str, Vec<usize>>,
}

impl<'w> PackageIndex<'w> {
    pub fn new(all: &'w [Package]) -> Self {
        let mut index = PackageIndex { all, ..PackageIndex::default() };
        for (position, package) in all.iter().enumerate() {
            if !package.name.is_empty() {
                index.by_name.entry(&package.name).or_default().push(position);
                if package.ecosystem == Ecosystem::Uv {
                    index.by_normal.entry(normal(&package.name)).or_default().push(position);
                }
            }
            let Some(dir) = package.dir.to_str() else { continue };
            index.by_dir.entry(dir).or_default().push(position);
        }
        index
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns whether there is a package in this directory.
    pub fn has_dir(&self, dir: &str) -> bool {
        self.by_dir.contains_key(dir)
    }

    /// Returns the directories of the packages of this name.
    pub fn dirs_of(&self, name: &str) -> Vec<&'w str> {
        let exact = self.by_name.get(name).into_iter().flatten();
        let positions = exact.chain(self.by_normal.get(&normal(name)).into_iter().flatten());
        let mut dirs: Vec<&str> = positions.filter_map(|position| self.all[*position].dir.to_str()).collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs
    }

    /// Yields the names of the packages in a directory.
    pub fn names_at(&self, dir: &str) -> impl Iterator<Item = &'w str> {
        let positions = self.by_dir.get(dir).into_iter().flatten();
        positions.map(|position| self.all[*position].name.as_str()).filter(|name| !name.is_empty())
    }

    /// Returns whether a glob matches the name of a package in this directory.
    pub fn is_called(&self, dir: &str, glob: &str) -> bool {
        self.by_dir.get(dir).into_iter().flatten().any(|position| is_called(&self.all[*position], glob))
    }

    /// Returns the directories of the packages that those in `dir` depend on, directly or not: a program reads what all
    /// of these make, and not only what its own package names.
    pub fn above(&self, dir: &str) -> Above<'w> {
        let own = || self.by_dir.get(dir).into_iter().flatten().map(|position| &self.all[*position]);
        let needs = |package: &Package| package.needs.clone();
        let strict = self.reached(own().flat_map(needs).collect(), needs);
        let needs = |package: &Package| match package.passes_lenient_on() {
            true => package.all_needs().collect(),
            false => needs(package),
        };
        let all = self.reached(own().flat_map(Package::all_needs).collect(), needs);
        let (mut above, packages) = (Above::default(), self.all.iter().zip(strict.into_iter().zip(all)));
        for (package, (strict, any)) in packages {
            // In a circle, the others are told of it.
            let Some(other) = package.dir.to_str().filter(|other| any && *other != dir) else { continue };
            if strict { above.needs.push(other) } else { above.lenient.push(other) }
        }
        above
    }

    /// Returns for each package whether it is one of `open`, or reached from there.
    fn reached(&self, mut open: Vec<u32>, needs: impl Fn(&Package) -> Vec<u32>) -> Vec<bool> {
        let mut seen = vec![false; self.all.len()];
        while let Some(position) = open.pop() {
            if !std::mem::replace(&mut seen[position as usize], true) {
                open.extend(needs(&self.all[position as usize]));
            }
        }
        seen
    }
}

/// The directories of the packages above another one.
#[derive(Debug, Default)]
pub(super) struct Above<'w> {
    pub needs: Vec<&'w str>,
    /// Those that are only reached through lenient dependencies.
    pub lenient: Vec<&'w str>,
}
