//! The build loop. The calling thread coordinates and owns all state; inside one rayon scope it spawns a job per ready
//! task, and each job reports back with one final message.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rayon::{Scope, ThreadPool};

use crate::action::changes::Change;
use crate::action::context::Context;
use crate::action::explain::Why;
use crate::action::inputs::{Dependencies, Visible};
use crate::action::job::{Done, Job, Word};
use crate::action::left_alone::strays;
use crate::action::{explain, job};
use crate::graph::explicit;
use crate::key::fingerprint::Kind;
use crate::model::TaskId;
use crate::model::event::{Event, Outcome, Reporter, Usual};
use crate::model::problem::Trouble;
use crate::schedule::ready_queue::Schedule;
use crate::schedule::results::Outcomes;
use crate::schedule::time_left::{Estimate, Progress};
use crate::worktree::intents::SIGN;

enum Message {
    Word(TaskId, Word),
    Done(Box<Done>),
}

/// Tasks that run even if their results are stored.
pub struct Demands {
    /// Tasks whose results are stored again.
    pub forced: HashSet<TaskId>,
    /// Tasks whose outputs are compared with the stored results.
    pub checked: HashSet<TaskId>,
}

/// Builds `tasks`, which include their dependencies.
pub fn build(
    ctx: &Context<'_>,
    pool: &ThreadPool,
    tasks: &[TaskId],
    demands: &Demands,
    reporter: &mut dyn Reporter,
) -> Outcomes {
    let start = Instant::now();
    let usual = Arc::new(usual(ctx, tasks));
    let commands = tasks.iter().filter(|id| ctx.workspace.task(**id).command.is_some()).count();
    reporter.event(Event::Begin { tasks: commands, usual: usual.clone() });
    let (sender, receiver) = channel();
    let mut build = Build {
        ctx,
        demands,
        schedule: Schedule::new(ctx.workspace, ctx.graph, tasks, &|id| usual.get(&id).copied()),
        usual: &usual,
        tasks,
        started: HashMap::new(),
        ended: HashSet::new(),
        idle: idle(ctx, tasks, demands),
        estimate: Estimate::default(),
        refreshed: start,
        visible: HashMap::new(),
        same: vec![false; ctx.workspace.tasks.len()],
        uncertain: HashSet::new(),
        outcomes: Outcomes::default(),
        running: 0,
        stopping: false,
        reporter,
    };
    pool.in_place_scope(|scope| build.run(scope, &sender, &receiver));
    let mut outcomes = build.outcomes;
    let summary = &mut outcomes.summary;
    summary.skipped = commands.saturating_sub(summary.counted());
    summary.interrupted = ctx.stop.requested();
    summary.took = start.elapsed();
    outcomes.remembered = ctx.tools.remembered();
    outcomes
}

/// Returns how long the tasks took last time.
fn usual(ctx: &Context<'_>, tasks: &[TaskId]) -> Usual {
    let took = |id: &TaskId| Some((*id, ctx.journal.tasks.get(&ctx.workspace.task(*id).name)?.took));
    let known = tasks.iter().filter_map(took).filter(|(_, took)| *took > 0);
    known.map(|(id, took)| (id, Duration::from_micros(took))).collect()
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
    /// When commands started.
    started: HashMap<TaskId, Instant>,
    /// Tasks that succeeded or failed.
    ended: HashSet<TaskId>,
    /// Whether each task is known to be up to date, by position.
    idle: Vec<bool>,
    estimate: Estimate,
    /// When the report was last refreshed.
    refreshed: Instant,
    schedule: Schedule<'a>,
    /// What finished tasks show to their dependents; see [`Build::dependencies`].
    visible: HashMap<TaskId, Arc<Visible>>,
    /// Whether each task has turned out to be as the journal says, by position.
    same: Vec<bool>,
    /// In a dry run, the tasks whose outputs are unknown, because they or a dependency would run.
    uncertain: HashSet<TaskId>,
    outcomes: Outcomes,
    running: usize,
    stopping: bool,
    reporter: &'a mut dyn Reporter,
}

