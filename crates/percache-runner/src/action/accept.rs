//! Accepting: takes what lies in the tree for what a task has made, without running its command.
//!
//! The rest of the way is that of a run. So whatever keeps a run's outputs from being a result keeps these from it, too.

use std::time::Duration;

use crate::action::before::{Before, outputs_in_place};
use crate::action::context::Context;
use crate::action::executor::{Action, Executed, Left, Output};
use crate::fs::stamp::Moment;
use crate::model::problem::Trouble;
use crate::process::Stream;

/// The log of a result that was accepted.
const LOG: &[u8] = b"accepted: the outputs were in the tree, and the command did not run\n";

/// Takes the outputs of a selected task for those of a run. A task that was not selected would have to run, and fails.
pub fn accept(ctx: &Context<'_>, action: &Action<'_>, output: &mut Output<'_>) -> Result<Executed, Trouble> {
    if !action.fresh {
        let message = "it would have to run, and nothing runs to accept the outputs of another task".to_owned();
        return Err(Trouble::new(message, format!("build it before: `percache build {}`", action.task.name)));
    }
    output.begin();
    output.write(Stream::Out, LOG);
    // None of the files is somebody else's: that is what the user says.
    let outputs = outputs_in_place(ctx, action.id, action.task).into_owned();
    let left = Left::InTree(Before { others: Vec::new(), depfile: None, outputs });
    Ok(Executed { failure: None, status: 0, took: Duration::ZERO, began: Moment::now(), left, remote: None })
}
