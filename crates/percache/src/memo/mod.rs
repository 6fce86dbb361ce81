//! Memoized functions: results that outlive the process.
//!
//! | folder or file | its one idea |
//! | --- | --- |
//! | [`key`] | what identifies a call: its function, its package, its arguments |
//! | [`kept`] | which part of what a function returns is kept |
//! | [`waiting`] | one computation for each key: who computes, who waits, for whom and how long |
//! | [`results`] | results in the back-end and in memory, and what removes, checks and counts them |
//! | [`calls`] | what users call, and how a result is found or computed |
//! | `cache`, `builder`, `open`, `default` | a cache: its settings, opening it, the default one |
//! | `shared`, `handle` | what all clones of a cache share, for each process anew |
//!
//! Results live in a [`Backend`](crate::backend::Backend). Only `open` knows of databases, and nothing here of tasks or the terminal.

#[cfg(not(feature = "rocksdb"))]
mod absent;
mod builder;
mod cache;
pub mod calls;
mod default;
mod handle;
pub mod kept;
pub mod key;
mod open;
pub mod results;
mod shared;
pub mod waiting;

pub use builder::CacheBuilder;
pub use cache::{Cache, Error};
pub use calls::entry::{AsyncCallEntry, CallEntry, FunctionCache};
pub use calls::fallible::MemoizedResult;
pub use calls::fallible_async::MemoizedResultAsync;
pub use calls::refresh::Spawned;
pub use calls::wrap::Memoized;
pub use calls::wrap_async::MemoizedAsync;
#[cfg(not(feature = "user-cache"))]
pub use default::DefaultCache;
#[cfg(feature = "user-cache")]
pub use default::{default_cache, set_default_cache};
pub use key::origin::Origin;
pub use waiting::begin::{Begun, Lead, Wait};
