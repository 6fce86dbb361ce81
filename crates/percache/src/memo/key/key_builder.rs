//! The key of a call in the making: one argument after the other is encoded and hashed.

use serde::Serialize;

use crate::base::codec::Sink;
use crate::base::digest::{Digest, Hasher};
use crate::memo::key::encoding::{EncodingError, begin_tuple, encode_key, end_tuple};
use crate::memo::key::function::Key;

const BUFFER: usize = 256;

/// A key in the making. What cannot be encoded is reported at the end.
pub struct KeyBuilder {
    bytes: Buffered,
    error: Option<EncodingError>,
}

impl KeyBuilder {
    /// A key that goes on from what this hasher has seen.
    #[inline]
    pub(crate) fn new(hasher: Hasher) -> KeyBuilder {
        KeyBuilder { bytes: Buffered { hasher, buffer: [0; BUFFER], length: 0 }, error: None }
    }

    /// Says that what is added next are the arguments of a list; [`KeyBuilder::end_list`] ends it.
    #[inline]
    pub(crate) fn begin_list(&mut self) {
        begin_tuple(&mut self.bytes);
    }

    #[inline]
    pub(crate) fn end_list(&mut self) {
        end_tuple(&mut self.bytes);
    }

    /// Adds an argument.
    #[inline]
    pub(crate) fn add<A: Serialize + ?Sized>(&mut self, argument: &A) {
        if let Err(error) = encode_key(argument, &mut self.bytes) {
            self.error.get_or_insert(error);
        }
    }

    /// Ends the key. By reference: the buffer is larger than most keys, and moving it takes as long as hashing one.
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<Key, EncodingError> {
        match self.error.take() {
            None => Ok(Key(self.bytes.finish())),
            Some(error) => Err(error),
        }
    }
}

/// An encoding consists of many small pieces; the hasher takes larger ones better.
struct Buffered {
    hasher: Hasher,
    buffer: [u8; BUFFER],
    length: usize,
}

impl Buffered {
    #[inline]
    fn finish(&mut self) -> Digest {
        self.hasher.update(&self.buffer[..self.length]);
        std::mem::replace(&mut self.hasher, Hasher::new()).finish()
    }
}

impl Sink for Buffered {
    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        if self.length + bytes.len() > BUFFER {
            self.hasher.update(&self.buffer[..self.length]);
            self.length = 0;
            if bytes.len() > BUFFER {
                return self.hasher.update(bytes);
            }
        }
        self.buffer[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}
