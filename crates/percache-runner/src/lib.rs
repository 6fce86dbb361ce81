//! The task runner of percache: `percache.toml` → graph → fingerprint → lookup → execute → capture or restore → record.
//!
//! Modules stand in the order of that flow, and each uses only what stands above it.

pub mod process;

pub mod model;

pub mod graph;

pub mod config;

pub mod environment;

pub mod worktree;

pub mod action;
pub mod explain;
pub mod fs;
pub mod init;
pub mod key;
pub mod maintenance;
pub mod report;
pub mod schedule;
pub mod session;
pub mod syntax;
pub mod watch;
