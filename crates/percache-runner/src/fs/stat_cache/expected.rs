//! Outputs that are inputs without being in the tree: they were left on the remote, and their content is known.
//!
//! Only whoever looks at inputs asks here. Whoever changes the tree, or looks at what a command has made, sees what is
//! there.

use std::io;

use super::look::Change;
use super::{FileState, Observer};
use crate::fs::links::parent;

impl Observer<'_> {
    /// Returns the current state of `path` as an input.
    pub fn observe_input(&self, path: &[u8]) -> io::Result<FileState> {
        let expected = self.expected.get().and_then(|expected| expected.get(path).cloned());
        expected.map_or_else(|| self.observe(path), Ok)
    }

    /// From now on takes the path for an input in this state, although nothing is there.
    pub fn expect(&self, path: &[u8], state: FileState) {
        self.note(path, None);
        let mut expected = self.expected.get_mut();
        expected.insert(path.to_vec(), state);
        let mut above = parent(path);
        while !above.is_empty() && !expected.contains_key(above) && matches!(self.stamp(above), Ok(None)) {
            expected.insert(above.to_vec(), FileState::Directory);
            above = parent(above);
        }
    }

    /// Takes the path for what it is again, because its output has come. If that is not what was expected, whatever rests
    /// on the path has to be judged again by the next build.
    pub fn arrived(&self, path: &[u8]) {
        let Some(state) = self.expected.get().and_then(|expected| expected.get(path).cloned()) else { return };
        if !self.observe(path).is_ok_and(|now| now == state) {
            self.looks.set(path, Change::Contradict);
        }
        self.expected.get_mut().remove(path);
    }

    /// Returns the files that are inputs without being in the tree: those that are expected, and in a dry run those that
    /// are claimed to exist.
    pub fn unseen_inputs(&self) -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        for states in [&self.expected, &self.pretended] {
            let Some(states) = states.get() else { continue };
            let is_file = |state: &FileState| !matches!(state, FileState::Absent | FileState::Directory);
            files.extend(states.iter().filter(|(_, state)| is_file(state)).map(|(path, _)| path.clone()));
        }
        files
    }

    /// Returns whether nothing but directories is on the way to the path, as far as anything is there.
    pub fn is_reached_plainly(&self, path: &[u8]) -> bool {
        self.is_plain(parent(path))
    }
}
