//! A trace of the build in the format of Chrome's tracing, which Perfetto opens too.
//!
//! Format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>: complete events (`X`), times in
//! microseconds. Tasks do not know their worker: each gets the first row that is free while it runs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use percache_runner::event::Event;
use percache_runner::model::{TaskId, Workspace};
use serde_json::json;

use crate::error::CliError;
use crate::report::words;

/// Collects what happened.
pub struct Profile {
    path: String,
    file: File,
    start: Instant,
    spans: Vec<Span>,
}

struct Span {
    task: TaskId,
    outcome: &'static str,
    begin: Duration,
    end: Duration,
    reason: Option<String>,
}

impl Profile {
    /// A trace that will be written to `path`. The file is made at once: a build should not end with the news that it cannot be.
    pub fn create(path: &Path) -> Result<Profile, CliError> {
        let file =
            File::create(path).map_err(|e| CliError::usage(format!("cannot write `{}`: {e}", path.display())))?;
        Ok(Profile { path: path.display().to_string(), file, start: Instant::now(), spans: Vec::new() })
    }

    /// Takes note of an event.
    pub fn event(&mut self, event: &Event) {
        if let Event::Finished { task, outcome, took, reason, .. } = event {
            let end = self.start.elapsed();
            let (outcome, _) = words::outcome(outcome);
            self.spans.push(Span {
                task: *task,
                outcome,
                begin: end.saturating_sub(*took),
                end,
                reason: reason.clone(),
            });
        }
    }

    /// Writes the trace.
    pub fn write(mut self, workspace: &Workspace) -> Result<(), CliError> {
        self.spans.sort_by_key(|span| span.begin);
        let mut busy_until: Vec<Duration> = Vec::new();
        let events = self.spans.iter().map(|span| {
            let free = busy_until.iter().position(|until| *until <= span.begin);
            let row = free.unwrap_or(busy_until.len());
            busy_until.resize(busy_until.len().max(row + 1), Duration::ZERO);
            busy_until[row] = span.end;
            json!({
                "ph": "X", "pid": 1, "tid": row + 1,
                "name": workspace.task(span.task).name,
                "cat": span.outcome,
                "ts": span.begin.as_micros() as u64,
                "dur": (span.end - span.begin).as_micros() as u64,
                "args": { "outcome": span.outcome, "reason": span.reason },
            })
        });
        let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events.collect::<Vec<_>>() });
        let mut out = BufWriter::new(&self.file);
        let written = serde_json::to_writer(&mut out, &trace).map_err(std::io::Error::from).and_then(|()| out.flush());
        written.map_err(|e| CliError::failure(format!("cannot write `{}`: {e}", self.path)))
    }
}
