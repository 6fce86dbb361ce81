//! A cache: opening it, its figures, and what removes results.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percache::maintenance::{self, Removed, Rules};
use percache::{Cache, CacheBuilder, Digest, Function};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::begun::{Lead, begun};
use crate::mapping::MappingBackend;

create_exception!(percache, Error, PyException, "The cache cannot be used as it was asked to be.");

/// Makes an exception of an error of the core.
pub fn failed(error: percache::Error) -> PyErr {
    Error::new_err(error.to_string())
}

/// Reads the key that Python has as 20 bytes.
pub fn key_of(bytes: &[u8]) -> PyResult<percache::Key> {
    match bytes.try_into() {
        Ok(bytes) => Ok(percache::Key(Digest(bytes))),
        Err(_) => Err(Error::new_err("a key has 20 bytes")),
    }
}

/// Number of results, bytes, hits, misses, and the ages of the oldest and the latest use in seconds.
type Figures = (u64, u64, u64, u64, Option<f64>, Option<f64>);

/// Of a function: name, versions, results, bytes, hits, seconds saved.
type FunctionFigures = (String, u64, u64, u64, u64, f64);

/// An open cache.
#[pyclass(frozen, module = "percache._percache")]
pub struct Core {
    pub cache: Cache,
}

/// Whether the cache in a directory keeps its results in files.
fn has_files(dir: &std::path::Path) -> bool {
    dir.join(percache::backend::files::FILES).is_dir()
}

/// Whether the cache in a directory keeps its results in a database.
fn has_database(dir: &std::path::Path) -> bool {
    percache::db::tail::or_database_exists(dir)
}

#[cfg(feature = "rocksdb")]
fn open_database(builder: CacheBuilder, path: PathBuf) -> Result<Cache, percache::Error> {
    builder.open(path)
}

#[cfg(not(feature = "rocksdb"))]
fn open_database(builder: CacheBuilder, path: PathBuf) -> Result<Cache, percache::Error> {
    if has_database(&path) {
        let path = path.display();
        let why = format!("`{path}` is a database, and this wheel has no RocksDB: install the other wheel of percache");
        return Err(percache::BackendError::new(why).into());
    }
    builder.open_files(path)
}

