//! Contents that were added a moment ago and are about to be read: what came from a remote, and is restored next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::layout::CHUNKED_ABOVE;
use crate::store::record::Content;

/// What they may take of the memory.
const ROOM: usize = 32 << 20;

/// Contents in memory, each until it is read.
#[derive(Default)]
pub(super) struct Fresh {
    /// Whether there was ever one: most processes fetch nothing.
    is_used: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    contents: HashMap<Content, Box<[u8]>>,
    bytes: usize,
}

impl Fresh {
    /// Keeps a content, which `bytes` are, while there is room.
    pub fn put(&self, content: Content, bytes: &[u8]) {
        if bytes.is_empty() || bytes.len() as u64 > CHUNKED_ABOVE {
            return;
        }
        let mut kept = self.kept();
        if kept.bytes + bytes.len() <= ROOM && kept.contents.insert(content, bytes.into()).is_none() {
            kept.bytes += bytes.len();
        }
        self.is_used.store(true, Ordering::Release);
    }

    /// Takes a content out, if it is there.
    pub fn take(&self, content: &Content) -> Option<Box<[u8]>> {
        if !self.is_used.load(Ordering::Acquire) {
            return None;
        }
        let mut kept = self.kept();
        let bytes = kept.contents.remove(content)?;
        kept.bytes -= bytes.len();
        Some(bytes)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    fn content(bytes: &[u8]) -> Content {
        Content { digest: Digest::of(bytes), length: bytes.len() as u64 }
    }

    #[test]
    fn a_content_is_there_once() {
        let fresh = Fresh::default();
        assert_eq!(fresh.take(&content(b"a")), None);
        fresh.put(content(b"a"), b"a");
        fresh.put(content(b"a"), b"a");
        assert_eq!(fresh.take(&content(b"a")).as_deref(), Some(&b"a"[..]));
        assert_eq!((fresh.take(&content(b"a")), fresh.kept().bytes), (None, 0));
    }

    #[test]
    fn there_is_room_for_so_much_and_again_when_it_was_read() {
        let fresh = Fresh::default();
        let all: Vec<_> = (0..ROOM >> 19).map(|at| vec![at as u8; 1 << 19]).collect();
        assert!(all[0].len() as u64 <= CHUNKED_ABOVE);
        all.iter().for_each(|bytes| fresh.put(content(bytes), bytes));
        fresh.put(content(b"more"), b"more");
        assert_eq!(fresh.take(&content(b"more")), None);
        assert!(fresh.take(&content(&all[0])).is_some());
        fresh.put(content(b"more"), b"more");
        assert!(fresh.take(&content(b"more")).is_some());
    }
}
