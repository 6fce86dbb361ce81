//! What bindings for other languages need beyond [`Cache::begin`]: results that are looked at and not copied, and what
//! is told of a result when it is kept.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::memo::cache::Cache;
use crate::memo::kept::keep::Keep;
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::results::record::{Kind, Stored};
use crate::memo::shared::Call;

/// What is kept beside the bytes of a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// What the arguments were, as text for people; a cache that does not describe arguments leaves it out.
    pub arguments: Option<&'a str>,
    /// Bytes in the result's [attachment](Cache::attachment), which was written before. They count as the result's.
    pub attached: u64,
    /// How long it took to compute, if that is not the time since the duty to compute it was taken.
    pub cost: Option<Duration>,
}

impl Cache {
    /// Has `look` see the bytes under `key` where they lie, if there are any that are young enough for `function`, and
    /// counts that as a hit.
    ///
    /// ```
    /// # use percache::{Cache, Function};
    /// # let cache = Cache::in_memory();
    /// let function = Function::new("double");
    /// let key = function.key(&4).expect("a number can always be a key");
    /// assert_eq!(cache.look(&function, key, <[u8]>::len), None);
    /// cache.put_bytes(&function, key, b"eight").expect("memory takes everything");
    /// assert_eq!(cache.look(&function, key, <[u8]>::len), Some(5));
    /// ```
    pub fn look<T>(&self, function: &Function, key: Key, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let call = Call { function, path: "", key };
        let (_, seen) = self.shared.find(call, &Look(Cell::new(Some(look))))?;
        self.shared.hits.fetch_add(1, Ordering::Relaxed);
        Some(seen)
    }

    /// As [`Cache::look`], without ever waiting for the store: only if the result is in memory.
    pub fn look_in_memory<T>(&self, function: &Function, key: Key, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let call = Call { function, path: "", key };
        let seen = self.shared.find_in_memory(call, &Look(Cell::new(Some(look))))?;
        self.shared.hits.fetch_add(1, Ordering::Relaxed);
        Some(seen)
    }

    /// Keeps `bytes` as the result of `function` under `key`, in place of an older one, with what is told of it.
    pub fn put_told(&self, function: &Function, key: Key, bytes: &[u8], told: Told<'_>) -> Result<(), crate::Error> {
        let told = if self.shared.describes { told } else { Told { arguments: None, ..told } };
        let call = Call { function, path: "", key };
        self.shared.put_at_cost(call, &bytes, &told, told.cost.unwrap_or_default())
    }

    /// Returns the path at which a file can be kept beside the result under `key`; `None` of a cache without a
    /// directory. The file goes when the result goes.
    pub fn attachment(&self, key: Key) -> Option<PathBuf> {
        self.shared.attachments.as_ref().map(|attachments| attachments.path(&key.0))
    }
}

/// Shows the bytes to a closure that is called once.
struct Look<F>(Cell<Option<F>>);

impl<T, F: FnOnce(&[u8]) -> T> Keep<T> for Look<F> {
    /// It only looks.
    fn encode(&self, _: &T, _: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        Ok(None)
    }

    fn decode(&self, stored: Stored<'_>, _: Duration) -> Result<Option<T>, EncodingError> {
        if stored.kind != Kind::Bytes {
            return Ok(None);
        }
        Ok(self.0.take().map(|look| look(stored.value)))
    }
}

impl Keep<&[u8]> for Told<'_> {
    fn encode(&self, value: &&[u8], bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        bytes.extend_from_slice(value);
        Ok(Some(Kind::Bytes))
    }

    /// It only keeps.
    fn decode(&self, _: Stored<'_>, _: Duration) -> Result<Option<&'static [u8]>, EncodingError> {
        Ok(None)
    }

    fn arguments(&self) -> Option<&str> {
        self.arguments
    }

    fn attached(&self) -> u64 {
        self.attached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_result_is_listed_and_the_attachment_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_files(dir.path().join("cache")).unwrap();
        let function = Function::new("f");
        let key = function.key("x").unwrap();
        let path = cache.attachment(key).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, [0; 1000]).unwrap();
        let told = Told { arguments: Some("x=1"), attached: 1000, cost: Some(Duration::from_secs(2)) };
        cache.put_told(&function, key, b"value", told).unwrap();

        let entry = cache.entries().unwrap().remove(0);
        assert_eq!((entry.arguments.as_deref(), entry.cost), (Some("x=1"), Duration::from_secs(2)));
        assert!((1005..1100).contains(&entry.size), "{}", entry.size);
        cache.remove(key).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn memory_alone_is_asked_when_the_store_must_not_be() {
        let dir = tempfile::tempdir().unwrap();
        let function = Function::new("f");
        let key = function.key("x").unwrap();
        let cache = Cache::open_files(dir.path().join("cache")).unwrap();
        cache.put_bytes(&function, key, b"value").unwrap();
        assert_eq!(cache.look_in_memory(&function, key, <[u8]>::len), Some(5));
        cache.close().unwrap();
        let again = Cache::open_files(dir.path().join("cache")).unwrap();
        assert_eq!(again.look_in_memory(&function, key, <[u8]>::len), None);
        assert_eq!(again.look(&function, key, <[u8]>::len), Some(5));
        assert_eq!(again.look_in_memory(&function, key, <[u8]>::len), Some(5));
        assert_eq!(again.stats().unwrap().hits, 2);
    }
}
