//! Closures and functions whose results are kept.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::fork::PerProcess;
use crate::memo::cache::{Cache, Error};
use crate::memo::calls::ahead::{Ahead, Late, Renew, Renewal};
use crate::memo::calls::entry::CallEntry;
use crate::memo::calls::operation::{Operation, Prepared, valued};
use crate::memo::kept::keep::{If, Keep, NoErrors};
use crate::memo::kept::shape::{Fallible, Optional};
use crate::memo::key::about::{About, Described};
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::key::identity::Package;
use crate::memo::key::names::Wrapped;
use crate::memo::results::collect::Removed;
use crate::memo::shared::Call;

/// A callable whose results are kept in a cache. Made by [`Cache::wrap`].
///
/// Arguments are one value: a tuple if there are several.
pub struct Memoized<A, R, F, K = NoErrors, Q = Whole, W = Late> {
    pub(crate) cache: Cache,
    pub(crate) function: Function,
    pub(crate) compute: Arc<F>,
    keep: K,
    keyed: Q,
    wrapped: Wrapped,
    /// The type of what is in its keys.
    counted: &'static str,
    /// Whether the name belongs to this callable, once it was called.
    owns_name: PerProcess<bool>,
    signature: PhantomData<fn(A, W) -> R>,
}

impl<A, R, F, K, Q, W> fmt::Debug for Memoized<A, R, F, K, Q, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memoized").field("function", &self.function).finish_non_exhaustive()
    }
}

/// What can be wrapped: closures and functions of one argument.
///
/// Every `Fn(A) -> R` is one. If [`Cache::wrap`] asked for `Fn(A) -> R` itself, the compiler would take `|text: &str| …` for a closure of
/// texts of one lifetime, and its arguments would have to live as long as the callable.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wrapped",
    label = "this is not a function of one argument",
    note = "several arguments are one tuple: `|(a, b): (u32, u32)| a + b`"
)]
pub trait Callable<A, R>: Sized {
    /// What it returns.
    fn compute(&self, arguments: A) -> R;
}

impl<A, R, F: Fn(A) -> R> Callable<A, R> for F {
    #[inline]
    fn compute(&self, arguments: A) -> R {
        self(arguments)
    }
}

/// What tells the calls of a callable apart.
pub trait KeyedBy<A> {
    /// The key of a call.
    fn key(&self, function: &Function, arguments: &A) -> Result<Key, EncodingError>;

    /// Notes what counts for people.
    fn note(&self, about: &About, cache: &Cache, arguments: &A);
}

/// The whole of the arguments counts.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

impl<A: Serialize> KeyedBy<A> for Whole {
    #[inline]
    fn key(&self, function: &Function, arguments: &A) -> Result<Key, EncodingError> {
        function.key(arguments)
    }

    fn note(&self, about: &About, cache: &Cache, arguments: &A) {
        about.note(cache, arguments);
    }
}

/// What a function `G` makes of the arguments counts.
#[derive(Clone, Copy, Debug)]
pub struct Part<G, Q>(G, PhantomData<fn() -> Q>);

impl<A, G: Fn(&A) -> Q, Q: Serialize> KeyedBy<A> for Part<G, Q> {
    #[inline]
    fn key(&self, function: &Function, arguments: &A) -> Result<Key, EncodingError> {
        function.key(&(self.0)(arguments))
    }

    fn note(&self, about: &About, cache: &Cache, arguments: &A) {
        about.note_with(cache, || (self.0)(arguments));
    }
}

impl<A, R, F, K> Memoized<A, R, F, K> {
    #[track_caller]
    pub(crate) fn new(cache: Cache, name: String, compute: F, keep: K) -> Memoized<A, R, F, K> {
        let (function, compute) = (cache.function(name), Arc::new(compute));
        let wrapped = Wrapped::new::<F>(Location::caller());
        let (counted, owns_name) = (type_name::<A>(), PerProcess::new());
        Memoized { cache, function, compute, keep, keyed: Whole, wrapped, counted, owns_name, signature: PhantomData }
    }
}

