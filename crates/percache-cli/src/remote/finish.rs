//! The end of a build that shares results: its uploads are waited for, and what the user should know is told.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use percache::base::clock::{Micros, Time};
use percache_remote::{Notice, Progress, Totals};
use percache_runner::text::format_size;
use percache_runner::{FromRemote, Stop};

use super::Sharing;
use super::advice::check;
use crate::report::StatusLine;
use crate::terminal::style::{Paint, Style};

/// Uploads that take no longer after the build are not worth a word.
const SHORT: Duration = Duration::from_secs(1);
/// On a terminal, a line shows them after this long.
const SOON: Duration = Duration::from_millis(200);

/// How to end.
#[derive(Clone, Copy)]
pub struct Ending<'a> {
    /// The request to stop, which ends the uploads.
    pub stop: &'a Stop,
    /// Whether only warnings are told.
    pub quiet: bool,
    /// Whether a line on the terminal shows how far the uploads are.
    pub live: bool,
    /// The colours of standard error.
    pub paint: Paint,
    /// What came from the remote; `None` if nothing of this run counts for the statistics.
    pub came: Option<FromRemote>,
}

impl Sharing {
    /// Waits for the uploads, and tells what the user should know of them. A request to stop ends them; what is left is
    /// remembered.
    pub fn finish(&self, ending: &Ending<'_>) -> Progress {
        let progress = self.wait(ending);
        self.conclude(ending, &progress);
        progress
    }

    /// Waits for the uploads, or for a request to stop.
    pub fn wait(&self, ending: &Ending<'_>) -> Progress {
        if self.uploads.progress().offered > 0 && !self.remote.is_given_up() {
            self.offer_leftovers();
        }
        let began = Instant::now();
        let (mut said, mut line) = (ending.quiet || ending.live, None);
        let progress = self.uploads.finish(&mut |progress| {
            if ending.live && began.elapsed() > SOON {
                let line = line.get_or_insert_with(|| StatusLine::new(ending.paint));
                line.show(&how_far(progress, &self.remote.address()));
            }
            if !said && began.elapsed() > SHORT {
                said = true;
                crate::aside!("uploading {} to {} …", results(progress.left()), self.remote.address());
            }
            if ending.stop.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let shown = line.take().is_some() || said;
        if shown && !ending.quiet && progress.left() == 0 && progress.done > 0 && began.elapsed() > SHORT {
            let sent = format_size(progress.bytes);
            crate::aside!("uploaded {}, {sent}, in {:.1}s", results(progress.done), began.elapsed().as_secs_f64());
        }
        progress
    }

    /// Tells what is wrong with the remote, if anything, and what was not uploaded.
    pub fn conclude(&self, ending: &Ending<'_>, progress: &Progress) {
        self.tell(ending.paint);
        if progress.left() > 0 && !ending.quiet {
            crate::aside!("{} not uploaded; the next upload offers them again", results(progress.left()));
        }
        ending.came.iter().for_each(|came| self.add_up(progress, came));
    }

    fn tell(&self, paint: Paint) {
        for notice in self.remote.take_notices() {
            tell(worded(notice), paint);
        }
    }

    /// Adds to the sums for `percache stats`. No build fails because of them.
    fn add_up(&self, progress: &Progress, came: &FromRemote) {
        let totals = Totals {
            since: Time::EPOCH,
            hits: came.fetched as u64,
            misses: self.remote.counts().misses,
            refused: came.refused as u64,
            fetched: came.bytes,
            saved: Micros::from(came.saved),
            uploaded: progress.done as u64,
            sent: progress.bytes,
        };
        if !totals.is_nothing() {
            let _ = totals.add(&self.dir);
        }
    }
}

fn how_far(progress: &Progress, address: &str) -> String {
    let Progress { offered, bytes, .. } = progress;
    let there = offered - progress.left();
    format!("uploading: {there} of {} to {address}, {} sent; Ctrl-C ends it", results(*offered), format_size(*bytes))
}

fn results(count: usize) -> String {
    if count == 1 { "1 result".to_owned() } else { format!("{count} results") }
}

/// Prints a warning.
pub(super) fn tell((message, hint): (String, String), paint: Paint) {
    let (warning, hint_word) = (paint.apply(Style::Warning, "warning:"), paint.apply(Style::Hint, "hint:"));
    crate::aside!("{warning} {message}\n  {hint_word} {hint}");
}

/// Words a notice: what happened, and what to do about it.
fn worded(notice: Notice) -> (String, String) {
    let (message, hint) = match notice {
        Notice::GivenUp { address, kind, reason } => {
            let hint =
                format!("{}; `percache remote check` tries it, `--no-remote` does without it", check(kind, "[remote]"));
            return (format!("the remote {address} is not used any more in this run: {reason}"), hint);
        }
        Notice::ReadOnly { address, reason } => (
            format!("nothing is written to the remote {address}: {reason}"),
            "let `write` of [remote] be true only where the credentials allow it",
        ),
        Notice::NotExecuted { address, reason } => {
            (format!("{address} executes nothing: {reason}"), "the commands ran here instead")
        }
        Notice::Refused { what, reason } => (
            format!("{what} on the remote is not used: {reason}"),
            "the command runs instead; others of this kind are not reported",
        ),
    };
    (message, hint.to_owned())
}
