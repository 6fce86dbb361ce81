//! How a cache is opened: [`CacheBuilder`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::backend::Backend;
use crate::base::fork;
use crate::memo::cache::Cache;
use crate::memo::calls::refresh::{Refreshes, Spawn, Spawned};
use crate::memo::handle::Handle;
use crate::memo::results::attachments::Attachments;
use crate::memo::results::cleared::Cleared;
use crate::memo::results::clock::Clock;
use crate::memo::results::hot::Hot;
use crate::memo::results::room::Room;
use crate::memo::shared::Shared;
use crate::memo::waiting::claim::Claims;
use crate::memo::waiting::flight::Flights;

/// What the hot layer holds unless told otherwise.
const HOT_BYTES: usize = 64 << 20;

/// How a cache is opened. Made by [`Cache::builder`].
#[derive(Clone)]
pub struct CacheBuilder {
    live_sync: bool,
    maxage: Option<Duration>,
    max_size: Option<u64>,
    wait_timeout: Option<Duration>,
    hot_bytes: usize,
    clock: Clock,
    close_at_exit: bool,
    pub(crate) claims: Option<PathBuf>,
    /// The directory of the cache, if it has one that other processes share.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) write_behind: bool,
    compress_above: Option<usize>,
    describes: bool,
    spawn: Option<Spawn>,
}

impl fmt::Debug for CacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("live_sync", &self.live_sync)
            .field("maxage", &self.maxage)
            .field("max_size", &self.max_size)
            .field("hot_bytes", &self.hot_bytes)
            .field("clock", &self.clock)
            .field("close_at_exit", &self.close_at_exit)
            .field("claims", &self.claims)
            .field("dir", &self.dir)
            .field("write_behind", &self.write_behind)
            .field("compress_above", &self.compress_above)
            .field("describe_arguments", &self.describes)
            .finish_non_exhaustive()
    }
}

impl Cache {
    /// Options to open a cache with.
    pub fn builder() -> CacheBuilder {
        CacheBuilder {
            live_sync: false,
            maxage: None,
            max_size: None,
            wait_timeout: None,
            hot_bytes: HOT_BYTES,
            clock: Clock::System,
            close_at_exit: true,
            claims: None,
            dir: None,
            write_behind: false,
            compress_above: None,
            describes: true,
            spawn: None,
        }
    }
}

impl CacheBuilder {
    /// Whether each result becomes permanent before its function returns (slow: some 30 ms for each). Otherwise results become
    /// permanent within a second or so, and in any case on `sync`, `close`, drop and exit.
    pub fn live_sync(mut self, live_sync: bool) -> CacheBuilder {
        self.live_sync = live_sync;
        self
    }

    /// Whether results in files ([`Cache::open_files`]) are written behind, as those in a database are: within a second
    /// or so, and in any case on `sync`, `close`, drop and exit; a process that is killed loses the last second.
    /// Otherwise each is written before its function returns, which takes as long as some twenty lookups, and longer on
    /// a network.
    pub fn write_behind(mut self, write_behind: bool) -> CacheBuilder {
        self.write_behind = write_behind;
        self
    }

    /// Results that are older are computed again, unless their function says otherwise.
    pub fn maxage(mut self, maxage: Duration) -> CacheBuilder {
        self.maxage = Some(maxage);
        self
    }

    /// When results take more than so many bytes, the least recently used go. All processes that open the same
    /// directory with a limit count together.
    pub fn max_size(mut self, bytes: u64) -> CacheBuilder {
        self.max_size = Some(bytes);
        self
    }

    /// How many bytes of recently used results are held in memory: 64 MiB unless told otherwise; 0 for none.
    pub fn hot_bytes(mut self, bytes: usize) -> CacheBuilder {
        self.hot_bytes = bytes;
        self
    }

    /// Results of at least so many bytes are compressed where they are stored, if that makes them smaller by an eighth or more. The memory
    /// layer holds them as they are. Nothing is compressed unless this is called: reading a compressed result from the store takes about
    /// as long again as checking it.
    #[cfg(feature = "compression")]
    pub fn compress_above(mut self, bytes: usize) -> CacheBuilder {
        self.compress_above = Some(bytes);
        self
    }

    /// Whether a summary of the arguments is kept with each result, for [`Cache::entries`] and `percache list --cache`: the first 200
    /// bytes or so, as text. It is, unless this is called with `false`; arguments that are skipped are never in it.
    pub fn describe_arguments(mut self, describe: bool) -> CacheBuilder {
        self.describes = describe;
        self
    }

    /// How futures are run that nobody waits for: `async` functions with `refresh_after` compute again ahead of time on them. For example
    /// `|future| drop(tokio::spawn(future))`. Without one, the caller that finds a result that old computes it again itself.
    pub fn spawner(mut self, spawn: impl Fn(Spawned) + Send + Sync + 'static) -> CacheBuilder {
        self.spawn = Some(Arc::new(spawn));
        self
    }

    /// Where the time comes from, for tests.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> CacheBuilder {
        self.clock = Clock::Custom(Arc::new(clock));
        self
    }

    /// Whether the cache is closed when the process exits by returning from `main` or by `exit`, which is what caches
    /// in statics need. Without it, percache registers nothing with the C library (`atexit`): call
    /// [`close_all`](crate::close_all) at the end.
    pub fn close_at_exit(mut self, close_at_exit: bool) -> CacheBuilder {
        self.close_at_exit = close_at_exit;
        self
    }

    /// For how long a caller waits at the most for what another thread, task or process computes already; then it
    /// computes as well.
    ///
    /// Without this, it waits as long as there is reason to believe that the other one gets ready: `docs/memoize.md`
    /// says how that is told.
    pub fn wait_timeout(mut self, timeout: Duration) -> CacheBuilder {
        self.wait_timeout = Some(timeout);
        self
    }

    /// The directory of the lock files by which processes that share the cache compute nothing twice.
    /// [`CacheBuilder::open`] and [`CacheBuilder::open_files`] need none to be named; other back-ends that are shared
    /// between processes should have one.
    pub fn claims(mut self, dir: impl Into<PathBuf>) -> CacheBuilder {
        self.claims = Some(dir.into());
        self
    }

    /// A cache on another back-end.
    pub fn backend(self, backend: impl Backend + 'static) -> Cache {
        fork::watch(None);
        let claims = self.claims.map(identified);
        let shared = Handle::new(Shared {
            generation: fork::generation(),
            backend: Arc::new(backend),
            hot: Hot::new(self.hot_bytes),
            flights: claims.as_ref().map_or_else(Arc::default, Flights::of),
            claims: claims.map(|dir| Claims::new(dir, self.wait_timeout)),
            clock: self.clock,
            live_sync: self.live_sync,
            maxage: self.maxage,
            room: self.max_size.map(|limit| Room::new(limit, self.dir.as_deref())),
            cleared: self.dir.as_deref().map(Cleared::new),
            attachments: self.dir.as_deref().map(Attachments::new),
            publishing: Default::default(),
            removed: Default::default(),
            compress_above: self.compress_above,
            describes: self.describes,
            refreshes: Refreshes::new(self.spawn),
            wait_timeout: self.wait_timeout,
            close_at_exit: self.close_at_exit,
            hits: Default::default(),
            misses: Default::default(),
            noted: Default::default(),
            warned: Default::default(),
            closed: Default::default(),
            names: Default::default(),
        });
        Cache::of(shared)
    }
}

/// The same directory, by the name that all have for it.
fn identified(dir: PathBuf) -> PathBuf {
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    match (dir.parent().map(std::fs::canonicalize), dir.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => dir,
    }
}
