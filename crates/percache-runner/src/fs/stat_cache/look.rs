//! What this build knows of each path, and the one place that changes it.
//!
//! ```text
//!           confirm              see, write
//! Unseen ───────────► Confirmed ────────────► Both
//!    │  see, write                               ▲
//!    └──────────────► Other ─────────────────────┘ confirm
//! ```
//!
//! Almost every path of a build is seen as the table says. That costs a bit and no lock. Only other states are in a map.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::fs::stat_table::{KnownFiles, Seen};
use crate::syntax::shown::shown_bytes;

use super::Observed;

const SHARDS: usize = 16;

/// What this build knows of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing: the path was not looked at.
    Unseen,
    /// The path was seen as the table says, and not otherwise.
    Confirmed(Seen),
    /// The path was not seen as the table says, but so.
    Other(Sight),
    /// The path was seen as the table says, and also so.
    Both(Sight),
}

/// A state seen in this build that differs from the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// The newest state.
    pub seen: Seen,
    /// Whether the digest must be made again before it is used.
    pub doubted: bool,
    /// Whether an earlier state was a different one, although percache did not write it.
    pub flipped: bool,
}

/// Something that happens to what is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The path was seen so.
    See(Seen),
    /// percache, or a command that it ran, has written the path: earlier states do not count any more.
    Write(Seen),
    /// A digest that was made when the file was too young must be made again.
    Doubt,
    /// Something was judged by another state, which was never there.
    Contradict,
}

impl Sight {
    /// Returns what is known of a path after a change.
    fn after(before: Option<Sight>, change: Change) -> Option<Sight> {
        let Some(before) = before else {
            return match change {
                Change::See(seen) | Change::Write(seen) => Some(Sight { seen, doubted: false, flipped: false }),
                Change::Doubt => None,
                Change::Contradict => {
                    let seen = Seen { stamp: None, digest: None, settled: false };
                    Some(Sight { seen, doubted: false, flipped: true })
                }
            };
        };
        Some(match change {
            Change::Write(seen) => Sight { seen, doubted: false, flipped: before.flipped },
            Change::Doubt => Sight { doubted: before.doubted || !before.seen.settled, ..before },
            Change::Contradict => Sight { flipped: true, ..before },
            Change::See(seen) if before.seen.stamp != seen.stamp => Sight { seen, doubted: false, flipped: true },
            Change::See(seen) => {
                let digest = seen.digest.or(before.seen.digest);
                let has_other_content = before.seen.digest.is_some() && digest != before.seen.digest;
                Sight {
                    seen: Seen { stamp: seen.stamp, digest, settled: before.seen.settled | seen.settled },
                    doubted: before.doubted && seen.digest.is_none(),
                    flipped: before.flipped || has_other_content,
                }
            }
        })
    }
}

type Shard = HashMap<Vec<u8>, Sight, RandomState>;

