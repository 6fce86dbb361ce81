//! Who computes, who waits: the duties and waits of the core, for threads and event loops of Python.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use percache::{Cache, Function, Key, Told};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::core::{Error, failed};
use crate::logging;

/// How often a thread that waits looks whether Python wants it to stop.
const SIGNALS: Duration = Duration::from_millis(100);

/// Makes what Python sees of how a call stands: the bytes of the result, a [`Lead`], a [`Wait`], or `None` if everybody
/// is to compute for himself.
pub fn begun(py: Python<'_>, begun: percache::Begun) -> PyResult<Bound<'_, PyAny>> {
    Ok(match begun {
        percache::Begun::Hit(bytes) => PyBytes::new(py, &bytes).into_any(),
        percache::Begun::Lead(lead) => Bound::new(py, Lead::new(lead))?.into_any(),
        percache::Begun::Wait(wait) => Bound::new(py, Wait { wait: Mutex::new(Some(wait)) })?.into_any(),
        percache::Begun::Failed(_) => py.None().into_bound(py),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Duty {
    /// Others may wait for it.
    Shared(Box<percache::Lead>),
    /// Nobody does.
    Alone(Box<(Cache, Function, Key, Instant)>),
}

/// The duty to compute a result. If nothing comes of it, it passes to one of those who wait.
#[pyclass(frozen, module = "percache._percache")]
pub struct Lead {
    duty: Mutex<Option<Duty>>,
}

impl Lead {
    fn new(lead: percache::Lead) -> Lead {
        Lead { duty: Mutex::new(Some(Duty::Shared(Box::new(lead)))) }
    }

    /// A duty that nobody waits for.
    pub fn alone(cache: Cache, function: Function, key: Key) -> Lead {
        Lead { duty: Mutex::new(Some(Duty::Alone(Box::new((cache, function, key, Instant::now()))))) }
    }

    fn take(&self) -> Option<Duty> {
        lock(&self.duty).take()
    }
}

#[pymethods]
impl Lead {
    /// Runs a piece of the computation: a call in it that would wait for this one computes instead.
    #[pyo3(signature = (function, args, kwargs=None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        function: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = py;
        // Not under the lock: Python runs in between.
        let duty = self.take();
        let answer = match &duty {
            Some(Duty::Shared(lead)) => lead.within(|| function.call(args, kwargs)),
            _ => function.call(args, kwargs),
        };
        *lock(&self.duty) = duty;
        answer
    }

    /// Keeps the result, and gives it to all who wait.
    #[pyo3(signature = (record, arguments, attached, cost))]
    fn finish(
        &self,
        py: Python<'_>,
        record: &[u8],
        arguments: Option<&str>,
        attached: u64,
        cost: Option<f64>,
    ) -> PyResult<()> {
        let cost = cost.and_then(|cost| Duration::try_from_secs_f64(cost).ok());
        let told = Told { arguments, attached, cost };
        match self.take() {
            Some(Duty::Shared(lead)) => py.detach(|| lead.finish_as(record, told)),
            Some(Duty::Alone(alone)) => {
                let (cache, function, key, start) = *alone;
                let told = Told { cost: Some(cost.unwrap_or_else(|| start.elapsed())), ..told };
                py.detach(|| cache.put_told(&function, key, record, told)).map_err(failed)?;
            }
            None => return Err(Error::new_err("this computation has ended")),
        }
        Ok(())
    }

    /// Hands the duty on.
    fn give_up(&self, py: Python<'_>) {
        let duty = self.take();
        py.detach(|| drop(duty));
    }
}

/// A wait for what another thread, task or process computes.
#[pyclass(frozen, module = "percache._percache")]
pub struct Wait {
    wait: Mutex<Option<percache::Wait>>,
}

#[pymethods]
impl Wait {
    /// Blocks the thread, not the interpreter, until there is something else to do than to wait. Ctrl-C ends it.
    /// `tell` is called when something was logged.
    fn block<'py>(&self, py: Python<'py>, tell: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut wait = lock(&self.wait).take().ok_or_else(over)?;
        loop {
            let answer = py.detach(|| {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
                if polled.is_pending() {
                    thread::park_timeout(SIGNALS);
                }
                polled
            });
            match answer {
                Poll::Ready(answer) => return begun(py, answer),
                Poll::Pending => py.check_signals()?,
            }
            if logging::is_waiting() {
                tell.call0()?;
            }
        }
    }

    /// Looks how the wait stands: `(answer,)`, or `None` and `wake` is called, from any thread, when to look again.
    fn poll<'py>(&self, py: Python<'py>, wake: Py<PyAny>) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        let mut wait = lock(&self.wait).take().ok_or_else(over)?;
        let waker = Waker::from(Arc::new(Call(wake)));
        let (polled, wait) = py.detach(move || {
            let polled = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker));
            (polled, wait)
        });
        match polled {
            Poll::Ready(answer) => Ok(Some((begun(py, answer)?,))),
            Poll::Pending => {
                *lock(&self.wait) = Some(wait);
                Ok(None)
            }
        }
    }

    /// Waits no longer.
    fn give_up(&self, py: Python<'_>) {
        let wait = lock(&self.wait).take();
        py.detach(|| drop(wait));
    }
}

fn over() -> PyErr {
    Error::new_err("this wait is over")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

struct Call(Py<PyAny>);

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // When the interpreter has ended, nobody waits. A loop that is closed has nobody either.
        Python::try_attach(|py| self.0.call0(py).map_or_else(drop, drop));
    }
}
