//! A memoized function: from its arguments to its key, and from the key to its result.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use percache::base::digest::Hasher;
use percache::{Cache, Code, Digest, Function, Key};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::core::{Core, Error, key_of};
use crate::encode::Encoder;
use crate::parameters::Parameters;
use crate::tools::tools;

/// Results with other keys are not found.
const DOMAIN: &[u8] = b"percache python 1\0";
/// The kind of a record that has nothing but a pickle.
const PICKLE: u8 = b'p';

/// What a function is at the moment: this changes when it, a helper or a captured variable is replaced.
struct Identity {
    function: Arc<Function>,
    prefix: Hasher,
    watched: Vec<Watched>,
}

/// Something that was looked at to tell what the function is.
struct Watched {
    place: Place,
    name: Py<PyString>,
    /// `None`: there was nothing of this name.
    value: Option<Py<PyAny>>,
}

enum Place {
    /// A variable of a module.
    Variable(Py<PyDict>),
    /// An attribute: the code of a function, or what a cell of a closure holds.
    Attribute(Py<PyAny>),
}

impl Watched {
    fn is_as_it_was(&self, py: Python<'_>) -> PyResult<bool> {
        let now = match &self.place {
            Place::Variable(dict) => dict.bind(py).get_item(self.name.bind(py))?,
            // A cell that is empty has no contents.
            Place::Attribute(object) => object.bind(py).getattr(self.name.bind(py)).ok(),
        };
        Ok(match (&self.value, now) {
            (Some(value), Some(now)) => now.is(value),
            (None, None) => true,
            _ => false,
        })
    }
}

/// What Python knows of a function's identity: its name, the SHA-1 of its code, all that counts before the arguments,
/// and what was looked at for that.
type Identified = (String, Option<[u8; 20]>, Vec<u8>, Vec<(Py<PyAny>, Py<PyString>, Option<(Py<PyAny>,)>)>);

/// A memoized function.
#[pyclass(frozen, module = "percache._percache")]
pub struct Memo {
    cache: Cache,
    maxage: Option<Duration>,
    mmap: bool,
    parameters: Option<Parameters>,
    /// Makes what counts of a call instead of its arguments, from `args` and `kwargs`.
    key: Option<Py<PyAny>>,
    /// Tells what the function is.
    identify: Py<PyAny>,
    /// Called on a miss, with the key, `args` and `kwargs`: returns `(None, value)`, or `(lead, None)`.
    miss: Py<PyAny>,
    /// Called then with the lead and the same: computes.
    lead: Py<PyAny>,
    /// Called if the arguments make no key, with the error, `args` and `kwargs`.
    unkeyable: Py<PyAny>,
    identity: Mutex<Option<Arc<Identity>>>,
    hits: AtomicU64,
}

/// The name of a parameter, and the argument.
type Named<'py> = (Bound<'py, PyString>, Bound<'py, PyAny>);

/// What is said of a miss: the duty to compute, or a value.
type Missed<'py> = (Option<Bound<'py, PyAny>>, Bound<'py, PyAny>);

/// How a call stands before anything is computed.
enum Looked<'py> {
    Found(Bound<'py, PyAny>),
    Missing(Key),
    Unkeyable(PyErr),
}

impl Memo {
    /// Returns what the core knows of the function.
    pub fn function(&self) -> PyResult<Arc<Function>> {
        let identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = identity.as_ref().ok_or_else(|| Error::new_err("the function was not called yet"))?;
        Ok(identity.function.clone())
    }

