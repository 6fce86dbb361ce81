//! The progress bar: how far the build is and what runs, only on a terminal. The only file that names indicatif.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use percache_runner::event::Outcome;
use percache_runner::model::TaskId;

/// A build without anything to wait for shows no bar.
const PATIENCE: Duration = Duration::from_millis(100);

/// A bar at the foot of the output.
pub struct Progress {
    bar: ProgressBar,
    running: Vec<(TaskId, String)>,
    /// Whether it is on the terminal. Setting the target of a bar anew makes it forget the line that it has drawn.
    shown: bool,
    /// Whether the terminal belongs to a command.
    away: bool,
}

impl Progress {
    /// A bar that is not shown yet.
    pub fn new() -> Progress {
        Progress { bar: hidden_bar(), running: Vec::new(), shown: false, away: false }
    }

    /// So many tasks.
    pub fn begin(&self, tasks: usize) {
        self.bar.set_length(tasks as u64);
    }

    /// A command runs.
    pub fn started(&mut self, task: TaskId, name: String) {
        self.running.push((task, name));
        self.tell();
        self.show();
    }

    /// A task is done.
    pub fn finished(&mut self, task: TaskId, outcome: &Outcome) {
        self.running.retain(|(id, _)| *id != task);
        if *outcome != Outcome::Group {
            self.bar.inc(1);
        }
        self.tell();
        if self.bar.elapsed() > PATIENCE {
            self.show();
        }
    }

    fn show(&mut self) {
        if !self.shown && !self.away {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stdout());
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    fn tell(&self) {
        let names: Vec<_> = self.running.iter().map(|(_, name)| name.as_str()).collect();
        self.bar.set_message(names.join("  "));
    }

    /// Prints something above the bar.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar off the terminal while a command owns it; afterwards it comes back when there is something to show.
    pub fn hide(&mut self, hidden: bool) {
        self.away = hidden;
        if hidden && self.shown {
            let next = hidden_bar().with_position(self.bar.position()).with_elapsed(self.bar.elapsed());
            next.set_length(self.bar.length().unwrap_or_default());
            self.bar.finish_and_clear();
            (self.bar, self.shown) = (next, false);
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn hidden_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("[{bar:20}] {pos}/{len}  {elapsed}  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
