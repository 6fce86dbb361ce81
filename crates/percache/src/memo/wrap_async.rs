//! Closures and functions that return futures, whose results are kept.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::about::{About, Described};
use crate::memo::cache::{Cache, Error};
use crate::memo::collect::Removed;
use crate::memo::encoding::EncodingError;
use crate::memo::entry::AsyncCallEntry;
use crate::memo::function::{Function, Key};
use crate::memo::keep::{ErrorsFor, Everything, Keep, OnlyOk};
use crate::memo::operation::{Operation, Prepared, valued};
use crate::memo::refresh::Ticket;
use crate::memo::shared::Call;
use crate::memo::wrap::Keyed;

/// Refreshes a result on the spawner.
type Refresh<M, A> = fn(&M, Key, A, Ticket) -> Option<(A, Ticket)>;

/// An `async` callable whose results are kept in a cache. Made by [`Cache::wrap_async`].
///
/// Arguments are one value: a tuple if there are several.
pub struct MemoizedAsync<A, R, F, K = Everything> {
    cache: Cache,
    function: Function,
    compute: Arc<F>,
    keep: K,
    keyed: Option<Keyed<A>>,
    /// Gives the arguments back when the cache has no spawner.
    refresh: Option<Refresh<Self, A>>,
    signature: PhantomData<fn(A) -> R>,
}

impl<A, R, F, K> fmt::Debug for MemoizedAsync<A, R, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoizedAsync").field("function", &self.function).finish_non_exhaustive()
    }
}

impl Cache {
    /// As [`Cache::wrap`], for what returns a future. Needs no particular executor.
    ///
    /// ```
    /// # let cache = percache::Cache::in_memory();
    /// let fetch = cache.wrap_async("fetch", |url: String| async move { url.len() });
    /// let length = async { fetch.call("http://localhost".into()).await };
    /// # drop(length);
    /// ```
    pub fn wrap_async<A, R, C, F>(&self, name: impl Into<String>, compute: F) -> MemoizedAsync<A, R, F>
    where
        A: Serialize,
        R: Serialize + DeserializeOwned,
        C: Future<Output = R>,
        F: Fn(A) -> C,
    {
        MemoizedAsync::new(self.clone(), name.into(), compute, Everything)
    }

    /// As [`Cache::wrap_async`]; of the results only `Ok` is kept.
    pub fn wrap_result_async<A, T, E, C, F>(
        &self,
        name: impl Into<String>,
        compute: F,
    ) -> MemoizedAsync<A, Result<T, E>, F, OnlyOk>
    where
        A: Serialize,
        T: Serialize + DeserializeOwned,
        C: Future<Output = Result<T, E>>,
        F: Fn(A) -> C,
    {
        MemoizedAsync::new(self.clone(), name.into(), compute, OnlyOk)
    }
}

impl<A: Serialize, R, C: Future<Output = R>, F: Fn(A) -> C, K: Keep<R>> MemoizedAsync<A, R, F, K> {
    pub(crate) fn new(cache: Cache, name: String, compute: F, keep: K) -> MemoizedAsync<A, R, F, K> {
        cache.shared.register(&name, std::any::type_name::<F>());
        let (function, compute) = (Function::new(name), Arc::new(compute));
        MemoizedAsync { cache, function, compute, keep, keyed: None, refresh: None, signature: PhantomData }
    }

    /// What the callable returns for `arguments`: found in the cache, or computed now.
    pub async fn call(&self, arguments: A) -> R {
        let key = self.key(&arguments);
        let Some(key) = key.as_ref().ok().filter(|_| self.function.refreshed_after().is_some()).copied() else {
            return valued(self.operate(Operation::call(), key, arguments).await);
        };
        let call = Call { function: &self.function, path: "", key };
        let Some((value, ticket)) = self.cache.shared.peek(call, &self.keep) else {
            return valued(self.operate(Operation::call(), Ok(key), arguments).await);
        };
        let due = match (ticket, self.refresh) {
            (Some(ticket), Some(refresh)) => refresh(self, key, arguments, ticket),
            (Some(ticket), None) => Some((arguments, ticket)),
            (None, _) => None,
        };
        match due {
            Some((arguments, _ticket)) => {
                self.operate(Operation::refresh_ahead(), Ok(key), arguments).await.unwrap_or(value)
            }
            None => value,
        }
    }

