//! What a run of percache did: said by itself in the last line of a build, and counted by the commands.
//!
//! Knows nothing of the other lines, whose wording is free.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

#[derive(Debug)]
pub struct Run {
    arguments: String,
    /// The exit status; as a shell shows it, 128 and the signal's number if one ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    /// The names that commands reported while it ran, sorted.
    pub commands: Vec<String>,
}

impl Run {
    pub fn new(command: &Command, output: Output, commands: Vec<String>) -> Run {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        Run {
            arguments: arguments.join(" "),
            status: output.status.code().or(output.status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            commands,
        }
    }

    /// Everything it wrote.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    fn context(&self) -> String {
        format!("percache {}\nstatus {}\n{}", self.arguments, self.status, self.output())
    }

    // ---- the summary: `12 ran, 340 up to date, 8 restored in 0.41s`, parts that are zero may be left out ------------

    fn summary(&self) -> &str {
        let is_summary = |line: &&str| line.rsplit_once(" in ").is_some_and(|(counts, _)| parts(counts).is_some());
        let mut lines = self.stdout.lines().rev().chain(self.stderr.lines().rev());
        lines.find(is_summary).unwrap_or_else(|| panic!("no summary in the output of {}", self.context()))
    }

    /// How many tasks ended this way.
    pub fn count(&self, what: &str) -> usize {
        let counts = self.summary().rsplit_once(" in ").map_or("", |(counts, _)| counts);
        let counted = parts(counts).unwrap_or_default();
        counted.into_iter().find(|(_, name)| *name == what).map_or(0, |(count, _)| count)
    }

    // ---- what has to be so; each gives the run back ----------------------------------------------------------------

    /// It succeeded, exactly these commands ran, and percache says as many.
    pub fn ran<const N: usize>(self, commands: [&str; N]) -> Run {
        let run = self.succeeds().reported(commands);
        assert_eq!(run.count("ran"), N, "the number of commands in the summary is wrong\n{}", run.context());
        run
    }

    /// Exactly these commands ran, whatever the outcome.
    pub fn reported<const N: usize>(self, commands: [&str; N]) -> Run {
        let mut wanted = commands.map(str::to_owned).to_vec();
        wanted.sort();
        assert_eq!(self.commands, wanted, "not these commands ran\n{}", self.context());
        self
    }

    pub fn restored(self, count: usize) -> Run {
        assert_eq!(self.count("restored"), count, "restored\n{}", self.context());
        self
    }

    pub fn up_to_date(self, count: usize) -> Run {
        assert_eq!(self.count("up to date"), count, "up to date\n{}", self.context());
        self
    }

    pub fn succeeds(self) -> Run {
        self.exits(0)
    }

    /// A task failed.
    pub fn fails(self) -> Run {
        self.exits(1)
    }

    pub fn exits(self, status: i32) -> Run {
        assert_eq!(self.status, status, "the exit status is wrong\n{}", self.context());
        self
    }

    /// All of these are somewhere in what it wrote.
    pub fn says<const N: usize>(self, texts: [&str; N]) -> Run {
        for text in texts {
            assert!(self.output().contains(text), "does not say `{text}`\n{}", self.context());
        }
        self
    }

    pub fn does_not_say(self, text: &str) -> Run {
        assert!(!self.output().contains(text), "says `{text}`\n{}", self.context());
        self
    }
}

/// `12 ran, 8 restored` as numbers and names; `None` if it is something else.
fn parts(counts: &str) -> Option<Vec<(usize, &str)>> {
    // Of `3 from the remote (1 KiB; saved 2s)`, what stands in parentheses says more of the same.
    let brief = |part| str::split_once(part, " (").map_or(part, |(brief, _)| brief);
    let part = |part| brief(part).split_once(' ').and_then(|(n, name)| Some((n.parse().ok()?, name)));
    counts.split(", ").map(part).collect()
}