impl<A, R, F, K: Keep<R>, Q, W> Memoized<A, R, F, K, Q, W> {
    /// What the callable returns for `arguments`: found in the cache, or computed now.
    ///
    /// Borrowed arguments may live shorter than the callable, and each call may borrow from somewhere else.
    pub fn call<B>(&self, arguments: B) -> R
    where
        F: Fn(B) -> R,
        Q: KeyedBy<B>,
        W: Renew<B, R, F, K>,
    {
        self.call_keeping(arguments, &self.keep)
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
    pub fn entry<B>(&self, arguments: B) -> CallEntry<R, impl FnOnce(Operation) -> Option<R>>
    where
        F: Fn(B) -> R,
        Q: KeyedBy<B>,
    {
        CallEntry::new(move |operation| {
            let key = self.owned_key(&arguments);
            self.operate(&operation, key, arguments, &self.keep)
        })
    }
}

impl<A, R, F, K, Q, W> Memoized<A, R, F, K, Q, W> {
    /// As [`Memoized::call`], by this rule.
    #[inline]
    pub(crate) fn call_keeping<B>(&self, arguments: B, keep: &impl Keep<R>) -> R
    where
        F: Fn(B) -> R,
        Q: KeyedBy<B>,
        W: Renew<B, R, F, K>,
    {
        if !self.owns_name() {
            return (self.compute)(arguments);
        }
        if self.function.refreshed_after().is_some() {
            return self.call_ahead(arguments, keep);
        }
        match self.key_of(&arguments) {
            Ok(key) => {
                let about = About::new();
                self.cache.run(&self.function, "", key, &Described::new(keep, &about), || {
                    self.note(&about, &arguments);
                    (self.compute)(arguments)
                })
            }
            Err(error) => {
                log::warn!("percache: arguments of {} cannot be told apart: {error}", self.function.name(""));
                (self.compute)(arguments)
            }
        }
    }

    /// A call of what is computed again before it is too old.
    fn call_ahead<B>(&self, arguments: B, keep: &impl Keep<R>) -> R
    where
        F: Fn(B) -> R,
        Q: KeyedBy<B>,
        W: Renew<B, R, F, K>,
    {
        let key = self.key_of(&arguments);
        let found = key.as_ref().ok().and_then(|key| self.cache.shared.peek(self.at(*key), keep));
        match (found, key) {
            (Some((value, Some(ticket))), Ok(key)) => {
                W::renew(self.renewal(key, &arguments), arguments, ticket);
                value
            }
            (Some((value, _)), _) => value,
            (None, key) => valued(self.operate(&Operation::call(), key, arguments, keep)),
        }
    }

    pub(crate) fn at(&self, key: Key) -> Call<'_> {
        Call { function: &self.function, path: "", key }
    }

    /// What it takes to compute a result again later.
    pub(crate) fn renewal<B>(&self, key: Key, arguments: &B) -> Renewal<'_, F, K>
    where
        Q: KeyedBy<B>,
    {
        let about = About::new();
        self.note(&about, arguments);
        let (cache, function) = (self.cache.clone(), self.function.clone());
        Renewal { cache, function, compute: &self.compute, keep: &self.keep, key, about }
    }

    pub(crate) fn note<B>(&self, about: &About, arguments: &B)
    where
        Q: KeyedBy<B>,
    {
        self.keyed.note(about, &self.cache, arguments);
    }

    #[inline]
    fn operate<B>(
        &self,
        operation: &Operation,
        key: Result<Key, EncodingError>,
        arguments: B,
        keep: &impl Keep<R>,
    ) -> Option<R>
    where
        F: Fn(B) -> R,
        Q: KeyedBy<B>,
    {
        let about = About::new();
        let keep = Described::new(keep, &about);
        let prepared = Prepared { cache: &self.cache, function: &self.function, path: "", key, keep };
        prepared.operate(operation, || {
            self.note(&about, &arguments);
            (self.compute)(arguments)
        })
    }

    /// The rule by which results are kept.
    pub(crate) fn rule(&self) -> &K {
        &self.keep
    }

    #[inline]
    pub(crate) fn owns_name(&self) -> bool {
        let names = &self.cache.shared.names;
        *self.owns_name.get_or_init(|| names.belong_to(&self.function, self.counted, self.wrapped))
    }

