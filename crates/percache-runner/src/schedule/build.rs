//! The build loop. The calling thread coordinates and owns all state; inside one rayon scope it spawns a job per ready
//! task, and each job reports back with one final message.

mod ahead;
mod finish;
mod messages;
mod on_remote;
mod servers;
mod start;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use rayon::{Scope, ThreadPool};

use crate::action::context::Context;
use crate::action::job::Word;
use crate::action::workers::Workers;
use crate::model::event::{Event, Provenance, RemoteStage, Reporter, Usual};
use crate::model::{Task, TaskId};
use crate::schedule::ready_queue::ReadyQueue;
use crate::schedule::results::Outcomes;
use crate::schedule::servers::{Attended, TICK};
use crate::schedule::state::{Standing, States, TaskState};
use crate::schedule::time_left::{Estimate, Progress};
use percache::base::clock::Micros;

pub use ahead::GROUPS;
use messages::{Message, receive};
use on_remote::OnRemote;

/// What is demanded of tasks besides that they are up to date.
pub struct Demands {
    /// Tasks that run even if their results are stored, which are stored again.
    pub forced: HashSet<TaskId>,
    /// Tasks whose outputs are compared with the stored results.
    pub checked: HashSet<TaskId>,
    /// Tasks whose outputs are wanted here, if not all are.
    pub wanted: HashSet<TaskId>,
}

/// The threads of a build.
pub struct Threads {
    /// Those that tasks run on.
    pub tasks: ThreadPool,
    /// Those that wait for a remote; `None` if there is none.
    pub remote: Option<ThreadPool>,
}

/// Builds `tasks`, which include their dependencies.
pub fn build(
    ctx: &Context<'_>,
    threads: &Threads,
    tasks: &[TaskId],
    demands: &Demands,
    attended: &Attended,
    reporter: &mut dyn Reporter,
) -> Outcomes {
    let start = Instant::now();
    let usual = Arc::new(usual(ctx, tasks));
    let commands = tasks.iter().filter(|id| is_work(ctx.workspace.task(**id))).count();
    reporter.event(Event::Begin { tasks: commands, usual: usual.clone() });
    let (sender, receiver) = channel();
    let mut build = Build {
        ctx,
        demands,
        states: States::new(ctx.workspace, ctx.graph, tasks),
        queue: ReadyQueue::new(ctx.workspace, ctx.graph, tasks, &|id| usual.get(&id).copied()),
        usual: &usual,
        tasks,
        idle: idle(ctx, tasks, demands),
        asking: 0,
        asked: VecDeque::new(),
        came: HashMap::new(),
        unwritten: 0,
        on_remote: OnRemote::default(),
        away: HashMap::new(),
        estimate: Estimate::default(),
        refreshed: start,
        outcomes: Outcomes::default(),
        attended,
        failed_servers: 0,
        stopping: false,
        reporter,
    };
    build.queue_those_that_need_nothing();
    threads.tasks.in_place_scope(|scope| match &threads.remote {
        Some(remote) => remote.in_place_scope(|ahead| build.run(scope, Some(ahead), &sender, &receiver)),
        None => build.run(scope, None, &sender, &receiver),
    });
    build.close_servers();
    build.tell_of_left();
    let failed_servers = build.failed_servers;
    let mut outcomes = build.outcomes;
    let summary = &mut outcomes.summary;
    summary.skipped = commands.saturating_sub(summary.counted() - failed_servers);
    summary.interrupted = ctx.stop.requested();
    summary.took = start.elapsed();
    outcomes.remembered = ctx.tools.remembered();
    outcomes
}

/// Returns whether a task is work to be done, which a group and a server are not.
fn is_work(task: &Task) -> bool {
    task.command.is_some() && task.server.is_none()
}

/// Returns how long the tasks took last time.
fn usual(ctx: &Context<'_>, tasks: &[TaskId]) -> Usual {
    let took = |id: &TaskId| Some((*id, ctx.journal.tasks.get(&ctx.workspace.task(*id).name)?.took));
    let known = tasks.iter().filter_map(took).filter(|(_, took)| *took > Micros::ZERO);
    known.map(|(id, took)| (id, took.into())).collect()
}

/// Tells for each task whether it and its dependencies are known to be unchanged, so that it will take no time.
fn idle(ctx: &Context<'_>, tasks: &[TaskId], demands: &Demands) -> Vec<bool> {
    let mut idle = vec![!ctx.untouched.is_empty(); ctx.workspace.tasks.len()];
    let rests = |id: &TaskId| {
        let untouched = ctx.workspace.task(*id).command.is_none() || ctx.untouched.get(id.index()) == Some(&true);
        untouched && !demands.forced.contains(id) && !demands.checked.contains(id)
    };
    let others: Vec<TaskId> = tasks.iter().copied().filter(|id| !rests(id)).collect();
    ctx.graph.dependents(&others).into_iter().for_each(|id| idle[id.index()] = false);
    idle
}

