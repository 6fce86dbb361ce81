//! Which task starts next: of those whose dependencies are done, the one with the longest way to the end of the build.
//!
//! Pure bookkeeping; knows nothing of threads or of what a task does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use crate::graph::TaskGraph;
use crate::model::{PoolId, TaskId, Workspace};

/// What a task without a history is taken to last.
const UNKNOWN: Duration = Duration::from_millis(100);

/// Ordered by length of the way to the end, then by position.
type Urgency = (Duration, Reverse<TaskId>);

/// The tasks of a build that have not started.
pub struct Schedule<'a> {
    workspace: &'a Workspace,
    graph: &'a TaskGraph,
    /// Of each task of the build, how many dependencies are not done.
    waiting: HashMap<TaskId, usize>,
    urgency: HashMap<TaskId, Duration>,
    ready: BinaryHeap<Urgency>,
    /// Ready, and to run when nothing else does.
    alone: VecDeque<TaskId>,
    /// Ready, and waiting for room in their pool.
    queued: HashMap<u32, BinaryHeap<Urgency>>,
    room: Vec<usize>,
}

impl<'a> Schedule<'a> {
    /// A schedule for `tasks`, which contain what they need. `usual` tells how long a task took the last time.
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

    /// The next task to start, when `running` are running; one that owns the terminal only when none is.
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

    /// A started task has ended: its pool has room again.
    pub fn ended(&mut self, id: TaskId) {
        let task = self.workspace.task(id);
        if let Some(PoolId(pool)) = task.pool.filter(|_| !task.interactive) {
            self.room[pool as usize] += 1;
            self.ready.extend(self.queued.get_mut(&pool).and_then(BinaryHeap::pop));
        }
    }

    /// A task is done: what waited only for it is ready.
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

/// Of each task, how long it and the longest chain of what needs it take.
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
