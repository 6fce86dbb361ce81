//! The state of every task during a build: one enum, and one function that changes it.
//!
//! ```text
//! Waiting ─► Ready ─► Running ─┬─► Done
//!                              └─► Failed
//! ```
//!
//! Where outputs are left on a remote, there are ways back: a task whose command has to run waits for what it depends
//! on to come, and a task that was done with its outputs left is ready again when they have to.
//!
//! A task that is never started, because the build ends before, stays waiting or ready. Owned by the coordinating thread
//! alone. Knows nothing about jobs, about the order of ready tasks, or about the journal.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::action::inputs::Visible;
use crate::graph::TaskGraph;
use crate::model::{TaskId, Workspace};

/// The state of a task.
#[derive(Clone, Debug)]
pub enum TaskState {
    /// The task is not part of the build.
    Outside,
    /// The task waits for this many dependencies.
    Waiting {
        /// How many direct dependencies are not done; at least one.
        needs: usize,
    },
    /// All dependencies are done. The task waits for its turn.
    Ready,
    /// A job works on the task.
    Running {
        /// When its command started, if it did.
        command: Option<Instant>,
    },
    /// The task succeeded, and its dependents may start.
    Done {
        /// Whether its command started.
        ran: bool,
        /// How it compares with the journal.
        standing: Standing,
        /// What its dependents see. `None` stands for what the journal says, until a dependent asks.
        visible: Option<Arc<Visible>>,
    },
    /// The task failed or was stopped. Its dependents never start.
    Failed {
        /// Whether its command started.
        ran: bool,
    },
}

/// How a finished task compares with what the journal says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same result, with the same outputs.
    AsRecorded,
    /// Something else.
    Changed,
    /// Unknown: this is a dry run, in which the task or a dependency would run.
    Unknown,
}

impl TaskState {
    /// Returns when the command of a running task started.
    pub fn running_since(&self) -> Option<Instant> {
        match self {
            TaskState::Running { command } => *command,
            _ => None,
        }
    }

    /// Returns whether the command started, whether it has ended or not.
    pub fn has_started(&self) -> bool {
        match self {
            TaskState::Outside | TaskState::Waiting { .. } | TaskState::Ready => false,
            TaskState::Running { command } => command.is_some(),
            TaskState::Done { ran, .. } | TaskState::Failed { ran } => *ran,
        }
    }

    /// Returns whether the task has succeeded or failed.
    pub fn has_ended(&self) -> bool {
        matches!(self, TaskState::Done { .. } | TaskState::Failed { .. })
    }

    fn is_running(&self) -> bool {
        matches!(self, TaskState::Running { .. })
    }

    /// Returns whether `next` may follow this state.
    fn may_become(&self, next: &TaskState) -> bool {
        use TaskState::{Done, Failed, Outside, Ready, Running, Waiting};
        match (self, next) {
            (Waiting { needs }, Waiting { needs: fewer }) => *fewer > 0 && *fewer + 1 == *needs,
            (Waiting { needs }, Ready) => *needs == 1,
            (Ready, Running { command: None }) | (Running { command: None }, Running { command: Some(_) }) => true,
            (Running { command }, Done { ran, .. } | Failed { ran }) => *ran == command.is_some(),
            // More has to be in the tree first.
            (Running { command: None }, Waiting { needs }) => *needs > 0,
            // The outputs that were left on the remote have to come.
            (Running { command: None }, Ready) | (Done { ran: false, .. }, Ready) => true,
            // A dependent was the first to ask what it sees.
            (
                Done { ran, standing, visible: None },
                Done { ran: ran_too, standing: standing_too, visible: Some(_) },
            ) => ran == ran_too && standing == standing_too,
            (Outside | Waiting { .. } | Ready | Running { .. } | Done { .. } | Failed { .. }, _) => false,
        }
    }
}

/// Names the state, for assertions.
impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskState::Outside => f.write_str("outside of the build"),
            TaskState::Waiting { needs } => write!(f, "waiting for {needs}"),
            TaskState::Ready => f.write_str("ready"),
            TaskState::Running { command: None } => f.write_str("running"),
            TaskState::Running { command: Some(_) } => f.write_str("running its command"),
            TaskState::Done { .. } => f.write_str("done"),
            TaskState::Failed { .. } => f.write_str("failed"),
        }
    }
}

/// The states of all tasks.
pub struct States<'a> {
    workspace: &'a Workspace,
    states: Vec<TaskState>,
    /// How many tasks are running.
    running: usize,
}

