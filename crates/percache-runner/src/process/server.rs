//! A command that runs until it is ended: started, waited for until it is ready, and ended with everything that it has
//! started.
//!
//! It has threads of its own: one reads its output and sees its end, another looks for the sign that it is ready. Whoever
//! has the server takes its output from time to time. If nobody does, the server waits once a megabyte is pending.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::guard::Guard;
use super::ready::{Address, Ready, Sign};
use super::run::{Launched, launch};
use super::{Finished, Holder, OnMark, SpawnError, Spec, Status, Stop, port};

/// How often to look for the sign at first, and later.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(250);
/// How much time a look should have.
const ENOUGH: Duration = Duration::from_secs(1);
/// How often to check for a request to stop while waiting.
const TICK: Duration = Duration::from_millis(20);
/// How much output may be pending.
const PENDING: usize = 1 << 20;
/// How much of the end of its output is kept.
const KEPT: usize = 1 << 20;

/// A server that could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its command cannot be run.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Somebody else listens where it would be looked for.
    #[error("port {} is in use already{}", .0.port, by(.1.as_ref()))]
    Occupied(Address, Option<Holder>),
    /// The system has no room.
    #[error(transparent)]
    System(#[from] std::io::Error),
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" by process {} (`{}`)", holder.id, holder.command.trim())).unwrap_or_default()
}

impl StartError {
    /// Returns what to do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            StartError::Spawn(e) => e.hint(),
            StartError::Occupied(..) => Some("end what listens there, or give the server another port".to_owned()),
            StartError::System(_) => None,
        }
    }
}

/// How far a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It runs, and is not ready.
    Starting,
    /// It is ready, after this time.
    Ready(Duration),
    /// It has ended.
    Ended(End),
}

/// How a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How its command ended; [`Status::Interrupted`] if it was asked to.
    pub status: Status,
    /// How long it ran.
    pub took: Duration,
    /// When it was ready, after its start.
    pub ready: Option<Duration>,
    /// If it was ended because it was not ready in time: what there was instead of the sign.
    pub late: Option<String>,
}

/// A running server. Dropping it ends the server.
pub struct Server {
    shared: Arc<Shared>,
    runner: Option<JoinHandle<()>>,
}

struct Shared {
    ready: Option<Ready>,
    spec: Spec,
    began: Instant,
    stop: Stop,
    state: Mutex<State>,
    /// Wakes whoever waits for a change of the state, or for pending output to be taken.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: Option<Duration>,
    late: Option<String>,
    end: Option<End>,
    /// Output that nobody has taken.
    pending: Vec<u8>,
    /// The end of the output.
    log: VecDeque<u8>,
    /// How much was printed before that.
    omitted: u64,
    /// The last line so far, as long as its sign is looked for.
    line: Vec<u8>,
}

impl Server {
    /// Starts a server. `on_mark` gets the marks of its command before this returns.
    ///
    /// # Errors
    /// Fails if it cannot be started, or if somebody listens at its address.
    pub fn start(spec: Spec, ready: Option<Ready>, on_mark: OnMark<'_>) -> Result<Server, StartError> {
        if let Some(address) = ready.as_ref().and_then(|ready| ready.sign.address())
            && let Some(holder) = port::listener(address)
        {
            return Err(StartError::Occupied(address.clone(), holder));
        }
        let stop = Stop::manual()?;
        let launched = launch(Cow::Owned(spec.clone()), on_mark)?;
        let guard = Guard::over(launched.id());
        let state = State { ready: ready.is_none().then_some(Duration::ZERO), ..State::default() };
        let (began, state) = (Instant::now(), Mutex::new(state));
        let shared = Arc::new(Shared { ready, spec, began, stop, state, changed: Condvar::new() });
        let looker = shared.ready.is_some().then(|| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.look())
        });
        let runner = std::thread::spawn({
            let shared = shared.clone();
            move || shared.run(launched, guard, looker)
        });
        Ok(Server { shared, runner: Some(runner) })
    }

    /// Returns how far it is.
    pub fn progress(&self) -> Progress {
        self.shared.lock().progress()
    }

    /// Waits until it is ready or has ended, or until the wait is to be given up.
    pub fn wait(&self, given_up: &dyn Fn() -> bool) -> Progress {
        let mut state = self.shared.lock();
        while state.progress() == Progress::Starting && !given_up() {
            state = self.shared.wait(state, TICK);
        }
        state.progress()
    }

    /// Asks it to end. It is killed if it does not within the grace period.
    pub fn end(&self) {
        if !self.shared.stop.requested() {
            // An error of writing to a pipe does not matter, because polling also sees the signal.
            let _ = self.shared.stop.end();
        }
    }

    /// Kills it at once.
    pub fn kill(&self) {
        self.end();
        if !self.shared.stop.urgent() {
            let _ = self.shared.stop.trigger().and_then(|()| self.shared.stop.trigger());
        }
    }

    /// Takes what it has printed since the last time.
    pub fn take_output(&self) -> Vec<u8> {
        let output = std::mem::take(&mut self.shared.lock().pending);
        if !output.is_empty() {
            self.shared.changed.notify_all();
        }
        output
    }

    /// Returns the end of its output, and how much was printed before that.
    pub fn log(&self) -> (Vec<u8>, u64) {
        let state = self.shared.lock();
        (state.log.iter().copied().collect(), state.omitted)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        // Nobody takes its output any more.
        self.shared.lock().pending.clear();
        self.shared.changed.notify_all();
        self.runner.take().into_iter().for_each(|runner| drop(runner.join()));
    }
}