/// What this build knows of all paths. Shared by all threads.
pub(super) struct Looks<'a> {
    before: &'a KnownFiles,
    /// For each path in `before`, whether it was seen in this build exactly as the table says.
    confirmed: Vec<AtomicBool>,
    /// The states that differ from the table. Every job asks here for every file that changed; shards keep the jobs
    /// from waiting for one another.
    others: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl<'a> Looks<'a> {
    /// Knows nothing yet.
    pub fn new(before: &'a KnownFiles) -> Looks<'a> {
        Looks {
            before,
            confirmed: (0..before.len()).map(|_| AtomicBool::new(false)).collect(),
            others: Default::default(),
            hasher: RandomState::default(),
        }
    }

    fn shard(&self, path: &[u8]) -> MutexGuard<'_, Shard> {
        let shard = &self.others[self.hasher.hash_one(path) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of a path.
    pub fn get(&self, path: &[u8]) -> Look {
        let position = self.before.find(path);
        let confirmed = position.filter(|position| self.confirmed[*position].load(Ordering::Relaxed));
        match (confirmed, self.other(path)) {
            (None, None) => Look::Unseen,
            (Some(position), None) => Look::Confirmed(self.before.seen(position)),
            (None, Some(sight)) => Look::Other(sight),
            (Some(_), Some(sight)) => Look::Both(sight),
        }
    }

    /// Returns the state of a path that differs from the table.
    pub fn other(&self, path: &[u8]) -> Option<Sight> {
        self.shard(path).get(path).copied()
    }

    /// Returns whether a path has a state that differs from the table.
    pub fn has_other(&self, path: &[u8]) -> bool {
        self.shard(path).contains_key(path)
    }

    /// Notes that the path at a position of the table is as the table says.
    pub fn confirm(&self, position: usize) {
        self.confirmed[position].store(true, Ordering::Relaxed);
    }

    /// Changes what is known of a path.
    pub fn set(&self, path: &[u8], change: Change) {
        if let Change::Write(_) = change
            && let Some(position) = self.before.find(path)
        {
            self.confirmed[position].store(false, Ordering::Relaxed);
        }
        if let Change::See(seen) | Change::Write(seen) = change {
            debug_assert!(
                seen.stamp.is_some() || seen.digest.is_none(),
                "`{}` is content of nothing",
                shown_bytes(path)
            );
        }
        let mut shard = self.shard(path);
        match shard.get_mut(path) {
            Some(sight) => *sight = Sight::after(Some(*sight), change).unwrap_or(*sight),
            None => {
                if let Some(sight) = Sight::after(None, change) {
                    shard.insert(path.to_vec(), sight);
                }
            }
        }
    }

    /// Returns everything that was seen.
    pub fn into_observed(self) -> Observed {
        let (mut now, mut flipped) = (Vec::new(), HashSet::new());
        for shard in self.others {
            for (path, sight) in shard.into_inner().unwrap_or_else(PoisonError::into_inner) {
                if sight.flipped {
                    flipped.insert(path.clone());
                }
                now.push((path, sight.seen));
            }
        }
        now.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let confirmed = self.confirmed.into_iter().map(AtomicBool::into_inner).collect();
        Observed { confirmed, now, flipped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::stamp::Stamp;
    use crate::fs::stat_table::Builder;
    use percache::Digest;

    /// Returns two different stamps.
    fn stamps() -> [Option<Stamp>; 2] {
        let dir = tempfile::tempdir().unwrap();
        ["a", "bb"].map(|text| {
            std::fs::write(dir.path().join(text), text).unwrap();
            Stamp::at(&dir.path().join(text)).unwrap()
        })
    }

    fn seen(stamp: Option<Stamp>, digest: Option<&str>, settled: bool) -> Seen {
        Seen { stamp, digest: digest.map(|text| Digest::of(text.as_bytes())), settled }
    }

    fn after(changes: &[Change]) -> Option<Sight> {
        changes.iter().fold(None, |sight, change| Sight::after(sight, *change))
    }

    #[test]
    fn what_is_seen_twice_in_different_states_has_flipped_unless_percache_wrote_it() {
        use Change::{See, Write};
        let [one, other] = stamps();
        let flipped = |changes: &[Change]| after(changes).unwrap().flipped;
        assert!(!flipped(&[See(seen(one, None, true)), See(seen(one, Some("x"), true))]));
        assert!(flipped(&[See(seen(one, None, true)), See(seen(other, None, true))]));
        assert!(flipped(&[See(seen(one, Some("x"), true)), See(seen(one, Some("y"), true))]));
        assert!(!flipped(&[See(seen(one, Some("x"), true)), Write(seen(other, Some("y"), true))]));
        let flips = [See(seen(one, None, true)), See(seen(other, None, true)), Write(seen(one, None, true))];
        assert!(flipped(&flips), "and it stays so");
        assert!(flipped(&[Change::Contradict]), "it was never looked at");
        assert!(flipped(&[Write(seen(one, None, true)), Change::Contradict, Write(seen(other, None, true))]));
    }

    #[test]
    fn a_doubted_digest_is_made_again_and_only_one_that_is_not_settled_is_doubted() {
        use Change::{Doubt, See, Write};
        let [one, other] = stamps();
        let doubted = |changes: &[Change]| after(changes).unwrap().doubted;
        assert_eq!(after(&[Doubt]), None, "there is nothing to doubt");
        let young = See(seen(one, Some("x"), false));
        assert!(!doubted(&[young]) && doubted(&[young, Doubt]));
        assert!(!doubted(&[See(seen(one, Some("x"), true)), Doubt]));
        assert!(doubted(&[young, Doubt, See(seen(one, None, false))]), "a stamp alone says nothing");
        assert!(!doubted(&[young, Doubt, young]));
        assert!(!doubted(&[young, Doubt, See(seen(other, None, false))]));
        assert!(!doubted(&[young, Doubt, Write(seen(one, None, false))]));
        let settled = after(&[young, See(seen(one, None, true))]).unwrap().seen;
        assert_eq!(settled, seen(one, Some("x"), true), "what was known stays known");
    }

    #[test]
    fn the_table_and_what_differs_from_it_are_told_apart() {
        let [one, other] = stamps();
        let mut builder = Builder::default();
        builder.push(b"known", &seen(one, None, true));
        let table = builder.finish();
        let looks = Looks::new(&table);
        assert_eq!(looks.get(b"known"), Look::Unseen);
        looks.confirm(0);
        assert_eq!(looks.get(b"known"), Look::Confirmed(seen(one, None, true)));
        looks.set(b"known", Change::See(seen(other, None, true)));
        assert!(matches!(looks.get(b"known"), Look::Both(sight) if sight.seen.stamp == other));
        looks.set(b"known", Change::Write(seen(one, None, true)));
        assert!(matches!(looks.get(b"known"), Look::Other(sight) if sight.seen.stamp == one));
        assert_eq!((looks.get(b"new"), looks.has_other(b"known")), (Look::Unseen, true));
        looks.set(b"new", Change::Doubt);
        assert_eq!(looks.get(b"new"), Look::Unseen);
        let observed = looks.into_observed();
        assert_eq!((observed.confirmed, observed.now.len()), (vec![false], 1));
    }
}
