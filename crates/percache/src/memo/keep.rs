//! Which part of what a function returns is kept, and for how long.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::encoding::{EncodingError, decode, encode};
use crate::memo::record::{Kind, Stored};

/// A value for those who wait for it, whatever its type.
pub type SharedValue = Arc<Mutex<dyn Any + Send>>;

/// How values of type `R` become records and come back.
pub trait Keep<R> {
    /// Appends the encoding of what is kept of `value`, and says what it is. `None`: nothing is kept.
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError>;

    /// The value of a record, which is `age` old.
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError>;

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

/// As `K` says; and an error that is not kept is given to all who wait for it.
#[derive(Clone, Copy, Debug)]
pub struct SharedErrors<K>(pub K);

impl<T, E: Clone + Send + 'static, K: Keep<Result<T, E>>> Keep<Result<T, E>> for SharedErrors<K> {
    fn encode(&self, value: &Result<T, E>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        self.0.encode(value, bytes)
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Result<T, E>>, EncodingError> {
        self.0.decode(stored, age)
    }

    fn share(&self, value: &Result<T, E>) -> Option<SharedValue> {
        match value {
            Ok(_) => self.0.share(value),
            Err(error) => Some(Arc::new(Mutex::new(error.clone()))),
        }
    }

    fn take_shared(&self, value: &SharedValue) -> Option<Result<T, E>> {
        let inside = value.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.downcast_ref::<E>() {
            Some(error) => Some(Err(error.clone())),
            None => {
                drop(inside);
                self.0.take_shared(value)
            }
        }
    }
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

/// Of a `Result`, only `Ok` is kept.
#[derive(Clone, Copy, Debug)]
pub struct OnlyOk;

impl<T: Serialize + DeserializeOwned, E> Keep<Result<T, E>> for OnlyOk {
    fn encode(&self, value: &Result<T, E>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        match value {
            Ok(value) => encode(value, bytes).map(|()| Some(Kind::Value)),
            Err(_) => Ok(None),
        }
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, _: Duration) -> Result<Option<Result<T, E>>, EncodingError> {
        if stored.kind == Kind::Value { decode(stored.value).map(|value| Some(Ok(value))) } else { Ok(None) }
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
}
