//! The servers of a build while tasks run: started by the tasks that need them, told of here, and ended here.

use crate::action::serve::Needed;
use crate::graph::explicit;
use crate::model::TaskId;
use crate::model::event::{Event, Outcome};
use crate::schedule::servers::tell;
use crate::schedule::state::{Standing, TaskState};

use super::Build;

impl Build<'_, '_> {
    /// Returns the servers that a task needs while it runs, each after those that it needs itself.
    pub(super) fn servers_of(&mut self, id: TaskId) -> Vec<Needed> {
        let mut found = Vec::new();
        if !self.attended.ids.is_empty() && self.ctx.workspace.task(id).command.is_some() {
            self.collect_servers(id, &mut found);
            if self.is_server(id) {
                let deps = self.dependencies(id);
                found.push(Needed { id, deps });
            }
        }
        found
    }

    fn collect_servers(&mut self, id: TaskId, found: &mut Vec<Needed>) {
        for need in explicit(self.ctx.workspace, id) {
            if !self.is_server(need) || found.iter().any(|known| known.id == need) {
                continue;
            }
            self.collect_servers(need, found);
            let deps = self.dependencies(need);
            found.push(Needed { id: need, deps });
        }
    }

    fn is_server(&self, id: TaskId) -> bool {
        self.ctx.workspace.task(id).server.is_some()
    }

    /// Tells what servers have done, and ends those that nothing needs any more.
    pub(super) fn tend_servers(&mut self) {
        if self.attended.ids.is_empty() {
            return;
        }
        // Called after everything was started that can be, or before a task is done that may make others ready.
        let idle = self.is_idle();
        let ctx = self.ctx;
        let failed = {
            let Build { attended, states, stopping, reporter, .. } = self;
            let wanted = Wanted { ctx, attended, states, stopping: *stopping, idle };
            tell(ctx.servers, ctx.workspace, &|id| wanted.by(id), &mut **reporter)
        };
        for failed in failed {
            let name = &ctx.workspace.task(failed.task).name;
            self.outcomes.summary.failed.push(name.clone());
            self.outcomes.note_failure(name, &failed.failure, &failed.log);
            self.failed_servers += 1;
            self.stopping |= !ctx.options.keep_going;
            self.reporter.event(failed.event());
        }
        ctx.servers.tend(ctx.stop);
        if ctx.stop.urgent() && !self.attended.kept {
            ctx.servers.kill();
        }
        let wanted = self.wanted();
        for id in self.attended.ids.iter().filter(|id| !wanted.is_wanted(**id)) {
            ctx.servers.end(&ctx.workspace.task(*id).name);
        }
    }

    fn wanted(&self) -> Wanted<'_, '_> {
        let (ctx, attended, states, stopping) = (self.ctx, self.attended, &self.states, self.stopping);
        Wanted { ctx, attended, states, stopping, idle: self.is_idle() }
    }

    /// Returns whether no task runs, so that none will become ready any more.
    pub(super) fn is_idle(&self) -> bool {
        self.states.running() == 0 && self.asking == 0
    }

    /// Returns whether no server is left but those that stay, and these are ready.
    pub(super) fn servers_are_done(&self) -> bool {
        let wanted = self.wanted();
        self.attended.ids.iter().all(|id| {
            let name = &self.ctx.workspace.task(*id).name;
            let stays = wanted.is_wanted(*id) && self.ctx.servers.is_running(name, true);
            stays || !self.ctx.servers.is_running(name, false)
        })
    }

    /// Tells of the servers that were not started.
    pub(super) fn close_servers(&mut self) {
        for id in self.attended.ids.iter().copied() {
            let name = &self.ctx.workspace.task(id).name;
            if !matches!(self.states.get(id), TaskState::Done { .. }) || self.ctx.servers.was_started(name) {
                continue;
            }
            if self.states.standing(id) == Some(Standing::Unknown) {
                // It was told already that it may be started.
                continue;
            }
            let would_run = |id: &TaskId| self.states.standing(*id) == Some(Standing::Unknown);
            let needed = self.attended.foreground.contains(&id) || self.attended.dependents(id).iter().any(would_run);
            let starts = self.ctx.options.dry_run && needed;
            self.outcomes.summary.would_start += usize::from(starts);
            let outcome = if starts { Outcome::WouldStart } else { Outcome::NotStarted };
            self.reporter.event(Event::ended(id, outcome));
        }
    }
}

/// What decides whether a server is wanted.
struct Wanted<'w, 'c> {
    ctx: &'w crate::action::context::Context<'c>,
    attended: &'w crate::schedule::servers::Attended,
    states: &'w crate::schedule::state::States<'w>,
    stopping: bool,
    /// Whether no task runs. One that waits then waits for a task that has failed.
    idle: bool,
}

impl Wanted<'_, '_> {
    fn is_wanted(&self, id: TaskId) -> bool {
        self.is_foreground(id) || self.by(id).is_some()
    }

    /// Returns whether the user wants it, and has not changed their mind.
    fn is_foreground(&self, id: TaskId) -> bool {
        let ends = self.stopping || self.ctx.stop.requested();
        self.attended.foreground.contains(&id) && (self.attended.kept || !ends)
    }

    /// Returns a task that runs or may run yet and needs the server.
    fn by(&self, id: TaskId) -> Option<TaskId> {
        let ends = self.idle || self.stopping || self.ctx.stop.requested();
        let needs = |id: &TaskId| match self.states.get(*id) {
            TaskState::Outside | TaskState::Failed { .. } => false,
            TaskState::Running { .. } => true,
            TaskState::Waiting { .. } | TaskState::Ready => !ends,
            // A server that runs, or whose own dependents may have it started.
            TaskState::Done { .. } => {
                let task = self.ctx.workspace.task(*id);
                task.server.is_some() && (self.ctx.servers.is_running(&task.name, false) || self.is_wanted(*id))
            }
        };
        self.attended.dependents(id).iter().copied().find(needs)
    }
}
