//! What a memoized function is asked to do with a call, and how it does that.
//!
//! An ordinary call finds the result or computes it. Other operations come from [`CallEntry`](crate::CallEntry) and from refreshes. Knows
//! keys and closures, not how users come by them.

use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::memo::cache::Cache;
use crate::memo::kept::keep::Keep;
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::shared::Call;

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

    /// An order.
    pub fn of(what: What) -> Operation {
        Operation(Some(Arc::new(Order { what: Mutex::new(what), told: OnceLock::new() })))
    }

    #[inline]
    fn what(&self) -> What {
        let order = self.0.as_ref();
        order.map_or(What::Call, |order| *order.what.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says what to do, before the function is run.
    pub fn set(&self, what: What) {
        if let Some(order) = &self.0 {
            *order.what.lock().unwrap_or_else(PoisonError::into_inner) = what;
        }
    }

    fn tell(&self, cache: &Cache, key: Result<Key, EncodingError>) {
        if let Some(order) = &self.0 {
            order.told.get_or_init(|| Told { cache: cache.clone(), key: Mutex::new(Some(key)) });
        }
    }

    /// What the function has answered to [`What::Describe`].
    pub fn told(&self) -> Option<(Cache, Result<Key, EncodingError>)> {
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
    pub path: &'a str,
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
        shared.hits.fetch_add(1, Ordering::Relaxed);
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

/// What an operation gives that cannot but give something.
pub fn valued<T>(value: Option<T>) -> T {
    value.unwrap_or_else(|| unreachable!("this operation has a value"))
}
