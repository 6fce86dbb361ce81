//! What an observer learns: by its own looks, and of what percache and its commands put there.

use std::sync::atomic::Ordering;

use percache::Digest;
use rustix::fs::FileType;

use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_table::Seen;

use super::{Look, Observer};

impl Observer<'_> {
    /// Takes a digest over that somebody made of the file after it had this stamp, and that after the moment `looked`.
    pub fn learn(&self, path: &[u8], stamp: Stamp, digest: Digest, looked: i64) {
        self.see(path, Seen { stamp: Some(stamp), digest: Some(digest), settled: stamp.settled_at(looked) });
    }

    /// Takes over what percache, or a command that it ran, has just put at `path`: as [`Observer::learn`], and whatever was seen there before
    /// counts for nothing any more.
    pub fn put(&self, path: &[u8], stamp: Stamp, digest: Digest, looked: i64) {
        let settled = stamp.settled_at(looked);
        self.replace(path, Seen { stamp: Some(stamp), digest: Some(digest), settled });
    }

    /// The same, of what has no content: a directory, a symlink.
    pub fn put_other(&self, path: &[u8]) {
        let looked = moment();
        // What cannot be looked at is not seen, and nothing can rest on it.
        let seen = match self.stamp(path) {
            Ok(stamp) => Seen { stamp, digest: None, settled: stamp.is_none_or(|stamp| stamp.settled_at(looked)) },
            Err(_) => Seen { stamp: None, digest: None, settled: false },
        };
        if seen.stamp.is_none_or(|stamp| stamp.file_type() != FileType::Directory) {
            self.plain.forget(path);
        }
        self.replace(path, seen);
    }

    fn replace(&self, path: &[u8], seen: Seen) {
        if let Some(i) = self.before.find(path) {
            self.confirmed[i].store(false, Ordering::Relaxed);
        }
        self.shard(path).insert(path.to_vec(), Look { seen, doubted: false });
    }

    pub(super) fn note(&self, path: &[u8], stamp: Option<Stamp>) {
        if let Some(i) = self.before.find(path) {
            let before = self.before.seen(i);
            if before.settled && before.stamp == stamp {
                return self.confirmed[i].store(true, Ordering::Relaxed);
            }
        }
        // Whatever is judged by it, the build looked at it after it had begun.
        let settled = stamp.is_none_or(|stamp| stamp.settled_at(self.began));
        self.see(path, Seen { stamp, digest: None, settled });
    }

    pub(super) fn see(&self, path: &[u8], seen: Seen) {
        let mut now = self.shard(path);
        let Some(look) = now.get_mut(path) else {
            now.insert(path.to_vec(), Look { seen, doubted: false });
            return;
        };
        let before = look.seen;
        let same_content = before.digest.zip(seen.digest).is_none_or(|(before, now)| before == now);
        if before.stamp != seen.stamp || !same_content {
            self.flipped.get_mut().insert(path.to_vec());
        }
        if before.stamp != seen.stamp {
            *look = Look { seen, doubted: false };
            return;
        }
        look.doubted &= seen.digest.is_none();
        look.seen.digest = seen.digest.or(before.digest);
        look.seen.settled |= seen.settled;
    }
}
