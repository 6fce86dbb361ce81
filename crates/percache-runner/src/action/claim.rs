//! Claims: when two processes want the same action at the same time, it runs once.
//!
//! Before a command runs, its process claims the fingerprint in the store's directory. Only tasks that may take a stored
//! result do so: forced, checked and interactive runs, and those without a cache, run whatever others do. A process that comes later
//! waits, and then finds the result. The claim is a lock that dies with its holder; it is released once the result can
//! be found, or once it is clear that there is none. A waiting process holds no claim on the same thread, and releasing
//! a claim never waits, so there are no deadlocks.

use std::time::Duration;

use percache::base::claim::Claim;
use percache::base::lock::LockError;
use percache::store::id::Fingerprint;

use crate::action::context::Context;
use crate::action::shared_log::Follower;
use crate::model::TaskId;
use crate::model::event::Runner;
use crate::process::nesting;

/// How often to check whether the holder is done.
const PAUSE: Duration = Duration::from_millis(20);

/// Claims the fingerprint, waiting for the process that holds it. `waiting` is called once with the holder's name,
/// unless this process itself holds it for another task with the same action, and the listener receives the holder's
/// output. Returns `None` if there is no store, if a claim cannot be made, or if the build is stopped: the command then
/// runs unclaimed, as it would without a store, or not at all.
pub fn acquire(ctx: &Context<'_>, task: TaskId, fingerprint: &Fingerprint, waiting: &dyn Fn(&str)) -> Option<Claim> {
    let claimant = ctx.claimant.as_ref()?;
    let name = fingerprint.to_string();
    let mut told = false;
    let mut follower = Follower::new(&claimant.path(&name));
    while !ctx.stop.requested() {
        match claimant.claim(&name) {
            Ok(claim) => return Some(claim),
            // The holder waits for the command that this process runs in.
            Err(LockError::Held(holder)) if !told && nesting::is_within(&holder) => return None,
            Err(LockError::Held(holder)) => {
                // Another task of this build has the same action: nobody else is in the way.
                if !std::mem::replace(&mut told, true) && !nesting::is_self(&holder) {
                    waiting(&holder);
                }
                follower.follow(&mut |stream, bytes| ctx.listener.wrote(task, Runner::Other, stream, bytes));
                std::thread::sleep(PAUSE);
            }
            Err(LockError::Io(e)) => {
                log::info!("cannot claim `{name}`: {e}");
                return None;
            }
        }
    }
    None
}
