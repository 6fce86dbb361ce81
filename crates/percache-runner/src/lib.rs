//! The task runner of percache: `percache.toml` → graph → fingerprint → lookup → execute → capture or restore → record.
//!
//! Each folder is a layer, and uses only those above it in this table; `tests/tidy.rs` checks that.
//!
//! | folder | what it is |
//! | --- | --- |
//! | [`syntax`] | what users write, as text |
//! | [`process`] | one command, from its start to its end |
//! | [`model`] | tasks as they are meant, what happens in a build, what is wrong: data only |
//! | [`graph`] | who needs whom, who owns which output |
//! | [`fs`] | what is on disk now, and writing to it |
//! | [`key`] | what a result depends on |
//! | [`config`] | from the text of `percache.toml` to a checked workspace |
//! | [`init`] | a first `percache.toml` |
//! | [`environment`] | what a command sees of the variables around percache |
//! | [`worktree`] | what a worktree remembers between builds |
//! | [`action`] | one task, from start to finish |
//! | [`schedule`] | all tasks, in order and at the same time |
//! | [`maintenance`] | gc, clear, stats |
//! | [`report`] | what builds did, written down and read back |
//! | [`session`] | one build of a worktree, from its lock to its journal |
//! | [`explain`] | why tasks run or do not run |
//! | [`watch`] | which changes concern the watched tasks |

pub mod action;
pub mod config;
pub mod environment;
pub mod explain;
pub mod fs;
pub mod graph;
pub mod init;
pub mod key;
pub mod maintenance;
pub mod model;
pub mod process;
pub mod report;
pub mod schedule;
pub mod session;
pub mod syntax;
pub mod watch;
pub mod worktree;
