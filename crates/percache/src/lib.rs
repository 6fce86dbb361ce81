//! percache never computes the same thing twice: a persistent cache for the results of functions and of tasks.
//!
//! Modules stand in order: each uses only what stands above it.

pub mod codec;
pub mod digest;
pub mod engine;
mod exit;
pub mod lock;
pub mod memory;
#[cfg(feature = "rocksdb")]
pub mod rocks;

pub mod backend;
pub mod memo;
pub mod store;

pub use backend::{Backend, BackendError};
pub use digest::Digest;
pub use memo::function::{Code, Function, Key};
pub use memo::{Cache, CacheBuilder, Error, Memoized, default_cache, set_default_cache};
#[cfg(feature = "macros")]
pub use percache_macros::{memoize, tracked};

#[doc(hidden)]
pub use memo::attribute as __private;
