//! `percache exec`: the output of the command goes where it would go without percache, byte for byte; all messages of
//! percache go to stderr.

mod relay;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percache::base::clock::Time;
use percache::store::Store;
use percache_runner::events::{Event, Failure, Outcome, Reporter};
use percache_runner::exec::{Answer, Single};
use percache_runner::text::{format_age, format_duration, parse_age};
use percache_runner::{Accept, Check, Download, Force, HitLogs, Opened, Options, Project, Request, Stop, Target, open};

use crate::args::{Cli, Exec};
use crate::commands::exec::relay::Relay;
use crate::error::{CliError, INTERRUPTED};
use crate::messages;
use crate::registry;
use crate::report::words;
use crate::setup::{exec_store_dir, holder, open_store};
use crate::terminal::style::{Paint, Style};

/// The exit status of shells for a command that cannot be started.
const CANNOT_START: u8 = 127;

/// Runs a command, or replays its stored output.
pub fn run(cli: &Cli, args: &Exec) -> Result<u8, CliError> {
    let directory = cli.directory.as_deref().unwrap_or(Path::new("."));
    let cwd = directory.canonicalize().map_err(|e| CliError::directory(directory, &e))?;
    let single = Single {
        command: args.command.clone(),
        inputs: args.inputs.clone(),
        outputs: args.outputs.clone(),
        env_from: args.env.clone(),
        env_pass: args.env_pass.clone(),
        valid_for: args.valid_for.as_deref().map(parse_age).transpose().map_err(CliError::age)?,
        answers: args.keep.iter().copied().map(i32::from).collect(),
    };
    let paint = Paint::stderr(cli.color);
    let store_dir = exec_store_dir()?;
    let store = Arc::new(open_store(&store_dir, paint));
    let project = single.project(&cwd, &store_dir).map_err(|e| CliError::usage(&e).hint(e.hint()))?;
    let (relay, project) = (Relay::new(), Arc::new(project));
    let execution =
        Execution { cli, single: &single, cwd: &cwd, project: &project, store: &store, relay: &relay, paint };
    execution.run(args.force)
}

/// One command, and the environment that it runs in.
struct Execution<'a> {
    cli: &'a Cli,
    single: &'a Single,
    cwd: &'a Path,
    project: &'a Arc<Project>,
    store: &'a Arc<Store>,
    relay: &'a Relay,
    paint: Paint,
}

