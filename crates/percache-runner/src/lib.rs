//! The task runner of percache: `percache.toml` → graph → fingerprint → lookup → execute → capture or restore → record.
//!
//! Each folder is a layer and uses only the layers above it in this table; `tests/tidy.rs` checks that.
//!
//! | folder | what it is |
//! | --- | --- |
//! | [`syntax`] | the text formats that users write |
//! | [`process`] | one command, from start to exit |
//! | [`model`] | plain data: tasks, build events, diagnostics |
//! | [`graph`] | dependencies between tasks, and the owner of each output |
//! | [`fs`] | the state of files on disk, and writing to them |
//! | [`key`] | the inputs that determine a result |
//! | [`config`] | from the text of `percache.toml` to a checked workspace |
//! | [`init`] | a first `percache.toml`, proposed from the project's files |
//! | [`environment`] | the environment variables that a command sees |
//! | [`worktree`] | the state that a worktree keeps between builds |
//! | [`action`] | one task, from start to finish |
//! | [`schedule`] | all tasks of a build: their order and their parallelism |
//! | [`maintenance`] | gc, clear, stats |
//! | [`report`] | the recorded history of builds |
//! | [`session`] | one build of a worktree, from its lock to its journal |
//! | [`explain`] | why tasks run or do not run |
//! | [`watch`] | which file changes concern the watched tasks |

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
