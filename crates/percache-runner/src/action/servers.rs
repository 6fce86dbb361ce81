//! The servers that run: which they are, what they do, and who uses them.
//!
//! Jobs start servers and use them, the coordinator tells what they do and ends them, and whoever builds again and again
//! keeps them in between. A server is known by its name and its action key: one that runs with another key is ended, and
//! started anew.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percache::store::id::ActionKey;

use crate::model::problem::Trouble;
use crate::process::{End, Progress, Server, Stop};

/// The servers that run, by the names of their tasks. Clones are the same servers.
#[derive(Clone, Default)]
pub struct Servers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: Mutex<BTreeMap<String, Known>>,
    /// Held while a server is started or replaced, so that only one job does it.
    starts: Mutex<()>,
    uses: Mutex<Vec<Use>>,
    /// The number of the next use.
    next: AtomicU64,
}

/// A server that was started, or was to be.
struct Known {
    key: ActionKey,
    state: State,
    told: Told,
}

enum State {
    Running(Arc<Server>),
    Refused(Trouble),
}

/// What the coordinator has heard of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Start,
    Ready,
    End,
}

/// A command that runs while servers run.
struct Use {
    number: u64,
    stop: Stop,
    servers: Vec<Arc<Server>>,
}

/// What a server has done.
#[derive(Debug)]
pub enum News {
    /// It was started.
    Started,
    /// It printed this.
    Output(Vec<u8>),
    /// It is ready, after this time.
    Ready(Duration),
    /// It has ended; the end of its log, and how much was printed before that.
    Ended(End, Vec<u8>, u64),
    /// It could not be started.
    Refused(Trouble),
}

impl Servers {
    /// Takes what the servers have done since the last time, in order, each with the server's name.
    pub fn news(&self) -> Vec<(String, News)> {
        let mut news = Vec::new();
        for (name, known) in &mut *self.known() {
            known.news(&mut |it| news.push((name.clone(), it)));
        }
        news
    }

    /// Returns whether a server runs, and is ready if that is asked for. One whose end was not told yet still runs.
    pub fn is_running(&self, name: &str, ready: bool) -> bool {
        let least = if ready { Told::Ready } else { Told::Nothing };
        self.known().get(name).is_some_and(|known| (least..Told::End).contains(&known.told))
    }

    /// Returns the names of the servers that run.
    pub fn running(&self) -> Vec<String> {
        let known = self.known();
        known.iter().filter(|(_, known)| known.told < Told::End).map(|(name, _)| name.clone()).collect()
    }

    /// Returns whether a server was to be started since the last [`forget`](Self::forget).
    pub fn was_started(&self, name: &str) -> bool {
        self.known().contains_key(name)
    }

    /// Asks a server to end.
    pub fn end(&self, name: &str) {
        if let Some(Known { state: State::Running(server), .. }) = self.known().get(name) {
            server.end();
        }
    }

    /// Kills all servers.
    pub fn kill(&self) {
        for known in self.known().values() {
            if let State::Running(server) = &known.state {
                server.kill();
            }
        }
    }

    /// Forgets the servers that have ended, so that they may be started again.
    pub fn forget(&self) {
        self.known().retain(|_, known| known.told < Told::End);
    }

    /// Passes a request to stop on to the commands that use servers, and asks those to end whose servers are gone.
    pub fn tend(&self, stop: &Stop) {
        for one in &*self.uses() {
            // An error of writing to a pipe does not matter, because polling also sees the signal.
            match stop.signal() {
                Some(signal) if one.stop.signal().is_none() => drop(one.stop.trigger_as(signal)),
                Some(_) if stop.urgent() && !one.stop.urgent() => {
                    let _ = one.stop.trigger().and_then(|()| one.stop.trigger()).and_then(|()| one.stop.end());
                }
                None if one.stop.signal().is_none() && one.servers.iter().any(|server| has_ended(server)) => {
                    let _ = one.stop.end();
                }
                _ => {}
            }
        }
    }

    /// Returns the server of this name and key, started by `start` if it does not run. Returns `None` if it has failed
    /// before. A server with another key is ended first.
    pub(super) fn get(
        &self,
        name: &str,
        key: ActionKey,
        start: impl FnOnce() -> Result<Server, Trouble>,
    ) -> Option<Arc<Server>> {
        let _turn = self.0.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let old = {
            let mut known = self.known();
            match known.get(name) {
                Some(Known { key: same, state, .. }) if *same == key => {
                    return if let State::Running(server) = state { Some(server.clone()) } else { None };
                }
                Some(_) => known.remove(name),
                None => None,
            }
        };
        if let Some(Known { state: State::Running(server), .. }) = old {
            end_and_wait(&server);
        }
        let (state, server) = match start().map(Arc::new) {
            Ok(server) => (State::Running(server.clone()), Some(server)),
            Err(trouble) => (State::Refused(trouble), None),
        };
        self.known().insert(name.to_owned(), Known { key, state, told: Told::Nothing });
        server
    }

    /// Notes that a server cannot be started.
    pub(super) fn refuse(&self, name: &str, key: ActionKey, trouble: Trouble) {
        self.get(name, key, || Err(trouble));
    }

    /// Notes that a command uses these servers, until the returned number is given back. `stop` asks it to end.
    pub(super) fn begin_use(&self, stop: Stop, servers: Vec<Arc<Server>>) -> u64 {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.uses().push(Use { number, stop, servers });
        number
    }

    pub(super) fn end_use(&self, number: u64) {
        self.uses().retain(|one| one.number != number);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, Vec<Use>> {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn news(&mut self, tell: &mut dyn FnMut(News)) {
        if self.told == Told::End {
            return;
        }
        let server = match &self.state {
            State::Running(server) => server,
            State::Refused(trouble) => {
                tell(News::Refused(trouble.clone()));
                self.told = Told::End;
                return;
            }
        };
        if self.told == Told::Nothing {
            tell(News::Started);
            self.told = Told::Start;
        }
        // Asked before its output is taken: what it printed before its end is told before.
        let progress = server.progress();
        let output = server.take_output();
        if !output.is_empty() {
            tell(News::Output(output));
        }
        let ready = match &progress {
            Progress::Starting => None,
            Progress::Ready(took) => Some(*took),
            Progress::Ended(end) => end.ready,
        };
        if let Some(took) = ready.filter(|_| self.told == Told::Start) {
            tell(News::Ready(took));
            self.told = Told::Ready;
        }
        if let Progress::Ended(end) = progress {
            let (log, omitted) = server.log();
            tell(News::Ended(end, log, omitted));
            self.told = Told::End;
        }
    }
}

/// Returns whether a server has ended.
pub(super) fn has_ended(server: &Server) -> bool {
    matches!(server.progress(), Progress::Ended(_))
}

/// Ends a server that is to be replaced, whose last output nobody needs.
fn end_and_wait(server: &Server) {
    server.end();
    while !has_ended(server) {
        server.take_output();
        std::thread::sleep(Duration::from_millis(5));
    }
}