    fn known(&self, py: Python<'_>) -> PyResult<Arc<Identity>> {
        let known = self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(identity) = known {
            let mut same = true;
            for watched in &identity.watched {
                same = same && watched.is_as_it_was(py)?;
            }
            if same {
                return Ok(identity);
            }
        }
        // Not under the lock: Python runs in between.
        let identity = Arc::new(self.identified(py)?);
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity.clone());
        Ok(identity)
    }

    fn identified(&self, py: Python<'_>) -> PyResult<Identity> {
        let (name, code, prefix, watched): Identified = self.identify.call0(py)?.extract(py)?;
        let mut function = Function::new(name);
        if let Some(digest) = code {
            function = function.code(&Code { digest, depends_on: &[] });
        }
        if let Some(maxage) = self.maxage {
            function = function.maxage(maxage);
        }
        let mut hasher = Hasher::new();
        hasher.update(DOMAIN);
        hasher.update(&(prefix.len() as u64).to_le_bytes());
        hasher.update(&prefix);
        let watched = watched.into_iter().map(|(place, name, value)| {
            let place = match place.downcast_bound::<PyDict>(py) {
                Ok(dict) => Place::Variable(dict.clone().unbind()),
                Err(_) => Place::Attribute(place),
            };
            Watched { place, name, value: value.map(|(value,)| value) }
        });
        Ok(Identity { function: Arc::new(function), prefix: hasher, watched: watched.collect() })
    }

    /// Returns the key of a call; an error if its arguments make none, or if it is wrong.
    fn key_in(
        &self,
        py: Python<'_>,
        identity: &Identity,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Key> {
        let mut encoder = Encoder::new(py);
        match (&self.key, &self.parameters) {
            (Some(key), _) => encoder.add(&key.bind(py).call1((args, kwargs))?)?,
            (None, Some(parameters)) => {
                if !parameters.encode(&mut encoder, py, args, kwargs)? {
                    return Err(PyTypeError::new_err("these are not the arguments of the function"));
                }
            }
            (None, None) => {
                encoder.add(args.as_any())?;
                match kwargs {
                    Some(kwargs) => encoder.add(kwargs.as_any())?,
                    None => encoder.add(PyDict::new(py).as_any())?,
                }
            }
        }
        let mut hasher = identity.prefix.clone();
        hasher.update(&encoder.bytes);
        Ok(Key(hasher.finish()))
    }

    fn looked<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Looked<'py>> {
        let identity = match self.known(py) {
            Ok(identity) => identity,
            Err(error) => return unkeyable(py, error),
        };
        let key = match self.key_in(py, &identity, args, kwargs) {
            Ok(key) => key,
            Err(error) => return unkeyable(py, error),
        };
        let bytes = |record: &[u8]| PyBytes::new(py, record).unbind();
        let record = self.cache.look_in_memory(&identity.function, key, bytes).or_else(|| {
            // From here on it may take a while.
            let record = py.detach(|| self.cache.look(&identity.function, key, <[u8]>::to_vec))?;
            Some(PyBytes::new(py, &record).unbind())
        });
        let Some(record) = record else { return Ok(Looked::Missing(key)) };
        match self.loaded(py, key, record.bind(py))? {
            Some(value) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Ok(Looked::Found(value))
            }
            None => Ok(Looked::Missing(key)),
        }
    }

    /// Makes the value of a record. One that cannot be made is removed.
    fn loaded<'py>(
        &self,
        py: Python<'py>,
        key: Key,
        record: &Bound<'py, PyBytes>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let bytes = record.as_bytes();
        let value = match bytes.split_first() {
            Some((&PICKLE, pickle)) => tools(py)?.loads.bind(py).call1((PyBytes::new(py, pickle),)),
            Some((kind, payload)) => {
                let path = self.cache.attachment(key);
                let payload = PyBytes::new(py, payload);
                let loaded = tools(py)?.load_other.bind(py).call1((*kind, payload, path, self.mmap));
                match loaded.and_then(|loaded| loaded.extract::<(Option<bool>, Bound<'py, PyAny>)>()) {
                    // An exception that was kept.
                    Ok((Some(true), exception)) => return Err(PyErr::from_value(exception)),
                    Ok((Some(false), value)) => Ok(value),
                    // One that is too old.
                    Ok((None, _)) => {
                        self.forget(py, key);
                        return Ok(None);
                    }
                    Err(error) => Err(error),
                }
            }
            None => Err(Error::new_err("it is not of this version")),
        };
        match value {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                log::warn!("percache: a stored result does not load any more, it is computed again: {error}");
                self.forget(py, key);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a result that is none: whoever waits must not be given it again.
    fn forget(&self, py: Python<'_>, key: Key) {
        if let Err(error) = py.detach(|| self.cache.remove(key)) {
            log::warn!("percache: a result cannot be removed: {error}");
        }
    }
}

/// Errors of the arguments are no errors of the call; Ctrl-C and the like are.
fn unkeyable<'py>(py: Python<'py>, error: PyErr) -> PyResult<Looked<'py>> {
    if error.is_instance_of::<PyException>(py) { Ok(Looked::Unkeyable(error)) } else { Err(error) }
}

