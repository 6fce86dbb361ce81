//! Commands that outlive the percache that ran them: how they are found by the next build, and their end.
//!
//! A percache that is killed with SIGKILL cannot end its commands. They would go on writing to outputs that the next build restores, or makes
//! and stores. So of every command there is a [`Trace`] among the intents, and the next build ends what is left of it before it looks at the tree.
//!
//! A command is its leader with all that descends from it, and whoever holds its output. Hence two signs. The pipe of
//! its output is known before it starts, so that no kill comes too early to leave a trace; the leader, for commands
//! that redirect all that they write, as soon as it has started. Nobody else is taken for either: a pipe has its number
//! as long as somebody holds it, and a process id counts only with the time at which the process began. Both mean
//! something to one run of one kernel, and in one space of process ids.
//!
//! Elsewhere than on Linux the system does not tell all this, and commands run on.

use percache::Digest;
use percache::codec::{DecodeError, Decoder, Encode};

use crate::process::{Mark, Stop, Ticks};

/// By what a command can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The run of the kernel, and the space of process ids.
    pub system: Digest,
    /// The process that leads its group.
    pub leader: Option<Leader>,
    /// Numbers of the pipes that its output goes through.
    pub pipes: Vec<u64>,
}

/// A process, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its id, which others may have later.
    pub id: u32,
    /// Between which moments it began. Nobody else has had its id then.
    pub began: (Ticks, Ticks),
}

impl Trace {
    /// What a command that runs here can be found by; `None` where nothing would find it.
    pub fn of(mark: &Mark) -> Option<Trace> {
        let system = system::this()?;
        Some(match mark {
            Mark::Outputs(pipes) => Trace { system, leader: None, pipes: pipes.clone() },
            Mark::Leader(id, began) => {
                let began = (*began.start(), *began.end());
                Trace { system, leader: Some(Leader { id: *id, began }), pipes: Vec::new() }
            }
            // It holds the pipe.
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

/// Ends what still runs of these commands, and waits until it is gone. Tells `waiting` for whom when that takes long: a process that hangs in
/// the system, or belongs to somebody else. Only a wish to stop ends that wait.
pub fn end(traces: &[Trace], stop: &Stop, waiting: &mut dyn FnMut(&str)) -> Ended {
    let here = system::this();
    let traces: Vec<&Trace> = traces.iter().filter(|trace| Some(trace.system) == here).collect();
    if traces.is_empty() { Ended::default() } else { system::end(&traces, stop, waiting) }
}

/// How [`end`] ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Processes that were there.
    pub found: usize,
    /// Some of them still are.
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

    /// How often to look whether they are gone.
    const PAUSE: Duration = Duration::from_millis(2);
    /// After this long it is said who is waited for.
    const LONG: Duration = Duration::from_secs(1);

    /// This run of the kernel, and the space of process ids.
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
        // Of a leader that has ended, or that the kill came too early to note, those who hold its output tell whose they are.
        let pipes = || traces.iter().flat_map(|trace| trace.pipes.iter().copied());
        let named = table::named(pipes());
        let holders = table::all().into_iter().filter(|process| table::holds_one(process.id, &named));
        families.extend(holders.map(|holder| family(holder.id, false)));
        families.push(Family::default().holding(pipes()));
        let (mut found, mut told, started) = (BTreeSet::new(), false, Instant::now());
        loop {
            let left: Vec<Process> = families.iter_mut().flat_map(Family::living).collect();
            let Some(first) = left.first() else { return Ended { found: found.len(), some_left: false } };
            // All of a group at once, so that none has a child that nobody has seen. Who cannot be ended is waited for.
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

    /// Returns all that a process has started, or that was started for the same task since it began.
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
