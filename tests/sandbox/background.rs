//! Processes in the background, none of which may hang.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A process whose output goes to a file, so that it never waits for somebody who reads it.
pub struct Background {
    child: Child,
    output: PathBuf,
    name: String,
}

/// How a [`Background`] process ended.
pub struct Ended {
    pub name: String,
    /// `None` when a signal ended it.
    pub status: Option<i32>,
    pub output: String,
}

impl Background {
    /// Starts a command; `output` is a file of its own.
    pub fn start(command: &mut Command, output: PathBuf) -> Background {
        let file = File::create(&output).expect("a file for the output");
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let name = arguments.join(" ");
        command.stdout(file.try_clone().expect("a second descriptor")).stderr(file);
        Background { child: command.spawn().expect("starting a program"), output, name }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("killing a program");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("asking for a program").is_none()
    }

    /// Waits for its end; a failure if there is none in time.
    pub fn finish(mut self, patience: Duration) -> Ended {
        let end = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() > end {
                self.kill();
                panic!("`{}` hangs:\n{}", self.name, self.text());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().expect("waiting for a program").code();
        Ended { status, output: self.text(), name: std::mem::take(&mut self.name) }
    }

    /// What it has written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }
}
