//! The task runner of percache: `percache.toml` → graph → fingerprint → lookup → execute → capture or restore → record.
//!
//! The door: a [`Request`] goes to [`open`], which answers that nothing has changed, or with a [`Session`] whose
//! [`build`](Session::build) brings the tasks up to date and writes down what was done. A [`Project`] is a workspace
//! for everything else. Nothing but the names below is public, in groups by what they are for; `tests/tidy.rs` has the
//! list, so that adding a name is a decision.
//!
//! Each folder is a layer and uses only the layers above it in this table; `tests/tidy.rs` checks that.
//!
//! | folder | what it is |
//! | --- | --- |
//! | `syntax` | the text formats that users write |
//! | `process` | one command, from start to exit |
//! | `model` | plain data: tasks, build events, diagnostics |
//! | `graph` | dependencies between tasks, and the owner of each output |
//! | `fs` | the state of files on disk, and writing to them |
//! | `key` | the inputs that determine a result |
//! | `packages` | the packages of other ecosystems, from their manifests |
//! | `config` | from the text of `percache.toml` to a checked workspace |
//! | `init` | a first `percache.toml`, proposed from the project's files |
//! | `environment` | the environment variables that a command sees |
//! | `worktree` | the state that a worktree keeps between builds |
//! | `action` | one task, from start to finish |
//! | `schedule` | all tasks of a build: their order and their parallelism |
//! | `maintenance` | gc, clear, stats |
//! | `report` | the recorded history of builds |
//! | `session` | one build of a worktree, from its lock to its journal |
//! | `explain` | why tasks run or do not run |
//! | `watch` | which file changes concern the watched tasks |

mod action;
mod config;
mod environment;
mod explain;
mod fs;
mod graph;
mod init;
mod key;
mod maintenance;
mod model;
mod packages;
mod process;
mod report;
mod schedule;
mod session;
mod syntax;
mod watch;
mod worktree;

pub use action::context::{Accept, Check, Download, Force, HitLogs, Options};
pub use process::Stop;
pub use schedule::results::{FromRemote, Summary};
pub use session::{BuildError, OpenError, Opened, Project, Request, Session, Target, open};

/// The configuration: finding it, its mistakes, its schema, and a first one.
pub mod configuration {
    pub use crate::config::{DiscoverError, FILE_NAME, discover, is_broken, likely_stores, schema, stated};
    pub use crate::init::{File, InitError, Proposal, Source, propose};
    pub use crate::model::diagnostic::{Diagnostic, Diagnostics};
}

/// Tasks, their graph, and how they are named.
pub mod tasks {
    pub use crate::explain::{
        AcceptError, Acceptable, AffectedError, FilterError, LastLog, LastRuns, LastState, NamedFile, NamedFileError,
        NotPortable, acceptable, affected, filtered, last_log, named_file, not_portable,
    };
    pub use crate::graph::{SelectError, TaskGraph, name_from};
    pub use crate::model::path::RelPath;
    pub use crate::model::{CacheSettings, Task, TaskCommand, TaskId, Workspace};
    pub use crate::session::{Clean, Cleaned};
    pub use crate::worktree::failed_runs::FailedRun;
}

/// What a build tells while it runs, and who is told.
pub mod events {
    pub use crate::model::PackageDoubt;
    pub use crate::model::event::{
        Deviation, Differs, Event, Failure, Listener, LogText, Moved, Outcome, Provenance, RemoteRun, RemoteStage,
        Reporter, Runner, Served,
    };
    pub use crate::model::notice::{Exclusion, NotStored, Note, StoreTrouble, Warning, WhyKept};
    pub use crate::model::span::{Phase, Span};
    pub use crate::process::{Holder, Marked, SpooledLog, Stream};
}

/// One command without a `percache.toml`.
pub mod exec {
    pub use crate::session::exec::{Answer, Single};
}

/// A second place for results, behind the store, that others share.
pub mod sharing {
    pub use crate::action::identity::{Identity, identify};
    pub use crate::action::remote::{Feed, Fetched, Names, Offer, Remote, RemoteKey, stored_offer};
}

/// Workers elsewhere that execute commands.
pub mod execution {
    pub use crate::action::workers::{Client, InputKind, RemoteCommand, RemoteExecuted, RemoteInput, Workers};
}

/// Why a task ran, or would run.
pub mod why {
    pub use crate::action::changes::Change;
    pub use crate::action::explain::Why;
    pub use crate::explain::{
        Answer, Cause, Chain, Last, LastBuild, Link, Nearest, Question, Standing, Stands, State, TiedTask, last_build,
        standings, tied_tasks, why,
    };
    pub use crate::fs::stat_cache::{Behind, FileState};
    pub use crate::key::fingerprint::{Kind, Value};
    pub use crate::syntax::line_diff::Line;
}

/// Building again whenever something changes.
pub mod watching {
    pub use crate::action::servers::Servers;
    pub use crate::fs::stamp::moment;
    pub use crate::fs::stat_table::KnownFiles;
    pub use crate::schedule::servers::{attend, end};
    pub use crate::watch::{
        Activity, Blame, Blamed, Broken, Burst, Change, Configured, Events, Happened, Hearing, Noting, Run, Target,
    };
}

/// Maintenance of a store: gc, statistics, and what checks have found.
pub mod store {
    pub use crate::maintenance::{
        DEFAULT_MAXAGE, DEFAULT_MAXSIZE, MaintenanceError, Report, Request, advance_epoch, disk_usage, displaced, gc,
        last_uses, statistics,
    };
    pub use crate::worktree::unstable::{Unstable, all as unstable_tasks};
}

/// Files that were moved aside because percache does not hold their content.
pub mod displaced {
    pub use crate::fs::displaced::{Amount, Item, delete, give_back, list, measure};
    pub use crate::worktree::displaced::{Place, in_store, recorded_outputs};
}

/// The recorded history of builds.
pub mod history {
    pub use crate::report::history::{Build, Ending, TaskRun, critical_path, rows};
    pub use crate::report::retrospect::Retrospect;
}

/// Text for users and from them: quantities, paths, suggestions, the system's errors.
pub mod text {
    pub use crate::model::pattern::foreign;
    pub use crate::model::problem::{reason, way_out};
    pub use crate::syntax::shown::{first_few, read_back, shown, shown_bytes};
    pub use crate::syntax::suggest::{did_you_mean, nearest};
    pub use crate::syntax::units::{
        AgeError, SizeError, format_age, format_duration, format_size, parse_age, parse_size,
    };
}

/// For fuzz targets alone: the readers of what users and earlier builds have written.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::config::{Request, load};
    pub use crate::environment::env_file::parse as parse_env_file;
    pub use crate::fs::mapped_file::Image;
    pub use crate::fs::stamp::Stamp;
    pub use crate::fs::stat_table::{Builder, Seen};
    pub use crate::key::fingerprint::{Discovered, Part, Parts};
    pub use crate::model::Caller;
    pub use crate::model::pattern::PatternSet;
    pub use crate::process::orphans::{Leader, Trace};
    pub use crate::session::freshness::{Surroundings, check};
    pub use crate::syntax::depfile::parse as parse_depfile;
    pub use crate::worktree::conditions::{Asked, Finding, Tool};
    pub use crate::worktree::intents::{Intent, LeftBehind};
    pub use crate::worktree::journal::{Evidence, Flat, Journal, PathLists, TaskRecord, is_whole};
}
