//! What is kept beside a result: the summary of the arguments, made only when the result is computed.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;

use crate::memo::cache::Cache;
use crate::memo::kept::keep::{Keep, SharedValue};
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::summary::summary;
use crate::memo::results::record::{Kind, Stored};

/// The place for the summary of one call. It stays empty when the result is found.
#[derive(Default)]
pub struct About(OnceLock<String>);

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("About").field(&self.0.get()).finish()
    }
}

impl About {
    /// Empty.
    #[inline]
    pub const fn new() -> About {
        About(OnceLock::new())
    }

    /// Notes the arguments, unless the cache is not to keep them.
    pub fn note<A: Serialize + ?Sized>(&self, cache: &Cache, arguments: &A) {
        self.note_with(cache, || arguments);
    }

    /// The same for what has to be made first.
    pub fn note_with<A: Serialize>(&self, cache: &Cache, arguments: impl FnOnce() -> A) {
        if cache.shared.describes {
            self.0.get_or_init(|| summary(&arguments()));
        }
    }
}

/// Keeps what `keep` does, and says what the arguments were.
pub struct Described<'a, K> {
    keep: K,
    about: &'a About,
}

impl<'a, K> Described<'a, K> {
    /// With the arguments that `about` will have been told when the result is stored.
    #[inline]
    pub fn new(keep: K, about: &'a About) -> Described<'a, K> {
        Described { keep, about }
    }
}

impl<R, K: Keep<R>> Keep<R> for Described<'_, K> {
    fn encode(&self, value: &R, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        self.keep.encode(value, bytes)
    }

    #[inline]
    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<R>, EncodingError> {
        self.keep.decode(stored, age)
    }

    fn is_error(&self, value: &R) -> bool {
        self.keep.is_error(value)
    }

    fn share(&self, value: &R) -> Option<SharedValue> {
        self.keep.share(value)
    }

    fn take_shared(&self, value: &SharedValue) -> Option<R> {
        self.keep.take_shared(value)
    }

    fn arguments(&self) -> Option<&str> {
        self.about.0.get().map(String::as_str)
    }
}
