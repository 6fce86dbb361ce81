//! What is printed about waiting: for another process, and for what a command has left running.

use percache_runner::events::Holder;
use percache_runner::tasks::TaskId;

use super::Lines;
use crate::report::words;

impl Lines<'_> {
    /// Reports that a task waits. The live display shows it on the task's own line. Elsewhere one line reports it,
    /// however many tasks wait for the same process.
    pub(super) fn waiting(&mut self, task: Option<TaskId>, holder: String) {
        match (task, &mut self.live) {
            (Some(task), Some(live)) => live.waits(task, &self.workspace.task(task).name, holder),
            _ if self.awaited.as_ref() == Some(&holder) => {}
            _ => {
                self.note(&format!("waiting for {holder}"));
                self.awaited = Some(holder);
            }
        }
    }

    /// Reports processes in the background. The live display shows them on the task's own line.
    pub(super) fn background(&mut self, task: TaskId, holders: &[Holder]) {
        let name = &self.workspace.task(task).name;
        match &mut self.live {
            Some(live) => live.holds(task, words::holders(holders)),
            None => self.note(&words::background(name, holders)),
        }
    }
}
