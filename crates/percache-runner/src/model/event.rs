//! What happens during a build, as data. The coordinator emits these; a reporter turns them into lines, a live display or
//! JSON. Wording lives with the reporter.
//!
//! Knows nothing of the terminal.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::TaskId;
use crate::model::problem::Trouble;
use crate::model::span::Span;
use crate::process::{Holder, Stream};
use crate::syntax::units::format_duration;

/// How long commands took the last time.
pub type Usual = HashMap<TaskId, Duration>;

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its command ran and succeeded.
    Ran,
    /// A stored result holds; its command ran all the same, and left what is stored.
    Checked,
    /// A stored result held; its command ran all the same, and left something else. It is in the tree; the stored result is set aside.
    Unstable(Arc<Vec<Deviation>>),
    /// A stored result holds and its outputs already lie in the tree.
    UpToDate,
    /// A stored result holds and its outputs were put back.
    Restored,
    /// A group: nothing of its own to do.
    Group,
    /// It failed.
    Failed(Failure),
    /// In a dry run: its command would run.
    WouldRun,
    /// In a dry run: its outputs would be put back.
    WouldRestore,
    /// In a dry run: something that it needs would run, and what that would make is not known.
    MayRun,
    /// Something that it needs failed, or the build was stopped before it started.
    Skipped,
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
    /// The command could not be started, its inputs not be read, its outputs not be stored or restored.
    Error(Trouble),
    /// Declared outputs that are missing after success.
    MissingOutputs(Vec<String>),
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
            Failure::MissingOutputs(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
                write!(f, "its command succeeded but did not make {}", paths.join(", "))
            }
        }
    }
}

/// An output that came out otherwise than the stored result says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Its path, relative to the workspace.
    pub path: String,
    /// What differs.
    pub what: Differs,
}

/// What differs between an output as stored and as it came out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Only the stored result has it.
    Gone,
    /// Only the new run made it.
    New,
    /// It was one kind of thing and is another.
    Kind(&'static str, &'static str),
    /// Whether it is executable; now it is or is not.
    Executable(bool),
    /// The target of a symlink: as stored, and now.
    Target(String, String),
    /// A text, from this line on.
    Line {
        /// Its number, from 1.
        number: usize,
        /// A line that is gone.
        stored: Option<String>,
        /// A line that is new.
        now: Option<String>,
    },
    /// The content, from this byte on, counted from 1.
    Byte(u64),
    /// The content; where, is not known.
    Content,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The build starts: how many tasks it is about, groups left out.
    Begin {
        /// Number of tasks.
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
        /// The exit status of a command that ran now and whose status counts as success; 0 for all else.
        status: i32,
        /// Its log; empty for groups and skipped tasks.
        log: Arc<LogText>,
        /// Time spent on it in this build.
        took: Duration,
        /// Time that the stored result took when it ran; zero when the command ran now.
        saved: Duration,
        /// Why it ran, in one short line; only for tasks that ran or failed, or would run.
        reason: Option<String>,
        /// Of a task whose command has failed: variables that the caller has, that the command has not seen, and that
        /// it may have missed.
        unseen: Vec<String>,
    },
    /// Something the user should know; shown once, with an optional remedy.
    Warning {
        /// One line: what is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something that happened beside the tasks, for information.
    Note {
        /// One line.
        message: String,
    },
    /// Another percache process holds what this one needs.
    Waiting {
        /// The task whose action it runs; `None` when it builds in this worktree.
        task: Option<TaskId>,
        /// For whom: process id and command.
        holder: String,
    },
    /// A task's command has exited, and the task waits for processes that it has left in the background.
    Background {
        /// The task.
        task: TaskId,
        /// Those that hold the command's output; none when that cannot be told.
        holders: Vec<Holder>,
    },
}

/// A captured log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogText {
    /// What the command wrote to stdout and stderr, in order, as written. Of a log longer than what is kept in memory, the end.
    pub bytes: Vec<u8>,
    /// How many bytes stand before `bytes` and were left out.
    pub omitted: u64,
}

/// Receives events. Called from the coordinating thread only.
pub trait Reporter {
    /// Takes one event.
    fn event(&mut self, event: Event);
    /// Whether anybody wants to know at once when a task starts: to wake this thread for it takes time that commands could have.
    fn wants_starts(&self) -> bool {
        true
    }
    /// How often [`refresh`](Self::refresh) is to be called while tasks are waited for; `None`: never.
    fn period(&self) -> Option<Duration> {
        None
    }
    /// Time has passed. `left` is how much longer the build will take, as far as past durations tell.
    fn refresh(&mut self, _left: Option<Duration>) {}
    /// An interactive task is about to own the terminal (`true`) or has given it back (`false`).
    fn yield_terminal(&mut self, _owned: bool) {}
}

/// Receives nothing.
impl Reporter for () {
    fn event(&mut self, _event: Event) {}
}

/// Who runs the command that wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// This process.
    Own,
    /// Another one, for whose result this one waits.
    Other,
}

/// Hears what commands write while they run, and what the time is spent on. Called on the thread that runs the task: who takes long holds the command up.
pub trait Listener: Sync {
    /// A command wrote this.
    fn wrote(&self, _task: TaskId, _runner: Runner, _stream: Stream, _bytes: &[u8]) {}
    /// Whether it wants to know of spans.
    fn wants_spans(&self) -> bool {
        false
    }
    /// Something was done.
    fn span(&self, _span: Span) {}
}

/// Hears nothing.
impl Listener for () {}
