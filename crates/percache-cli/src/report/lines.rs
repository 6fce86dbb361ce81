//! The reporter for people: a line for each task that was not up to date, logs where requested, details of failures,
//! and the summary; on a terminal above the live display.

mod servers;
mod waits;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use percache_runner::Summary;
use percache_runner::events::{Event, Failure, LogText, Outcome, Provenance};
use percache_runner::tasks::{TaskId, Workspace};
use percache_runner::text::{format_duration, format_size};

use self::servers::end_of_log;
use crate::args::{Logs, Output};
use crate::messages;
use crate::report::ci::Ci;
use crate::report::dots::Dots;
use crate::report::failure::{self, About};
use crate::report::live::Live;
use crate::report::servers::Streams;
use crate::report::settled::settled;
use crate::report::tap::Tap;
use crate::report::text::clean;
use crate::report::words::Place;
use crate::report::{Manner, words};
use crate::terminal::output::Stdout;
use crate::terminal::style::{Paint, Style};

/// Reports events as lines.
pub struct Lines<'a> {
    workspace: &'a Workspace,
    place: Place<'a>,
    manner: Manner,
    /// The CI system that shows the lines.
    ci: Ci,
    /// What is printed of each task.
    output: Output,
    dots: Dots,
    /// The tasks that failed, each with its failure in a few words.
    failed: Vec<(TaskId, String)>,
    /// How many lines were printed since the first failure began.
    since: usize,
    /// The process that a line last said the build waits for.
    awaited: Option<String>,
    /// The live display, if lines go to a terminal that has one.
    live: Option<Live>,
    out: io::BufWriter<Stdout>,
    /// The output of servers.
    streams: Streams,
    /// What servers print while a command owns the terminal.
    held: Option<String>,
    /// Whether only servers are left, which run until the user ends them.
    serving: bool,
}

/// A failure with so many lines after its first one is named again at the end.
const MANY: usize = 20;

/// A task that took as long as this is slow.
const SLOW: Duration = Duration::from_secs(5);

/// How a log is shown.
#[derive(Clone, Copy)]
struct Shown {
    /// Whether the whole log remains available.
    is_kept: bool,
    /// Whether it is a section that CI systems fold.
    folds: bool,
}

/// Details about a finished task.
struct Detail<'a> {
    took: Duration,
    saved: Duration,
    reason: Option<&'a str>,
    provenance: &'a Provenance,
    hint: Option<String>,
    /// Where the command ran, if not here.
    remote: String,
}

