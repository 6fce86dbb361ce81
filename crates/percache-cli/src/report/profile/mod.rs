//! A trace of the build in Chrome's trace event format, which Perfetto also opens.
//!
//! Format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>: complete events (`X`) and
//! names (`M`), with times in microseconds. docs/cli.md describes the content, docs/schemas/trace.json the form.

mod critical;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use percache::store::writer::Written;
use percache_runner::events::{Event, Phase, Served, Span};
use percache_runner::tasks::{TaskGraph, TaskId, Workspace};
use percache_runner::text::{reason, shown, way_out};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::report::profile::critical::critical_path;
use crate::report::{json, words};

/// The row of the build as a whole. The rows of workers follow it.
const BUILD: usize = 0;
/// The rows after those of the workers, however many there are.
const STORE: usize = 10_000;
const CRITICAL: usize = 10_001;
const SERVERS: usize = 10_002;

/// Collects what the spans do not contain.
pub struct Profile {
    path: String,
    file: File,
    start: Instant,
    ended: HashMap<TaskId, Ended>,
    /// The servers, each with the time in which it ran.
    servers: Vec<(TaskId, Instant, Option<Instant>)>,
}

struct Ended {
    outcome: &'static str,
    reason: Option<String>,
    /// Where the command ran, if not here.
    remote: Option<Value>,
}

/// The data that is available when the build is over.
pub struct Known<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// The dependency graph.
    pub graph: &'a TaskGraph,
    /// The spans of time.
    pub spans: Vec<Span>,
    /// When the store was written.
    pub sessions: &'a [Written],
}

impl Profile {
    /// Creates a trace that will be written to `path`. The file is created immediately, so that an error does not come
    /// only at the end of the build.
    pub fn create(path: &Path) -> Result<Profile, CliError> {
        let file = File::create(path).map_err(|e| {
            CliError::usage(format!("cannot write `{}`: {}", shown(path), reason(&e))).hint(way_out(&e))
        })?;
        Ok(Profile {
            path: shown(path).into_owned(),
            file,
            start: Instant::now(),
            ended: HashMap::new(),
            servers: Vec::new(),
        })
    }

    /// Records an event.
    pub fn event(&mut self, event: &Event) {
        if let Event::Finished { task, outcome, reason, remote, .. } = event {
            let (outcome, _) = words::outcome(outcome);
            let remote = remote.as_ref().map(json::run);
            self.ended.insert(*task, Ended { outcome, reason: reason.clone(), remote });
        }
        match event {
            Event::Server { task, what: Served::Started } => self.servers.push((*task, Instant::now(), None)),
            Event::Server { task, what: Served::Stopped(_) } | Event::Finished { task, .. } => {
                let running = self.servers.iter_mut().filter(|(id, _, end)| id == task && end.is_none());
                running.for_each(|(_, _, end)| *end = Some(Instant::now()));
            }
            _ => {}
        }
    }

