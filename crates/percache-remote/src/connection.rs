//! One connection for a whole run: made when it is first needed, given up when it costs more than it brings.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::breaker::Breaker;
use crate::fault::{Fault, FaultKind};
use crate::service::Service;
use crate::settings::Settings;

/// After this long without a sign of the remote, it is asked whether it is still there.
const SILENT: Duration = Duration::from_millis(500);
/// How long a build waits for a sign of a remote: the whole of what one costs that is down.
const PATIENCE: Duration = Duration::from_secs(2);
/// What clocks and schedulers may differ.
const MARGIN: Duration = Duration::from_millis(100);

/// What a user is told about the remote, at most once each. Worded by whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The remote is not used any more in this run.
    GivenUp {
        /// Where it is, without secrets.
        address: String,
        /// What kind of failure it was, for what to check.
        kind: FaultKind,
        /// What failed.
        reason: String,
    },
    /// Results are read and not written: the server does not let us.
    ReadOnly {
        /// Where it is, without secrets.
        address: String,
        /// What the server said.
        reason: String,
    },
    /// A command was not executed on a worker.
    NotExecuted {
        /// Where the server is, without secrets.
        address: String,
        /// Why.
        reason: String,
    },
    /// A record is there that is not used.
    Refused {
        /// Which, in words.
        what: String,
        /// Why.
        reason: String,
    },
}

/// A connection that is made when it is first needed.
pub(crate) struct Connection {
    pub settings: Settings,
    breaker: Breaker,
    opened: OnceLock<Result<Opened, Fault>>,
    notices: Mutex<Vec<Notice>>,
    refusals: AtomicBool,
    read_only: AtomicBool,
    cancelled: Notify,
    is_cancelled: AtomicBool,
    began: Instant,
    /// When the latest answer came, in microseconds since `began`; 0: none came yet.
    answered: AtomicU64,
}

struct Opened {
    runtime: Runtime,
    service: Service,
}

impl Connection {
    /// Connects to nothing.
    pub fn new(settings: Settings) -> Connection {
        Connection {
            settings,
            breaker: Breaker::default(),
            opened: OnceLock::new(),
            notices: Mutex::default(),
            refusals: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            cancelled: Notify::new(),
            is_cancelled: AtomicBool::new(false),
            began: Instant::now(),
            answered: AtomicU64::new(0),
        }
    }

    /// Calls the remote, unless it was given up. What comes of it decides whether it will be.
    pub fn call<T>(&self, call: impl AsyncFnOnce(&Service) -> Result<T, Fault>) -> Result<T, Fault> {
        let answer = self.ask(call)?;
        self.judge(answer.as_ref().err());
        answer
    }

    /// Calls the remote for several things at a time. What comes of each decides whether it will be given up.
    pub fn call_each<T>(
        &self,
        call: impl AsyncFnOnce(&Service) -> Vec<Result<T, Fault>>,
    ) -> Result<Vec<Result<T, Fault>>, Fault> {
        let answers = self.ask(async |service| Ok(call(service).await))?;
        match &answers {
            Ok(answers) => answers.iter().for_each(|answer| self.judge(answer.as_ref().err())),
            Err(fault) => self.judge(Some(fault)),
        }
        answers
    }

    /// Calls the remote for an upload. That this is not allowed says nothing about reading.
    pub fn call_upload<T>(&self, call: impl AsyncFnOnce(&Service) -> Result<T, Fault>) -> Result<T, Fault> {
        let answer = self.ask(call)?;
        match &answer {
            Err(fault) if fault.kind == FaultKind::Denied => self.note_answer(),
            answer => self.judge(answer.as_ref().err()),
        }
        answer
    }

    /// Calls the remote. Returns an error in place of the answer when it could not even be called.
    fn ask<T>(&self, call: impl AsyncFnOnce(&Service) -> Result<T, Fault>) -> Result<Result<T, Fault>, Fault> {
        let opened = self.open()?;
        let began = self.now();
        let asked = catch_unwind(AssertUnwindSafe(|| {
            opened.runtime.block_on(async {
                let cancelled = self.cancelled.notified();
                if self.is_cancelled() {
                    return Err(Fault::new(FaultKind::Local, "interrupted"));
                }
                let (cancelled, silence) = (pin!(cancelled), pin!(self.silence(&opened.service, began)));
                match select(pin!(call(&opened.service)), select(cancelled, silence)).await {
                    Either::Left((answer, _)) => answer,
                    Either::Right((Either::Left(_), _)) => Err(Fault::new(FaultKind::Local, "interrupted")),
                    Either::Right((Either::Right((fault, _)), _)) => Err(fault),
                }
            })
        }));
        // Whatever a library thinks of what a server sends, it is no reason for a build to fail.
        Ok(asked.unwrap_or_else(|_| Err(Fault::new(FaultKind::Unreachable, "its answer was not understood"))))
    }

    /// Calls the remote for something that takes as long as it takes: whether the remote is still there is the business
    /// of the call. Asks ten times a second whether that was `stopped`; if so, has `end` see to what is under way there.
    pub fn wait<T>(
        &self,
        stopped: &(dyn Fn() -> bool + Sync),
        call: impl AsyncFnOnce(&Service) -> Result<T, Fault>,
        end: impl AsyncFnOnce(&Service),
    ) -> Result<T, Fault> {
        let opened = self.open()?;
        let asked = catch_unwind(AssertUnwindSafe(|| {
            opened.runtime.block_on(async {
                let stop = async {
                    while !stopped() && !self.is_cancelled() {
                        tokio::time::sleep(MARGIN).await;
                    }
                };
                let answer = match select(pin!(call(&opened.service)), pin!(stop)).await {
                    Either::Left((answer, _)) => return answer,
                    Either::Right(_) => Err(Fault::new(FaultKind::Local, "interrupted")),
                };
                // A build that is stopped does not wait for it.
                let _ = tokio::time::timeout(SILENT, end(&opened.service)).await;
                answer
            })
        }));
        let answer = asked.unwrap_or_else(|_| Err(Fault::new(FaultKind::Unreachable, "its answer was not understood")));
        self.judge(answer.as_ref().err());
        answer
    }