impl<'a> Lines<'a> {
    /// Begins to report.
    pub fn new(workspace: &'a Workspace, place: Place<'a>, manner: Manner, tap: &Arc<Tap>) -> Lines<'a> {
        Lines {
            workspace,
            place,
            manner,
            ci: Ci::detect(),
            output: manner.output(0),
            dots: Dots::default(),
            failed: Vec::new(),
            since: 0,
            awaited: None,
            live: manner.is_live().then(|| Live::new(manner.paint, tap.clone())),
            out: io::BufWriter::new(Stdout),
            streams: Streams::default(),
            held: None,
            serving: false,
        }
    }

    /// Reports an event.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Begin { tasks, .. } => {
                self.output = self.manner.output(tasks);
                self.live.iter_mut().for_each(|live| live.begin(tasks));
            }
            Event::Started { task, usual } => {
                let name = &self.workspace.task(task).name;
                self.live.iter_mut().for_each(|live| live.started(task, name, usual));
            }
            Event::Remote { task, stage } => {
                self.live.iter_mut().for_each(|live| live.elsewhere(task, words::stage(stage)));
            }
            Event::Finished { task, outcome, provenance, log, took, saved, reason, unseen, remote, .. } => {
                self.live.iter_mut().for_each(|live| live.finished(task, &outcome));
                let remote = remote.as_ref().map(words::remotely).unwrap_or_default();
                let (reason, hint) = (reason.as_deref(), words::unseen(&unseen));
                let detail = Detail { took, saved, reason, provenance: &provenance, hint, remote };
                self.finished(task, &outcome, &log, &detail);
            }
            Event::Server { task, what } => self.server(task, what),
            Event::Serving { tasks } => self.serving(&tasks),
            Event::Warning(warning) => {
                let (message, hint) = messages::warning(&warning);
                self.warn(&message, hint.as_deref());
            }
            Event::Note(note) => self.note(&messages::note(&note)),
            Event::Displaced(moved) => self.moved(&words::moved(&moved)),
            Event::Waiting { task, holder } => self.waiting(task, holder),
            Event::Background { task, holders } => self.background(task, &holders),
        }
    }

    /// Hides the display while a command owns the terminal.
    pub fn yield_terminal(&mut self, owned: bool) {
        let _ = self.out.flush();
        self.live.iter_mut().for_each(|live| live.hide(owned));
        self.held = owned.then(String::new).or_else(|| {
            let held = self.held.take().unwrap_or_default();
            self.put(&held, true);
            None
        });
    }

    /// Redraws the display, if there is one.
    pub fn refresh(&mut self, left: Option<Duration>, on_remote: usize) {
        self.live.iter_mut().for_each(|live| live.refresh(left, on_remote));
    }

    fn finished(&mut self, id: TaskId, outcome: &Outcome, log: &Arc<LogText>, detail: &Detail<'_>) {
        let name = &self.workspace.task(id).name;
        let failed = matches!(outcome, Outcome::Failed(_) | Outcome::Unstable(_));
        if !failed && (self.manner.quiet || *outcome == Outcome::Group) {
            return;
        }
        if *outcome == Outcome::NotStarted && !self.manner.verbose {
            return;
        }
        let rest = self.streams.end(id, self.manner.paint);
        if self.streams_output() {
            self.put(&rest, false);
        }
        match self.output {
            Output::Dots if !failed => {
                let dot = self.dots.next(outcome);
                self.write(dot);
                // It is a sign of life.
                let _ = self.out.flush();
                return;
            }
            Output::Compact if !failed && detail.took < SLOW => return,
            _ => {}
        }
        let shows_log = !log.bytes.is_empty() && self.wants_log(outcome);
        // Hundreds of lines of tasks that are up to date would hide the others; the summary counts them.
        let is_quiet = matches!(outcome, Outcome::UpToDate | Outcome::OnRemote);
        if is_quiet && !self.manner.verbose && !shows_log {
            return;
        }
        let mut text = clean(&self.line(name, outcome, detail), true);
        if shows_log {
            let task = self.workspace.task(id);
            let is_kept = !failed && task.cache && !task.interactive;
            let printed = task.server.is_some() && self.streams_output();
            let last = printed.then(|| end_of_log(log));
            self.add_log(&mut text, id, last.as_ref().unwrap_or(log), Shown { is_kept, folds: !failed });
        }
        if failed {
            text.push_str(&clean(&self.failure(id, outcome, detail), true));
            self.annotate(&mut text, id, outcome, log);
        }
        // The live display is redrawn ten times a second anyway: a thousand quick tasks must not redraw it a thousand
        // times.
        let urgent = if self.live.is_some() { failed } else { !is_quiet };
        self.put(&text, urgent);
    }

    fn wants_log(&self, outcome: &Outcome) -> bool {
        match (outcome, self.manner.logs) {
            (_, Logs::None) => false,
            (Outcome::Ran | Outcome::Restored, Logs::New) if self.output != Output::Full => false,
            (Outcome::Failed(_), _) | (_, Logs::All) => true,
            (Outcome::Ran | Outcome::Restored, Logs::New) => true,
            _ => false,
        }
    }

    fn line(&self, name: &str, outcome: &Outcome, detail: &Detail<'_>) -> String {
        let Detail { took, saved, reason, provenance, ref remote, .. } = *detail;
        let paint = self.manner.paint;
        let mut line = format!("{} {name}", words::column(paint, outcome, self.manner.dry_run));
        let detail = match outcome {
            Outcome::Ran | Outcome::Checked | Outcome::Unstable(_) => {
                Some(format!("{}{remote}", format_duration(took)))
            }
            Outcome::Restored if !saved.is_zero() => Some(format!("saved {}", format_duration(saved))),
            Outcome::Failed(Failure::Interrupted) => Some(format_duration(took)),
            Outcome::Failed(failure) => Some(format!("{failure}, {}{remote}", format_duration(took))),
            _ => None,
        };
        if let Some(detail) = detail {
            let _ = write!(line, " {}", paint.apply(Style::Faint, format!("({detail})")));
        }
        if self.manner.explain {
            let why = reason.map(str::to_owned).into_iter().chain(words::provenance(provenance));
            let why: Vec<_> = why.collect();
            let _ = write!(line, "{}{}", if why.is_empty() { "" } else { ": " }, why.join("; "));
        }
        line.push('\n');
        line
    }

    /// Appends a log.
    fn add_log(&self, text: &mut String, id: TaskId, log: &LogText, shown: Shown) {
        if shown.folds {
            self.ci.open(text, id, &self.workspace.task(id).name);
        }
        if log.omitted > 0 {
            let all = if shown.is_kept { "; `percache log` shows all" } else { "" };
            let _ = writeln!(text, "[the first {} are left out{all}]", format_size(log.omitted));
        }
        text.push_str(&clean(&settled(&String::from_utf8_lossy(&log.bytes)), self.manner.paint.is_on()));
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if shown.folds {
            self.ci.close(text, id);
        }
    }

    /// Notes a failure, and returns its details.
    fn failure(&mut self, id: TaskId, outcome: &Outcome, detail: &Detail<'_>) -> String {
        let how = match outcome {
            Outcome::Failed(Failure::Interrupted) => return String::new(),
            Outcome::Failed(failure) => failure.to_string(),
            _ => "unstable".to_owned(),
        };
        self.failed.push((id, how));
        let about = About { workspace: self.workspace, place: &self.place, paint: self.manner.paint };
        match outcome {
            Outcome::Failed(failure) => about.failure(id, failure, detail.hint.as_deref()),
            Outcome::Unstable(deviations) => about.deviations(deviations),
            _ => String::new(),
        }
    }

    /// Appends annotations of a failure, where they are understood.
    fn annotate(&self, text: &mut String, id: TaskId, outcome: &Outcome, log: &LogText) {
        let task = self.workspace.task(id);
        match outcome {
            Outcome::Failed(Failure::Interrupted) => {}
            Outcome::Failed(failure) => {
                self.ci.annotate(text, "error", &format!("task {} failed: {failure}", task.name));
                self.ci.annotate_places(text, self.workspace, task, &log.bytes);
            }
            Outcome::Unstable(deviations) => {
                let message = format!("task {} is unstable: {} differ", task.name, failure::names(deviations));
                self.ci.annotate(text, "error", &message);
            }
            _ => {}
        }
    }

    fn warn(&mut self, message: &str, hint: Option<&str>) {
        let paint = Paint::stderr_like(self.manner.paint);
        let mut text = format!("{} {message}\n", paint.apply(Style::Warning, "warning:"));
        if let Some(hint) = hint {
            let _ = writeln!(text, "{} {hint}", paint.apply(Style::Hint, "hint:"));
        }
        self.end_dots();
        let _ = self.out.flush();
        match &mut self.live {
            Some(live) => live.suspend(|| crate::aside!("{}", text.trim_end())),
            None => crate::aside!("{}", text.trim_end()),
        }
    }

    fn note(&mut self, message: &str) {
        if self.manner.quiet {
            return;
        }
        let text = format!("{}\n", self.manner.paint.apply(Style::Faint, message));
        self.print(&text, true);
    }

    /// Reports displaced files even if quiet, and as an annotation, because whoever misses a file must learn where it
    /// is, and the disk of a CI runner is soon gone.
    fn moved(&mut self, message: &str) {
        let mut annotation = String::new();
        self.ci.annotate(&mut annotation, "warning", message);
        self.put(&annotation, true);
        match self.manner.quiet {
            true => crate::aside!("{}", Paint::stderr_like(self.manner.paint).apply(Style::Faint, message)),
            false => self.note(message),
        }
    }

    /// Prints whole lines, cleaned, because file names may contain anything. Text that is not urgent may wait for text
    /// that is.
    fn print(&mut self, text: &str, urgent: bool) {
        self.put(&clean(text, true), urgent);
    }

    /// Prints whole lines that are clean.
    fn put(&mut self, text: &str, urgent: bool) {
        if !self.failed.is_empty() {
            self.since += text.lines().count();
        }
        if !text.is_empty() {
            self.end_dots();
        }
        match &mut self.live {
            Some(live) => live.print(text, urgent),
            None => self.write(text),
        }
        if urgent {
            let _ = self.out.flush();
        }
    }

    /// Ends the line of dots, if there is one.
    fn end_dots(&mut self) {
        let end = self.dots.end();
        self.write(end);
    }

    /// Writes text as it is. An error of writing, or a reader that is gone, does not end the build.
    fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
    }

    /// Stops without a summary.
    pub fn abandon(&mut self) {
        self.live.iter_mut().for_each(Live::clear);
        let _ = self.out.flush();
    }

    /// Prints the summary.
    pub fn summary(&mut self, summary: &Summary) {
        self.live.iter_mut().for_each(Live::clear);
        self.end_dots();
        if self.failed.len() > 1 || self.since > MANY {
            let about = About { workspace: self.workspace, place: &self.place, paint: self.manner.paint };
            let again = about.failures(&self.failed);
            let _ = self.out.write_all(clean(&again, true).as_bytes());
        }
        let sound = summary.failed.is_empty() && summary.unstable.is_empty() && !summary.interrupted;
        let style = if sound { Style::Strong } else { Style::Bad };
        let interrupted = if summary.interrupted { "interrupted: " } else { "" };
        let line = format!("{interrupted}{}", words::summary(summary));
        let _ = writeln!(self.out, "{}", self.manner.paint.apply(style, line));
        let _ = self.out.flush();
    }
}
