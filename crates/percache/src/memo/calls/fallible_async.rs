//! Wrapped `async` callables that return a `Result` of which only `Ok` is kept.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;

use crate::memo::calls::ahead::{Ahead, Late, RenewAsync};
use crate::memo::calls::fallible::{ErrorsRule, OnlySome};
use crate::memo::calls::wrap::{KeyedBy, Part, Whole};
use crate::memo::calls::wrap_async::MemoizedAsync;
use crate::memo::kept::keep::{If, Keep, OnlyOk, SharedErrors};
use crate::memo::kept::shape::Optional;
use crate::memo::key::identity::Package;

/// An `async` callable of whose results only `Ok` is kept. Made by [`Cache::wrap_result_async`](crate::Cache::wrap_result_async).
///
/// Callers that wait for the same result get the same error, if it can be cloned and sent to another thread;
/// otherwise one after the other calls for itself. Everything else is as with [`MemoizedAsync`].
///
/// If errors can be cloned but borrow, call what is inside, `(*fetch).call(…)`: the compiler cannot tell that they do.
// `call` below is found first where its bounds hold. Where they do not, the compiler goes on to what this
// dereferences to.
pub struct MemoizedResultAsync<A, T, E, F, K = OnlyOk, Q = Whole, W = Late> {
    inner: MemoizedAsync<A, Result<T, E>, F, K, Q, W>,
}

impl<A, T, E, F, K, Q, W> fmt::Debug for MemoizedResultAsync<A, T, E, F, K, Q, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<A, T, E, F, K, Q, W> Deref for MemoizedResultAsync<A, T, E, F, K, Q, W> {
    type Target = MemoizedAsync<A, Result<T, E>, F, K, Q, W>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<A, T, E, F, K, Q, W> MemoizedResultAsync<A, T, E, F, K, Q, W>
where
    E: Clone + Send + 'static,
    K: Keep<Result<T, E>>,
{
    /// What the callable returns for `arguments`: found in the cache, or computed now. As [`MemoizedAsync::call`].
    pub async fn call<B, C>(&self, arguments: B) -> Result<T, E>
    where
        F: Fn(B) -> C,
        C: Future<Output = Result<T, E>>,
        Q: KeyedBy<B>,
        W: RenewAsync<B, Result<T, E>, F, K>,
    {
        self.inner.call_keeping(arguments, &SharedErrors(self.inner.rule())).await
    }
}

impl<A, T, E, F, K, Q, W> MemoizedResultAsync<A, T, E, F, K, Q, W> {
    pub(crate) fn new(inner: MemoizedAsync<A, Result<T, E>, F, K, Q, W>) -> MemoizedResultAsync<A, T, E, F, K, Q, W> {
        MemoizedResultAsync { inner }
    }

    /// As [`MemoizedAsync::version`].
    pub fn version(self, version: impl Into<String>) -> Self {
        MemoizedResultAsync::new(self.inner.version(version))
    }

    /// As [`MemoizedAsync::package`].
    pub fn package(self, package: Package) -> Self {
        MemoizedResultAsync::new(self.inner.package(package))
    }

    /// As [`MemoizedAsync::maxage`].
    pub fn maxage(self, maxage: Duration) -> Self {
        MemoizedResultAsync::new(self.inner.maxage(maxage))
    }

    /// As [`MemoizedAsync::stale_if_error`].
    pub fn stale_if_error(self, time: Duration) -> Self {
        MemoizedResultAsync::new(self.inner.stale_if_error(time))
    }

    /// As [`MemoizedAsync::refresh_after`].
    pub fn refresh_after(self, age: Duration) -> MemoizedResultAsync<A, T, E, F, K, Q, Ahead> {
        MemoizedResultAsync::new(self.inner.refresh_after(age))
    }

    /// As [`MemoizedAsync::keyed_by`].
    pub fn keyed_by<P: Serialize, G: Fn(&A) -> P>(self, key: G) -> MemoizedResultAsync<A, T, E, F, K, Part<G, P>, W> {
        MemoizedResultAsync::new(self.inner.keyed_by(key))
    }

    /// As [`MemoizedAsync::keep_if`].
    pub fn keep_if<P>(self, condition: P) -> MemoizedResultAsync<A, T, E, F, If<K, P>, Q, W>
    where
        P: Fn(&Result<T, E>) -> bool,
    {
        MemoizedResultAsync::new(self.inner.keep_if(condition))
    }

    /// As [`MemoizedAsync::only_some`].
    pub fn only_some(self) -> MemoizedResultAsync<A, T, E, F, OnlySome<T, E, K>, Q, W>
    where
        Result<T, E>: Optional,
    {
        MemoizedResultAsync::new(self.inner.only_some())
    }

    /// Keeps errors too, for this long.
    pub fn keep_errors(self, maxage: Duration) -> MemoizedResultAsync<A, T, E, F, ErrorsRule<T, E>, Q, W> {
        MemoizedResultAsync::new(self.inner.keep_errors(maxage))
    }
}
