//! How an observer learns: from its own looks, and from what percache and its commands write.

use std::sync::atomic::Ordering;

use percache::Digest;
use rustix::fs::FileType;

use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_table::Seen;

use super::look::Change;
use super::{FileState, Observer};

impl Observer<'_> {
    /// Takes over a digest that was made of the file after it had this stamp, which was after the moment `looked`.
    pub fn learn(&self, path: &[u8], stamp: Stamp, digest: Digest, looked: i64) {
        let settled = stamp.settled_at(looked);
        self.looks.set(path, Change::See(Seen { stamp: Some(stamp), digest: Some(digest), settled }));
    }

    /// Takes over the state of a file that percache, or a command that it ran, has just written: like
    /// [`Observer::learn`], but discards whatever was seen there before.
    pub fn put(&self, path: &[u8], stamp: Stamp, digest: Digest, looked: i64) {
        let settled = stamp.settled_at(looked);
        self.replace(path, Seen { stamp: Some(stamp), digest: Some(digest), settled });
    }

    /// Like [`Observer::put`], for directories and symlinks, which have no content, and for paths where something was
    /// removed.
    pub fn put_other(&self, path: &[u8]) {
        let looked = moment();
        // A path that cannot be looked at counts as unseen, and nothing can rest on it.
        let seen = match self.stamp(path) {
            Ok(stamp) => Seen { stamp, digest: None, settled: stamp.is_none_or(|stamp| stamp.settled_at(looked)) },
            Err(_) => Seen { stamp: None, digest: None, settled: false },
        };
        if seen.stamp.is_none_or(|stamp| stamp.file_type() != FileType::Directory) {
            self.plain.forget(path);
        }
        let is_link = |stamp: Stamp| stamp.file_type() == FileType::Symlink;
        if seen.stamp.is_some_and(is_link) {
            self.has_put_links.store(true, Ordering::Relaxed);
        }
        // Paths that led through a removed symlink lead elsewhere now.
        let before = self.before.find(path).and_then(|position| self.before.seen(position).stamp);
        if before.is_some_and(is_link) {
            self.expect_changes();
        }
        self.replace(path, seen);
    }

    /// Takes over that percache has just removed a file or symlink, or moved it away. Whoever finds nothing there has
    /// not seen somebody else's change.
    pub fn take_away(&self, path: &[u8], was: &FileState) {
        self.plain.forget(path);
        if matches!(was, FileState::Symlink { .. }) {
            self.expect_changes();
        }
        self.replace(path, Seen { stamp: None, digest: None, settled: true });
    }

    fn replace(&self, path: &[u8], seen: Seen) {
        self.has_put.store(true, Ordering::Relaxed);
        self.looks.set(path, Change::Write(seen));
    }

    pub(super) fn note(&self, path: &[u8], stamp: Option<Stamp>) {
        if let Some(position) = self.before.find(path) {
            let before = self.before.seen(position);
            if before.settled && before.stamp == stamp {
                return self.looks.confirm(position);
            }
        }
        // Any judgement that rests on this looked at the path after the build had begun.
        let settled = stamp.is_none_or(|stamp| stamp.settled_at(self.began));
        self.looks.set(path, Change::See(Seen { stamp, digest: None, settled }));
    }
}
