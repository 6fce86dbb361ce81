//! The messages of jobs, and waiting for the next one while this build shows that it is alive.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::action::done::Done;
use crate::action::job::Word;
use crate::action::leave::Pending;
use crate::model::TaskId;
use crate::model::event::Provenance;
use crate::worktree::intents::{Intents, SIGN};

/// A message from a job to the coordinator.
pub(super) enum Message {
    /// The job goes on.
    Word(TaskId, Word),
    /// The job is over.
    Done(Box<Done>),
    /// The job has ended, and the task is not done.
    Pending(TaskId, Pending),
    /// The remote was asked for a result of this task, and this came of it.
    Asked(TaskId, Box<Provenance>),
    /// The remote was asked for all tasks of a group, each of which has a message of its own.
    GroupAsked,
}

/// Receives the next message, if it arrives within `patience`. Signals that the build is alive while intents are open.
pub(super) fn receive(
    receiver: &Receiver<Message>,
    intents: Option<&Intents>,
    patience: Option<Duration>,
) -> Result<Message, RecvTimeoutError> {
    let start = Instant::now();
    loop {
        let left = patience.map(|patience| patience.saturating_sub(start.elapsed()));
        let wait = match (intents, left) {
            (Some(_), left) => SIGN.min(left.unwrap_or(SIGN)),
            (None, Some(left)) => left,
            (None, None) => return receiver.recv().map_err(RecvTimeoutError::from),
        };
        let message = receiver.recv_timeout(wait);
        if !matches!(message, Err(RecvTimeoutError::Timeout)) {
            return message;
        }
        if let Some(intents) = intents {
            intents.give_sign();
        }
        if patience.is_some_and(|patience| start.elapsed() >= patience) {
            return message;
        }
    }
}
