//! Packages by name and by directory, and which packages are above another one: what `@acme/web:build` and `^build`
//! mean.
//!
//! Knows no tasks; the caller says which packages have one.

use std::collections::HashMap;

use crate::model::Package;

/// An index of the packages of a workspace.
#[derive(Debug, Default)]
pub(super) struct PackageIndex<'w> {
    all: &'w [Package],
    /// The positions of the packages of a name; several only if they are of different ecosystems.
    by_name: HashMap<&'w str, Vec<usize>>,
    by_dir: HashMap<&'w str, Vec<usize>>,
}

impl<'w> PackageIndex<'w> {
    pub fn new(all: &'w [Package]) -> Self {
        let mut index = PackageIndex { all, ..PackageIndex::default() };
        for (position, package) in all.iter().enumerate() {
            if !package.name.is_empty() {
                index.by_name.entry(&package.name).or_default().push(position);
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
        let positions = self.by_name.get(name).into_iter().flatten();
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

    /// Returns the directories of the packages that those in `dir` depend on, directly or not: a program reads what all
    /// of these make, and not only what its own package names.
    pub fn above(&self, dir: &str) -> Vec<&'w str> {
        let needs = |position: &usize| self.all[*position].needs.iter().map(|need| *need as usize);
        let own = self.by_dir.get(dir).into_iter().flatten();
        let mut open: Vec<usize> = own.flat_map(needs).collect();
        let mut seen = vec![false; self.all.len()];
        while let Some(position) = open.pop() {
            if !std::mem::replace(&mut seen[position], true) {
                open.extend(needs(&position));
            }
        }
        let seen = self.all.iter().zip(seen).filter(|(_, seen)| *seen);
        // In a circle, the others are told of it.
        seen.filter_map(|(package, _)| package.dir.to_str()).filter(|other| *other != dir).collect()
    }
}
