//! Closures and functions whose results are kept.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::memo::cache::Cache;
use crate::memo::encoding::EncodingError;
use crate::memo::function::{Function, Key};
use crate::memo::keep::{ErrorsFor, Everything, Keep};

type Keyed<A> = Box<dyn Fn(&Function, &A) -> Result<Key, EncodingError> + Send + Sync>;

/// A callable whose results are kept in a cache. Made by [`Cache::wrap`].
///
/// Arguments are one value: a tuple if there are several.
pub struct Memoized<A, R, F, K = Everything> {
    cache: Cache,
    function: Function,
    compute: F,
    keep: K,
    keyed: Option<Keyed<A>>,
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
        Memoized { cache, function: Function::new(name), compute, keep, keyed: None, signature: PhantomData }
    }

    /// What the callable returns for `arguments`: found in the cache, or computed now.
    pub fn call(&self, arguments: A) -> R {
        self.call_keeping(arguments, &self.keep)
    }

    pub(crate) fn call_keeping(&self, arguments: A, keep: &impl Keep<R>) -> R {
        match self.key(&arguments) {
            Ok(key) => self.cache.run(&self.function, "", key, keep, || (self.compute)(arguments)),
            Err(error) => {
                log::warn!("percache: arguments of {} cannot be told apart: {error}", self.function.name(""));
                (self.compute)(arguments)
            }
        }
    }

    /// The key of the result for `arguments`.
    pub fn key(&self, arguments: &A) -> Result<Key, EncodingError> {
        match &self.keyed {
            Some(keyed) => keyed(&self.function, arguments),
            None => self.function.key(arguments),
        }
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

    /// Calls are told apart by what `key` makes of the arguments, and by nothing else.
    pub fn keyed_by<Q: Serialize>(mut self, key: impl Fn(&A) -> Q + Send + Sync + 'static) -> Self {
        self.keyed = Some(Box::new(move |function, arguments| function.key(&key(arguments))));
        self
    }
}

impl<A, T, E, F, K> Memoized<A, Result<T, E>, F, K> {
    /// Keeps errors too, for this long.
    pub fn keep_errors(self, maxage: Duration) -> Memoized<A, Result<T, E>, F, ErrorsFor> {
        let Memoized { cache, function, compute, keyed, signature, .. } = self;
        Memoized { cache, function, compute, keep: ErrorsFor(maxage), keyed, signature }
    }
}
