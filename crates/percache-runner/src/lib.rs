//! The task runner of percache: `percache.toml` → graph → fingerprint → lookup → execute → capture or restore → record.
//!
//! Modules stand in the order of that flow, and each uses only what stands above it.

pub mod process;

pub mod model;

pub mod graph;

pub mod config;

pub mod environment;

pub mod texts;

pub mod contents;

pub mod changes;
pub mod deviation;

pub mod finding;
pub mod history;

pub mod failed_runs;
pub mod intents;
pub mod journal;
pub mod worktree;

pub mod unstable;

pub mod capture;
pub mod restore;

pub mod directories;
pub mod ownership;

pub mod build;
pub mod fs;
pub mod init;
pub mod key;
pub mod maintenance;
pub mod readers;
pub mod recorder;
pub mod renewal;
pub mod retrospect;
pub mod session;
pub mod single;
pub mod standing;
pub mod syntax;
pub mod usage;
pub mod watch;
pub mod why;
