//! What is printed about servers: that they are ready, their output as it comes, and that they have stopped.

use std::time::Duration;

use percache_runner::events::{LogText, Served};
use percache_runner::tasks::TaskId;
use percache_runner::text::format_duration;

use super::Lines;
use crate::args::{Logs, Output};
use crate::report::live::Live;
use crate::terminal::style::Style;

/// How much of a failed server's log is shown if all of it was printed as it came.
const LAST_LINES: usize = 20;

/// How much of the output of servers is held back while a command owns the terminal.
const HELD: usize = 1 << 20;

/// Returns the end of a log.
pub(super) fn end_of_log(log: &LogText) -> LogText {
    let text = log.bytes.strip_suffix(b"\n").unwrap_or(&log.bytes);
    let mut ends = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = ends.nth(LAST_LINES - 1).unwrap_or(0);
    LogText { bytes: log.bytes[start..].to_vec(), omitted: log.omitted + start as u64 }
}

impl Lines<'_> {
    /// Reports what a server did.
    pub(super) fn server(&mut self, task: TaskId, what: Served) {
        let (name, paint) = (&self.workspace.task(task).name, self.manner.paint);
        let line = |word, took: Duration| {
            let took = if took.is_zero() { String::new() } else { format!(" ({})", format_duration(took)) };
            format!("{} {name}{}\n", paint.apply(Style::Faint, format!("{word:<10}")), paint.apply(Style::Faint, took))
        };
        let text = match what {
            Served::Started => {
                self.streams.add(task, name);
                self.live.iter_mut().for_each(|live| live.serves(task, name, "starting"));
                return;
            }
            Served::Output(bytes) if self.streams_output() => {
                self.streams.add(task, name);
                self.streams.lines(task, &bytes, paint)
            }
            Served::Output(_) => return,
            Served::Ready(took) => {
                self.live.iter_mut().for_each(|live| live.serves(task, name, "ready"));
                line(if took.is_zero() { "started" } else { "ready" }, took)
            }
            Served::Stopped(took) => {
                self.live.iter_mut().for_each(|live| live.stopped(task));
                let rest = self.streams.end(task, paint);
                self.put(&rest, false);
                line("stopped", took)
            }
        };
        if self.manner.quiet || (self.output != Output::Full && !self.serving) {
            return;
        }
        match &mut self.held {
            Some(held) if held.len() < HELD => held.push_str(&text),
            Some(_) => {}
            None => self.put(&text, true),
        }
    }

    /// Returns whether the output of servers is printed as it comes.
    pub(super) fn streams_output(&self) -> bool {
        let wanted = matches!(self.manner.logs, Logs::All | Logs::New);
        !self.manner.quiet && wanted && (self.output == Output::Full || self.serving)
    }

    /// Reports that only servers are left.
    pub(super) fn serving(&mut self, tasks: &[TaskId]) {
        self.live.iter_mut().for_each(Live::clear);
        self.serving = true;
        let names: Vec<_> = tasks.iter().map(|id| self.workspace.task(*id).name.as_str()).collect();
        self.note(&format!("serving {}, until Ctrl-C", names.join(", ")));
    }
}
