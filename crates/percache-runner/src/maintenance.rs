//! Maintenance: `gc`, `clear`, `stats`, `verify`, with what the worktrees know of uses.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use percache::claim;
use percache::engine::EngineError;
use percache::files::{self, Durability};
use percache::store::gc::{Collected, Policy, collect, preview};
use percache::store::record::Time;
use percache::store::stats::{Stats, stats};
use percache::store::writer::PATIENCE;
use percache::store::{Store, now};
use percache::tail;

use crate::fs::displaced;
use crate::model::CacheSettings;
use crate::worktree::Worktree;
use crate::worktree::journal::Journal;
use crate::worktree::last_used;

/// Automatic gc happens at most this often.
const AUTOMATIC: Duration = Duration::from_secs(24 * 60 * 60);
/// It compacts only when at least this share of the store went: rewriting the rest costs more than a little garbage.
const WORTHWHILE: f64 = 0.1;
/// What applies when `[cache]` says nothing: a cache must not grow without a bound.
pub const DEFAULT_MAXAGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The bound.
pub const DEFAULT_MAXSIZE: u64 = 20 << 30;

/// Why maintenance did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The store.
    #[error("the store cannot be used: {0}")]
    Engine(#[from] EngineError),
    /// Its directory.
    #[error("the store's directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// What is to go.
#[derive(Default)]
pub struct Request<'a> {
    /// Results not used for this long.
    pub maxage: Option<Duration>,
    /// The least recently used above this size in bytes.
    pub maxsize: Option<u64>,
    /// Only results whose task this is true of; without `maxage` all of them.
    pub only: Option<&'a dyn Fn(&str) -> bool>,
    /// Only say what would go.
    pub dry_run: bool,
    /// See [`Policy::worthwhile`].
    pub worthwhile: f64,
}

/// What went, and the size of the store's directory in bytes on disk before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What went.
    pub collected: Collected,
    /// Before.
    pub before: u64,
    /// After; the same in a dry run.
    pub after: u64,
    /// How many displaced files went, or would go.
    pub displaced: usize,
}

/// Removes results, then what nothing refers to.
pub fn gc(store: &Store, dir: &Path, request: &Request<'_>) -> Result<Report, MaintenanceError> {
    let before = disk_usage(dir);
    let displaced = expire_displaced(dir, request)?;
    if !tail::or_database_exists(dir) {
        return Ok(Report { collected: Collected::default(), before, after: disk_usage(dir), displaced });
    }
    let used = last_used::gather(dir)?;
    let policy = Policy {
        unused_since: request.maxage.map(|age| now().saturating_sub(age.as_millis() as u64)),
        maxsize: request.maxsize,
        only: request.only,
        used: &used,
        worthwhile: request.worthwhile,
    };
    if request.dry_run {
        return Ok(Report { collected: preview(store.engine(), &policy)?, before, after: before, displaced });
    }
    // First, so that no journal is believed that names a result which is about to go.
    advance_epoch(dir)?;
    let collected = collect(store.engine(), &policy, PATIENCE)?;
    // And once more: a build that began in between has found results that are gone by now.
    advance_epoch(dir)?;
    last_used::forget(dir)?;
    // What somebody may want back outlives the worktree that it is of.
    let is_over = |worktree: &&Worktree| {
        (worktree.is_abandoned() || is_spent(worktree, policy.unused_since)) && !worktree.displaced().exists()
    };
    for worktree in Worktree::all(dir)?.iter().filter(is_over) {
        worktree.remove()?;
    }
    sweep_leftovers(dir);
    Ok(Report { collected, before, after: disk_usage(dir), displaced })
}

/// Removes files that were displaced longer ago than results may be unused, if that is asked for all tasks. Returns how many.
fn expire_displaced(dir: &Path, request: &Request<'_>) -> Result<usize, MaintenanceError> {
    let Some(age) = request.maxage.filter(|_| request.only.is_none()) else { return Ok(0) };
    let before = now().saturating_sub(age.as_millis() as u64);
    let mut count = 0;
    for worktree in Worktree::all(dir)? {
        count += displaced::expire(&worktree.displaced(), before, request.dry_run)?;
    }
    Ok(count)
}

/// Removes the claims of processes that were killed, and files that they did not get into their place. That one stays is no matter.
fn sweep_leftovers(dir: &Path) {
    let old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > AUTOMATIC))
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

/// Whether this belongs to a single command that was not used since then. Of a workspace, the journal says which outputs are percache's
/// own; there it stays.
fn is_spent(worktree: &Worktree, unused_since: Option<Time>) -> bool {
    let last_use = last_used::last_use(&worktree.journal()).unwrap_or(0);
    worktree.is_single() && unused_since.is_some_and(|since| last_use < since)
}

/// gc after a build, if it is time; `None` if it is not.
pub fn automatic_gc(store: &Store, dir: &Path, settings: &CacheSettings) -> Result<Option<Report>, MaintenanceError> {
    let stamp = dir.join("last-gc");
    let age =
        fs::metadata(&stamp).and_then(|metadata| metadata.modified()).map(|at| SystemTime::now().duration_since(at));
    match age {
        // A time in the future is no reason never to do it again.
        Ok(Ok(age)) if age < AUTOMATIC => return Ok(None),
        Err(_) if !tail::or_database_exists(dir) => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // A new store: in a day.
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

/// Its modification time is when gc ran the last time.
fn note_gc(stamp: &Path) -> io::Result<()> {
    files::private().write(true).create(true).truncate(false).open(stamp)?.set_modified(SystemTime::now())
}

/// Whether a build should end with gc.
pub fn is_time_for_gc(dir: &Path) -> bool {
    let modified = fs::metadata(dir.join("last-gc")).and_then(|metadata| metadata.modified());
    !modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < AUTOMATIC))
}

/// The store's statistics, and how often all worktrees together found a result and did not.
pub fn statistics(store: &Store, dir: &Path) -> Result<(Stats, u64, u64), MaintenanceError> {
    let stats = stats(&*store.engine().view()?, &last_used::gather(dir)?)?;
    let (mut hits, mut misses) = (0, 0);
    for worktree in Worktree::all(dir)? {
        let journal = Journal::load(&worktree.journal());
        hits += journal.hits;
        misses += journal.misses;
    }
    Ok((stats, hits, misses))
}

/// Changes whenever results are removed: a journal of another epoch must ask the store.
pub fn epoch(dir: &Path) -> u64 {
    let bytes = fs::read(dir.join("epoch")).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// To be called before and after results are removed. An epoch never comes back, even when the file was lost in between: it is a time.
pub fn advance_epoch(dir: &Path) -> io::Result<()> {
    let next = epoch(dir).wrapping_add(1).max(now());
    files::replace(&dir.join("epoch"), &next.to_le_bytes(), Durability::Durable)
}

/// Bytes that a directory takes on disk, as `du` counts them.
pub fn disk_usage(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_usage(&entry.path()),
        Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
