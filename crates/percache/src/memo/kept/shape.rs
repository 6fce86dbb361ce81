//! Chooses by the type of a function's results what is kept of them: the type decides, not what it is called where it is written.
//!
//! `Shape::<R>::default().keep()` is the inherent method where `R` is a `Result`, and that of [`Any`] for all other types: the compiler
//! prefers the former. In a generic function whose result is a parameter it cannot know; there, [`NoErrors`] looks at the value.

use std::marker::PhantomData;
use std::time::Duration;

use crate::memo::kept::keep::{ErrorsFor, NoErrors, OnlyOk, OnlySome};

/// The type of a function's results.
pub struct Shape<R>(PhantomData<fn() -> R>);

impl<R> Default for Shape<R> {
    fn default() -> Shape<R> {
        Shape(PhantomData)
    }
}

impl<T, E> Shape<Result<T, E>> {
    /// Of a `Result`, `Ok` is kept.
    pub fn keep(&self) -> OnlyOk {
        OnlyOk
    }
}

impl<T, E> Shape<Option<Result<T, E>>> {
    /// Of an `Option` of a `Result`, `None` and `Ok` are kept.
    pub fn keep(&self) -> OnlyOk {
        OnlyOk
    }
}

/// Types of which nothing special is known.
pub trait Any: Sized {
    /// Everything is kept that does not turn out to be an error.
    fn keep(&self) -> NoErrors {
        NoErrors
    }
}

impl<R> Any for Shape<R> {}

/// Types that may be an error: `Result<T, E>` and `Option<Result<T, E>>`.
#[diagnostic::on_unimplemented(
    message = "`cache_err` is about functions that return a `Result`",
    label = "this is not a `Result`"
)]
pub trait Fallible: Sized {
    /// What is wrong.
    type Error;
    /// The error, if this is one.
    fn error(&self) -> Option<&Self::Error>;
    /// This error.
    fn failed(error: Self::Error) -> Self;
    /// The rule that keeps errors for a time.
    type Rule;
    /// Keeps errors for this long.
    fn errors_for(maxage: Duration) -> Self::Rule;
}

impl<T, E> Fallible for Result<T, E> {
    type Error = E;
    fn error(&self) -> Option<&E> {
        self.as_ref().err()
    }
    fn failed(error: E) -> Self {
        Err(error)
    }
    type Rule = ErrorsFor;
    fn errors_for(maxage: Duration) -> ErrorsFor {
        ErrorsFor(maxage)
    }
}

impl<T, E> Fallible for Option<Result<T, E>> {
    type Error = E;
    fn error(&self) -> Option<&E> {
        self.as_ref()?.as_ref().err()
    }
    fn failed(error: E) -> Self {
        Some(Err(error))
    }
    type Rule = ErrorsFor;
    fn errors_for(maxage: Duration) -> ErrorsFor {
        ErrorsFor(maxage)
    }
}

/// Types that may be nothing: `Option<T>` and `Result<Option<T>, E>`.
#[diagnostic::on_unimplemented(
    message = "`keep_none` is about functions that return an `Option`",
    label = "this is not an `Option`"
)]
pub trait Optional: Sized {
    /// The rule that keeps nothing but `Some` of what `K` keeps.
    type Rule<K>;
    /// Leaves `None` out.
    fn only_some<K>(keep: K) -> Self::Rule<K>;
    /// Whether this is `None`.
    fn is_none(&self) -> bool;
}

impl<T> Optional for Option<T> {
    type Rule<K> = OnlySome<K>;
    fn only_some<K>(keep: K) -> OnlySome<K> {
        OnlySome(keep)
    }
    fn is_none(&self) -> bool {
        self.is_none()
    }
}

impl<T, E> Optional for Result<Option<T>, E> {
    type Rule<K> = OnlySome<K>;
    fn only_some<K>(keep: K) -> OnlySome<K> {
        OnlySome(keep)
    }
    fn is_none(&self) -> bool {
        matches!(self, Ok(None))
    }
}
