//! What the core logs, kept until a thread of Python takes it along.
//!
//! A thread of the core must not wait for the interpreter, and holds locks when it logs. So messages wait here, and
//! Python asks for them whenever a call was not a hit.

use std::collections::VecDeque;
use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

/// Older messages go when there are more.
const MOST: usize = 256;

struct Queue(Mutex<VecDeque<(u8, String)>>);

static QUEUE: Queue = Queue(Mutex::new(VecDeque::new()));

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        // After a fork, the lock may be one that nobody lets go of. A message is not worth waiting for.
        let Ok(mut queue) = self.0.try_lock() else { return };
        if queue.len() == MOST {
            queue.pop_front();
        }
        // The levels of Python's `logging`.
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        queue.push_back((level, record.args().to_string()));
    }

    fn flush(&self) {}
}

/// Returns whether something was logged.
pub fn is_waiting() -> bool {
    QUEUE.0.try_lock().is_ok_and(|queue| !queue.is_empty())
}

/// Has the core log here.
pub fn install() {
    // Another one is there if the module is imported a second time.
    if log::set_logger(&QUEUE).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// Returns what was logged since this was last asked: levels and texts.
#[pyfunction]
pub fn messages() -> Vec<(u8, String)> {
    QUEUE.0.try_lock().map(|mut queue| queue.drain(..).collect()).unwrap_or_default()
}
