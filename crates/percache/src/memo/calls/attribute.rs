//! What the expansion of `#[memoize]` calls. Not for use by hand: it may change with any version.

use std::any::type_name;
use std::borrow::Borrow;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

pub use crate::base::fork::PerProcess;
use crate::memo::cache::Cache;
use crate::memo::calls::entry::{FunctionCache, path_beside};
use crate::memo::calls::operation::Prepared;
pub use crate::memo::calls::operation::{Operation, valued};
use crate::memo::calls::refresh::Ticket;
pub use crate::memo::default::cache_of_no_name;
pub use crate::memo::kept::keep::If;
use crate::memo::kept::keep::{Keep, NoErrors, SharedErrors, SharedValue};
pub use crate::memo::kept::shape::{Any, Fallible, Optional, Shape};
pub use crate::memo::key::about::About;
use crate::memo::key::about::Described;
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::key::identity::{Package, Place};
pub use crate::memo::key::key_builder::KeyBuilder;
use crate::memo::results::record::{Kind, Stored};
use crate::memo::shared;

/// The path of the function in which the closure stands: with its type and all generics, which is what the type of a closure is named by.
#[inline]
pub fn path_of<F: Fn()>(_: &F) -> &'static str {
    type_name::<F>()
}

/// Of that path, the part that names types.
#[inline]
pub fn types_of<F: Fn()>(_: &F) -> &'static str {
    let path = type_name::<F>();
    match (path.find('<'), path.rfind('>')) {
        (Some(first), Some(last)) => &path[first..=last],
        _ => "",
    }
}

/// What can be an argument of a memoized function: everything that can be serialised.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell one call of a memoized function from another",
    label = "this is not `Serialize`",
    note = "derive `serde::Serialize` for it, leave it out with `skip(…)`, or say what counts with `key = …`"
)]
pub trait Argument {
    /// Adds the argument to the key of a call.
    #[doc(hidden)]
    fn add_to(&self, key: &mut KeyBuilder);
}

#[diagnostic::do_not_recommend]
impl<A: Serialize + ?Sized> Argument for A {
    #[inline]
    fn add_to(&self, key: &mut KeyBuilder) {
        key.add(self);
    }
}

/// What can be the result of a memoized function: everything that can be serialised and comes back without borrowing. Of a `Result`,
/// that need not hold for the error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as the result of a memoized function",
    label = "this, or what is in it, is not both `Serialize` and `DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it and for what is in it"
)]
pub trait Kept<K = NoErrors>: Sized {
    /// The result of a call, found or computed.
    #[doc(hidden)]
    fn call(call: Call<'_, K>, compute: impl FnOnce() -> Self) -> Self;

    /// What a call gives that was told what to do.
    #[doc(hidden)]
    fn operate(call: Call<'_, K>, operation: &Operation, compute: impl FnOnce() -> Self) -> Option<Self>;

    /// What a call finds, and the ticket to refresh it when it is time for that.
    #[doc(hidden)]
    fn peek(call: &Call<'_, K>) -> Option<(Self, Option<Ticket>)>;

    /// What `keep` does, in a form that needs nothing of the type.
    #[doc(hidden)]
    fn codec(keep: K) -> Codec<Self, K>;
}

#[diagnostic::do_not_recommend]
impl<R, K: Keep<R>> Kept<K> for R {
    #[inline]
    fn call(call: Call<'_, K>, compute: impl FnOnce() -> R) -> R {
        match call.key {
            Ok(key) => {
                let keep = Described::new(call.keep, call.about);
                call.cache.run(call.function, call.path, key, &keep, compute)
            }
            Err(error) => {
                unkeyed(call.function, call.path, &error);
                compute()
            }
        }
    }

    fn operate(call: Call<'_, K>, operation: &Operation, compute: impl FnOnce() -> R) -> Option<R> {
        call.prepared().operate(operation, compute)
    }

    fn peek(call: &Call<'_, K>) -> Option<(R, Option<Ticket>)> {
        let key = *call.key.as_ref().ok()?;
        call.cache.shared.peek(shared::Call { function: call.function, path: call.path, key }, &call.keep)
    }

    fn codec(keep: K) -> Codec<R, K> {
        Codec {
            keep,
            encode: K::encode,
            decode: K::decode,
            is_error: K::is_error,
            share: K::share,
            take_shared: K::take_shared,
        }
    }
}

/// A rule for results of type `R` that is one whatever `R` is: a future's type does not say again what [`Kept`] has said, so that the
/// compiler complains once about a type that cannot be kept.
pub struct Codec<R, K> {
    keep: K,
    encode: EncodeWith<R, K>,
    decode: DecodeWith<R, K>,
    is_error: fn(&K, &R) -> bool,
    share: fn(&K, &R) -> Option<SharedValue>,
    take_shared: fn(&K, &SharedValue) -> Option<R>,
}

type EncodeWith<R, K> = fn(&K, &R, &mut Vec<u8>) -> Result<Option<Kind>, EncodingError>;
type DecodeWith<R, K> = fn(&K, Stored<'_>, Duration) -> Result<Option<R>, EncodingError>;

impl<R, K> Keep<R> for Codec<R, K> {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        (self.encode)(&self.keep, value, bytes)
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        (self.decode)(&self.keep, stored, age)
    }

    fn is_error(&self, value: &R) -> bool {
        (self.is_error)(&self.keep, value)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        (self.share)(&self.keep, value)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        (self.take_shared)(&self.keep, value)
    }
}

/// What a memoized function returns. Which of [`ByClone`] and [`AsItIs`] applies is found by the compiler where the
/// type is known: it tries them in this order.
#[derive(Clone, Copy, Debug)]
pub struct Returned<R>(PhantomData<fn() -> R>);

impl<R> Returned<R> {
    /// Of this type.
    #[inline]
    pub fn new() -> Returned<R> {
        Returned(PhantomData)
    }
}

impl<R> Default for Returned<R> {
    fn default() -> Returned<R> {
        Returned::new()
    }
}

/// Errors that can be cloned are given to all who wait.
pub trait ByClone {
    /// With that rule.
    #[inline]
    fn keep<K>(self, keep: K) -> SharedErrors<K>
    where
        Self: Sized,
    {
        SharedErrors(keep)
    }
}

impl<R: Fallible> ByClone for Returned<R> where R::Error: Clone + Send + 'static {}

/// Everything else stays as it is.
pub trait AsItIs {
    /// The same.
    #[inline]
    fn keep<K>(self, keep: K) -> K
    where
        Self: Sized,
    {
        keep
    }
}

impl<R> AsItIs for &Returned<R> {}

/// The result of a call of a memoized `async fn`, found or computed.
pub async fn call_async<R, K>(call: Call<'_, Codec<R, K>>, compute: impl Future<Output = R>) -> R {
    match call.key {
        Ok(key) => {
            let keep = Described::new(call.keep, call.about);
            call.cache.run_async(call.function, call.path, key, &keep, compute).await
        }
        Err(error) => {
            unkeyed(call.function, call.path, &error);
            compute.await
        }
    }
}

/// What a call of a memoized `async fn` gives that was told what to do.
pub async fn operate_async<R, K>(
    call: Call<'_, Codec<R, K>>,
    operation: Operation,
    compute: impl Future<Output = R>,
) -> Option<R> {
    call.prepared().operate_async(operation, compute).await
}

/// A call of a memoized function.
pub struct Call<'a, K> {
    /// Where its result is kept.
    pub cache: &'a Cache,
    /// The function.
    pub function: &'a Function,
    /// The path of the function, with its types.
    pub path: &'a str,
    /// What its result is kept under; an error if its arguments cannot be told apart.
    pub key: Result<Key, EncodingError>,
    /// Which part of its result is kept.
    pub keep: K,
    /// Where the body notes what its arguments are.
    pub about: &'a About,
}

impl<'a, K> Call<'a, K> {
    fn prepared(self) -> Prepared<'a, Described<'a, K>> {
        let keep = Described::new(self.keep, self.about);
        Prepared { cache: self.cache, function: self.function, path: self.path, key: self.key, keep }
    }
}

/// An argument on its way into the summary. If it cannot be serialised, the compiler has said so already, where the key is made; so `shown`
/// is the method of whichever of the two traits fits, the first if both do.
#[derive(Debug)]
pub struct Shown<'a, A: ?Sized>(pub &'a A);

/// Shows what can be serialised.
pub trait ShowSerialized {
    /// As what.
    type Output: Serialize;
    /// Shows it.
    fn shown(&self) -> Self::Output;
}

impl<'a, A: Serialize + ?Sized> ShowSerialized for Shown<'a, A> {
    type Output = &'a A;

