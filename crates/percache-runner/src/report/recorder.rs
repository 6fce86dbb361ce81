//! Records for [`crate::report::history`] what each task did in a build.
//!
//! Knows nothing of how a task is done: it sees events, and what the build leaves.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use percache::base::clock::Time;
use percache::store::origin::Place;
use percache::store::record::{Entry, Node, ResultKey};

use crate::action::explain::Why;
use crate::graph::TaskGraph;
use crate::model::event::{Event, Failure, Outcome, Provenance, RemoteRun, Reporter};
use crate::model::{Task, TaskId, Workspace};
use crate::report::history::{Build, Ending, TaskRun};
use crate::schedule::results::{Outcomes, Summary};
use crate::syntax::units::micros;
use crate::worktree::journal::{Journal, TaskRecord};

/// A reporter that passes events on and takes notes.
pub struct Recorder<'a> {
    reporter: &'a mut dyn Reporter,
    notes: Notes,
}

/// The notes of a build.
pub struct Notes {
    began: Time,
    start: Instant,
    tasks: HashMap<TaskId, Note>,
}

struct Note {
    outcome: Outcome,
    end: Duration,
    took: Duration,
    saved: Duration,
    provenance: Provenance,
    remote: Option<RemoteRun>,
}

/// The build that the notes are about.
pub struct Subject<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// The dependency graph.
    pub graph: &'a TaskGraph,
    /// The tasks of the build, sorted.
    pub tasks: &'a [TaskId],
    /// The tasks that were to run regardless of the store.
    pub forced: &'a HashSet<TaskId>,
    /// Whether results are looked up and stored.
    pub stores: bool,
    /// The journal before the build.
    pub before: &'a Journal,
    /// The outcomes of the build.
    pub outcomes: &'a Outcomes,
}

impl<'a> Recorder<'a> {
    /// Begins to record.
    pub fn new(reporter: &'a mut dyn Reporter) -> Recorder<'a> {
        let notes = Notes { began: Time::now(), start: Instant::now(), tasks: HashMap::new() };
        Recorder { reporter, notes }
    }

    /// Returns the notes.
    pub fn into_notes(self) -> Notes {
        self.notes
    }
}

impl Notes {
    /// Summarises the build as a whole.
    pub fn build(&self, summary: &Summary, command: &str, jobs: usize) -> Build {
        Build {
            began: self.began,
            took: micros(summary.took),
            command: command.to_owned(),
            jobs,
            ran: summary.ran + summary.checked + summary.unstable.len(),
            up_to_date: summary.up_to_date + summary.on_remote,
            restored: summary.restored,
            failed: summary.failed.len(),
            stopped: summary.stopped,
            skipped: summary.skipped,
            interrupted: summary.interrupted,
            saved: micros(summary.saved),
            fetched: summary.shared.fetched,
            fetched_bytes: summary.shared.bytes,
        }
    }

    /// Returns whether a task was done in this build and did not fail.
    pub fn is_done(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_some_and(|note| !matches!(note.outcome, Outcome::Failed(_) | Outcome::Skipped))
    }

    /// Returns every task of the build, each after its dependencies.
    pub fn tasks(&self, subject: &Subject<'_>) -> Vec<TaskRun> {
        let order: Vec<TaskId> =
            subject.graph.order.iter().filter(|id| subject.tasks.binary_search(id).is_ok()).copied().collect();
        let positions: HashMap<TaskId, u32> = (0..).zip(&order).map(|(position, id)| (*id, position)).collect();
        order.iter().map(|id| self.task(subject, *id, &positions)).collect()
    }

