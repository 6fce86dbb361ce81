//! Memoized functions: results that outlive the process.
//!
//! | module | its one idea |
//! | --- | --- |
//! | [`encoding`] | any serde value as canonical, typed bytes |
//! | [`function`] | what identifies a function, and the keys of its results |
//! | [`identity`] | which package a function belongs to |
//! | `key_builder` | the key of a call, argument by argument |
//! | [`record`] | what is stored of a result |
//! | [`keep`], [`shape`] | which part of what a function returns is kept; the rules that its type chooses |
//! | `names` | no two callables under one name |
//! | `hot` | recently used results in memory |
//! | `waits`, `patience`, `timer`, `vital` | who waits for whom; how long, and whether in vain |
//! | `flight`, `range_lock`, `claim` | one computation per key: among threads, among processes |
//! | `shared`, `handle`, `resolve` | finding and storing; for each process; found, or computed once |
//! | `room`, `cleared` | what processes tell each other: how much they have stored, that results were removed |
//! | `refresh` | computing again what is still good, and keeping what cannot be computed again |
//! | `compress` | large results on their way to the back-end |
//! | `about`, `summary` | what is kept of the arguments, for people |
//! | [`collect`], [`verify`], [`stats`] | removing, checking and counting |
//! | `operation` | what else a function can be asked to do with a call |
//! | `cache`, `open`, `wrap`, `wrap_async`, `fallible`, `fallible_async`, `ahead`, `entry`, `default` | what users see |
//! | [`begin`] | the same for other languages and executors: bytes, and duties instead of closures |
//!
//! Results live in a [`Backend`](crate::backend::Backend). Knows nothing of databases, of tasks or of the terminal.

mod about;
#[cfg(not(feature = "rocksdb"))]
mod absent;
mod ahead;
pub mod attribute;
pub mod begin;
mod cache;
mod claim;
mod cleared;
mod clock;
pub mod collect;
mod compress;
mod default;
pub mod encoding;
mod entry;
mod fallible;
mod fallible_async;
mod flight;
pub mod function;
mod handle;
mod hot;
pub mod identity;
pub mod keep;
mod key_builder;
mod names;
mod open;
mod operation;
mod patience;
#[cfg(unix)]
mod range_lock;
#[cfg(not(unix))]
#[path = "range_lock/other.rs"]
mod range_lock;
pub mod record;
mod refresh;
mod resolve;
mod room;
pub mod shape;
mod shared;
pub mod stats;
mod summary;
mod timer;
pub mod verify;
mod vital;
mod waits;
mod wrap;
mod wrap_async;

pub use begin::{Begun, Lead, Wait};
pub use cache::{Cache, CacheBuilder, Error};
#[cfg(not(feature = "user-cache"))]
pub use default::DefaultCache;
#[cfg(feature = "user-cache")]
pub use default::{default_cache, set_default_cache};
pub use entry::{AsyncCallEntry, CallEntry, FunctionCache};
pub use fallible::MemoizedResult;
pub use fallible_async::MemoizedResultAsync;
pub use refresh::Spawned;
pub use wrap::Memoized;
pub use wrap_async::MemoizedAsync;
