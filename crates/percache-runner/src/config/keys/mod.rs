//! The keys of percache.toml: their names, types, defaults and descriptions, each stated once.
//!
//! The reader, the schema for editors, "did you mean" and the tests of the documentation follow from these tables.
//! Knows nothing of what the keys do.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `table` | What is known about a key |
//! | `types` | How a value is read, described in the schema, and merged |
//! | `command`, `matrix`, `ready` | The same for the keys with a type of their own |
//! | `remote` | The keys of `[remote]` |
//! | `sections` | The tables of a file, and the types of their keys |
//! | `task` | The keys of `[task.NAME]` |
//! | `workspace` | The keys of the file, of `[workspace]` and of `[cache]` |

mod command;
mod matrix;
mod ready;
mod remote;
mod sections;
mod table;
mod task;
mod types;
mod workspace;

pub(super) use command::RawCommand;
pub(super) use matrix::Axis;
pub(super) use ready::{RawReady, RawSign};
#[cfg(test)]
pub(super) use remote::{EXECUTION, REMOTE, TLS};
pub(super) use remote::{ExecutionKeys, RemoteKeys};
pub(super) use sections::RawTask;
pub(super) use table::{Files, Table};
pub(super) use task::{TASK, TaskKeys};
pub(super) use types::{Section, check_variable, expect_age};
#[cfg(test)]
pub(super) use workspace::{CACHE, WORKSPACE};
pub(super) use workspace::{FILE, FileKeys, WorkspaceKeys};

/// Returns whether tasks have a key of this name.
pub fn has_task_key(name: &str) -> bool {
    TASK.key(name).is_some()
}
