//! Wrapped callables that return a `Result` of which only `Ok` is kept.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::keep::{ErrorsFor, OnlyOk, SharedErrors};
use crate::memo::wrap::Memoized;

/// A callable of whose results only `Ok` is kept. Made by [`Cache::wrap_result`](crate::Cache::wrap_result).
///
/// Callers that wait for the same result get the same error, if it can be cloned and sent to another thread;
/// otherwise one after the other calls for itself. Everything else is as with [`Memoized`].
// `call` below is found first where its bounds hold. Where they do not, the compiler goes on to what this
// dereferences to.
pub struct MemoizedResult<A, T, E, F> {
    inner: Memoized<A, Result<T, E>, F, OnlyOk>,
}

impl<A, T, E, F> fmt::Debug for MemoizedResult<A, T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<A, T, E, F> Deref for MemoizedResult<A, T, E, F> {
    type Target = Memoized<A, Result<T, E>, F, OnlyOk>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl<A, T, E, F> MemoizedResult<A, T, E, F>
where
    A: Serialize,
    T: Serialize + DeserializeOwned,
    E: Clone + Send + 'static,
    F: Fn(A) -> Result<T, E>,
{
    /// What the callable returns for `arguments`: found in the cache, or computed now.
    pub fn call(&self, arguments: A) -> Result<T, E> {
        self.inner.call_keeping(arguments, &SharedErrors(OnlyOk))
    }
}

impl<A: Serialize, T: Serialize + DeserializeOwned, E, F: Fn(A) -> Result<T, E>> MemoizedResult<A, T, E, F> {
    pub(crate) fn new(inner: Memoized<A, Result<T, E>, F, OnlyOk>) -> MemoizedResult<A, T, E, F> {
        MemoizedResult { inner }
    }

    /// As [`Memoized::version`].
    pub fn version(self, version: impl Into<String>) -> Self {
        MemoizedResult { inner: self.inner.version(version) }
    }

    /// As [`Memoized::maxage`].
    pub fn maxage(self, maxage: Duration) -> Self {
        MemoizedResult { inner: self.inner.maxage(maxage) }
    }

    /// As [`Memoized::keyed_by`].
    pub fn keyed_by<Q: Serialize>(self, key: impl Fn(&A) -> Q + Send + Sync + 'static) -> Self {
        MemoizedResult { inner: self.inner.keyed_by(key) }
    }

    /// Keeps errors too, for this long.
    pub fn keep_errors(self, maxage: Duration) -> Memoized<A, Result<T, E>, F, ErrorsFor> {
        self.inner.keep_errors(maxage)
    }
}
