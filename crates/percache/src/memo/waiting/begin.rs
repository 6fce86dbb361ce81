//! Calls for other languages and executors: results are bytes, and who computes has a duty instead of a closure.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::memo::cache::Cache;
use crate::memo::calls::resolve::stand;
use crate::memo::kept::keep::{Keep, SharedErrors};
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::results::record::{Kind, Stored};
use crate::memo::shared::Call;
use crate::memo::waiting::bytes::Told;
use crate::memo::waiting::claim::{Claim, Standing, Waiting};
use crate::memo::waiting::flight::{self, Boarding, Follow, Followed, Outcome};
use crate::memo::waiting::patience::Leader;
use crate::memo::waiting::timer::{self, Alarm};

/// What took so long to compute is made visible to other processes at once, and not within a second. That takes a
/// millisecond or two.
const WORTH_PUBLISHING: Duration = Duration::from_millis(20);

/// How a call stands that was begun.
#[derive(Debug)]
pub enum Begun {
    /// The result is there.
    Hit(Vec<u8>),
    /// Compute it.
    Lead(Lead),
    /// Another thread, task or process computes it already.
    Wait(Wait),
    /// Another one, that was waited for, has called [`Lead::fail`] with this. What [`Cache::begin`] returns is never
    /// this.
    Failed(Vec<u8>),
}

/// The duty to compute a result. Dropped, it passes to one of those who wait: after an error, a panic or a
/// cancellation there is nothing to do.
#[must_use = "dropped, it passes to somebody else"]
pub struct Lead {
    cache: Cache,
    function: Function,
    key: Key,
    /// `None`: those who wait, if any, wait for somebody else.
    flight: Option<flight::Lead>,
    claim: Option<Claim>,
    start: Instant,
}

/// A wait: a future for any executor. Dropped, it waits no longer.
#[must_use = "a wait does nothing unless it is awaited, or blocked on"]
pub struct Wait {
    cache: Cache,
    function: Function,
    key: Key,
    state: Option<State>,
    alarm: Option<Alarm>,
}

enum State {
    /// For a thread or task of this process.
    Here(Follow),
    /// For another process, with the duty in this one.
    Elsewhere(flight::Lead, Box<Waiting>),
}

impl Cache {
    /// Begins a call whose result is bytes, and never blocks: says whether the result is there, is to be computed, or
    /// is being computed.
    ///
    /// `function` says what the result belongs to and how old it may be; the `key` is [`Function::key`], or any digest.
    ///
    /// ```
    /// # use percache::{Begun, Cache, Function};
    /// # let cache = Cache::in_memory();
    /// let function = Function::new(String::from("shout")); // any name, at run time
    /// let key = function.key("hello").expect("text can always be a key");
    /// let bytes = match cache.begin(&function, key) {
    ///     Begun::Hit(bytes) => bytes,
    ///     Begun::Lead(lead) => {
    ///         let bytes = lead.within(|| b"HELLO".to_vec()); // dropping `lead` instead hands the duty on
    ///         lead.finish(&bytes);
    ///         bytes
    ///     }
    ///     // A future, for any executor; or `wait.block()`. What comes of it is one of these four again.
    ///     Begun::Wait(_) | Begun::Failed(_) => unreachable!("nobody else computes"),
    /// };
    /// assert_eq!(bytes, b"HELLO");
    /// assert!(matches!(cache.begin(&function, key), Begun::Hit(found) if found == bytes));
    /// ```
    pub fn begin(&self, function: &Function, key: Key) -> Begun {
        let call = Call { function, path: "", key };
        if let Some((_, bytes)) = self.shared.find(call, &Raw) {
            self.shared.hits.fetch_add(1, Ordering::Relaxed);
            return Begun::Hit(bytes);
        }
        match self.shared.flights.board(key.0, Leader::Unknown, self.shared.wait_timeout) {
            Boarding::Lead(lead) => self.begin_to_lead(function, key, lead),
            Boarding::Follow(follow) => Begun::Wait(self.waiting(function, key, State::Here(follow))),
        }
    }

