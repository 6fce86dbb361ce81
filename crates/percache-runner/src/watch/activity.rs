//! Records when commands run, while it passes events on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fs::stamp::moment;
use crate::model::event::{Event, Listener, Reporter, Runner, Served};
use crate::model::span::{Phase, Span};
use crate::model::{TaskId, Workspace};
use crate::process::Stream;

use super::Run;

/// The commands that ran in one build, or still run.
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
    /// Creates a record in which nothing has run yet.
    pub fn new(workspace: &'a Workspace) -> Activity<'a> {
        Activity { workspace, runs: Mutex::default() }
    }

    /// Returns the runs so far.
    pub fn runs(&self) -> Vec<Run> {
        let runs = self.lock();
        runs.over.iter().chain(runs.running.values()).cloned().collect()
    }

    /// Returns whether a task that owns the terminal is running.
    pub fn is_interactive(&self) -> bool {
        self.lock().running.keys().any(|id| self.workspace.task(*id).interactive)
    }

    fn run(&self, id: TaskId, began: i64, ended: Option<i64>) -> Run {
        let task = self.workspace.task(id);
        Run { task: task.name.clone(), interactive: task.interactive, began, ended }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener that records the exact end of each command, because whoever waits for it may change files immediately.
pub struct Hearing<'a> {
    /// Receives everything.
    pub listener: &'a dyn Listener,
    /// The record of the runs.
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

/// A reporter that records what runs.
pub struct Noting<'a> {
    /// Receives everything.
    pub reporter: &'a mut dyn Reporter,
    /// The record of the runs.
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
            Event::Server { task, what: Served::Started } => {
                let run = Run { interactive: true, ..self.activity.run(*task, moment(), None) };
                self.activity.lock().running.insert(*task, run);
            }
            // The command may have ended before its start was reported.
            Event::Server { task, what: Served::Stopped(_) } | Event::Finished { task, .. } => {
                drop(self.activity.lock().running.remove(task))
            }
            _ => {}
        }
        self.reporter.event(event);
    }

    fn period(&self) -> Option<Duration> {
        self.reporter.period()
    }

    fn refresh(&mut self, left: Option<Duration>, on_remote: usize) {
        self.reporter.refresh(left, on_remote);
    }

    fn yield_terminal(&mut self, owned: bool) {
        self.reporter.yield_terminal(owned);
    }
}
