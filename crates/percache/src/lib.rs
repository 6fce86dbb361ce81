//! percache never computes the same thing twice: a persistent cache for the results of functions and of tasks.
//!
#![cfg_attr(feature = "rocksdb", doc = "```")]
#![cfg_attr(not(feature = "rocksdb"), doc = "```ignore")]
//! use percache::{Cache, memoize};
//! use std::{env, sync::LazyLock};
//!
//! static CACHE: LazyLock<Cache> =
//!     LazyLock::new(|| Cache::open(env::temp_dir().join("results.cache")).expect("a directory to write to"));
//!
//! #[memoize(cache = CACHE)] // without `cache`: in the default cache of this user
//! fn longtask(a: u64, b: u64) -> u64 {
//!     a + b
//! }
//!
//! assert_eq!(longtask(1, 2), 3); // computed
//! assert_eq!(longtask(1, 2), 3); // found, and found again by the next run of the program
//! ```
//!
//! - [`macro@memoize`] and [`Cache::wrap`] keep the results of functions and closures; `docs/memoize.md` tells all about it.
//! - [`Cache`] is where results are kept; [`Backend`] is what it takes to keep them somewhere else.
#![cfg_attr(feature = "store", doc = "- [`store`] holds the results of tasks, for the build tool `percache`.")]
//!
//! The lowest layer is `base`, then come `db`, `store` and `backend`, and `memo`: each uses only those below it.

pub mod backend;
pub mod base;
pub mod db;
pub mod memo;
#[cfg(feature = "store")]
pub mod store;

pub use backend::{Backend, BackendError};
pub use base::digest::Digest;
pub use base::exit::close_all;
#[cfg(not(feature = "user-cache"))]
#[doc(hidden)]
pub use memo::DefaultCache;
pub use memo::calls::attribute::{Argument, Kept};
pub use memo::key::function::{Code, Function, Key};
pub use memo::key::identity::Package;
pub use memo::{
    AsyncCallEntry, Begun, Cache, CacheBuilder, CallEntry, Error, FunctionCache, Memoized, MemoizedAsync,
    MemoizedResult, MemoizedResultAsync, Origin, Spawned,
};
#[cfg(feature = "user-cache")]
pub use memo::{default_cache, set_default_cache};
#[cfg(feature = "macros")]
pub use percache_macros::{memoize, tracked};

#[doc(hidden)]
pub use memo::calls::attribute as __private;

/// The examples of the manual are tests.
#[cfg(all(doctest, feature = "rocksdb", feature = "macros"))]
#[doc = include_str!("../../../docs/memoize.md")]
struct Manual;
