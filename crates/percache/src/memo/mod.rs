//! Memoized functions: results that outlive the process.
//!
//! | module | its one idea |
//! | --- | --- |
//! | [`encoding`] | any serde value as canonical, typed bytes |
//! | [`function`] | what identifies a function, and the keys of its results |
//! | [`record`] | what is stored of a result |
//! | [`keep`] | which part of what a function returns is kept |
//! | `hot` | recently used results in memory |
//! | `flight`, `claim` | one computation per key: among threads, among processes |
//! | `shared`, `resolve` | finding and storing; found, or computed once |
//! | `room`, `cleared` | what processes tell each other: how much they have stored, that results were removed |
//! | `refresh` | computing again what is still good, and keeping what cannot be computed again |
//! | `compress` | large results on their way to the back-end |
//! | `about`, `summary` | what is kept of the arguments, for people |
//! | [`collect`], [`verify`], [`stats`] | removing, checking and counting |
//! | `operation` | what else a function can be asked to do with a call |
//! | `cache`, `open`, `wrap`, `wrap_async`, `entry`, `default` | what users see |
//!
//! Results live in a [`Backend`](crate::backend::Backend). Knows nothing of databases, of tasks or of the terminal.

mod about;
#[cfg(not(feature = "rocksdb"))]
mod absent;
pub mod attribute;
mod cache;
mod claim;
mod cleared;
mod clock;
pub mod collect;
mod compress;
mod default;
pub mod encoding;
mod entry;
mod flight;
pub mod function;
mod hot;
pub mod keep;
mod open;
mod operation;
pub mod record;
mod refresh;
mod resolve;
mod room;
mod shared;
pub mod stats;
mod summary;
pub mod verify;
mod wrap;
mod wrap_async;

pub use cache::{Cache, CacheBuilder, Error};
#[cfg(feature = "user-cache")]
pub use default::{default_cache, set_default_cache};
pub use entry::{AsyncCallEntry, CallEntry, FunctionCache};
pub use refresh::Spawned;
pub use wrap::Memoized;
pub use wrap_async::MemoizedAsync;
