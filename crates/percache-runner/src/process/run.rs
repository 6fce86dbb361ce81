//! Waits for a command without an extra thread: one poll over its output, its end, and the request to stop.
//!
//! A command has ended when its leader has exited and nobody holds its output any more, so a child left in the
//! background counts as running. On a timeout or a stop, the process group and the processes that have left it
//! ([`super::family`]) get SIGTERM, and SIGKILL after a grace period or as soon as the leader has exited. The leader is
//! reaped last: until then its id, which is also the group's, cannot be reused.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use signal_hook::consts::SIGINT;

use super::family::Family;
use super::spawn::{Outputs, pipe_number, spawn};
use super::table::{self, Process};
use super::{Finished, Holder, Mark, SpawnError, SpawnErrorKind, Spec, Status, Stdio, Stop, Stream};

/// How long a command may take to exit after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long the output is still read after SIGKILL: a process that holds it then has left the process group.
const DRAIN: Duration = Duration::from_millis(100);
/// How long to wait silently for a command that has exited but whose output somebody still holds.
const PATIENCE: Duration = Duration::from_secs(2);
/// The polling interval where no descriptor helps: for a second signal, and for the leader's exit on systems without
/// pidfd.
const TICK: Duration = Duration::from_millis(20);

/// Takes the output of a command, as it comes.
pub type OnOutput<'a> = &'a mut dyn FnMut(Stream, &[u8]);

/// Takes the marks of a command, before it starts and once it has.
pub type OnMark<'a> = &'a mut dyn FnMut(&Mark);

/// Runs a command to its end. `on_output` gets its output, as it comes; in the order of writing within one stream.
///
/// # Errors
/// Fails if the command cannot be started.
pub fn run(spec: &Spec, stop: &Stop, on_output: OnOutput<'_>) -> Result<Finished, SpawnError> {
    run_with_grace(spec, stop, GRACE, &mut |_| (), on_output)
}

/// Like [`run`], for a command that must not outlive this process unnoticed.
///
/// # Errors
/// Fails if the command cannot be started.
pub fn run_marked(
    spec: &Spec,
    stop: &Stop,
    on_mark: OnMark<'_>,
    on_output: OnOutput<'_>,
) -> Result<Finished, SpawnError> {
    run_with_grace(spec, stop, GRACE, on_mark, on_output)
}

pub(super) fn run_with_grace(
    spec: &Spec,
    stop: &Stop,
    grace: Duration,
    on_mark: OnMark<'_>,
    on_output: OnOutput<'_>,
) -> Result<Finished, SpawnError> {
    if stop.requested() {
        return Ok(Finished { status: Status::Interrupted, took: Duration::ZERO });
    }
    launch(Cow::Borrowed(spec), on_mark)?.wait_with_grace(stop, grace, on_mark, on_output)
}

/// A command that was started and is not waited for yet.
pub(super) struct Launched<'s> {
    spec: Cow<'s, Spec>,
    started: Instant,
    child: Child,
    outputs: Outputs,
}

/// Starts a command.
pub(super) fn launch<'s>(spec: Cow<'s, Spec>, on_mark: OnMark<'_>) -> Result<Launched<'s>, SpawnError> {
    let started = Instant::now();
    let (child, outputs) = spawn(&spec, on_mark)?;
    Ok(Launched { spec, started, child, outputs })
}

