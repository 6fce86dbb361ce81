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
}

impl Progress {
    /// A bar that is not shown yet.
    pub fn new() -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("[{bar:20}] {pos}/{len}  {elapsed}  {wide_msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        Progress { bar, running: Vec::new() }
    }

    /// So many tasks.
    pub fn begin(&self, tasks: usize) {
        self.bar.set_length(tasks as u64);
    }

    fn show_when_it_takes_time(&self) {
        if self.bar.is_hidden() && self.bar.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stdout());
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    /// A command runs.
    pub fn started(&mut self, task: TaskId, name: String) {
        self.running.push((task, name));
        self.tell();
        self.bar.set_draw_target(ProgressDrawTarget::stdout());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// A task is done.
    pub fn finished(&mut self, task: TaskId, outcome: &Outcome) {
        self.running.retain(|(id, _)| *id != task);
        if *outcome != Outcome::Group {
            self.bar.inc(1);
        }
        self.tell();
        self.show_when_it_takes_time();
    }

    fn tell(&self) {
        let names: Vec<_> = self.running.iter().map(|(_, name)| name.as_str()).collect();
        self.bar.set_message(names.join("  "));
    }

    /// Prints something above the bar.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Hides the bar while a command owns the terminal.
    pub fn hide(&self, hidden: bool) {
        if hidden {
            self.bar.disable_steady_tick();
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
        } else {
            self.bar.set_draw_target(ProgressDrawTarget::stdout());
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