    /// The key, unless what is kept under it belongs to another callable.
    pub(crate) fn owned_key<B>(&self, arguments: &B) -> Result<Key, EncodingError>
    where
        Q: KeyedBy<B>,
    {
        if self.owns_name() {
            self.key_of(arguments)
        } else {
            Err(EncodingError("another callable has its name".into()))
        }
    }

    /// The key of the result for `arguments`.
    // The bound on `F` tells the compiler that `7` is what the callable takes.
    pub fn key<B>(&self, arguments: &B) -> Result<Key, EncodingError>
    where
        F: Fn(B) -> R,
        Q: KeyedBy<B>,
    {
        self.key_of(arguments)
    }

    #[inline]
    pub(crate) fn key_of<B>(&self, arguments: &B) -> Result<Key, EncodingError>
    where
        Q: KeyedBy<B>,
    {
        self.keyed.key(&self.function, arguments)
    }

    /// Removes all results of this callable, whatever its version was, and gives their space back. Callables of its name in other
    /// packages keep theirs: see [`Memoized::package`].
    pub fn clear(&self) -> Result<Removed, Error> {
        self.cache.clear_functions(&self.function.name(""), Some(&self.function.origin()))
    }

    /// Results of other versions are left alone. Change it when what the callable does changes: percache does not see a closure's code.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.function = self.function.version(version.into());
        self
    }

    /// Tells it from callables of this name in other packages: `.package(percache::package!())`.
    pub fn package(mut self, package: Package) -> Self {
        self.function = self.function.package(package);
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

    /// Results that are older are returned, and computed again on a thread of their own for the next call: arguments are owned then,
    /// and `Send`.
    pub fn refresh_after(self, age: Duration) -> Memoized<A, R, F, K, Q, Ahead> {
        let memoized = self.with(|keep, keyed| (keep, keyed));
        let function = memoized.function.refresh_after(age);
        Memoized { function, ..memoized }
    }

    /// Calls are told apart by what `key` makes of the arguments, and by nothing else.
    ///
    /// If arguments are borrowed for less time than the callable is used, let `key` be a function (`fn key(text: &&str) -> usize`) and not
    /// a closure.
    pub fn keyed_by<P: Serialize, G: Fn(&A) -> P>(self, key: G) -> Memoized<A, R, F, K, Part<G, P>, W> {
        let memoized = self.with(|keep, _| (keep, Part(key, PhantomData)));
        Memoized { counted: type_name::<P>(), ..memoized }
    }

    /// Keeps a result only if `condition` holds for it. Errors are not kept in any case, unless [`Memoized::keep_errors`] says so.
    ///
    /// ```
    /// # let cache = percache::Cache::in_memory();
    /// let lines = cache.wrap("lines", |text: &str| text.lines().count()).keep_if(|count| *count > 0);
    /// assert_eq!(lines.call(""), 0); // computed each time
    /// ```
    pub fn keep_if<P: Fn(&R) -> bool>(self, condition: P) -> Memoized<A, R, F, If<K, P>, Q, W> {
        self.with(|keep, keyed| (If(keep, condition), keyed))
    }

    /// Does not keep `None`.
    pub fn only_some(self) -> Memoized<A, R, F, R::Rule<K>, Q, W>
    where
        R: Optional,
    {
        self.with(|keep, keyed| (R::only_some(keep), keyed))
    }

    /// Keeps errors too, for this long.
    pub fn keep_errors(self, maxage: Duration) -> Memoized<A, R, F, R::Rule, Q, W>
    where
        R: Fallible,
    {
        self.with(|_, keyed| (R::errors_for(maxage), keyed))
    }

    /// The same callable under other rules.
    fn with<K2, Q2, W2>(self, rules: impl FnOnce(K, Q) -> (K2, Q2)) -> Memoized<A, R, F, K2, Q2, W2> {
        let Memoized { cache, function, compute, keep, keyed, wrapped, counted, owns_name, .. } = self;
        let (keep, keyed) = rules(keep, keyed);
        Memoized { cache, function, compute, keep, keyed, wrapped, counted, owns_name, signature: PhantomData }
    }
}
