//! Reports a build to the user: as lines, with a live display below them on a terminal, or as JSON; and a trace if
//! requested.
//!
//! Each form of output has its own file; this one decides which events go where.

mod ci;
mod dots;
mod failure;
mod files;
pub mod json;
mod lines;
mod live;
mod located;
mod profile;
mod servers;
mod settled;
mod tap;
pub mod text;
pub mod words;

pub use files::Wanted;
#[cfg(feature = "remote")]
pub use live::StatusLine;
pub use settled::plain_end;
pub use words::{Place, quoted};

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percache::store::Store;
use percache_runner::Summary;
use percache_runner::events::{Event, Listener, Note, Outcome, Reporter};
use percache_runner::tasks::{TaskGraph, TaskId, Workspace};

use crate::args::{Logs, Output};
use crate::error::CliError;
use crate::messages;
use crate::registry;
use crate::report::files::Files;
use crate::report::lines::Lines;
use crate::report::profile::{Known, Profile};
use crate::report::tap::Tap;
use crate::terminal::output::Stdout;
use crate::terminal::style::{Paint, Style};

/// What to report, and how.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether to use colours.
    pub paint: Paint,
    /// Report more.
    pub verbose: bool,
    /// Report only failures.
    pub quiet: bool,
    /// The tasks whose logs are shown.
    pub logs: Logs,
    /// What to print of each task; `None` if the number of tasks decides.
    pub output: Option<Output>,
    /// Show why tasks run.
    pub explain: bool,
    /// This is a dry run.
    pub dry_run: bool,
    /// Print one JSON object per line, and nothing else.
    pub json: bool,
    /// stdout is a terminal whose lines can be redrawn.
    pub terminal: bool,
}

/// The number of tasks above which a terminal shows failures and slow tasks alone.
const MANY_TASKS: usize = 200;

impl Manner {
    /// Returns what to print of each task in a build of so many.
    pub fn output(&self, tasks: usize) -> Output {
        // Whoever asks for more lines gets them.
        let more = self.verbose || self.explain || self.dry_run || self.logs == Logs::All;
        let many = self.is_live() && tasks > MANY_TASKS;
        self.output.unwrap_or(if many && !more { Output::Compact } else { Output::Full })
    }

    /// Returns whether there is a live display.
    pub fn is_live(&self) -> bool {
        self.terminal && !self.quiet && !self.json && self.output != Some(Output::Dots)
    }
}

/// The reporter of a build.
pub struct Report<'a> {
    workspace: &'a Workspace,
    json: bool,
    live: bool,
    lines: Lines<'a>,
    tap: Arc<Tap>,
    profile: Option<Profile>,
    files: Option<Files>,
}

impl<'a> Report<'a> {
    /// Begins to report a build in `workspace`.
    pub fn new(
        workspace: &'a Workspace,
        place: Place<'a>,
        manner: Manner,
        profile: Option<&Path>,
    ) -> Result<Report<'a>, CliError> {
        let profile = profile.map(Profile::create).transpose()?;
        let tap = Arc::new(Tap::new(manner.is_live(), profile.is_some()));
        let (json, live, lines) = (manner.json, manner.is_live(), Lines::new(workspace, place, manner, &tap));
        Ok(Report { workspace, json, live, lines, tap, profile, files: None })
    }

    /// Writes files as well, for a build of the tasks `planned`. They are created immediately.
    pub fn with_files(self, wanted: &Wanted, planned: Vec<TaskId>) -> Result<Report<'a>, CliError> {
        Ok(Report { files: Some(Files::create(wanted, planned)?), ..self })
    }

    /// Returns the listener for the output of commands.
    pub fn listener(&self) -> Arc<dyn Listener> {
        self.tap.clone()
    }

    /// Writes the trace, if one is wanted.
    pub fn trace(&self, graph: &TaskGraph, store: Option<&Store>) -> Result<(), CliError> {
        let Some(profile) = &self.profile else { return Ok(()) };
        let sessions = store.map(Store::sessions).unwrap_or_default();
        let (workspace, spans) = (self.workspace, self.tap.spans());
        profile.write(Known { workspace, graph, spans, sessions: &sessions })
    }

    /// Stops without a summary, because the build is out of date, or nothing happened.
    pub fn abandon(mut self) {
        self.lines.abandon();
    }

    /// Reports the end of the build, and completes the files.
    pub fn finish(mut self, summary: &Summary) -> Result<(), CliError> {
        if self.json {
            print(&json::summary(summary));
        } else {
            self.lines.summary(summary);
        }
        self.files.map_or(Ok(()), |files| files.finish(self.workspace, summary))
    }
}

/// Reports a build that had nothing to do, in the same words as any other build, and what there is to say all the same.
pub fn idle((tasks, notes): (&[String], &[Note]), manner: Manner, took: Duration) {
    let mut text = String::new();
    for note in notes.iter().filter(|_| !manner.quiet) {
        let _ = writeln!(text, "{}", manner.paint.apply(Style::Faint, messages::note(note)));
    }
    if manner.verbose {
        tasks.iter().for_each(|task| text.push_str(&words::line(manner.paint, &Outcome::UpToDate, task)));
    }
    let summary = Summary { up_to_date: tasks.len(), took, ..Summary::default() };
    let _ = write!(text, "{}", manner.paint.apply(Style::Strong, words::summary(&summary)));
    crate::say!("{text}");
}

/// Reports that no task was chosen, and why. For programs, and in files, it is a build without tasks.
pub fn nothing(workspace: &Workspace, manner: Manner, wanted: &Wanted, why: &str) -> Result<(), CliError> {
    let summary = Summary::default();
    let files = Files::create(wanted, Vec::new())?;
    if manner.json {
        print(&json::summary(&summary));
    } else if !manner.quiet {
        crate::say!("{why}");
    }
    files.finish(workspace, &summary)
}

/// Prints whole lines for programs. Errors of writing are reported at the end.
fn print(lines: &str) {
    let _ = Stdout.write_all(lines.as_bytes());
}

impl Reporter for Report<'_> {
    fn event(&mut self, event: Event) {
        if let Some(profile) = &mut self.profile {
            profile.event(&event);
        }
        if let Some(files) = &mut self.files {
            files.event(self.workspace, &event);
        }
        if let Event::Displaced(moved) = &event {
            registry::remember(moved);
        }
        if self.json {
            print(&json::event(self.workspace, &event));
        } else {
            self.lines.event(event);
        }
    }

    fn wants_starts(&self) -> bool {
        self.json || self.live || self.files.as_ref().is_some_and(Files::wants_starts)
    }

    fn period(&self) -> Option<Duration> {
        self.live.then_some(live::PERIOD)
    }

    fn refresh(&mut self, left: Option<Duration>, on_remote: usize) {
        self.lines.refresh(left, on_remote);
    }

    fn yield_terminal(&mut self, owned: bool) {
        self.lines.yield_terminal(owned);
    }
}
