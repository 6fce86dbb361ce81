//! The seam between a task and the place where its command runs.
//!
//! An executor is handed an action and runs it to its end, here ([`Local`]) or elsewhere. Whatever it needs for that,
//! such as slots of the job budget, attempts, and the processes to kill when the build is stopped, is its own affair. It
//! reports through [`Output`] while the command runs, and says at last what the command left. What lies in the tree is
//! captured. What lies in the store already takes the way of a hit. Everything after that is the same for both.

use std::path::Path;
use std::time::Duration;

use percache::base::claim::Claim;
use percache::store::manifest::Manifest;

use crate::action::accept::accept;
use crate::action::away::{self, Attempt};
use crate::action::before::Before;
use crate::action::context::{Accept, Context};
use crate::action::inputs::Prepared;
use crate::action::job::Say;
use crate::action::local::Local;
use crate::action::shared_log::{Feed, piece};
use crate::fs::stamp::Moment;
use crate::model::event::{Failure, Listener, RemoteRun, Runner};
use crate::model::problem::Trouble;
use crate::model::{Task, TaskId};
use crate::process::{SpooledLog, Stop, Stream};

/// What is to be executed.
pub struct Action<'a> {
    /// The id of the task.
    pub id: TaskId,
    /// The task.
    pub task: &'a Task,
    /// Its command, its environment, and its inputs with their digests.
    pub prepared: &'a Prepared,
    /// Whether a result that somebody knows already is of no use.
    pub fresh: bool,
}

/// Executes actions. Shared by all jobs of a build.
pub trait Executor: Sync {
    /// Runs the command of an action to its end, or to that of a build that is stopped. Returns how it ended and what it
    /// left; the error says why it could not be run at all.
    fn execute(&self, action: &Action<'_>, stop: &Stop, output: &mut Output<'_>) -> Result<Executed, Trouble>;
}

/// A finished command.
pub struct Executed {
    /// The failure, if it failed.
    pub failure: Option<Failure>,
    /// The exit status of the last attempt; 0 if it did not exit by itself.
    pub status: i32,
    /// How long the last attempt took.
    pub took: Duration,
    /// When the last attempt started.
    pub began: Moment,
    /// What it left.
    pub left: Left,
    /// Where it ran, if not here.
    pub remote: Option<RemoteRun>,
}

impl Executed {
    /// Creates that of a command that was not started, because the build was stopped.
    fn stopped() -> Executed {
        Executed {
            failure: Some(Failure::Interrupted),
            status: 0,
            took: Duration::ZERO,
            began: Moment::now(),
            left: Left::Stored(Manifest::default()),
            remote: None,
        }
    }
}

/// Where the outputs of a finished command are.
pub enum Left {
    /// In the tree, among what lay there before.
    InTree(Before),
    /// In the store, contents and all; nothing in the tree was touched. The manifest of a failed command is not used. A
    /// depfile is part of it, whether it is an output or not.
    Stored(Manifest),
}

/// Takes what a command writes while it runs: keeps the log, and passes it on to those who follow it.
pub struct Output<'a> {
    id: TaskId,
    apart: bool,
    directory: &'a Path,
    log: SpooledLog,
    cut: Option<String>,
    listener: &'a dyn Listener,
    feed: Feed<'a>,
    say: Say<'a>,
}

impl<'a> Output<'a> {
    /// Creates an output with an empty log. Processes that wait for the `claim` receive it, too.
    pub fn new(ctx: &'a Context<'_>, id: TaskId, claim: Option<&'a Claim>, say: Say<'a>) -> Output<'a> {
        let directory = ctx.staging.dir();
        Output {
            id,
            apart: ctx.workspace.task(id).apart,
            directory,
            log: SpooledLog::new(directory),
            cut: None,
            listener: ctx.listener,
            feed: Feed::new(claim),
            say,
        }
    }

    /// Begins an attempt: the log of an earlier one is dropped.
    pub fn begin(&mut self) {
        self.log = SpooledLog::new(self.directory);
        self.cut = None;
    }

    /// Takes what the command wrote.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if self.cut.is_none() {
            let kept = if self.apart { self.log.append(&piece(stream, bytes)) } else { self.log.append(bytes) };
            self.cut = kept.err().map(|e| e.to_string());
        }
        self.listener.wrote(self.id, Runner::Own, stream, bytes);
        self.feed.write(stream, bytes);
    }

    /// Returns where else to report progress.
    pub fn say(&self) -> Say<'a> {
        self.say
    }

    /// Returns the log of the last attempt, and the reason why it is incomplete, if it is.
    pub fn into_log(self) -> (SpooledLog, Option<String>) {
        (self.log, self.cut)
    }
}

/// Executes an action where the build wants it, until its end or that of `stop`. One that uses `servers` runs where these
/// do.
pub fn execute(
    ctx: &Context<'_>,
    action: &Action<'_>,
    (stop, servers): (&Stop, bool),
    output: &mut Output<'_>,
) -> Result<Executed, Trouble> {
    if ctx.options.accept == Accept::InsteadOfRunning {
        return accept(ctx, action, output);
    }
    if let Some(executor) = ctx.executor {
        return executor.execute(action, stop, output);
    }
    if servers {
        return Local { ctx }.execute(action, stop, output);
    }
    match away::execute(ctx, action, stop, output) {
        Attempt::Executed(executed) => Ok(*executed),
        Attempt::Stopped => Ok(Executed::stopped()),
        Attempt::Here(_slot) => Local { ctx }.execute(action, stop, output),
    }
}

#[cfg(test)]
mod tests;
