//! Closures and functions whose results are kept.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::memo::about::{About, Described};
use crate::memo::cache::{Cache, Error};
use crate::memo::collect::Removed;
use crate::memo::encoding::EncodingError;
use crate::memo::entry::CallEntry;
use crate::memo::function::{Function, Key};
use crate::memo::keep::{ErrorsFor, Everything, Keep};
use crate::memo::operation::{Operation, Prepared, valued};
use crate::memo::refresh::Ticket;
use crate::memo::shared::Call;

/// How arguments become a key, if not by all that they are.
pub(crate) type Keyed<A> = Arc<dyn Fn(&Function, &A) -> Result<Key, EncodingError> + Send + Sync>;

/// A callable whose results are kept in a cache. Made by [`Cache::wrap`].
///
/// Arguments are one value: a tuple if there are several.
pub struct Memoized<A, R, F, K = Everything> {
    cache: Cache,
    function: Function,
    compute: Arc<F>,
    keep: K,
    keyed: Option<Keyed<A>>,
    refresh: Option<fn(&Self, Key, A, Ticket)>,
    signature: PhantomData<fn(A) -> R>,
}

impl<A, R, F, K> fmt::Debug for Memoized<A, R, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memoized").field("function", &self.function).finish_non_exhaustive()
    }
}

impl<A: Serialize, R, F: Fn(A) -> R, K: Keep<R>> Memoized<A, R, F, K> {
    pub(crate) fn new(cache: Cache, name: String, compute: F, keep: K) -> Memoized<A, R, F, K> {
        cache.shared.register(&name, std::any::type_name::<F>());
        let (function, compute) = (Function::new(name), Arc::new(compute));
        Memoized { cache, function, compute, keep, keyed: None, refresh: None, signature: PhantomData }
    }

    /// What the callable returns for `arguments`: found in the cache, or computed now.
    pub fn call(&self, arguments: A) -> R {
        if self.function.refreshed_after().is_some() {
            return self.call_ahead(arguments);
        }
        match self.key(&arguments) {
            Ok(key) => {
                let about = About::new();
                let keep = Described::new(&self.keep, &about);
                self.cache.run(&self.function, "", key, &keep, || {
                    about.note(&self.cache, &arguments);
                    (self.compute)(arguments)
                })
            }
            key => valued(self.operate(&Operation::call(), key, arguments)),
        }
    }

    /// A call of what is computed again before it is too old.
    fn call_ahead(&self, arguments: A) -> R {
        let key = self.key(&arguments);
        let found = key.as_ref().ok().and_then(|key| self.cache.shared.peek(self.at(*key), &self.keep));
        match (found, key, self.refresh) {
            (Some((value, Some(ticket))), Ok(key), Some(refresh)) => {
                refresh(self, key, arguments, ticket);
                value
            }
            (Some((value, Some(_ticket))), key, _) => {
                self.operate(&Operation::refresh_ahead(), key, arguments).unwrap_or(value)
            }
            (Some((value, None)), ..) => value,
            (None, key, _) => valued(self.operate(&Operation::call(), key, arguments)),
        }
    }

    fn at(&self, key: Key) -> Call<'_> {
        Call { function: &self.function, path: "", key }
    }

    #[inline]
    fn operate(&self, operation: &Operation, key: Result<Key, EncodingError>, arguments: A) -> Option<R> {
        let about = About::new();
        let keep = Described::new(&self.keep, &about);
        let prepared = Prepared { cache: &self.cache, function: &self.function, path: "", key, keep };
        prepared.operate(operation, || {
            about.note(&self.cache, &arguments);
            (self.compute)(arguments)
        })
    }

    /// A call with these arguments, to be removed from the cache, computed again, or computed beside the cache.
    ///
    /// ```
    /// # fn main() -> Result<(), percache::Error> {
    /// # let cache = percache::Cache::in_memory();
    /// let add = cache.wrap("add", |(a, b): (u64, u64)| a + b);
    /// assert_eq!(add.entry((1, 2)).get(), None);
    /// assert_eq!(add.entry((1, 2)).refresh(), 3); // computed and kept
    /// assert_eq!(add.entry((1, 2)).get(), Some(3));
    /// assert_eq!(add.entry((1, 2)).uncached(), 3); // computed and not kept
    /// add.entry((1, 2)).remove()?;
    /// # Ok(()) }
    /// ```
    pub fn entry(&self, arguments: A) -> CallEntry<R, impl FnOnce(Operation) -> Option<R>> {
        CallEntry::new(move |operation| {
            let key = self.key(&arguments);
            self.operate(&operation, key, arguments)
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

impl<A, R, F, K> Memoized<A, R, F, K>
where
    A: Serialize + Send + 'static,
    R: 'static,
    F: Fn(A) -> R + Send + Sync + 'static,
    K: Keep<R> + Clone + Send + Sync + 'static,
{
    /// Results that are older are returned, and computed again on a thread of their own for the next call.
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.function = self.function.refresh_after(age);
        self.refresh = Some(Self::refresh_aside);
        self
    }

    fn refresh_aside(&self, key: Key, arguments: A, ticket: Ticket) {
        let memoized = Memoized {
            cache: self.cache.clone(),
            function: self.function.clone(),
            compute: self.compute.clone(),
            keep: self.keep.clone(),
            keyed: self.keyed.clone(),
            refresh: None,
            signature: PhantomData,
        };
        ticket.run(move || drop(memoized.operate(&Operation::refresh_ahead(), Ok(key), arguments)));
    }
}

impl<A, T, E, F, K> Memoized<A, Result<T, E>, F, K> {
    /// Keeps errors too, for this long. Goes before `refresh_after`: that is about what is kept.
    pub fn keep_errors(self, maxage: Duration) -> Memoized<A, Result<T, E>, F, ErrorsFor> {
        let Memoized { cache, function, compute, keyed, signature, .. } = self;
        Memoized { cache, function, compute, keep: ErrorsFor(maxage), keyed, refresh: None, signature }
    }
}
