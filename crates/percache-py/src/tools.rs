//! What the Python half does for the native one.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Functions of the Python half.
pub struct Tools {
    /// Says what an object is, in terms of simpler ones; raises `Unkeyable`.
    pub describe: Py<PyAny>,
    /// `pickle.loads`.
    pub loads: Py<PyAny>,
    /// Makes a value of a record that is more than a pickle, of its kind, its payload, the path of the attachment, and
    /// whether to map that.
    pub load_other: Py<PyAny>,
}

static TOOLS: PyOnceLock<Tools> = PyOnceLock::new();

/// Takes the functions of the Python half, once, when it is imported.
#[pyfunction]
pub fn use_tools(py: Python<'_>, describe: Py<PyAny>, loads: Py<PyAny>, load_other: Py<PyAny>) {
    TOOLS.get_or_init(py, || Tools { describe, loads, load_other });
}

/// Returns them.
pub fn tools(py: Python<'_>) -> PyResult<&Tools> {
    TOOLS.get(py).ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("import percache, not percache._percache"))
}
