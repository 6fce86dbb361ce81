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
//! | [`collect`], [`verify`], [`stats`] | removing, checking and counting |
//! | `cache`, `open`, `wrap`, `default` | what users see |
//!
//! Results live in a [`Backend`](crate::backend::Backend). Knows nothing of databases, of tasks or of the terminal.

#[cfg(not(feature = "rocksdb"))]
mod absent;
pub mod attribute;
mod cache;
mod claim;
mod cleared;
mod clock;
pub mod collect;
mod default;
pub mod encoding;
mod flight;
pub mod function;
mod hot;
pub mod keep;
mod open;
pub mod record;
mod resolve;
mod room;
mod shared;
pub mod stats;
pub mod verify;
mod wrap;

pub use cache::{Cache, CacheBuilder, Error};
#[cfg(feature = "user-cache")]
pub use default::{default_cache, set_default_cache};
pub use wrap::Memoized;
