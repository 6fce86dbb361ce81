//! Servers from a job's point of view: a server's own job only finds out its action key, and whoever runs a command that
//! depends on a server has it started, waits until it is ready, and sees to it that it stays the same.
//!
//! So a server whose dependents are all up to date is not started, and one that runs does not take the place of a job.

use std::sync::Arc;

use percache::base::clock::{Micros, Time};
use percache::store::id::ActionKey;

use crate::action::basis::Basis;
use crate::action::context::Context;
use crate::action::discover::Discoveries;
use crate::action::done::{Done, visible};
use crate::action::executor::Action;
use crate::action::inputs::{Dependencies, Prepared, prepare};
use crate::action::job::Job;
use crate::action::local::spec;
use crate::action::recheck::{Changed, unchanged};
use crate::action::servers::has_ended;
use crate::fs::stamp::Stamp;
use crate::key::fingerprint::Discovered;
use crate::model::event::{Failure, Outcome};
use crate::model::problem::Trouble;
use crate::model::{Task, TaskId};
use crate::process::orphans::Trace;
use crate::process::{Mark, Progress, Server, Stop};
use crate::worktree::journal::{Evidence, TaskRecord};
use crate::worktree::server_parts::action_key;

/// A server that a command needs while it runs.
#[derive(Clone)]
pub struct Needed {
    /// The server.
    pub id: TaskId,
    /// Its own dependencies, all done, with what they show.
    pub deps: Dependencies,
}

/// Returns the report of a server whose fingerprint is known. Starts it if it is to run whatever needs it.
pub fn serve(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared) -> Done {
    if !prepared.unknown_tools.is_empty() {
        let mut done = Done::new(job.id, Outcome::MayRun);
        done.reason = Some(crate::action::explain::unknown_tools(ctx, job.task, prepared));
        return done;
    }
    let key = action_key(&prepared.parts);
    if job.foreground && !ctx.options.dry_run {
        start_all(ctx, job, false);
    }
    let mut done = Done::new(job.id, Outcome::NotStarted);
    let last = ctx.journal.tasks.get(&job.task.name);
    let is_new = last.is_none_or(|last| last.fingerprint != prepared.fingerprint);
    done.parts = (is_new || ctx.options.explain).then(|| prepared.parts.clone());
    let nothing = Discovered::default();
    done.visible = Some(visible(&[], &[], key));
    done.basis = Some(Basis::new(ctx, job.task, prepared, &nothing, &[], Time::MAX));
    done.record = Some(TaskRecord {
        key: None,
        fingerprint: prepared.fingerprint,
        created: Time::now(),
        took: Micros::ZERO,
        previous: None,
        discovered: nothing.paths(),
        failed: false,
        on_remote: false,
        uncertain: Vec::new(),
        outputs: Default::default(),
        evidence: Evidence::default(),
    });
    done
}

/// Servers that run and are ready, for a command.
pub struct Lease<'a, 'c> {
    ctx: &'a Context<'c>,
    held: Vec<Held>,
    /// Asks the command to end: with the build, or because a server has ended.
    stop: Stop,
    number: u64,
}

/// A server, and what it rests on.
struct Held {
    id: TaskId,
    server: Arc<Server>,
    deps: Dependencies,
    prepared: Prepared,
    /// The stamps under which its inputs were hashed.
    stamps: Vec<Option<Stamp>>,
}

/// Has the servers started that a task needs, and waits until they are ready. Returns `None` if it needs none, and the
/// report of the task if one of them has failed or the build is stopped.
pub fn lease<'a, 'c>(ctx: &'a Context<'c>, job: &Job<'_>) -> Result<Option<Lease<'a, 'c>>, Box<Done>> {
    if job.servers.is_empty() {
        return Ok(None);
    }
    let ended = |outcome| Box::new(Done::new(job.id, outcome));
    let Some(held) = start_all(ctx, job, true) else {
        let interrupted = ctx.stop.requested();
        return Err(ended(if interrupted { Outcome::Failed(Failure::Interrupted) } else { Outcome::Skipped }));
    };
    let stop = Stop::manual().map_err(|e| ended(Outcome::Failed(Failure::Error(e.to_string().into()))))?;
    let number = ctx.servers.begin_use(stop.clone(), held.iter().map(|held| held.server.clone()).collect());
    Ok(Some(Lease { ctx, held, stop, number }))
}

