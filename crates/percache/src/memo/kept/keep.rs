//! Which part of what a function returns is kept, and for how long.
//!
//! Errors are not kept unless somebody asks for it ([`ErrorsFor`]). An error is the `Err` of a `Result`, also inside of an `Option`
//! or of another `Result`, whatever the type is called where it is written.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::kept::shape::{Fallible, Optional};
use crate::memo::key::encoding::{EncodingError, decode, encode, is_err};
use crate::memo::results::record::{Kind, Stored};

/// A value for those who wait for it, whatever its type.
pub type SharedValue = Arc<Mutex<dyn Any + Send>>;

/// How values of type `R` become records and come back.
pub trait Keep<R> {
    /// Appends the encoding of what is kept of `value`, and says what it is. `None`: nothing is kept.
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError>;

    /// The value of a record, which is `age` old.
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError>;

    /// The summary of the arguments, if there is one.
    fn arguments(&self) -> Option<&str> {
        None
    }

    /// Bytes that are kept beside the record, in an attachment.
    fn attached(&self) -> u64 {
        0
    }

    /// Whether the value says that something went wrong: of what is not kept, old results stand in for errors only.
    fn is_error(&self, _value: &R) -> bool {
        false
    }

    /// Of what is not kept, what those get who wait for it at this moment: they take it for their own result. `None`:
    /// one after the other computes it again.
    fn share(&self, _value: &R) -> Option<SharedValue> {
        None
    }

    /// What [`Keep::share`] has made, for one of those who waited.
    fn take_shared(&self, _value: &SharedValue) -> Option<R> {
        None
    }
}

impl<R, K: Keep<R>> Keep<R> for &K {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        K::encode(self, value, bytes)
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        K::decode(self, stored, age)
    }

    fn arguments(&self) -> Option<&str> {
        K::arguments(self)
    }

    fn attached(&self) -> u64 {
        K::attached(self)
    }

    fn is_error(&self, value: &R) -> bool {
        K::is_error(self, value)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        K::share(self, value)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        K::take_shared(self, value)
    }
}

/// As `K` says; and an error that is not kept is given to all who wait for it.
#[derive(Clone, Copy, Debug)]
pub struct SharedErrors<K>(pub K);

impl<R: Fallible, K: Keep<R>> Keep<R> for SharedErrors<K>
where
    R::Error: Clone + Send + 'static,
{
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        self.0.encode(value, bytes)
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        self.0.decode(stored, age)
    }

    fn arguments(&self) -> Option<&str> {
        self.0.arguments()
    }

    fn is_error(&self, value: &R) -> bool {
        self.0.is_error(value)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        match value.error() {
            Some(error) => Some(Arc::new(Mutex::new(error.clone()))),
            None => self.0.share(value),
        }
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        let error = inside(value, |error: &R::Error| error.clone());
        error.map(R::failed).or_else(|| self.0.take_shared(value))
    }
}

/// What `look` makes of a shared value of type `V`.
fn inside<V: 'static, L>(value: &SharedValue, look: impl FnOnce(&V) -> L) -> Option<L> {
    value.lock().unwrap_or_else(PoisonError::into_inner).downcast_ref().map(look)
}

/// Everything is kept.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl<R: Serialize + DeserializeOwned> Keep<R> for Everything {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        encode(value, bytes).map(|()| Some(Kind::Value))
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, _: Duration) -> Result<Option<R>, EncodingError> {
        if stored.kind == Kind::Value { decode(stored.value).map(Some) } else { Ok(None) }
    }
}

/// Everything is kept but errors, for values of which it is not known that they are `Result`s: those of generic functions may be.
#[derive(Clone, Copy, Debug)]
pub struct NoErrors;

