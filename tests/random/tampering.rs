//! What others do to the outputs: they change, remove and move them away.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::drive::Player;
use super::model::Tamper;
use super::theirs::some;
use crate::sandbox::{Tree, snapshot};

/// Where outputs are moved to. Ignored, like all that is foreign.
const AWAY: &str = "foreign-moved";

impl Player {
    pub(super) fn tamper(&mut self, outputs: &Tree, output: u8, how: Tamper) {
        let outputs: Vec<String> =
            outputs.keys().filter(|path| !self.world.theirs.contains_key(*path)).cloned().collect();
        let Some(path) = some(&outputs, output).cloned() else { return };
        let is_file = self.ws.path(&path).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        match how {
            Tamper::MakeExecutable if is_file => self.ws.set_mode(&path, 0o755),
            Tamper::Overwrite if is_file => self.write_theirs(&path),
            Tamper::MoveAway => self.move_away(&path, output.is_multiple_of(2)),
            Tamper::BecomeDirectory => {
                self.ws.remove(&path);
                std::fs::create_dir(self.ws.path(&path)).expect("creating a directory");
            }
            _ => {
                self.ws.remove(&path);
                self.ws.symlink("nowhere", &path);
            }
        }
    }

    pub(super) fn move_away(&mut self, path: &str, loses_something: bool) {
        let is_named = |slot: &u8| path == format!("out/t{slot}.dir");
        if self.project.tasks.keys().any(is_named) {
            // What is the user's own would go along.
            if self.world.theirs.keys().any(|theirs| theirs.starts_with(path)) {
                return;
            }
            self.linked = Some(path.to_owned());
        }
        if self.ws.exists(AWAY) {
            self.ws.remove(AWAY);
        }
        let it = format!("{AWAY}/it.dir");
        std::fs::create_dir(self.ws.path(AWAY)).expect("creating a directory");
        self.ws.rename(path, &it);
        let inside = std::fs::read_dir(self.ws.path(&it)).into_iter().flatten().flatten();
        if let Some(least) = inside.map(|entry| entry.file_name()).min().filter(|_| loses_something) {
            self.ws.remove(&format!("{it}/{}", least.to_str().expect("a name in UTF-8")));
        }
        self.ws.symlink(&format!("{}{it}", "../".repeat(path.matches('/').count())), path);
    }

    /// A directory of outputs that is a symlink is used as what it leads to, and stays one until its user has it back in its place.
    pub(super) fn take_back(&mut self, output: &str) -> TestCaseResult {
        let Some(path) = self.linked.take() else { return Ok(()) };
        prop_assert!(self.ws.path(&path).is_symlink(), "the symlink at {} is gone\n{}", path, output);
        self.ws.remove(&path);
        self.ws.rename(&format!("{AWAY}/it.dir"), &path);
        self.ws.remove(AWAY);
        Ok(())
    }

    pub(super) fn moved_away(&self) -> Option<Tree> {
        self.ws.exists(AWAY).then(|| snapshot(&self.ws.path(AWAY)))
    }
}