    /// Writes the trace.
    pub fn write(&self, mut known: Known<'_>) -> Result<(), CliError> {
        known.spans.sort_by_key(|span| span.begin);
        let ends = known.spans.iter().filter(|span| span.phase == Phase::Task);
        let ends = ends.filter_map(|span| Some((span.task?, span.end))).collect();
        let critical = critical_path(known.graph, &ends);
        let mut events = names(&known.spans, !self.servers.is_empty());
        for span in &known.spans {
            let row = span.worker.map_or(BUILD, |worker| worker + 1);
            let on_path = span.phase == Phase::Task && span.task.is_some_and(|id| critical.contains(&id));
            let rows = [row].into_iter().chain(on_path.then_some(CRITICAL));
            events.extend(rows.filter_map(|row| self.span(&known, span, row, on_path)));
        }
        events.extend(known.sessions.iter().map(|written| {
            let Written { results, bytes, .. } = written;
            let name = format!("write {results} {}", if *results == 1 { "result" } else { "results" });
            let args = json!({ "results": results, "bytes": bytes });
            self.complete(STORE, &name, "store", (written.begin, written.end), args)
        }));
        events.extend(self.servers.iter().map(|(id, begin, end)| {
            let name = &known.workspace.task(*id).name;
            let outcome = self.ended.get(id).map_or("stopped", |ended| ended.outcome);
            let time = (*begin, end.unwrap_or_else(Instant::now));
            self.complete(SERVERS, name, "server", time, json!({ "outcome": outcome }))
        }));
        let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events });
        let mut out = BufWriter::new(&self.file);
        let written = serde_json::to_writer(&mut out, &trace).map_err(std::io::Error::from).and_then(|()| out.flush());
        written.map_err(|e| CliError::failure(format!("cannot write `{}`: {e}", self.path)))
    }

    /// Returns the event of a task or a part of one. Groups are left out.
    fn span(&self, known: &Known<'_>, span: &Span, row: usize, critical: bool) -> Option<Value> {
        let time = (span.begin, span.end);
        let task = span.task.map(|id| known.workspace.task(id));
        if task.is_some_and(|task| task.command.is_none()) {
            return None;
        }
        let name = task.map(|task| task.name.as_str());
        if span.phase != Phase::Task {
            return Some(self.complete(row, word(span.phase), "phase", time, json!({ "task": name })));
        }
        let ended = span.task.and_then(|id| self.ended.get(&id));
        let args = json!({
            "outcome": ended.map(|ended| ended.outcome.replace(' ', "_")),
            "reason": ended.and_then(|ended| ended.reason.as_ref()),
            "critical": critical,
            "remote": ended.and_then(|ended| ended.remote.as_ref()),
        });
        Some(self.complete(row, name.unwrap_or_default(), "task", time, args))
    }

    /// Returns a complete event. Rows are threads, and trace viewers take thread 0 for the idle one.
    fn complete(&self, row: usize, name: &str, category: &str, time: (Instant, Instant), args: Value) -> Value {
        let since = |instant: Instant| instant.saturating_duration_since(self.start).as_nanos() as f64 / 1_000.0;
        let (begin, end) = (since(time.0), since(time.1));
        json!({
            "ph": "X", "pid": 1, "tid": row + 1, "name": name, "cat": category,
            "ts": begin, "dur": end - begin, "args": args,
        })
    }
}

/// Returns the names of the rows that are used.
fn names(spans: &[Span], servers: bool) -> Vec<Value> {
    let workers = spans.iter().filter_map(|span| span.worker).max().map_or(0, |last| last + 1);
    let workers = (1..=workers).map(|n| (n, format!("worker {n}")));
    let others = [(BUILD, "build"), (STORE, "store"), (CRITICAL, "critical path")];
    let servers = servers.then(|| (SERVERS, "servers".to_owned()));
    let rows = others.map(|(row, name)| (row, name.to_owned())).into_iter().chain(workers).chain(servers);
    let meta = |name: &str, row: usize, args: Value| json!({ "ph": "M", "pid": 1, "tid": row + 1, "name": name, "args": args });
    let named = rows.flat_map(|(row, name)| {
        [
            meta("thread_name", row, json!({ "name": name })),
            meta("thread_sort_index", row, json!({ "sort_index": row })),
        ]
    });
    [meta("process_name", BUILD, json!({ "name": "percache build" }))].into_iter().chain(named).collect()
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Task => "task",
        Phase::Inputs => "hash inputs",
        Phase::Lookup => "look up",
        Phase::Wait => "claim",
        Phase::Restore => "restore",
        Phase::Command => "command",
        Phase::Outputs => "capture outputs",
        Phase::Recheck => "check inputs again",
        Phase::Begin => "begin",
        Phase::Survey => "survey outputs",
        Phase::Flush => "wait for the store",
        Phase::Journal => "write journal",
    }
}
