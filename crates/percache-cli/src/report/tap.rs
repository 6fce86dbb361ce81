//! Collects data from the threads that run tasks: the latest output of each running command for the display, and spans
//! of time for the trace.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use percache_runner::events::{Listener, Runner, Span, Stream};
use percache_runner::tasks::TaskId;

use crate::report::text;

/// How many bytes of the end of an output are kept.
const KEPT: usize = 2048;

/// The ends of outputs, and all spans.
#[derive(Default)]
pub struct Tap {
    /// Whether the display shows the output of commands.
    live: bool,
    ends: Mutex<HashMap<TaskId, Vec<u8>>>,
    /// Whether there will be a trace.
    traced: bool,
    spans: Mutex<Vec<Span>>,
}

impl Tap {
    /// Creates a tap that keeps output if there is a live display, and spans if there will be a trace.
    pub fn new(live: bool, traced: bool) -> Tap {
        Tap { live, traced, ..Tap::default() }
    }

    /// Returns the spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the latest line of a task.
    pub fn latest(&self, task: TaskId) -> String {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(&task).map(|end| text::last_line(end)).unwrap_or_default()
    }

    /// Forgets the output of a task that has ended.
    pub fn forget(&self, task: TaskId) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }
}

impl Listener for Tap {
    fn wrote(&self, task: TaskId, _runner: Runner, _stream: Stream, bytes: &[u8]) {
        if !self.live {
            return;
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ends.entry(task).or_default();
        let new = &bytes[bytes.len().saturating_sub(KEPT)..];
        end.drain(..(end.len() + new.len()).saturating_sub(KEPT).min(end.len()));
        end.extend_from_slice(new);
    }

    fn wants_spans(&self) -> bool {
        self.traced
    }

    fn span(&self, span: Span) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_line_is_known_however_much_was_written() {
        let (tap, task) = (Tap::new(true, false), TaskId(1));
        let wrote = |text: &str| tap.wrote(task, Runner::Own, Stream::Out, text.as_bytes());
        (0..1_000).for_each(|n| wrote(&format!("line {n}\nhal")));
        assert_eq!(tap.latest(task), "hal");
        wrote(&"x".repeat(10_000));
        wrote("\nlast\n");
        assert_eq!(tap.latest(task), "last");
        assert!(tap.ends.lock().unwrap()[&task].len() <= KEPT);
        tap.forget(task);
        assert_eq!(tap.latest(task), "");
    }
}
