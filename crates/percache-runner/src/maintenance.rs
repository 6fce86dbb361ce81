//! Maintenance of the store: `gc`, `clear` and `stats`, including the uses that worktrees have noted.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use percache::base::claim;
use percache::base::clock::{self, Time};
use percache::base::files::{self, Durability};
use percache::db::engine::EngineError;
use percache::db::tail;
use percache::store::Store;
use percache::store::gc::{Collected, Policy, collect, preview};
use percache::store::record::ResultKey;
use percache::store::stats::{self, Stats};
use percache::store::writer::PATIENCE;

use crate::fs::displaced::{self, Amount};
use crate::model::CacheSettings;
use crate::worktree::Worktree;
use crate::worktree::displaced::in_store;
use crate::worktree::journal::Journal;
use crate::worktree::last_used;

/// The minimum time between automatic gcs.
const AUTOMATIC: Duration = Duration::from_secs(24 * 60 * 60);
/// The share of the store that must have been removed for automatic gc to compact it: rewriting the rest costs more
/// than a little garbage.
const WORTHWHILE: f64 = 0.1;
/// The default of `maxage`: a cache must not grow without limit.
pub const DEFAULT_MAXAGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The default of `maxsize`.
pub const DEFAULT_MAXSIZE: u64 = 20 << 30;

/// Why maintenance failed.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// An error of the store.
    #[error("the store cannot be used: {0}")]
    Engine(#[from] EngineError),
    /// An error of the store's directory.
    #[error("the store's directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// What to remove.
#[derive(Default)]
pub struct Request<'a> {
    /// Remove results that were not used for this long.
    pub maxage: Option<Duration>,
    /// Then remove the least recently used results until the store is below this size in bytes.
    pub maxsize: Option<u64>,
    /// Remove only results of tasks for which this is true; without `maxage`, all of them.
    pub only: Option<&'a dyn Fn(&str) -> bool>,
    /// Only report what would be removed.
    pub dry_run: bool,
    /// See [`Policy::worthwhile`].
    pub worthwhile: f64,
}

/// What was removed, and the size of the store's directory in bytes on disk before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was removed.
    pub collected: Collected,
    /// The size before.
    pub before: u64,
    /// The size after; the same in a dry run.
    pub after: u64,
    /// The displaced files that were removed, or would be.
    pub displaced: Amount,
    /// The displaced files that remain. They do not count towards the size of the store.
    pub displaced_left: Amount,
}

/// Removes results, and then everything that nothing refers to.
pub fn gc(store: &Store, dir: &Path, request: &Request<'_>) -> Result<Report, MaintenanceError> {
    let before = disk_usage(dir);
    let (displaced, displaced_left) = expire_displaced(dir, request)?;
    if !tail::or_database_exists(dir) {
        return Ok(Report {
            collected: Collected::default(),
            before,
            after: disk_usage(dir),
            displaced,
            displaced_left,
        });
    }
    let used = last_used::gather(dir)?;
    let policy = Policy {
        unused_since: request.maxage.map(|age| Time::now().saturating_sub(age)),
        maxsize: request.maxsize,
        only: request.only,
        used: &used,
        worthwhile: request.worthwhile,
    };
    if request.dry_run {
        let collected = preview(store.engine(), &policy)?;
        return Ok(Report { collected, before, after: before, displaced, displaced_left });
    }
    // This comes first, so that no journal is trusted that names a result which is about to be removed.
    advance_epoch(dir)?;
    let collected = collect(store.engine(), &policy, PATIENCE)?;
    // And again, because a build that began in between may have found results that are gone now.
    advance_epoch(dir)?;
    last_used::forget(dir)?;
    let is_over = |worktree: &&Worktree| worktree.is_abandoned() || is_spent(worktree, policy.unused_since);
    for worktree in Worktree::all(dir)?.iter().filter(is_over) {
        worktree.remove()?;
    }
    sweep_leftovers(dir);
    Ok(Report { collected, before, after: disk_usage(dir), displaced, displaced_left })
}

/// Removes files that were displaced longer ago than results may be unused, if the request is for all tasks. Returns
/// what was removed, and what is left. Nothing else ever removes displaced files, not even a size limit.
fn expire_displaced(dir: &Path, request: &Request<'_>) -> io::Result<(Amount, Amount)> {
    let age = request.maxage.filter(|_| request.only.is_none());
    let before = age.map(|age| Time::now().saturating_sub(age));
    let (mut went, mut left) = (Amount::default(), Amount::default());
    for place in in_store(dir, None)? {
        // What cannot be read cannot be counted, and prevents nobody from using the store.
        let all = displaced::measure(&place.dir).unwrap_or_default();
        let old =
            before.map_or(Ok(Amount::default()), |before| displaced::expire(&place.dir, before, request.dry_run))?;
        went.add(old);
        left.add(Amount { files: all.files - old.files.min(all.files), bytes: all.bytes - old.bytes.min(all.bytes) });
    }
    Ok((went, left))
}

