//! The task runner of percache: `percache.toml` → graph → fingerprint → lookup → execute → capture or restore → record.
//!
//! Modules stand in the order of that flow, and each uses only what stands above it.

pub mod shown;

mod braces;
pub mod depfile;
#[cfg(unix)]
pub mod descriptors;
pub mod difference;
pub mod envfile;
pub mod git_ignore;
pub mod git_index;
pub mod git_repository;
pub mod git_settings;
pub mod glob;
pub mod links;
pub mod nearest;
pub mod nesting;
pub mod paths;
pub mod pattern;
pub mod process;
pub mod source_tree;
mod trail;
pub mod trouble;
pub mod units;
mod version_control;
pub mod walk;

pub mod diagnostic;
pub mod event;
pub mod model;
pub mod span;

pub mod graph;

pub mod config;

pub mod environment;
pub mod fingerprint;

pub mod colours;
pub mod unseen;

pub mod image;
pub mod known;
pub mod observe;
pub mod reading;
pub mod stamp;
pub mod texts;

pub mod contents;

pub mod changes;
pub mod deviation;

pub mod finding;
pub mod history;
pub mod orphans;

pub mod failed_runs;
pub mod intents;
pub mod journal;
pub mod worktree;

pub mod unstable;

pub mod capture;
pub mod clearing;
pub mod displaced;
pub mod fanout;
mod neighbours;
pub mod restore;
mod rights;
pub mod staging;
pub mod tree;

pub mod directories;
pub mod ownership;

pub mod build;
pub mod maintenance;
pub mod propose;
pub mod readers;
pub mod recorder;
pub mod renewal;
pub mod retrospect;
pub mod session;
pub mod single;
pub mod standing;
pub mod usage;
pub mod watch;
pub mod why;
