//! Chooses the task that starts next: among those whose dependencies are done, the one with the longest path to the end
//! of the build.
//!
//! Pure bookkeeping. Knows nothing about threads or about what a task does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use crate::graph::TaskGraph;
use crate::model::{PoolId, TaskId, Workspace};

/// The assumed duration of a task without a history.
const UNKNOWN: Duration = Duration::from_millis(100);

/// Ordered by the length of the path to the end, then by position.
type Urgency = (Duration, Reverse<TaskId>);

/// The tasks that are ready to start.
pub struct ReadyQueue<'a> {
    workspace: &'a Workspace,
    /// The length of the path to the end of the build, by position; zero for tasks that are not part of the build.
    urgency: Vec<Duration>,
    ready: BinaryHeap<Urgency>,
    /// Ready tasks that must run while nothing else does.
    alone: VecDeque<TaskId>,
    /// Ready tasks that wait for room in their pool.
    queued: HashMap<u32, BinaryHeap<Urgency>>,
    room: Vec<usize>,
}

impl<'a> ReadyQueue<'a> {
    /// Creates an empty queue for a build of `tasks`, which are sorted and include their dependencies. `usual` returns
    /// how long a task took last time.
    pub fn new(
        workspace: &'a Workspace,
        graph: &TaskGraph,
        tasks: &[TaskId],
        usual: &dyn Fn(TaskId) -> Option<Duration>,
    ) -> ReadyQueue<'a> {
        ReadyQueue {
            workspace,
            urgency: urgency(workspace, graph, tasks, usual),
            ready: BinaryHeap::new(),
            alone: VecDeque::new(),
            queued: HashMap::new(),
            room: workspace.pools.iter().map(|pool| pool.capacity.get()).collect(),
        }
    }

    /// Adds a task whose dependencies are done.
    pub fn push(&mut self, id: TaskId) {
        if self.workspace.task(id).interactive {
            self.alone.push_back(id);
        } else {
            self.ready.push((self.urgency[id.index()], Reverse(id)));
        }
    }

    /// Returns the next task to start while `running` tasks run. One that owns the terminal is returned only while none
    /// runs.
    pub fn next(&mut self, running: usize) -> Option<TaskId> {
        while let Some((urgency, Reverse(id))) = self.ready.pop() {
            match self.workspace.task(id).pool {
                Some(PoolId(pool)) if self.room[pool as usize] == 0 => {
                    self.queued.entry(pool).or_default().push((urgency, Reverse(id)));
                }
                Some(PoolId(pool)) => {
                    self.room[pool as usize] -= 1;
                    return Some(id);
                }
                None => return Some(id),
            }
        }
        if running == 0 { self.alone.pop_front() } else { None }
    }

    /// Notes that a started task has ended, which makes room in its pool.
    pub fn ended(&mut self, id: TaskId) {
        let task = self.workspace.task(id);
        if let Some(PoolId(pool)) = task.pool.filter(|_| !task.interactive) {
            self.room[pool as usize] += 1;
            self.ready.extend(self.queued.get_mut(&pool).and_then(BinaryHeap::pop));
        }
    }
}

/// Computes for each task the duration of the longest chain that starts with it and continues through its dependents.
fn urgency(
    workspace: &Workspace,
    graph: &TaskGraph,
    tasks: &[TaskId],
    usual: &dyn Fn(TaskId) -> Option<Duration>,
) -> Vec<Duration> {
    let mut urgency = vec![Duration::ZERO; workspace.tasks.len()];
    for id in graph.order.iter().rev().filter(|id| tasks.binary_search(id).is_ok()) {
        let dependents = &graph.needed_by[id.index()];
        let behind = dependents.iter().map(|dependent| urgency[dependent.index()]).max().unwrap_or_default();
        let own = match workspace.task(*id).command {
            Some(_) => usual(*id).unwrap_or(UNKNOWN),
            None => Duration::ZERO,
        };
        urgency[id.index()] = own + behind;
    }
    urgency
}
