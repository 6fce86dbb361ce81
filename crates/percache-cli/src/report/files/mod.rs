//! Files that a build writes beside what it prints: JUnit XML, events as JSON, a summary in Markdown.
//!
//! They are created before anything runs, so that an error does not come only at the end, and are complete however the
//! build ends: the reporter writes them with the summary.

mod junit;
mod markdown;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percache_runner::Summary;
use percache_runner::events::{Event, Outcome};
use percache_runner::tasks::{Task, TaskId, Workspace};
use percache_runner::text::{reason, shown, way_out};

use crate::error::CliError;
use crate::report::json;
use crate::report::settled::plain_end;

/// How much of the end of each failed task's log is kept, and how much of all logs together.
const LOG: usize = 64 << 10;
const LOGS: usize = 32 << 20;

/// The value of `--summary-file` that means no file, not even where GitHub asks for one.
const NONE: &str = "none";

/// Which files are wanted.
#[derive(Debug, Default)]
pub struct Wanted {
    /// JUnit XML.
    pub junit: Option<PathBuf>,
    /// Events as JSON, one per line.
    pub json: Option<PathBuf>,
    /// A summary in Markdown.
    pub summary: Option<SummaryFile>,
}

/// The file of a summary.
#[derive(Debug, PartialEq, Eq)]
pub struct SummaryFile {
    path: PathBuf,
    /// Whether to append to what is there.
    appends: bool,
    /// Whether the user asked for it. If not, it is no error that it cannot be written.
    asked: bool,
}

impl Wanted {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.junit.is_none() && self.json.is_none() && self.summary.is_none()
    }

    /// Returns the file of the summary for the value of `--summary-file`. On GitHub Actions there is one without the
    /// option: that of the step, which earlier commands may have begun.
    pub fn summary(option: Option<&Path>) -> Option<SummaryFile> {
        let step = || {
            let file = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty());
            file.map(PathBuf::from)
        };
        let is_github = || std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        match option {
            Some(file) if file == Path::new(NONE) => None,
            Some(file) => {
                let appends = step().as_deref() == Some(file);
                Some(SummaryFile { path: file.to_owned(), appends, asked: true })
            }
            None => {
                let file = is_github().then(step).flatten()?;
                Some(SummaryFile { path: file, appends: true, asked: false })
            }
        }
    }
}

/// How a task ended.
pub struct Ended {
    outcome: Outcome,
    took: Duration,
    saved: Duration,
    /// The end of its log if it failed, without escape sequences.
    log: String,
}

/// What is known at the end of a build.
pub struct Known<'a> {
    workspace: &'a Workspace,
    /// The tasks of the build, without groups: those that have ended, and those that were not reached.
    tasks: BTreeMap<TaskId, Option<&'a Ended>>,
    summary: &'a Summary,
}

/// The files of a build.
pub struct Files {
    /// The tasks that the build was to bring up to date.
    planned: Vec<TaskId>,
    ended: BTreeMap<TaskId, Ended>,
    /// How much more of logs may be kept.
    room: usize,
    junit: Option<Destination>,
    json: Option<Destination>,
    summary: Option<Destination>,
}

impl Files {
    /// Creates the files for a build of the tasks `planned`.
    pub fn create(wanted: &Wanted, planned: Vec<TaskId>) -> Result<Files, CliError> {
        let create = |path: &Option<PathBuf>| path.as_ref().map(|path| Destination::create(path, false)).transpose();
        let summary = match &wanted.summary {
            Some(SummaryFile { path, appends, asked: true }) => Some(Destination::create(path, *appends)?),
            // In a container, the variable may name a file that is not there.
            Some(SummaryFile { path, .. }) => Destination::create(path, true).ok(),
            None => None,
        };
        let (junit, json) = (create(&wanted.junit)?, create(&wanted.json)?);
        Ok(Files { planned, ended: BTreeMap::new(), room: LOGS, junit, json, summary })
    }

    /// Returns whether it wants to know when tasks start.
    pub fn wants_starts(&self) -> bool {
        self.json.is_some()
    }

    /// Takes an event.
    pub fn event(&mut self, workspace: &Workspace, event: &Event) {
        if let Some(json) = &mut self.json {
            json.write(&json::event(workspace, event));
        }
        let Event::Finished { task, outcome, log, took, saved, .. } = event else { return };
        if matches!(outcome, Outcome::Group | Outcome::NotStarted) || (self.junit.is_none() && self.summary.is_none()) {
            return;
        }
        let fails = matches!(outcome, Outcome::Failed(_));
        let log = if fails { plain_end(&log.bytes, LOG.min(self.room)) } else { String::new() };
        self.room -= log.len().min(self.room);
        self.ended.insert(*task, Ended { outcome: outcome.clone(), took: *took, saved: *saved, log });
    }

    /// Completes the files.
    pub fn finish(mut self, workspace: &Workspace, summary: &Summary) -> Result<(), CliError> {
        let (json, junit, markdown) = (self.json.take(), self.junit.take(), self.summary.take());
        // A server is no work to be done, and is worth mentioning only if it failed.
        let counts = |id: &&TaskId| match workspace.task(**id) {
            Task { command: None, .. } => false,
            Task { server: Some(_), .. } => self.ended.contains_key(id),
            _ => true,
        };
        let tasks = self.planned.iter().filter(counts);
        let tasks = tasks.map(|id| (*id, self.ended.get(id))).collect();
        let known = Known { workspace, tasks, summary };
        let write = |destination: Option<Destination>, text: &dyn Fn() -> String| {
            let Some(mut destination) = destination else { return Ok(()) };
            destination.write(&text());
            destination.end()
        };
        // All are written, even if one cannot be.
        let written = [
            write(json, &|| json::summary(summary)),
            write(junit, &|| junit::document(&known)),
            write(markdown, &|| markdown::document(&known)),
        ];
        written.into_iter().collect()
    }
}

/// A file, with the first error of writing to it.
struct Destination {
    path: String,
    file: BufWriter<File>,
    error: Option<std::io::Error>,
}

impl Destination {
    fn create(path: &Path, append: bool) -> Result<Destination, CliError> {
        let file = match append {
            true => File::options().append(true).create(true).open(path),
            false => File::create(path),
        };
        let file = file.map_err(|e| {
            let hint = match e.kind() {
                ErrorKind::NotFound => Some("give the path of a file in a directory that exists".to_owned()),
                _ => way_out(&e),
            };
            CliError::usage(format!("cannot write `{}`: {}", shown(path), reason(&e))).hint(hint)
        })?;
        Ok(Destination { path: shown(path).into_owned(), file: BufWriter::new(file), error: None })
    }

    fn write(&mut self, text: &str) {
        let written = self.file.write_all(text.as_bytes());
        self.error = self.error.take().or(written.err());
    }

    fn end(mut self) -> Result<(), CliError> {
        let error = self.error.take().or(self.file.flush().err());
        match error {
            Some(e) => {
                Err(CliError::failure(format!("cannot write `{}`: {}", self.path, reason(&e))).hint(way_out(&e)))
            }
            None => Ok(()),
        }
    }
}
