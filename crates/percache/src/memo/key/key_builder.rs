//! The key of a call in the making: one argument after the other is encoded and hashed.

use serde::Serialize;

use crate::base::block_hasher::{BlockHasher, BlockState};
use crate::memo::key::encoding::{EncodingError, begin_tuple, encode_key, end_tuple};
use crate::memo::key::function::Key;

/// A key in the making. What cannot be encoded is reported at the end.
pub struct KeyBuilder {
    bytes: BlockHasher,
    error: Option<EncodingError>,
}

impl KeyBuilder {
    /// A key that goes on from there.
    #[inline]
    pub(crate) fn new(start: BlockState) -> KeyBuilder {
        KeyBuilder { bytes: BlockHasher::new(start), error: None }
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

    /// Ends the key.
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<Key, EncodingError> {
        match self.error.take() {
            None => Ok(Key(self.bytes.finish())),
            Some(error) => Err(error),
        }
    }
}