#[pymethods]
impl Memo {
    #[new]
    #[pyo3(signature = (core, maxage, mmap, parameters, key, identify, miss, lead, unkeyable))]
    #[allow(clippy::too_many_arguments, reason = "what the Python half says of a function, once")]
    #[allow(clippy::type_complexity, reason = "as Python has it")]
    fn new(
        core: &Core,
        maxage: Option<f64>,
        mmap: bool,
        parameters: Option<(Vec<(Py<PyString>, Option<(Py<PyAny>,)>, bool)>, usize, usize, Option<bool>, Option<bool>)>,
        key: Option<Py<PyAny>>,
        identify: Py<PyAny>,
        miss: Py<PyAny>,
        lead: Py<PyAny>,
        unkeyable: Py<PyAny>,
    ) -> Memo {
        let parameters = parameters
            .map(|(named, positional, only, rest, keywords)| Parameters::new(named, positional, only, rest, keywords));
        let maxage = maxage.map(|age| Duration::try_from_secs_f64(age.max(0.0)).unwrap_or(Duration::MAX));
        let cache = core.cache.clone();
        let (identity, hits) = Default::default();
        Memo { cache, maxage, mmap, parameters, key, identify, miss, lead, unkeyable, identity, hits }
    }

    /// Pickles it as what its function makes of it, for those who pickle functions by value.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let module = py.import("percache._function")?;
        Ok((module.getattr("memo_of")?, (self.miss.bind(py).getattr("__self__")?,)))
    }

    /// Finds the result of a call, or has it computed.
    #[pyo3(signature = (args, kwargs))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.looked(py, args, Some(kwargs))? {
            Looked::Found(value) => Ok(value),
            Looked::Missing(key) => {
                let key = PyBytes::new(py, key.0.as_bytes());
                let (lead, value) = self.miss.bind(py).call1((&key, args, kwargs))?.extract::<Missed<'py>>()?;
                lead.map_or(Ok(value), |lead| self.lead.bind(py).call1((lead, key, args, kwargs)))
            }
            Looked::Unkeyable(error) => self.unkeyable.bind(py).call1((error.into_value(py), args, kwargs)),
        }
    }

    /// Looks whether the result of a call is there: `(True, value)`, `(False, key)`, or `(None, error)`.
    #[pyo3(signature = (args, kwargs))]
    fn look<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<(Option<bool>, Bound<'py, PyAny>)> {
        Ok(match self.looked(py, args, Some(kwargs))? {
            Looked::Found(value) => (Some(true), value),
            Looked::Missing(key) => (Some(false), PyBytes::new(py, key.0.as_bytes()).into_any()),
            Looked::Unkeyable(error) => (None, error.into_value(py).into_bound(py).into_any()),
        })
    }

    /// Returns the key of a call.
    #[pyo3(signature = (args, kwargs))]
    fn key<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let identity = self.known(py)?;
        Ok(PyBytes::new(py, self.key_in(py, &identity, args, Some(kwargs))?.0.as_bytes()))
    }

    /// Makes the value of a record: `(value,)`, or `None` if that cannot be done.
    fn load<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        record: &Bound<'py, PyBytes>,
    ) -> PyResult<Option<(Bound<'py, PyAny>,)>> {
        Ok(self.loaded(py, key_of(key)?, record)?.map(|value| (value,)))
    }

    /// Returns the names and values of the arguments that count, `*` for what `*args` and `**kwargs` take. `None` if
    /// the function's parameters are not known, or the call is wrong.
    #[pyo3(signature = (args, kwargs))]
    fn bound<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Option<Vec<Named<'py>>>> {
        let Some(parameters) = &self.parameters else { return Ok(None) };
        let mut found = Vec::new();
        let all = parameters.bind(py, args, Some(kwargs), &mut |place, value| {
            found.push((parameters.name(py, place), value.clone()));
            Ok(())
        })?;
        Ok(all.then_some(found))
    }

    /// Returns how often a result was found in this process.
    fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Returns the SHA-1 of the function's code, if that counts.
    fn code<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let digest: Option<Digest> = self.known(py)?.function.code_digest();
        Ok(digest.map(|digest| PyBytes::new(py, digest.as_bytes())))
    }
}
