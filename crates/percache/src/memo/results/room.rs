//! How much room results may take, and how much they take: added up by all processes that share a cache.
//!
//! `DIR/size` says how many bytes there are, and when they were last counted. A process adds to it what it has stored
//! whenever that is a [`SHARE`]th of the limit, so what is not in the sum stays small however many processes there are.
//! Whoever finds the sum above the limit evicts, one process at a time; eviction counts everything, which also sets
//! right what a killed process left out. Knows no results.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::files::{self, Durability};
use crate::base::lock::{FileLock, LockError};
use crate::memo::results::clock::{Time, age};

/// The part of the limit that one process stores before it says so.
const SHARE: u64 = 64;
/// After that long, the sum is not believed: there may be programs that store and have no limit.
const COUNTED_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long to wait for a process that changes the sum.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait for a process that evicts, when there is far too much already.
const EVICTION_PATIENCE: Duration = Duration::from_secs(2);

/// The room of a cache that has a limit.
pub struct Room {
    limit: u64,
    /// The directory of the cache, if other processes can see it.
    dir: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes of all results, as far as known.
    total: Option<u64>,
    /// Bytes that were stored here and are not in the sum of all processes.
    unsaid: u64,
}

/// What `DIR/size` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    counted: Time,
}

/// What is to be done after something was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// [`Room::say`] what was stored, after it was made visible to others.
    Say,
    /// Count everything, then [`Room::counted`].
    Count,
    /// Evict down to [`Room::goal`].
    Evict,
}

/// The right to evict results; other threads and processes carry on meanwhile.
pub struct Turn {
    _lock: Option<FileLock>,
}

impl Room {
    /// Returns the room of a cache in `dir`, or of one that no other process shares.
    pub fn new(limit: u64, dir: Option<&Path>) -> Room {
        Room { limit, dir: dir.map(Path::to_owned), state: Mutex::default() }
    }

    /// Returns the same for a child of this process: what its parent has stored, the parent adds to the sum.
    pub fn renewed(&self) -> Room {
        Room::new(self.limit, self.dir.as_deref())
    }

