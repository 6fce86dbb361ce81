//! What has to hold after a build: nothing is lost, nothing ran without need, and the outputs are those of a clean
//! build.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use super::drive::{Known, Player};
use super::oracle::{End, Unit};
use super::world::Owner;
use crate::sandbox::{Node, Run, Tree};

impl Player {
    /// Every text of the user's is in the tree or displaced, but for those that a command has written over.
    pub(super) fn check_nothing_lost(&mut self, output: &str) -> TestCaseResult {
        let (texts, project, world) = (self.texts_anywhere(), &self.project, &self.world);
        let written_over = |path: &str| match world.owner(project, path) {
            Owner::Matched(slot) => {
                let writes = project.written(slot).contains_key(path) && !world.recorded.contains(path);
                writes && world.ran.contains(&format!("t{slot}"))
            }
            _ => false,
        };
        self.owed.retain(|text, path| texts.contains(text.as_bytes()) || !written_over(path));
        let lost = self.owed.iter().find(|(text, _)| !texts.contains(text.as_bytes()));
        prop_assert!(lost.is_none(), "lost what the user wrote: {:?}\n{}", lost, output);
        Ok(())
    }

    /// What of the user's is no longer where it was, and what percache has recorded, after a build of these.
    pub(super) fn settle(&mut self, units: &[&Unit]) {
        let acted: BTreeSet<&str> =
            units.iter().filter(|unit| unit.end != End::Skipped).map(|unit| unit.label.as_str()).collect();
        let built: BTreeSet<u8> = units.iter().map(|unit| unit.slot).collect();
        let (project, world) = (&self.project, &self.world);
        let stays = |path: &String| match world.owner(project, path) {
            Owner::Nobody => true,
            Owner::Named(slot) => {
                let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".txt")).unwrap_or_default();
                !acted.contains(format!("t{slot}").as_str()) && !acted.contains(format!("t{slot}-{stem}").as_str())
            }
            Owner::Matched(slot) => {
                let ran = world.ran.contains(&format!("t{slot}"));
                // What was put back is what percache holds.
                let stays = world.stays(project, path) && (ran || !project.written(slot).contains_key(path));
                !built.contains(&slot) || stays
            }
        };
        let theirs = world.theirs.iter().filter(|(path, node)| {
            stays(path) && !(**node == Node::Directory && world.owner(project, path) == Owner::Nobody)
        });
        let theirs: Tree = theirs.map(|(path, node)| (path.clone(), node.clone())).collect();
        let known =
            |path: &&String| matches!(world.owner(project, path), Owner::Matched(slot) if !built.contains(&slot));
        let mut recorded: BTreeSet<String> = world.recorded.iter().filter(known).cloned().collect();
        let made = built.iter().flat_map(|slot| project.written(*slot).into_keys());
        recorded.extend(made.filter(|path| !theirs.contains_key(path)));
        (self.world.theirs, self.world.recorded) = (theirs, recorded);
    }

    /// A command ran if and only if its result was not known, or it fails.
    pub(super) fn check_minimal(&self, units: &[&Unit], run: &Run, before: &Tree, linked: bool) -> TestCaseResult {
        let mut expected = BTreeSet::new();
        let mut possible = BTreeSet::new();
        for unit in units.iter().filter(|unit| unit.end != End::Skipped) {
            match self.known(unit) {
                _ if unit.sees_strays => drop(possible.insert(unit.label.clone())),
                Some(Known::Surely) => {}
                Some(Known::Maybe) => drop(possible.insert(unit.label.clone())),
                // Through a symlink, its outputs may or may not be those that it left.
                Some(Known::WhileThere) if linked => drop(possible.insert(unit.label.clone())),
                Some(Known::WhileThere) if files_are_there(unit, before) => {}
                None | Some(Known::WhileThere) => drop(expected.insert(unit.label.clone())),
            }
        }
        let ran: BTreeSet<String> = run.commands.iter().cloned().collect();
        prop_assert_eq!(ran.len(), run.commands.len(), "a command ran twice: {:?}", run.commands);
        let wrong: Vec<&String> =
            ran.iter().filter(|label| !expected.contains(*label) && !possible.contains(*label)).collect();
        prop_assert!(wrong.is_empty(), "ran without need: {:?}\n{}", wrong, run.output());
        let missed: Vec<&String> = expected.difference(&ran).collect();
        prop_assert!(missed.is_empty(), "did not run: {:?}\n{}", missed, run.output());
        Ok(())
    }

    /// What the remote has came from there, and nothing is said of it that there is no reason for.
    pub(super) fn check_shared(&self, units: &[&Unit], run: &Run) -> TestCaseResult {
        let Some(remote) = &self.remote else { return Ok(()) };
        let can_come = |unit: &&&Unit| {
            let here = self.results.get(&unit.key);
            unit.end != End::Skipped && here != Some(&Known::Surely) && self.on_remote(unit).is_some()
        };
        let least = |unit: &&&Unit| {
            let is_sure = self.on_remote(unit) == Some(Known::Surely) && !unit.sees_strays;
            is_sure && !self.wanted && !self.results.contains_key(&unit.key)
        };
        let most = units.iter().filter(can_come).count();
        let least = units.iter().filter(can_come).filter(least).count();
        let came = if units.is_empty() { 0 } else { run.count("from the remote") };
        prop_assert!((least..=most).contains(&came), "{came} came, not {least} to {most}\n{}", run.output());
        let left = if units.is_empty() { 0 } else { run.count("left on the remote") };
        prop_assert!(self.wanted || left == 0, "{left} were left\n{}", run.output());
        let mut counting = remote.borrow_mut();
        (counting.came, counting.left) = (counting.came + came, counting.left + left);
        drop(counting);
        let said = run.stderr.lines().find(|line| line.contains("remote"));
        let is_expected = |line: &str| remote.borrow().is_faulty() && line.contains("is not used: ");
        prop_assert!(said.is_none_or(is_expected), "{:?}\n{}", said, run.output());
        Ok(())
    }

    /// The outputs are those of a clean build, and what is the user's lies there untouched. Those of the units in
    /// `may_stay` may lack. Returns the outputs.
    pub(super) fn check_outputs(
        &self,
        units: &[&Unit],
        may_stay: &BTreeSet<String>,
        run: &Run,
        nothing_else: bool,
    ) -> Result<Tree, TestCaseError> {
        let actual = self.ws.outputs();
        for (path, node) in &self.world.theirs {
            prop_assert_eq!(actual.get(path), Some(node), "the user's {} is not as it was\n{}", path, run.output());
        }
        let made = units.iter().filter_map(|unit| {
            let End::Succeeds(made) = &unit.end else { return None };
            let mut made = made.clone();
            made.retain(|path, _| !may_stay.contains(&unit.label) || actual.contains_key(path));
            Some(made)
        });
        let expected: Tree = made.flatten().collect();
        let is_kept = |path: &String| self.world.theirs.contains_key(path) || self.kept.contains(path);
        let counts = |path: &String| expected.contains_key(path) || nothing_else && !is_kept(path);
        let actual: Tree = actual.into_iter().filter(|(path, _)| counts(path)).collect();
        prop_assert_eq!(
            &actual,
            &expected,
            "the outputs (left) are not those of a clean build (right)\n{}",
            run.output()
        );
        Ok(expected)
    }
}

/// Whether all files of a unit lie among the outputs. Symlinks and directories are put back without a run.
fn files_are_there(unit: &Unit, outputs: &Tree) -> bool {
    let End::Succeeds(made) = &unit.end else { return false };
    let mut files = made.iter().filter(|(_, node)| matches!(node, Node::File { .. }));
    files.all(|(path, node)| outputs.get(path) == Some(node))
}
