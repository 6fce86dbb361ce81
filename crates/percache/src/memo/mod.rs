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
//! | [`collect`], [`verify`], [`stats`] | removing, checking and counting |
//! | `cache`, `wrap`, `fallible`, `default` | what users see |
//! | [`begin`] | the same for other languages and executors: bytes, and duties instead of closures |
//!
//! Results live in a [`Backend`](crate::backend::Backend). Knows nothing of databases, of tasks or of the terminal.

pub mod attribute;
pub mod begin;
mod cache;
mod claim;
mod clock;
pub mod collect;
mod default;
pub mod encoding;
mod fallible;
mod flight;
pub mod function;
mod handle;
mod hot;
pub mod identity;
pub mod keep;
mod key_builder;
mod names;
mod patience;
#[cfg(unix)]
mod range_lock;
#[cfg(not(unix))]
#[path = "range_lock/other.rs"]
mod range_lock;
pub mod record;
mod resolve;
pub mod shape;
mod shared;
pub mod stats;
mod timer;
pub mod verify;
mod vital;
mod waits;
mod wrap;

pub use begin::{Begun, Lead, Wait};
pub use cache::{Cache, CacheBuilder, Error};
pub use default::{default_cache, set_default_cache};
pub use fallible::MemoizedResult;
pub use wrap::Memoized;
