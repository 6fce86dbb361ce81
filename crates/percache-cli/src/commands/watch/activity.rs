//! Notes which commands run when, while it passes on what happens.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percache_runner::event::{Event, Reporter};
use percache_runner::model::{TaskId, Workspace};
use percache_runner::stamp::moment;
use percache_runner::watch::Run;

/// Which commands ran in one build, and run.
#[derive(Default)]
pub struct Activity(Mutex<Runs>);

#[derive(Default)]
struct Runs {
    all: Vec<Run>,
    /// Positions of those that have not ended.
    running: HashMap<TaskId, usize>,
}

impl Activity {
    /// Returns the runs so far.
    pub fn runs(&self) -> Vec<Run> {
        self.lock().all.clone()
    }

    /// Whether a task runs that owns the terminal.
    pub fn is_interactive(&self) -> bool {
        self.lock().all.iter().any(|run| run.interactive && run.ended.is_none())
    }

    fn started(&self, workspace: &Workspace, id: TaskId) {
        let task = workspace.task(id);
        let run = Run { task: task.name.clone(), interactive: task.interactive, began: moment(), ended: None };
        let mut runs = self.lock();
        let position = runs.all.len();
        runs.all.push(run);
        runs.running.insert(id, position);
    }

    fn ended(&self, id: TaskId) {
        let mut runs = self.lock();
        if let Some(position) = runs.running.remove(&id) {
            runs.all[position].ended = Some(moment());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reporter that notes what runs.
pub struct Noting<'a> {
    /// Hears everything.
    pub reporter: &'a mut dyn Reporter,
    /// Where the runs are noted.
    pub activity: &'a Activity,
    /// The tasks.
    pub workspace: &'a Workspace,
}

impl Reporter for Noting<'_> {
    fn event(&mut self, event: Event) {
        match &event {
            Event::Started { task, .. } => {
                self.activity.started(self.workspace, *task);
                // It may not want to know.
                if !self.reporter.wants_starts() {
                    return;
                }
            }
            Event::Finished { task, .. } => self.activity.ended(*task),
            _ => {}
        }
        self.reporter.event(event);
    }

    fn period(&self) -> Option<Duration> {
        self.reporter.period()
    }

    fn refresh(&mut self, left: Option<Duration>) {
        self.reporter.refresh(left);
    }

    fn yield_terminal(&mut self, owned: bool) {
        self.reporter.yield_terminal(owned);
    }
}