    /// The bytes under `key`: found, or `compute`d and kept. Nothing is kept of an error, but those who wait for it
    /// get it too. As [`Cache::run`] without serde, and without names that are known when the program is compiled.
    ///
    /// ```
    /// # use percache::{Cache, Function};
    /// # let cache = Cache::in_memory();
    /// let function = Function::new(format!("module.{}", "length"));
    /// let key = function.key("abc").expect("text can always be a key");
    /// for _ in 0..2 {
    ///     let bytes = cache.call_bytes(&function, key, || Ok::<_, String>(vec![3])); // computed once
    ///     assert_eq!(bytes, Ok(vec![3]));
    /// }
    /// ```
    pub fn call_bytes<E: Clone + Send + 'static>(
        &self,
        function: &Function,
        key: Key,
        compute: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        self.shared.resolve(Call { function, path: "", key }, &SharedErrors(Raw), compute)
    }

    /// Keeps `bytes` as the result of `function` under `key`.
    pub fn put_bytes(&self, function: &Function, key: Key, bytes: &[u8]) -> Result<(), crate::Error> {
        self.shared.put(Call { function, path: "", key }, &bytes.to_vec(), &Raw)
    }

    /// The bytes under `key`, if there are any that are young enough for `function`.
    pub fn get_bytes(&self, function: &Function, key: Key) -> Option<Vec<u8>> {
        self.shared.find(Call { function, path: "", key }, &Raw).map(|(_, bytes)| bytes)
    }

    fn begin_to_lead(&self, function: &Function, key: Key, lead: flight::Lead) -> Begun {
        match self.shared.try_claim(Call { function, path: "", key }) {
            Ok(claim) => self.led(function, key, lead, claim),
            Err(waiting) => Begun::Wait(self.waiting(function, key, State::Elsewhere(lead, waiting))),
        }
    }

    /// The duty, unless somebody was faster.
    fn led(&self, function: &Function, key: Key, lead: flight::Lead, claim: Option<Claim>) -> Begun {
        if let Some((record, bytes)) = self.shared.find(Call { function, path: "", key }, &Raw) {
            self.shared.hits.fetch_add(1, Ordering::Relaxed);
            lead.land(Outcome::Record(record.into_shared()));
            return Begun::Hit(bytes);
        }
        Begun::Lead(self.lead(function, key, Some(lead), claim))
    }

    fn lead(&self, function: &Function, key: Key, flight: Option<flight::Lead>, claim: Option<Claim>) -> Lead {
        self.shared.misses.fetch_add(1, Ordering::Relaxed);
        Lead { cache: self.clone(), function: function.clone(), key, flight, claim, start: Instant::now() }
    }

    fn waiting(&self, function: &Function, key: Key, state: State) -> Wait {
        Wait { cache: self.clone(), function: function.clone(), key, state: Some(state), alarm: None }
    }
}

impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Lead {
    /// Runs a piece of the computation on this thread: a call in it that would wait for this duty gets a duty of its
    /// own. To be put around the whole computation, or around each poll of a task.
    pub fn within<R>(&self, compute: impl FnOnce() -> R) -> R {
        let _entered = self.flight.as_ref().map(|flight| {
            flight.led_by(Leader::this_thread());
            flight.enter()
        });
        compute()
    }

    /// Keeps the result, and gives it to all who wait.
    pub fn finish(self, bytes: &[u8]) {
        self.finish_as(bytes, Told::default());
    }

    /// The same, with what is told of the result.
    pub fn finish_as(self, bytes: &[u8], told: Told<'_>) {
        let call = Call { function: &self.function, path: "", key: self.key };
        let cost = told.cost.unwrap_or_else(|| self.start.elapsed());
        let told = if self.cache.shared.describes { told } else { Told { arguments: None, ..told } };
        let outcome = self.cache.shared.store(call, &bytes, &told, cost);
        if let (Some(flight), Some(outcome)) = (self.flight, outcome) {
            flight.land(outcome);
        }
        if cost >= WORTH_PUBLISHING {
            self.cache.shared.publish_soon(self.claim);
        } else {
            self.cache.shared.publish_aside(self.claim);
        }
    }

    /// Gives those who wait in this process an error, in whatever encoding. Nothing is kept.
    pub fn fail(self, error: &[u8]) {
        if let Some(flight) = self.flight {
            flight.land(Outcome::Value(Arc::new(Mutex::new(error.to_vec()))));
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Wait {
    /// Blocks this thread until there is something else to do than to wait.
    pub fn block(mut self) -> Begun {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match Pin::new(&mut self).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(begun) => return begun,
                // The timer wakes it; should there be none, this does.
                Poll::Pending => thread::park_timeout(Duration::from_secs(1)),
            }
        }
    }

    fn landed(&self, outcome: &Outcome) -> Begun {
        let shared = &self.cache.shared;
        let call = Call { function: &self.function, path: "", key: self.key };
        let found: Option<Result<Vec<u8>, Vec<u8>>> = shared.take(call, &SharedErrors(Raw), outcome);
        match found {
            Some(Ok(bytes)) => Begun::Hit(bytes),
            Some(Err(error)) => Begun::Failed(error),
            None => Begun::Lead(self.cache.lead(&self.function, self.key, None, None)),
        }
    }
}

impl Future for Wait {
    type Output = Begun;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Begun> {
        let this = &mut *self;
        let (cache, function, key) = (&this.cache, &this.function, this.key);
        let begun = match this.state.take() {
            Some(State::Here(mut follow)) => match follow.poll(context, || Leader::Unknown) {
                Poll::Pending => {
                    this.state = Some(State::Here(follow));
                    return Poll::Pending;
                }
                Poll::Ready(Followed::Landed(outcome)) => {
                    drop(follow);
                    return Poll::Ready(this.landed(&outcome));
                }
                Poll::Ready(Followed::Lead(lead)) => cache.begin_to_lead(function, key, lead),
                Poll::Ready(Followed::Alone) => Begun::Lead(cache.lead(function, key, None, None)),
            },
            Some(State::Elsewhere(lead, mut waiting)) => {
                match stand(&mut waiting, Call { function, path: "", key }, &lead) {
                    Standing::Over => cache.begin_to_lead(function, key, lead),
                    Standing::Enough(claim) => cache.led(function, key, lead, claim),
                    Standing::Waits(pause) => {
                        this.alarm = timer::wake_after(pause, context.waker());
                        this.state = Some(State::Elsewhere(lead, waiting));
                        return Poll::Pending;
                    }
                }
            }
            None => cache.begin(function, key),
        };
        match begun {
            Begun::Wait(next) => {
                *this = next;
                Pin::new(this).poll(context)
            }
            begun => Poll::Ready(begun),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Bytes are kept as they are: what is kept so never comes back as a value of another type.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Keep<Vec<u8>> for Raw {
    fn encode(&self, value: &Vec<u8>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        bytes.extend_from_slice(value);
        Ok(Some(Kind::Bytes))
    }

    fn decode(&self, stored: Stored<'_>, _: Duration) -> Result<Option<Vec<u8>>, EncodingError> {
        Ok((stored.kind == Kind::Bytes).then(|| stored.value.to_vec()))
    }
}

impl<E> Keep<Result<Vec<u8>, E>> for Raw {
    fn encode(&self, value: &Result<Vec<u8>, E>, bytes: &mut Vec<u8>) -> Result<Option<Kind>, EncodingError> {
        value.as_ref().map_or(Ok(None), |value| Keep::<Vec<u8>>::encode(self, value, bytes))
    }

    fn is_error(&self, value: &Result<Vec<u8>, E>) -> bool {
        value.is_err()
    }

    fn decode(&self, stored: Stored<'_>, age: Duration) -> Result<Option<Result<Vec<u8>, E>>, EncodingError> {
        Ok(Keep::<Vec<u8>>::decode(self, stored, age)?.map(Ok))
    }
}
