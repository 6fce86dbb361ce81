//! The live display: lines at the bottom of the terminal that show the progress of the build and what runs. Everything
//! else is printed above them.
//!
//! It has no thread: the coordinator calls it when something happens, and ten times a second while it waits. A build
//! that ends before the first of these calls shows nothing.

mod bar;
mod board;
mod frame;
mod screen;
#[cfg(feature = "remote")]
mod status;

#[cfg(feature = "remote")]
pub use status::StatusLine;

use std::sync::Arc;
use std::time::{Duration, Instant};

use percache_runner::events::Outcome;
use percache_runner::tasks::TaskId;

use crate::report::live::board::Board;
use crate::report::live::frame::{Look, frame};
use crate::report::live::screen::Screen;
use crate::report::tap::Tap;
use crate::terminal::style::Paint;

/// The interval between drawings.
pub const PERIOD: Duration = Duration::from_millis(100);

/// The live display.
pub struct Live {
    board: Board,
    screen: Screen,
    tap: Arc<Tap>,
    paint: Paint,
    begun: Instant,
    /// Lines to be printed with the next drawing.
    above: String,
    /// Whether the display is visible.
    shown: bool,
    /// Whether a command owns the terminal.
    away: bool,
}

impl Live {
    /// Creates a display that is not visible yet.
    pub fn new(paint: Paint, tap: Arc<Tap>) -> Live {
        Live {
            board: Board::default(),
            screen: Screen::new(),
            tap,
            paint,
            begun: Instant::now(),
            above: String::new(),
            shown: false,
            away: false,
        }
    }

    /// Begins a build of this many tasks.
    pub fn begin(&mut self, tasks: usize) {
        self.board = Board { tasks, ..Board::default() };
        self.begun = Instant::now();
    }

    /// Adds a running command.
    pub fn started(&mut self, task: TaskId, name: &str, usual: Option<Duration>) {
        self.board.started(task, name, usual);
    }

    /// Shows that a task waits for another process that runs the same action.
    pub fn waits(&mut self, task: TaskId, name: &str, holder: String) {
        self.board.waits(task, name, holder);
    }

    /// Shows what a server does.
    pub fn serves(&mut self, task: TaskId, name: &str, what: &'static str) {
        self.board.serves(task, name, what);
    }

    /// Removes a server that has ended.
    pub fn stopped(&mut self, task: TaskId) {
        self.board.stopped(task);
    }

    /// Shows that a command has exited and these processes hold its output.
    pub fn holds(&mut self, task: TaskId, holders: String) {
        self.board.holds(task, &holders);
    }

    /// Shows how far a command is that a worker elsewhere is to run; `None` once it runs here.
    pub fn elsewhere(&mut self, task: TaskId, stage: Option<&'static str>) {
        self.board.elsewhere(task, stage);
    }

    /// Removes a task that has ended.
    pub fn finished(&mut self, task: TaskId, outcome: &Outcome) {
        self.board.finished(task, outcome);
        self.tap.forget(task);
    }

    /// Redraws the display.
    pub fn refresh(&mut self, left: Option<Duration>, on_remote: usize) {
        self.board.left = left;
        self.board.counts.on_remote = on_remote;
        self.screen.heed_suspend();
        self.shown |= self.board.is_busy();
        self.draw();
    }

    /// Prints whole lines above the display. Text that is not urgent may wait for the next drawing.
    pub fn print(&mut self, text: &str, urgent: bool) {
        self.above.push_str(text);
        if urgent {
            self.draw();
        }
    }

    fn draw(&mut self) {
        let size = self.screen.size();
        let lines = if self.shown && !self.away {
            let latest = |running: &board::Running| self.tap.latest(running.task);
            let elapsed = self.begun.elapsed();
            let look = Look { size, paint: self.paint, now: Instant::now(), elapsed, latest: &latest };
            frame(&self.board, &look)
        } else {
            Vec::new()
        };
        self.screen.draw(&std::mem::take(&mut self.above), &lines, size);
    }

    /// Hides the display, prints pending lines, and then whatever `print` prints.
    pub fn suspend(&mut self, print: impl FnOnce()) {
        let shown = std::mem::replace(&mut self.shown, false);
        self.draw();
        print();
        self.shown = shown;
    }

    /// Hides the display while a command owns the terminal.
    pub fn hide(&mut self, hidden: bool) {
        self.away = hidden;
        self.draw();
    }

    /// Removes the display.
    pub fn clear(&mut self) {
        self.shown = false;
        self.draw();
    }
}