impl<'a> Build<'a, '_> {
    fn run<'scope>(&mut self, scope: &Scope<'scope>, sender: &Sender<Message>, receiver: &Receiver<Message>)
    where
        'a: 'scope,
    {
        loop {
            while !self.stopping && !self.ctx.stop.requested() && self.running < self.ctx.options.jobs {
                let Some(id) = self.schedule.next(self.running) else { break };
                self.start(id, scope, sender);
            }
            if self.running == 0 {
                return;
            }
            match self.receive(receiver) {
                Ok(Message::Word(task, Word::Started)) => {
                    self.started.insert(task, Instant::now());
                    let usual = self.usual.get(&task).copied();
                    self.reporter.event(Event::Started { task, usual });
                }
                Ok(Message::Word(task, Word::Waiting(holder))) => {
                    self.reporter.event(Event::Waiting { task: Some(task), holder });
                }
                Ok(Message::Word(task, Word::Background(holders))) => {
                    self.reporter.event(Event::Background { task, holders });
                }
                Ok(Message::Done(done)) => self.finish(*done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Receives the next message. Refreshes the report when that is due, even without a message.
    fn receive(&mut self, receiver: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        let Some(period) = self.reporter.period() else { return self.receive_giving_signs(receiver, None) };
        let message = self.receive_giving_signs(receiver, Some(period.saturating_sub(self.refreshed.elapsed())));
        if self.refreshed.elapsed() >= period {
            let left = self.estimate.left(&Progress {
                graph: self.ctx.graph,
                tasks: self.tasks,
                usual: self.usual,
                started: &self.started,
                ended: &|id| self.idle[id.index()] || self.ended.contains(&id),
                runs: &|id| self.ctx.workspace.task(id).command.is_some(),
                jobs: self.ctx.options.jobs,
                hits: self.outcomes.summary.up_to_date + self.outcomes.summary.restored,
            });
            self.reporter.refresh(left);
            self.refreshed = Instant::now();
        }
        message
    }

    /// Receives the next message, if it arrives within `patience`. Signals that the build is alive while intents are
    /// open.
    fn receive_giving_signs(
        &self,
        receiver: &Receiver<Message>,
        patience: Option<Duration>,
    ) -> Result<Message, RecvTimeoutError> {
        let start = Instant::now();
        loop {
            let left = patience.map(|patience| patience.saturating_sub(start.elapsed()));
            let wait = match (&self.ctx.intents, left) {
                (Some(_), left) => SIGN.min(left.unwrap_or(SIGN)),
                (None, Some(left)) => left,
                (None, None) => return receiver.recv().map_err(RecvTimeoutError::from),
            };
            let message = receiver.recv_timeout(wait);
            if let (Err(RecvTimeoutError::Timeout), Some(intents)) = (&message, &self.ctx.intents) {
                intents.give_sign();
            }
            if !matches!(message, Err(RecvTimeoutError::Timeout))
                || patience.is_some_and(|patience| start.elapsed() >= patience)
            {
                return message;
            }
        }
    }

    fn start<'scope>(&mut self, id: TaskId, scope: &Scope<'scope>, sender: &Sender<Message>)
    where
        'a: 'scope,
    {
        self.running += 1;
        let ctx = self.ctx;
        let task = ctx.workspace.task(id);
        if task.interactive && !ctx.options.dry_run {
            self.reporter.yield_terminal(true);
        }
        if self.is_uncertain(id) {
            return self.start_uncertain(id, scope, sender);
        }
        let (force, check) = (self.demands.forced.contains(&id), self.demands.checked.contains(&id));
        if let Some(done) = self.untouched(id).filter(|_| !force && !check) {
            return self.finish(done);
        }
        let as_before = !force && !check && !ctx.options.dry_run && self.is_as_before(id);
        let (deps, sender) = (self.dependencies(id), sender.clone());
        let wants_starts = self.reporter.wants_starts();
        scope.spawn(move |_| {
            let note = sender.clone();
            // Sending cannot fail: the receiver lives as long as the scope.
            let tell = move |word| {
                if word != Word::Started || wants_starts {
                    let _ = note.send(Message::Word(id, word));
                }
            };
            let job = Job { id, task, deps, force, as_before, check, tell: &tell };
            // A panic must not leave the coordinator waiting forever.
            let done = catch_unwind(AssertUnwindSafe(|| job::run(ctx, &job))).unwrap_or_else(|_| Done::panicked(id));
            let _ = sender.send(Message::Done(Box::new(done)));
        });
    }

    /// Starts a job that finds out what else differs for a task of a dry run one of whose dependencies has unknown
    /// outputs.
    fn start_uncertain<'scope>(&mut self, id: TaskId, scope: &Scope<'scope>, sender: &Sender<Message>)
    where
        'a: 'scope,
    {
        let ctx = self.ctx;
        let causes = ctx.graph.needs[id.index()].iter().filter(|need| self.uncertain.contains(need));
        let needs: Vec<String> = causes.map(|need| ctx.workspace.task(*need).name.clone()).collect();
        if ctx.workspace.task(id).command.is_none() {
            let mut done = Done::new(id, Outcome::Group);
            done.reason = Some(Why::Needs { tasks: needs, changes: Vec::new() });
            return self.finish(done);
        }
        let (deps, sender, forced) = (self.dependencies(id), sender.clone(), self.demands.forced.contains(&id));
        scope.spawn(move |_| {
            let done = catch_unwind(AssertUnwindSafe(|| explain::may_run(ctx, id, &deps, needs, forced)));
            let _ = sender.send(Message::Done(Box::new(done.unwrap_or_else(|_| Done::panicked(id)))));
        });
    }

    /// Returns whether a change is only a consequence of a task that may run.
    fn follows(&self, change: &Change) -> bool {
        let owner = match change.kind {
            Kind::Dependency => {
                let tasks = &self.ctx.workspace.tasks;
                let position = tasks.binary_search_by(|task| task.name.cmp(&change.remark));
                position.ok().map(|position| TaskId(position as u32))
            }
            _ => change.path().and_then(|path| self.ctx.graph.outputs.owner(&path)),
        };
        let of_path = matches!(change.kind, Kind::Input | Kind::Discovered | Kind::Dependency | Kind::FilePart);
        of_path && owner.is_some_and(|owner| self.uncertain.contains(&owner))
    }

    fn is_uncertain(&self, id: TaskId) -> bool {
        !self.uncertain.is_empty() && self.ctx.graph.needs[id.index()].iter().any(|need| self.uncertain.contains(need))
    }

    /// Returns the outcome of a group, or of a task that is unchanged since the journal, as its own paths and its
    /// dependencies show.
    fn untouched(&self, id: TaskId) -> Option<Done> {
        let task = self.ctx.workspace.task(id);
        if task.command.is_none() {
            return Some(Done::new(id, Outcome::Group));
        }
        let same = self.ctx.untouched.get(id.index()) == Some(&true) && self.needs_same(id);
        let record = self.ctx.journal.tasks.get(&task.name).filter(|_| same)?;
        let mut done = Done::new(id, Outcome::UpToDate);
        done.saved = Duration::from_micros(record.took);
        Some(done)
    }

    /// Returns whether all dependencies of the task have turned out to be as the journal says.
    fn needs_same(&self, id: TaskId) -> bool {
        self.ctx.graph.needs[id.index()].iter().all(|need| self.same[need.index()])
    }

    /// Returns whether the task's definition, its environment and the visible outputs of its dependencies are as the
    /// journal says, and the store still has what the journal names.
    fn is_as_before(&self, id: TaskId) -> bool {
        self.ctx.carries && self.ctx.trusted && self.needs_same(id)
    }

    /// Returns the explicit dependencies, with each group replaced by its members.
    fn dependencies(&mut self, id: TaskId) -> Dependencies {
        let ids = explicit(self.ctx.workspace, id);
        ids.into_iter().filter_map(|id| Some((id, self.visible_of(id)?))).collect()
    }

    fn visible_of(&mut self, id: TaskId) -> Option<Arc<Visible>> {
        if let Some(visible) = self.visible.get(&id) {
            return Some(visible.clone());
        }
        // An untouched task: what it shows to dependents is computed when one of them asks.
        let task = self.ctx.workspace.task(id);
        let record = self.ctx.journal.tasks.get(&task.name).filter(|_| self.same[id.index()])?;
        let strays = strays(self.ctx, id, task, &record.outputs);
        let visible = job::visible(&record.outputs, &strays, record.key?.action);
        self.visible.insert(id, visible.clone());
        Some(visible)
    }

    fn finish(&mut self, mut done: Done) {
        if let Some(Why::Needs { changes, .. }) = &mut done.reason {
            changes.retain(|change| !self.follows(change));
        }
        let task = self.ctx.workspace.task(done.task);
        self.running -= 1;
        self.schedule.ended(done.task);
        self.ended.insert(done.task);
        if task.interactive && !self.ctx.options.dry_run {
            self.reporter.yield_terminal(false);
        }
        self.outcomes.summary.count(&done, &task.name);
        let warned = !done.warnings.is_empty();
        match &done.outcome {
            Outcome::Failed(failure) => {
                self.stopping |= !self.ctx.options.keep_going;
                if !self.ctx.options.dry_run {
                    self.outcomes.note_failure(&task.name, failure, &done.log);
                }
            }
            _ => self.succeed(&mut done),
        }
        self.outcomes.judge(done.verdict, &done.outcome, &task.name);
        if let Some(record) = done.record.take() {
            self.outcomes.records.insert(task.name.clone(), record);
        }
        if !self.same[done.task.index()] {
            self.outcomes.otherwise.push(done.task);
        }
        if done.recalled {
            self.outcomes.recalled.insert(task.name.clone());
        }
        if let Some(mut basis) = done.basis.take() {
            // The warning must be repeated next time.
            basis.sure &= !warned;
            self.outcomes.bases.insert(task.name.clone(), basis);
        }
        self.tell(done);
    }

    /// Lets the dependents of a successful task start.
    fn succeed(&mut self, done: &mut Done) {
        let (id, outcome, ctx) = (done.task, &done.outcome, self.ctx);
        let unknown = matches!(outcome, Outcome::WouldRun | Outcome::MayRun)
            || (*outcome == Outcome::Group && self.is_uncertain(id));
        if unknown {
            self.uncertain.insert(id);
        }
        let before = ctx.journal.tasks.get(&ctx.workspace.task(id).name);
        self.same[id.index()] = match outcome {
            Outcome::UpToDate | Outcome::Checked => {
                done.record.as_ref().is_none_or(|record| before.is_some_and(|before| before.key == record.key))
            }
            Outcome::Restored => done.recalled,
            Outcome::Group => ctx.graph.needs[id.index()].iter().all(|need| self.same[need.index()]),
            _ => false,
        };
        if let Some(visible) = done.visible.take() {
            self.visible.insert(id, visible);
        }
        self.schedule.done(id);
    }

    /// Tells the reporter how a task has ended.
    fn tell(&mut self, done: Done) {
        for Trouble { message, hint } in done.warnings {
            self.reporter.event(Event::Warning { message, hint });
        }
        if let Some(moved) = done.moved {
            self.reporter.event(Event::Displaced(moved));
        }
        for message in done.notes {
            self.reporter.event(Event::Note { message });
        }
        let unseen = done.unseen;
        let (outcome, log, reason) = (done.outcome, Arc::new(done.log), done.reason.as_ref().map(Why::to_string));
        self.outcomes.reasons.extend(done.reason.map(|why| (done.task, why)));
        self.outcomes.parts.extend(done.parts.map(|parts| (done.task, parts)));
        let (task, status, took, saved) = (done.task, done.status, done.took, done.saved);
        self.reporter.event(Event::Finished { task, outcome, status, log, took, saved, reason, unseen });
    }
}