impl Execution<'_> {
    fn run(&self, force: bool) -> Result<u8, CliError> {
        let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
        let mut told = self.session(&stop, force)?;
        if let Some(Finished { outcome: Outcome::UpToDate | Outcome::Restored, saved, .. }) = told.finished {
            match self.answer()? {
                Some(answer) => return self.give(answer, saved),
                // The store no longer has what it promised, but the command can still run.
                None => told = self.session(&stop, true)?,
            }
        }
        match told.finished {
            Some(finished) => self.tell(finished),
            None => Ok(INTERRUPTED),
        }
    }

    fn session(&self, stop: &Stop, force: bool) -> Result<Told<'_>, CliError> {
        let store = |_: &Path| self.store.clone();
        let request = Request {
            target: Target::Project(self.project.clone()),
            tasks: &[],
            args: &[],
            options: Options {
                keep_going: false,
                force: if force { Force::All } else { Force::No },
                accept: Accept::No,
                check: Check::Sample,
                dry_run: false,
                pull: false,
                download: Download::All,
                explain: false,
                hit_logs: HitLogs::No,
            },
            jobs: Some(1),
            every_event: true,
            caller: self.single.caller(self.cwd, std::env::vars_os().collect()),
            holder: holder(),
            store: Some(&store),
            last: false,
        };
        let mut told = Told { paint: self.paint, quiet: self.cli.quiet, relay: self.relay, finished: None };
        if let Opened::Session(mut session) = open(request)? {
            session.build(stop, self.relay, &mut told).map_err(CliError::session)?;
        }
        Ok(told)
    }

    fn answer(&self) -> Result<Option<Answer>, CliError> {
        // A log that cannot be read completely counts as missing.
        Ok(self.single.answer(self.store, self.project).unwrap_or(None))
    }

    /// Replays a stored result.
    fn give(&self, mut answer: Answer, saved: Duration) -> Result<u8, CliError> {
        self.relay.replay(&mut answer.log).map_err(CliError::failure)?;
        let age = Time::now().since(answer.created);
        self.remark(&format!("ran {} ago, saved {}", format_age(age), format_duration(saved)));
        // Only exit statuses that a process can have are stored.
        Ok(u8::try_from(answer.status).unwrap_or(CANNOT_START))
    }

    /// Reports the outcome of a run.
    fn tell(&self, finished: Finished) -> Result<u8, CliError> {
        let Finished { outcome, status, took, unseen, .. } = finished;
        match outcome {
            Outcome::Failed(Failure::Exit(code)) => {
                self.remark(&format!("exit status {code} after {}, not kept", format_duration(took)));
                self.hint_at(&unseen);
                Ok(u8::try_from(code).unwrap_or(CANNOT_START))
            }
            Outcome::Failed(Failure::Interrupted) => Ok(INTERRUPTED),
            Outcome::Failed(failure) => {
                crate::aside!("{} {}", self.paint.apply(Style::Bad, "error:"), failure);
                self.advise(&failure);
                Ok(match failure {
                    // As a shell reports it.
                    Failure::Signal(signal) => u8::try_from(128 + signal).unwrap_or(CANNOT_START),
                    Failure::MissingOutputs(_) => crate::error::FAILURE,
                    _ => CANNOT_START,
                })
            }
            _ => {
                self.remark(&format!("ran for {}", format_duration(took)));
                Ok(u8::try_from(status).unwrap_or(CANNOT_START))
            }
        }
    }

    fn advise(&self, failure: &Failure) {
        let advice = match (self.single.command.as_slice(), failure) {
            ([text], _) if text.contains(char::is_whitespace) => {
                Some(format!("for a shell command, write `percache exec -- sh -c {}`", words::quoted(text)))
            }
            (_, Failure::Error(trouble)) => trouble.hint.clone(),
            (_, Failure::MissingOutputs(_)) => Some("let the command make it, or leave the -o out".to_owned()),
            _ => None,
        };
        if let Some(advice) = advice {
            crate::aside!("\n{} {advice}", self.paint.apply(Style::Hint, "hint:"));
        }
    }

    /// Suggests variables that the command may have missed.
    fn hint_at(&self, unseen: &[String]) {
        if unseen.is_empty() || self.cli.quiet {
            return;
        }
        let options: Vec<_> = unseen.iter().map(|name| format!("--env-pass {name}")).collect();
        let text = format!(
            "your environment has {}, which the command does not see; `{}` passes it on",
            unseen.join(", "),
            options.join(" ")
        );
        crate::aside!("{} {text}", self.paint.apply(Style::Hint, "hint:"));
    }

    fn remark(&self, text: &str) {
        if self.cli.verbose {
            crate::aside!("{}", self.paint.apply(Style::Faint, format!("percache: {text}")));
        }
    }
}

/// The outcome of the command.
struct Finished {
    outcome: Outcome,
    status: i32,
    took: Duration,
    saved: Duration,
    unseen: Vec<String>,
}

/// A reporter that keeps the outcome of the single task, and passes messages on.
struct Told<'a> {
    paint: Paint,
    quiet: bool,
    relay: &'a Relay,
    finished: Option<Finished>,
}

impl Reporter for Told<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Finished { outcome, status, took, saved, unseen, .. } => {
                self.finished = Some(Finished { outcome, status, took, saved, unseen });
            }
            Event::Started { .. } if self.relay.has_borrowed() && !self.quiet => {
                crate::aside!(
                    "{}",
                    self.paint
                        .apply(Style::Faint, "the other process ended without a result; running the command here")
                );
            }
            Event::Warning(warning) => {
                let (message, hint) = messages::warning(&warning);
                crate::aside!("{} {message}", self.paint.apply(Style::Warning, "warning:"));
                if let Some(hint) = hint {
                    crate::aside!("{} {hint}", self.paint.apply(Style::Hint, "hint:"));
                }
            }
            Event::Note(note) if !self.quiet => {
                crate::aside!("{}", self.paint.apply(Style::Faint, messages::note(&note)));
            }
            Event::Displaced(moved) => {
                registry::remember(&moved);
                crate::aside!("{}", self.paint.apply(Style::Faint, words::moved(&moved)));
            }
            Event::Background { holders, .. } if !self.quiet => {
                let text = format!(
                    "the command has exited, and waits for {}, which holds its output",
                    words::holders(&holders)
                );
                crate::aside!("{}", self.paint.apply(Style::Faint, text));
            }
            Event::Waiting { holder, .. } if !self.quiet => {
                crate::aside!("{}", self.paint.apply(Style::Faint, format!("waiting for {holder}")));
            }
            _ => {}
        }
    }
}
