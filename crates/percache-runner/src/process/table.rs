//! Reads the system's process table: ancestry, holders of pipes, and the environment of processes.
//!
//! On Linux it is /proc. Elsewhere reading it takes unsafe code, and these functions find no processes. Processes of
//! other users may be hidden (`hidepid`).
//!
//! Knows nothing of commands that percache has started.

use std::collections::BTreeSet;

use super::Ticks;

/// A process that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id, which other processes may have later.
    pub(crate) id: u32,
    /// The process that started it; once that has ended, init or a subreaper.
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    /// Its start time, which together with the id identifies it.
    pub(crate) began: Ticks,
}

/// Returns the ids of this process's ancestors, its parent first.
pub(crate) fn ancestors() -> Vec<u32> {
    let mut ids: Vec<u32> = Vec::new();
    let mut id = std::process::id();
    // While the table is read, an ancestor may end and its id may be reused by one of its descendants: without this
    // check, the walk would not end.
    while let Some(parent) = process(id).map(|process| process.parent).filter(|id| *id != 0 && !ids.contains(id)) {
        ids.push(parent);
        id = parent;
    }
    ids
}

/// Returns the names of these pipes in /proc.
pub(crate) fn named(pipes: impl IntoIterator<Item = u64>) -> BTreeSet<String> {
    pipes.into_iter().map(|pipe| format!("pipe:[{pipe}]")).collect()
}

pub(crate) use system::{all, began, command_line, holds_one, kill, name, process, variable};

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Read;

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    use super::{Process, Ticks};

    /// Returns the process with this id, unless it has ended.
    pub(crate) fn process(id: u32) -> Option<Process> {
        stat(id).filter(|(_, ended)| !ended).map(|(process, _)| process)
    }

    /// Returns the start time of the process with this id, whether or not it has ended.
    pub(crate) fn began(id: u32) -> Option<Ticks> {
        stat(id).map(|(process, _)| process.began)
    }

    /// Reads proc_pid_stat(5). Returns the process, and whether it has ended and waits to be reaped.
    fn stat(id: u32) -> Option<(Process, bool)> {
        // The file has some 300 bytes, and the kernel generates it anew for each piece that is read.
        let mut stat = Vec::with_capacity(1024);
        fs::File::open(format!("/proc/{id}/stat")).ok()?.read_to_end(&mut stat).ok()?;
        // The name is in parentheses and may contain any.
        let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let text = std::str::from_utf8(&stat[behind..]).ok()?;
        let mut fields = text.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let began = fields.nth(16)?.parse().ok()?;
        Some((Process { id, parent, group, began }, ended))
    }

    /// Returns all processes except this one.
    pub(crate) fn all() -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| *id != std::process::id()).filter_map(process).collect()
    }

    /// Returns whether a process holds one of these pipes, named as in [`named`](super::named).
    pub(crate) fn holds_one(id: u32, pipes: &BTreeSet<String>) -> bool {
        let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| target.to_str().is_some_and(|target| pipes.contains(target)))
    }

    /// Returns the command line of a process, or its name if it has none.
    pub(crate) fn command_line(id: u32) -> Option<String> {
        let words = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let words = String::from_utf8_lossy(words.strip_suffix(b"\0").unwrap_or(&words)).replace('\0', " ");
        if !words.trim().is_empty() {
            return Some(words);
        }
        name(id)
    }

    /// Returns the name of a process: the first 15 bytes of its program's name.
    pub(crate) fn name(id: u32) -> Option<String> {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        Some(name.trim_end().to_owned())
    }

    /// Returns the value of a variable in the environment with which a process was started.
    pub(crate) fn variable(id: u32, name: &str) -> Option<String> {
        let variables = fs::read(format!("/proc/{id}/environ")).ok()?;
        let mut variables = variables.split(|byte| *byte == 0);
        let value = variables.find_map(|it| it.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Sends a signal to this process, and to no other that has reused its id.
    pub(crate) fn kill(target: &Process, signal: Signal) {
        let Some(id) = target.id.try_into().ok().and_then(Pid::from_raw) else { return };
        // The descriptor refers to the process even if the id is reused.
        let Ok(descriptor) = pidfd_open(id, PidfdFlags::empty()) else { return };
        if process(target.id).is_some_and(|now| now.began == target.began) {
            // It is not an error if signalling is not permitted, or if the process has just ended.
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::collections::BTreeSet;

    use rustix::process::Signal;

    use super::{Process, Ticks};

    pub(crate) fn process(_id: u32) -> Option<Process> {
        None
    }

    pub(crate) fn began(_id: u32) -> Option<Ticks> {
        None
    }

    pub(crate) fn all() -> Vec<Process> {
        Vec::new()
    }

    pub(crate) fn holds_one(_id: u32, _pipes: &BTreeSet<String>) -> bool {
        false
    }

    pub(crate) fn command_line(_id: u32) -> Option<String> {
        None
    }

    pub(crate) fn name(_id: u32) -> Option<String> {
        None
    }

    pub(crate) fn variable(_id: u32, _name: &str) -> Option<String> {
        None
    }

    pub(crate) fn kill(_target: &Process, _signal: Signal) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_by_what_it_was_started_with() {
        let mut child = std::process::Command::new("sleep").arg("1000").env("MARK", "a b").spawn().unwrap();
        let found = process(child.id()).unwrap();
        assert_eq!((found.id, found.parent), (child.id(), std::process::id()));
        assert_eq!(began(child.id()), Some(found.began));
        // Before its exec it is a copy of this process.
        while command_line(child.id()).as_deref() != Some("sleep 1000") {
            std::thread::yield_now();
        }
        assert_eq!(variable(child.id(), "MARK").as_deref(), Some("a b"));
        assert_eq!(variable(child.id(), "MAR"), None);
        kill(&Process { began: found.began + 1, ..found }, rustix::process::Signal::KILL);
        assert!(process(child.id()).is_some(), "another process had its id");
        kill(&found, rustix::process::Signal::KILL);
        child.wait().unwrap();
        assert_eq!(process(child.id()), None);
    }

    #[test]
    fn the_ancestors_lead_from_the_parent_to_init() {
        let ids = ancestors();
        assert_eq!(ids.first(), process(std::process::id()).map(|own| own.parent).as_ref());
        assert!(!ids.contains(&std::process::id()) && !ids.contains(&0));
    }
}