    /// Returns the size to which results are to be evicted: a tenth below the limit, so that the next result need not
    /// do it again.
    pub fn goal(&self) -> u64 {
        self.limit - self.limit / 10
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was stored.
    pub fn add(&self, bytes: u64, now: Time) -> Next {
        let mut state = self.state();
        if let Some(dir) = &self.dir {
            state.unsaid = state.unsaid.saturating_add(bytes);
            state.total = state.total.or_else(|| believable(dir, now));
        } else {
            state.total = state.total.map(|total| total.saturating_add(bytes));
        }
        match state.total {
            None => Next::Count,
            Some(total) if self.dir.is_none() => self.beyond(total),
            // What others have stored since is not known here, so the first one to come near asks.
            Some(total) if state.unsaid >= self.limit / SHARE || total.saturating_add(state.unsaid) > self.limit => {
                Next::Say
            }
            Some(_) => Next::Nothing,
        }
    }

    fn beyond(&self, total: u64) -> Next {
        if total > self.limit { Next::Evict } else { Next::Nothing }
    }

    /// Returns whether something was stored that [`Room::say`] would add.
    pub fn has_news(&self) -> bool {
        self.state().unsaid > 0
    }

    /// Adds to the sum of all processes what this one has stored.
    pub fn say(&self, now: Time) -> Next {
        let Some(dir) = &self.dir else { return Next::Nothing };
        let mut state = self.state();
        if state.unsaid == 0 {
            return Next::Nothing;
        }
        // Where there is no lock to be had, it is said the next time.
        let Ok(_lock) = lock(dir, "size.lock", PATIENCE) else { return Next::Nothing };
        let Some(sum) = read(dir).filter(|sum| age(now, sum.counted) < COUNTED_FOR) else { return Next::Count };
        let bytes = sum.bytes.saturating_add(state.unsaid);
        write(dir, Sum { bytes, ..sum });
        *state = State { total: Some(bytes), unsaid: 0 };
        self.beyond(bytes)
    }

    /// Returns the turn to evict; `None` when another process has it, or has already made room.
    pub fn turn(&self) -> Option<Turn> {
        let Some(dir) = &self.dir else { return Some(Turn { _lock: None }) };
        let total = self.state().total.unwrap_or(0);
        // Nobody is to store much faster than another process evicts.
        let is_far_beyond = total > self.limit.saturating_add(self.limit / 4);
        let patience = if is_far_beyond { EVICTION_PATIENCE } else { Duration::ZERO };
        let lock = match lock(dir, "evict.lock", patience) {
            Ok(lock) => Some(lock),
            Err(LockError::Held(_)) if !is_far_beyond => return None,
            // It may be stopped. Evicting twice does no harm.
            Err(_) => None,
        };
        let bytes = read(dir).map_or(total, |sum| sum.bytes);
        self.state().total = Some(bytes);
        (bytes > self.limit).then_some(Turn { _lock: lock })
    }

    /// Returns the sum as it is before results are counted.
    pub fn before_count(&self) -> u64 {
        self.dir.as_deref().and_then(read).map_or(0, |sum| sum.bytes)
    }

    /// Takes in that there are so many bytes, all that this process has stored included; `before` is from
    /// [`Room::before_count`].
    pub fn counted(&self, bytes: u64, before: u64, now: Time) -> Next {
        let mut state = self.state();
        let mut total = bytes;
        if let Some(dir) = &self.dir {
            let _lock = lock(dir, "size.lock", PATIENCE);
            // What others have added meanwhile may have been counted or not.
            let meanwhile = read(dir).map_or(0, |sum| sum.bytes.saturating_sub(before));
            total = bytes.saturating_add(meanwhile);
            write(dir, Sum { bytes: total, counted: now });
        }
        *state = State { total: Some(total), unsaid: 0 };
        self.beyond(total)
    }
}

fn believable(dir: &Path, now: Time) -> Option<u64> {
    read(dir).filter(|sum| age(now, sum.counted) < COUNTED_FOR).map(|sum| sum.bytes)
}

fn lock(dir: &Path, name: &str, patience: Duration) -> Result<FileLock, LockError> {
    FileLock::acquire(&dir.join(name), &format!("process {}", std::process::id()), patience, &mut |_| {})
}

fn read(dir: &Path) -> Option<Sum> {
    let text = fs::read_to_string(dir.join("size")).ok()?;
    let (bytes, counted) = text.trim_end().split_once(' ')?;
    Some(Sum { bytes: bytes.parse().ok()?, counted: counted.parse().ok()? })
}

fn write(dir: &Path, sum: Sum) {
    let text = format!("{} {}\n", sum.bytes, sum.counted);
    // Without it, the next process counts.
    if let Err(error) = files::replace(&dir.join("size"), text.as_bytes(), Durability::Volatile) {
        log::debug!("percache: the size of the cache cannot be noted: {error}");
        let _ = fs::remove_file(dir.join("size"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 64_000;

    fn two(dir: &Path) -> [Room; 2] {
        [(); 2].map(|()| Room::new(LIMIT, Some(dir)))
    }

    #[test]
    fn without_other_processes_it_is_a_sum() {
        let room = Room::new(100, None);
        assert_eq!(room.add(10, 0), Next::Count);
        assert_eq!(room.counted(90, 0, 0), Next::Nothing);
        assert_eq!((room.add(10, 0), room.add(1, 0)), (Next::Nothing, Next::Evict));
        assert_eq!(room.counted(50, 0, 0), Next::Nothing);
        assert_eq!(room.add(50, 0), Next::Nothing);
    }

    #[test]
    fn processes_add_up_what_they_store() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = two(dir.path());
        assert_eq!(one.add(10, 0), Next::Count);
        assert_eq!(one.counted(40_000, one.before_count(), 0), Next::Nothing);
        assert_eq!(other.add(999, 0), Next::Nothing, "it need not count, nor say every little thing");
        assert_eq!(other.add(1, 0), Next::Say);
        assert_eq!(other.say(0), Next::Nothing);
        assert_eq!(read(dir.path()), Some(Sum { bytes: 41_000, counted: 0 }));
        assert_eq!(one.add(22_000, 0), Next::Say);
        assert_eq!(one.say(0), Next::Nothing);
        assert_eq!(other.add(1_500, 0), Next::Say);
        assert_eq!(other.say(0), Next::Evict);
    }

    #[test]
    fn a_child_does_not_add_what_its_parent_adds() {
        let dir = tempfile::tempdir().unwrap();
        let [parent, _] = two(dir.path());
        parent.counted(40_000, 0, 0);
        assert_eq!(parent.add(999, 0), Next::Nothing);
        let child = parent.renewed();
        assert!(parent.has_news() && !child.has_news());
        assert_eq!((child.add(1_000, 0), child.say(0), parent.say(0)), (Next::Say, Next::Nothing, Next::Nothing));
        assert_eq!(read(dir.path()).unwrap().bytes, 41_999);
    }

    #[test]
    fn one_evicts_and_the_others_see_that_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = two(dir.path());
        assert_eq!(one.counted(70_000, 0, 0), Next::Evict);
        other.state().total = Some(70_000);
        let turn = one.turn().expect("nobody else evicts");
        assert!(other.turn().is_none());
        let before = one.before_count();
        write(dir.path(), Sum { bytes: 71_000, counted: 0 });
        assert_eq!(one.counted(50_000, before, 0), Next::Nothing);
        drop(turn);
        assert_eq!(read(dir.path()).unwrap().bytes, 51_000, "what came meanwhile is not forgotten");
        assert!(other.turn().is_none(), "there is room already");
    }

    #[test]
    fn a_sum_that_is_old_or_damaged_is_counted_anew() {
        let dir = tempfile::tempdir().unwrap();
        let now = 10 * COUNTED_FOR.as_millis() as Time;
        for sum in ["nonsense", "", &format!("5 {}", now - COUNTED_FOR.as_millis() as Time)] {
            fs::write(dir.path().join("size"), sum).unwrap();
            assert_eq!(Room::new(LIMIT, Some(dir.path())).add(1, now), Next::Count, "{sum:?}");
        }
    }
}
