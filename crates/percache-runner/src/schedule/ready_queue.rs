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

/// The tasks of a build that have not started yet.
pub struct Schedule<'a> {
    workspace: &'a Workspace,
    graph: &'a TaskGraph,
    /// For each task of the build, the number of dependencies that are not done.
    waiting: HashMap<TaskId, usize>,
    urgency: HashMap<TaskId, Duration>,
    ready: BinaryHeap<Urgency>,
    /// Ready tasks that must run while nothing else does.
    alone: VecDeque<TaskId>,
    /// Ready tasks that wait for room in their pool.
    queued: HashMap<u32, BinaryHeap<Urgency>>,
    room: Vec<usize>,
}

impl<'a> Schedule<'a> {
    /// Creates a schedule for `tasks`, which include their dependencies. `usual` returns how long a task took last
    /// time.
    pub fn new(
        workspace: &'a Workspace,
        graph: &'a TaskGraph,
        tasks: &[TaskId],
        usual: &dyn Fn(TaskId) -> Option<Duration>,
    ) -> Schedule<'a> {
        let waiting: HashMap<_, _> = tasks.iter().map(|id| (*id, graph.needs[id.index()].len())).collect();
        let urgency = urgency(workspace, graph, &waiting, usual);
        let mut schedule = Schedule {
            workspace,
            graph,
            waiting,
            urgency,
            ready: BinaryHeap::new(),
            alone: VecDeque::new(),
            queued: HashMap::new(),
            room: workspace.pools.iter().map(|pool| pool.capacity.get()).collect(),
        };
        let free: Vec<_> = schedule.waiting.iter().filter(|(_, needs)| **needs == 0).map(|(id, _)| *id).collect();
        free.into_iter().for_each(|id| schedule.make_ready(id));
        schedule
    }

    fn make_ready(&mut self, id: TaskId) {
        if self.workspace.task(id).interactive {
            self.alone.push_back(id);
        } else {
            self.ready.push((self.urgency_of(id), Reverse(id)));
        }
    }

    fn urgency_of(&self, id: TaskId) -> Duration {
        self.urgency.get(&id).copied().unwrap_or(UNKNOWN)
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

    /// Notes that a task is done: tasks that waited only for it become ready.
    pub fn done(&mut self, id: TaskId) {
        let graph = self.graph;
        for dependent in &graph.needed_by[id.index()] {
            if let Some(needs) = self.waiting.get_mut(dependent) {
                *needs -= 1;
                if *needs == 0 {
                    self.make_ready(*dependent);
                }
            }
        }
    }
}

/// Computes for each task the duration of the longest chain that starts with it and continues through its dependents.
fn urgency(
    workspace: &Workspace,
    graph: &TaskGraph,
    tasks: &HashMap<TaskId, usize>,
    usual: &dyn Fn(TaskId) -> Option<Duration>,
) -> HashMap<TaskId, Duration> {
    let mut urgency: HashMap<TaskId, Duration> = HashMap::with_capacity(tasks.len());
    for id in graph.order.iter().rev().filter(|id| tasks.contains_key(id)) {
        let behind = graph.needed_by[id.index()].iter().filter_map(|dependent| urgency.get(dependent)).max();
        let own = workspace.task(*id).command.as_ref().map_or(Duration::ZERO, |_| usual(*id).unwrap_or(UNKNOWN));
        urgency.insert(*id, own + behind.copied().unwrap_or_default());
    }
    urgency
}
