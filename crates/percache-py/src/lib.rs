//! The native half of the Python package `percache`: keys, lookups and waits, on the Rust core.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `attachment` | the bytes of large results, in files beside the store |
//! | `begun` | who computes, who waits, and for how long |
//! | `core` | a cache: opening it, its figures, what removes results |
//! | `encode` | what a value is: the canonical, typed bytes of a key |
//! | `logging` | what the core logs, until Python can take it |
//! | `mapping` | a Python mapping as a back-end |
//! | `memo` | a memoized function: from its arguments to its key to its result |
//! | `parameters` | which argument is which parameter |
//!
//! A hit is found here without running Python code, but for unpickling. Everything else is written in Python, in
//! `python/percache`: what counts as code, how results are pickled, and what is done on a miss.

mod attachment;
mod begun;
mod core;
mod encode;
mod logging;
mod mapping;
mod memo;
mod parameters;
mod tools;

use pyo3::prelude::*;

#[pymodule]
fn _percache(module: &Bound<'_, PyModule>) -> PyResult<()> {
    logging::install();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DATABASE", cfg!(feature = "rocksdb"))?;
    module.add("Error", module.py().get_type::<core::Error>())?;
    module.add_class::<begun::Lead>()?;
    module.add_class::<begun::Wait>()?;
    module.add_class::<core::Core>()?;
    module.add_class::<memo::Memo>()?;
    module.add_function(wrap_pyfunction!(attachment::checksums, module)?)?;
    module.add_function(wrap_pyfunction!(attachment::read, module)?)?;
    module.add_function(wrap_pyfunction!(core::close_all, module)?)?;
    module.add_function(wrap_pyfunction!(core::default_directory, module)?)?;
    module.add_function(wrap_pyfunction!(encode::digest, module)?)?;
    module.add_function(wrap_pyfunction!(logging::messages, module)?)?;
    module.add_function(wrap_pyfunction!(tools::use_tools, module)?)
}
