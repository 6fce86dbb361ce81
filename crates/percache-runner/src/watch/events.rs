//! Events of the file system, gathered into bursts.
//!
//! Follows directories one by one, because what lies in other directories cannot matter: a system follows a limited
//! number of them, and `node_modules` alone may have more. Where the system refuses, a burst comes every second
//! instead, and whoever waits has to look for himself. Events are only hints; they may come late, twice, or for nothing.

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

/// A burst of changes is over when nothing happened for this long. A save is several events; so is a branch switch.
const QUIET: Duration = Duration::from_millis(30);
/// A burst that does not end is cut off here.
const LONGEST: Duration = Duration::from_millis(1000);
/// A burst of more paths than this is no longer told by its paths.
const MOST: usize = 10_000;

type Event = notify::Result<notify::Event>;

/// How much a path matters to whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// Not at all.
    Nothing,
    /// It is a file that is known.
    File,
    /// It may decide which files there are.
    Structure,
}

/// Changes that came soon after one another.
#[derive(Clone, Debug, Default)]
pub struct Burst {
    /// Known files that may have changed.
    pub files: BTreeSet<PathBuf>,
    /// Paths that may be new, gone, or something else than before.
    pub structure: BTreeSet<PathBuf>,
    /// Whether anything may have changed, because events were lost or there are none.
    pub anything: bool,
}

impl Burst {
    /// One that may have changed anything.
    fn of_anything() -> Burst {
        Burst { anything: true, ..Burst::default() }
    }

    /// Adds another one.
    pub fn extend(&mut self, other: Burst) {
        self.files.extend(other.files);
        self.structure.extend(other.structure);
        self.anything |= other.anything;
    }

    /// Whether other files may be read than before.
    pub fn is_structural(&self) -> bool {
        self.anything || !self.structure.is_empty()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.is_structural()
    }
}

/// Follows directories.
pub struct Events {
    root: PathBuf,
    /// For one thread at a time: while a build runs, one beside it waits.
    receiver: Mutex<Receiver<Event>>,
    following: Mutex<Following>,
    lock: IndexLock,
}

impl Events {
    /// Follows nothing yet of the workspace at `root`, an absolute and canonical directory.
    pub fn new(root: &Path) -> Events {
        let (sender, receiver) = channel();
        let system = watcher(sender);
        if let Err(e) = &system {
            log::info!("no events: {e}");
        }
        Events::with(root, receiver, system.ok())
    }

    /// Has no events: changes are found by looking for them.
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

    /// Whether the system refuses to follow as many directories as there are.
    pub fn is_incomplete(&self) -> bool {
        self.following().is_incomplete()
    }

    /// Waits at most `patience` for changes that concern somebody, and then for the end of the burst, unless nobody
    /// waits any more.
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
                    // What does not count does not prolong it either: somebody may be writing to a log.
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

    /// Waits until git is done, if it is in the middle of something.
    pub fn settle(&self, is_over: &dyn Fn() -> bool) {
        while self.lock.is_held() && !is_over() {
            std::thread::sleep(QUIET);
        }
    }

    /// Takes note of an event. Returns whether it concerns somebody.
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
        // Reading is no change, and there is much of it. What is written by way of a mapping is told only when the file
        // is closed.
        let is_read = event.as_ref().is_ok_and(|event| match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => !event.need_rescan(),
            _ => false,
        });
        if !is_read {
            // The receiver is gone only when nobody wants to know any more.
            let _ = sender.send(event);
        }
    })
}

/// Whether what was at a path may be there no longer: a directory of this name is to be followed anew.
fn is_departure(kind: EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::Any)))
}

/// When a burst is over.
#[derive(Default)]
struct Time {
    /// Unless it goes on.
    over: Option<Instant>,
    /// In any case.
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
