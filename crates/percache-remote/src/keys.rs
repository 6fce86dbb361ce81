//! The names of results and path sets on a remote: SHA-256 over the same labelled parts as the local keys.
//!
//! Whoever knows the parts feeds them, in their canonical encoding, to a [`KeyBuilder`]. The name of the digest function
//! and the version of the format are a part of every key, so two versions of percache never take each other's records
//! for their own.

use percache::base::codec::{Encode, Sink};

use crate::digest::{Hasher, Sha256};

/// What stands in front of every key: who names, what, by which function, and the version of the format.
const FINGERPRINT: &str = "percache remote fingerprint 1 sha256";
const ACTION: &str = "percache remote action 1 sha256";

/// The name of everything that is known about a task before it runs; path sets lie under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FingerprintKey(pub Sha256);

/// The name of one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionKey(pub Sha256);

impl FingerprintKey {
    /// Computes the key of the parts that `feed` encodes.
    pub fn of(feed: impl FnOnce(&mut dyn Sink)) -> FingerprintKey {
        FingerprintKey(labelled(FINGERPRINT, feed))
    }
}

impl ActionKey {
    /// Computes the key of the result that has this fingerprint and the discovered inputs that `feed` encodes.
    pub fn of(fingerprint: &FingerprintKey, feed: impl FnOnce(&mut dyn Sink)) -> ActionKey {
        let fingerprint = fingerprint.0;
        ActionKey(labelled(ACTION, |sink| {
            sink.raw(&fingerprint.0);
            feed(sink);
        }))
    }
}

fn labelled(label: &str, feed: impl FnOnce(&mut dyn Sink)) -> Sha256 {
    let mut hasher = Hasher::new();
    hasher.text(label);
    feed(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_pinned() {
        let fingerprint = FingerprintKey::of(|sink| sink.text("cc"));
        let action = ActionKey::of(&fingerprint, |sink| sink.text("a.h"));
        assert_eq!(fingerprint.0.to_string(), "901180bab8faa9b8f66a538a08ed541308d21041b01081e1e1e4adb17ee5d08e");
        assert_eq!(action.0.to_string(), "c1b1e58d79e5b5c7f0a4a6a13c99665e2f80761cdc20ef16fedf4932d00d45dc");
    }

    #[test]
    fn what_is_fed_and_what_it_is_a_key_of_matter() {
        let one = FingerprintKey::of(|sink| sink.text("cc"));
        assert_ne!(one, FingerprintKey::of(|sink| sink.text("c++")));
        let without = ActionKey::of(&one, |_| ());
        assert_ne!(without.0, one.0);
        assert_ne!(without, ActionKey::of(&one, |sink| sink.text("a.h")));
        assert_ne!(without, ActionKey::of(&FingerprintKey(without.0), |_| ()));
    }
}
