//! Closures and functions that return futures, whose results are kept.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::cache::{Cache, Error};
use crate::memo::calls::ahead::{Ahead, Late, RenewAsync};
use crate::memo::calls::entry::AsyncCallEntry;
use crate::memo::calls::fallible_async::MemoizedResultAsync;
use crate::memo::calls::operation::{Operation, Prepared, valued};
use crate::memo::calls::wrap::{KeyedBy, Memoized, Part, Whole};
use crate::memo::kept::keep::{If, Keep, NoErrors, OnlyOk};
use crate::memo::kept::shape::{Fallible, Optional};
use crate::memo::key::about::{About, Described};
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::Key;
use crate::memo::key::identity::Package;
use crate::memo::results::collect::Removed;

/// An `async` callable whose results are kept in a cache. Made by [`Cache::wrap_async`].
///
/// Arguments are one value: a tuple if there are several.
pub struct MemoizedAsync<A, R, F, K = NoErrors, Q = Whole, W = Late> {
    /// Everything but how it is called.
    inner: Memoized<A, R, F, K, Q, W>,
}

impl<A, R, F, K, Q, W> fmt::Debug for MemoizedAsync<A, R, F, K, Q, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What can be wrapped: closures and functions of one argument that return a future.
///
/// As with [`Callable`](crate::memo::calls::wrap::Callable), not `Fn(A) -> C` itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wrapped",
    label = "this is not a function of one argument that returns a future",
    note = "several arguments are one tuple: `|(a, b): (u32, u32)| async move {{ a + b }}`"
)]
pub trait AsyncCallable<A, R>: Sized {}

#[diagnostic::do_not_recommend]
impl<A, R, C: Future<Output = R>, F: Fn(A) -> C> AsyncCallable<A, R> for F {}

impl Cache {
    /// As [`Cache::wrap`], for what returns a future. Needs no particular executor.
    ///
    /// ```
    /// # let cache = percache::Cache::in_memory();
    /// let fetch = cache.wrap_async("fetch", |url: String| async move { url.len() });
    /// let length = async { fetch.call("http://localhost".to_owned()).await };
    /// # drop(length);
    /// ```
    #[track_caller]
    pub fn wrap_async<A, R, F>(&self, name: impl Into<String>, compute: F) -> MemoizedAsync<A, R, F>
    where
        A: Serialize,
        R: Serialize + DeserializeOwned,
        F: AsyncCallable<A, R>,
    {
        MemoizedAsync { inner: Memoized::new(self.clone(), name.into(), compute, NoErrors) }
    }

    /// As [`Cache::wrap_async`], for callables whose errors are not serialisable: of the results only `Ok` is kept. Callers that wait
    /// for the same result get the same error, if it can be cloned.
    #[track_caller]
    pub fn wrap_result_async<A, T, E, F>(&self, name: impl Into<String>, compute: F) -> MemoizedResultAsync<A, T, E, F>
    where
        A: Serialize,
        T: Serialize + DeserializeOwned,
        F: AsyncCallable<A, Result<T, E>>,
    {
        MemoizedResultAsync::new(MemoizedAsync { inner: Memoized::new(self.clone(), name.into(), compute, OnlyOk) })
    }
}

impl<A, R, F, K: Keep<R>, Q, W> MemoizedAsync<A, R, F, K, Q, W> {
    /// What the callable returns for `arguments`: found in the cache, or computed now.
    pub async fn call<B, C>(&self, arguments: B) -> R
    where
        F: Fn(B) -> C,
        C: Future<Output = R>,
        Q: KeyedBy<B>,
        W: RenewAsync<B, R, F, K>,
    {
        self.call_keeping(arguments, self.rule()).await
    }

    /// A call with these arguments, to be removed from the cache, computed again, or computed beside the cache.
    pub fn entry<B, C>(&self, arguments: B) -> AsyncCallEntry<R, impl Future<Output = Option<R>>>
    where
        F: Fn(B) -> C,
        C: Future<Output = R>,
        Q: KeyedBy<B>,
    {
        AsyncCallEntry::new(async move |operation| {
            let key = self.inner.owned_key(&arguments);
            self.operate(operation, key, arguments, self.rule()).await
        })
    }
}

