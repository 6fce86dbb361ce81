//! Finds displaced files without a valid `percache.toml`: whoever needs them may have just broken it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use percache_runner::configuration;
use percache_runner::configuration::{DiscoverError, is_broken, likely_stores};
use percache_runner::displaced::{Amount, Item, Place, in_store, list, measure};
use percache_runner::text::{reason, shown};

use crate::args::Cli;
use crate::error::CliError;
use crate::registry;
use crate::setup::exec_store_dir;
use crate::terminal::style::{Paint, Style};

/// A selection of displaced files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of this workspace.
    Here,
    /// Those of all known workspaces.
    All,
    /// Those of commands of `percache exec`.
    Exec,
}

impl Scope {
    /// Converts the command line options.
    pub fn new(exec: bool, all: bool) -> Scope {
        match (exec, all) {
            (true, _) => Scope::Exec,
            (_, true) => Scope::All,
            _ => Scope::Here,
        }
    }
}

/// A displaced file.
pub struct Kept {
    pub item: Item,
    pub place: Place,
    /// Its workspace: where that is now, or was.
    pub root: Option<PathBuf>,
}

impl Kept {
    /// Returns its original path, as far as it is known.
    pub fn target(&self) -> PathBuf {
        self.item.path.to_path(self.root.as_deref().unwrap_or(Path::new("")))
    }

    /// Returns the path that is shown and that `restore` accepts: in the current workspace, relative to the root.
    pub fn text(&self) -> String {
        if self.place.own { self.item.path.to_string() } else { shown(&self.target()).into_owned() }
    }

    /// Returns the same for programs: unescaped, if it is UTF-8.
    pub fn plain(&self) -> String {
        let path = if self.place.own { self.item.path.to_path(Path::new("")) } else { self.target() };
        path.to_str().map_or_else(|| self.text(), str::to_owned)
    }

    /// Returns whether it is known where to restore it.
    pub fn has_home(&self) -> bool {
        self.place.own || self.place.single || (self.root.is_some() && !self.place.is_gone())
    }

    /// Describes its workspace in words.
    pub fn whose(&self) -> String {
        match &self.root {
            Some(root) if self.place.is_gone() => format!("of a workspace that was at {}:", shown(root)),
            Some(root) => format!("of the workspace at {}:", shown(root)),
            None => format!("of an unknown workspace, in {}:", shown(&self.place.dir)),
        }
    }
}

/// The result of a search.
pub struct Found {
    /// The files, those of the current workspace first, then by workspace; within one workspace the oldest first.
    pub kept: Vec<Kept>,
    /// The amount that belongs to other workspaces which share the store, or no longer exist.
    pub elsewhere: Amount,
    /// The current workspaces: one, unless a file is broken.
    pub roots: Vec<PathBuf>,
}

/// Finds displaced files.
pub fn find(cli: &Cli, scope: Scope) -> Result<Found, CliError> {
    let paint = Paint::stderr(cli.color);
    let start = cli.directory.as_deref().unwrap_or(Path::new("."));
    let known = registry::known();
    let roots = roots(start, &known)?;
    if roots.is_empty() && scope == Scope::Here {
        return Err(nothing_here(start));
    }
    let (mut kept, mut elsewhere) = (Vec::new(), Amount::default());
    for Sighting { place, root, shares_store } in sightings(scope, &roots, known, paint)? {
        if scope == Scope::Here && !place.own {
            if shares_store || place.is_gone() {
                elsewhere.add(measure(&place.dir).unwrap_or_default());
            }
            continue;
        }
        let root = if place.own { root } else { place.root.clone() };
        match list(&place.dir) {
            Ok(items) => {
                kept.extend(items.into_iter().map(|item| Kept { item, root: root.clone(), place: place.clone() }));
            }
            Err(e) => warn(&place.dir, &e, paint),
        }
    }
    let by_workspace = |kept: &Kept| match (kept.place.own, scope) {
        (true, _) | (_, Scope::Exec) => None,
        _ => Some(kept.place.dir.clone()),
    };
    kept.sort_by_cached_key(|kept| (by_workspace(kept), kept.item.clone()));
    Ok(Found { kept, elsewhere, roots })
}

/// A directory of displaced files, and how it was found.
struct Sighting {
    place: Place,
    /// The workspace from which it was found.
    root: Option<PathBuf>,
    /// Whether it is in a store of that workspace.
    shares_store: bool,
}

/// Finds all directories of displaced files, without duplicates, those of the current workspace first.
fn sightings(scope: Scope, roots: &[PathBuf], known: Vec<Place>, paint: Paint) -> Result<Vec<Sighting>, CliError> {
    let stores: Vec<(PathBuf, Option<&PathBuf>)> = match scope {
        Scope::Exec => vec![(exec_store_dir()?, None)],
        _ => roots
            .iter()
            .flat_map(|root| likely_stores(root).into_iter().map(move |store| (store, Some(root))))
            .collect(),
    };
    let mut all = Vec::new();
    for (store, root) in stores {
        let sighting = |place| Sighting { place, root: root.cloned(), shares_store: true };
        match in_store(&store, root.map(PathBuf::as_path)) {
            Ok(places) => all.extend(places.into_iter().map(sighting)),
            Err(e) => warn(&store, &e, paint),
        }
    }
    all.extend(known.into_iter().map(|place| {
        let seen = roots.iter().map(|root| (place.clone().seen_from(root), Some(root.clone())));
        let (place, root) = seen.into_iter().find(|(place, _)| place.own).unwrap_or((place, None));
        Sighting { place, root, shares_store: false }
    }));
    // A directory that belongs to one workspace is not listed as another's, too.
    all.sort_by_key(|sighting| !sighting.place.own);
    let mut seen = HashSet::new();
    all.retain(|Sighting { place, .. }| {
        let real = place.dir.canonicalize().unwrap_or_else(|_| place.dir.clone());
        place.single == (scope == Scope::Exec) && seen.insert(real)
    });
    Ok(all)
}

/// Returns the workspaces at or above a directory: the one that it belongs to, and those whose file is gone or broken,
/// so that it is unknown whether it belongs to them. These are recognised by their store, or by files displaced from
/// them.
fn roots(start: &Path, known: &[Place]) -> Result<Vec<PathBuf>, CliError> {
    let (start, root) = match configuration::discover(start) {
        Ok(location) => (location.cwd.to_path(&location.root), Some(location.root)),
        Err(DiscoverError::Unreadable { path, source }) => return Err(CliError::directory(&path, &source)),
        Err(DiscoverError::NotFound(start)) => (start, None),
    };
    let was_root = |dir: &Path| {
        dir.join(".percache/worktrees").is_dir()
            || known.iter().any(|place| !place.single && (place.root.as_deref() == Some(dir)))
            || known.iter().any(|place| place.clone().seen_from(dir).own)
    };
    let roots = start.ancestors().filter(|dir| root.as_deref() == Some(*dir) || (is_broken(dir) && was_root(dir)));
    Ok(roots.map(Path::to_owned).collect())
}

fn nothing_here(start: &Path) -> CliError {
    let start = start.canonicalize().map_or(Cow::Borrowed(start), Cow::Owned);
    CliError::usage(DiscoverError::NotFound(start.into_owned()))
        .hint(Some("`percache displaced --all` lists what was moved aside in other workspaces"))
}

fn warn(dir: &Path, error: &io::Error, paint: Paint) {
    let message = format!("`{}` cannot be read: {}", shown(dir), reason(error));
    crate::aside!("{} {message}", paint.apply(Style::Warning, "warning:"));
}
