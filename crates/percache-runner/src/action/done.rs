//! The report of a finished task, and how parts of it are derived from a result.

use std::sync::Arc;
use std::time::Duration;

use percache::base::clock::{Micros, Time};
use percache::store::id::ActionKey;
use percache::store::origin::Origin;
use percache::store::record::{Entry, Node, ResultKey};

use crate::action::basis::Basis;
use crate::action::check::Verdict;
use crate::action::context::{Context, HitLogs};
use crate::action::explain::Why;
use crate::action::inputs::Visible;
use crate::action::logs::stored_log;
use crate::fs::clearing::find_left;
use crate::key::fingerprint::Parts;
use crate::model::TaskId;
use crate::model::event::{Failure, LogText, Moved, Outcome, RemoteRun};
use crate::model::notice::{Note, Warning};
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::worktree::journal::TaskRecord;

/// The report of a finished task.
pub struct Done {
    /// The task.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit status of the command if it ran now; otherwise 0.
    pub status: i32,
    /// The log, as far as it is shown.
    pub log: LogText,
    /// The time spent on the task.
    pub took: Duration,
    /// How long the command took when the result was stored.
    pub saved: Duration,
    /// Where its result came from if it was not made here, as far as that was looked up.
    pub origin: Option<Origin>,
    /// Whether its outputs are left on the remote, now or since an earlier build.
    pub on_remote: bool,
    /// Why it ran.
    pub reason: Option<Why>,
    /// The parts of its fingerprint now: of a task that would run, if explanations were requested, and of a server that
    /// is another one than in the last build.
    pub parts: Option<Parts>,
    /// What its dependents see; `None` stands for what the journal says.
    pub visible: Option<Arc<Visible>>,
    /// The new journal entry; `None` keeps the old one.
    pub record: Option<TaskRecord>,
    /// The paths that the outcome rests on.
    pub basis: Option<Basis>,
    /// Whether everything is as the journal says and rests on the same paths, and only outputs had to be put back.
    pub recalled: bool,
    /// The verdict of a check.
    pub verdict: Option<Verdict>,
    /// Warnings for the user.
    pub warnings: Vec<Warning>,
    /// Information for the user.
    pub notes: Vec<Note>,
    /// Files that were displaced meanwhile.
    pub moved: Option<Moved>,
    /// Variables that the command may have missed.
    pub unseen: Vec<String>,
    /// If its command ran now, and not here: where.
    pub remote: Option<RemoteRun>,
}

impl Done {
    /// Creates a report with this outcome and nothing else.
    pub fn new(task: TaskId, outcome: Outcome) -> Done {
        Done {
            task,
            outcome,
            status: 0,
            log: LogText::default(),
            took: Duration::ZERO,
            saved: Duration::ZERO,
            origin: None,
            on_remote: false,
            reason: None,
            parts: None,
            visible: None,
            record: None,
            basis: None,
            recalled: false,
            verdict: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            moved: None,
            unseen: Vec::new(),
            remote: None,
        }
    }

    /// Creates the report of a task whose stored result is used; when that was made, and how long it took.
    pub fn hit(ctx: &Context<'_>, id: TaskId, outcome: Outcome, key: &ResultKey, (made, took): (Time, Micros)) -> Done {
        let mut done = Done::new(id, outcome);
        done.saved = took.into();
        if ctx.options.explain && done.outcome != Outcome::UpToDate {
            // What is not known of it is not worth a warning.
            done.origin = ctx.store.and_then(|store| store.origin(key, made).ok().flatten());
        }
        let wanted = match ctx.options.hit_logs {
            HitLogs::All => true,
            HitLogs::Restored => done.outcome == Outcome::Restored,
            HitLogs::No => false,
        };
        if wanted {
            done.log = stored_log(ctx, key).unwrap_or_default();
        }
        done
    }

    /// Creates the report of a task that percache could not do.
    pub fn failed(task: TaskId, trouble: Trouble) -> Done {
        Done::new(task, Outcome::Failed(Failure::Error(trouble)))
    }

    /// Creates the report of a task on which percache itself failed.
    pub fn panicked(task: TaskId) -> Done {
        let hint = "this is a mistake in percache; please report it with what it said above";
        Done::failed(task, Trouble::new("percache panicked".to_owned(), hint))
    }
}

/// Returns the last result that the task had here other than `key`.
pub fn before_that(before: &TaskRecord, key: &ResultKey) -> Option<ResultKey> {
    let other = |old: &ResultKey| old != key;
    before.key.filter(other).or(before.previous.filter(other))
}

/// Returns what dependents see of a task with these outputs, among which lie further files.
pub fn visible(outputs: &[Entry], further: &[RelPath], action: ActionKey) -> Arc<Visible> {
    let outputs = outputs.iter().filter_map(|entry| RelPath::new(&entry.path).ok());
    let mut outputs: Vec<_> = outputs.chain(further.iter().cloned()).collect();
    outputs.sort();
    Arc::new(Visible { outputs, action })
}

/// Returns the paths among the outputs of a task that may be somebody's own: they were there before percache knew them.
/// A directory that a failed or killed run left is no such path. It holds nothing that could be lost, and those that
/// were there before such a run are not among what it left.
pub fn uncertain(ctx: &Context<'_>, id: TaskId, outputs: &[Entry]) -> Vec<Vec<u8>> {
    let is_uncertain = |path: &[u8]| find_left(ctx.previous(id), path).is_some_and(|left| left.held.is_none());
    let files = outputs.iter().filter(|entry| entry.node != Node::Directory).map(|entry| &entry.path);
    files.filter(|path| is_uncertain(path)).cloned().collect()
}
