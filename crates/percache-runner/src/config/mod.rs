//! The configuration: from the text of `percache.toml` and its members to a validated
//! [`Workspace`](crate::model::Workspace).
//!
//! Knows nothing of the terminal or of running anything. The files, in the order of the steps:
//!
//! | file | its one idea |
//! | --- | --- |
//! | `load` | The order of the steps |
//! | `discover` | Finding the root and the store |
//! | `files` | Reading the root file and its members |
//! | `members` | Which directories are members |
//! | `keys` | The keys of every table, each stated once |
//! | `raw`, `reader` | Types and keys of the TOML text |
//! | `settings` | What the root file says for all tasks |
//! | `templates` | What tasks take over from templates and `[workspace]` |
//! | `sense` | Keys that make no sense together |
//! | `stated`, `placeholder`, `stray` | Placeholders, located in every text |
//! | `expand` | Instances of `foreach` and `matrix` |
//! | `inputs` | What `inputs` and `external` name |
//! | `server` | Servers, and when they are ready |
//! | `pools` | What tasks take of pools |
//! | `late` | Paths in a command that are known only when it runs |
//! | `build`, `bind`, `shell` | Tasks, with placeholders filled in and quoted |
//! | `resolve` | Names in `deps` and `default` |
//! | `check_outputs`, `cycles` | Checks between tasks |
//! | `report` | Collected mistakes, each with its place |
//! | `schema` | The JSON Schema of the same format, for editors |
//! | `kept` | A cache of the loaded workspace, and of what every build says about it |

mod bind;
mod build;
mod check_outputs;
mod cycles;
mod discover;
mod expand;
mod files;
mod inputs;
mod kept;
mod keys;
mod late;
mod load;
mod members;
mod placeholder;
mod pools;
mod raw;
mod reader;
mod report;
mod resolve;
mod schema;
mod sense;
mod server;
mod settings;
mod shell;
mod stated;
mod stray;
mod templates;

pub use discover::{DiscoverError, Location, discover, is_broken, likely_stores, store_dir, usual_store};
pub use files::{FILE_NAME, stated};
pub use kept::{Slips, keep, kept};
pub use late::fill_in;
pub use load::{Request, load};
pub use schema::schema;

#[cfg(test)]
mod tests;
