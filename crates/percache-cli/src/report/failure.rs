//! What is said about a task that failed or is unstable, below its line and log, and once more at the end of the build.

use std::fmt::Write as _;

use percache_runner::configuration;
use percache_runner::events::{Deviation, Differs, Failure};
use percache_runner::tasks::{TaskId, Workspace};
use percache_runner::text::shown;

use crate::report::text::clean;
use crate::report::words::{self, Place};
use crate::terminal::style::{Paint, Style};

/// How many outputs of an unstable task are named.
const OUTPUTS: usize = 10;
/// How many failed tasks are named at the end.
const TASKS: usize = 50;

/// Says what is known about failures.
pub struct About<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// The circumstances of the command line.
    pub place: &'a Place<'a>,
    /// Whether to use colours.
    pub paint: Paint,
}

impl About<'_> {
    /// Returns the command of a failed task, how to run it again, and what to do about it.
    pub fn failure(&self, id: TaskId, failure: &Failure, hint: Option<&str>) -> String {
        let (task, mut text) = (self.workspace.task(id), String::new());
        let faint = |word: &str| self.paint.apply(Style::Faint, word);
        if let Some(command) = words::command(task) {
            let _ = writeln!(text, "  {} {}", faint("command:"), command.trim_end().replace('\n', "\n           "));
        }
        let _ = writeln!(text, "  {} {}", faint("again:  "), words::again(self.workspace, self.place, task));
        if let Some(hint) = words::remedy(failure, task).or(hint.map(str::to_owned)) {
            // A failure with a remedy is one of the configuration or the surroundings, not of what the command does.
            if let Some(place) = configuration::stated(self.workspace, task) {
                let _ = writeln!(text, "  {} {place}", faint("stated: "));
            }
            let _ = writeln!(text, "  {} {hint}", self.paint.apply(Style::Hint, "hint:   "));
        }
        text
    }

    /// Returns the outputs that differ; for a text, also the first lines that differ.
    pub fn deviations(&self, deviations: &[Deviation]) -> String {
        let mut text = String::new();
        for Deviation { path, what } in deviations.iter().take(OUTPUTS) {
            let _ = writeln!(text, "  {} {}", shown(path), words::differs(what));
            if let Differs::Line { stored, now, .. } = what {
                let mut line = |sign: &str, style, line: &Option<String>| {
                    if let Some(line) = line {
                        let line = format!("{sign} {}", clean(line, false));
                        let _ = writeln!(text, "    {}", self.paint.apply(style, line));
                    }
                };
                line("-", Style::Bad, stored);
                line("+", Style::Good, now);
            }
        }
        if deviations.len() > OUTPUTS {
            let _ = writeln!(text, "  and {} more", deviations.len() - OUTPUTS);
        }
        let hint = "with the same inputs, its command made something else; the stored result is not used any more";
        let _ = writeln!(text, "  {} {hint}", self.paint.apply(Style::Hint, "hint:"));
        text
    }

    /// Returns the names of all tasks that failed, each with its failure in a few words.
    pub fn failures(&self, failed: &[(TaskId, String)]) -> String {
        let mut text = format!("\n{}\n", self.paint.apply(Style::Bad, "failed tasks:"));
        let mut failed: Vec<_> = failed.iter().collect();
        // The order in which they ended is that of the lines above.
        failed.sort();
        for (id, how) in failed.iter().take(TASKS) {
            let how = self.paint.apply(Style::Faint, format!("({how})"));
            let _ = writeln!(text, "  {} {how}", self.workspace.task(*id).name);
        }
        if failed.len() > TASKS {
            let _ = writeln!(text, "  and {} more", failed.len() - TASKS);
        }
        text
    }
}

/// Names the outputs that differ.
pub fn names(deviations: &[Deviation]) -> String {
    let paths: Vec<_> = deviations.iter().take(OUTPUTS).map(|it| shown(&it.path)).collect();
    paths.join(", ")
}
