//! The first causes of the last build: for each task that ran, the change that no task made, or another reason why it
//! ran.

use std::collections::{HashMap, HashSet};

use super::Question;
use super::chain::{Past, Stands};
use crate::action::changes::Change;
use crate::action::explain::Why;
use crate::model::TaskId;
use crate::report::history::{Build, Ending, History, TaskRun};
use crate::worktree::journal::Journal;
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;
use crate::worktree::server_parts::ServerParts;

/// What is known of the last build that did something.
#[derive(Clone, Debug, PartialEq)]
pub struct LastBuild {
    /// When it began, how long it took, and the counts.
    pub build: Build,
    /// The first causes, the one of the most tasks first.
    pub causes: Vec<Cause>,
    /// The tasks that failed or were stopped, each with how it ended.
    pub failed: Vec<(String, String)>,
}

/// A first cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it is: `src/str.c changed, line 11`. `None` if it is not known any more.
    pub reason: Option<String>,
    /// The names of the tasks that ran because of it, in the order of the build.
    pub tasks: Vec<String>,
}

/// Finds the first causes of the last build; `None` if no build is recorded.
pub fn last_build(asked: &Question) -> Option<LastBuild> {
    let worktree = asked.project.worktree();
    let History { builds, tasks } = History::load(&worktree.builds());
    let build = builds.last()?.clone();
    let journal = Journal::load(&worktree.journal());
    let contents = Contents::new(&asked.project.workspace.root, Some(&asked.store), Texts::at(worktree.texts()));
    let servers = ServerParts::new(worktree.servers(), std::iter::empty());
    let past = Past { asked, journal: &journal, contents: &contents, servers: &servers };
    let mut found = Finding { past, build: &build, known: HashMap::new() };
    let mut causes: Vec<Cause> = Vec::new();
    let mut positions: HashMap<Option<String>, usize> = HashMap::new();
    for run in tasks.iter().filter(|run| matches!(run.ending, Ending::Ran | Ending::Same)) {
        let reason = found.cause(run);
        let position = *positions.entry(reason.clone()).or_insert_with(|| {
            causes.push(Cause { reason, tasks: Vec::new() });
            causes.len() - 1
        });
        causes[position].tasks.push(run.name.clone());
    }
    // Causes of as many tasks stay in the order of the build.
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.tasks.len()));
    let failed = tasks.into_iter().filter_map(|run| match run.ending {
        Ending::Failed => Some((run.name, run.reason.unwrap_or_default())),
        Ending::Stopped => Some((run.name, "stopped".to_owned())),
        _ => None,
    });
    let failed = failed.collect();
    Some(LastBuild { build, causes, failed })
}

/// Finds causes, each only once.
struct Finding<'a> {
    past: Past<'a>,
    build: &'a Build,
    /// The first causes of tasks, as far as they have been looked for.
    known: HashMap<TaskId, Option<String>>,
}

impl Finding<'_> {
    /// Returns the first cause of a task that ran in the build.
    fn cause(&mut self, run: &TaskRun) -> Option<String> {
        let tasks = &self.past.asked.project.workspace.tasks;
        let id = tasks.binary_search_by(|task| task.name.cmp(&run.name)).ok().map(|id| TaskId(id as u32));
        // The journal is about this run only if no later build has made another result.
        let id = id.filter(|_| {
            let record = self.past.journal.tasks.get(&run.name);
            record.is_some_and(|record| record.key.is_some() && record.created >= self.build.began)
        });
        let Some(id) = id else { return run.reason.clone() };
        let nearest = self.past.renewed(id).map(|why| why.to_string());
        match &run.reason {
            // It ran for another reason than what differs from the result before, such as `--force`.
            Some(reason) if nearest.as_ref() != Some(reason) => Some(reason.clone()),
            _ => self.first(id).or(nearest),
        }
    }

    /// Follows what a task's last result was made of, back to what no task made.
    fn first(&mut self, id: TaskId) -> Option<String> {
        let (mut way, mut at, mut reason, mut change) = (Vec::new(), id, None, None);
        let mut seen = HashSet::new();
        while seen.insert(at) {
            if let Some(known) = self.known.get(&at) {
                reason = known.clone().or(reason);
                break;
            }
            // What is no change says something about its own task alone.
            let why = match &change {
                None => self.past.renewed(at).map(|why| (Stands::Renewed, why)),
                Some(change) => self.past.behind(at, change),
            };
            let Some((stands, why @ Why::Changed(_))) = why else { break };
            way.push(at);
            reason = Some(match stands {
                Stands::Server => {
                    format!("of the server `{}`, {why}", self.past.asked.project.workspace.task(at).name)
                }
                _ => why.to_string(),
            });
            let made = |change: &Change| Some((self.past.maker(at, change)?.0, change.clone()));
            let Some((maker, next)) = why.changes().iter().find_map(made) else { break };
            (at, change) = (maker, Some(next));
        }
        self.known.extend(way.into_iter().map(|task| (task, reason.clone())));
        reason
    }
}