impl Launched<'_> {
    /// Returns the id of its process, which is that of its group, too.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(super) fn wait(
        self,
        stop: &Stop,
        on_mark: OnMark<'_>,
        on_output: OnOutput<'_>,
    ) -> Result<Finished, SpawnError> {
        self.wait_with_grace(stop, GRACE, on_mark, on_output)
    }

    fn wait_with_grace(
        mut self,
        stop: &Stop,
        grace: Duration,
        on_mark: OnMark<'_>,
        on_output: OnOutput<'_>,
    ) -> Result<Finished, SpawnError> {
        let (spec, started) = (&*self.spec, self.started);
        let leader = Pid::from_child(&self.child);
        let mut run = Run {
            leader,
            leader_end: watch_end(leader),
            exited: None,
            told: false,
            outputs: self.outputs,
            env: &spec.env,
            family: None,
            interactive: spec.stdio == Stdio::Inherited,
            stop,
            deadline: spec.timeout.and_then(|timeout| started.checked_add(timeout)),
            grace,
            ending: None,
        };
        while !run.is_over() {
            run.wait(on_output);
            run.decide(Instant::now());
            run.tell(on_mark);
        }
        let ending = run.ending.map(|ending| ending.cause);
        if ending.is_some() {
            run.kill();
        }
        let exit = self.child.wait().map_err(|error| SpawnError {
            program: spec.program.clone(),
            cwd: spec.cwd.clone(),
            kind: SpawnErrorKind::Os(error),
        })?;
        Ok(Finished { status: ending.unwrap_or_else(|| status_of(exit)), took: started.elapsed() })
    }
}

fn status_of(exit: ExitStatus) -> Status {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => Status::Exit(code),
        (None, signal) => Status::Signal(signal.unwrap_or(0)),
    }
}

