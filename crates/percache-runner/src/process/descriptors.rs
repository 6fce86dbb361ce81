//! How many files the process may have open, and how many jobs fit into that.
//!
//! The soft limit is raised when it is too low for the jobs that are asked for, as far as the hard one allows.
//! Commands get the one that percache was started with: programs that use `select` rely on it, and some close every
//! number below it.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a running job has open at the most: pipes, the files that its outputs are read from and written to,
/// directories on the way.
const OF_A_JOB: u64 = 8;
/// The terminal, the store's own files, locks, pipes to commands.
const OF_THE_PROCESS: u64 = 48;

/// The limit before it was raised.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Makes room for so many jobs; returns how many of them there is room for, at least one.
pub fn make_room(jobs: usize) -> usize {
    let now = getrlimit(Resource::Nofile);
    let (soft, hard) = (now.current.unwrap_or(u64::MAX), now.maximum.unwrap_or(u64::MAX));
    let wanted = needed(jobs);
    if wanted > soft && soft < hard {
        let raised = Rlimit { current: Some(wanted.min(hard)), maximum: now.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            let _ = BEFORE.set(now);
        }
    }
    fitting(jobs, getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

/// The limit that commands are to have, if it is not the one that the process has.
pub fn of_commands() -> Option<Rlimit> {
    BEFORE.get().copied()
}

/// Half of what a process may have open may be files of the store's database.
fn needed(jobs: usize) -> u64 {
    (OF_THE_PROCESS + OF_A_JOB.saturating_mul(jobs as u64)).saturating_mul(2)
}

fn fitting(jobs: usize, limit: u64) -> usize {
    let fit = (limit / 2).saturating_sub(OF_THE_PROCESS) / OF_A_JOB;
    jobs.min(usize::try_from(fit).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_jobs_as_were_made_room_for() {
        for jobs in [1, 2, 64, 300, 5000] {
            assert_eq!(fitting(jobs, needed(jobs)), jobs);
            assert_eq!(fitting(jobs, u64::MAX), jobs);
        }
        assert_eq!(fitting(300, 256), 10);
        assert_eq!(fitting(300, 20), 1);
        assert!(needed(16) <= 1024, "the usual limit is no reason for anything");
    }
}
