//! The events of a build, as data. The coordinator emits them; a reporter turns them into lines, a live display or
//! JSON. The wording is the reporter's.
//!
//! Knows nothing of the terminal.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percache::store::origin::Origin;

use crate::model::TaskId;
use crate::model::notice::{Note, Warning};
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::span::Span;
use crate::process::{Holder, Stream};
use crate::syntax::units::format_duration;

/// How long each task's command took the last time it ran.
pub type Usual = HashMap<TaskId, Duration>;

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its command ran and succeeded.
    Ran,
    /// A stored result is valid; the command ran anyway as a check, and its outputs equal the stored ones.
    Checked,
    /// A stored result was valid; the command ran anyway as a check, and its outputs differ. The new outputs are in the
    /// tree, and the stored result is set aside.
    Unstable(Arc<Vec<Deviation>>),
    /// A stored result is valid and its outputs are already in the tree.
    UpToDate,
    /// A stored result is valid and its outputs were restored.
    Restored,
    /// The remote has a valid result, and its outputs were left there: nothing here needs them.
    OnRemote,
    /// A group, which has nothing to run.
    Group,
    /// It failed.
    Failed(Failure),
    /// In a dry run: its command would run.
    WouldRun,
    /// In a dry run: its outputs would be restored.
    WouldRestore,
    /// In a dry run: one of its dependencies would run, with outputs that are not known yet.
    MayRun,
    /// One of its dependencies failed, or the build was stopped before the task started.
    Skipped,
    /// It is a server, and nothing that ran needed it.
    NotStarted,
    /// In a dry run: it is a server, and would be started.
    WouldStart,
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command ended with this status.
    Exit(i32),
    /// A signal ended the command.
    Signal(i32),
    /// The command ran longer than its timeout.
    TimedOut(Duration),
    /// The build was interrupted while the command ran.
    Interrupted,
    /// The command could not be started, its inputs could not be read, or its outputs could not be stored or restored.
    Error(Trouble),
    /// The command succeeded, but these declared outputs are missing.
    MissingOutputs(Vec<String>),
    /// This server, which the command needs, ended while it ran.
    Server(String),
}

/// Says in a few words why a task failed.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Exit(code) => write!(f, "exit status {code}"),
            Failure::Signal(signal) => write!(f, "killed by signal {signal}"),
            Failure::TimedOut(limit) => write!(f, "ended after its timeout of {}", format_duration(*limit)),
            Failure::Interrupted => f.write_str("interrupted"),
            Failure::Error(trouble) => f.write_str(&trouble.message),
            Failure::Server(name) => write!(f, "its server `{name}` ended while it ran"),
            Failure::MissingOutputs(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
                write!(f, "its command succeeded but did not make {}", paths.join(", "))
            }
        }
    }
}

/// An output that differs from the one in the stored result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Its path, relative to the workspace.
    pub path: String,
    /// What differs.
    pub what: Differs,
}

/// How an output differs from the stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Only the stored result has it.
    Gone,
    /// Only the new run made it.
    New,
    /// Its kind differs: the stored one, then the new one.
    Kind(&'static str, &'static str),
    /// The executable bit differs; whether the new output is executable.
    Executable(bool),
    /// The target of a symlink differs: the stored one, then the new one.
    Target(String, String),
    /// A text file differs from this line on.
    Line {
        /// The line number, from 1.
        number: usize,
        /// The first line of the stored text that is gone.
        stored: Option<String>,
        /// The first new line.
        now: Option<String>,
    },
    /// The content differs from this byte on, counted from 1.
    Byte(u64),
    /// The content differs; it is not known where.
    Content,
}

/// Where a task's result came from, and what the remote has of it that is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Where the result came from if it was not made here, as far as that was looked up.
    pub origin: Option<Origin>,
    /// The bytes that came from the remote for it in this build, or would in a dry run; `None` if the store has it.
    pub fetched: Option<u64>,
    /// Why a result that the remote has is not used.
    pub refused: Option<String>,
}

/// Files that were moved out of the tree because percache does not hold their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The directory of the worktree.
    pub root: PathBuf,
    /// The paths that they had, sorted.
    pub paths: Vec<RelPath>,
    /// The directory that holds everything displaced in this worktree.
    pub kept: PathBuf,
    /// The directory that holds these files under their paths; if they are spread over several, their common parent.
    pub to: PathBuf,
    /// Whether they were in the way of a single command (`percache exec`), not of a build.
    pub single: bool,
}

/// How far a command is that a worker elsewhere is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteStage {
    /// It is being sent there, with what it needs.
    Sent,
    /// The server has it, and says nothing yet.
    Asked,
    /// It waits for a worker.
    Queued,
    /// A worker runs it.
    Running,
    /// It could not be run there, and runs here.
    Back,
}

/// A run of a command on a worker elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteRun {
    /// The server whose worker it is, without secrets.
    pub server: String,
    /// The worker, if it is named.
    pub worker: String,
    /// How long the command waited for it.
    pub queued: Duration,
    /// Whether the result was known there, so that nothing ran now.
    pub cached: bool,
}

