//! Runs one command to its end: what it is given, how it may end, and what it wrote.
//!
//! Knows nothing of tasks, of the cache, or of how many commands run at a time.

pub mod descriptors;
pub(crate) mod family;
pub mod nesting;
pub mod orphans;
mod run;
mod spawn;
mod spool;
mod stop;
mod streams;
pub(crate) mod table;

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub use family::MARK;
pub use run::{OnMark, OnOutput, run, run_marked};
#[cfg(test)]
pub(crate) use spawn::pipe_number;
#[cfg(test)]
pub(crate) use spawn::ticks;
pub use spawn::{SpawnError, SpawnErrorKind};
pub use spool::SpooledLog;
pub use stop::Stop;
pub use streams::{Marked, Stream, mark};

/// A command, completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The program: looked up in `PATH` of `env` when it has no slash, else seen from `cwd`.
    pub program: OsString,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The directory it runs in, absolute.
    pub cwd: PathBuf,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Ended after this long.
    pub timeout: Option<Duration>,
    /// Where its streams lead.
    pub stdio: Stdio,
}

/// Where the streams of a command lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// stdin is empty; stdout and stderr are captured as one stream. The command leads a process group of its own.
    Captured,
    /// As [`Captured`](Self::Captured), with stdout and stderr as two streams. What goes to both at nearly the same time may change places.
    Apart,
    /// The streams of this process, in its process group: the command owns the terminal.
    Inherited,
}

/// Time since the system was started, in the unit in which it tells when a process began.
pub type Ticks = u64;

/// By what a command, or what is left of it, can be found. One that owns the terminal leaves no mark: it is in the
/// hands of who sits there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is about to start; its output goes through the pipes with these numbers.
    Outputs(Vec<u64>),
    /// It has started: the id of its process, which leads a group, and between which moments it began.
    Leader(u32, RangeInclusive<Ticks>),
    /// It has exited some time ago, and these processes hold its output still.
    Background(Vec<Holder>),
}

/// A process that holds the output of a command that has exited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub id: u32,
    /// Its command line.
    pub command: String,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this exit status.
    Exit(i32),
    /// By this signal, which did not come from here.
    Signal(i32),
    /// It was ended because it ran longer than its timeout.
    TimedOut,
    /// It was ended because of [`Stop`].
    Interrupted,
}

/// A command that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub status: Status,
    /// Time from its start until it and whoever held its output had ended.
    pub took: Duration,
}
