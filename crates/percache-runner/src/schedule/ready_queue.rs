//! Chooses the task that starts next: among those whose dependencies are done, the one with the longest path to the end
//! of the build.
//!
//! Pure bookkeeping. Knows nothing about threads or about what a task does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::graph::TaskGraph;
use crate::model::{TaskId, Workspace};
use crate::schedule::pools::Pools;

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
    /// Ready tasks that take something of pools.
    pools: Pools<Urgency>,
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
            pools: Pools::new(workspace, tasks),
        }
    }

    /// Adds a task whose dependencies are done.
    pub fn push(&mut self, id: TaskId) {
        let task = self.workspace.task(id);
        let urgency = (self.urgency[id.index()], Reverse(id));
        if task.interactive {
            self.alone.push_back(id);
        } else if task.uses.is_empty() {
            self.ready.push(urgency);
        } else {
            self.pools.push(&task.uses, urgency);
        }
    }

    /// Returns the next task to start while `running` tasks run. One that owns the terminal is returned only while none
    /// runs.
    pub fn next(&mut self, running: usize) -> Option<TaskId> {
        if let Some((_, Reverse(id))) = self.pools.take(self.ready.peek()).or_else(|| self.ready.pop()) {
            return Some(id);
        }
        if running == 0 { self.alone.pop_front() } else { None }
    }

    /// Notes that the command of a started task is executed elsewhere.
    pub fn left(&mut self, id: TaskId) {
        self.pools.leave(&self.workspace.task(id).uses);
    }

    /// Notes that a task which had left is back.
    pub fn came_back(&mut self, id: TaskId) {
        self.pools.come_back(&self.workspace.task(id).uses);
    }

    /// Notes that a started task has ended, which gives back what it took of pools.
    pub fn ended(&mut self, id: TaskId) {
        let task = self.workspace.task(id);
        if !task.interactive {
            self.pools.give_back(&task.uses);
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
