//! Notes which commands run when, while it passes on what happens.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percache_runner::fs::stamp::moment;
use percache_runner::model::event::{Event, Listener, Reporter, Runner};
use percache_runner::model::span::{Phase, Span};
use percache_runner::model::{TaskId, Workspace};
use percache_runner::process::Stream;
use percache_runner::watch::Run;

/// Which commands ran in one build, and run.
pub struct Activity<'a> {
    workspace: &'a Workspace,
    runs: Mutex<Runs>,
}

#[derive(Default)]
struct Runs {
    over: Vec<Run>,
    running: BTreeMap<TaskId, Run>,
}

impl<'a> Activity<'a> {
    /// Nothing has run yet of these tasks.
    pub fn new(workspace: &'a Workspace) -> Activity<'a> {
        Activity { workspace, runs: Mutex::default() }
    }

    /// Returns the runs so far.
    pub fn runs(&self) -> Vec<Run> {
        let runs = self.lock();
        runs.over.iter().chain(runs.running.values()).cloned().collect()
    }

    /// Whether a task runs that owns the terminal.
    pub fn is_interactive(&self) -> bool {
        self.lock().running.values().any(|run| run.interactive)
    }

    fn run(&self, id: TaskId, began: i64, ended: Option<i64>) -> Run {
        let task = self.workspace.task(id);
        Run { task: task.name.clone(), interactive: task.interactive, began, ended }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener that notes exactly when a command was over: who waits for that may change files at once.
pub struct Hearing<'a> {
    /// Hears everything.
    pub listener: &'a dyn Listener,
    /// Where the runs are noted.
    pub activity: &'a Activity<'a>,
}

impl Listener for Hearing<'_> {
    fn wrote(&self, task: TaskId, runner: Runner, stream: Stream, bytes: &[u8]) {
        self.listener.wrote(task, runner, stream, bytes);
    }

    fn wants_spans(&self) -> bool {
        true
    }

    fn span(&self, span: Span) {
        if let (Phase::Command, Some(id)) = (span.phase, span.task) {
            let nanos = |duration: Duration| duration.as_nanos() as i64;
            let ended = moment() - nanos(span.end.elapsed());
            let began = ended - nanos(span.end.saturating_duration_since(span.begin));
            let run = self.activity.run(id, began, Some(ended));
            let mut runs = self.activity.lock();
            runs.running.remove(&id);
            runs.over.push(run);
        }
        if self.listener.wants_spans() {
            self.listener.span(span);
        }
    }
}

/// A reporter that notes what runs.
pub struct Noting<'a> {
    /// Hears everything.
    pub reporter: &'a mut dyn Reporter,
    /// Where the runs are noted.
    pub activity: &'a Activity<'a>,
}

impl Reporter for Noting<'_> {
    fn event(&mut self, event: Event) {
        match &event {
            Event::Started { task, .. } => {
                let run = self.activity.run(*task, moment(), None);
                self.activity.lock().running.insert(*task, run);
                if !self.reporter.wants_starts() {
                    return;
                }
            }
            // What was over before it was heard of.
            Event::Finished { task, .. } => drop(self.activity.lock().running.remove(task)),
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
