//! Wrapped callables that return a `Result` of which only `Ok` is kept.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;

use crate::memo::calls::ahead::{Ahead, Late, Renew};
use crate::memo::calls::wrap::{KeyedBy, Memoized, Part, Whole};
use crate::memo::kept::keep::{If, Keep, OnlyOk, SharedErrors};
use crate::memo::kept::shape::{Fallible, Optional};
use crate::memo::key::identity::Package;

/// The rule that keeps errors for a time.
pub(crate) type ErrorsRule<T, E> = <Result<T, E> as Fallible>::Rule;
/// The rule that leaves `None` out of what `K` keeps.
pub(crate) type OnlySome<T, E, K> = <Result<T, E> as Optional>::Rule<K>;

/// A callable of whose results only `Ok` is kept. Made by [`Cache::wrap_result`](crate::Cache::wrap_result).
///
/// Callers that wait for the same result get the same error, if it can be cloned and sent to another thread;
/// otherwise one after the other calls for itself. Everything else is as with [`Memoized`].
///
/// If errors can be cloned but borrow, call what is inside, `(*parse).call(…)`: the compiler cannot tell that they do.
// `call` below is found first where its bounds hold. Where they do not, the compiler goes on to what this
// dereferences to.
pub struct MemoizedResult<A, T, E, F, K = OnlyOk, Q = Whole, W = Late> {
    inner: Memoized<A, Result<T, E>, F, K, Q, W>,
}

impl<A, T, E, F, K, Q, W> fmt::Debug for MemoizedResult<A, T, E, F, K, Q, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<A, T, E, F, K, Q, W> Deref for MemoizedResult<A, T, E, F, K, Q, W> {
    type Target = Memoized<A, Result<T, E>, F, K, Q, W>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<A, T, E, F, K, Q, W> MemoizedResult<A, T, E, F, K, Q, W>
where
    E: Clone + Send + 'static,
    K: Keep<Result<T, E>>,
{
    /// What the callable returns for `arguments`: found in the cache, or computed now. As [`Memoized::call`].
    pub fn call<B>(&self, arguments: B) -> Result<T, E>
    where
        F: Fn(B) -> Result<T, E>,
        Q: KeyedBy<B>,
        W: Renew<B, Result<T, E>, F, K>,
    {
        self.inner.call_keeping(arguments, &SharedErrors(self.inner.rule()))
    }
}

impl<A, T, E, F, K, Q, W> MemoizedResult<A, T, E, F, K, Q, W> {
    pub(crate) fn new(inner: Memoized<A, Result<T, E>, F, K, Q, W>) -> MemoizedResult<A, T, E, F, K, Q, W> {
        MemoizedResult { inner }
    }

    /// As [`Memoized::version`].
    pub fn version(self, version: impl Into<String>) -> Self {
        MemoizedResult::new(self.inner.version(version))
    }

    /// As [`Memoized::package`].
    pub fn package(self, package: Package) -> Self {
        MemoizedResult::new(self.inner.package(package))
    }

    /// As [`Memoized::maxage`].
    pub fn maxage(self, maxage: Duration) -> Self {
        MemoizedResult::new(self.inner.maxage(maxage))
    }

    /// As [`Memoized::stale_if_error`].
    pub fn stale_if_error(self, time: Duration) -> Self {
        MemoizedResult::new(self.inner.stale_if_error(time))
    }

    /// As [`Memoized::refresh_after`].
    pub fn refresh_after(self, age: Duration) -> MemoizedResult<A, T, E, F, K, Q, Ahead> {
        MemoizedResult::new(self.inner.refresh_after(age))
    }

    /// As [`Memoized::keyed_by`].
    pub fn keyed_by<P: Serialize, G: Fn(&A) -> P>(self, key: G) -> MemoizedResult<A, T, E, F, K, Part<G, P>, W> {
        MemoizedResult::new(self.inner.keyed_by(key))
    }

    /// As [`Memoized::keep_if`].
    pub fn keep_if<P>(self, condition: P) -> MemoizedResult<A, T, E, F, If<K, P>, Q, W>
    where
        P: Fn(&Result<T, E>) -> bool,
    {
        MemoizedResult::new(self.inner.keep_if(condition))
    }

    /// As [`Memoized::only_some`].
    pub fn only_some(self) -> MemoizedResult<A, T, E, F, OnlySome<T, E, K>, Q, W>
    where
        Result<T, E>: Optional,
    {
        MemoizedResult::new(self.inner.only_some())
    }

    /// Keeps errors too, for this long.
    pub fn keep_errors(self, maxage: Duration) -> MemoizedResult<A, T, E, F, ErrorsRule<T, E>, Q, W> {
        MemoizedResult::new(self.inner.keep_errors(maxage))
    }
}
