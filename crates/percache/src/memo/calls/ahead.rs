//! When the results of wrapped callables are computed again: when they are too old, or before.
//!
//! A result that is computed before that is computed later, elsewhere: only of such callables the arguments have to be
//! owned. So it is a part of their type.

use std::future::Future;
use std::sync::Arc;

use crate::memo::cache::Cache;
use crate::memo::calls::operation::{Operation, Prepared};
use crate::memo::calls::refresh::Ticket;
use crate::memo::kept::keep::Keep;
use crate::memo::key::about::{About, Described};
use crate::memo::key::function::{Function, Key};

/// Results are computed again when they are too old.
#[derive(Clone, Copy, Debug)]
pub struct Late;

/// Results are computed again before that.
#[derive(Clone, Copy, Debug)]
pub struct Ahead;

/// What it takes to compute a result again.
pub struct Renewal<'a, F, K> {
    pub cache: Cache,
    pub function: Function,
    pub compute: &'a Arc<F>,
    pub keep: &'a K,
    pub key: Key,
    /// The summary of the arguments.
    pub about: About,
}

/// Computes results of a callable again that are still good.
#[diagnostic::on_unimplemented(
    message = "a callable with `refresh_after` is called with borrowed arguments, or with what cannot be sent to a thread",
    label = "this is not `Send` and `'static`",
    note = "results are computed again on another thread: arguments, callable and what it keeps own what they refer to"
)]
pub trait Renew<B, R, F, K> {
    /// Computes it elsewhere.
    fn renew(renewal: Renewal<'_, F, K>, arguments: B, ticket: Ticket);
}

impl<B, R, F, K> Renew<B, R, F, K> for Late {
    fn renew(_: Renewal<'_, F, K>, _: B, _: Ticket) {}
}

impl<B, R, F, K> Renew<B, R, F, K> for Ahead
where
    B: Send + 'static,
    F: Fn(B) -> R + Send + Sync + 'static,
    K: Keep<R> + Clone + Send + Sync + 'static,
{
    fn renew(renewal: Renewal<'_, F, K>, arguments: B, ticket: Ticket) {
        let Renewal { cache, function, compute, keep, key, about } = renewal;
        let (compute, keep) = (compute.clone(), keep.clone());
        ticket.run(move || {
            let keep = Described::new(keep, &about);
            let prepared = Prepared { cache: &cache, function: &function, path: "", key: Ok(key), keep };
            prepared.operate(&Operation::refresh_ahead(), || compute(arguments));
        });
    }
}

/// Computes results of an `async` callable again that are still good.
#[diagnostic::on_unimplemented(
    message = "an `async` callable with `refresh_after` is called with borrowed arguments, or with what cannot be sent to a thread",
    label = "this is not `Send` and `'static`",
    note = "results are computed again in another task: arguments, callable and what it keeps own what they refer to, and its \
            future is `Send`"
)]
pub trait RenewAsync<B, R, F, K> {
    /// Has the cache's spawner compute it. Without one, gives the arguments back.
    fn renew(renewal: Renewal<'_, F, K>, arguments: B, ticket: Ticket) -> Option<(B, Ticket)>;
}

impl<B, R, F, K> RenewAsync<B, R, F, K> for Late {
    fn renew(_: Renewal<'_, F, K>, arguments: B, ticket: Ticket) -> Option<(B, Ticket)> {
        Some((arguments, ticket))
    }
}

impl<B, R, F, K, C> RenewAsync<B, R, F, K> for Ahead
where
    B: Send + 'static,
    R: Send + 'static,
    F: Fn(B) -> C + Send + Sync + 'static,
    C: Future<Output = R> + Send,
    K: Keep<R> + Clone + Send + Sync + 'static,
{
    fn renew(renewal: Renewal<'_, F, K>, arguments: B, ticket: Ticket) -> Option<(B, Ticket)> {
        if !ticket.can_spawn() {
            return Some((arguments, ticket));
        }
        let Renewal { cache, function, compute, keep, key, about } = renewal;
        let (compute, keep) = (compute.clone(), keep.clone());
        ticket.spawn(async move {
            let keep = Described::new(keep, &about);
            let prepared = Prepared { cache: &cache, function: &function, path: "", key: Ok(key), keep };
            prepared.operate_async(Operation::refresh_ahead(), async { compute(arguments).await }).await;
        });
        None
    }
}
