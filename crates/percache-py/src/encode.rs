//! What a value is: canonical, typed bytes, the same in every process.
//!
//! | first byte | what follows |
//! | --- | --- |
//! | `N` `T` `F` `.` | nothing: None, True, False, Ellipsis |
//! | `i` | an integer in eight bytes; `I`: a larger one, its length and its bytes |
//! | `d` | the bits of a float; `c`: those of a complex number. All NaN are one |
//! | `s` `b` `a` | text in UTF-8, bytes, a bytearray: the length and the bytes |
//! | `S` `B` `A` | the same above [`LARGE`]: the length and the SHA-1 |
//! | `t` `l` | a tuple, a list: the number of items and the items |
//! | `m` | a dict: the number of items, then key and value of each, in the order of the encoded keys |
//! | `u` `z` | a set, a frozenset: the number of items and the encoded items, in order |
//! | `O` | any other object: what the Python half makes of it, encoded |
//!
//! Numbers are little-endian. Knows no functions and no caches.

use percache::Digest;
use percache::base::digest::Hasher;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};

use crate::tools::tools;

/// Text and bytes above this length count by their digest.
const LARGE: usize = 4096;
/// Hashed without the interpreter's lock above this length.
const VERY_LARGE: usize = 64 << 10;
/// Values that are nested more deeply are taken for ones that contain themselves.
const DEEPEST: usize = 200;

/// Encodes values, one after the other.
pub struct Encoder<'py> {
    py: Python<'py>,
    /// What was encoded so far.
    pub bytes: Vec<u8>,
    depth: usize,
}

