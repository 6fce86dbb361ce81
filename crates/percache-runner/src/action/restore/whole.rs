//! Which directories come back whole: those that are missing with all that is in them.
//!
//! They are made in the staging directory and moved into their place by one rename: a file then costs no rename of its own, and nobody
//! sees half of them.

use std::collections::HashMap;

use percache::store::record::Node;

use super::{Plan, Wrong};
use crate::fs::beneath::Tree;
use crate::fs::stat_cache::{FileState, Observer};
use crate::model::path::RelPath;

/// The directories of a plan that come back whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wholes {
    /// The outermost ones. The directory that each is in is there.
    pub directories: Vec<RelPath>,
    /// In which of these an entry of the plan is, or which it is; `None`: it goes to its place alone.
    pub of_entry: Vec<Option<usize>>,
}

/// What is known of a directory.
#[derive(Clone, Copy)]
enum Place {
    /// It is there.
    There,
    /// It is missing, and comes back with the one at this position.
    Within(usize),
    /// It is made in its place, one by one with what is in it: the one above hands something down to what is made in it, or something else
    /// gives way first.
    Alone,
}

impl Wholes {
    /// Finds them. `paths` are those of the entries.
    pub fn find(observer: &Observer<'_>, tree: &mut Tree, plan: &Plan<'_>, paths: &[RelPath]) -> Wholes {
        let mut search = Search { observer, tree, plan, places: HashMap::new(), directories: Vec::new() };
        let of_entry = plan.wrong.iter().zip(paths).map(|(Wrong { entry, state, .. }, path)| {
            // Where something is, the directory it is in is there, too.
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
        // One that cannot be looked at: making it in its place will tell why.
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
