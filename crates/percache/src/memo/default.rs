//! The cache that functions use which name none: one per user.

use std::sync::OnceLock;

use crate::memo::cache::Cache;

static DEFAULT: OnceLock<Cache> = OnceLock::new();

/// The default cache: the one set by [`set_default_cache`], or that of the user, in the directory where the system keeps caches
/// (`$XDG_CACHE_HOME/percache/functions` or `~/.cache/percache/functions` on Linux).
///
/// If that cannot be opened, results last as long as the process, and a warning is logged.
pub fn default_cache() -> &'static Cache {
    DEFAULT.get_or_init(of_the_user)
}

/// Sets the cache that [`default_cache`] gives. Fails with `cache` when it is already in use.
pub fn set_default_cache(cache: Cache) -> Result<(), Cache> {
    DEFAULT.set(cache)
}

#[cfg(all(feature = "user-cache", feature = "rocksdb"))]
fn of_the_user() -> Cache {
    use etcetera::BaseStrategy;

    let opened = match etcetera::choose_base_strategy() {
        Ok(strategy) => Cache::open(strategy.cache_dir().join("percache").join("functions")).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    opened.unwrap_or_else(|error| {
        log::warn!("percache: the user's cache cannot be opened: {error}; results last as long as this process");
        Cache::in_memory()
    })
}

#[cfg(not(all(feature = "user-cache", feature = "rocksdb")))]
fn of_the_user() -> Cache {
    Cache::in_memory()
}
