//! File system events, collected into bursts.
//!
//! Follows directories one by one, because other directories do not matter: a system can follow only a limited number
//! of them, and `node_modules` alone may have more. Where the system refuses, there is a burst every second instead,
//! and the receiver has to look for changes itself. Events are only hints; they may come late, twice, or for nothing.

mod following;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::RecommendedWatcher;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};

use super::index_lock::IndexLock;
use following::Following;
#[cfg(test)]
use following::POLL;

/// How long nothing must happen for a burst to be over. A save consists of several events, and so does a branch switch.
const QUIET: Duration = Duration::from_millis(30);
/// The longest duration of a burst.
const LONGEST: Duration = Duration::from_millis(1000);
/// The number of paths above which a burst no longer lists them.
const MOST: usize = 10_000;

type Event = notify::Result<notify::Event>;

/// How much a path matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// It does not matter.
    Nothing,
    /// It is a known file.
    File,
    /// It may affect which files exist.
    Structure,
}

/// Changes in quick succession.
#[derive(Clone, Debug, Default)]
pub struct Burst {
    /// Known files that may have changed.
    pub files: BTreeSet<PathBuf>,
    /// Paths that may have been created, removed or replaced by another kind of file.
    pub structure: BTreeSet<PathBuf>,
    /// Whether anything may have changed, because events were lost or there are none.
    pub anything: bool,
}

impl Burst {
    /// Returns a burst that may have changed anything.
    fn of_anything() -> Burst {
        Burst { anything: true, ..Burst::default() }
    }

    /// Adds another burst.
    pub fn extend(&mut self, other: Burst) {
        self.files.extend(other.files);
        self.structure.extend(other.structure);
        self.anything |= other.anything;
    }

    /// Returns whether the set of files that are read may have changed.
    pub fn is_structural(&self) -> bool {
        self.anything || !self.structure.is_empty()
    }

    /// Returns whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.is_structural()
    }
}

/// Follows directories.
pub struct Events {
    root: PathBuf,
    /// Used by one thread at a time: while a build runs, another thread waits.
    receiver: Mutex<Receiver<Event>>,
    following: Mutex<Following>,
    lock: IndexLock,
}

impl Events {
    /// Creates a follower for the workspace at `root`, an absolute and canonical directory. It follows no directories
    /// yet.
    pub fn new(root: &Path) -> Events {
        let (sender, receiver) = channel();
        let system = watcher(sender);
        if let Err(e) = &system {
            log::info!("no events: {e}");
        }
        Events::with(root, receiver, system.ok())
    }

    /// Creates one without events, so that changes are found by looking for them.
    #[cfg(test)]
    pub fn polling(root: &Path) -> Events {
        Events::with(root, channel().1, None)
    }

    fn with(root: &Path, receiver: Receiver<Event>, system: Option<RecommendedWatcher>) -> Events {
        let (receiver, following) = (Mutex::new(receiver), Mutex::new(Following::with(system)));
        Events { root: root.to_owned(), receiver, following, lock: IndexLock::of(root) }
    }

    /// Follows these directories and no others. Returns whether one of them was not followed before: then something may
    /// have happened in it unseen.
    pub fn follow(&self, directories: &BTreeSet<PathBuf>) -> bool {
        self.following().follow(&self.root, directories)
    }

    /// Returns whether the system refuses to follow all the directories.
    pub fn is_incomplete(&self) -> bool {
        self.following().is_incomplete()
    }

    /// Waits at most `patience` for changes that matter, and then for the end of the burst. Returns early, without a
    /// burst, once `is_over` says so.
    pub fn wait(
        &self,
        concern: &dyn Fn(&Path) -> Concern,
        patience: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> Option<Burst> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + patience;
        let (mut burst, mut time) = (Burst::default(), Time::default());
        loop {
            let now = Instant::now();
            let until = time.over.unwrap_or(end);
            if is_over() {
                return None;
            }
            if now >= until {
                if time.over.is_some() && !self.lock.is_held() {
                    return Some(burst);
                }
                if time.over.is_none() {
                    return self.following().is_time_to_look(now).then(Burst::of_anything);
                }
                time.over = Some(now + QUIET);
            }
            match receiver.recv_timeout(until.saturating_duration_since(now)) {
                Ok(event) => {
                    // Events that do not matter do not prolong it either: somebody may be writing to a log.
                    if self.take(event, concern, &mut burst) {
                        time.goes_on(Instant::now());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(until.saturating_duration_since(Instant::now()));
                }
            }
        }
    }

    /// Waits until git is done, if a git operation is under way.
    pub fn settle(&self, is_over: &dyn Fn() -> bool) {
        while self.lock.is_held() && !is_over() {
            std::thread::sleep(QUIET);
        }
    }

    /// Records an event. Returns whether it matters.
    fn take(&self, event: Event, concern: &dyn Fn(&Path) -> Concern, burst: &mut Burst) -> bool {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            _ => {
                burst.anything = true;
                return true;
            }
        };
        let mut following = self.following();
        let paths: Vec<_> = event.paths.iter().flat_map(|path| following.names_of(path)).collect();
        if is_departure(event.kind) {
            event.paths.iter().for_each(|path| following.lose(path));
        }
        drop(following);
        let mut concerns = false;
        for path in paths {
            match concern(&path) {
                Concern::Nothing => continue,
                Concern::File => burst.files.insert(path),
                Concern::Structure => burst.structure.insert(path),
            };
            concerns = true;
        }
        if burst.files.len() + burst.structure.len() > MOST {
            *burst = Burst::of_anything();
        }
        concerns
    }

    fn following(&self) -> MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watcher(sender: Sender<Event>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: Event| {
        // Reading changes nothing, and is frequent. Writes through a mapping are reported only when the file is closed.
        let is_read = event.as_ref().is_ok_and(|event| match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => !event.need_rescan(),
            _ => false,
        });
        if !is_read {
            // Sending fails only when the receiver is gone, and then no event is wanted.
            let _ = sender.send(event);
        }
    })
}

/// Returns whether what was at a path may be gone: a directory of this name must then be followed anew.
fn is_departure(kind: EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::Any)))
}

/// The end of a burst.
#[derive(Default)]
struct Time {
    /// The end, unless the burst continues.
    over: Option<Instant>,
    /// The latest possible end.
    cut: Option<Instant>,
}

impl Time {
    fn goes_on(&mut self, now: Instant) {
        let cut = *self.cut.get_or_insert(now + LONGEST);
        self.over = Some(cut.min(now + QUIET));
    }
}

#[cfg(test)]
mod tests;
