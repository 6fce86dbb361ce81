//! What the expansion of `#[memoize]` calls. Not for use by hand: it may change with any version.

use std::any::type_name;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::memo::cache::Cache;
use crate::memo::encoding::EncodingError;
use crate::memo::function::{Function, Key};
use crate::memo::identity::{Package, Place};
pub use crate::memo::keep::If;
use crate::memo::keep::{Keep, NoErrors, SharedErrors, SharedValue};
pub use crate::memo::key_builder::KeyBuilder;
use crate::memo::record::{Kind, Stored};
pub use crate::memo::shape::{Any, Fallible, Optional, Shape};

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

    /// What `keep` does, in a form that needs nothing of the type.
    #[doc(hidden)]
    fn codec(keep: K) -> Codec<Self, K>;
}

#[diagnostic::do_not_recommend]
impl<R, K: Keep<R>> Kept<K> for R {
    #[inline]
    fn call(call: Call<'_, K>, compute: impl FnOnce() -> R) -> R {
        match call.key {
            Ok(key) => call.cache.run(call.function, call.path, key, &call.keep, compute),
            Err(error) => {
                unkeyed(call.function, call.path, &error);
                compute()
            }
        }
    }

    fn codec(keep: K) -> Codec<R, K> {
        Codec { keep, encode: K::encode, decode: K::decode, share: K::share, take_shared: K::take_shared }
    }
}

/// A rule for results of type `R` that is one whatever `R` is: a future's type does not say again what [`Kept`] has said, so that the
/// compiler complains once about a type that cannot be kept.
pub struct Codec<R, K> {
    keep: K,
    encode: EncodeWith<R, K>,
    decode: DecodeWith<R, K>,
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
        Ok(key) => call.cache.run_async(call.function, call.path, key, &call.keep, compute).await,
        Err(error) => {
            unkeyed(call.function, call.path, &error);
            compute.await
        }
    }
}

/// A call of a memoized function.
pub struct Call<'a, K> {
    pub cache: &'a Cache,
    pub function: &'a Function,
    pub path: &'a str,
    pub key: Result<Key, EncodingError>,
    pub keep: K,
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
