//! One call of a memoized function, and what else can be done with it than to make it.
//!
//! `#[memoize(handle)]` and [`Memoized::entry`](crate::Memoized::entry) give a [`CallEntry`]: a call with its arguments that waits to be
//! told what to do. What it is told, an [`Operation`], goes where the body and the key of the function are known.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};

use crate::memo::cache::{Cache, Error};
use crate::memo::collect::Removed;
use crate::memo::encoding::EncodingError;
use crate::memo::function::{Function, Key};
use crate::memo::keep::Keep;
use crate::memo::shared::Call;
use crate::memo::stats::FunctionStats;

/// What a function is asked to do with a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    /// Finds the result or computes it.
    #[default]
    Call,
    /// Only finds it.
    Find,
    /// Only tells the key.
    Describe,
    /// Computes it and keeps it.
    Refresh,
    /// Computes it and keeps it unless another process does.
    RefreshAhead,
    /// Only computes it.
    Uncached,
}

/// An order to a function, and its answer. An ordinary call has none.
#[derive(Clone, Debug, Default)]
pub struct Operation(Option<Arc<Order>>);

#[derive(Debug, Default)]
struct Order {
    what: Mutex<What>,
    told: OnceLock<Told>,
}

#[derive(Debug)]
struct Told {
    cache: Cache,
    key: Mutex<Option<Result<Key, EncodingError>>>,
}

impl Operation {
    /// An ordinary call.
    #[inline]
    pub fn call() -> Operation {
        Operation(None)
    }

    /// A refresh ahead of time.
    pub fn refresh_ahead() -> Operation {
        Operation::of(What::RefreshAhead)
    }

    fn of(what: What) -> Operation {
        Operation(Some(Arc::new(Order { what: Mutex::new(what), told: OnceLock::new() })))
    }

    #[inline]
    fn what(&self) -> What {
        let order = self.0.as_ref();
        order.map_or(What::Call, |order| *order.what.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, what: What) {
        if let Some(order) = &self.0 {
            *order.what.lock().unwrap_or_else(PoisonError::into_inner) = what;
        }
    }

    fn tell(&self, cache: &Cache, key: Result<Key, EncodingError>) {
        if let Some(order) = &self.0 {
            order.told.get_or_init(|| Told { cache: cache.clone(), key: Mutex::new(Some(key)) });
        }
    }

    fn told(&self) -> Option<(Cache, Result<Key, EncodingError>)> {
        let told = self.0.as_ref()?.told.get()?;
        let key = told.key.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some((told.cache.clone(), key))
    }
}

/// A call as the function knows it: everything but what to do with it.
pub struct Prepared<'a, K> {
    /// Where its result is kept.
    pub cache: &'a Cache,
    /// The function.
    pub function: &'a Function,
    /// The path of its instance.
    pub path: &'static str,
    /// The key, if the arguments have one.
    pub key: Result<Key, EncodingError>,
    /// What is kept of the result.
    pub keep: K,
}

impl<K> fmt::Debug for Prepared<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("function", &self.function).field("key", &self.key).finish_non_exhaustive()
    }
}

impl<K> Prepared<'_, K> {
    fn at(&self, key: Key) -> Call<'_> {
        Call { function: self.function, path: self.path, key }
    }

    fn known_key(&self) -> Option<Key> {
        match &self.key {
            Ok(key) => Some(*key),
            Err(error) => {
                log::warn!("percache: arguments of {} cannot be told apart: {error}", self.function.name(self.path));
                None
            }
        }
    }

    fn find<R>(&self) -> Option<R>
    where
        K: Keep<R>,
    {
        let shared = &self.cache.shared;
        let (_, value) = shared.find(self.at(self.known_key()?), &self.keep)?;
        shared.hits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(value)
    }

    /// Does what `operation` says. `None`: that gives no value.
    #[inline]
    pub fn operate<R>(self, operation: &Operation, compute: impl FnOnce() -> R) -> Option<R>
    where
        K: Keep<R>,
    {
        match operation.what() {
            What::Describe => {
                operation.tell(self.cache, self.key);
                return None;
            }
            What::Find => return self.find(),
            _ => {}
        }
        let Some(key) = self.known_key() else { return Some(compute()) };
        let (shared, call) = (&self.cache.shared, self.at(key));
        match operation.what() {
            What::Refresh => Some(shared.recompute(call, &self.keep, compute)),
            What::Uncached => Some(compute()),
            What::RefreshAhead => {
                let claim = shared.claim_ahead(call)?;
                let value = shared.recompute(call, &self.keep, compute);
                shared.publish(claim);
                Some(value)
            }
            _ => Some(shared.resolve(call, &self.keep, compute)),
        }
    }

    /// As [`Prepared::operate`], for futures.
    pub async fn operate_async<R>(self, operation: Operation, compute: impl Future<Output = R>) -> Option<R>
    where
        K: Keep<R>,
    {
        match operation.what() {
            What::Describe => {
                operation.tell(self.cache, self.key);
                return None;
            }
            What::Find => return self.find(),
            _ => {}
        }
        let Some(key) = self.known_key() else { return Some(compute.await) };
        let (shared, call) = (&self.cache.shared, self.at(key));
        match operation.what() {
            What::Refresh => Some(shared.recompute_async(call, &self.keep, compute).await),
            What::Uncached => Some(compute.await),
            What::RefreshAhead => {
                let claim = shared.claim_ahead(call)?;
                let value = shared.recompute_async(call, &self.keep, compute).await;
                shared.publish_aside(claim);
                Some(value)
            }
            _ => Some(shared.resolve_async(call, &self.keep, compute).await),
        }
    }
}

