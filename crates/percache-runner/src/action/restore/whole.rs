//! Directories that are restored whole: those that are missing with everything in them.
//!
//! They are assembled in the staging directory and moved into place by one rename, so a file needs no rename of its
//! own, and nobody sees a half-filled directory.

use std::collections::HashMap;

use percache::store::record::Node;

use super::{Plan, Wrong};
use crate::fs::beneath::Tree;
use crate::fs::stat_cache::{FileState, Observer};
use crate::model::path::RelPath;

/// The directories of a plan that are restored whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wholes {
    /// The outermost ones, whose parents exist.
    pub directories: Vec<RelPath>,
    /// For each entry of the plan, the index of the directory that it is in or is; `None` if it is moved on its own.
    pub of_entry: Vec<Option<usize>>,
}

/// The state of a directory.
#[derive(Clone, Copy)]
enum Place {
    /// The directory exists.
    There,
    /// The directory is missing, and is restored with the whole directory at this index.
    Within(usize),
    /// The directory is made in place, and its entries are moved one by one: its parent hands down attributes to what
    /// is made in it, or something else must give way first.
    Alone,
}

impl Wholes {
    /// Finds the directories. `paths` are those of the entries.
    pub fn find(observer: &Observer<'_>, tree: &mut Tree, plan: &Plan<'_>, paths: &[RelPath]) -> Wholes {
        let mut search = Search { observer, tree, plan, places: HashMap::new(), directories: Vec::new() };
        let of_entry = plan.wrong.iter().zip(paths).map(|(Wrong { entry, state, .. }, path)| {
            // If something exists at the path, so does its parent.
            if *state != FileState::Absent {
                return None;
            }
            let place = match &entry.node {
                Node::Directory => search.place(path),
                _ => path.parent().map_or(Place::There, |parent| search.place(&parent)),
            };
            match place {
                Place::Within(directory) => Some(directory),
                Place::There | Place::Alone => None,
            }
        });
        let of_entry = of_entry.collect();
        Wholes { of_entry, directories: search.directories }
    }
}

struct Search<'a, 'b> {
    observer: &'a Observer<'b>,
    tree: &'a mut Tree,
    plan: &'a Plan<'a>,
    places: HashMap<RelPath, Place>,
    directories: Vec<RelPath>,
}

impl Search<'_, '_> {
    fn place(&mut self, directory: &RelPath) -> Place {
        if let Some(known) = self.places.get(directory) {
            return *known;
        }
        let place = match directory.parent() {
            None => Place::There,
            Some(_) if self.plan.replaces(directory) => Place::Alone,
            Some(parent) => match self.place(&parent) {
                Place::There => self.below_one_that_is_there(directory, &parent),
                other => other,
            },
        };
        self.places.insert(directory.clone(), place);
        place
    }

    fn below_one_that_is_there(&mut self, directory: &RelPath, parent: &RelPath) -> Place {
        // If it cannot be looked at, making it in place will report why.
        if !matches!(self.observer.stamp(directory.as_bytes()), Ok(None)) {
            return Place::There;
        }
        if !self.tree.hands_down(parent).is_ok_and(|does| !does) {
            return Place::Alone;
        }
        self.directories.push(directory.clone());
        Place::Within(self.directories.len() - 1)
    }
}