    /// Ends when the remote has gone silent. It is asked for a sign of life when nothing has come from it for a while:
    /// a slow network is busy with what was asked for before, a dead one is not.
    async fn silence(&self, service: &Service, began: Duration) -> Fault {
        loop {
            let heard = Duration::from_micros(self.answered.load(Ordering::Relaxed)).max(began);
            let quiet = self.now().saturating_sub(heard);
            if quiet < SILENT {
                tokio::time::sleep(SILENT - quiet).await;
                continue;
            }
            let asked = tokio::time::timeout(PATIENCE - SILENT, service.contact()).await;
            match asked {
                Ok(Err(Fault { kind: FaultKind::Transient | FaultKind::Slow, .. })) | Err(_) => {}
                Ok(_) => {
                    self.note_answer();
                    continue;
                }
            }
            let heard_since = Duration::from_micros(self.answered.load(Ordering::Relaxed)) > heard;
            if !heard_since && self.now().saturating_sub(heard) >= PATIENCE - MARGIN {
                return Fault::new(FaultKind::Unreachable, format!("no answer within {} s", PATIENCE.as_secs()));
            }
            tokio::time::sleep(MARGIN).await;
        }
    }

    /// Returns the service, connected or not.
    pub fn service(&self) -> Result<&Service, Fault> {
        Ok(&self.open()?.service)
    }

    fn open(&self) -> Result<&Opened, Fault> {
        if let Some(reason) = self.breaker.reason() {
            return Err(Fault::new(FaultKind::Unreachable, reason));
        }
        let opened = self.opened.get_or_init(|| {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).thread_name("percache-remote").enable_all().build();
            let runtime = runtime.map_err(|e| Fault::new(FaultKind::Unreachable, format!("no threads for it: {e}")))?;
            // One provider of TLS for everything; that another part of the program has chosen one is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            // Some of what a service makes wants to know the runtime that it will be used in.
            let entered = runtime.enter();
            let service = Service::open(&self.settings)?;
            drop(entered);
            Ok(Opened { runtime, service })
        });
        opened.as_ref().map_err(|fault| {
            self.give_up(fault);
            fault.clone()
        })
    }

    /// Notes what came of a call.
    fn judge(&self, fault: Option<&Fault>) {
        let answered = Duration::from_micros(self.answered.load(Ordering::Relaxed));
        let opens = match fault.map(|fault| (fault.kind, fault)) {
            None | Some((FaultKind::Missing | FaultKind::Damaged | FaultKind::Unsupported, _)) => {
                self.note_answer();
                self.breaker.success();
                false
            }
            Some((FaultKind::Local, _)) => false,
            Some((FaultKind::Unreachable | FaultKind::Tls, fault)) => self.breaker.trip(&fault.message),
            Some((FaultKind::Transient, fault)) if answered.is_zero() => self.breaker.trip(&fault.message),
            Some((FaultKind::Denied, fault)) => self.breaker.trip(&fault.message),
            Some((_, fault)) => self.breaker.failure(&fault.message),
        };
        if let (true, Some(fault)) = (opens, fault) {
            self.note_given_up(fault);
        }
    }

    /// Gives the remote up for the rest of the run.
    pub fn give_up(&self, fault: &Fault) {
        if self.breaker.trip(&fault.message) {
            self.note_given_up(fault);
        }
    }

    /// Returns whether the remote was given up.
    pub fn is_given_up(&self) -> bool {
        self.breaker.is_open()
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes that the remote was heard of.
    pub fn note_answer(&self) {
        let now = self.now().as_micros() as u64;
        self.answered.fetch_max(now.max(1), Ordering::Relaxed);
    }

    /// Ends all calls that are under way, and all later ones.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        self.cancelled.notify_waiters();
    }

    /// Returns whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Returns whether results can be written, as far as is known.
    pub fn may_write(&self) -> bool {
        self.wants_writes() && !self.is_given_up()
    }

    /// Returns whether results are to be written, now or by a later run: the server has not refused them.
    pub fn wants_writes(&self) -> bool {
        self.settings.write && !self.read_only.load(Ordering::Relaxed)
    }

    /// Writes no more: the server has said no.
    pub fn read_only(&self, reason: &str) {
        if !self.read_only.swap(true, Ordering::Relaxed) {
            let (address, reason) = (self.settings.address.to_string(), reason.to_owned());
            self.notices().push(Notice::ReadOnly { address, reason });
        }
    }

    /// Notes a record that is not used. The user is told of the first one.
    pub fn refuse(&self, what: impl FnOnce() -> String, reason: &dyn std::fmt::Display) {
        if !self.refusals.swap(true, Ordering::Relaxed) {
            self.notices().push(Notice::Refused { what: what(), reason: reason.to_string() });
        }
    }

    /// Takes what the user is to be told.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices())
    }

    /// Notes what the user is to be told.
    pub fn note(&self, notice: Notice) {
        self.notices().push(notice);
    }

    fn note_given_up(&self, fault: &Fault) {
        let (address, reason) = (self.settings.address.to_string(), fault.message.clone());
        log::debug!("remote {address}: given up: {reason}");
        self.notices().push(Notice::GivenUp { address, kind: fault.kind, reason });
    }

    fn notices(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(Ok(opened)) = self.opened.take() {
            // A name that is being looked up blocks a thread that nothing can end.
            opened.runtime.shutdown_background();
        }
    }
}