fn open(py: Python<'_>, builder: CacheBuilder, kind: &str, place: &Bound<'_, PyAny>) -> PyResult<Cache> {
    if kind == "memory" {
        return Ok(builder.backend(percache::backend::MemoryBackend::new()));
    }
    if kind == "mapping" {
        return Ok(builder.backend(MappingBackend::new(place.clone().unbind())));
    }
    let path: PathBuf = place.extract()?;
    let opened = py.detach(|| {
        // What is there already is opened as what it is.
        let in_files = has_files(&path) || (kind == "files" && !has_database(&path));
        if in_files { builder.open_files(path) } else { open_database(builder, path) }
    });
    opened.map_err(failed)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[pymethods]
impl Core {
    /// Opens a cache: `kind` is `database`, `files`, `mapping` or `memory`, `place` its path or the mapping.
    #[new]
    #[pyo3(signature = (kind, place, livesync, maxage, maxsize, memory, wait_timeout, describe))]
    #[allow(clippy::too_many_arguments, reason = "the options of a cache, from Python alone")]
    fn new(
        py: Python<'_>,
        kind: &str,
        place: &Bound<'_, PyAny>,
        livesync: bool,
        maxage: Option<f64>,
        maxsize: Option<u64>,
        memory: Option<usize>,
        wait_timeout: Option<f64>,
        describe: bool,
    ) -> PyResult<Core> {
        // Python has an exit of its own.
        let mut builder = Cache::builder().close_at_exit(false).live_sync(livesync).describe_arguments(describe);
        builder = builder.write_behind(true);
        if let Some(maxage) = maxage {
            builder = builder.maxage(seconds(maxage));
        }
        if let Some(maxsize) = maxsize {
            builder = builder.max_size(maxsize);
        }
        if let Some(memory) = memory {
            builder = builder.hot_bytes(memory);
        }
        if let Some(timeout) = wait_timeout {
            builder = builder.wait_timeout(seconds(timeout));
        }
        Ok(Core { cache: open(py, builder, kind, place)? })
    }

    /// Returns figures about the cache.
    fn stats(&self, py: Python<'_>) -> PyResult<Figures> {
        let stats = py.detach(|| self.cache.stats()).map_err(failed)?;
        let age = |age: Option<Duration>| age.map(|age| age.as_secs_f64());
        let (oldest, latest) = (age(stats.oldest_use), age(stats.latest_use));
        Ok((stats.results, stats.bytes, stats.hits, stats.misses, oldest, latest))
    }

    /// Returns the three lines of the original.
    fn summary(&self, py: Python<'_>) -> PyResult<String> {
        Ok(py.detach(|| self.cache.stats()).map_err(failed)?.to_string())
    }

    /// Returns figures about each function.
    fn functions(&self, py: Python<'_>) -> PyResult<Vec<FunctionFigures>> {
        let functions = py.detach(|| self.cache.functions()).map_err(failed)?;
        let row =
            |f: maintenance::FunctionStats| (f.name, f.versions, f.results, f.bytes, f.hits, f.saved.as_secs_f64());
        Ok(functions.into_iter().map(row).collect())
    }

    /// Returns all results as dicts, the one used last first.
    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let entries = py.detach(|| self.cache.entries()).map_err(failed)?;
        entries.into_iter().map(|entry| described(py, entry)).collect()
    }

    /// Removes what was not used for `maxage` seconds, or everything. Returns the number of results and bytes.
    #[pyo3(signature = (maxage=None))]
    fn clear(&self, py: Python<'_>, maxage: Option<f64>) -> PyResult<(u64, u64)> {
        removed(py.detach(|| self.cache.clear(maxage.map(seconds))))
    }

    /// Removes all results of the function of this name.
    fn clear_function(&self, py: Python<'_>, name: &str) -> PyResult<(u64, u64)> {
        removed(py.detach(|| self.cache.clear_function(name)))
    }

    /// Removes the least recently used results until the others take no more than so many bytes.
    fn shrink(&self, py: Python<'_>, maxsize: u64) -> PyResult<(u64, u64)> {
        let rules = Rules { max_size: Some(maxsize), ..Rules::default() };
        removed(py.detach(|| self.cache.collect(&rules)))
    }

    /// Removes the result under a key.
    fn remove(&self, py: Python<'_>, key: &[u8]) -> PyResult<()> {
        let key = key_of(key)?;
        py.detach(|| self.cache.remove(key)).map_err(failed)
    }

    /// Returns what is stored under a key, as it was stored.
    fn get<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let key = key_of(key)?;
        let found = py.detach(|| self.cache.get_bytes(&Function::new(""), key));
        Ok(found.map(|bytes| PyBytes::new(py, &bytes)))
    }

    /// Keeps a record under a key, as the result of a function of which nothing but a name is known.
    fn put(&self, py: Python<'_>, name: String, key: &[u8], record: &[u8]) -> PyResult<()> {
        let (key, function) = (key_of(key)?, Function::new(name));
        py.detach(|| self.cache.put_bytes(&function, key, record)).map_err(failed)
    }

    /// Returns where a file can be kept beside a result.
    fn attachment(&self, key: &[u8]) -> PyResult<Option<PathBuf>> {
        Ok(self.cache.attachment(key_of(key)?))
    }

    /// Makes everything permanent.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.cache.sync()).map_err(failed)
    }

    /// Makes everything permanent and lets go of the store.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.cache.clone().close()).map_err(failed)
    }

    /// Begins a call: returns the bytes of the result, a `Lead` or a `Wait`.
    fn begin<'py>(&self, py: Python<'py>, memo: &crate::memo::Memo, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let (key, function) = (key_of(key)?, memo.function()?);
        let answer = py.detach(|| self.cache.begin(&function, key));
        begun(py, answer)
    }

    /// Returns a duty that nobody waits for: whatever is stored, it is computed again.
    fn lead_anyway(&self, memo: &crate::memo::Memo, key: &[u8]) -> PyResult<Lead> {
        Ok(Lead::alone(self.cache.clone(), (*memo.function()?).clone(), key_of(key)?))
    }
}

fn removed(removed: Result<Removed, percache::Error>) -> PyResult<(u64, u64)> {
    removed.map(|removed| (removed.results, removed.bytes)).map_err(failed)
}

fn described(py: Python<'_>, entry: maintenance::Entry) -> PyResult<Bound<'_, PyDict>> {
    let time = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let dict = PyDict::new(py);
    dict.set_item("key", PyBytes::new(py, entry.key.0.as_bytes()))?;
    dict.set_item("function", entry.name)?;
    dict.set_item("code", entry.code.map(|code| code.to_string()))?;
    dict.set_item("created", time(entry.created))?;
    dict.set_item("last_used", time(entry.last_used))?;
    dict.set_item("size", entry.size)?;
    dict.set_item("cost", entry.cost.as_secs_f64())?;
    dict.set_item("hits", entry.hits)?;
    dict.set_item("arguments", entry.arguments)?;
    Ok(dict)
}

/// Closes all caches of the process.
#[pyfunction]
pub fn close_all(py: Python<'_>) {
    py.detach(percache::close_all);
}

/// Returns the directory of the default cache of the user, which programs in Rust have as well.
#[pyfunction]
pub fn default_directory() -> PyResult<PathBuf> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::choose_base_strategy().map_err(|error| Error::new_err(error.to_string()))?;
    let name = if cfg!(feature = "rocksdb") { "functions" } else { "functions-files" };
    Ok(strategy.cache_dir().join("percache").join(name))
}
