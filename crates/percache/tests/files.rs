//! Results in files: what lies in the directory, and what happens to files that are damaged.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::Calls;
use percache::backend::{Backend, FileBackend, Table};
use percache::{Cache, Digest};

/// All files below a directory, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.metadata().unwrap().is_dir() {
            true => all.extend(files(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all.sort();
    all
}

/// The one file of a result.
fn result(dir: &Path) -> PathBuf {
    let mut all = files(dir);
    all.retain(|path| path.file_name().is_some_and(|name| name.len() == 38));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn the_format_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(dir.path()).unwrap();
    let key = Digest::of(b"k");
    backend.put_result(&key, b"entry", b"result").unwrap();
    backend.put(Table::Uses, &key, b"uses").unwrap();
    backend.sync().unwrap();
    let (first, rest) = ("13", "fbd79c3d390e5d6585a21e11ff5ec1970cff0c");
    assert_eq!(key.to_string(), format!("{first}{rest}"));
    let place = dir.path().join("files").join(first);
    let head = b"pcf\x01\x05\0\0\0\x06\0\0\0\0\0\0\0";
    let sum = Digest::of(&[&head[..], b"entry"].concat());
    assert_eq!(fs::read(place.join(rest)).unwrap(), [&head[..], sum.as_bytes(), b"entryresult"].concat());
    let uses = [&key.as_bytes()[..], b"\x04\0\0\0uses"].concat();
    let expected = [&b"pcu\x01"[..], Digest::of(&uses).as_bytes(), &uses].concat();
    assert_eq!(fs::read(place.join("uses")).unwrap(), expected);
}

#[test]
fn a_result_is_one_file_that_only_its_owner_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_files(dir.path().join("cache")).unwrap();
    cache.call("f", &1, || "x".repeat(100));
    let path = result(dir.path());
    cache.sync().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert!(path.ancestors().take_while(|above| *above != dir.path()).skip(1).all(|above| mode(above) == 0o700));
    }
    cache.clear(None).unwrap();
    assert!(!path.exists());
}

#[test]
fn results_that_are_written_behind_are_files_after_sync_and_found_before() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::builder().hot_bytes(0).write_behind(true).open_files(dir.path()).unwrap();
    let is_result = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 38);
    let results = || files(dir.path()).into_iter().filter(is_result).count();
    // On a machine that stands still for a second, one of them may be written already.
    let mut waits = false;
    for number in 0..20 {
        let before = results();
        assert_eq!(cache.call("f", &number, || number), number);
        waits |= results() == before;
        assert_eq!(cache.call("f", &number, || -1), number);
    }
    assert!(waits, "each was written at once");
    cache.sync().unwrap();
    assert_eq!(results(), 20);
}

#[test]
fn a_torn_or_changed_file_is_a_miss_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::builder().hot_bytes(0).open_files(dir.path()).unwrap();
    let calls = Calls::default();
    let f = cache.wrap("f", |n: u64| {
        calls.one();
        "x".repeat(n as usize)
    });
    f.call(5_000);
    let path = result(dir.path());
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 35, 36, 60, 100, 4_096, whole.len() - 1] {
        calls.since();
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!((f.call(5_000).len(), calls.since()), (5_000, 1), "cut off after {length} bytes");
        assert_eq!((f.call(5_000).len(), calls.since()), (5_000, 0), "replaced after {length} bytes");
    }
    for place in [0, 3, 4, 10, 20, 40, 100, 4_096, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&path, changed).unwrap();
        calls.since();
        assert_eq!((f.call(5_000).len(), calls.since()), (5_000, 1), "byte {place} has changed");
    }
    assert!(cache.verify(false).unwrap().is_clean());
}

#[test]
fn damaged_uses_cost_nothing_but_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let hits = |cache: &Cache| cache.entries().unwrap()[0].hits;
    let cache = Cache::open_files(dir.path()).unwrap();
    cache.call("f", &1, || 1);
    cache.call("f", &1, || 2);
    assert_eq!(hits(&cache), 1);
    cache.close().unwrap();
    let uses = files(dir.path()).into_iter().find(|path| path.ends_with("uses")).unwrap();
    fs::write(&uses, &fs::read(&uses).unwrap()[..40]).unwrap();
    let cache = Cache::open_files(dir.path()).unwrap();
    assert_eq!(hits(&cache), 0);
    assert_eq!(cache.call("f", &1, || 2), 1);
    assert_eq!(hits(&cache), 1);
}

#[test]
fn what_killed_processes_left_behind_goes_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open_files(dir.path()).unwrap();
    cache.call("f", &1, || 1);
    let path = result(dir.path());
    let [old, new] = ["old", "young"].map(|name| path.with_extension(format!("{name}.new")));
    for path in [&old, &new] {
        fs::write(path, "half").unwrap();
    }
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7_200)).unwrap();
    assert_eq!(cache.stats().unwrap().results, 1);
    assert_eq!((old.exists(), new.exists()), (false, true), "one of them may be in the making");
}

#[test]
fn directories_that_vanish_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::builder().hot_bytes(0).open_files(dir.path().join("cache")).unwrap();
    cache.call("f", &1, || 1);
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert_eq!(cache.stats().unwrap().results, 0);
    assert_eq!(cache.call("f", &1, || 2), 2);
    assert_eq!(cache.call("f", &1, || 3), 2);
    cache.sync().unwrap();
}

#[cfg(feature = "rocksdb")]
#[test]
fn a_directory_holds_a_database_or_files_and_the_error_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let [files, database] = ["files", "database"].map(|name| dir.path().join(name));
    let cache = Cache::open_files(&files).unwrap();
    cache.call("f", &1, || 1);
    cache.close().unwrap();
    let cache = Cache::open(&database).unwrap();
    cache.call("f", &1, || 1);
    cache.close().unwrap();
    let error = Cache::open(&files).unwrap_err().to_string();
    assert!(error.contains("`Cache::open_files`"), "{error}");
    let error = Cache::open_files(&database).unwrap_err().to_string();
    assert!(error.contains("`Cache::open`"), "{error}");
}
