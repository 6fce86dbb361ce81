//! One call of a memoized function, and what else can be done with it than to make it.
//!
//! `#[memoize(handle)]` and [`Memoized::entry`](crate::Memoized::entry) give a [`CallEntry`]: a call with its arguments that waits to be
//! told what to do. What it is told, an `Operation`, goes where the body and the key of the function are known.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Waker};

use crate::memo::cache::{Cache, Error};
use crate::memo::calls::operation::{Operation, What, valued};
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::Key;
use crate::memo::key::origin::Origin;
use crate::memo::results::collect::Removed;
use crate::memo::results::stats::FunctionStats;

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

/// All results of one memoized function.
#[derive(Clone, Debug)]
pub struct FunctionCache {
    cache: Cache,
    name: String,
    origin: Origin,
}

impl FunctionCache {
    pub(crate) fn new(cache: Cache, name: String, origin: Origin) -> FunctionCache {
        FunctionCache { cache, name, origin }
    }

    /// The name under which [`Cache::functions`] shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the function belongs to: functions of other packages may have the same name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Removes all results of this function, whatever its code and its version were, and gives their space back. Functions of the same
    /// name in other packages keep theirs. Functions of one name in two blocks of one function are cleared together, and so are results
    /// that an older percache kept under the name.
    pub fn clear(&self) -> Result<Removed, Error> {
        self.cache.clear_functions(&self.name, Some(&self.origin))
    }

    /// Figures about this function; `None` if it has no results.
    pub fn stats(&self) -> Result<Option<FunctionStats>, Error> {
        Ok(self.cache.shared.function(&self.name, &self.origin)?)
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