impl<A, R, F, K, Q, W> MemoizedAsync<A, R, F, K, Q, W> {
    /// As [`MemoizedAsync::call`], by this rule.
    pub(crate) async fn call_keeping<B, C>(&self, arguments: B, keep: &impl Keep<R>) -> R
    where
        F: Fn(B) -> C,
        C: Future<Output = R>,
        Q: KeyedBy<B>,
        W: RenewAsync<B, R, F, K>,
    {
        if !self.inner.owns_name() {
            return (self.inner.compute)(arguments).await;
        }
        let key = self.inner.key_of(&arguments);
        let Some(key) = key.as_ref().ok().filter(|_| self.inner.function.refreshed_after().is_some()).copied() else {
            return valued(self.operate(Operation::call(), key, arguments, keep).await);
        };
        match self.inner.cache.shared.peek(self.inner.at(key), keep) {
            None => valued(self.operate(Operation::call(), Ok(key), arguments, keep).await),
            Some((value, None)) => value,
            Some((value, Some(ticket))) => match W::renew(self.inner.renewal(key, &arguments), arguments, ticket) {
                None => value,
                Some((arguments, _ticket)) => {
                    self.operate(Operation::refresh_ahead(), Ok(key), arguments, keep).await.unwrap_or(value)
                }
            },
        }
    }

    async fn operate<B, C>(
        &self,
        operation: Operation,
        key: Result<Key, EncodingError>,
        arguments: B,
        keep: &impl Keep<R>,
    ) -> Option<R>
    where
        F: Fn(B) -> C,
        C: Future<Output = R>,
        Q: KeyedBy<B>,
    {
        let about = About::new();
        let keep = Described::new(keep, &about);
        let (cache, function) = (&self.inner.cache, &self.inner.function);
        let computed = async {
            self.inner.note(&about, &arguments);
            (self.inner.compute)(arguments).await
        };
        Prepared { cache, function, path: "", key, keep }.operate_async(operation, computed).await
    }

    /// The rule by which results are kept.
    pub(crate) fn rule(&self) -> &K {
        self.inner.rule()
    }

    /// The key of the result for `arguments`.
    pub fn key<B, C>(&self, arguments: &B) -> Result<Key, EncodingError>
    where
        F: Fn(B) -> C,
        C: Future<Output = R>,
        Q: KeyedBy<B>,
    {
        self.inner.key_of(arguments)
    }

    /// Removes all results of this callable, whatever its version was, and gives their space back.
    pub fn clear(&self) -> Result<Removed, Error> {
        self.inner.clear()
    }

    /// As [`Memoized::version`].
    pub fn version(self, version: impl Into<String>) -> Self {
        MemoizedAsync { inner: self.inner.version(version) }
    }

    /// As [`Memoized::package`].
    pub fn package(self, package: Package) -> Self {
        MemoizedAsync { inner: self.inner.package(package) }
    }

    /// As [`Memoized::maxage`].
    pub fn maxage(self, maxage: Duration) -> Self {
        MemoizedAsync { inner: self.inner.maxage(maxage) }
    }

    /// As [`Memoized::stale_if_error`].
    pub fn stale_if_error(self, time: Duration) -> Self {
        MemoizedAsync { inner: self.inner.stale_if_error(time) }
    }

    /// Results that are older are returned, and computed again for the next call: on the spawner of the cache. If it has none, the caller
    /// that finds the result that old computes it. Arguments are owned and `Send`, and so is the future.
    pub fn refresh_after(self, age: Duration) -> MemoizedAsync<A, R, F, K, Q, Ahead> {
        MemoizedAsync { inner: self.inner.refresh_after(age) }
    }

    /// As [`Memoized::keyed_by`].
    pub fn keyed_by<P: Serialize, G: Fn(&A) -> P>(self, key: G) -> MemoizedAsync<A, R, F, K, Part<G, P>, W> {
        MemoizedAsync { inner: self.inner.keyed_by(key) }
    }

    /// As [`Memoized::keep_if`].
    pub fn keep_if<P: Fn(&R) -> bool>(self, condition: P) -> MemoizedAsync<A, R, F, If<K, P>, Q, W> {
        MemoizedAsync { inner: self.inner.keep_if(condition) }
    }

    /// As [`Memoized::only_some`].
    pub fn only_some(self) -> MemoizedAsync<A, R, F, R::Rule<K>, Q, W>
    where
        R: Optional,
    {
        MemoizedAsync { inner: self.inner.only_some() }
    }

    /// As [`Memoized::keep_errors`].
    pub fn keep_errors(self, maxage: Duration) -> MemoizedAsync<A, R, F, R::Rule, Q, W>
    where
        R: Fallible,
    {
        MemoizedAsync { inner: self.inner.keep_errors(maxage) }
    }
}
