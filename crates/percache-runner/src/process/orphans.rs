//! Commands that outlive the percache that ran them: how the next build finds and ends them.
//!
//! A percache that is killed with SIGKILL cannot end its commands. They would go on writing to outputs that the next
//! build restores, or makes and stores. So there is a [`Trace`] of every command among the intents, and the next build
//! ends what is left of it before it looks at the tree.
//!
//! A command consists of its leader, everything that descends from it, and the holders of its output. Hence there are
//! two traces: the pipe of its output is known before it starts, so that no kill comes too early; the leader, for
//! commands that redirect all their output, is known as soon as it has started. Neither can be mistaken for another: a
//! pipe keeps its number while somebody holds it, and a process id counts only together with the process's start time.
//! Both are meaningful only in the same run of the kernel and the same pid namespace.
//!
//! Systems other than Linux do not provide this information, and commands run on.

use percache::Digest;
use percache::base::codec::{DecodeError, Decoder, Encode};

use crate::process::{Mark, Stop, Ticks};

/// How a command can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Identifies the run of the kernel and the pid namespace.
    pub system: Digest,
    /// The leader of its process group.
    pub leader: Option<Leader>,
    /// The numbers of the pipes that its output goes through.
    pub pipes: Vec<u64>,
}

/// A process, identified even after its id is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its id, which other processes may have later.
    pub id: u32,
    /// A range that contains its start time, and in which no other process had its id.
    pub began: (Ticks, Ticks),
}

impl Trace {
    /// Returns the trace of a command that runs here; `None` where it could not be found.
    pub fn of(mark: &Mark) -> Option<Trace> {
        let system = system::this()?;
        Some(match mark {
            Mark::Outputs(pipes) => Trace { system, leader: None, pipes: pipes.clone() },
            Mark::Leader(id, began) => {
                let began = (*began.start(), *began.end());
                Trace { system, leader: Some(Leader { id: *id, began }), pipes: Vec::new() }
            }
            // A holder is found by the pipe that it holds.
            Mark::Background(_) => return None,
        })
    }

    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.digest(&self.system);
        to.bool(self.leader.is_some());
        if let Some(leader) = self.leader {
            to.u32(leader.id);
            to.u64(leader.began.0);
            to.u64(leader.began.1);
        }
        to.count(self.pipes.len());
        self.pipes.iter().for_each(|pipe| to.u64(*pipe));
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Trace, DecodeError> {
        Ok(Trace {
            system: from.digest()?,
            leader: if from.bool()? {
                Some(Leader { id: from.u32()?, began: (from.u64()?, from.u64()?) })
            } else {
                None
            },
            pipes: (0..from.count(8)?).map(|_| from.u64()).collect::<Result<_, _>>()?,
        })
    }
}

/// Ends what still runs of these commands, and waits until it is gone. Calls `waiting` with the process if that takes
/// long: it hangs in the kernel, or belongs to another user. Only `stop` ends that wait.
pub fn end(traces: &[Trace], stop: &Stop, waiting: &mut dyn FnMut(&str)) -> Ended {
    let here = system::this();
    let traces: Vec<&Trace> = traces.iter().filter(|trace| Some(trace.system) == here).collect();
    if traces.is_empty() { Ended::default() } else { system::end(&traces, stop, waiting) }
}

/// The outcome of [`end`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The number of processes that were found.
    pub found: usize,
    /// Whether some of them are still there.
    pub some_left: bool,
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use percache::Digest;
    use rustix::process::Signal;

    use super::{Ended, Leader, Trace};
    use crate::process::family::Family;
    use crate::process::table::{self, Process};
    use crate::process::{MARK, Stop};

    /// The pause between checks whether they are gone.
    const PAUSE: Duration = Duration::from_millis(2);
    /// The time after which `waiting` is called.
    const LONG: Duration = Duration::from_secs(1);

    /// Identifies this run of the kernel and the pid namespace.
    pub fn this() -> Option<Digest> {
        static THIS: LazyLock<Option<Digest>> = LazyLock::new(|| {
            let run = fs::read("/proc/sys/kernel/random/boot_id").ok()?;
            let space = fs::read_link("/proc/self/ns/pid").ok()?;
            Some(Digest::of(&[&run, space.as_os_str().as_bytes()].concat()))
        });
        *THIS
    }

    pub fn end(traces: &[&Trace], stop: &Stop, waiting: &mut dyn FnMut(&str)) -> Ended {
        let own = table::process(std::process::id()).map(|own| own.group);
        let leaders = traces.iter().filter_map(|trace| trace.leader).filter(|leader| Some(leader.id) != own);
        let mut families: Vec<Family> = leaders.filter(runs).map(|leader| family(leader.id, true)).collect();
        // If a leader has ended, or the kill came too early to note it, the holders of its output lead to the rest.
        let pipes = || traces.iter().flat_map(|trace| trace.pipes.iter().copied());
        let named = table::named(pipes());
        let holders = table::all().into_iter().filter(|process| table::holds_one(process.id, &named));
        families.extend(holders.map(|holder| family(holder.id, false)));
        families.push(Family::default().holding(pipes()));
        let (mut found, mut told, started) = (BTreeSet::new(), false, Instant::now());
        loop {
            let left: Vec<Process> = families.iter_mut().flat_map(Family::living).collect();
            let Some(first) = left.first() else { return Ended { found: found.len(), some_left: false } };
            // A group is killed at once, so that no member has a child that was not seen. Processes that cannot be
            // killed are waited for.
            families.iter().for_each(Family::kill_group);
            left.iter().for_each(|process| table::kill(process, Signal::KILL));
            found.extend(left.iter().map(|process| process.id));
            if stop.requested() {
                return Ended { found: found.len(), some_left: true };
            }
            if started.elapsed() >= LONG && !std::mem::replace(&mut told, true) {
                waiting(&format!("process {}, which a killed build has left behind", first.id));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn runs(leader: &Leader) -> bool {
        table::process(leader.id).is_some_and(|found| (leader.began.0..=leader.began.1).contains(&found.began))
    }

    /// Returns everything that a process has started, or that was started for the same task since the process began.
    fn family(id: u32, leads: bool) -> Family {
        let mark = table::variable(id, MARK).map(|mark| (MARK.into(), mark.into()));
        Family::new(id, leads, mark.as_slice())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use percache::Digest;

    use super::{Ended, Trace};
    use crate::process::Stop;

    pub fn this() -> Option<Digest> {
        None
    }

    pub fn end(_traces: &[&Trace], _stop: &Stop, _waiting: &mut dyn FnMut(&str)) -> Ended {
        Ended::default()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
