//! The packages of a workspace, as the files of their ecosystem state them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::path::RelPath;

/// Whose files list the packages of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ecosystem {
    /// `workspaces` of package.json, or else `packages` of pnpm-workspace.yaml.
    Npm,
    /// `packages` of pnpm-workspace.yaml.
    Pnpm,
    /// As npm.
    Yarn,
    /// As npm.
    Bun,
    /// `[workspace]` of Cargo.toml.
    Cargo,
    /// `[tool.uv.workspace]` of pyproject.toml.
    Uv,
    /// `use` of go.work.
    Go,
}

impl Ecosystem {
    /// All of them.
    pub const ALL: [Ecosystem; 7] = [
        Ecosystem::Npm,
        Ecosystem::Pnpm,
        Ecosystem::Yarn,
        Ecosystem::Bun,
        Ecosystem::Cargo,
        Ecosystem::Uv,
        Ecosystem::Go,
    ];

    /// Returns its name in percache.toml.
    pub fn name(self) -> &'static str {
        match self {
            Ecosystem::Npm => "npm",
            Ecosystem::Pnpm => "pnpm",
            Ecosystem::Yarn => "yarn",
            Ecosystem::Bun => "bun",
            Ecosystem::Cargo => "cargo",
            Ecosystem::Uv => "uv",
            Ecosystem::Go => "go",
        }
    }

    /// Returns the ecosystem of this name.
    pub fn named(name: &str) -> Option<Ecosystem> {
        Ecosystem::ALL.into_iter().find(|ecosystem| ecosystem.name() == name)
    }

    /// Returns the name of the file that every package has.
    pub fn manifest(self) -> &'static str {
        match self {
            Ecosystem::Npm | Ecosystem::Pnpm | Ecosystem::Yarn | Ecosystem::Bun => "package.json",
            Ecosystem::Cargo => "Cargo.toml",
            Ecosystem::Uv => "pyproject.toml",
            Ecosystem::Go => "go.mod",
        }
    }
}

/// A package of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name in its manifest; empty if that has none.
    pub name: String,
    /// The directory of its manifest.
    pub dir: RelPath,
    /// Whose package it is.
    pub ecosystem: Ecosystem,
    /// The packages of the workspace that it depends on directly, as positions among all packages, sorted.
    pub needs: Vec<u32>,
    /// Further ones that it may depend on in a circle, sorted: `dev-dependencies` of Cargo and `peerDependencies`. One
    /// of its tasks depends on theirs unless that closes a circle of tasks.
    pub lenient: Vec<u32>,
}

impl Package {
    /// Returns the path of its manifest.
    pub fn manifest(&self) -> RelPath {
        self.dir.child(self.ecosystem.manifest().as_bytes())
    }

    /// Returns whether those who depend on it depend on its lenient dependencies as well: a peer is imported by whoever
    /// imports the package, but only the package's own tests use `dev-dependencies`.
    pub fn passes_lenient_on(&self) -> bool {
        self.ecosystem != Ecosystem::Cargo
    }

    /// Yields all packages that it depends on directly.
    pub fn all_needs(&self) -> impl Iterator<Item = u32> + '_ {
        self.needs.iter().chain(&self.lenient).copied()
    }

    /// Returns how people know it: its name, or else its directory.
    pub fn shown(&self) -> String {
        if self.name.is_empty() { self.dir.to_text().into_owned() } else { self.name.clone() }
    }
}

/// Something about the packages of a workspace that their ecosystem accepts in silence, and that is most likely a slip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDoubt {
    /// The file.
    pub file: RelPath,
    /// What is odd about it.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// A name like `^build` that means tasks of other packages and finds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoneAbove {
    /// The name as given.
    pub name: String,
    /// The package whose dependencies it is about.
    pub package: String,
    /// Whether that depends on other packages at all.
    pub has_dependencies: bool,
}

impl fmt::Display for NoneAbove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoneAbove { name, package, has_dependencies } = self;
        let task = name.trim_start_matches('^');
        match has_dependencies {
            false => write!(f, "`{name}` means no task here: `{package}` depends on no other package of the workspace"),
            true => {
                write!(f, "`{name}` means no task here: no package that `{package}` depends on has a task `{task}`")
            }
        }
    }
}
