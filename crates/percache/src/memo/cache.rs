//! The cache as users see it: [`Cache`] and the options it is opened with.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Backend, BackendError, MemoryBackend};
use crate::fork;
use crate::memo::claim::Claims;
use crate::memo::clock::Clock;
use crate::memo::collect::{Removed, Rules};
use crate::memo::encoding::EncodingError;
use crate::memo::fallible::MemoizedResult;
use crate::memo::flight::Flights;
use crate::memo::function::{Function, Key};
use crate::memo::handle::Handle;
use crate::memo::hot::Hot;
use crate::memo::identity::Package;
use crate::memo::keep::{Everything, Keep, NoErrors, OnlyOk};
use crate::memo::shared::{Call, Shared};
use crate::memo::stats::{Entry, FunctionStats, Stats};
use crate::memo::verify::Verified;
use crate::memo::wrap::{Callable, Memoized};

/// What the hot layer holds unless told otherwise.
const HOT_BYTES: usize = 64 << 20;

/// Why something that was asked of a cache was not done. Calls of memoized functions never fail with it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error("the cache cannot be used: {0}")]
    Backend(#[from] BackendError),
    /// A value that cannot be serialised.
    #[error("the value cannot be kept: {0}")]
    Encoding(#[from] EncodingError),
}

/// A persistent cache for the results of any number of functions. Clones share it; the last one that is dropped makes everything
/// permanent.
///
/// ```
/// # fn main() -> Result<(), percache::Error> {
/// use percache::Cache;
///
/// let cache = Cache::in_memory(); // or Cache::open("results.cache")?
/// let slow = cache.wrap("slow", |n: u64| n * n);
/// assert_eq!(slow.call(12), 144); // computed
/// assert_eq!(slow.call(12), 144); // found
/// let stats = cache.stats()?;
/// assert_eq!((stats.results, stats.hits, stats.misses), (1, 1, 1));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cache {
    pub(crate) shared: Handle,
    /// Of what is wrapped and called by name.
    package: Option<Package>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

/// How a cache is opened. Made by [`Cache::builder`].
#[derive(Clone, Debug)]
pub struct CacheBuilder {
    live_sync: bool,
    maxage: Option<Duration>,
    max_size: Option<u64>,
    wait_timeout: Option<Duration>,
    hot_bytes: usize,
    clock: Clock,
    claims: Option<PathBuf>,
}

impl CacheBuilder {
    /// Whether each result becomes permanent before its function returns (slow: some 30 ms for each). Otherwise results become
    /// permanent within a second or so, and in any case on `sync`, `close`, drop and exit.
    pub fn live_sync(mut self, live_sync: bool) -> CacheBuilder {
        self.live_sync = live_sync;
        self
    }

    /// Results that are older are computed again, unless their function says otherwise.
    pub fn maxage(mut self, maxage: Duration) -> CacheBuilder {
        self.maxage = Some(maxage);
        self
    }

    /// When results take more than so many bytes, the least recently used go.
    pub fn max_size(mut self, bytes: u64) -> CacheBuilder {
        self.max_size = Some(bytes);
        self
    }

    /// How many bytes of recently used results are held in memory: 64 MiB unless told otherwise; 0 for none.
    pub fn hot_bytes(mut self, bytes: usize) -> CacheBuilder {
        self.hot_bytes = bytes;
        self
    }

    /// Where the time comes from, for tests.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> CacheBuilder {
        self.clock = Clock::Custom(Arc::new(clock));
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

    /// The directory of the lock file by which processes that share the cache compute nothing twice.
    /// [`CacheBuilder::open`] needs none to be named; other back-ends that are shared between processes should have
    /// one.
    pub fn claims(mut self, dir: impl Into<PathBuf>) -> CacheBuilder {
        self.claims = Some(dir.into());
        self
    }

    /// A cache on RocksDB in the directory `path`, which is made if need be.
    #[cfg(feature = "rocksdb")]
    pub fn open(mut self, path: impl Into<PathBuf>) -> Result<Cache, Error> {
        let path = path.into();
        let backend = crate::backend::DatabaseBackend::open(&path)?;
        self.claims.get_or_insert_with(|| path.join("claims"));
        Ok(self.backend(backend))
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
            max_size: self.max_size,
            wait_timeout: self.wait_timeout,
            size: Default::default(),
            hits: Default::default(),
            misses: Default::default(),
            noted: Default::default(),
            warned: Default::default(),
            closed: Default::default(),
            names: Default::default(),
        });
        Cache { shared, package: None }
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
            claims: None,
        }
    }

    /// The cache in the directory `path`, which is made if need be. Several processes may use it at the same time.
    #[cfg(feature = "rocksdb")]
    pub fn open(path: impl Into<PathBuf>) -> Result<Cache, Error> {
        Cache::builder().open(path)
    }

    /// Makes the database of the cache in the directory `path` anew from everything in it that can still be read and is whole: for one
    /// that [`Cache::open`] or [`Cache::verify`] cannot read.
    #[cfg(feature = "rocksdb")]
    pub fn salvage(path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        use crate::backend::Table;
        let sound = |table, value: &[u8]| table != Table::Results || crate::memo::record::is_intact(value);
        Ok(crate::backend::DatabaseBackend::salvage(path.as_ref(), &sound)?)
    }

    /// A cache on another back-end.
    pub fn with_backend(backend: impl Backend + 'static) -> Cache {
        Cache::builder().backend(backend)
    }

    /// A cache that lasts as long as the process.
    pub fn in_memory() -> Cache {
        Cache::with_backend(MemoryBackend::new())
    }

    /// The same cache, in which the callables of other packages may have the names that callables have here.
    ///
    /// Names alone identify what is wrapped, so that programs which open the same cache share results on purpose. Where strangers meet,
    /// as in the default cache of the user, they should not: `default_cache().for_package(percache::package!())`.
    pub fn for_package(&self, package: Package) -> Cache {
        Cache { shared: self.shared.clone(), package: Some(package) }
    }

    /// The function of this name.
    pub(crate) fn function(&self, name: impl Into<Cow<'static, str>>) -> Function {
        match self.package {
            Some(package) => Function::new(name).package(package),
            None => Function::new(name),
        }
    }

    /// A callable whose results are kept under `name`. The name is all that tells it from the other callables of this cache; a second
    /// callable of the same name is reported as an error in the log, and its results are not kept. Neither are errors.
    ///
    /// ```
    /// # let cache = percache::Cache::in_memory();
    /// let add = cache.wrap("add", |(a, b): (u64, u64)| a + b).version("2");
    /// assert_eq!(add.call((1, 2)), 3);
    /// ```
    #[track_caller]
    pub fn wrap<A, R, F>(&self, name: impl Into<String>, compute: F) -> Memoized<A, R, F>
    where
        A: Serialize,
        R: Serialize + DeserializeOwned,
        F: Callable<A, R>,
    {
        Memoized::new(self.clone(), name.into(), compute, NoErrors)
    }

    /// As [`Cache::wrap`], for callables whose errors are not serialisable: of the results only `Ok` is kept. Callers that wait for the
    /// same result get the same error, if it can be cloned.
    ///
    /// ```
    /// # let cache = percache::Cache::in_memory();
    /// let parse = cache.wrap_result("parse", |text: &str| text.parse::<u64>());
    /// assert!(parse.call("x").is_err()); // computed each time
    /// assert_eq!(parse.call("7"), Ok(7)); // kept
    /// ```
    #[track_caller]
    pub fn wrap_result<A, T, E, F>(&self, name: impl Into<String>, compute: F) -> MemoizedResult<A, T, E, F>
    where
        A: Serialize,
        T: Serialize + DeserializeOwned,
        F: Callable<A, Result<T, E>>,
    {
        MemoizedResult::new(Memoized::new(self.clone(), name.into(), compute, OnlyOk))
    }

    /// The result of calling `name` with `arguments`: found, or `compute`d and kept, unless it is an error.
    ///
    /// ```
    /// # let cache = percache::Cache::in_memory();
    /// let length = cache.call("length", &("some", "text"), || 8);
    /// assert_eq!(length, 8);
    /// ```
    pub fn call<A, R>(&self, name: &str, arguments: &A, compute: impl FnOnce() -> R) -> R
    where
        A: Serialize + ?Sized,
        R: Serialize + DeserializeOwned,
    {
        let function = self.function(name.to_owned());
        match function.key(arguments) {
            Ok(key) => self.run(&function, "", key, &NoErrors, compute),
            Err(error) => {
                log::warn!("percache: arguments of {name} cannot be told apart: {error}");
                compute()
            }
        }
    }

    /// What all other ways to call come down to: the result under `key`, found or `compute`d.
    ///
    /// `path` names the instance that is called, if `function` is generic or a method; what is kept of the result is up to `keep`.
    pub fn run<R, K: Keep<R>>(
        &self,
        function: &Function,
        path: &str,
        key: Key,
        keep: &K,
        compute: impl FnOnce() -> R,
    ) -> R {
        self.shared.resolve(Call { function, path, key }, keep, compute)
    }

    /// As [`Cache::run`], for futures. Needs no particular executor and does not block it while others compute.
    pub async fn run_async<R, K: Keep<R>>(
        &self,
        function: &Function,
        path: &str,
        key: Key,
        keep: &K,
        compute: impl Future<Output = R>,
    ) -> R {
        self.shared.resolve_async(Call { function, path, key }, keep, compute).await
    }

    /// The result under `key`, if there is one of this type.
    pub fn get<T: Serialize + DeserializeOwned>(&self, key: Key) -> Option<T> {
        let function = Function::new("");
        self.shared.find(Call { function: &function, path: "", key }, &Everything).map(|(_, value)| value)
    }

    /// Keeps `value` as the result of `function` under `key`.
    ///
    /// ```
    /// # fn main() -> Result<(), percache::Error> {
    /// # let cache = percache::Cache::in_memory();
    /// let function = percache::Function::new("answer");
    /// let key = function.key(&())?;
    /// cache.put(&function, key, &42u8)?;
    /// assert_eq!(cache.get(key), Some(42u8));
    /// cache.remove(key)?;
    /// assert_eq!(cache.get::<u8>(key), None);
    /// # Ok(()) }
    /// ```
    pub fn put<T: Serialize + DeserializeOwned>(&self, function: &Function, key: Key, value: &T) -> Result<(), Error> {
        self.shared.put(Call { function, path: "", key }, value, &Everything)
    }

    /// Removes the result under `key`; that there is none is no error.
    pub fn remove(&self, key: Key) -> Result<(), Error> {
        self.shared.remove(&key.0)?;
        if self.shared.live_sync {
            self.shared.backend.sync()?;
        }
        Ok(())
    }

    /// Removes all results, or those that were neither written nor read for `maxage`, and gives their space back.
    pub fn clear(&self, maxage: Option<Duration>) -> Result<Removed, Error> {
        match maxage {
            Some(_) => self.collect(&Rules { maxage, ..Rules::default() }),
            None => {
                let removed = self.shared.remove_all()?;
                self.shared.backend.sync()?;
                Ok(removed)
            }
        }
    }

    /// Removes what `rules` say, and gives its space back.
    pub fn collect(&self, rules: &Rules) -> Result<Removed, Error> {
        let removed = self.shared.collect(rules)?;
        if !rules.dry_run {
            self.shared.backend.sync()?;
        }
        Ok(removed)
    }

    /// Reads every result and checks it; with `repair`, removes what is damaged.
    pub fn verify(&self, repair: bool) -> Result<Verified, Error> {
        Ok(self.shared.verify(repair)?)
    }

    /// Figures about the whole cache.
    pub fn stats(&self) -> Result<Stats, Error> {
        Ok(self.shared.stats()?)
    }

    /// Figures about each function, by name.
    pub fn functions(&self) -> Result<Vec<FunctionStats>, Error> {
        Ok(self.shared.functions()?)
    }

    /// All results without their values, the one used last first.
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        Ok(self.shared.entries()?)
    }

    /// Makes everything permanent: results, and when they were last used.
    pub fn sync(&self) -> Result<(), Error> {
        Ok(self.shared.sync()?)
    }

    /// Makes everything permanent and lets go of the store. Functions that still use this cache afterwards compute what is not in memory.
    pub fn close(self) -> Result<(), Error> {
        Ok(self.shared.close()?)
    }
}
