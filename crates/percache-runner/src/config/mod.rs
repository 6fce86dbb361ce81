//! From the text of `percache.toml` and its members to a checked [`Workspace`](crate::model::Workspace).
//!
//! In steps, each a file: find the root (`discover`), read the files (`files`), types and keys (`raw`), placeholders (`stated`),
//! instances (`expand`), tasks (`build`), names (`resolve`), checks (`check_outputs`, `cycles`); `load` is the table of contents. Every
//! mistake of every file is collected with its place (`report`). `schema` describes the same format for editors; `kept` remembers the result. Knows nothing of the terminal and of running anything.

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
