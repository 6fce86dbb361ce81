//! Tells the user what happens during a build: lines, below them a live display on a terminal, or JSON; and a trace if asked for.
//!
//! Each way of telling is a file; this one decides which events reach which.

mod json;
mod lines;
mod live;
mod profile;
mod settled;
mod tap;
pub mod text;
pub mod words;

pub use words::{Place, quoted};

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percache::store::Store;
use percache_runner::graph::TaskGraph;
use percache_runner::model::Workspace;
use percache_runner::model::event::{Event, Listener, Outcome, Reporter};
use percache_runner::schedule::results::Summary;

use crate::args::Logs;
use crate::error::CliError;
use crate::report::lines::Lines;
use crate::report::profile::{Known, Profile};
use crate::report::tap::Tap;
use crate::style::{Paint, Style};

/// How to tell.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Colours.
    pub paint: Paint,
    /// Say more.
    pub verbose: bool,
    /// Say only what failed.
    pub quiet: bool,
    /// Whose logs to show.
    pub logs: Logs,
    /// Say why tasks run.
    pub explain: bool,
    /// Nothing runs.
    pub dry_run: bool,
    /// One JSON object a line, nothing else.
    pub json: bool,
    /// stdout is a terminal whose lines can be drawn anew.
    pub terminal: bool,
}

impl Manner {
    /// Whether there is a live display.
    pub fn is_live(&self) -> bool {
        self.terminal && !self.quiet && !self.json
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
}

impl<'a> Report<'a> {
    /// Begins to tell of a build in `workspace`.
    pub fn new(
        workspace: &'a Workspace,
        place: Place<'a>,
        manner: Manner,
        profile: Option<&Path>,
    ) -> Result<Report<'a>, CliError> {
        let profile = profile.map(Profile::create).transpose()?;
        let tap = Arc::new(Tap::new(manner.is_live(), profile.is_some()));
        let (json, live, lines) = (manner.json, manner.is_live(), Lines::new(workspace, place, manner, &tap));
        Ok(Report { workspace, json, live, lines, tap, profile })
    }

    /// What is to hear what commands write.
    pub fn listener(&self) -> Arc<dyn Listener> {
        self.tap.clone()
    }

    /// Writes the trace, if there is to be one.
    pub fn trace(&self, graph: &TaskGraph, store: Option<&Store>) -> Result<(), CliError> {
        let Some(profile) = &self.profile else { return Ok(()) };
        let sessions = store.map(Store::sessions).unwrap_or_default();
        let (workspace, spans) = (self.workspace, self.tap.spans());
        profile.write(Known { workspace, graph, spans, sessions: &sessions })
    }

    /// Says no more: what was built is out of date, or nothing happened.
    pub fn abandon(mut self) {
        self.lines.abandon();
    }

    /// Says how it ended.
    pub fn finish(mut self, summary: &Summary) {
        if self.json {
            json::summary(summary);
        } else {
            self.lines.summary(summary);
        }
    }
}

/// Tells of a build that had nothing to do, in the words in which the long way would tell it.
pub fn idle(tasks: &[String], manner: Manner, took: Duration) {
    let mut text = String::new();
    if manner.verbose {
        tasks.iter().for_each(|task| text.push_str(&words::line(manner.paint, &Outcome::UpToDate, task)));
    }
    let summary = Summary { up_to_date: tasks.len(), took, ..Summary::default() };
    let _ = write!(text, "{}", manner.paint.apply(Style::Strong, words::summary(&summary)));
    crate::say!("{text}");
}

impl Reporter for Report<'_> {
    fn event(&mut self, event: Event) {
        if let Some(profile) = &mut self.profile {
            profile.event(&event);
        }
        if self.json {
            json::event(self.workspace, &event);
        } else {
            self.lines.event(event);
        }
    }

    fn wants_starts(&self) -> bool {
        self.json || self.live
    }

    fn period(&self) -> Option<Duration> {
        self.live.then_some(live::PERIOD)
    }

    fn refresh(&mut self, left: Option<Duration>) {
        self.lines.refresh(left);
    }

    fn yield_terminal(&mut self, owned: bool) {
        self.lines.yield_terminal(owned);
    }
}