impl State {
    fn progress(&self) -> Progress {
        match (&self.end, self.ready) {
            (Some(end), _) => Progress::Ended(end.clone()),
            (None, Some(took)) => Progress::Ready(took),
            (None, None) => Progress::Starting,
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.log.extend(bytes);
        let surplus = self.log.len().saturating_sub(KEPT);
        self.log.drain(..surplus);
        self.omitted += surplus as u64;
    }

    /// Returns whether the text is in the output, of which these bytes are the latest.
    fn shows(&mut self, text: &str, bytes: &[u8]) -> bool {
        self.line.extend_from_slice(bytes);
        let found = plain(&self.line).contains(text);
        // A text of several lines is found if they come together.
        let kept = self.line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if !text.contains('\n') {
            self.line.drain(..kept);
        }
        let surplus = self.line.len().saturating_sub(KEPT);
        self.line.drain(..surplus);
        found
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>, patience: Duration) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Reads its output and waits for its end.
    fn run(&self, launched: Launched<'_>, guard: Option<Guard>, looker: Option<JoinHandle<()>>) {
        let finished = launched.wait(&self.stop, &mut |_| (), &mut |_, bytes| self.wrote(bytes));
        // Nothing of it is left, and its process id may be that of another from now on.
        drop(guard);
        let mut state = self.lock();
        let finished = finished.unwrap_or(Finished { status: Status::Interrupted, took: self.began.elapsed() });
        let (ready, late) = (state.ready, state.late.clone());
        state.end = Some(End { status: finished.status, took: finished.took, ready, late });
        drop(state);
        self.changed.notify_all();
        if let Some(Ready { sign: Sign::Command(_), .. }) = self.ready {
            // Ends the command that looks for the sign.
            let _ = self.stop.end();
            looker.into_iter().for_each(|looker| drop(looker.join()));
        }
    }

    fn wrote(&self, bytes: &[u8]) {
        let mut state = self.lock();
        while state.pending.len() >= PENDING && !self.stop.requested() {
            state = self.wait(state, TICK);
        }
        state.append(bytes);
        let text = self.ready.as_ref().and_then(|ready| ready.sign.text()).filter(|_| state.ready.is_none());
        if text.is_some_and(|text| state.shows(text, bytes)) {
            self.is_ready(state);
        }
    }

    fn is_ready(&self, mut state: MutexGuard<'_, State>) {
        if state.late.is_none() {
            state.ready = state.ready.or(Some(self.began.elapsed()));
            state.line = Vec::new();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Looks for the sign that it is ready, until there is one or it is too late.
    fn look(&self) {
        let Some(Ready { sign, timeout }) = &self.ready else { return };
        let (mut pause, mut last) = (SOON, None);
        loop {
            let left = timeout.saturating_sub(self.began.elapsed());
            let seen = sign.look(&self.spec, left, &self.stop);
            let state = self.lock();
            if state.progress() != Progress::Starting || self.stop.requested() {
                return;
            }
            match seen {
                Ok(()) => return self.is_ready(state),
                Err(instead) if self.began.elapsed() >= *timeout => {
                    // A look that was cut short says less than the one before.
                    let before = last.filter(|_| left < ENOUGH);
                    return self.is_late(state, before.unwrap_or(instead));
                }
                Err(instead) => last = Some(instead),
            }
            drop(self.wait(state, pause.min(timeout.saturating_sub(self.began.elapsed()))));
            pause = (pause * 2).min(LATER);
        }
    }

    fn is_late(&self, mut state: MutexGuard<'_, State>, instead: String) {
        state.late = Some(instead);
        drop(state);
        let _ = self.stop.end();
    }
}

/// Returns a text without the sequences that colour it, which may be in the middle of what is looked for.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| ('@'..='~').contains(&c)).map_or(part.len(), |end| end + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests;
