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
//! | to | there is |
//! | --- | --- |
//! | keep the results of a function | [`macro@memoize`]; [`macro@tracked`] for the helpers that it depends on |
//! | keep those of a closure, or of a function of others | [`Cache::wrap`] and [`Cache::wrap_result`], which give a [`Memoized`] and a [`MemoizedResult`]; `wrap_async` and `wrap_result_async` for futures |
//! | open a cache | [`Cache::open`], [`Cache::open_files`], [`Cache::in_memory`]; [`Cache::builder`] for limits, ages and waits |
//! | remove, refresh or look at one result, or all of a function | [`CallEntry`], [`AsyncCallEntry`], [`FunctionCache`]; [`Origin`] says whose a function is |
//! | look after a cache | [`Cache::stats`], [`Cache::entries`], [`Cache::clear`], [`Cache::verify`]; the types are in [`maintenance`] |
//! | end a process without `exit` | [`close_all`] |
//! | keep results elsewhere | [`Backend`], and those that are there in [`backend`] |
//! | call from another language or executor | [`Cache::call_bytes`], [`Cache::begin`] with [`Begun`], [`Lead`] and [`Wait`]; [`Function`], [`Package`] and [`Key`] identify a call |
//!
//! `docs/memoize.md` is the manual. Calls of memoized functions never fail because of the cache; what is asked of the cache itself fails
//! with an [`Error`].
//!
//! What else is public, below `memo` for example, is for the build tool `percache` and for the expansion of the attributes: it may change
//! with any version. The lowest layer is `base`, then come `db`, `store` and `backend`, and `memo`: each uses only those below it.

pub mod backend;
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod db;
// Not hidden: the compiler's messages would name its types by their whole paths.
pub mod memo;
#[cfg(feature = "store")]
#[doc(hidden)]
pub mod store;

pub use backend::{Backend, BackendError};
pub use base::digest::Digest;
pub use base::exit::close_all;
#[cfg(not(feature = "user-cache"))]
#[doc(hidden)]
pub use memo::DefaultCache;
pub use memo::calls::attribute::{Argument, Kept};
pub use memo::key::encoding::EncodingError;
pub use memo::key::function::{Code, Function, Key};
pub use memo::key::identity::Package;
pub use memo::{
    AsyncCallEntry, Begun, Cache, CacheBuilder, CallEntry, Error, FunctionCache, Lead, Memoized, MemoizedAsync,
    MemoizedResult, MemoizedResultAsync, Origin, Spawned, Told, Wait,
};
#[cfg(feature = "user-cache")]
pub use memo::{default_cache, set_default_cache};
#[cfg(feature = "macros")]
pub use percache_macros::{memoize, tracked};

/// What a cache says of its results, and which of them are to go.
pub mod maintenance {
    pub use crate::memo::results::collect::{Removed, Rules};
    pub use crate::memo::results::stats::{Entry, FunctionStats, Stats};
    pub use crate::memo::results::verify::Verified;
}

#[doc(hidden)]
pub use memo::calls::attribute as __private;

/// The examples of the manual are tests.
#[cfg(all(doctest, feature = "rocksdb", feature = "macros"))]
#[doc = include_str!("../../../docs/memoize.md")]
struct Manual;
