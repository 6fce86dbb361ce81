//! Figures about a cache: in total, per function, and per result. Knows no terminal; the texts are those of the original percache.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use crate::backend::BackendError;
use crate::base::digest::Digest;
use crate::memo::key::function::Key;
use crate::memo::key::origin::Origin;
use crate::memo::results::clock::{age, known_age};
use crate::memo::results::collect::Known;
use crate::memo::shared::Shared;

/// Figures about a whole cache. Its `Display` is what `percache stats --cache FILE` prints first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Number of results.
    pub results: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Results that this process found since it opened the cache.
    pub hits: u64,
    /// Results that this process had to compute since it opened the cache.
    pub misses: u64,
    /// How long ago the least recently used result was used (written or read); `None` of an empty cache, and if it
    /// is dated in the future.
    pub oldest_use: Option<Duration>,
    /// How long ago the most recently used result was used.
    pub latest_use: Option<Duration>,
}

/// Figures about one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionStats {
    /// Its name.
    pub name: String,
    /// What it belongs to; `None` of results that were kept by percache before it noted that.
    pub origin: Option<Origin>,
    /// In how many versions of its code there are results.
    pub versions: u64,
    /// Number of results.
    pub results: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How often they were found instead of computed, as far as that was synced.
    pub hits: u64,
    /// How long it would have taken to compute them that often.
    pub saved: Duration,
}

/// A result, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Name of the function.
    pub name: String,
    /// What the function belongs to; `None` of a result that was kept by percache before it noted that.
    pub origin: Option<Origin>,
    /// Digest of the function's code, if that is known.
    pub code: Option<Digest>,
    /// When it was computed.
    pub created: SystemTime,
    /// When it was last written or read.
    pub last_used: SystemTime,
    /// Its bytes.
    pub size: u64,
    /// How long it took to compute.
    pub cost: Duration,
    /// How often it was found instead.
    pub hits: u64,
    /// What the arguments were, cut off after some 200 bytes, with control characters escaped; `None` if that was not kept.
    pub arguments: Option<String>,
}

/// An age as the original printed it: in the largest of days, hours and minutes of which there are at least two, else in seconds.
pub fn format_age(age: Duration) -> String {
    let seconds = age.as_secs();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds / length > 1 {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Number of cached results : {}", self.results)?;
        match (self.oldest_use, self.latest_use) {
            (Some(oldest), Some(latest)) => {
                writeln!(f, "Oldest result usage age  : {}", format_age(oldest))?;
                write!(f, "Latest result usage age  : {}", format_age(latest))
            }
            _ if self.results > 0 => write!(f, "Their usage ages are unknown: they are dated in the future"),
            _ => write!(f, "The cache is empty"),
        }
    }
}

impl Shared {
    /// Figures about the whole cache.
    pub fn stats(&self) -> Result<Stats, BackendError> {
        let known = self.known()?;
        let now = self.clock.now();
        // What is dated in the future has no age that could be told.
        let ages = || known.iter().filter_map(|known| known_age(now, known.uses.last));
        Ok(Stats {
            results: known.len() as u64,
            bytes: known.iter().map(|known| known.entry.size).sum(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            oldest_use: ages().max(),
            latest_use: ages().min(),
        })
    }

    /// Figures about each function, by name and origin.
    pub fn functions(&self) -> Result<Vec<FunctionStats>, BackendError> {
        let mut functions: BTreeMap<(String, Option<Origin>), Vec<Known>> = BTreeMap::new();
        for known in self.known()? {
            functions.entry((known.entry.name.clone(), known.entry.origin.clone())).or_default().push(known);
        }
        Ok(functions
            .into_iter()
            .map(|((name, origin), known): (_, Vec<Known>)| function_stats(name, origin, &known))
            .collect())
    }

    /// Figures about one function; `None` if it has no results.
    pub fn function(&self, name: &str, origin: &Origin) -> Result<Option<FunctionStats>, BackendError> {
        let known: Vec<Known> =
            self.known()?.into_iter().filter(|known| known.entry.is_of(name, Some(origin))).collect();
        Ok((!known.is_empty()).then(|| function_stats(name.to_owned(), Some(origin.clone()), &known)))
    }

    /// All results, the one used last first.
    pub fn entries(&self) -> Result<Vec<Entry>, BackendError> {
        let mut known = self.known()?;
        let now = self.clock.now();
        known.sort_by_key(|known| (age(now, known.uses.last), known.key));
        Ok(known.into_iter().map(entry).collect())
    }
}

fn function_stats(name: String, origin: Option<Origin>, known: &[Known]) -> FunctionStats {
    let mut versions: Vec<_> = known.iter().map(|known| known.entry.code).collect();
    versions.sort_unstable();
    versions.dedup();
    let saved: u128 = known.iter().map(|known| u128::from(known.uses.hits) * u128::from(known.entry.cost)).sum();
    FunctionStats {
        name,
        origin,
        versions: versions.len() as u64,
        results: known.len() as u64,
        bytes: known.iter().map(|known| known.entry.size).sum(),
        hits: known.iter().map(|known| known.uses.hits).sum(),
        saved: Duration::from_nanos(u64::try_from(saved).unwrap_or(u64::MAX)),
    }
}

fn entry(known: Known) -> Entry {
    Entry {
        key: Key(known.key),
        name: known.entry.name,
        origin: known.entry.origin,
        code: known.entry.code,
        created: known.entry.created.into(),
        last_used: known.uses.last.into(),
        size: known.entry.size,
        cost: Duration::from_nanos(known.entry.cost),
        hits: known.uses.hits,
        arguments: known.entry.arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_printed_as_the_original_did() {
        let ages =
            [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (86_400, "24h"), (172_800, "2d")];
        for (seconds, text) in ages {
            assert_eq!(format_age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_text_is_that_of_the_original() {
        let seconds = |n| Some(Duration::from_secs(n));
        let stats =
            Stats { results: 16, bytes: 1, hits: 0, misses: 0, oldest_use: seconds(21), latest_use: seconds(0) };
        let text = "Number of cached results : 16\nOldest result usage age  : 21s\nLatest result usage age  : 0s";
        assert_eq!(stats.to_string(), text);
        let empty = Stats { results: 0, oldest_use: None, latest_use: None, ..stats };
        assert_eq!(empty.to_string(), "Number of cached results : 0\nThe cache is empty");
    }
}
