//! Tells when something in a workspace changes that a build could depend on.
//!
//! Knows nothing of builds. It would rather wake once too often: a build with nothing to do is cheap, and one that is missing is not.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::graph::OutputIndex;
use crate::paths::RelPath;

/// A burst of changes is over when nothing happened for this long. A save is several events; so is a branch switch.
const QUIET: Duration = Duration::from_millis(30);
/// A burst that does not end is cut off here.
const LONGEST: Duration = Duration::from_millis(1000);

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch `{}`: {source}", path.display())]
pub struct WatchError {
    /// The directory.
    pub path: PathBuf,
    /// What the system says.
    pub source: notify::Error,
}

/// Watches a workspace.
pub struct Watcher {
    root: PathBuf,
    /// For one thread at a time: while a build runs, one beside it waits.
    events: Mutex<Receiver<notify::Result<notify::Event>>>,
    /// Stops when it is dropped.
    _watcher: RecommendedWatcher,
}

/// What does not count.
#[derive(Clone, Copy, Default)]
pub struct Ignored<'a> {
    /// The store, relative to the workspace, if it lies there.
    pub store: Option<&'a RelPath>,
    /// What tasks write; `None` when that is not known.
    pub outputs: Option<&'a OutputIndex>,
}

impl Watcher {
    /// Begins to watch everything below `root`, an absolute and canonical directory.
    ///
    /// # Errors
    /// When the system does not allow it, for example because there are too many directories.
    pub fn new(root: &Path) -> Result<Watcher, WatchError> {
        let failed = |source| WatchError { path: root.to_owned(), source };
        let (sender, events) = channel();
        // The receiver is gone only when nobody wants to know any more.
        let mut watcher = notify::recommended_watcher(move |event| drop(sender.send(event))).map_err(failed)?;
        watcher.watch(root, RecursiveMode::Recursive).map_err(failed)?;
        Ok(Watcher { root: root.to_owned(), events: Mutex::new(events), _watcher: watcher })
    }

    /// Waits at most `patience` for a change that counts, and then for the end of the burst. Gives a path that changed, relative to the
    /// workspace; `None` when nothing did.
    pub fn wait(&self, ignored: Ignored<'_>, patience: Duration) -> Option<RelPath> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + patience;
        let first = loop {
            match events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) => match self.counts(event, ignored) {
                    Some(path) => break path,
                    None if Instant::now() >= end => return None,
                    None => {}
                },
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(end.saturating_duration_since(Instant::now()));
                    return None;
                }
            }
        };
        let cut = Instant::now() + LONGEST;
        while Instant::now() < cut && events.recv_timeout(QUIET).is_ok() {}
        Some(first)
    }

    fn counts(&self, event: notify::Result<notify::Event>, ignored: Ignored<'_>) -> Option<RelPath> {
        let Ok(event) = event else { return Some(RelPath::root()) };
        if event.need_rescan() {
            return Some(RelPath::root());
        }
        // Reading is no change, and neither is another time of access; a mode is one.
        if matches!(event.kind, EventKind::Access(_)) {
            return None;
        }
        let directory_touched =
            |path: &Path| matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_))) && path.is_dir();
        let paths = event.paths.iter().filter(|path| !directory_touched(path));
        paths.filter_map(|path| RelPath::from_native(&self.root, path)).find(|path| !is_ignored(path, ignored))
    }
}

fn is_ignored(path: &RelPath, ignored: Ignored<'_>) -> bool {
    let in_git = path.components().any(|name| name == b".git");
    in_git
        || ignored.store.is_some_and(|store| path.starts_with(store))
        || ignored.outputs.is_some_and(|outputs| outputs.owner(path).is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    const NEVER: Duration = Duration::from_millis(300);

    #[test]
    fn a_change_is_told_with_its_path_and_ignored_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in [".percache", ".git", "src"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let watcher = Watcher::new(&root).unwrap();
        let store = RelPath::new(".percache").unwrap();
        let ignored = Ignored { store: Some(&store), outputs: None };
        fs::write(root.join(".percache/x"), "").unwrap();
        fs::write(root.join(".git/index"), "").unwrap();
        fs::read(root.join(".git/index")).unwrap();
        assert_eq!(watcher.wait(ignored, NEVER), None);
        fs::write(root.join("src/a"), "").unwrap();
        assert_eq!(watcher.wait(ignored, SOON), Some(RelPath::new("src/a").unwrap()));
        fs::rename(root.join("src"), root.join("other")).unwrap();
        assert!(watcher.wait(ignored, SOON).is_some());
        fs::write(root.join("other/b"), "").unwrap();
        assert!(watcher.wait(ignored, SOON).is_some(), "in a directory that was renamed");
    }
}
