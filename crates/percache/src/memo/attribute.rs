//! What the expansion of `#[memoize]` calls. Not for use by hand: it may change with any version.

use std::any::type_name;
use std::borrow::Borrow;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::memo::about::{About, Described};
use crate::memo::cache::Cache;
use crate::memo::encoding::EncodingError;
use crate::memo::entry::{FunctionCache, path_beside};
use crate::memo::function::{Function, Key};
use crate::memo::keep::{ErrorsFor, Everything, Keep, OnlyOk};
pub use crate::memo::operation::{Operation, Prepared, valued};
use crate::memo::refresh::Ticket;
use crate::memo::shared::Call;

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

/// Checks the type of a `Result` of which errors are kept for this long.
#[inline]
pub fn errors_for<T: Kept, E: Kept>(time: Duration) -> impl Keep<Result<T, E>> {
    ErrorsFor(time)
}

/// Evaluates an age, which cannot depend on the arguments.
pub fn duration(age: fn() -> Duration) -> Duration {
    age()
}

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

/// What a call finds, and the ticket to refresh it when it is time for that.
pub fn peek<R, K: Keep<R>>(
    cache: &Cache,
    function: &Function,
    path: &'static str,
    key: &Result<Key, EncodingError>,
    keep: &K,
) -> Option<(R, Option<Ticket>)> {
    cache.shared.peek(Call { function, path, key: *key.as_ref().ok()? }, keep)
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
pub fn function_cache(
    cache: &Cache,
    function: &Function,
    path: &'static str,
    beside: &str,
    name: &str,
) -> FunctionCache {
    FunctionCache::new(cache.clone(), path_beside(&function.name(path), beside, name))
}

fn unkeyed(function: &Function, path: &'static str, error: &EncodingError) {
    log::warn!("percache: arguments of {} cannot be told apart: {error}", function.name(path));
}
