//! Plays a history, round by round: what happens before a build, beside it, and in which of the clones.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proptest::test_runner::{TestCaseError, TestCaseResult};

use super::drive::{Known, PAUSE, Player};
use super::model::{Build, History, Project, Round};
use super::remote::{Errand, Remote, Way};
use crate::sandbox::Run;

/// What the histories came to.
#[derive(Default)]
pub struct Counts {
    pub builds: AtomicUsize,
    /// Results that came from a remote.
    pub came: AtomicUsize,
    /// How often outputs were left there.
    pub left: AtomicUsize,
}

pub fn play(history: &History, counts: &Counts) -> TestCaseResult {
    let remote = history.sharing.map(|_| Rc::new(RefCell::new(Remote::new())));
    let clones = history.sharing.map_or(1, |sharing| sharing.clones);
    let start = || Player::new(history, &remote, Project::new(history));
    let mut players: Vec<Player> = (0..clones).map(|_| start()).collect();
    let mut earlier = Vec::new();
    for (number, round) in history.rounds.iter().enumerate() {
        counts.builds.fetch_add(if matches!(round.build, Build::Repeated) { 3 } else { 1 }, Ordering::Relaxed);
        if round.pause {
            std::thread::sleep(PAUSE);
        }
        let at = usize::from(round.clone) % players.len();
        if let (Some(Errand::Renew), Some(_)) = (round.errand, &remote) {
            players[at] = Player::new(history, &remote, players[at].project.clone());
        }
        let other = (at + 1) % players.len();
        let played = match players.get_disjoint_mut([at, other]) {
            Ok([player, other]) => player.round(history, round, &earlier, Some(other)),
            Err(_) => players[at].round(history, round, &earlier, None),
        };
        let player = &players[at];
        played.map_err(|error| match error {
            TestCaseError::Fail(why) => TestCaseError::fail(format!(
                "in round {number}, clone {at}, {:?} {} {:?}: {why}\n{}",
                round.way,
                if round.wanted { "wanted" } else { "all" },
                round.errand,
                player.ws.read("percache.toml")
            )),
            reject => reject,
        })?;
        earlier.push(player.project.clone());
    }
    if let Some(remote) = remote {
        counts.came.fetch_add(remote.borrow().came, Ordering::Relaxed);
        counts.left.fetch_add(remote.borrow().left, Ordering::Relaxed);
    }
    Ok(())
}

impl Player {
    fn round(
        &mut self,
        history: &History,
        round: &Round,
        earlier: &[Project],
        other: Option<&mut Player>,
    ) -> TestCaseResult {
        (self.way, self.wanted) = (round.way, round.wanted && self.remote.is_some());
        // A new clone is one of what was built last, of which the remote should have the most.
        let follows = round.follows || matches!(round.errand, Some(Errand::Renew));
        match earlier.last().filter(|_| follows && self.remote.is_some()) {
            _ if matches!(round.build, Build::Tampered { .. }) => {}
            Some(last) => {
                self.become_project(last.clone());
                self.settled = None;
            }
            None => round.edits.iter().for_each(|edit| self.edit(edit, earlier)),
        }
        let Some(remote) = self.remote.clone() else { return self.build(&round.build) };
        let is_faulty = history.sharing.is_some_and(|sharing| sharing.faulty);
        round.faults.iter().filter(|_| is_faulty).for_each(|(at, fault)| remote.borrow_mut().suffer(*at, *fault));
        match (round.errand, &other) {
            (Some(Errand::Export), Some(other)) => self.import_from(other)?,
            (Some(errand), _) => self.run_errand(errand)?,
            (None, _) => {}
        }
        let beside = other.filter(|_| round.beside);
        let Some(seed) = round.meanwhile.filter(|_| is_faulty) else { return self.build_beside(round, beside) };
        let suffer = remote.borrow_mut().suffer_until(seed);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| suffer(&done));
            let built = self.build_beside(round, beside);
            done.store(true, Ordering::Relaxed);
            built
        })
    }

    /// Builds while another clone builds the same, both of which may use what the other has just written.
    fn build_beside(&mut self, round: &Round, other: Option<&mut Player>) -> TestCaseResult {
        let (Some(other), Some(remote)) = (other, self.remote.clone()) else { return self.build(&round.build) };
        other.become_project(self.project.clone());
        (other.way, other.wanted, other.settled) = (Way::Writes, false, None);
        other.look_again();
        let before = remote.borrow().sure();
        for player in [&*other, &*self] {
            player.project.units(&player.world).iter().for_each(|unit| player.add_to_remote(unit, Known::Maybe));
        }
        let outputs = other.ws.outputs();
        other.kept.retain(|path| outputs.contains_key(path));
        let mut command = other.build_command();
        let (built, output) = std::thread::scope(|scope| {
            let building = scope.spawn(|| command.output().expect("starting percache"));
            (self.build(&round.build), building.join().expect("a thread that does not panic"))
        });
        let run = Run::new(&command, output, other.ws.newly_tallied());
        built?;
        let written: BTreeSet<String> = remote.borrow().sure().difference(&before).cloned().collect();
        remote.borrow_mut().doubt(&written);
        let all = (0..other.project.units(&other.world).len()).collect();
        other.check(&all, true, run, &outputs, false)?;
        written.iter().for_each(|key| remote.borrow_mut().add(key, Known::Surely));
        Ok(())
    }
}