/// Starts the servers that a task needs, and itself if it is one. Waits until they are ready; for the last one only if
/// `all`. Returns `None` if one of them has failed or the build is stopped.
fn start_all(ctx: &Context<'_>, job: &Job<'_>, all: bool) -> Option<Vec<Held>> {
    let mut held: Vec<Held> = Vec::with_capacity(job.servers.len());
    let last = job.servers.len().saturating_sub(1);
    for (position, needed) in job.servers.iter().enumerate() {
        let one = start(ctx, needed)?;
        if all || position < last {
            let stopped = || ctx.stop.requested();
            if !matches!(one.server.wait(&stopped), Progress::Ready(_)) {
                return None;
            }
        }
        held.push(one);
    }
    Some(held)
}

/// Starts a server if it does not run as it is configured now.
fn start(ctx: &Context<'_>, needed: &Needed) -> Option<Held> {
    let task = ctx.workspace.task(needed.id);
    let command = task.command.as_ref()?;
    let prepared = match prepare(ctx, task, command, &needed.deps) {
        Ok(prepared) => prepared,
        Err(trouble) => {
            ctx.servers.refuse(&task.name, ActionKey::default(), trouble);
            return None;
        }
    };
    let stamps = prepared.inputs.iter().map(|(path, _)| ctx.observer.last_stamp(path.as_bytes())).collect();
    ctx.observer.expect_changes();
    let server =
        ctx.servers.get(&task.name, action_key(&prepared.parts), || launch(ctx, needed.id, task, &prepared))?;
    Some(Held { id: needed.id, server, deps: needed.deps.clone(), prepared, stamps })
}

fn launch(ctx: &Context<'_>, id: TaskId, task: &Task, prepared: &Prepared) -> Result<Server, Trouble> {
    let spec = spec(ctx, &Action { id, task, prepared, fresh: false });
    let ready = task.server.as_ref().and_then(|server| server.ready.clone());
    let mut on_mark = |mark: &Mark| {
        if let Some((intents, trace)) = ctx.intents.as_ref().zip(Trace::of(mark)) {
            ctx.or_trouble(intents.note_command(&trace));
        }
    };
    let started = Server::start(spec, ready, &mut on_mark);
    started.map_err(|e| Trouble { message: e.to_string(), hint: e.hint() })
}

impl Lease<'_, '_> {
    /// Returns what asks the command to end.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Returns the name of a server that has ended.
    pub fn lost(&self) -> Option<&str> {
        let lost = self.held.iter().find(|held| has_ended(&held.server))?;
        Some(&self.ctx.workspace.task(lost.id).name)
    }

    /// Returns what has changed of a server's inputs since the dependents' fingerprint was computed: what it has served
    /// is then unknown. `job` is that of the command.
    pub fn changed(&self, job: &Job<'_>) -> Option<Changed> {
        self.held.iter().find_map(|held| {
            let task = self.ctx.workspace.task(held.id);
            let known = job.deps.iter().find(|(id, _)| *id == held.id).map(|(_, visible)| visible.action);
            let changed = match known.is_none_or(|known| known == action_key(&held.prepared.parts)) {
                false => Changed::other("its inputs changed"),
                true => {
                    let own = Job {
                        id: held.id,
                        task,
                        deps: held.deps.clone(),
                        servers: Vec::new(),
                        foreground: false,
                        force: false,
                        as_before: false,
                        check: false,
                        leave: false,
                        complete: true,
                        tell: job.tell,
                    };
                    unchanged(self.ctx, &own, &held.prepared, &Discoveries::default(), &held.stamps).err()?
                }
            };
            Some(Changed { what: format!("of its server `{}`, {}", task.name, changed.what), ..changed })
        })
    }
}

impl Drop for Lease<'_, '_> {
    fn drop(&mut self) {
        self.ctx.servers.end_use(self.number);
    }
}