    async fn operate(&self, operation: Operation, key: Result<Key, EncodingError>, arguments: A) -> Option<R> {
        let about = About::new();
        let keep = Described::new(&self.keep, &about);
        let prepared = Prepared { cache: &self.cache, function: &self.function, path: "", key, keep };
        let computed = async {
            about.note(&self.cache, &arguments);
            (self.compute)(arguments).await
        };
        prepared.operate_async(operation, computed).await
    }

    /// A call with these arguments, to be removed from the cache, computed again, or computed beside the cache.
    pub fn entry(&self, arguments: A) -> AsyncCallEntry<R, impl Future<Output = Option<R>>> {
        AsyncCallEntry::new(async move |operation| {
            let key = self.key(&arguments);
            self.operate(operation, key, arguments).await
        })
    }

    /// The key of the result for `arguments`.
    pub fn key(&self, arguments: &A) -> Result<Key, EncodingError> {
        match &self.keyed {
            Some(keyed) => keyed(&self.function, arguments),
            None => self.function.key(arguments),
        }
    }

    /// Removes all results of this callable, whatever its version was, and gives their space back.
    pub fn clear(&self) -> Result<Removed, Error> {
        self.cache.clear_function(&self.function.name(""))
    }

    /// Results of other versions are left alone. Change it when what the callable does changes: percache does not see a closure's code.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.function = self.function.version(version.into());
        self
    }

    /// Results that are older are computed again.
    pub fn maxage(mut self, maxage: Duration) -> Self {
        self.function = self.function.maxage(maxage);
        self
    }

    /// When computing a result again gives an error that is not kept, the old one is returned, for this long after its `maxage`.
    pub fn stale_if_error(mut self, time: Duration) -> Self {
        self.function = self.function.stale_if_error(time);
        self
    }

    /// Calls are told apart by what `key` makes of the arguments, and by nothing else.
    pub fn keyed_by<Q: Serialize>(mut self, key: impl Fn(&A) -> Q + Send + Sync + 'static) -> Self {
        self.keyed = Some(Arc::new(move |function, arguments| function.key(&key(arguments))));
        self
    }
}

impl<A, R, C, F, K> MemoizedAsync<A, R, F, K>
where
    A: Serialize + Send + Sync + 'static,
    R: Send + 'static,
    C: Future<Output = R> + Send,
    F: Fn(A) -> C + Send + Sync + 'static,
    K: Keep<R> + Clone + Send + Sync + 'static,
{
    /// Results that are older are returned, and computed again for the next call: on the spawner of the cache. If it has none, the caller
    /// that finds the result that old computes it.
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.function = self.function.refresh_after(age);
        self.refresh = Some(Self::refresh_aside);
        self
    }

    fn refresh_aside(&self, key: Key, arguments: A, ticket: Ticket) -> Option<(A, Ticket)> {
        if !ticket.can_spawn() {
            return Some((arguments, ticket));
        }
        let memoized = MemoizedAsync {
            cache: self.cache.clone(),
            function: self.function.clone(),
            compute: self.compute.clone(),
            keep: self.keep.clone(),
            keyed: self.keyed.clone(),
            refresh: None,
            signature: PhantomData,
        };
        ticket.spawn(async move {
            memoized.operate(Operation::refresh_ahead(), Ok(key), arguments).await;
        });
        None
    }
}

impl<A, T, E, F, K> MemoizedAsync<A, Result<T, E>, F, K> {
    /// Keeps errors too, for this long. Goes before `refresh_after`: that is about what is kept.
    pub fn keep_errors(self, maxage: Duration) -> MemoizedAsync<A, Result<T, E>, F, ErrorsFor> {
        let MemoizedAsync { cache, function, compute, keyed, signature, .. } = self;
        MemoizedAsync { cache, function, compute, keep: ErrorsFor(maxage), keyed, refresh: None, signature }
    }
}
