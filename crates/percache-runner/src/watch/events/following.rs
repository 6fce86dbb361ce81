//! The directories that the system watches, and the names by which they are known.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// The interval between looks where the system sends no events.
pub(super) const POLL: Duration = Duration::from_millis(1000);

/// The directories that are followed.
#[derive(Default)]
pub(super) struct Following {
    /// `None` if the system's watcher could not be created.
    system: Option<RecommendedWatcher>,
    /// The names of each directory by its canonical path, because symlinks may lead to it.
    names: HashMap<PathBuf, Vec<PathBuf>>,
    /// The canonical path of each name.
    canonical: HashMap<PathBuf, PathBuf>,
    /// Whether some directories are not followed although they should be.
    incomplete: bool,
    /// When the receiver was last told to look.
    looked: Option<Instant>,
}

impl Following {
    /// Creates one that follows nothing yet.
    pub(super) fn with(system: Option<RecommendedWatcher>) -> Following {
        Following { incomplete: system.is_none(), system, ..Following::default() }
    }

    /// Returns whether some directories are not followed although they should be.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Follows these directories and no others. Returns whether one of them was not followed before.
    pub(super) fn follow(&mut self, root: &Path, directories: &BTreeSet<PathBuf>) -> bool {
        let gone: Vec<_> = self.canonical.keys().filter(|name| !directories.contains(*name)).cloned().collect();
        gone.iter().for_each(|name| self.forget(name));
        let mut anew = false;
        self.incomplete = self.system.is_none();
        for name in directories {
            if self.canonical.contains_key(name) {
                continue;
            }
            let Ok(canonical) = name.canonicalize() else { continue };
            if !self.names.contains_key(&canonical) && !self.add(root, &canonical) {
                continue;
            }
            self.names.entry(canonical.clone()).or_default().push(name.clone());
            self.canonical.insert(name.clone(), canonical);
            anew = true;
        }
        anew
    }

    /// Follows a directory. Returns whether that succeeded.
    fn add(&mut self, root: &Path, directory: &Path) -> bool {
        let Some(system) = &mut self.system else { return false };
        // On systems other than Linux a whole tree costs no more than a directory, and adding one is slow.
        let (directory, mode) = match cfg!(target_os = "linux") || !directory.starts_with(root) {
            true => (directory, RecursiveMode::NonRecursive),
            false if self.names.keys().any(|name| name.starts_with(root)) => return true,
            false => (root, RecursiveMode::Recursive),
        };
        match system.watch(directory, mode) {
            Ok(()) => true,
            Err(e) => {
                self.incomplete |= is_limit(&e);
                false
            }
        }
    }

    /// Stops following a directory by this name.
    fn forget(&mut self, name: &Path) {
        let Some(canonical) = self.canonical.remove(name) else { return };
        let Some(names) = self.names.get_mut(&canonical) else { return };
        names.retain(|other| other != name);
        if names.is_empty() {
            self.names.remove(&canonical);
            self.unwatch(&canonical);
        }
    }

    /// Stops following the directory at this path, and those below, because they may be gone and must be followed anew.
    pub(super) fn lose(&mut self, path: &Path) {
        if !self.names.contains_key(path) {
            return;
        }
        let lost: Vec<_> = self.names.keys().filter(|directory| directory.starts_with(path)).cloned().collect();
        for directory in lost {
            for name in self.names.remove(&directory).into_iter().flatten() {
                self.canonical.remove(&name);
            }
            self.unwatch(&directory);
        }
    }

    fn unwatch(&mut self, directory: &Path) {
        // Errors do not matter: all that is wanted is that the directory is not watched.
        if let Some(system) = &mut self.system {
            let _ = system.unwatch(directory);
        }
    }

    /// Returns the names of the path of an event.
    pub(super) fn names_of(&self, path: &Path) -> Vec<PathBuf> {
        let mut names = self.names.get(path).cloned().unwrap_or_default();
        let within = path.parent().and_then(|parent| self.names.get(parent)).into_iter().flatten();
        names.extend(path.file_name().into_iter().flat_map(|name| within.clone().map(move |parent| parent.join(name))));
        if names.is_empty() {
            names.push(path.to_owned());
        }
        names
    }

    /// Returns whether to look for changes, because not all of them cause events.
    pub(super) fn is_time_to_look(&mut self, now: Instant) -> bool {
        if !self.incomplete || self.looked.is_some_and(|looked| now < looked + POLL) {
            return false;
        }
        self.looked = Some(now);
        true
    }
}

fn is_limit(error: &notify::Error) -> bool {
    use rustix::io::Errno;
    let limits = [Errno::NOSPC, Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(|errno| Some(errno.raw_os_error()));
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(e) => limits.contains(&io::Error::raw_os_error(e)),
        _ => false,
    }
}
