//! How much is in the store.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::base::clock::Time;
use crate::db::engine::{EngineError, View};
use crate::store::layout::{INDEX, RESULTS, Sizes, kind, time_from};
use crate::store::record::{ResultKey, StoredResult};

/// Counts, sizes in bytes, times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of results.
    pub results: u64,
    /// Number of blobs.
    pub blobs: u64,
    /// Length of all outputs and logs together, each as often as a result refers to it.
    pub logical: u64,
    /// Length of all blobs as stored: each once, compressed.
    pub stored: u64,
    /// The earliest and the latest last use of a result.
    pub used: Option<(Time, Time)>,
}

/// Goes through the store. `used` tells of uses that the store does not know of.
pub fn stats(view: &dyn View, used: &HashMap<ResultKey, Time>) -> Result<Stats, EngineError> {
    let mut stats = Stats::default();
    let recorded = times_of_use(view)?;
    view.scan(RESULTS, &[kind::RESULT], &mut |key, value| {
        if let Some(key) = ResultKey::from_bytes(&key[1..])
            && let Ok(result) = StoredResult::decode(value)
        {
            stats.results += 1;
            // What a damaged record says of lengths may be anything.
            let lengths = result.contents().map(|content| content.length);
            stats.logical = lengths.fold(stats.logical, u64::saturating_add);
            let last = last_use(&key, &result, &recorded, used);
            let (first, latest) = stats.used.unwrap_or((last, last));
            stats.used = Some((first.min(last), latest.max(last)));
        }
        ControlFlow::Continue(())
    })?;
    view.scan(INDEX, &[kind::SIZES], &mut |_, value| {
        if let Some(sizes) = Sizes::from_bytes(value) {
            stats.blobs += 1;
            stats.stored += u64::from(sizes.stored);
        }
        ControlFlow::Continue(())
    })?;
    Ok(stats)
}

/// Returns when each result was last written or read. `used` tells of uses that the store does not know of.
pub fn last_uses(view: &dyn View, used: &HashMap<ResultKey, Time>) -> Result<HashMap<ResultKey, Time>, EngineError> {
    let (mut last, recorded) = (HashMap::new(), times_of_use(view)?);
    view.scan(RESULTS, &[kind::RESULT], &mut |key, value| {
        if let (Some(key), Ok(result)) = (ResultKey::from_bytes(&key[1..]), StoredResult::decode(value)) {
            last.insert(key, last_use(&key, &result, &recorded, used));
        }
        ControlFlow::Continue(())
    })?;
    Ok(last)
}

/// The times of use that the store has recorded.
pub(super) fn times_of_use(view: &dyn View) -> Result<HashMap<ResultKey, Time>, EngineError> {
    let mut times = HashMap::new();
    view.scan(RESULTS, &[kind::USED], &mut |key, value| {
        if let (Some(key), Some(time)) = (ResultKey::from_bytes(&key[1..]), time_from(value)) {
            times.insert(key, time);
        }
        ControlFlow::Continue(())
    })?;
    Ok(times)
}

/// When a result was last written or read.
pub(super) fn last_use(
    key: &ResultKey,
    result: &StoredResult,
    recorded: &HashMap<ResultKey, Time>,
    told: &HashMap<ResultKey, Time>,
) -> Time {
    let of = |times: &HashMap<ResultKey, Time>| times.get(key).copied().unwrap_or_default();
    result.created.max(of(recorded)).max(of(told))
}
