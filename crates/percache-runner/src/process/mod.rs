//! Runs one command to its end: its parameters, its output, and the ways it can end.
//!
//! Knows nothing of tasks, of the cache, or of how many commands run at a time.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `descriptors` | The limit on open files |
//! | `family` | All processes that a command started |
//! | `guard` | Ends a server when percache is killed |
//! | `machine` | What the machine, or a container, gives to this process |
//! | `nesting` | percache inside percache |
//! | `orphans` | Commands that outlived a killed percache |
//! | `port` | Who listens on a port |
//! | `ready` | What shows that a server is ready |
//! | `run` | Waiting for a command; ending it on a timeout or a stop |
//! | `server` | A command that runs until it is ended |
//! | `spawn` | Starting a command |
//! | `spool` | A log of any length |
//! | `stop` | The request to stop, from a signal or a caller; ends nothing itself |
//! | `streams` | Two streams in one log |
//! | `table` | The system's process table |

pub mod descriptors;
pub(crate) mod family;
mod guard;
pub mod machine;
pub mod nesting;
pub mod orphans;
mod port;
mod ready;
mod run;
mod server;
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
pub use ready::{Address, Ready, Sign};
pub use run::{OnMark, run, run_marked};
pub use server::{End, Progress, Server};
#[cfg(test)]
pub(crate) use spawn::pipe_number;
#[cfg(test)]
pub(crate) use spawn::ticks;
pub use spawn::{SpawnError, SpawnErrorKind};
pub use spool::SpooledLog;
pub use stop::Stop;
pub use streams::{Marked, Stream, mark};

/// The complete description of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The program: looked up in `PATH` of `env` if it has no slash, otherwise relative to `cwd`.
    pub program: OsString,
    /// The arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The absolute directory that it runs in.
    pub cwd: PathBuf,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The time after which it is ended.
    pub timeout: Option<Duration>,
    /// The connection of its streams.
    pub stdio: Stdio,
}

/// The connection of a command's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// stdin is empty; stdout and stderr are captured as one stream. The command leads a process group of its own.
    Captured,
    /// Like [`Captured`](Self::Captured), with stdout and stderr as two streams. Output that goes to both at nearly the
    /// same time may change places.
    Apart,
    /// The streams of this process, in its process group: the command owns the terminal.
    Inherited,
}

/// The time since the system started, in the unit of the start times of processes.
pub type Ticks = u64;

/// How to find a command, or what is left of it. A command that owns the terminal has no mark, because the user at the
/// terminal controls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is about to start; its output goes through the pipes with these numbers.
    Outputs(Vec<u64>),
    /// It has started: the id of its process, which leads a group, and a range that contains its start time.
    Leader(u32, RangeInclusive<Ticks>),
    /// It exited some time ago, and these processes still hold its output.
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
    /// It exited with this status.
    Exit(i32),
    /// This signal ended it, and percache did not send it.
    Signal(i32),
    /// percache ended it because it ran longer than its timeout.
    TimedOut,
    /// percache ended it because of [`Stop`].
    Interrupted,
}

/// A command that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub status: Status,
    /// The time from its start until it and all holders of its output had ended.
    pub took: Duration,
}