impl<'a> States<'a> {
    /// Creates the states at the beginning of a build of `tasks`, which include their dependencies.
    pub fn new(workspace: &'a Workspace, graph: &TaskGraph, tasks: &[TaskId]) -> States<'a> {
        let mut states = vec![TaskState::Outside; workspace.tasks.len()];
        for id in tasks {
            states[id.index()] = match graph.needs[id.index()].len() {
                0 => TaskState::Ready,
                needs => TaskState::Waiting { needs },
            };
        }
        States { workspace, states, running: 0 }
    }

    /// Returns the state of a task.
    pub fn get(&self, id: TaskId) -> &TaskState {
        &self.states[id.index()]
    }

    /// Returns the states of all tasks of the workspace, by position.
    pub fn all(&self) -> &[TaskState] {
        &self.states
    }

    /// Changes the state of a task. Nothing else does.
    pub fn set(&mut self, id: TaskId, next: TaskState) {
        let state = &mut self.states[id.index()];
        debug_assert!(state.may_become(&next), "`{}` is {state}: not {next}", self.workspace.task(id).name);
        self.running += usize::from(next.is_running());
        self.running -= usize::from(state.is_running());
        *state = next;
    }

    /// Notes that a dependency of the task is done. Returns whether it was the last, so that the task is ready now.
    pub fn need_done(&mut self, id: TaskId) -> bool {
        match *self.get(id) {
            TaskState::Waiting { needs: 1 } => {
                self.set(id, TaskState::Ready);
                true
            }
            TaskState::Waiting { needs } => {
                self.set(id, TaskState::Waiting { needs: needs - 1 });
                false
            }
            // A dependent that this build does not want.
            TaskState::Outside => false,
            TaskState::Ready | TaskState::Running { .. } | TaskState::Done { .. } | TaskState::Failed { .. } => {
                debug_assert!(false, "`{}` did not wait for a dependency", self.workspace.task(id).name);
                false
            }
        }
    }

    /// Returns how many tasks are running.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Returns how a finished task compares with the journal; `None` for any other.
    pub fn standing(&self, id: TaskId) -> Option<Standing> {
        match self.get(id) {
            TaskState::Done { standing, .. } => Some(*standing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};

    const DONE: TaskState = TaskState::Done { ran: false, standing: Standing::Changed, visible: None };

    fn running() -> TaskState {
        TaskState::Running { command: Some(Instant::now()) }
    }

    /// Every pair of states that is not listed here is refused.
    #[test]
    fn a_task_goes_forward_one_step_at_a_time() {
        let shown = || TaskState::Done { ran: false, standing: Standing::Changed, visible: Some(Arc::default()) };
        let ran = || TaskState::Done { ran: true, standing: Standing::Changed, visible: Some(Arc::default()) };
        let states = [
            ("outside", TaskState::Outside),
            ("two", TaskState::Waiting { needs: 2 }),
            ("one", TaskState::Waiting { needs: 1 }),
            ("none", TaskState::Waiting { needs: 0 }),
            ("ready", TaskState::Ready),
            ("started", TaskState::Running { command: None }),
            ("running", running()),
            ("done", DONE),
            ("shown", shown()),
            ("ran", ran()),
            ("failed", TaskState::Failed { ran: false }),
            ("broken", TaskState::Failed { ran: true }),
        ];
        let mut legal = Vec::new();
        for (from, state) in &states {
            for (to, next) in &states {
                if state.may_become(next) {
                    legal.push(format!("{from} {to}"));
                }
            }
        }
        let expected = [
            "two one",
            "one ready",
            "ready started",
            "started two",
            "started one",
            "started ready",
            "started running",
            "started done",
            "started shown",
            "started failed",
            "running ran",
            "running broken",
            "done ready",
            "done shown",
            "shown ready",
        ];
        assert_eq!(legal, expected);
    }

    #[test]
    fn a_task_is_ready_with_its_last_dependency_and_only_in_its_build() {
        let dir = tempfile::tempdir().unwrap();
        let task = |name: &str, deps: &str| format!("[task.{name}]\ncommand = 'x'\ninputs = []\ndeps = [{deps}]\n");
        let text = [task("a", ""), task("b", ""), task("c", "'a', 'b'"), task("d", "'a'")].concat();
        std::fs::write(dir.path().join("percache.toml"), text).unwrap();
        let workspace = load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap();
        let graph = TaskGraph::new(&workspace);
        let [a, b, c, d] = [0, 1, 2, 3].map(TaskId);
        let mut states = States::new(&workspace, &graph, &[a, b, c]);
        assert!(matches!(states.get(a), TaskState::Ready));
        assert!(matches!(states.get(c), TaskState::Waiting { needs: 2 }));
        assert!(!states.need_done(c), "one is left");
        assert!(states.need_done(c));
        assert!(!states.need_done(d), "not in this build");
        assert!(matches!(states.get(d), TaskState::Outside));
        states.set(a, TaskState::Running { command: None });
        states.set(b, TaskState::Running { command: None });
        states.set(a, running());
        assert_eq!(states.running(), 2);
        assert!(states.get(a).has_started() && states.get(a).running_since().is_some());
        states.set(b, DONE);
        assert_eq!(states.running(), 1);
        assert!(states.get(b).has_ended() && !states.get(b).has_started());
        assert_eq!((states.standing(a), states.standing(b)), (None, Some(Standing::Changed)));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "`a` is ready: not done")]
    fn a_task_that_was_not_started_cannot_be_done() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("percache.toml"), "[task.a]\ncommand = 'x'\ninputs = []\n").unwrap();
        let workspace = load(&dir.path().canonicalize().unwrap(), &Request::default()).unwrap();
        States::new(&workspace, &TaskGraph::new(&workspace), &[TaskId(0)]).set(TaskId(0), DONE);
    }
}
