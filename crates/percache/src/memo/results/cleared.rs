//! Tells the processes that share a cache that results were removed on purpose, so that none of them goes on giving
//! them out from memory.
//!
//! `DIR/cleared` has another content after each removal. Processes read it every [`INTERVAL`] at most, so a hit in
//! memory stays as fast as it is. Results that go because there are too many are still right, and are not told of.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::base::clock;
use crate::base::clock::Time;
use crate::base::files::{self, Durability};

/// How many milliseconds it may take until a process knows what another one has removed.
const INTERVAL: u64 = 50;

/// What a process knows of removals.
pub struct Cleared {
    path: PathBuf,
    /// When the file was read last: a [`Time`].
    read: AtomicU64,
    content: Mutex<Vec<u8>>,
}

impl Cleared {
    /// Knows of all removals so far in the cache in `dir`.
    pub fn new(dir: &Path) -> Cleared {
        Cleared::at(dir.join("cleared"))
    }

    fn at(path: PathBuf) -> Cleared {
        let content = fs::read(&path).unwrap_or_default();
        Cleared { path, read: AtomicU64::new(0), content: Mutex::new(content) }
    }

    /// Returns the same for a child of this process, which has nothing in memory.
    pub fn renewed(&self) -> Cleared {
        Cleared::at(self.path.clone())
    }

    /// Returns whether another process has removed results since this was last asked.
    #[inline]
    pub fn is_news(&self, now: Time) -> bool {
        // A clock that goes backwards asks as well.
        now.as_millis().abs_diff(self.read.load(Ordering::Relaxed)) >= INTERVAL && self.has_changed(now)
    }

    #[cold]
    fn has_changed(&self, now: Time) -> bool {
        self.read.store(now.as_millis(), Ordering::Relaxed);
        let new = fs::read(&self.path).unwrap_or_default();
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *content != new;
        *content = new;
        is_new
    }

    /// Tells the other processes of a removal that they can see in the store by now.
    pub fn tell(&self) {
        let time = clock::nanos();
        let new = format!("{time} {}\n", std::process::id()).into_bytes();
        match files::replace(&self.path, &new, Durability::Volatile) {
            Ok(()) => *self.content.lock().unwrap_or_else(PoisonError::into_inner) = new,
            Err(error) => log::debug!("percache: other processes are not told that results were removed: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_know_after_the_interval_and_know_once() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| Cleared::new(dir.path()));
        assert!(!one.is_news(Time::from_millis(10_000)) && !other.is_news(Time::from_millis(10_000)));
        one.tell();
        assert!(!one.is_news(Time::from_millis(20_000)), "who removed it knows");
        assert!(!other.is_news(Time::from_millis(10_000 + INTERVAL - 1)), "too early to ask again");
        assert!(other.is_news(Time::from_millis(10_000 + INTERVAL)));
        assert!(!other.is_news(Time::from_millis(20_000)));
        assert!(!Cleared::new(dir.path()).is_news(Time::from_millis(10_000)), "who comes later has nothing in memory");
        other.tell();
        assert!(!one.renewed().is_news(Time::from_millis(30_000)), "nor has a child");
        assert!(one.is_news(Time::from_millis(30_000)), "what a child knows does not reach its parent");
    }
}
