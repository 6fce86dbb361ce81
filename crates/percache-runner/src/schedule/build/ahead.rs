//! Asking the remote for results of ready tasks before their turn comes, for many at a time: the way there and back is
//! then not paid for each of them. A task's turn comes when the answer is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;

use rayon::Scope;

use crate::action::remote::{fetch_ahead, may_fetch};
use crate::model::TaskId;
use crate::model::event::Provenance;

use super::Build;
use super::messages::Message;

/// Tasks that a remote is asked for at a time. Each mostly waits for the network.
pub const AT_A_TIME: usize = 64;

impl<'a> Build<'a, '_> {
    /// Takes a task whose dependencies are done.
    pub(super) fn ready(&mut self, id: TaskId) {
        let demanded = self.demands.forced.contains(&id) || self.demands.checked.contains(&id);
        let task = self.ctx.workspace.task(id);
        let is_shared = self.ctx.remote.is_some() && may_fetch(self.ctx, task) && !demanded;
        match is_shared && !self.is_uncertain(id) && self.untouched(id).is_none() {
            true => self.asked.push_back(id),
            false => self.queue.push(id),
        }
    }

    /// Has the remote asked for as many tasks as may be at a time.
    pub(super) fn ask_ahead<'scope>(&mut self, scope: &Scope<'scope>, sender: &Sender<Message>)
    where
        'a: 'scope,
    {
        if self.ctx.stop.requested() {
            self.ctx.remote.inspect(|remote| remote.cancel());
        }
        while self.asking < AT_A_TIME && !self.stopping && !self.ctx.stop.requested() {
            let Some(id) = self.asked.pop_front() else { return };
            let (ctx, deps, sender) = (self.ctx, self.dependencies(id), sender.clone());
            self.asking += 1;
            scope.spawn(move |_| {
                let fetch = || fetch_ahead(ctx, id, ctx.workspace.task(id), &deps);
                // What panics here panics again when the task's turn comes, and is told then.
                let came = catch_unwind(AssertUnwindSafe(fetch)).unwrap_or_default();
                // Sending cannot fail: the receiver lives as long as the scope.
                let _ = sender.send(Message::Asked(id, Box::new(came)));
            });
        }
    }

    /// Takes in that the remote was asked for a task.
    pub(super) fn was_asked(&mut self, id: TaskId, came: Provenance) {
        self.asking -= 1;
        if came != Provenance::default() {
            self.came.insert(id, came);
        }
        self.queue.push(id);
    }
}
