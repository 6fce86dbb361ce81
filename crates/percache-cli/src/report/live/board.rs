//! The state of a running build. Knows nothing of terminals.

use std::time::{Duration, Instant};

use percache_runner::events::{Failure, Outcome};
use percache_runner::tasks::TaskId;

/// The numbers of finished tasks by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Failed.
    pub failed: usize,
    /// Ran for a check, with other outputs.
    pub unstable: usize,
    /// Ran.
    pub ran: usize,
    /// Ran for a check, with the same outputs.
    pub checked: usize,
    /// Up to date.
    pub up_to_date: usize,
    /// Restored.
    pub restored: usize,
    /// Up to date, with their outputs left on the remote.
    pub on_remote: usize,
    /// Ended in another way: in a dry run, or stopped.
    pub other: usize,
}

impl Counts {
    /// Returns the number of all finished tasks.
    pub fn all(&self) -> usize {
        let well = self.ran + self.checked + self.up_to_date + self.restored + self.on_remote;
        self.failed + self.unstable + well + self.other
    }
}

/// A task in progress.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its id.
    pub task: TaskId,
    /// Its name.
    pub name: String,
    /// When it started.
    pub since: Instant,
    /// How long it took the last time.
    pub usual: Option<Duration>,
    /// The process that runs the same action, whose result the task waits for.
    pub waits_for: Option<String>,
    /// What a server does: it starts, or is ready.
    pub serves: Option<&'static str>,
    /// The processes that hold its output although its command has exited.
    pub held_by: Option<String>,
    /// How far it is, if a worker elsewhere is to run it.
    pub elsewhere: Option<&'static str>,
}

/// The state of the build.
#[derive(Debug, Default)]
pub struct Board {
    /// The number of tasks of the build.
    pub tasks: usize,
    /// The numbers of finished tasks.
    pub counts: Counts,
    /// The tasks in progress, oldest first.
    pub running: Vec<Running>,
    /// The estimated remaining time, if it is known.
    pub left: Option<Duration>,
}

impl Board {
    /// Adds a command that starts.
    pub fn started(&mut self, task: TaskId, name: &str, usual: Option<Duration>) {
        self.remove(task);
        let (name, since) = (name.to_owned(), Instant::now());
        self.running.push(Running {
            task,
            name,
            since,
            usual,
            waits_for: None,
            serves: None,
            held_by: None,
            elsewhere: None,
        });
    }

    /// Notes that a task waits for another process.
    pub fn waits(&mut self, task: TaskId, name: &str, holder: String) {
        self.started(task, name, None);
        self.running.iter_mut().filter(|row| row.task == task).for_each(|row| row.waits_for = Some(holder.clone()));
    }

    /// Shows what a server does.
    pub fn serves(&mut self, task: TaskId, name: &str, what: &'static str) {
        if !self.running.iter().any(|row| row.task == task) {
            self.started(task, name, None);
        }
        self.running.iter_mut().filter(|row| row.task == task).for_each(|row| row.serves = Some(what));
    }

    /// Removes a server that has ended.
    pub fn stopped(&mut self, task: TaskId) {
        self.remove(task);
    }

    /// Notes that a command has exited, and that these processes hold its output.
    pub fn holds(&mut self, task: TaskId, holders: &str) {
        let rows = self.running.iter_mut().filter(|row| row.task == task);
        rows.for_each(|row| row.held_by = Some(holders.to_owned()));
    }

    /// Notes how far a command is that a worker elsewhere is to run. Its time begins anew with each step, so that it
    /// compares with the usual one.
    pub fn elsewhere(&mut self, task: TaskId, stage: Option<&'static str>) {
        for row in self.running.iter_mut().filter(|row| row.task == task) {
            row.elsewhere = stage;
            row.since = Instant::now();
        }
    }

    /// Counts a task that has ended.
    pub fn finished(&mut self, task: TaskId, outcome: &Outcome) {
        self.remove(task);
        let counts = &mut self.counts;
        match outcome {
            Outcome::Failed(Failure::Interrupted) => counts.other += 1,
            Outcome::Failed(_) => counts.failed += 1,
            Outcome::Unstable(_) => counts.unstable += 1,
            Outcome::Checked => counts.checked += 1,
            Outcome::Ran => counts.ran += 1,
            Outcome::UpToDate => counts.up_to_date += 1,
            Outcome::Restored => counts.restored += 1,
            // They are known by their number.
            Outcome::OnRemote => {}
            Outcome::Group | Outcome::NotStarted | Outcome::WouldStart | Outcome::Skipped => {}
            _ => counts.other += 1,
        }
    }

    fn remove(&mut self, task: TaskId) {
        self.running.retain(|row| row.task != task);
    }

    /// Returns whether the build is still in progress.
    pub fn is_busy(&self) -> bool {
        !self.running.is_empty() || self.counts.all() < self.tasks
    }
}
