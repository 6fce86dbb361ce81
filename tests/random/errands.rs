//! What is done with a clone besides building it: its results go to the remote and come from there, are moved in files,
//! and go.

use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use super::drive::{Known, Player};
use super::oracle::Unit;
use super::remote::{Errand, Way};
use crate::sandbox::{Run, snapshot};

impl Player {
    pub fn run_errand(&mut self, errand: Errand) -> TestCaseResult {
        self.settled = None;
        match errand {
            Errand::Push => self.push(),
            Errand::Pull => self.pull(),
            Errand::DryRun => self.dry_run(),
            Errand::Collect { all } => {
                let limit = if all { ["gc", "--maxage", "0"] } else { ["gc", "--maxsize", "100"] };
                self.asked(limit)?;
                self.results.values_mut().for_each(|known| *known = Known::Maybe);
                if all {
                    self.results.clear();
                }
                Ok(())
            }
            Errand::Verify => self.asked(["verify"]).map(drop),
            // Both concern more than this clone.
            Errand::Export | Errand::Renew => Ok(()),
        }
    }

    /// Runs a command that has to succeed, leaves the tree alone and runs no task.
    fn asked<const N: usize>(&self, arguments: [&str; N]) -> Result<Run, TestCaseError> {
        let mut command = self.ws.command("");
        command.args(arguments);
        if let Some(remote) = &self.remote {
            remote.borrow().give_to(&mut command, Way::Reads, self.wanted);
        }
        self.only_looks(command)
    }

    fn only_looks(&self, mut command: Command) -> Result<Run, TestCaseError> {
        let before = snapshot(self.ws.root());
        let run = self.ws.run(&mut command);
        prop_assert_eq!(run.status, 0, "{:?}\n{}", command, run.output());
        prop_assert!(run.commands.is_empty(), "{:?} ran {:?}\n{}", command, run.commands, run.output());
        prop_assert_eq!(snapshot(self.ws.root()), before, "{:?} changed the tree (left)", command);
        Ok(run)
    }

    /// All results of tasks that are shared are on the remote afterwards.
    fn push(&mut self) -> TestCaseResult {
        self.asked(["remote", "push"])?;
        self.look_again();
        let Some(remote) = &self.remote else { return Ok(()) };
        let mut remote = remote.borrow_mut();
        self.results.keys().for_each(|key| remote.add(key, Known::Maybe));
        for unit in self.project.units(&self.world).iter().filter(|unit| self.is_shared(unit)) {
            let is_known = self.results.get(&unit.key) == Some(&Known::Surely);
            if is_known && remote.is_named(&unit.key, &self.project.name(unit.slot)) {
                remote.add(&unit.key, Known::Surely);
            }
        }
        Ok(())
    }

    /// What the remote has of everything as it is now is in the store afterwards.
    fn pull(&mut self) -> TestCaseResult {
        self.asked(["remote", "pull"])?;
        self.look_again();
        let Some(remote) = &self.remote else { return Ok(()) };
        let remote = remote.borrow();
        let units = self.project.units(&self.world);
        let mut is_known = vec![false; units.len()];
        for (at, unit) in units.iter().enumerate() {
            let looked_up = unit.needs.iter().all(|need| is_known[*need]) && !unit.sees_strays;
            let there = remote.has(&unit.key).filter(|_| self.is_shared(unit));
            let known = match (self.results.get(&unit.key).copied(), there) {
                (Some(Known::Surely), _) => Known::Surely,
                (_, Some(Known::Surely)) if looked_up => Known::Surely,
                (Some(known), _) => known,
                (None, Some(_)) => Known::Maybe,
                (None, None) => continue,
            };
            is_known[at] = known == Known::Surely;
            self.results.insert(unit.key.clone(), known);
        }
        Ok(())
    }

    /// Says what a build would do, and does nothing of it.
    fn dry_run(&mut self) -> TestCaseResult {
        let objects = |player: &Player| player.remote.as_ref().map(|remote| remote.borrow().objects());
        let before = objects(self);
        let mut command = self.build_command();
        command.arg("-n");
        let run = self.only_looks(command)?;
        prop_assert!(objects(self) == before, "`-n` has changed the remote");
        self.look_again();
        let units = self.project.units(&self.world);
        let known: Vec<_> = units.iter().map(|unit| self.known(unit).filter(|_| !unit.sees_strays)).collect();
        let is_unknown = |(unit, known): &(&Unit, &Option<Known>)| known.is_none() && !unit.sees_strays;
        // What comes after something unknown is unknown, whether its own result would be there or not.
        fn is_certain(units: &[Unit], known: &[Option<Known>], at: usize) -> bool {
            known[at] == Some(Known::Surely) && units[at].needs.iter().all(|need| is_certain(units, known, *need))
        }
        let is_seen = |(unit, _): &(&Unit, _)| unit.needs.iter().all(|need| is_certain(&units, &known, *need));
        let least = units.iter().zip(&known).filter(is_unknown).filter(is_seen).count();
        let most = known.iter().filter(|known| **known != Some(Known::Surely)).count();
        let said = if units.is_empty() { 0 } else { run.count("would run") };
        prop_assert!((least..=most).contains(&said), "{said} would run, not {least} to {most}\n{}", run.output());
        Ok(())
    }

    /// Takes over the results of another clone by a file. Those that are tied to its directory stay there.
    pub fn import_from(&mut self, other: &Player) -> TestCaseResult {
        self.settled = None;
        let file = other.ws.outside("results.percache").display().to_string();
        other.asked(["export", &file])?;
        self.asked(["import", &file])?;
        let base = other.ws.outside("").display().to_string();
        let is_of_use = |(key, known): &(&String, &Known)| **known != Known::WhileThere && !key.contains(&base);
        for (key, known) in other.results.iter().filter(is_of_use) {
            let mine = self.results.entry(key.clone()).or_insert(*known);
            if *known == Known::Surely {
                *mine = Known::Surely;
            }
        }
        Ok(())
    }
}
