//! What the user does to outputs, to the store and to the workspace as a whole; and where what they wrote is
//! afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::drive::{Known, Player};
use super::model::Kind;
use crate::sandbox::{Node, Sandbox, snapshot};

/// What comes this long after a kill is known to be none of the killed build's.
const AFTER_A_KILL: Duration = Duration::from_millis(400);

impl Player {
    /// A path that no command writes to: among the outputs of a task if there is one whose outputs have room for it, else
    /// beside them.
    pub fn foreign(&self, slot: u8, number: u8) -> String {
        let place = |slot: &u8| match &self.project.tasks[slot].kind {
            Kind::Directory { .. } if number == 0 => Some(format!("out/t{slot}.dir/one/foreign")),
            Kind::Directory { .. } => Some(format!("out/t{slot}.dir/foreign{number}")),
            Kind::Globbed { .. } => Some(format!("out/t{slot}.globs/foreign{number}.o")),
            Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => {
                Some(format!("out/t{slot}/foreign{number}.txt"))
            }
            _ => None,
        };
        let slots = self.project.tasks.keys();
        let mut from = slots.clone().skip_while(|other| **other < slot).chain(slots);
        let found = if number == 3 { None } else { from.find_map(place) };
        found.unwrap_or_else(|| format!("out/foreign{number}"))
    }

    /// The user writes a text of their own.
    pub fn write_theirs(&mut self, path: &str) {
        if let Some(killed) = self.killed {
            std::thread::sleep(AFTER_A_KILL.saturating_sub(killed.elapsed()));
        }
        self.texts += 1;
        let text = format!("mine {}\n", self.texts);
        self.ws.write(path, &text);
        self.owed.insert(text, path.to_owned());
        self.world.theirs.insert(path.to_owned(), Node::Directory);
        self.look_again();
    }

    pub fn track(&mut self, number: u8) {
        self.look_again();
        // No command writes to it, whatever tasks there will be.
        let is_apart = |path: &&String| path.contains("/foreign") && !path.ends_with(".txt");
        let paths: Vec<String> = self.world.theirs.keys().filter(is_apart).cloned().collect();
        if let Some(path) = some(&paths, number) {
            self.ws.shell(&format!("git add -f {path}"));
            self.world.tracked.insert(path.clone());
        }
    }

    pub fn relocate(&mut self, how: fn(&mut Sandbox, &str)) {
        // What a build did that did not come to its end, only the store in the workspace knows.
        if self.outside && !self.whole {
            return;
        }
        self.names += 1;
        how(&mut self.ws, &format!("ws{}", self.names));
        self.note_root();
        // Contents that are not kept are known in one place, but a journal that moves along still names them.
        let mut not_kept = self.results.values_mut().filter(|known| **known == Known::WhileThere);
        not_kept.by_ref().for_each(|known| *known = Known::Maybe);
        if self.outside {
            // Outputs are known by their contents then.
            self.world.recorded.retain(|path| !self.world.theirs.contains_key(path));
        }
    }

    fn store(&self) -> &'static str {
        if self.outside { "../store" } else { ".percache" }
    }

    /// Nobody knows any more where the outputs come from.
    pub fn remove_store(&mut self) {
        if !self.ws.exists(self.store()) {
            return;
        }
        self.ws.remove(self.store());
        self.results.clear();
        self.world.recorded.clear();
        self.killed = None;
        for (path, node) in self.ws.outputs() {
            match node {
                Node::Directory => drop(self.kept.insert(path)),
                node => drop(self.world.theirs.insert(path, node)),
            }
        }
    }

    /// What the user did to the files of their own is theirs to do.
    pub fn look_again(&mut self) {
        let outputs = self.ws.outputs();
        let theirs = std::mem::take(&mut self.world.theirs);
        let now = theirs.into_keys().filter_map(|path| Some((path.clone(), outputs.get(&path)?.clone())));
        self.world.theirs = now.filter(|(_, node)| *node != Node::Directory).collect();
        self.find_empty_directories();
        for path in self.world.theirs.keys() {
            let above = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
            self.kept.extend(above);
        }
        let texts = self.texts_anywhere();
        self.owed.retain(|text, _| texts.contains(text.as_bytes()));
    }

    /// A directory that percache did not make stays when what was in it is gone.
    pub fn find_empty_directories(&mut self) {
        let outputs = self.ws.outputs();
        let is_empty = |path: &&String| {
            let below = format!("{path}/");
            let first = outputs.range(below.clone()..).next();
            outputs.contains_key(*path) && !first.is_some_and(|(path, _)| path.starts_with(&below))
        };
        let empty = self.kept.iter().filter(is_empty).map(|path| (path.clone(), Node::Directory));
        self.world.theirs.extend(empty.collect::<Vec<_>>());
    }

    /// What is in files, in the workspace or displaced.
    pub fn texts_anywhere(&self) -> BTreeSet<Vec<u8>> {
        let tree = snapshot(self.ws.root());
        let tree =
            tree.into_values().filter_map(|node| if let Node::File { bytes, .. } = node { Some(bytes) } else { None });
        tree.chain(displaced_in(&self.ws.path(self.store())).iter().flat_map(|path| bytes_in(path))).collect()
    }
}

/// One of these, if there is any.
pub fn some(paths: &[String], number: u8) -> Option<&String> {
    paths.get(usize::from(number) % paths.len().max(1))
}

/// The directories of a store's displaced files, those of all its worktrees.
fn displaced_in(store: &Path) -> Vec<PathBuf> {
    let worktrees = fs::read_dir(store.join("worktrees")).into_iter().flatten().flatten();
    worktrees.map(|worktree| worktree.path().join("displaced")).filter(|directory| directory.is_dir()).collect()
}

/// What is in the regular files below a directory.
fn bytes_in(directory: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let kind = entry.file_type().expect("an entry that stays");
        if kind.is_dir() {
            all.extend(bytes_in(&entry.path()));
        } else if kind.is_file() {
            all.push(fs::read(entry.path()).expect("a readable file"));
        }
    }
    all
}
