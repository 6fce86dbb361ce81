//! Which part of what a function returns is kept, and for how long.
//!
//! Errors are not kept unless somebody asks for it ([`ErrorsFor`]). An error is the `Err` of a `Result`, also inside of an `Option`
//! or of another `Result`, whatever the type is called where it is written.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memo::encoding::{EncodingError, decode, encode, is_err};
use crate::memo::record::{Kind, Stored};
use crate::memo::shape::Optional;

/// How values of type `R` become records and come back.
pub trait Keep<R> {
    /// Appends the encoding of what is kept of `value`, and says what it is. `None`: nothing is kept.
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError>;

    /// The value of a record, which is `age` old.
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError>;
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
}

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
}

impl<T: Serialize + DeserializeOwned, E> Keep<Option<Result<T, E>>> for OnlyOk {
    fn encode(&self, value: &Option<Result<T, E>>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        match value {
            Some(value) => self.encode(value, mark(bytes, SOME)),
            None => Ok(none(bytes)),
        }
    }

    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Option<Result<T, E>>>, EncodingError> {
        match unmark(stored) {
            Some((NONE, _)) => Ok(Some(None)),
            Some((_, stored)) => Ok(Keep::<Result<T, E>>::decode(self, stored, age)?.map(Some)),
            None => Ok(None),
        }
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

impl<T, E> Keep<Option<Result<T, E>>> for ErrorsFor
where
    T: Serialize + DeserializeOwned,
    E: Serialize + DeserializeOwned,
{
    fn encode(&self, value: &Option<Result<T, E>>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        match value {
            Some(value) => self.encode(value, mark(bytes, SOME)),
            None => Ok(none(bytes)),
        }
    }

    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Option<Result<T, E>>>, EncodingError> {
        match unmark(stored) {
            Some((NONE, _)) => Ok(Some(None)),
            Some((_, stored)) => Ok(Keep::<Result<T, E>>::decode(self, stored, age)?.map(Some)),
            None => Ok(None),
        }
    }
}

/// The byte before the value of an `Option<Result>`, whose error may be of a type that cannot be encoded.
const NONE: u8 = 0;
const SOME: u8 = 1;

fn mark(bytes: &mut Vec<u8>, mark: u8) -> &mut Vec<u8> {
    bytes.push(mark);
    bytes
}

fn none(bytes: &mut Vec<u8>) -> Option<Kind> {
    mark(bytes, NONE);
    Some(Kind::Value)
}

fn unmark(stored: Stored<'_>) -> Option<(u8, Stored<'_>)> {
    let (mark, value) = stored.value.split_first()?;
    Some((*mark, Stored { value, ..stored }))
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept<R, K: Keep<R>>(keep: &K, value: &R) -> Option<(Kind, Vec<u8>)> {
        let mut bytes = Vec::new();
        let kind = keep.encode(value, &mut bytes).unwrap()?;
        Some((kind, bytes))
    }

    fn back<R, K: Keep<R>>(keep: &K, value: R, age: u64) -> Option<R> {
        let (kind, value) = kept(keep, &value)?;
        keep.decode(Stored { kind, created: 0, value: &value }, Duration::from_secs(age)).unwrap()
    }

    #[test]
    fn an_error_is_known_by_its_encoding_wherever_it_hides() {
        type R = Result<u8, String>;
        let error = || -> R { Err("x".into()) };
        assert_eq!(back(&NoErrors, R::Ok(1), 0), Some(Ok(1)));
        assert_eq!(back(&NoErrors, error(), 0), None);
        assert_eq!(back(&NoErrors, Some(error()), 0), None);
        assert_eq!(back(&NoErrors, Some(Some(error())), 0), None);
        assert_eq!(back(&NoErrors, Ok::<R, u8>(error()), 0), None);
        assert_eq!(back(&NoErrors, Some(R::Ok(1)), 0), Some(Some(Ok(1))));
        assert_eq!(back(&NoErrors, vec![error()], 0), Some(vec![error()]), "a list of results is data");
        assert_eq!(back(&Everything, error(), 0), Some(error()));
    }

    #[test]
    fn of_a_result_only_ok_is_kept_also_in_an_option() {
        struct Opaque;
        type R = Result<u8, Opaque>;
        assert!(matches!(back(&OnlyOk, R::Ok(1), 0), Some(Ok(1))));
        assert!(back(&OnlyOk, R::Err(Opaque), 0).is_none());
        assert!(matches!(back(&OnlyOk, Some(R::Ok(1)), 0), Some(Some(Ok(1)))));
        assert!(matches!(back(&OnlyOk, None::<R>, 0), Some(None)));
        assert!(back(&OnlyOk, Some(R::Err(Opaque)), 0).is_none());
        assert!(back(&OnlyOk, Ok::<_, Opaque>(Err::<u8, u8>(1)), 0).is_none());
    }

    #[test]
    fn errors_are_kept_for_a_time() {
        type R = Result<u8, u8>;
        let keep = ErrorsFor(Duration::from_secs(30));
        for age in [29, 30] {
            assert_eq!(back(&keep, R::Err(1), age), (age < 30).then_some(Err(1)));
            assert_eq!(back(&keep, Some(R::Err(1)), age), (age < 30).then_some(Some(Err(1))));
            assert_eq!(back(&keep, Some(R::Ok(1)), age), Some(Some(Ok(1))));
            assert_eq!(back(&keep, None::<R>, age), Some(None));
        }
    }

    #[test]
    fn none_is_left_out_if_asked() {
        assert_eq!(back(&OnlySome(NoErrors), None::<u8>, 0), None);
        assert_eq!(back(&OnlySome(NoErrors), Some(1u8), 0), Some(Some(1)));
        assert_eq!(back(&OnlySome(OnlyOk), Ok::<_, u8>(None::<u8>), 0), None);
        assert_eq!(back(&OnlySome(OnlyOk), Ok::<_, u8>(Some(1u8)), 0), Some(Ok(Some(1))));
        let (kind, value) = kept(&NoErrors, &None::<u8>).unwrap();
        let stored = Stored { kind, created: 0, value: &value };
        assert_eq!(Keep::<Option<u8>>::decode(&OnlySome(NoErrors), stored, Duration::ZERO), Ok(None));
    }

    #[test]
    fn a_condition_comes_on_top_of_what_is_kept_anyway() {
        let even = If(NoErrors, |n: &u8| n.is_multiple_of(2));
        assert_eq!((back(&even, 1, 0), back(&even, 2, 0)), (None, Some(2)));
        let all = If(OnlyOk, |_: &Result<u8, u8>| true);
        assert_eq!((back(&all, Ok(1), 0), back(&all, Err(1), 0)), (Some(Ok(1)), None));
    }
}
