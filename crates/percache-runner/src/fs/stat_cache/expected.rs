//! Outputs that are inputs without being in the tree: they were left on the remote, and their content is known.
//!
//! Only whoever looks at inputs asks here. Whoever changes the tree, or looks at what a command has made, sees what is
//! there.

use std::io;

use super::look::Change;
use super::{FileState, Observer};
use crate::fs::links::parent;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

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

    /// Takes the path for what it is again, because its output has come. If that is not what was expected, whatever
    /// rests on the path has to be judged again by the next build.
    pub fn arrived(&self, path: &[u8]) {
        let Some(state) = self.expected.get().and_then(|expected| expected.get(path).cloned()) else { return };
        if !self.observe(path).is_ok_and(|now| now == state) {
            self.looks.set(path, Change::Contradict);
        }
        self.expected.get_mut().remove(path);
    }

    /// Returns the files that these patterns match and that are inputs without being in the tree: those that are
    /// expected, and in a dry run those that are claimed to exist. Some may be named twice.
    pub fn unseen_inputs(&self, patterns: &PatternSet) -> Vec<RelPath> {
        let mut files = Vec::new();
        for states in [&self.expected, &self.pretended] {
            let Some(states) = states.get() else { continue };
            let is_file = |state: &FileState| !matches!(state, FileState::Absent | FileState::Directory);
            for root in patterns.roots() {
                let alike = states.range(root.as_bytes().to_vec()..);
                let alike = alike.take_while(|(path, _)| path.starts_with(root.as_bytes()));
                let paths = alike.filter(|(_, state)| is_file(state)).filter_map(|(path, _)| RelPath::new(path).ok());
                files.extend(paths.filter(|path| patterns.matches(path)));
            }
        }
        files
    }

    /// Returns whether nothing but directories is on the way to the path, as far as anything is there.
    pub fn is_reached_plainly(&self, path: &[u8]) -> bool {
        self.is_plain(parent(path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use percache::Digest;

    use super::*;
    use crate::fs::stat_table::KnownFiles;

    fn file(text: &str) -> FileState {
        FileState::File { digest: Digest::of(text.as_bytes()), executable: false }
    }

    #[test]
    fn what_is_expected_is_an_input_and_not_in_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownFiles::default();
        let observer = Observer::new(dir.path(), &known);
        fs::create_dir(dir.path().join("gen")).unwrap();
        observer.expect(b"gen/deep/er/a", file("a"));
        assert_eq!(observer.observe_input(b"gen/deep/er/a").unwrap(), file("a"));
        assert_eq!(observer.observe_input(b"gen/deep").unwrap(), FileState::Directory);
        assert_eq!(observer.observe(b"gen/deep/er/a").unwrap(), FileState::Absent);
        assert_eq!(observer.observe(b"gen/deep").unwrap(), FileState::Absent);
        observer.expect(b"gen-er/b", file("b"));
        let unseen = |pattern| {
            let found = observer.unseen_inputs(&PatternSet::parse(&RelPath::root(), &[pattern]).unwrap());
            found.iter().map(RelPath::to_string).collect::<Vec<_>>()
        };
        assert_eq!(unseen("gen"), ["gen/deep/er/a"], "directories are no inputs");
        assert_eq!((unseen("gen-er/*"), unseen("ge*/b")), (vec!["gen-er/b".to_owned()], vec!["gen-er/b".to_owned()]));
        assert!(unseen("ge").is_empty());
        assert!(observer.stands(b"gen/deep/er/a", None), "what rests on it can be judged by stamps");
    }

    #[test]
    fn what_comes_is_what_it_is_and_what_comes_otherwise_is_judged_again() {
        let dir = tempfile::tempdir().unwrap();
        let known = KnownFiles::default();
        let observer = Observer::new(dir.path(), &known);
        for (name, text) in [("same", "x"), ("other", "y")] {
            observer.expect(name.as_bytes(), file("x"));
            fs::write(dir.path().join(name), text).unwrap();
            observer.put_other(name.as_bytes());
            observer.arrived(name.as_bytes());
            assert_eq!(observer.observe_input(name.as_bytes()).unwrap(), file(text));
            assert_eq!(observer.has_flipped(name.as_bytes()), text != "x");
        }
        assert!(observer.unseen_inputs(&PatternSet::parse(&RelPath::root(), &["**"]).unwrap()).is_empty());
        observer.arrived(b"never expected");
        assert!(!observer.has_flipped(b"never expected"));
    }
}