impl<R: Serialize + DeserializeOwned> Keep<R> for NoErrors {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        let start = bytes.len();
        encode(value, bytes)?;
        Ok(if is_err(&bytes[start..]) { None } else { Some(Kind::Value) })
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        Everything.decode(stored, age)
    }

    fn is_error(&self, value: &R) -> bool {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).is_ok() && is_err(&bytes)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes).ok()?;
        is_err(&bytes).then(|| Arc::new(Mutex::new(EncodedError(bytes))) as SharedValue)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        inside(value, |error: &EncodedError| decode(&error.0).ok())?
    }
}

/// An error for those who wait for it: it can be serialised, and need not be cloned.
struct EncodedError(Vec<u8>);

/// Of a `Result`, only `Ok` is kept: its errors need not be serialisable.
#[derive(Clone, Copy, Debug)]
pub struct OnlyOk;

impl<T: Serialize + DeserializeOwned, E> Keep<Result<T, E>> for OnlyOk {
    fn encode(&self, value: &Result<T, E>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        match value {
            Ok(value) => NoErrors.encode(value, bytes),
            Err(_) => Ok(None),
        }
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Result<T, E>>, EncodingError> {
        let value: Option<T> = Everything.decode(stored, age)?;
        Ok(value.map(Ok))
    }

    fn is_error(&self, value: &Result<T, E>) -> bool {
        value.as_ref().map_or(true, |value| NoErrors.is_error(value))
    }

    fn share(&self, value: &Result<T, E>) -> Option<SharedValue> {
        // What is `Ok` may be an error inside.
        NoErrors.share(value.as_ref().ok()?)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<Result<T, E>> {
        NoErrors.take_shared(value).map(Ok)
    }
}

/// Of a `Result`, `Ok` is kept, and errors for this long.
#[derive(Clone, Copy, Debug)]
pub struct ErrorsFor(pub Duration);

impl<T, E> Keep<Result<T, E>> for ErrorsFor
where
    T: Serialize + DeserializeOwned,
    E: Serialize + DeserializeOwned,
{
    fn encode(&self, value: &Result<T, E>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        match value {
            Ok(value) => encode(value, bytes).map(|()| Some(Kind::Value)),
            Err(error) => encode(error, bytes).map(|()| Some(Kind::Error)),
        }
    }

    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Result<T, E>>, EncodingError> {
        match stored.kind {
            Kind::Value => decode(stored.value).map(|value| Some(Ok(value))),
            Kind::Error if age < self.0 => decode(stored.value).map(|error| Some(Err(error))),
            Kind::Error | Kind::Bytes => Ok(None),
        }
    }

    fn is_error(&self, value: &Result<T, E>) -> bool {
        value.is_err()
    }
}

/// As `K` says, but `None` is not kept.
#[derive(Clone, Copy, Debug)]
pub struct OnlySome<K>(pub K);

impl<R: Optional, K: Keep<R>> Keep<R> for OnlySome<K> {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        if value.is_none() { Ok(None) } else { self.0.encode(value, bytes) }
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        // It may have been kept by a build that kept `None`.
        Ok(self.0.decode(stored, age)?.filter(|value| !value.is_none()))
    }

    fn arguments(&self) -> Option<&str> {
        self.0.arguments()
    }

    fn is_error(&self, value: &R) -> bool {
        self.0.is_error(value)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        self.0.share(value)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        self.0.take_shared(value)
    }
}

/// As `K` says, but only values that `P` accepts.
#[derive(Clone, Copy, Debug)]
pub struct If<K, P>(pub K, pub P);

impl<R, K: Keep<R>, P: Fn(&R) -> bool> Keep<R> for If<K, P> {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        if (self.1)(value) { self.0.encode(value, bytes) } else { Ok(None) }
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        self.0.decode(stored, age)
    }

    fn arguments(&self) -> Option<&str> {
        self.0.arguments()
    }

    fn is_error(&self, value: &R) -> bool {
        self.0.is_error(value)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        self.0.share(value)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        self.0.take_shared(value)
    }
}

#[cfg(test)]
#[path = "keep/tests.rs"]
mod tests;
