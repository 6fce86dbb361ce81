//! Asking the remote for results of ready tasks before their turn comes, for groups of them: neither the way there and
//! back nor a call is then paid for each of them. A task's turn comes when the answer is there.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;

use rayon::Scope;

use crate::action::ahead::{Ask, fetch_ahead};
use crate::action::remote::may_fetch;
use crate::model::TaskId;
use crate::model::event::Provenance;

use super::Build;
use super::messages::Message;

/// Groups that a remote is asked for at a time. Each has a thread that mostly waits for the network.
pub const GROUPS: usize = 8;
/// Tasks of one group at the most. Those that become ready while all threads are busy make up the next ones.
const MOST: usize = 64;
/// So many results are worth a session of the store before the end of the build.
const WORTH_WRITING: usize = 32;

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
        while self.asking < GROUPS && !self.stopping && !self.ctx.stop.requested() && !self.asked.is_empty() {
            // Hashing the inputs of many tasks is worth several threads, even if the network is not.
            let count = self.asked.len().div_ceil(GROUPS - self.asking).min(MOST);
            let ids: Vec<_> = self.asked.drain(..count).collect();
            let ask = |id| {
                let (leave, complete) = (self.may_leave(id), self.is_asked(id));
                Ask { id, deps: self.dependencies(id), leave, complete }
            };
            let group: Vec<_> = ids.into_iter().map(ask).collect();
            let (ctx, sender) = (self.ctx, sender.clone());
            self.asking += 1;
            scope.spawn(move |_| {
                let mut left: HashSet<_> = group.iter().map(|ask| ask.id).collect();
                // Sending cannot fail: the receiver lives as long as the scope.
                let mut tell = |id, came| {
                    left.remove(&id);
                    let _ = sender.send(Message::Asked(id, Box::new(came)));
                };
                // What panics here panics again when the task's turn comes, and is told then.
                let _ = catch_unwind(AssertUnwindSafe(|| fetch_ahead(ctx, &group, &mut tell)));
                left.into_iter().for_each(|id| drop(sender.send(Message::Asked(id, Box::default()))));
                let _ = sender.send(Message::GroupAsked);
            });
        }
    }

    /// Takes in that the remote was asked for a task.
    pub(super) fn was_asked(&mut self, id: TaskId, came: Provenance) {
        self.unwritten += usize::from(came.fetched.is_some());
        if came != Provenance::default() {
            self.came.insert(id, came);
        }
        self.queue.push(id);
    }

    /// Takes in that a thread is free again. When nothing more is on its way, what has come is written while it is
    /// restored.
    pub(super) fn group_was_asked(&mut self) {
        self.asking -= 1;
        if self.asking == 0 && self.asked.is_empty() && self.unwritten >= WORTH_WRITING {
            self.unwritten = 0;
            self.ctx.store.inspect(|store| store.begin_flush());
        }
    }
}
