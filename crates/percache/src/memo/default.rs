//! The cache that functions use which name none: one per user, and always on disk.

#[cfg(feature = "user-cache")]
pub use of_the_user::{default_cache, set_default_cache};

#[cfg(feature = "user-cache")]
mod of_the_user {
    use std::path::Path;
    use std::sync::OnceLock;

    use etcetera::BaseStrategy;

    use crate::memo::cache::{Cache, Error};

    static DEFAULT: OnceLock<Cache> = OnceLock::new();

    /// Returns the default cache: the one set by [`set_default_cache`], or that of the user, in the directory where the
    /// system keeps caches (on Linux, below `$XDG_CACHE_HOME/percache` or `~/.cache/percache`: the database
    /// `functions`, or without the feature `rocksdb` the files in `functions-files`).
    ///
    /// If that cannot be opened, results last as long as the process, and a warning is logged.
    pub fn default_cache() -> &'static Cache {
        DEFAULT.get_or_init(|| {
            let opened = match etcetera::choose_base_strategy() {
                Ok(strategy) => open(&strategy.cache_dir().join("percache")).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            opened.unwrap_or_else(|error| {
                log::warn!(
                    "percache: the user's cache cannot be opened: {error}; results last as long as this process"
                );
                Cache::in_memory()
            })
        })
    }

    /// Sets the cache that [`default_cache`] gives. Fails with `cache` when it is already in use.
    pub fn set_default_cache(cache: Cache) -> Result<(), Cache> {
        DEFAULT.set(cache)
    }

    #[cfg(feature = "rocksdb")]
    fn open(dir: &Path) -> Result<Cache, Error> {
        Cache::open(dir.join("functions"))
    }

    /// In a directory of its own: other programs of the user may have a database in `functions`.
    #[cfg(not(feature = "rocksdb"))]
    fn open(dir: &Path) -> Result<Cache, Error> {
        Cache::open_files(dir.join("functions-files"))
    }
}

/// The cache of a function that names none, for `#[memoize]`.
#[cfg(feature = "user-cache")]
pub fn cache_of_no_name((): ()) -> &'static crate::Cache {
    default_cache()
}

/// The same without a cache that outlives the process: a function that names none does not compile. It would silently
/// compute everything anew in each run.
///
/// ```compile_fail,E0277
/// #[percache::memoize]
/// fn double(n: u64) -> u64 {
///     2 * n
/// }
/// ```
#[cfg(not(feature = "user-cache"))]
pub fn cache_of_no_name<D: DefaultCache>(default: D) -> &'static crate::Cache {
    default.opened()
}

/// Implemented by nothing.
#[cfg(not(feature = "user-cache"))]
#[diagnostic::on_unimplemented(
    message = "without the feature `user-cache` of percache there is no default cache",
    label = "this function names no cache",
    note = "name one with `#[memoize(cache = CACHE)]`, or enable the feature"
)]
pub trait DefaultCache {
    #[doc(hidden)]
    fn opened(self) -> &'static crate::Cache;
}