    fn task(&self, subject: &Subject<'_>, id: TaskId, positions: &HashMap<TaskId, u32>) -> TaskRun {
        let task = subject.workspace.task(id);
        let note = self.tasks.get(&id);
        let (before, after) = (subject.before.tasks.get(&task.name), subject.outcomes.records.get(&task.name));
        // A task without outputs cannot come out the same: its dependents depend on its action key.
        let same = || {
            before
                .zip(after)
                .is_some_and(|(before, after)| !after.outputs.is_empty() && before.outputs == after.outputs)
        };
        let ending = match note.map(|note| &note.outcome) {
            Some(Outcome::Ran) if same() => Ending::Same,
            Some(Outcome::Ran | Outcome::Unstable(_)) => Ending::Ran,
            Some(Outcome::Checked) => Ending::Same,
            Some(Outcome::Restored) => Ending::Restored,
            Some(Outcome::UpToDate | Outcome::OnRemote) => Ending::UpToDate,
            Some(Outcome::Group | Outcome::NotStarted) => Ending::Group,
            Some(Outcome::Failed(Failure::Interrupted)) => Ending::Stopped,
            Some(Outcome::Failed(_)) => Ending::Failed,
            _ if task.command.is_none() || task.server.is_some() => Ending::Group,
            _ => Ending::Skipped,
        };
        let (reason, results) = match ending {
            Ending::Ran | Ending::Same => {
                let old = before.and_then(|record| record.key.or(record.previous));
                let known = match subject.outcomes.reasons.get(&id) {
                    Some(why) => Some(why.clone()),
                    None if !task.cache || task.interactive => Some(Why::Always),
                    None if subject.forced.contains(&id) => Some(Why::Forced),
                    None => (!subject.stores).then_some(Why::NoCache),
                };
                let new = after.and_then(|record| record.key);
                let same = new.filter(|_| old == new).and(before);
                let known = known.or_else(|| same.map(|before| made_again(task, before, self.began)));
                reason(known, before.is_some(), old, new)
            }
            Ending::Failed => (note.and_then(failure), None),
            _ => (None, None),
        };
        let reason = note.and_then(check).or(reason);
        // The outputs of a task that the build did not need to examine are unchanged.
        let outputs = after.or(before).map_or(&[][..], |record| &record.outputs);
        TaskRun {
            name: task.name.clone(),
            template: task.template.clone(),
            ending,
            began: note.map_or(0, |note| micros(note.end.saturating_sub(note.took))),
            took: note.map_or(0, |note| micros(note.took)),
            saved: note.map_or(0, |note| micros(note.saved)),
            bytes: outputs.iter().map(length).sum(),
            needs: subject.graph.needs[id.index()].iter().filter_map(|need| positions.get(need).copied()).collect(),
            reason,
            results,
            fetched: note.and_then(|note| fetched(&note.provenance)),
            refused: note.and_then(|note| note.provenance.refused.clone()),
            queued: note.and_then(|note| note.remote.as_ref()).map(|remote| micros(remote.queued)),
        }
    }
}

/// Returns why a task ran, or the results whose comparison gives the reason. Comparing them takes the store, which a
/// build should not have to ask for this.
fn reason(
    known: Option<Why>,
    ran_before: bool,
    old: Option<ResultKey>,
    new: Option<ResultKey>,
) -> (Option<String>, Option<(String, String)>) {
    match (known, old, new) {
        (Some(why), ..) => (Some(why.to_string()), None),
        (None, None, _) if ran_before => (Some(Why::NoResult.to_string()), None),
        (None, None, _) => (Some(Why::FirstTime.to_string()), None),
        // The new result could not be stored.
        (None, Some(_), None) => (None, None),
        (None, Some(old), Some(new)) => (None, Some((hexadecimal(&old), hexadecimal(&new)))),
    }
}

/// Returns why a task ran although nothing differed from `before`.
fn made_again(task: &Task, before: &TaskRecord, began: Time) -> Why {
    match task.valid_for {
        // If a failed run came after the result, the time when the result was made is not known here.
        Some(_) if before.key.is_none() => Why::Unknown,
        Some(valid_for) if began.since(before.created) >= valid_for => {
            Why::TooOld { age: Some(began.since(before.created)), valid_for }
        }
        _ => Why::ResultGone,
    }
}

/// Describes the outcome of a check.
fn check(note: &Note) -> Option<String> {
    match &note.outcome {
        Outcome::Checked => Some("checked: it did the same once more".to_owned()),
        Outcome::Unstable(deviations) => {
            let first = deviations.first().map_or("", |deviation| &deviation.path);
            Some(format!("checked: it did not do the same once more, `{first}` first"))
        }
        _ => None,
    }
}

/// Returns the remote that a result was fetched from, and how many bytes came.
fn fetched(provenance: &Provenance) -> Option<(String, u64)> {
    match &provenance.origin.as_ref()?.from {
        Place::Remote(address) => Some((address.clone(), provenance.fetched?)),
        Place::File(_) | Place::Worker { .. } => None,
    }
}

fn failure(note: &Note) -> Option<String> {
    match &note.outcome {
        Outcome::Failed(failure) => Some(failure.to_string()),
        _ => None,
    }
}

fn length(entry: &Entry) -> u64 {
    match &entry.node {
        Node::File { content, .. } => content.length,
        Node::Symlink(_) | Node::Directory => 0,
    }
}

fn hexadecimal(key: &ResultKey) -> String {
    key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a key in hexadecimal.
pub fn key_from(text: &str) -> Option<ResultKey> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..ResultKey::LEN).map(|position| byte(2 * position)).collect();
    ResultKey::from_bytes(&bytes?)
}

impl Reporter for Recorder<'_> {
    fn event(&mut self, event: Event) {
        if let Event::Finished { task, outcome, provenance, took, saved, remote, .. } = &event {
            let (outcome, remote, end) = (outcome.clone(), remote.clone(), self.notes.start.elapsed());
            let provenance = provenance.clone();
            self.notes.tasks.insert(*task, Note { outcome, end, took: *took, saved: *saved, provenance, remote });
        }
        self.reporter.event(event);
    }

    fn wants_starts(&self) -> bool {
        self.reporter.wants_starts()
    }

    fn period(&self) -> Option<Duration> {
        self.reporter.period()
    }

    fn refresh(&mut self, left: Option<Duration>, on_remote: usize) {
        self.reporter.refresh(left, on_remote);
    }

    fn yield_terminal(&mut self, owned: bool) {
        self.reporter.yield_terminal(owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percache::Digest;
    use percache::store::id::{ActionKey, WorkspaceId};

    #[test]
    fn a_key_is_read_back_as_written() {
        for place in [None, Some(WorkspaceId::new(Digest::of(b"/home")))] {
            let key = ResultKey { action: ActionKey::new(Digest::of(b"a")), place };
            assert_eq!(key_from(&hexadecimal(&key)), Some(key));
        }
        assert_eq!(key_from("zz"), None);
        assert_eq!(key_from("grün"), None);
    }
}
