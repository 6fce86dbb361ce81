//! What a remote has brought so far: a file of sums, beside what else is remembered of it.
//!
//! The file is the text of [`HEAD`], [`FIELDS`] sums of eight bytes each, and the first four bytes of the SHA-1 of all
//! that. It is replaced as a whole, under a lock of its own. What is damaged begins anew: no build depends on it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percache::Digest;
use percache::base::clock::{Micros, Time};
use percache::base::codec::{DecodeError, Decoder, Encode};
use percache::base::files::{self, Durability};
use percache::base::lock::{FileLock, this_process};

const HEAD: &[u8] = b"percache totals 1\n";
const FIELDS: usize = 8;
/// How long a build waits for another one that adds to the sums.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sums over all builds that used the store of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// When the first of them was added.
    pub since: Time,
    /// Results that came from the remote.
    pub hits: u64,
    /// Results that it was asked for in vain.
    pub misses: u64,
    /// Results that it has and that were not used.
    pub refused: u64,
    /// Bytes of contents that came.
    pub fetched: u64,
    /// How long the commands of those that came took where they ran.
    pub saved: Micros,
    /// Results that were written to it.
    pub uploaded: u64,
    /// Bytes of contents that were written to it.
    pub sent: u64,
}

impl Totals {
    /// Reads the sums in `dir`. Returns `None` if there are none, or none that can be read.
    pub fn read(dir: &Path) -> Option<Totals> {
        decode(&fs::read(path(dir)).ok()?).ok()
    }

    /// Adds what one build, or one command, has brought to the sums in `dir`.
    ///
    /// # Errors
    /// When they cannot be written; they are then as they were.
    pub fn add(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let lock = FileLock::acquire(&dir.join("totals.lock"), &this_process(), PATIENCE, &mut |_| ());
        let _lock = lock.map_err(io::Error::other)?;
        let before = Totals::read(dir).unwrap_or(Totals { since: Time::now(), ..Totals::default() });
        files::replace(&path(dir), &encode(&before.plus(self)), Durability::Volatile)
    }

    /// Returns whether there is nothing to add.
    pub fn is_nothing(&self) -> bool {
        *self == Totals { since: self.since, ..Totals::default() }
    }

    fn plus(&self, more: &Totals) -> Totals {
        Totals {
            since: self.since,
            hits: self.hits.saturating_add(more.hits),
            misses: self.misses.saturating_add(more.misses),
            refused: self.refused.saturating_add(more.refused),
            fetched: self.fetched.saturating_add(more.fetched),
            saved: Micros::new(self.saved.get().saturating_add(more.saved.get())),
            uploaded: self.uploaded.saturating_add(more.uploaded),
            sent: self.sent.saturating_add(more.sent),
        }
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("totals")
}

fn encode(totals: &Totals) -> Vec<u8> {
    let Totals { since, hits, misses, refused, fetched, saved, uploaded, sent } = totals;
    let mut to = HEAD.to_vec();
    to.time(*since);
    [*hits, *misses, *refused, *fetched].into_iter().for_each(|sum| to.u64(sum));
    to.micros(*saved);
    [*uploaded, *sent].into_iter().for_each(|sum| to.u64(sum));
    let check = Digest::of(&to);
    to.extend_from_slice(&check.as_bytes()[..4]);
    to
}

fn decode(bytes: &[u8]) -> Result<Totals, DecodeError> {
    const DAMAGED: DecodeError = DecodeError("the sums are damaged");
    let (body, check) = bytes.split_at_checked(HEAD.len() + 8 * FIELDS).ok_or(DAMAGED)?;
    if Digest::of(body).as_bytes()[..4] != *check {
        return Err(DAMAGED);
    }
    let mut from = Decoder::new(body.strip_prefix(HEAD).ok_or(DAMAGED)?);
    Ok(Totals {
        since: from.time()?,
        hits: from.u64()?,
        misses: from.u64()?,
        refused: from.u64()?,
        fetched: from.u64()?,
        saved: from.micros()?,
        uploaded: from.u64()?,
        sent: from.u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Totals {
        let since = Time::from_millis(1);
        let saved = Micros::new(6);
        Totals { since, hits: 2, misses: 3, refused: 4, fetched: 5, saved, uploaded: 7, sent: 8 }
    }

    #[test]
    fn the_encoding_is_pinned() {
        let encoded = encode(&some());
        assert_eq!(decode(&encoded), Ok(some()));
        assert_eq!(Digest::of(&encoded).to_string(), "eca25f5315191a2fd66cfd9f6e9f0bf7eda5b4c8");
    }

    #[test]
    fn what_builds_bring_adds_up_even_at_the_same_time() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("remote");
        assert_eq!(Totals::read(&dir), None);
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| some().add(&dir).unwrap()))));
        let sum = Totals::read(&dir).unwrap();
        assert_eq!((sum.hits, sum.saved, sum.sent), (16, Micros::new(48), 64));
    }

    #[test]
    fn damage_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        for at in [0, HEAD.len() + 9, HEAD.len() + 8 * FIELDS] {
            some().add(dir.path()).unwrap();
            let mut bytes = fs::read(path(dir.path())).unwrap();
            bytes[at] ^= 1;
            fs::write(path(dir.path()), bytes).unwrap();
            assert_eq!(Totals::read(dir.path()), None);
        }
        some().add(dir.path()).unwrap();
        assert_eq!(Totals::read(dir.path()).unwrap().hits, 2);
    }
}
