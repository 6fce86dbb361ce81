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
        let tell = move |event: notify::Result<notify::Event>| {
            // Reading is no change, and there is much of it. The receiver is gone only when nobody wants to know any more.
            if !event.as_ref().is_ok_and(|event| matches!(event.kind, EventKind::Access(_)) && !event.need_rescan()) {
                let _ = sender.send(event);
            }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(failed)?;
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
        // What does not count does not prolong it either: somebody may be reading the files, or writing to git's own.
        let (mut now, mut quiet) = (Instant::now(), Instant::now() + QUIET);
        let cut = now + LONGEST;
        while now < quiet.min(cut) {
            let event = events.recv_timeout(quiet.min(cut) - now);
            now = Instant::now();
            match event {
                Ok(event) => {
                    if self.counts(event, ignored).is_some() {
                        quiet = now + QUIET;
                    }
                }
                Err(_) => break,
            }
        }
        Some(first)
    }

    fn counts(&self, event: notify::Result<notify::Event>, ignored: Ignored<'_>) -> Option<RelPath> {
        let Ok(event) = event else { return Some(RelPath::root()) };
        if event.need_rescan() {
            return Some(RelPath::root());
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

    #[test]
    fn the_end_of_a_burst_is_told_however_busy_what_does_not_count_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        fs::write(root.join("read"), "").unwrap();
        let watcher = Watcher::new(&root).unwrap();
        let (over, began) = (std::sync::atomic::AtomicBool::new(false), Instant::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::SeqCst) {
                    fs::write(root.join(".git/index"), "").unwrap();
                    fs::read(root.join("read")).unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            fs::write(root.join("a"), "").unwrap();
            let told = watcher.wait(Ignored::default(), SOON);
            over.store(true, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(told, Some(RelPath::new("a").unwrap()));
        });
        assert!(began.elapsed() < LONGEST / 2, "{:?}", began.elapsed());
    }
}
