//! The bytes of large results, in files beside the store: read at the speed of memory, and checked on the way.
//!
//! What is checked is XXH3: SHA-1, as the store has it, would take longer than reading. A piece that is longer than
//! [`SEGMENT`] has a sum for each segment, and its own is that of these sums: so several threads share the work.

use std::fs::File;
use std::hash::Hasher as _;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use twox_hash::XxHash3_64;

/// What one thread takes at a time.
const SEGMENT: usize = 8 << 20;
/// Read and hashed at once: what fits into the cache of a core.
const STEP: usize = 1 << 20;
/// From this length on, memory is asked for in large pages.
const HUGE: usize = 4 << 20;
/// More threads than this do not read memory any faster.
const THREADS: usize = 4;

/// A piece of a file as it was when it was checked: device, number and times of the file, the piece.
type Checked = (u64, u64, (i64, i64), (i64, i64), Piece);

/// What was checked in this process. A file that is written to has other times.
static CHECKED: Mutex<Vec<Checked>> = Mutex::new(Vec::new());
/// Older ones are checked again.
const MOST_CHECKED: usize = 256;

/// A piece of a file: where it begins, its length, its XXH3.
type Piece = (u64, usize, u64);

/// Returns the XXH3 of pieces of a file, each given by its begin and its length.
#[pyfunction]
pub fn checksums(py: Python<'_>, path: PathBuf, pieces: Vec<(u64, usize)>) -> PyResult<Vec<u64>> {
    let sum = |file: &File, (begin, length): (u64, usize)| {
        let segments = (0..length).step_by(SEGMENT).map(|at| (begin + at as u64, SEGMENT.min(length - at)));
        sum_of(segments.collect(), |(at, length)| {
            let mut buffer = vec![0; STEP.min(length)];
            let mut hasher = XxHash3_64::new();
            for from in (0..length).step_by(STEP) {
                let part = &mut buffer[..STEP.min(length - from)];
                file.read_exact_at(part, at + from as u64)?;
                hasher.write(part);
            }
            Ok(hasher.finish())
        })
    };
    py.detach(|| {
        let file = File::open(&path)?;
        pieces.into_iter().map(|piece| sum(&file, piece)).collect::<io::Result<_>>()
    })
    .map_err(|error: io::Error| PyOSError::new_err(error.to_string()))
}

/// Returns the sum of a piece, whose segments are summed by `sum`, several at a time.
fn sum_of<S: Send>(segments: Vec<S>, sum: impl Fn(S) -> io::Result<u64> + Sync) -> io::Result<u64> {
    let count = segments.len();
    let sums = Mutex::new(vec![Ok(0); count]);
    let left = Mutex::new(segments.into_iter().enumerate());
    let work = || {
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((place, segment)) = next else { return };
            let summed = sum(segment).map_err(|error| error.kind());
            sums.lock().unwrap_or_else(PoisonError::into_inner)[place] = summed;
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(count);
    thread::scope(|scope| {
        for _ in 1..threads {
            // If there is no thread to be had, this one does it all.
            let _ = thread::Builder::new().name("percache-read".into()).spawn_scoped(scope, work);
        }
        work();
    });
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sums = sums.into_iter().collect::<Result<Vec<u64>, io::ErrorKind>>()?;
    if let [sum] = sums[..] {
        return Ok(sum);
    }
    let mut hasher = XxHash3_64::new();
    sums.iter().for_each(|sum| hasher.write(&sum.to_le_bytes()));
    Ok(hasher.finish())
}

/// Reads pieces of a file into bytearrays. Fails if one is not what it was; what this process has checked before, and
/// was not written to since, is not checked again.
#[pyfunction]
pub fn read<'py>(py: Python<'py>, path: PathBuf, pieces: Vec<Piece>) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
    let file = File::open(&path)?;
    // Before memory is taken for them: the file may be a part of what it was.
    let metadata = file.metadata()?;
    let length = metadata.len();
    let fits = |&(begin, size, _): &Piece| begin.checked_add(size as u64).is_some_and(|end| end <= length);
    if !pieces.iter().all(fits) {
        return Err(PyValueError::new_err("the file is shorter than it was"));
    }
    let times = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
    let read = |piece| {
        let checked = (metadata.dev(), metadata.ino(), times.0, times.1, piece);
        // After a fork, the lock may be one that nobody lets go of.
        let known = CHECKED.try_lock().is_ok_and(|all| all.contains(&checked));
        let array = read_piece(py, &file, piece, !known)?;
        if !known && let Ok(mut all) = CHECKED.try_lock() {
            all.push(checked);
            let older = all.len().saturating_sub(MOST_CHECKED);
            all.drain(..older);
        }
        Ok(array)
    };
    pieces.into_iter().map(read).collect()
}

#[allow(unsafe_code, reason = "PyO3 fills a bytearray with zeros first, which takes as long as reading")]
fn read_piece<'py>(
    py: Python<'py>,
    file: &File,
    (begin, length, sum): Piece,
    check: bool,
) -> PyResult<Bound<'py, PyByteArray>> {
    let size = isize::try_from(length).map_err(|_| PyMemoryError::new_err(()))?;
    // SAFETY: a null pointer asks for a bytearray whose bytes are not set; the reference that is returned is ours.
    let array = unsafe {
        let object = ffi::PyByteArray_FromStringAndSize(std::ptr::null(), size);
        Bound::from_owned_ptr_or_err(py, object)?.downcast_into::<PyByteArray>()?
    };
    // SAFETY: nobody else has the new bytearray, and it is as long as this. All of it is read into before it is shown
    // to anybody; `u8` has no values that are not valid.
    let bytes = unsafe { std::slice::from_raw_parts_mut(array.data(), length) };
    let read = py.detach(|| {
        ask_for_large_pages(bytes);
        let segments = bytes.chunks_mut(SEGMENT).enumerate();
        let segments = segments.map(|(number, segment)| (begin + (number * SEGMENT) as u64, segment));
        sum_of(segments.collect(), |(mut at, segment)| {
            let mut hasher = XxHash3_64::new();
            for part in segment.chunks_mut(STEP) {
                file.read_exact_at(part, at)?;
                if check {
                    hasher.write(part);
                }
                at += part.len() as u64;
            }
            Ok(hasher.finish())
        })
    })?;
    if !check || read == sum { Ok(array) } else { Err(PyValueError::new_err("the file is not what it was")) }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the kernel alone decides how large pages are")]
fn ask_for_large_pages(bytes: &mut [u8]) {
    const PAGE: usize = 4096;
    if bytes.len() < HUGE {
        return;
    }
    let skipped = bytes.as_ptr().align_offset(PAGE);
    let length = (bytes.len() - skipped) / PAGE * PAGE;
    // SAFETY: the range lies within the slice, and the advice changes no byte.
    let _ = unsafe {
        rustix::mm::madvise(bytes.as_mut_ptr().add(skipped).cast(), length, rustix::mm::Advice::LinuxHugepage)
    };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: &mut [u8]) {}
