//! How much longer a build will take, from how long commands took the last time.
//!
//! What depends on something that ran is taken to run too. Of the rest, which may be up to date, as large a part as of what was
//! decided so far. The answer is the larger of the work that is left, shared by all workers, and the longest chain of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::graph::TaskGraph;
use crate::model::TaskId;
use crate::model::event::Usual;

/// How long an answer holds, less the time that passes: with very many tasks, it takes a while to find.
const HOLDS: Duration = Duration::from_secs(1);

/// The last answer.
#[derive(Debug, Default)]
pub struct Estimate {
    last: Option<(Instant, Option<Duration>)>,
}

/// Where a build stands.
pub struct Progress<'a> {
    /// Who needs whom.
    pub graph: &'a TaskGraph,
    /// The tasks of the build.
    pub tasks: &'a [TaskId],
    /// How long they took the last time.
    pub usual: &'a Usual,
    /// When commands began to run, whether they have ended or not.
    pub started: &'a HashMap<TaskId, Instant>,
    /// Whether a task has ended.
    pub ended: &'a dyn Fn(TaskId) -> bool,
    /// Whether a task has a command.
    pub runs: &'a dyn Fn(TaskId) -> bool,
    /// How many run at a time.
    pub jobs: usize,
    /// How many were up to date or restored.
    pub hits: usize,
}

impl Estimate {
    /// How much longer it will take; `None` when nothing is known.
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
    let Progress { graph, usual, started, ended, .. } = progress;
    if usual.is_empty() {
        return None;
    }
    let average = usual.values().sum::<Duration>() / usual.len() as u32;
    let chance = (started.len() + 1) as f64 / (started.len() + progress.hits + 1) as f64;
    let mut tasks: HashMap<TaskId, Expected> = HashMap::with_capacity(progress.tasks.len());
    for id in &graph.order {
        if progress.tasks.binary_search(id).is_err() {
            continue;
        }
        let needs = || graph.needs[id.index()].iter().filter_map(|need| tasks.get(need));
        let chain = needs().map(|need| need.chain).max().unwrap_or_default();
        let runs = started.contains_key(id) || needs().any(|need| need.runs);
        let took = usual.get(id).copied().unwrap_or(average);
        let own = match started.get(id) {
            _ if ended(*id) || !(progress.runs)(*id) => Duration::ZERO,
            Some(start) => took.saturating_sub(now - *start),
            None if runs => took,
            None => took.mul_f64(chance),
        };
        tasks.insert(*id, Expected { runs, own, chain: chain + own });
    }
    let work = tasks.values().map(|task| task.own).sum::<Duration>() / progress.jobs.max(1) as u32;
    tasks.values().map(|task| task.chain).max().map(|chain| chain.max(work))
}

/// What is expected of a task.
struct Expected {
    /// It runs, or ran.
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

    /// `a`, `b` and `c` need nothing, `d` needs `a`; they took 1, 2, 3 and 4 seconds.
    fn estimate(jobs: usize, running: &[u32], ended: &[u32], hits: usize) -> f64 {
        let dir = tempfile::tempdir().unwrap();
        let plain = ["a", "b", "c"].map(|name| format!("[task.{name}]\ncommand = 'x'\ninputs = []\n")).concat();
        let text = format!("{plain}[task.d]\ncommand = 'x'\ninputs = []\ndeps = ['a']\n");
        std::fs::write(dir.path().join("percache.toml"), text).unwrap();
        let workspace = load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap();
        let tasks: Vec<_> = workspace.ids().collect();
        let now = Instant::now();
        let progress = Progress {
            graph: &TaskGraph::new(&workspace),
            tasks: &tasks,
            usual: &tasks.iter().map(|id| (*id, Duration::from_secs(id.0 as u64 + 1))).collect(),
            started: &running.iter().map(|id| (TaskId(*id), now)).collect(),
            ended: &|id| ended.contains(&id.0),
            runs: &|_| true,
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
        // What depends on something that runs is.
        assert!(estimate(1, &[0], &[0], 99) > 4.0);
    }

    #[test]
    fn without_a_past_there_is_no_answer() {
        let (graph, usual, started) = (TaskGraph::new(&empty()), Usual::new(), HashMap::new());
        let progress = Progress {
            graph: &graph,
            tasks: &[],
            usual: &usual,
            started: &started,
            ended: &|_| false,
            runs: &|_| true,
            jobs: 1,
            hits: 0,
        };
        assert_eq!(left(&progress, Instant::now()), None);
    }

    fn empty() -> crate::model::Workspace {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("percache.toml"), "").unwrap();
        load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap()
    }
}
