//! percache never computes the same thing twice: a persistent cache for the results of functions and of tasks.
//!
//! Modules stand in order: each uses only what stands above it.

pub mod codec;
pub mod digest;
pub mod engine;
pub mod lock;
pub mod memory;
#[cfg(feature = "rocksdb")]
pub mod rocks;

pub mod store;

pub use digest::Digest;
