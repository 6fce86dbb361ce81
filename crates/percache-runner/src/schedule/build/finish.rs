//! Taking in the report of a finished task: its state, the counts, the journal's entries, and what the user is told.

use std::sync::Arc;

use crate::action::changes::Change;
use crate::action::context::Accept;
use crate::action::done::Done;
use crate::action::explain::Why;
use crate::key::fingerprint::Kind;
use crate::model::TaskId;
use crate::model::event::{Event, Outcome};
use crate::schedule::state::{Standing, TaskState};

use super::Build;

impl Build<'_, '_> {
    /// Takes in the report of a finished task, and makes those ready that waited only for it.
    pub(super) fn finish(&mut self, mut done: Done) {
        if let Some(Why::Needs { changes, .. }) = &mut done.reason {
            changes.retain(|change| !self.follows(change));
        }
        let task = self.ctx.workspace.task(done.task);
        let state = self.state_after(&mut done);
        let succeeded = matches!(state, TaskState::Done { .. });
        self.states.set(done.task, state);
        if self.away.remove(&done.task) == Some(false) {
            self.queue.came_back(done.task);
        }
        self.queue.ended(done.task);
        self.outcomes.summary.remote += usize::from(done.remote.is_some());
        if task.interactive && !self.ctx.options.dry_run {
            self.reporter.yield_terminal(false);
        }
        if succeeded && !self.has_come(done.task) {
            self.release_dependents(done.task);
        }
        if let Outcome::Failed(failure) = &done.outcome {
            self.stopping |= !self.ctx.options.keep_going;
            if !self.ctx.options.dry_run && self.ctx.options.accept != Accept::InsteadOfRunning {
                self.outcomes.note_failure(&task.name, failure, &done.log);
            }
        }
        self.keep(&mut done);
        if done.on_remote {
            self.keep_left(done);
        } else {
            self.count_and_tell(done);
        }
    }

    /// Counts a task that has ended, and tells the reporter.
    pub(super) fn count_and_tell(&mut self, done: Done) {
        self.outcomes.summary.count(&done, &self.ctx.workspace.task(done.task).name);
        let succeeded = matches!(self.states.get(done.task), TaskState::Done { .. });
        if let Some(came) = self.came.get(&done.task).filter(|_| succeeded) {
            self.outcomes.summary.shared.count(came, done.saved);
        }
        self.tell(done);
    }

    /// Returns the state of the finished task.
    fn state_after(&self, done: &mut Done) -> TaskState {
        let ran = self.states.get(done.task).has_started();
        match done.outcome {
            Outcome::Failed(_) | Outcome::Skipped => TaskState::Failed { ran },
            _ => TaskState::Done { ran, standing: self.standing_after(done), visible: done.visible.take() },
        }
    }

    /// Compares a successful task with the journal.
    fn standing_after(&self, done: &Done) -> Standing {
        let as_recorded = match &done.outcome {
            Outcome::WouldRun | Outcome::MayRun => return Standing::Unknown,
            Outcome::Group if self.is_uncertain(done.task) => return Standing::Unknown,
            Outcome::Group => self.needs_same(done.task),
            Outcome::UpToDate | Outcome::Checked | Outcome::OnRemote => match &done.record {
                None => true,
                Some(record) => {
                    let before = self.ctx.journal.tasks.get(&self.ctx.workspace.task(done.task).name);
                    before.is_some_and(|before| before.key == record.key)
                }
            },
            Outcome::NotStarted => done.record.as_ref().is_none_or(|record| {
                let before = self.ctx.journal.tasks.get(&self.ctx.workspace.task(done.task).name);
                before.is_some_and(|before| before.fingerprint == record.fingerprint)
            }),
            Outcome::Restored => done.recalled,
            _ => false,
        };
        if as_recorded { Standing::AsRecorded } else { Standing::Changed }
    }

    fn release_dependents(&mut self, id: TaskId) {
        let ctx = self.ctx;
        for dependent in &ctx.graph.needed_by[id.index()] {
            if self.states.need_done(*dependent) {
                self.ready(*dependent);
            }
        }
    }

    /// Keeps what the journal and later reports need.
    fn keep(&mut self, done: &mut Done) {
        let name = &self.ctx.workspace.task(done.task).name;
        self.outcomes.judge(done.verdict, &done.outcome, name);
        if let Some(record) = done.record.take() {
            self.outcomes.records.insert(name.clone(), record);
        }
        if self.states.standing(done.task) != Some(Standing::AsRecorded) {
            self.outcomes.otherwise.push(done.task);
        }
        if done.recalled {
            self.outcomes.recalled.insert(name.clone());
        }
        if let Some(mut basis) = done.basis.take() {
            // The warning must be repeated next time.
            basis.sure &= done.warnings.is_empty();
            self.outcomes.bases.insert(name.clone(), basis);
        }
    }

    /// Returns whether a change is only a consequence of a task that may run.
    fn follows(&self, change: &Change) -> bool {
        let owner = match change.kind {
            Kind::Dependency => {
                let tasks = &self.ctx.workspace.tasks;
                let position = tasks.binary_search_by(|task| task.name.cmp(&change.remark));
                position.ok().map(|position| TaskId(position as u32))
            }
            _ => change.path().and_then(|path| self.ctx.graph.outputs.owner(&path)),
        };
        let of_path = matches!(change.kind, Kind::Input | Kind::Discovered | Kind::Dependency | Kind::FilePart);
        of_path && owner.is_some_and(|owner| self.has_unknown_outputs(owner))
    }

    /// Tells the reporter how a task has ended.
    fn tell(&mut self, done: Done) {
        for warning in done.warnings {
            self.reporter.event(Event::Warning(warning));
        }
        if let Some(moved) = done.moved {
            self.reporter.event(Event::Displaced(moved));
        }
        for note in done.notes {
            self.reporter.event(Event::Note(note));
        }
        let unseen = done.unseen;
        let (outcome, log, reason) = (done.outcome, Arc::new(done.log), done.reason.as_ref().map(Why::to_string));
        self.outcomes.reasons.extend(done.reason.map(|why| (done.task, why)));
        self.outcomes.parts.extend(done.parts.map(|parts| (done.task, parts)));
        if outcome == Outcome::NotStarted {
            // Not yet: that is told at the end.
            return;
        }
        let (task, status, took, saved) = (done.task, done.status, done.took, done.saved);
        let mut provenance = self.came.remove(&task).unwrap_or_default();
        provenance.origin = provenance.origin.or(done.origin);
        let remote = done.remote;
        self.reporter.event(Event::Finished {
            task,
            outcome,
            provenance,
            status,
            log,
            took,
            saved,
            reason,
            unseen,
            remote,
        });
    }
}