/// Returns how much is displaced in all worktrees of a store.
pub fn displaced(dir: &Path) -> io::Result<Amount> {
    Ok(expire_displaced(dir, &Request::default())?.1)
}

/// Removes the claims and temporary files of processes that were killed. It does not matter if one remains.
fn sweep_leftovers(dir: &Path) {
    let old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|at| clock::now().duration_since(at).is_ok_and(|age| age > AUTOMATIC))
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if files::is_temporary(&entry.path()) && old(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
    for entry in fs::read_dir(dir.join("claims")).into_iter().flatten().flatten() {
        claim::clear(&entry.path(), "gc");
    }
}

/// Returns whether this belongs to a single command that was not used since then. The directory of a workspace remains,
/// because its journal says which outputs are percache's own.
fn is_spent(worktree: &Worktree, unused_since: Option<Time>) -> bool {
    let last_use = last_used::last_use(&worktree.journal()).unwrap_or_default();
    worktree.is_single() && unused_since.is_some_and(|since| last_use < since)
}

/// Runs gc after a build, if it is due; otherwise returns `None`.
pub fn automatic_gc(store: &Store, dir: &Path, settings: &CacheSettings) -> Result<Option<Report>, MaintenanceError> {
    let stamp = dir.join("last-gc");
    let age = fs::metadata(&stamp).and_then(|metadata| metadata.modified()).map(|at| clock::now().duration_since(at));
    match age {
        // A time in the future must not prevent gc for ever.
        Ok(Ok(age)) if age < AUTOMATIC => return Ok(None),
        Err(_) if !tail::or_database_exists(dir) => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // The store is new; run gc in a day.
            note_gc(&stamp)?;
            return Ok(None);
        }
        _ => {}
    }
    note_gc(&stamp)?;
    let request = Request {
        maxage: Some(settings.maxage.unwrap_or(DEFAULT_MAXAGE)),
        maxsize: Some(settings.maxsize.unwrap_or(DEFAULT_MAXSIZE)),
        worthwhile: WORTHWHILE,
        ..Request::default()
    };
    gc(store, dir, &request).map(Some)
}

/// Sets the modification time of the stamp, which is the time of the last gc.
fn note_gc(stamp: &Path) -> io::Result<()> {
    files::private().write(true).create(true).truncate(false).open(stamp)?.set_modified(clock::now())
}

/// Returns whether a build should end with gc.
pub fn is_time_for_gc(dir: &Path) -> bool {
    let modified = fs::metadata(dir.join("last-gc")).and_then(|metadata| metadata.modified());
    !modified.is_ok_and(|at| clock::now().duration_since(at).is_ok_and(|age| age < AUTOMATIC))
}

/// Returns the store's statistics, and the total number of hits and misses of all worktrees.
pub fn statistics(store: &Store, dir: &Path) -> Result<(Stats, u64, u64), MaintenanceError> {
    let stats = stats::stats(&*store.engine().view()?, &last_used::gather(dir)?)?;
    let (mut hits, mut misses) = (0, 0);
    for worktree in Worktree::all(dir)? {
        let journal = Journal::load(&worktree.journal());
        hits += journal.hits;
        misses += journal.misses;
    }
    Ok((stats, hits, misses))
}

/// Returns when each result of a store was last written or read.
pub fn last_uses(store: &Store, dir: &Path) -> Result<HashMap<ResultKey, Time>, MaintenanceError> {
    Ok(stats::last_uses(&*store.engine().view()?, &last_used::gather(dir)?)?)
}

/// Returns the epoch, which changes whenever results are removed: a journal of another epoch must ask the store.
pub fn epoch(dir: &Path) -> u64 {
    let bytes = fs::read(dir.join("epoch")).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// Changes the epoch. Must be called before and after results are removed. An epoch is never reused, even if its file
/// was lost in between, because it is a time.
pub fn advance_epoch(dir: &Path) -> io::Result<()> {
    let next = epoch(dir).wrapping_add(1).max(Time::now().as_millis());
    files::replace(&dir.join("epoch"), &next.to_le_bytes(), Durability::Durable)
}

/// Returns the bytes that a directory takes on disk, as `du` counts them.
pub fn disk_usage(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_usage(&entry.path()),
        Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
