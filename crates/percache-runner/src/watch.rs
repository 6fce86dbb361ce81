//! Tells when something in a workspace changes that a build could depend on.
//!
//! Knows nothing of builds. It would rather wake once too often: a build with nothing to do is cheap, and one that is missing is not.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind, RemoveKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::graph::OutputIndex;
use crate::paths::RelPath;
use crate::tree;

/// A burst of changes is over when nothing happened for this long. A save is several events; so is a branch switch.
const QUIET: Duration = Duration::from_millis(30);
/// A burst that does not end is cut off here.
const LONGEST: Duration = Duration::from_millis(1000);

/// So many paths of a burst are remembered, for one of them to be named.
const NAMED: usize = 64;

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
    /// What tasks wrote in the build before: the first thing that the next one does is to remove what no task makes any more.
    pub before: Option<&'a OutputIndex>,
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
    /// workspace, if possible one where there is something: editors write to another name first. `None` when nothing changed.
    pub fn wait(&self, ignored: Ignored<'_>, patience: Duration) -> Option<RelPath> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + patience;
        let mut burst = Burst::default();
        loop {
            let now = Instant::now();
            let until = burst.over.unwrap_or(end);
            if now >= until {
                if let Some(path) = self.named(&mut burst, ignored) {
                    return Some(path);
                }
                if now >= end {
                    return None;
                }
                burst = Burst::default();
                continue;
            }
            match events.recv_timeout(until - now) {
                // What does not count does not prolong it either: somebody may be writing to git's own.
                Ok(event) => self.take(event, ignored, &mut burst),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(until.saturating_duration_since(Instant::now()))
                }
            }
        }
    }

    /// Takes note of an event.
    fn take(&self, event: notify::Result<notify::Event>, ignored: Ignored<'_>, burst: &mut Burst) {
        let (changed, new) = match event {
            Ok(event) if !event.need_rescan() => self.counted(&event, ignored),
            _ => (vec![RelPath::root()], Vec::new()),
        };
        if !changed.is_empty() || !new.is_empty() {
            burst.goes_on(Instant::now());
        }
        if burst.changed.len() < NAMED {
            burst.changed.extend(changed);
        }
        burst.new.extend(new);
    }

    /// The paths of an event that count, and new directories, of which what is in them counts.
    fn counted(&self, event: &notify::Event, ignored: Ignored<'_>) -> (Vec<RelPath>, Vec<RelPath>) {
        let created = matches!(event.kind, EventKind::Create(_));
        let metadata = matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_)));
        // It was empty: what had been in it was told before.
        if matches!(event.kind, EventKind::Remove(RemoveKind::Folder)) {
            return Default::default();
        }
        let paths = event.paths.iter().filter(|path| !(metadata && path.is_dir()));
        let paths = paths.filter_map(|path| RelPath::from_native(&self.root, path));
        let paths = paths.filter(|path| !is_ignored(path, ignored) && !self.was_removed(path, ignored));
        let is_new_directory = |path: &RelPath| created && path.to_path(&self.root).is_dir();
        let (new, changed) = paths.partition(is_new_directory);
        (changed, new)
    }

    /// Whether this is something that the last build was to remove.
    fn was_removed(&self, path: &RelPath, ignored: Ignored<'_>) -> bool {
        let was_output = ignored.before.is_some_and(|outputs| outputs.owner(path).is_some());
        was_output && path.to_path(&self.root).symlink_metadata().is_err()
    }

    /// One of the paths that changed in a burst.
    fn named(&self, burst: &mut Burst, ignored: Ignored<'_>) -> Option<RelPath> {
        let new = std::mem::take(&mut burst.new);
        burst.changed.extend(new.into_iter().find_map(|directory| self.found_in(directory, ignored)));
        let there = burst.changed.iter().position(|path| path.to_path(&self.root).symlink_metadata().is_ok());
        (!burst.changed.is_empty()).then(|| burst.changed.swap_remove(there.unwrap_or(0)))
    }

    /// A file in a new directory that may be an input: what was made in it before it was watched has not been told. Those that percache
    /// makes have outputs in them, and nothing else.
    fn found_in(&self, directory: RelPath, ignored: Ignored<'_>) -> Option<RelPath> {
        let mut open = vec![directory];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory.to_path(&self.root)).into_iter().flatten().flatten() {
                let path = RelPath::from_native(&self.root, &entry.path()).filter(|path| !is_ignored(path, ignored));
                match (path, entry.file_type()) {
                    (Some(path), Ok(kind)) if kind.is_dir() => open.push(path),
                    (Some(path), _) => return Some(path),
                    (None, _) => {}
                }
            }
        }
        None
    }
}

/// Changes that come soon after one another.
#[derive(Default)]
struct Burst {
    changed: Vec<RelPath>,
    /// Directories that were made.
    new: Vec<RelPath>,
    /// When it is over, unless it goes on.
    over: Option<Instant>,
    /// When it is over in any case.
    cut: Option<Instant>,
}

impl Burst {
    fn goes_on(&mut self, now: Instant) {
        let cut = *self.cut.get_or_insert(now + LONGEST);
        self.over = Some(cut.min(now + QUIET));
    }
}

fn is_ignored(path: &RelPath, ignored: Ignored<'_>) -> bool {
    let in_git = path.components().any(|name| name == b".git");
    in_git
        || tree::is_temporary(path)
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
        let ignored = Ignored { store: Some(&store), ..Ignored::default() };
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
    fn a_new_directory_counts_by_the_files_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let outputs = crate::pattern::PatternSet::parse(&RelPath::root(), &["build/deep/a.o"]).unwrap();
        let mut index = OutputIndex::default();
        index.insert(crate::model::TaskId(0), &outputs);
        let watcher = Watcher::new(&root).unwrap();
        let ignored = Ignored { outputs: Some(&index), ..Ignored::default() };
        fs::create_dir_all(root.join("build/deep")).unwrap();
        fs::write(root.join("build/deep/a.o"), "").unwrap();
        let temporary = tree::temporary(&RelPath::new("build/deep/a.o").unwrap()).unwrap();
        fs::write(temporary.to_path(&root), "").unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        assert_eq!(watcher.wait(ignored, NEVER), None);
        fs::remove_dir_all(root.join("build")).unwrap();
        assert_eq!(watcher.wait(ignored, NEVER), None);
        fs::create_dir_all(root.join("build/new")).unwrap();
        fs::write(root.join("build/new/a.c"), "").unwrap();
        assert_eq!(watcher.wait(ignored, SOON), Some(RelPath::new("build/new/a.c").unwrap()));
    }

    #[test]
    fn of_a_file_that_an_editor_puts_in_the_place_of_another_the_real_name_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let watcher = Watcher::new(&root).unwrap();
        fs::write(root.join("a.c.temporary"), "").unwrap();
        fs::rename(root.join("a.c.temporary"), root.join("a.c")).unwrap();
        assert_eq!(watcher.wait(Ignored::default(), SOON), Some(RelPath::new("a.c").unwrap()));
        fs::remove_file(root.join("a.c")).unwrap();
        assert_eq!(watcher.wait(Ignored::default(), SOON), Some(RelPath::new("a.c").unwrap()));
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