/// A call of a memoized function that has not been made. It does nothing until one of its methods is called.
#[must_use = "it does nothing until one of its methods is called"]
pub struct CallEntry<R, F> {
    run: F,
    value: PhantomData<fn() -> R>,
}

impl<R, F> fmt::Debug for CallEntry<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallEntry")
    }
}

impl<R, F: FnOnce(Operation) -> Option<R>> CallEntry<R, F> {
    #[doc(hidden)]
    pub fn new(run: F) -> CallEntry<R, F> {
        CallEntry { run, value: PhantomData }
    }

    /// Returns the key of the result.
    pub fn key(self) -> Result<Key, Error> {
        Ok(self.describe().1?)
    }

    /// Removes the result; that there is none is no error.
    pub fn remove(self) -> Result<(), Error> {
        let (cache, key) = self.describe();
        cache.remove(key?)
    }

    /// Returns the result if it is in the cache and not too old. Computes nothing.
    pub fn get(self) -> Option<R> {
        (self.run)(Operation::of(What::Find))
    }

    /// Computes the result, whatever is in the cache, and keeps it there.
    pub fn refresh(self) -> R {
        valued((self.run)(Operation::of(What::Refresh)))
    }

    /// Computes the result without looking into the cache or keeping it there.
    pub fn uncached(self) -> R {
        valued((self.run)(Operation::of(What::Uncached)))
    }

    fn describe(self) -> (Cache, Result<Key, EncodingError>) {
        let operation = Operation::of(What::Describe);
        (self.run)(operation.clone());
        valued(operation.told())
    }
}

/// A call of a memoized `async fn` that has not been made. It does nothing until one of its methods is called.
#[must_use = "it does nothing until one of its methods is called"]
pub struct AsyncCallEntry<R, C> {
    operation: Operation,
    future: C,
    value: PhantomData<fn() -> R>,
}

impl<R, C> fmt::Debug for AsyncCallEntry<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncCallEntry")
    }
}

impl<R, C: Future<Output = Option<R>>> AsyncCallEntry<R, C> {
    #[doc(hidden)]
    pub fn new(begin: impl FnOnce(Operation) -> C) -> AsyncCallEntry<R, C> {
        let operation = Operation::of(What::Call);
        let future = begin(operation.clone());
        AsyncCallEntry { operation, future, value: PhantomData }
    }

    /// Returns the key of the result.
    pub fn key(self) -> Result<Key, Error> {
        Ok(self.describe().1?)
    }

    /// Removes the result; that there is none is no error.
    pub fn remove(self) -> Result<(), Error> {
        let (cache, key) = self.describe();
        cache.remove(key?)
    }

    /// Returns the result if it is in the cache and not too old. Computes nothing.
    pub async fn get(self) -> Option<R> {
        self.operation.set(What::Find);
        self.future.await
    }

    /// Computes the result, whatever is in the cache, and keeps it there.
    pub async fn refresh(self) -> R {
        self.operation.set(What::Refresh);
        valued(self.future.await)
    }

    /// Computes the result without looking into the cache or keeping it there.
    pub async fn uncached(self) -> R {
        self.operation.set(What::Uncached);
        valued(self.future.await)
    }

    /// The function answers when its future is polled for the first time, before it awaits anything.
    fn describe(self) -> (Cache, Result<Key, EncodingError>) {
        self.operation.set(What::Describe);
        let polled = pin!(self.future).poll(&mut Context::from_waker(Waker::noop()));
        debug_assert!(polled.is_ready());
        valued(self.operation.told())
    }
}

/// What an operation gives that cannot but give something.
pub fn valued<T>(value: Option<T>) -> T {
    value.unwrap_or_else(|| unreachable!("this operation has a value"))
}

/// All results of one memoized function.
#[derive(Clone, Debug)]
pub struct FunctionCache {
    cache: Cache,
    name: String,
}

impl FunctionCache {
    pub(crate) fn new(cache: Cache, name: String) -> FunctionCache {
        FunctionCache { cache, name }
    }

    /// The name under which [`Cache::functions`] shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Removes all results of this function, whatever its code and its version were, and gives their space back.
    pub fn clear(&self) -> Result<Removed, Error> {
        self.cache.clear_function(&self.name)
    }

    /// Figures about this function; `None` if it has no results.
    pub fn stats(&self) -> Result<Option<FunctionStats>, Error> {
        Ok(self.cache.functions()?.into_iter().find(|function| function.name == self.name))
    }
}

/// The path of `function` from that of a function called `beside` which stands beside it.
pub fn path_beside(path: &str, beside: &str, function: &str) -> String {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with("::") || rest.starts_with('<');
    let mut depth = 0;
    let mut found = None;
    for (place, char) in path.char_indices() {
        match char {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        let rest = path[place..].strip_prefix("::").and_then(|rest| rest.strip_prefix(beside));
        if depth == 0 && rest.is_some_and(ends) {
            found = Some(place + 2);
        }
    }
    match found {
        Some(place) => [&path[..place], function, &path[place + beside.len()..]].concat(),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::path_beside;

    #[test]
    fn the_path_of_the_function_is_known_beside_it() {
        let paths = [
            ("app::f_cache", "app::f"),
            ("app::f_cache<app::f_cache, u8>", "app::f<app::f_cache, u8>"),
            ("<app::S<app::f_cache> as app::T>::f_cache", "<app::S<app::f_cache> as app::T>::f"),
            ("app::f_cache::inner::f_cache", "app::f_cache::inner::f"),
            ("app::other", "app::other"),
        ];
        for (beside, function) in paths {
            assert_eq!(path_beside(beside, "f_cache", "f"), function);
        }
    }
}