    fn shown(&self) -> &'a A {
        self.0
    }
}

/// Shows nothing.
pub trait ShowNothing {
    /// Shows nothing.
    fn shown(&self) {}
}

impl<A: ?Sized> ShowNothing for &Shown<'_, A> {}

/// Evaluates an age, which cannot depend on the arguments.
pub fn duration(age: fn() -> Duration) -> Duration {
    age()
}

/// Makes what is borrowed an argument for later.
pub fn owned<T: ToOwned + ?Sized>(argument: &T) -> T::Owned {
    argument.to_owned()
}

/// Lends an argument that was made by [`owned`].
pub fn lent<T: ToOwned + ?Sized>(argument: &T::Owned) -> &T {
    argument.borrow()
}

/// All results of the function `name`, as the function `beside` it knows it.
pub fn function_cache(cache: &Cache, function: &Function, path: &str, beside: &str, name: &str) -> FunctionCache {
    FunctionCache::new(cache.clone(), path_beside(&function.name(path), beside, name), function.origin())
}

/// The package of this name, version and directory, as far as they count. Other build systems than cargo may not know them.
pub const fn package(
    name: Option<&'static str>,
    version: Option<Option<&'static str>>,
    directory: Option<Option<&'static str>>,
) -> Package {
    const fn known(text: Option<&'static str>) -> &'static str {
        match text {
            Some(text) => text,
            None => "",
        }
    }
    let mut package = Package::named(known(name));
    if let Some(version) = version {
        package = package.version(known(version));
    }
    if let Some(directory) = directory {
        package = package.directory(known(directory));
    }
    package
}

/// The place of a function.
#[inline]
pub fn placed(function: Function, program: Option<&'static str>, folder: &'static str, ordinal: u32) -> Function {
    function.place(Place { program, folder, ordinal })
}

/// The key of a call, to which `add` adds the arguments.
#[inline]
pub fn key(function: &Function, path: &str, add: impl FnOnce(&mut KeyBuilder)) -> Result<Key, EncodingError> {
    function.key_with(path, add)
}

/// Says that arguments of a list follow.
#[inline]
pub fn begin_list(key: &mut KeyBuilder) {
    key.begin_list();
}

/// Says that the list ends.
#[inline]
pub fn end_list(key: &mut KeyBuilder) {
    key.end_list();
}

/// A reference to a cache that borrows nothing from the arguments of a function which changes some of them.
#[inline]
pub fn own(cache: &Cache) -> Cache {
    cache.clone()
}

fn unkeyed(function: &Function, path: &str, error: &EncodingError) {
    log::warn!("percache: arguments of {} cannot be told apart: {error}", function.name(path));
}
