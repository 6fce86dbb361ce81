//! What was streamed of what a command writes, to be compared with what its result says.

use std::sync::Mutex;

use super::lock;
use crate::digest::{Blob, Hasher};

/// What was streamed of what a command writes.
#[derive(Default)]
pub(super) struct Live([Mutex<(Hasher, u64)>; 2]);

impl Live {
    /// Takes what came.
    pub fn add(&self, stderr: bool, bytes: &[u8]) {
        let mut state = lock(&self.0[usize::from(stderr)]);
        state.0.update(bytes);
        state.1 += bytes.len() as u64;
    }

    fn streamed(&self, stderr: bool) -> Blob {
        let state = lock(&self.0[usize::from(stderr)]);
        Blob { digest: state.0.clone().finish(), length: state.1 }
    }

    /// Returns whether all of it was streamed.
    pub fn is(&self, out: &Blob, err: &Blob) -> bool {
        self.streamed(false) == *out && self.streamed(true) == *err
    }

    /// Returns whether nothing was streamed.
    pub fn is_silent(&self) -> bool {
        self.streamed(false).length + self.streamed(true).length == 0
    }
}
