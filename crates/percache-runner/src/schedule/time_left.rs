//! Estimates the time left in a build from how long commands took last time.
//!
//! A task that depends on one that ran is assumed to run too. Of the others, which may be up to date, the share that
//! runs is assumed to be the same as so far. The estimate is the larger of two: the remaining work divided by the
//! number of workers, and the longest remaining chain.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::graph::TaskGraph;
use crate::model::TaskId;
use crate::model::event::Usual;
use crate::schedule::state::TaskState;

/// How long an estimate is reused, minus the time that passes: with very many tasks, computing it takes a while.
const HOLDS: Duration = Duration::from_secs(1);

/// The last estimate.
#[derive(Debug, Default)]
pub struct Estimate {
    last: Option<(Instant, Option<Duration>)>,
}

/// The state of a build.
pub struct Progress<'a> {
    /// The dependencies between tasks.
    pub graph: &'a TaskGraph,
    /// The tasks of the build.
    pub tasks: &'a [TaskId],
    /// How long the tasks took last time.
    pub usual: &'a Usual,
    /// The states of all tasks, by position.
    pub states: &'a [TaskState],
    /// Tells whether a task takes time: it has a command and is not known to be up to date.
    pub takes_time: &'a dyn Fn(TaskId) -> bool,
    /// How many tasks run at a time.
    pub jobs: usize,
    /// How many tasks were up to date or restored.
    pub hits: usize,
}

impl Estimate {
    /// Returns how much longer the build will take; `None` if no durations are known.
    pub fn left(&mut self, progress: &Progress<'_>) -> Option<Duration> {
        let now = Instant::now();
        match self.last {
            Some((at, left)) if now - at < HOLDS => left.map(|left| left.saturating_sub(now - at)),
            _ => {
                let left = left(progress, now);
                self.last = Some((now, left));
                left
            }
        }
    }
}

fn left(progress: &Progress<'_>, now: Instant) -> Option<Duration> {
    let Progress { graph, usual, states, .. } = progress;
    if usual.is_empty() {
        return None;
    }
    let average = usual.values().sum::<Duration>() / usual.len() as u32;
    let started = progress.tasks.iter().filter(|id| states[id.index()].has_started()).count();
    let chance = (started + 1) as f64 / (started + progress.hits + 1) as f64;
    let mut tasks: HashMap<TaskId, Expected> = HashMap::with_capacity(progress.tasks.len());
    for id in &graph.order {
        if progress.tasks.binary_search(id).is_err() {
            continue;
        }
        let needs = || graph.needs[id.index()].iter().filter_map(|need| tasks.get(need));
        let chain = needs().map(|need| need.chain).max().unwrap_or_default();
        let state = &states[id.index()];
        let runs = state.has_started() || needs().any(|need| need.runs);
        let took = usual.get(id).copied().unwrap_or(average);
        let own = match state.running_since() {
            _ if state.has_ended() || !(progress.takes_time)(*id) => Duration::ZERO,
            Some(start) => took.saturating_sub(now - start),
            None if runs => took,
            None => took.mul_f64(chance),
        };
        tasks.insert(*id, Expected { runs, own, chain: chain + own });
    }
    let work = tasks.values().map(|task| task.own).sum::<Duration>() / progress.jobs.max(1) as u32;
    tasks.values().map(|task| task.chain).max().map(|chain| chain.max(work))
}

/// The expectation for one task.
struct Expected {
    /// Whether it runs or ran.
    runs: bool,
    /// How long it will still take.
    own: Duration,
    /// How long it and the longest chain before it will still take.
    chain: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};
    use crate::schedule::state::Standing;

    /// `a`, `b` and `c` have no dependencies, `d` depends on `a`; they took 1, 2, 3 and 4 seconds.
    fn estimate(jobs: usize, running: &[u32], ended: &[u32], hits: usize) -> f64 {
        let dir = tempfile::tempdir().unwrap();
        let plain = ["a", "b", "c"].map(|name| format!("[task.{name}]\ncommand = 'x'\ninputs = []\n")).concat();
        let text = format!("{plain}[task.d]\ncommand = 'x'\ninputs = []\ndeps = ['a']\n");
        std::fs::write(dir.path().join("percache.toml"), text).unwrap();
        let workspace = load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap();
        let tasks: Vec<_> = workspace.ids().collect();
        let now = Instant::now();
        let state = |id: &TaskId| {
            let command = running.contains(&id.0).then_some(now);
            match ended.contains(&id.0) {
                true => TaskState::Done { ran: command.is_some(), standing: Standing::Changed, visible: None },
                false => TaskState::Running { command },
            }
        };
        let progress = Progress {
            graph: &TaskGraph::new(&workspace),
            tasks: &tasks,
            usual: &tasks.iter().map(|id| (*id, Duration::from_secs(id.0 as u64 + 1))).collect(),
            states: &tasks.iter().map(state).collect::<Vec<_>>(),
            takes_time: &|_| true,
            jobs,
            hits,
        };
        left(&progress, now).unwrap().as_secs_f64()
    }

    #[test]
    fn one_worker_does_all_the_work() {
        assert_eq!(estimate(1, &[], &[], 0), 10.0);
        assert_eq!(estimate(1, &[0], &[0, 1], 0), 7.0);
    }

    #[test]
    fn many_workers_take_as_long_as_the_longest_chain() {
        assert_eq!(estimate(8, &[0], &[], 0), 5.0);
        assert_eq!(estimate(2, &[0], &[], 0), 5.0);
        assert_eq!(estimate(8, &[], &[3], 0), 3.0);
    }

    #[test]
    fn what_is_mostly_up_to_date_is_not_expected_to_run() {
        assert!(estimate(1, &[], &[], 99) < 0.2);
        // A task that depends on one that runs is expected to run.
        assert!(estimate(1, &[0], &[0], 99) > 4.0);
    }

    #[test]
    fn without_a_past_there_is_no_answer() {
        let (graph, usual) = (TaskGraph::new(&empty()), Usual::new());
        let progress =
            Progress { graph: &graph, tasks: &[], usual: &usual, states: &[], takes_time: &|_| true, jobs: 1, hits: 0 };
        assert_eq!(left(&progress, Instant::now()), None);
    }

    fn empty() -> crate::model::Workspace {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("percache.toml"), "").unwrap();
        load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap()
    }
}
