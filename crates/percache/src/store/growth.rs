//! How the store grew: what each result added to it when it was made.
//!
//! Tells of what is in the store now; what was removed since is not counted.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::db::engine::{EngineError, View};
use crate::store::layout::{CHUNKED_ABOVE, INDEX, RESULTS, Sizes, kind, list_from};
use crate::store::record::{Content, StoredResult};

/// A result, and what it added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// When it was made.
    pub created: Time,
    /// What produced it.
    pub label: String,
    /// Bytes, as stored, of the blobs that no older result refers to.
    pub added: u64,
}

/// Every result, the oldest first.
pub fn growth(view: &dyn View) -> Result<Vec<Growth>, EngineError> {
    let mut results: Vec<(Time, String, Vec<Content>)> = Vec::new();
    view.scan(RESULTS, &[kind::RESULT], &mut |_, value| {
        if let Ok(result) = StoredResult::decode(value) {
            let contents = result.contents().collect();
            results.push((result.created, result.label, contents));
        }
        ControlFlow::Continue(())
    })?;
    results.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    // Taken out by the first result that refers to them.
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    view.scan(INDEX, &[kind::SIZES], &mut |key, value| {
        if let (Some(digest), Some(size)) = (Digest::from_slice(&key[1..]), Sizes::from_bytes(value)) {
            sizes.insert(digest, u64::from(size.stored));
        }
        ControlFlow::Continue(())
    })?;
    let mut lists: HashMap<Digest, Vec<Digest>> = HashMap::new();
    view.scan(INDEX, &[kind::LIST], &mut |key, value| {
        if let (Some(digest), Some(list)) = (Digest::from_slice(&key[1..]), list_from(value)) {
            lists.insert(digest, list);
        }
        ControlFlow::Continue(())
    })?;
    let mut grown = Vec::with_capacity(results.len());
    for (created, label, contents) in results {
        let mut added = 0;
        for content in contents {
            match lists.remove(&content.digest) {
                Some(list) if content.length > CHUNKED_ABOVE => {
                    added += list.iter().filter_map(|digest| sizes.remove(digest)).sum::<u64>();
                }
                _ => added += sizes.remove(&content.digest).unwrap_or(0),
            }
        }
        grown.push(Growth { created, label, added });
    }
    Ok(grown)
}
