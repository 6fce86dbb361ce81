//! The cache as users see it: [`Cache`].

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Backend, BackendError, MemoryBackend};
use crate::memo::calls::fallible::MemoizedResult;
use crate::memo::calls::wrap::{Callable, Memoized};
use crate::memo::handle::Handle;
use crate::memo::kept::keep::{Everything, Keep, NoErrors, OnlyOk};
use crate::memo::key::about::{About, Described};
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::key::identity::Package;
use crate::memo::key::origin::Origin;
use crate::memo::results::collect::{Removed, Rules};
use crate::memo::results::stats::{Entry, FunctionStats, Stats};
use crate::memo::results::verify::Verified;
use crate::memo::shared::Call;

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

impl Cache {
    /// The cache of this handle.
    pub(crate) fn of(shared: Handle) -> Cache {
        Cache { shared, package: None }
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
            Ok(key) => {
                let about = About::new();
                let keep = Described::new(NoErrors, &about);
                let described = || {
                    about.note(self, arguments);
                    compute()
                };
                self.run(&function, "", key, &keep, described)
            }
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

    /// Removes the result under `key`; that there is none is no error. Other processes learn of it from
    /// [`Cache::sync`], within a tenth of a second.
    pub fn remove(&self, key: Key) -> Result<(), Error> {
        self.shared.remove(&key.0)?;
        if self.shared.live_sync {
            self.shared.sync_backend()?;
        }
        Ok(())
    }

    /// Removes all results, or those that were neither written nor read for `maxage`, and gives their space back.
    /// Other processes, which may have them in memory, learn of it within a tenth of a second.
    pub fn clear(&self, maxage: Option<Duration>) -> Result<Removed, Error> {
        match maxage {
            Some(_) => self.collect(&Rules { maxage, ..Rules::default() }),
            None => {
                let removed = self.shared.remove_all()?;
                self.shared.sync_backend()?;
                Ok(removed)
            }
        }
    }

    /// Removes all results of all functions of this name, in whatever package and of whatever code and version, and gives their space
    /// back. The name is as [`Cache::functions`] shows it; each instance of a generic function is a function of its own.
    ///
    /// To clear one function of a cache that several packages share, use [`FunctionCache::clear`](crate::FunctionCache::clear) or
    /// [`Memoized::clear`].
    pub fn clear_function(&self, name: &str) -> Result<Removed, Error> {
        self.clear_functions(name, None)
    }

    /// Removes all results of the functions of this name; with an origin, of the one that has it.
    pub(crate) fn clear_functions(&self, name: &str, origin: Option<&Origin>) -> Result<Removed, Error> {
        let removed = self.shared.remove_function(name, origin)?;
        self.shared.sync_backend()?;
        Ok(removed)
    }

    /// Removes what `rules` say, and gives its space back.
    pub fn collect(&self, rules: &Rules) -> Result<Removed, Error> {
        let removed = self.shared.collect(rules)?;
        if !rules.dry_run {
            self.shared.removed.fetch_or(removed.results > 0, Ordering::Relaxed);
            self.shared.sync_backend()?;
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

    /// Figures about each function, by name and by what it belongs to.
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
