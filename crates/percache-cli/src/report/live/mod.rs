//! The live display: lines at the foot of the terminal that say how far the build is and what runs. Everything else is printed above
//! them.
//!
//! It has no thread: the coordinator calls it when something happens, and ten times a second while it waits. A build that is over
//! before the first of these calls shows nothing.

mod bar;
mod board;
mod frame;
mod screen;

use std::sync::Arc;
use std::time::{Duration, Instant};

use percache_runner::model::TaskId;
use percache_runner::model::event::Outcome;

use crate::report::live::board::Board;
use crate::report::live::frame::{Look, frame};
use crate::report::live::screen::Screen;
use crate::report::tap::Tap;
use crate::style::Paint;

/// How often the display is drawn.
pub const PERIOD: Duration = Duration::from_millis(100);

/// The display.
pub struct Live {
    board: Board,
    screen: Screen,
    tap: Arc<Tap>,
    paint: Paint,
    begun: Instant,
    /// Lines that are to be printed with the next drawing.
    above: String,
    /// Whether anything is drawn yet.
    shown: bool,
    /// Whether the terminal belongs to a command.
    away: bool,
}

impl Live {
    /// Shows nothing yet.
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

    /// So many tasks.
    pub fn begin(&mut self, tasks: usize) {
        self.board = Board { tasks, ..Board::default() };
        self.begun = Instant::now();
    }

    /// A command runs.
    pub fn started(&mut self, task: TaskId, name: &str, usual: Option<Duration>) {
        self.board.started(task, name, usual);
    }

    /// A task waits for another process that runs the same.
    pub fn waits(&mut self, task: TaskId, name: &str, holder: String) {
        self.board.waits(task, name, holder);
    }

    /// A command has exited, and these processes hold its output.
    pub fn holds(&mut self, task: TaskId, holders: String) {
        self.board.holds(task, &holders);
    }

    /// A task has ended.
    pub fn finished(&mut self, task: TaskId, outcome: &Outcome) {
        self.board.finished(task, outcome);
        self.tap.forget(task);
    }

    /// Time has passed.
    pub fn refresh(&mut self, left: Option<Duration>) {
        self.board.left = left;
        self.screen.heed_suspend();
        self.shown |= self.board.is_busy();
        self.draw();
    }

    /// Prints whole lines above the display. What is not urgent may wait for the next drawing.
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

    /// Takes the display off the terminal, prints what waits, and then whatever `print` prints.
    pub fn suspend(&mut self, print: impl FnOnce()) {
        let shown = std::mem::replace(&mut self.shown, false);
        self.draw();
        print();
        self.shown = shown;
    }

    /// The terminal belongs to a command, or belongs to it no more.
    pub fn hide(&mut self, hidden: bool) {
        self.away = hidden;
        self.draw();
    }

    /// Ends the display.
    pub fn clear(&mut self) {
        self.shown = false;
        self.draw();
    }
}
