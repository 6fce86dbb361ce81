//! What a stored result is the result of, told from nothing but what was hashed into its key.
//!
//! Whoever takes results from a file believes no key that stands in it, but computes all of them from this.

use percache::store::id::{ActionKey, Fingerprint};
use percache::store::manifest::PathSet;

use crate::action::remote::{Names, RemoteKey};
use crate::key::fingerprint::Parts;

/// The names of a result, by different functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The fingerprint, as the store has it.
    pub fingerprint: Fingerprint,
    /// The action, as the store has it.
    pub action: ActionKey,
    /// The action, as it is shared.
    pub shared: RemoteKey,
    /// The discovered inputs, if it can have any.
    pub paths: Option<PathSet>,
}

/// Computes the names of a result from what was hashed into its key; `None` if the bytes are no such thing.
pub fn identify(names: &dyn Names, parts: &[u8]) -> Option<Identity> {
    let (known, discovered) = Parts::decode(parts).ok()?.divide();
    let fingerprint = known.fingerprint();
    let shared = names.action(&names.fingerprint(&|sink| known.feed(sink)), &|sink| discovered.feed(sink));
    let paths = known.finds_inputs().then(|| discovered.paths());
    Some(Identity { fingerprint, action: discovered.action(&fingerprint), shared, paths })
}
