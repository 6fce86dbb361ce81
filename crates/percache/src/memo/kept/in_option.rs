//! Rules for a `Result`, applied to an `Option` of one: `None` is kept.

use std::time::Duration;

use crate::memo::kept::keep::{ErrorsFor, Keep, OnlyOk, SharedValue};
use crate::memo::key::encoding::EncodingError;
use crate::memo::results::record::{Kind, Stored};

/// Applies a rule for a `Result` to an `Option` of it. One implementation for all rules would overlap with that for references to rules.
macro_rules! in_option {
    ($rule:ty) => {
        impl<T, E> Keep<Option<Result<T, E>>> for $rule
        where
            $rule: Keep<Result<T, E>>,
        {
            fn encode(&self, value: &Option<Result<T, E>>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
                bytes.push(if value.is_some() { SOME } else { NONE });
                match value {
                    Some(value) => self.encode(value, bytes),
                    None => Ok(Some(Kind::Value)),
                }
            }

            fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Option<Result<T, E>>>, EncodingError> {
                match stored.value.split_first() {
                    Some((&NONE, _)) => Ok(Some(None)),
                    Some((_, value)) => {
                        Ok(Keep::<Result<T, E>>::decode(self, Stored { value, ..stored }, age)?.map(Some))
                    }
                    None => Ok(None),
                }
            }

            fn is_error(&self, value: &Option<Result<T, E>>) -> bool {
                value.as_ref().is_some_and(|value| self.is_error(value))
            }

            fn share(&self, value: &Option<Result<T, E>>) -> Option<SharedValue> {
                self.share(value.as_ref()?)
            }

            fn take_shared(&self, value: &SharedValue) -> Option<Option<Result<T, E>>> {
                self.take_shared(value).map(Some)
            }
        }
    };
}

in_option!(OnlyOk);
in_option!(ErrorsFor);

/// The byte before the value: the error may be of a type that cannot be encoded, so the whole is not.
const NONE: u8 = 0;
const SOME: u8 = 1;