impl<'py> Encoder<'py> {
    /// Nothing encoded so far.
    pub fn new(py: Python<'py>) -> Encoder<'py> {
        Encoder { py, bytes: Vec::with_capacity(128), depth: 0 }
    }

    /// Adds a value.
    pub fn add(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Some(text) = exact::<PyString>(value) {
            return self.text(text);
        }
        if let Some(number) = exact::<PyInt>(value) {
            return self.integer(number);
        }
        if let Some(number) = exact::<PyFloat>(value) {
            self.bytes.push(b'd');
            self.float(number.value());
            return Ok(());
        }
        if value.is_none() {
            self.bytes.push(b'N');
            return Ok(());
        }
        if let Some(flag) = exact::<PyBool>(value) {
            self.bytes.push(if flag.is_true() { b'T' } else { b'F' });
            return Ok(());
        }
        if self.depth > DEEPEST {
            return Err(PyValueError::new_err("it contains itself, or is nested too deeply"));
        }
        self.depth += 1;
        let added = self.add_compound(value);
        self.depth -= 1;
        added
    }

    fn add_compound(&mut self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Some(tuple) = exact::<PyTuple>(value) {
            self.tag(b't', tuple.len());
            tuple.iter_borrowed().try_for_each(|item| self.add(&item))
        } else if let Some(list) = exact::<PyList>(value) {
            self.tag(b'l', list.len());
            list.iter().try_for_each(|item| self.add(&item))
        } else if let Some(dict) = exact::<PyDict>(value) {
            self.mapping(dict)
        } else if let Some(bytes) = exact::<PyBytes>(value) {
            self.raw(b'b', bytes.as_bytes());
            Ok(())
        } else if let Some(bytes) = exact::<PyByteArray>(value) {
            self.raw(b'a', &bytes.to_vec());
            Ok(())
        } else if let Some(set) = exact::<PySet>(value) {
            let items = set.try_iter()?.map(|item| self.apart(&item?)).collect::<PyResult<_>>()?;
            self.unordered(b'u', items)
        } else if let Some(set) = exact::<PyFrozenSet>(value) {
            let items = set.try_iter()?.map(|item| self.apart(&item?)).collect::<PyResult<_>>()?;
            self.unordered(b'z', items)
        } else if let Some(number) = exact::<PyComplex>(value) {
            self.bytes.push(b'c');
            self.float(number.real());
            self.float(number.imag());
            Ok(())
        } else if value.is(self.py.Ellipsis()) {
            self.bytes.push(b'.');
            Ok(())
        } else {
            let described = tools(self.py)?.describe.bind(self.py).call1((value,))?;
            self.bytes.push(b'O');
            self.add(&described)
        }
    }

    fn integer(&mut self, number: &Bound<'py, PyInt>) -> PyResult<()> {
        if let Ok(number) = number.extract::<i64>() {
            self.bytes.push(b'i');
            self.bytes.extend_from_slice(&number.to_le_bytes());
            return Ok(());
        }
        let bits: usize = number.call_method0("bit_length")?.extract()?;
        let signed = PyDict::new(self.py);
        signed.set_item("signed", true)?;
        let bytes = number.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed))?;
        self.raw(b'I', bytes.downcast::<PyBytes>()?.as_bytes());
        Ok(())
    }

    /// All that are not a number are one, whatever their bits.
    fn float(&mut self, number: f64) {
        let number = if number.is_nan() { f64::NAN } else { number };
        self.bytes.extend_from_slice(&number.to_bits().to_le_bytes());
    }

    fn text(&mut self, text: &Bound<'py, PyString>) -> PyResult<()> {
        match text.to_cow() {
            Ok(text) => self.raw(b's', text.as_bytes()),
            // Lone surrogates, as in names of files that are no UTF-8.
            Err(_) => {
                let bytes = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
                self.raw(b's', bytes.downcast::<PyBytes>()?.as_bytes());
            }
        }
        Ok(())
    }

    fn raw(&mut self, tag: u8, bytes: &[u8]) {
        if bytes.len() <= LARGE {
            self.tag(tag, bytes.len());
            return self.bytes.extend_from_slice(bytes);
        }
        self.tag(tag.to_ascii_uppercase(), bytes.len());
        let digest = if bytes.len() < VERY_LARGE { Digest::of(bytes) } else { self.py.detach(|| Digest::of(bytes)) };
        self.bytes.extend_from_slice(digest.as_bytes());
    }

    fn tag(&mut self, tag: u8, length: usize) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&(length as u64).to_le_bytes());
    }

    fn mapping(&mut self, dict: &Bound<'py, PyDict>) -> PyResult<()> {
        let mut items = Vec::with_capacity(dict.len());
        // A list of its items: what the encoding of one runs, or another thread, may change the dict.
        for item in dict.items() {
            let item = item.downcast_into::<PyTuple>()?;
            items.push((self.apart(&item.get_item(0)?)?, self.apart(&item.get_item(1)?)?));
        }
        items.sort_unstable();
        self.tag(b'm', items.len());
        for (key, value) in items {
            self.bytes.extend_from_slice(&key);
            self.bytes.extend_from_slice(&value);
        }
        Ok(())
    }

    fn unordered(&mut self, tag: u8, mut items: Vec<Vec<u8>>) -> PyResult<()> {
        items.sort_unstable();
        self.tag(tag, items.len());
        items.iter().for_each(|item| self.bytes.extend_from_slice(item));
        Ok(())
    }

    /// Encodes a value for itself.
    fn apart(&self, value: &Bound<'py, PyAny>) -> PyResult<Vec<u8>> {
        let mut apart = Encoder { py: self.py, bytes: Vec::new(), depth: self.depth };
        apart.add(value)?;
        Ok(apart.bytes)
    }
}

/// Returns the value if it is of this very type, and of none that is derived from it.
fn exact<'a, 'py, T: pyo3::PyTypeInfo>(value: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, T>> {
    value.downcast_exact::<T>().ok()
}

/// Returns the SHA-1 of a value, as 20 bytes.
#[pyfunction]
pub fn digest<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut encoder = Encoder::new(py);
    encoder.add(value)?;
    let mut hasher = Hasher::new();
    hasher.update(&encoder.bytes);
    Ok(PyBytes::new(py, hasher.finish().as_bytes()))
}