/// Returns a descriptor that becomes readable when the process exits.
#[cfg(target_os = "linux")]
fn watch_end(leader: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(leader, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn watch_end(_leader: Pid) -> Option<OwnedFd> {
    None
}

/// A running command.
struct Run<'a> {
    leader: Pid,
    leader_end: Option<OwnedFd>,
    /// When the leader was seen to have exited. It is not reaped yet.
    exited: Option<Instant>,
    /// Whether the holders of the output were reported.
    told: bool,
    /// The streams that are not at their end.
    outputs: Outputs,
    env: &'a [(OsString, OsString)],
    /// Everything that the command has started; determined when it is ended.
    family: Option<Family>,
    interactive: bool,
    stop: &'a Stop,
    deadline: Option<Instant>,
    grace: Duration,
    ending: Option<Ending>,
}

/// The state after SIGTERM was sent.
#[derive(Clone, Copy)]
struct Ending {
    cause: Status,
    kill_at: Instant,
    killed: Option<Instant>,
}

impl Run<'_> {
    fn is_over(&self) -> bool {
        let drained = self.ending.as_ref().and_then(|ending| ending.killed).is_some_and(|at| at.elapsed() >= DRAIN);
        self.exited.is_some() && (self.outputs.is_empty() || drained)
    }

    /// Waits until something happens, and records it.
    fn wait(&mut self, on_output: OnOutput<'_>) {
        let timeout = self.patience().and_then(|patience| Timespec::try_from(patience).ok());
        let outputs = self.outputs.iter().map(|(_, output)| PollFd::new(output, PollFlags::IN));
        let leader =
            self.leader_end.as_ref().filter(|_| self.exited.is_none()).map(|fd| PollFd::new(fd, PollFlags::IN));
        // Once readable, it stays readable and would end every poll immediately.
        let stop = (!self.stop.requested()).then(|| PollFd::new(self.stop, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = outputs.chain(leader).chain(stop).collect();
        // The only errors here are EINTR and a lack of memory; either way, nothing is known to have happened.
        let happened = poll(&mut fds, timeout.as_ref()).is_ok();
        let ready = |fd: &PollFd<'_>| happened && !fd.revents().is_empty();
        let ready: Vec<bool> = fds[..self.outputs.len()].iter().map(ready).collect();
        drop(fds);
        let mut ready = ready.into_iter();
        self.outputs.retain_mut(|(stream, output)| {
            !ready.next().unwrap_or(false) || read(output, &mut |bytes| on_output(*stream, bytes))
        });
        if self.exited.is_none() && has_exited(self.leader) {
            self.exited = Some(Instant::now());
        }
    }

    /// Returns how long to wait for something to happen; `None` for no limit.
    fn patience(&self) -> Option<Duration> {
        let blind = self.exited.is_none() && self.leader_end.is_none();
        if blind || self.ending.is_some() || self.stop.requested() {
            return Some(TICK);
        }
        let next = [self.deadline, self.tell_at()].into_iter().flatten().min();
        next.map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Returns when to report the holders of the output.
    fn tell_at(&self) -> Option<Instant> {
        self.exited.filter(|_| !self.told && !self.outputs.is_empty()).map(|at| at + PATIENCE)
    }

    /// Reports the holders of the output of a command that has exited, if it is time.
    fn tell(&mut self, on_mark: OnMark<'_>) {
        if self.tell_at().is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.told = true;
        let pipes = table::named(self.pipes());
        let holders = table::all().into_iter().filter(|process| table::holds_one(process.id, &pipes));
        let holder = |process: Process| Some(Holder { id: process.id, command: table::command_line(process.id)? });
        on_mark(&Mark::Background(holders.filter_map(holder).collect()));
    }

    /// Returns the numbers of its output's pipes that are not at their end.
    fn pipes(&self) -> Vec<u64> {
        self.outputs.iter().filter_map(|(_, pipe)| pipe_number(pipe)).collect()
    }

    /// Ends the command if it is time.
    fn decide(&mut self, now: Instant) {
        let Some(ending) = &mut self.ending else {
            let cause = match () {
                () if self.heeds_stop() => Status::Interrupted,
                () if self.deadline.is_some_and(|deadline| now >= deadline) => Status::TimedOut,
                () => return,
            };
            self.terminate();
            self.ending = Some(Ending { cause, kill_at: now + self.grace, killed: None });
            return;
        };
        if ending.killed.is_none() && (self.exited.is_some() || now >= ending.kill_at || self.stop.urgent()) {
            ending.killed = Some(now);
            self.kill();
        }
    }

    /// Returns whether to end the command. One that owns the terminal received the Ctrl-C itself, and may handle it.
    fn heeds_stop(&self) -> bool {
        self.stop.signal().is_some_and(|signal| !(self.interactive && signal == SIGINT))
    }

    /// Asks the command and everything that it has started to end.
    fn terminate(&mut self) {
        // This must precede the signal: once a process has ended, its children cannot be told from others.
        let leader = self.leader.as_raw_nonzero().get().unsigned_abs();
        let mut family = Family::new(leader, !self.interactive, self.env).holding(self.pipes());
        family.terminate_others();
        self.signal(Signal::TERM);
        self.family = Some(family);
    }

    /// Kills the command and everything that it has started.
    fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.family.iter_mut().for_each(Family::kill);
    }

    /// Signals the whole group, or only the command if it is in percache's group. It is not an error if nobody is left.
    fn signal(&self, signal: Signal) {
        let _ = match self.interactive {
            true => kill_process(self.leader, signal),
            false => kill_process_group(self.leader, signal),
        };
    }
}

/// Reads what is available. Returns `false` at the end.
fn read(output: &mut PipeReader, take: &mut dyn FnMut(&[u8])) -> bool {
    thread_local! {
        // Allocated once for all commands of a thread, because most write nothing.
        static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // The buffer is taken out because `take` may do anything.
    let mut buffer = BUFFER.take();
    if buffer.is_empty() {
        buffer = vec![0; 64 << 10];
    }
    let goes_on = match output.read(&mut buffer) {
        Ok(count) if count > 0 => {
            take(&buffer[..count]);
            true
        }
        answer => answer.is_err_and(|error| error.kind() == io::ErrorKind::Interrupted),
    };
    BUFFER.set(buffer);
    goes_on
}

/// Returns whether the process has exited, without reaping it. One that another wait has reaped counts as well.
fn has_exited(leader: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(leader), options) {
        Ok(status) => status.is_some(),
        Err(error) => error == rustix::io::Errno::CHILD,
    }
}

#[cfg(test)]
mod tests;
