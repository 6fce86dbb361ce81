//! Finds all processes that a command has started, even those that moved to another process group or session, or were
//! adopted by init.
//!
//! A process belongs to a command if it is in its process group, descends from it, holds the pipe of its output, or has
//! inherited the variable that percache sets for it ([`MARK`]). A process to which none of these applies is not found:
//! one that was started with an empty environment, by a parent that has ended, in a group and with an output of its
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

use rustix::process::Signal;

use super::Ticks;
use super::table::{self, Process};

/// The variable that identifies a command to its descendants. They have its value, or that value followed by a comma
/// and more.
pub const MARK: &str = "PERCACHE_RUNNING";

/// How often [`Family::kill`] looks for processes that are left or were started in the meantime.
const ROUNDS: usize = 25;
const PAUSE: Duration = Duration::from_millis(2);

/// A command's processes.
#[derive(Debug, Default)]
pub(crate) struct Family {
    /// The first process of the command.
    leader: u32,
    /// Its process group, unless that is percache's own.
    group: Option<u32>,
    /// When the leader started: no descendant is older.
    began: Ticks,
    /// The value of [`MARK`].
    mark: Option<String>,
    /// The pipes of its output.
    pipes: BTreeSet<String>,
    /// Processes found so far. Once their parents have ended, the process table no longer shows whose they are.
    found: BTreeMap<u32, Ticks>,
}

impl Family {
    /// Returns the family of a leader that has not been reaped. `leads` says whether it leads a process group.
    pub(crate) fn new(leader: u32, leads: bool, env: &[(OsString, OsString)]) -> Family {
        let mark = env.iter().rev().find(|(name, _)| name == MARK);
        let mark = mark.map(|(_, value)| value.to_string_lossy().into_owned());
        // Without a process table, no process counts by its age either.
        let began = table::began(leader).unwrap_or(Ticks::MAX);
        Family { leader, group: leads.then_some(leader), began, mark, ..Family::default() }
    }

    /// Adds the holders of these pipes.
    pub(crate) fn holding(mut self, pipes: impl IntoIterator<Item = u64>) -> Family {
        self.pipes = table::named(pipes);
        self
    }

    /// Returns the processes that have not ended.
    pub(crate) fn living(&mut self) -> Vec<Process> {
        let all = table::all();
        let own = std::process::id();
        let mut members: BTreeSet<u32> =
            all.iter().filter(|process| self.has_sign(process, own)).map(|process| process.id).collect();
        loop {
            let before = members.len();
            let children = all.iter().filter(|process| members.contains(&process.parent)).map(|process| process.id);
            members.extend(children.collect::<Vec<_>>());
            if members.len() == before {
                break;
            }
        }
        let living: Vec<Process> = all.into_iter().filter(|process| members.contains(&process.id)).collect();
        self.found.extend(living.iter().map(|process| (process.id, process.began)));
        living
    }

    /// Returns whether a process belongs to the family regardless of its parents.
    fn has_sign(&self, process: &Process, own: u32) -> bool {
        if process.id == self.leader {
            return process.began == self.began;
        }
        if process.began < self.began {
            return false;
        }
        // A command that this process is just starting holds, until its exec, every pipe that this process holds.
        let may_hold = process.parent != own && !self.pipes.is_empty();
        Some(process.group) == self.group
            || self.found.get(&process.id) == Some(&process.began)
            || self.mark_of(process.id).is_some()
            || (may_hold && table::holds_one(process.id, &self.pipes))
    }

    /// Returns what follows the family's mark in that of a process; `None` if the process has another mark.
    fn mark_of(&self, id: u32) -> Option<String> {
        let value = table::variable(id, MARK)?;
        let rest = value.strip_prefix(self.mark.as_deref()?)?;
        (rest.is_empty() || rest.starts_with(',')).then(|| rest.to_owned())
    }

    /// Sends SIGTERM to processes that a signal to the leader or its group does not reach. Those that run under another
    /// percache are left to it.
    pub(crate) fn terminate_others(&mut self) {
        let living = self.living();
        let reached = |process: &Process| match self.group {
            Some(group) => process.group == group,
            None => process.id == self.leader,
        };
        let of_another = |process: &Process| self.mark_of(process.id).is_some_and(|rest| !rest.is_empty());
        let others = living.iter().filter(|process| !reached(process) && !of_another(process));
        others.for_each(|process| table::kill(process, Signal::TERM));
    }

    /// Kills the process group, provided that its leader exists, so that the group's id cannot be reused.
    #[cfg(target_os = "linux")]
    pub(crate) fn kill_group(&self) {
        use rustix::process::{Pid, kill_process_group};
        let is_there = table::process(self.leader).is_some_and(|process| process.began == self.began);
        let group = self.group.filter(|_| is_there).and_then(|group| Pid::from_raw(group.try_into().ok()?));
        if let Some(group) = group {
            // It is not an error if the group is empty.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Kills all processes, and those that they start in the meantime.
    pub(crate) fn kill(&mut self) {
        for _ in 0..ROUNDS {
            let living = self.living();
            if living.is_empty() {
                return;
            }
            living.iter().for_each(|process| table::kill(process, Signal::KILL));
            std::thread::sleep(PAUSE);
        }
    }
}
