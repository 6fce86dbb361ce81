//! Claims: an action that two processes want at the same time runs once.
//!
//! Before a command runs, its process claims the fingerprint in the store's directory; who comes later waits, and then finds the
//! result. The claim is a lock that dies with its holder, and is let go when the result can be found, or when there is none. A process
//! that waits holds no claim of the same thread, and claims are let go without waiting for others, so nobody waits in a circle.

use std::time::Duration;

use percache::Digest;
use percache::claim::Claim;
use percache::lock::LockError;

use crate::action::context::Context;
use crate::action::shared_log::Follower;
use crate::model::TaskId;
use crate::model::event::Runner;
use crate::process::nesting;

/// How often to look whether the other one is done.
const PAUSE: Duration = Duration::from_millis(20);

/// Claims the fingerprint, waiting for whoever runs it; `waiting` is told once for whom, and listeners hear what the command writes. `None` when there is no store, when claims
/// cannot be made there, or when the build is stopped: then it runs unclaimed, as it would without a store, or not at all.
pub fn acquire(ctx: &Context<'_>, task: TaskId, fingerprint: &Digest, waiting: &dyn Fn(&str)) -> Option<Claim> {
    let claimant = ctx.claimant.as_ref()?;
    let name = fingerprint.to_string();
    let mut told = false;
    let mut follower = Follower::new(&claimant.path(&name));
    while !ctx.stop.requested() {
        match claimant.claim(&name) {
            Ok(claim) => return Some(claim),
            // It waits for the command within which this process runs.
            Err(LockError::Held(holder)) if !told && nesting::is_within(&holder) => return None,
            Err(LockError::Held(holder)) => {
                if !std::mem::replace(&mut told, true) {
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
