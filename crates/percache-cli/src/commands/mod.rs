//! One file per command.

pub mod build;
pub mod clean;
pub mod clear;
pub mod compdb;
pub mod completions;
pub mod displaced;
pub mod exec;
#[cfg(feature = "remote")]
pub mod export;
pub mod functions;
pub mod gc;
pub mod graph;
pub mod help;
pub mod init;
pub mod list;
pub mod log;
pub mod man;
#[cfg(feature = "remote")]
pub mod remote;
pub mod report;
pub mod schema;
pub mod stats;
pub mod verify;
pub mod watch;
pub mod why;