/// One event of a build.
#[derive(Clone, Debug)]
pub enum Event {
    /// The build starts.
    Begin {
        /// The number of tasks, without groups.
        tasks: usize,
        /// How long they took the last time, as far as is known.
        usual: Arc<Usual>,
    },
    /// A task's command starts to run.
    Started {
        /// The task.
        task: TaskId,
        /// How long it took the last time.
        usual: Option<Duration>,
    },
    /// A task is done.
    Finished {
        /// The task.
        task: TaskId,
        /// How it ended.
        outcome: Outcome,
        /// Where its result came from.
        provenance: Provenance,
        /// The exit status of a command that ran now, if that status counts as success; otherwise 0.
        status: i32,
        /// Its log; empty for groups and skipped tasks.
        log: Arc<LogText>,
        /// The time spent on it in this build.
        took: Duration,
        /// How long the stored result took when it ran; zero if the command ran now.
        saved: Duration,
        /// Why it ran, in one short line; only for tasks that ran, failed or would run.
        reason: Option<String>,
        /// If the command failed: variables of the caller that the command did not see and may have missed.
        unseen: Vec<String>,
        /// If its command ran now, and not here: where.
        remote: Option<RemoteRun>,
    },
    /// A task's command is elsewhere, or has come back.
    Remote {
        /// The task.
        task: TaskId,
        /// How far it is.
        stage: RemoteStage,
    },
    /// Something that the user should know and can do something about; shown once.
    Warning(Warning),
    /// Something that happened apart from the tasks, for information.
    Note(Note),
    /// Files were moved out of the tree. This is shown even where other messages are suppressed, because the files are
    /// the user's.
    Displaced(Moved),
    /// Another percache process holds what this one needs.
    Waiting {
        /// The task whose action the other process runs; `None` if it builds in this worktree.
        task: Option<TaskId>,
        /// The process id and command of the other process.
        holder: String,
    },
    /// A server did something.
    Server {
        /// The task.
        task: TaskId,
        /// What it did.
        what: Served,
    },
    /// All tasks are done, and these servers run until they are ended.
    Serving {
        /// The servers; at least one.
        tasks: Vec<TaskId>,
    },
    /// A task's command has exited, and the task waits for processes that the command left in the background.
    Background {
        /// The task.
        task: TaskId,
        /// The processes that hold the command's output open; empty if they cannot be determined.
        holders: Vec<Holder>,
    },
}

/// What a server did. That it failed is the end of its task, see [`Event::Finished`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// It was started.
    Started,
    /// It printed this: a piece of its output.
    Output(Vec<u8>),
    /// It is ready, after this time.
    Ready(Duration),
    /// It was ended, or ended by itself when nothing needed it, after this time.
    Stopped(Duration),
}

impl Event {
    /// Returns the event of a task that has ended without running.
    pub fn ended(task: TaskId, outcome: Outcome) -> Event {
        let (took, saved) = (Duration::ZERO, Duration::ZERO);
        let (log, unseen) = (Arc::default(), Vec::new());
        Event::Finished {
            task,
            outcome,
            provenance: Provenance::default(),
            remote: None,
            status: 0,
            log,
            took,
            saved,
            reason: None,
            unseen,
        }
    }
}

/// A captured log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogText {
    /// What the command wrote to stdout and stderr, in order, as written; only the end if the log exceeds what is kept
    /// in memory.
    pub bytes: Vec<u8>,
    /// The number of bytes before `bytes` that were left out.
    pub omitted: u64,
}

/// Receives events. Called from the coordinating thread only.
pub trait Reporter {
    /// Takes one event.
    fn event(&mut self, event: Event);
    /// Returns whether to report at once when a task starts. Waking the coordinating thread for it takes time from the
    /// commands.
    fn wants_starts(&self) -> bool {
        true
    }
    /// Returns how often to call [`refresh`](Self::refresh) while waiting for tasks; `None` for never.
    fn period(&self) -> Option<Duration> {
        None
    }
    /// Updates the display. `left` is the estimated remaining time of the build, if past durations allow an estimate;
    /// `on_remote` is how many tasks are done with their outputs on the remote, which is told at the end.
    fn refresh(&mut self, _left: Option<Duration>, _on_remote: usize) {}
    /// Tells that an interactive task is about to own the terminal (`true`) or has given it back (`false`).
    fn yield_terminal(&mut self, _owned: bool) {}
}

/// Ignores all events.
impl Reporter for () {
    fn event(&mut self, _event: Event) {}
}

/// Which process runs the command that wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// This process.
    Own,
    /// Another process, for whose result this one waits.
    Other,
}

/// Receives the output of commands while they run, and spans of time. Called on the thread that runs the task, so a
/// slow listener holds the command up.
pub trait Listener: Sync {
    /// Takes a piece of a command's output.
    fn wrote(&self, _task: TaskId, _runner: Runner, _stream: Stream, _bytes: &[u8]) {}
    /// Returns whether the listener wants spans.
    fn wants_spans(&self) -> bool {
        false
    }
    /// Takes a finished span.
    fn span(&self, _span: Span) {}
}

/// Ignores everything.
impl Listener for () {}
