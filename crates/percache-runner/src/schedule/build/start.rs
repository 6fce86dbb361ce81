//! Starting a task: what is known without a job is concluded at once, and a job does the rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use rayon::Scope;

use crate::action::done::Done;
use crate::action::explain::Why;
use crate::action::inputs::{Dependencies, Visible};
use crate::action::job::{Job, Word};
use crate::action::left_alone::strays;
use crate::action::{done, explain, job};
use crate::graph::explicit;
use crate::key::fingerprint::Discovered;
use crate::model::TaskId;
use crate::model::event::Outcome;
use crate::schedule::state::{Standing, TaskState};

use super::Build;
use super::messages::Message;

impl<'a> Build<'a, '_> {
    /// Starts a task that is ready.
    pub(super) fn start<'scope>(&mut self, id: TaskId, scope: &Scope<'scope>, sender: &Sender<Message>)
    where
        'a: 'scope,
    {
        self.states.set(id, TaskState::Running { command: None });
        let ctx = self.ctx;
        let task = ctx.workspace.task(id);
        if task.interactive && !ctx.options.dry_run {
            self.reporter.yield_terminal(true);
        }
        if self.is_uncertain(id) {
            return self.start_uncertain(id, scope, sender);
        }
        let (force, check) = (self.demands.forced.contains(&id), self.demands.checked.contains(&id));
        let foreground = self.attended.foreground.contains(&id);
        if let Some(done) = self.untouched(id).filter(|_| !force && !check && !foreground) {
            self.leave_again(&done);
            return self.finish(done);
        }
        let as_before = !force && !check && !ctx.options.dry_run && self.is_as_before(id);
        let (leave, complete) = (self.may_leave(id), self.was_complete(id));
        let (deps, servers, sender) = (self.dependencies(id), self.servers_of(id), sender.clone());
        let wants_starts = self.reporter.wants_starts();
        scope.spawn(move |_| {
            let note = sender.clone();
            // Sending cannot fail: the receiver lives as long as the scope.
            let tell = move |word| {
                if word != Word::Started || wants_starts {
                    let _ = note.send(Message::Word(id, word));
                }
            };
            let job =
                Job { id, task, deps, servers, foreground, force, as_before, check, leave, complete, tell: &tell };
            // A panic must not leave the coordinator waiting forever.
            let ended = catch_unwind(AssertUnwindSafe(|| job::run(ctx, &job)));
            let _ = sender.send(match ended.unwrap_or_else(|_| Ok(Done::panicked(id))) {
                Ok(done) => Message::Done(Box::new(done)),
                Err(pending) => Message::Pending(id, pending),
            });
        });
    }

    /// Starts a job that finds out what else differs for a task of a dry run one of whose dependencies has unknown
    /// outputs.
    fn start_uncertain<'scope>(&mut self, id: TaskId, scope: &Scope<'scope>, sender: &Sender<Message>)
    where
        'a: 'scope,
    {
        let ctx = self.ctx;
        let causes = ctx.graph.needs[id.index()].iter().filter(|need| self.has_unknown_outputs(**need));
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

    /// Returns the outcome of a group, or of a task that is unchanged since the journal, as its own paths and its
    /// dependencies show.
    pub(super) fn untouched(&self, id: TaskId) -> Option<Done> {
        let task = self.ctx.workspace.task(id);
        if task.command.is_none() {
            return Some(Done::new(id, Outcome::Group));
        }
        let same = self.ctx.untouched.get(id.index()) == Some(&true) && self.needs_same(id);
        let record = self.ctx.journal.tasks.get(&task.name).filter(|_| same)?;
        if task.server.is_some() {
            return Some(Done::new(id, Outcome::NotStarted));
        }
        if record.on_remote && !self.may_leave(id) {
            return None;
        }
        let mut done = Done::new(id, Outcome::UpToDate);
        done.on_remote = record.on_remote;
        done.saved = record.took.into();
        Some(done)
    }

    /// Returns whether the task's definition, its environment and the visible outputs of its dependencies are as the
    /// journal says, and the store still has what the journal names.
    fn is_as_before(&self, id: TaskId) -> bool {
        self.ctx.carries && self.ctx.trusted && self.needs_same(id)
    }

    /// Returns the explicit dependencies, with each group replaced by its members.
    pub(super) fn dependencies(&mut self, id: TaskId) -> Dependencies {
        let mut dependencies = Dependencies::new();
        for need in explicit(self.ctx.workspace, id) {
            if let Some(visible) = self.visible(need) {
                dependencies.push((need, visible));
            }
        }
        dependencies
    }

    /// Returns what a task shows to its dependents that is finished, or was and now has its outputs brought.
    pub(super) fn visible(&mut self, id: TaskId) -> Option<Arc<Visible>> {
        let TaskState::Done { ran, standing, visible } = self.states.get(id) else { return self.visible_meanwhile(id) };
        let (ran, standing) = (*ran, *standing);
        if visible.is_some() {
            return visible.clone();
        }
        if standing != Standing::AsRecorded {
            return None;
        }
        // An untouched task: what it shows to dependents is computed when one of them asks.
        let task = self.ctx.workspace.task(id);
        let record = self.ctx.journal.tasks.get(&task.name)?;
        let strays = strays(self.ctx, id, task, &record.outputs);
        let action = match task.server {
            Some(_) => Discovered::default().action(&record.fingerprint),
            None => record.key?.action,
        };
        let visible = done::visible(&record.outputs, &strays, action);
        self.states.set(id, TaskState::Done { ran, standing, visible: Some(visible.clone()) });
        Some(visible)
    }
}
