//! The outcome of a build: the counts, and the entries for the journal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use percache::base::clock::Time;
use percache::store::record::ResultKey;

use crate::action::basis::Basis;
use crate::action::check::Verdict;
use crate::action::done::Done;
use crate::action::explain::Why;
use crate::key::fingerprint::Parts;
use crate::model::TaskId;
use crate::model::event::{Failure, LogText, Outcome, Provenance};
use crate::worktree::failed_runs::{self, FailedRun};
use crate::worktree::journal::TaskRecord;
use crate::worktree::unstable::{News, Unstable};

/// The numbers and names of tasks, by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks that ran and succeeded.
    pub ran: usize,
    /// Tasks that ran although their results are stored, with the same outputs.
    pub checked: usize,
    /// Names of tasks that ran although their results are stored, with different outputs.
    pub unstable: Vec<String>,
    /// Tasks that were up to date.
    pub up_to_date: usize,
    /// Tasks that were restored.
    pub restored: usize,
    /// Tasks whose outputs were left on the remote.
    pub on_remote: usize,
    /// What the remote had of them; these tasks are counted by their outcome as well.
    pub shared: FromRemote,
    /// Tasks whose commands ran on workers elsewhere; they are counted by their outcome as well.
    pub remote: usize,
    /// Names of tasks that failed.
    pub failed: Vec<String>,
    /// Tasks that were running when the user stopped the build.
    pub stopped: usize,
    /// Tasks that did not start because of a failure or an interruption.
    pub skipped: usize,
    /// Tasks that would run, in a dry run.
    pub would_run: usize,
    /// Tasks that would be restored, in a dry run.
    pub would_restore: usize,
    /// Tasks that may run, in a dry run.
    pub may_run: usize,
    /// Servers that would be started, in a dry run.
    pub would_start: usize,
    /// Whether the user stopped the build.
    pub interrupted: bool,
    /// How long the build took.
    pub took: Duration,
    /// How long the commands of hits took when they ran.
    pub saved: Duration,
}

/// What came from the remote in a build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FromRemote {
    /// Tasks of which it had the result.
    pub fetched: usize,
    /// The bytes that came for them.
    pub bytes: u64,
    /// How long their commands took where they ran.
    pub saved: Duration,
    /// Tasks of which it had a result that was not used.
    pub refused: usize,
}

impl FromRemote {
    /// Counts what came for a task whose command took this long where it ran.
    pub fn count(&mut self, came: &Provenance, took: Duration) {
        self.refused += usize::from(came.refused.is_some());
        if let Some(bytes) = came.fetched {
            self.fetched += 1;
            self.bytes += bytes;
            self.saved += took;
        }
    }
}

/// What a build leaves for the journal and for reports.
#[derive(Default)]
pub struct Outcomes {
    /// The counts.
    pub summary: Summary,
    /// The new journal entries of tasks, by name.
    pub records: BTreeMap<String, TaskRecord>,
    /// Tasks that came out differently from what the old journal says.
    pub otherwise: Vec<TaskId>,
    /// The paths that the outcomes of tasks rest on, by task name.
    pub bases: HashMap<String, Basis>,
    /// Names of tasks that rest on the same paths as before and whose outputs were put back.
    pub recalled: HashSet<String>,
    /// Results that a check has refuted.
    pub refuted: Vec<ResultKey>,
    /// What checks have found.
    pub news: News,
    /// Runs that failed or were stopped, with the kept part of their logs.
    pub failed_runs: Vec<(FailedRun, Vec<u8>)>,
    /// Why tasks ran or would run, if that was asked.
    pub reasons: HashMap<TaskId, Why>,
    /// The current fingerprint parts of tasks that would run, if that was asked, and of servers that are other ones
    /// than in the last build.
    pub parts: HashMap<TaskId, Parts>,
    /// In a dry run, the tools that were not run because their last answers are known.
    pub remembered: Vec<String>,
}

impl Summary {
    /// Counts a task that has ended.
    pub fn count(&mut self, done: &Done, name: &str) {
        self.saved += done.saved;
        match &done.outcome {
            Outcome::Ran => self.ran += 1,
            Outcome::Checked => self.checked += 1,
            Outcome::Unstable(_) => self.unstable.push(name.to_owned()),
            Outcome::UpToDate => self.up_to_date += 1,
            Outcome::Restored => self.restored += 1,
            Outcome::OnRemote => self.on_remote += 1,
            Outcome::Failed(Failure::Interrupted) => self.stopped += 1,
            Outcome::Failed(_) => self.failed.push(name.to_owned()),
            Outcome::WouldRun => self.would_run += 1,
            Outcome::WouldRestore => self.would_restore += 1,
            Outcome::MayRun => self.may_run += 1,
            Outcome::Group | Outcome::Skipped | Outcome::NotStarted | Outcome::WouldStart => {}
        }
    }

    /// Returns how many tasks were counted.
    pub fn counted(&self) -> usize {
        let really = self.ran + self.checked + self.unstable.len() + self.up_to_date + self.restored + self.on_remote;
        let pretended = self.would_run + self.would_restore + self.may_run;
        really + self.failed.len() + self.stopped + pretended
    }
}

impl Outcomes {
    /// Notes a run that failed or was stopped, with the end of its log.
    pub fn note_failure(&mut self, name: &str, failure: &Failure, log: &LogText) {
        let mut run = FailedRun::new(name, Time::now(), failure.to_string(), *failure == Failure::Interrupted);
        let cut = log.bytes.len().saturating_sub(failed_runs::LONGEST);
        run.omitted = log.omitted + cut as u64;
        if self.failed_runs.len() == failed_runs::KEPT {
            self.failed_runs.remove(0);
        }
        self.failed_runs.push((run, log.bytes[cut..].to_vec()));
    }

    /// Notes what a check has found.
    pub fn judge(&mut self, verdict: Option<Verdict>, outcome: &Outcome, name: &str) {
        match verdict {
            None => {}
            Some(Verdict::Stable) => self.news.stable.push(name.to_owned()),
            Some(Verdict::Refuted(key)) => {
                let mut outputs: Vec<_> = match outcome {
                    Outcome::Unstable(deviations) => deviations.iter().map(|it| it.path.clone()).collect(),
                    _ => Vec::new(),
                };
                outputs.dedup();
                self.refuted.push(key);
                self.news.unstable.push(Unstable { task: name.to_owned(), found: Time::now(), outputs });
            }
        }
    }
}
