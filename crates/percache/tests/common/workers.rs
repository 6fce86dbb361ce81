//! Processes for tests: each is the test program again, running the one test that an environment variable names.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const DIR: &str = "PERCACHE_TEST_DIR";

/// Starts the test `name` of this program in a process of its own.
pub fn start(name: &str, dir: &Path) -> Child {
    command(name, dir).spawn().unwrap()
}

pub fn command(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(DIR, dir).stdout(Stdio::null());
    command
}

/// The directory, in a process that was started by a test; elsewhere there is nothing to do.
pub fn role() -> Option<PathBuf> {
    env::var_os(DIR).map(PathBuf::from)
}

pub fn finish(children: Vec<Child>) {
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

/// Notes that a key was computed.
pub fn note(dir: &Path, n: u64) {
    let mut log = OpenOptions::new().create(true).append(true).open(dir.join("computed")).unwrap();
    log.write_all(format!("{n}\n").as_bytes()).unwrap();
}

pub fn computed(dir: &Path) -> Vec<u64> {
    let text = fs::read_to_string(dir.join("computed")).unwrap_or_default();
    let mut all: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    all.sort_unstable();
    all
}

/// Waits until a file is there.
pub fn await_file(path: &Path) {
    while !path.exists() {
        thread::sleep(Duration::from_millis(1));
    }
}
