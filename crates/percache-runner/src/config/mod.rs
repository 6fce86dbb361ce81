//! The configuration: from the text of `percache.toml` and its members to a validated
//! [`Workspace`](crate::model::Workspace).
//!
//! Each step has its own file: find the root (`discover`), read the files (`files`), check types and keys (`raw`), find
//! placeholders (`stated`), expand instances (`expand`), make tasks (`build`), resolve names (`resolve`), and check the
//! result (`check_outputs`, `cycles`); `load` calls them in order. Mistakes are collected from every file, each with
//! its place (`report`). `schema` describes the same format for editors; `kept` caches the result. Knows nothing of the
//! terminal or of running anything.

mod bind;
mod build;
mod check_outputs;
mod cycles;
mod discover;
mod expand;
mod files;
mod kept;
mod load;
mod placeholder;
mod raw;
mod raw_task;
mod reader;
mod report;
mod resolve;
mod schema;
mod shell;
mod stated;
mod stray;

pub use discover::{DiscoverError, Location, discover, is_broken, likely_stores, store_dir};
pub use files::{FILE_NAME, stated};
pub use kept::{keep, kept};
pub use load::{Request, load};
pub use schema::schema;

#[cfg(test)]
mod tests;
