//! The latest that each running command wrote. Filled by the threads that run them, read by the display.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use percache_runner::event::{Listener, Runner};
use percache_runner::model::TaskId;
use percache_runner::process::Stream;

use crate::report::text;

/// So much of the end of an output is kept.
const KEPT: usize = 2048;

/// The ends of outputs.
#[derive(Default)]
pub struct Tap {
    /// Whether anybody looks.
    open: bool,
    ends: Mutex<HashMap<TaskId, Vec<u8>>>,
}

impl Tap {
    /// A tap that keeps something only when `open`.
    pub fn new(open: bool) -> Tap {
        Tap { open, ends: Mutex::default() }
    }

    /// The latest line of a task.
    pub fn latest(&self, task: TaskId) -> String {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(&task).map(|end| text::last_line(end)).unwrap_or_default()
    }

    /// A task has ended.
    pub fn forget(&self, task: TaskId) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }
}

impl Listener for Tap {
    fn wrote(&self, task: TaskId, _runner: Runner, _stream: Stream, bytes: &[u8]) {
        if !self.open {
            return;
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ends.entry(task).or_default();
        let new = &bytes[bytes.len().saturating_sub(KEPT)..];
        end.drain(..(end.len() + new.len()).saturating_sub(KEPT).min(end.len()));
        end.extend_from_slice(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_line_is_known_however_much_was_written() {
        let (tap, task) = (Tap::new(true), TaskId(1));
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