struct Build<'a, 'b> {
    ctx: &'a Context<'b>,
    demands: &'a Demands,
    usual: &'a Usual,
    tasks: &'a [TaskId],
    /// The state of each task: the only place that has it.
    states: States<'a>,
    /// The ready ones among them, in the order in which they start.
    queue: ReadyQueue<'a>,
    /// Whether each task is known to be up to date, by position.
    idle: Vec<bool>,
    /// How many groups of tasks the remote is being asked for.
    asking: usize,
    /// Ready tasks that the remote is to be asked for before their turn comes.
    asked: VecDeque<TaskId>,
    /// What came of it when the remote was asked for a task, unless that was nothing.
    came: HashMap<TaskId, Provenance>,
    /// How many results have come that may not be written yet.
    unwritten: usize,
    /// What is left on the remote.
    on_remote: OnRemote,
    /// Running tasks whose commands are executed elsewhere, and whether they have come back from there. They hold no
    /// slot here.
    away: HashMap<TaskId, bool>,
    estimate: Estimate,
    /// When the report was last refreshed.
    refreshed: Instant,
    outcomes: Outcomes,
    /// The servers of the build.
    attended: &'a Attended,
    /// How many of them have failed.
    failed_servers: usize,
    stopping: bool,
    reporter: &'a mut dyn Reporter,
}

impl<'a> Build<'a, '_> {
    fn queue_those_that_need_nothing(&mut self) {
        for id in self.tasks {
            if matches!(self.states.get(*id), TaskState::Ready) {
                self.ready(*id);
            }
        }
    }

    fn run<'scope, 'ahead>(
        &mut self,
        scope: &Scope<'scope>,
        ahead: Option<&Scope<'ahead>>,
        sender: &Sender<Message>,
        receiver: &Receiver<Message>,
    ) where
        'a: 'scope,
        'a: 'ahead,
    {
        loop {
            while !self.stopping && !self.ctx.stop.requested() && self.has_room() {
                let Some(id) = self.queue.next(self.states.running()) else { break };
                self.start(id, scope, sender);
            }
            // Behind the loop, which may have made tasks ready.
            if let Some(ahead) = ahead {
                self.ask_ahead(ahead, sender);
            }
            self.tend_servers();
            if self.is_idle() && self.servers_are_done() {
                return;
            }
            match self.next_message(receiver) {
                Ok(Message::Word(task, Word::Started)) => {
                    self.states.set(task, TaskState::Running { command: Some(Instant::now()) });
                    let usual = self.usual.get(&task).copied();
                    self.reporter.event(Event::Started { task, usual });
                }
                Ok(Message::Word(task, Word::Waiting(holder))) => {
                    self.reporter.event(Event::Waiting { task: Some(task), holder });
                }
                Ok(Message::Word(task, Word::Remote(stage))) => {
                    self.note_stage(task, stage);
                    self.reporter.event(Event::Remote { task, stage });
                }
                Ok(Message::Word(task, Word::Background(holders))) => {
                    self.reporter.event(Event::Background { task, holders });
                }
                Ok(Message::Done(done)) => {
                    // A server that ended while the task ran failed it.
                    self.tend_servers();
                    self.finish(*done);
                }
                Ok(Message::Pending(task, why)) => self.wait_for_tree(task, why),
                Ok(Message::Asked(task, came)) => self.was_asked(task, *came),
                Ok(Message::GroupAsked) => self.group_was_asked(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Notes how far a command is that is to be executed elsewhere.
    fn note_stage(&mut self, id: TaskId, stage: RemoteStage) {
        let is_back = stage == RemoteStage::Back;
        match self.away.insert(id, is_back) {
            None => self.queue.left(id),
            Some(false) if is_back => self.queue.came_back(id),
            Some(_) => {}
        }
    }

    /// Returns whether a further task may start. One that turns out to be executed elsewhere makes room for another.
    fn has_room(&self) -> bool {
        let running = self.states.running();
        running - self.away.len() < self.ctx.jobs && running < self.most()
    }

    /// Returns how many tasks may run at a time, here and elsewhere: each has a thread.
    fn most(&self) -> usize {
        let away = self.ctx.away.as_ref().map(|away| away.workers).filter(|workers| workers.is_usable());
        self.ctx.jobs + away.map_or(0, Workers::jobs)
    }

    /// Receives the next message. Refreshes the report when that is due, even without a message.
    fn next_message(&mut self, receiver: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        let intents = self.ctx.intents.as_ref();
        let tick = (!self.attended.ids.is_empty()).then_some(TICK);
        let Some(period) = self.reporter.period() else { return receive(receiver, intents, tick) };
        let patience = period.saturating_sub(self.refreshed.elapsed());
        let message = receive(receiver, intents, Some(tick.map_or(patience, |tick| tick.min(patience))));
        if self.refreshed.elapsed() >= period {
            let left = self.estimate.left(&Progress {
                graph: self.ctx.graph,
                tasks: self.tasks,
                usual: self.usual,
                states: self.states.all(),
                takes_time: &|id| !self.idle[id.index()] && is_work(self.ctx.workspace.task(id)),
                jobs: self.most(),
                hits: self.outcomes.summary.up_to_date + self.outcomes.summary.restored,
            });
            self.reporter.refresh(left, self.on_remote.count());
            self.refreshed = Instant::now();
        }
        message
    }

    /// Returns whether all dependencies of the task have turned out to be as the journal says.
    fn needs_same(&self, id: TaskId) -> bool {
        let mut needs = self.ctx.graph.needs[id.index()].iter();
        needs.all(|need| self.states.standing(*need) == Some(Standing::AsRecorded))
    }

    /// Returns whether a dependency of the task has unknown outputs, which only a dry run leaves unknown.
    fn is_uncertain(&self, id: TaskId) -> bool {
        self.ctx.options.dry_run && self.ctx.graph.needs[id.index()].iter().any(|need| self.has_unknown_outputs(*need))
    }

    fn has_unknown_outputs(&self, id: TaskId) -> bool {
        self.states.standing(id) == Some(Standing::Unknown)
    }
}
