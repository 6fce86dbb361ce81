//! What is known of a build that runs. Knows nothing of terminals.

use std::time::{Duration, Instant};

use percache_runner::model::TaskId;
use percache_runner::model::event::{Failure, Outcome};

/// How many tasks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Failed.
    pub failed: usize,
    /// Did not do the same once more.
    pub unstable: usize,
    /// Ran.
    pub ran: usize,
    /// Did the same once more.
    pub checked: usize,
    /// Up to date.
    pub up_to_date: usize,
    /// Restored.
    pub restored: usize,
    /// Ended otherwise: in a dry run, or stopped.
    pub other: usize,
}

impl Counts {
    /// All that have ended.
    pub fn all(&self) -> usize {
        self.failed + self.unstable + self.ran + self.checked + self.up_to_date + self.restored + self.other
    }
}

/// A task that is worked on.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which.
    pub task: TaskId,
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Instant,
    /// How long it took the last time.
    pub usual: Option<Duration>,
    /// The process that runs the same action, and for whose result it waits.
    pub waits_for: Option<String>,
    /// The processes that hold its output although its command has exited.
    pub held_by: Option<String>,
}

/// The build.
#[derive(Debug, Default)]
pub struct Board {
    /// How many tasks it is about.
    pub tasks: usize,
    /// How many have ended, and how.
    pub counts: Counts,
    /// The tasks that are worked on, the oldest first.
    pub running: Vec<Running>,
    /// How much longer it will take, if that is known.
    pub left: Option<Duration>,
}

impl Board {
    /// A command starts.
    pub fn started(&mut self, task: TaskId, name: &str, usual: Option<Duration>) {
        self.remove(task);
        let (name, since) = (name.to_owned(), Instant::now());
        self.running.push(Running { task, name, since, usual, waits_for: None, held_by: None });
    }

    /// A task waits for another process.
    pub fn waits(&mut self, task: TaskId, name: &str, holder: String) {
        self.started(task, name, None);
        self.running.iter_mut().filter(|row| row.task == task).for_each(|row| row.waits_for = Some(holder.clone()));
    }

    /// A command has exited, and these processes hold its output.
    pub fn holds(&mut self, task: TaskId, holders: &str) {
        let rows = self.running.iter_mut().filter(|row| row.task == task);
        rows.for_each(|row| row.held_by = Some(holders.to_owned()));
    }

    /// A task has ended.
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
            Outcome::Group => {}
            _ => counts.other += 1,
        }
    }

    fn remove(&mut self, task: TaskId) {
        self.running.retain(|row| row.task != task);
    }

    /// Whether there is anything to wait for.
    pub fn is_busy(&self) -> bool {
        !self.running.is_empty() || self.counts.all() < self.tasks
    }
}
