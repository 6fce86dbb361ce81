//! What is known of the results in a clone's store and on the remote.

use std::collections::BTreeSet;

use super::drive::{Known, Player};
use super::oracle::{End, Unit};
use super::remote::Way;
use crate::sandbox::Node;

impl Player {
    /// Whether others may have the result of a unit: it is of use elsewhere.
    pub fn is_shared(&self, unit: &Unit) -> bool {
        let root = self.world.root.as_bytes();
        let is_tied = |node: &Node| match node {
            Node::File { bytes, .. } => bytes.windows(root.len()).any(|window| window == root),
            _ => false,
        };
        let End::Succeeds(made) = &unit.end else { return false };
        self.project.is_shared(unit.slot) && !self.lacks_contents(unit) && !made.values().any(is_tied)
    }

    /// Whether the store does not have what the outputs of a unit consist of. Symlinks and directories need no
    /// contents.
    pub fn lacks_contents(&self, unit: &Unit) -> bool {
        let End::Succeeds(made) = &unit.end else { return false };
        self.project.is_not_kept(unit.slot) && made.values().any(|node| matches!(node, Node::File { .. }))
    }

    /// What the next build finds of a unit on the remote.
    pub fn on_remote(&self, unit: &Unit) -> Option<Known> {
        let remote = self.remote.as_ref().filter(|_| self.way != Way::Apart && self.is_shared(unit))?;
        remote.borrow().has(&unit.key)
    }

    /// Whether the next build finds the result of a unit, in the store or on the remote.
    pub fn known(&self, unit: &Unit) -> Option<Known> {
        match (self.results.get(&unit.key).copied(), self.on_remote(unit)) {
            (_, Some(Known::Surely)) => Some(Known::Surely),
            (None, there) => there,
            (here, _) => here,
        }
    }

    /// A build that writes to the remote has run the command of a unit.
    pub fn add_to_remote(&self, unit: &Unit, known: Known) {
        let Some(remote) = &self.remote else { return };
        remote.borrow_mut().note_name(&unit.key, self.project.name(unit.slot));
        if self.way == Way::Writes && self.is_shared(unit) {
            remote.borrow_mut().add(&unit.key, known);
        }
    }

    /// Takes in what a build of these has stored, and written to the remote. What the store does not have of those in
    /// `may_stay` may have stayed on the remote.
    pub fn learn(&mut self, units: &[&Unit], may_stay: &BTreeSet<String>) {
        for unit in units.iter().filter(|unit| matches!(unit.end, End::Succeeds(_))) {
            let ran = self.world.ran.contains(&unit.label);
            let known = match unit.stored || !ran {
                _ if unit.sees_strays => Known::Maybe,
                true if self.lacks_contents(unit) => Known::WhileThere,
                true if !ran && may_stay.contains(&unit.label) => {
                    self.results.get(&unit.key).copied().unwrap_or(Known::Maybe)
                }
                true => Known::Surely,
                // An earlier result may fit what lies there now.
                false if self.lacks_contents(unit) && self.results.contains_key(&unit.key) => Known::Maybe,
                false => {
                    self.results.remove(&unit.key);
                    continue;
                }
            };
            self.results.insert(unit.key.clone(), known);
            if ran && unit.stored {
                self.add_to_remote(unit, known);
            }
        }
    }
}
