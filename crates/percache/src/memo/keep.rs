//! Which part of what a function returns is kept, and for how long.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::encoding::{EncodingError, decode, encode};
use crate::memo::record::{Kind, Stored};

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
}

impl<R, K: Keep<R> + ?Sized> Keep<R> for &K {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        (**self).encode(value, bytes)
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        (**self).decode(stored, age)
    }

    fn arguments(&self) -> Option<&str> {
        (**self).arguments()
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
            Kind::Error => Ok(None),
        }
    }
}
