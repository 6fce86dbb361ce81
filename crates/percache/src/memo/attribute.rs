//! What the expansion of `#[memoize]` calls. Not for use by hand: it may change with any version.

use std::any::type_name;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::cache::Cache;
use crate::memo::encoding::EncodingError;
use crate::memo::function::{Function, Key};
use crate::memo::keep::{ErrorsFor, Everything, Keep, OnlyOk, SharedErrors};

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

/// What can be an argument: everything that can be serialised.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell one call of a memoized function from another",
    label = "this is not `Serialize`",
    note = "derive `serde::Serialize` for it, leave it out with `skip(…)`, or say what counts with `key = …`"
)]
pub trait Argument: Serialize {}

#[diagnostic::do_not_recommend]
impl<A: Serialize + ?Sized> Argument for A {}

/// What can be kept: everything that can be serialised and comes back without borrowing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as the result of a memoized function",
    label = "this is not both `Serialize` and `DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Kept: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<R: Serialize + DeserializeOwned> Kept for R {}

/// Checks the type of an argument. What comes back can be serialised in any case, so that the compiler complains once.
#[inline]
pub fn argument<A: Argument + ?Sized>(argument: &A) -> impl Serialize {
    argument
}

/// Checks the type of a result that is kept whole.
#[inline]
pub fn everything<R: Kept>() -> impl Keep<R> {
    Everything
}

/// Checks the type of a `Result` of which `Ok` is kept.
#[inline]
pub fn only_ok<T: Kept, E>() -> impl Keep<Result<T, E>> {
    OnlyOk
}

/// Checks the type of a `Result` of which errors are kept for `seconds`.
#[inline]
pub fn errors_for<T: Kept, E: Kept>(seconds: u64) -> impl Keep<Result<T, E>> {
    ErrorsFor(Duration::from_secs(seconds))
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

impl<T, E: Clone + Send + 'static> ByClone for Returned<Result<T, E>> {}

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

/// A call of a memoized function.
#[inline]
pub fn call<R, K: Keep<R>>(
    cache: &Cache,
    function: &Function,
    path: &'static str,
    key: Result<Key, EncodingError>,
    keep: K,
    compute: impl FnOnce() -> R,
) -> R {
    match key {
        Ok(key) => cache.run(function, path, key, &keep, compute),
        Err(error) => {
            unkeyed(function, path, &error);
            compute()
        }
    }
}

/// A call of a memoized `async fn`.
pub async fn call_async<R, K: Keep<R>, C: Future<Output = R>>(
    cache: &Cache,
    function: &Function,
    path: &'static str,
    key: Result<Key, EncodingError>,
    keep: K,
    compute: C,
) -> R {
    match key {
        Ok(key) => cache.run_async(function, path, key, &keep, compute).await,
        Err(error) => {
            unkeyed(function, path, &error);
            compute.await
        }
    }
}

fn unkeyed(function: &Function, path: &'static str, error: &EncodingError) {
    log::warn!("percache: arguments of {} cannot be told apart: {error}", function.name(path));
}
