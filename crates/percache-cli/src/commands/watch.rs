//! `percache watch`: a build, then another one whenever something changes that it depends on, until the user ends it.

mod activity;
mod broken;
mod round;
mod target;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percache_runner::action::context::{Check, Force, HitLogs, Options};
use percache_runner::fs::stat_table::KnownFiles;
use percache_runner::process::Stop;
use percache_runner::watch::{Blame, Blamed, Change, Events, Run};

use crate::args::{Cli, Logs, Watch};
use crate::error::{CliError, INTERRUPTED};
use crate::report::Manner;
use crate::setup::{Setup, discover};
use crate::style::{self, Paint, Style};

use broken::Broken;
use round::Round;
use target::{Configured, Happened, Target};

/// How often the wish to end is looked at while nothing happens.
const TURN: Duration = Duration::from_millis(50);

/// Builds until it is interrupted.
pub fn run(cli: &Cli, args: &Watch) -> Result<u8, CliError> {
    let location = discover(cli.directory.as_deref().unwrap_or(Path::new(".")))?;
    let user = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let events = Events::new(&location.root);
    let mut watching = Watching {
        cli,
        args,
        user,
        events,
        blame: Mutex::default(),
        root: location.root,
        broken: Broken::default(),
        awaited: true,
        left_alone: false,
        told_of_limit: false,
        ended: None,
    };
    watching.run();
    if let Some(error) = watching.ended.take() {
        return Err(error);
    }
    if style::can_redraw() {
        // Behind the ^C of the terminal.
        crate::say!("");
    }
    Ok(INTERRUPTED)
}

struct Watching<'a> {
    cli: &'a Cli,
    args: &'a Watch,
    user: Stop,
    events: Events,
    /// For one thread at a time: while a build runs, one beside it looks for changes.
    blame: Mutex<Blame>,
    root: PathBuf,
    broken: Broken,
    /// Whether the build is to be summed up even if it finds nothing to do: the first one, and the first after a
    /// mistake.
    awaited: bool,
    /// Whether other tasks came of the build itself, again and again.
    left_alone: bool,
    told_of_limit: bool,
    /// Why it ends although the user does not want that.
    ended: Option<CliError>,
}

impl Watching<'_> {
    fn run(&mut self) {
        let mut next = self.configure();
        let mut known = KnownFiles::new();
        while let Some(configured) = self.mended(next) {
            let mut target = Target::new(configured, &self.events, &known, Vec::new());
            self.tell_of_limit();
            let mut builds = !std::mem::take(&mut self.left_alone);
            next = loop {
                let built = if builds { self.build(&mut target) } else { Happened::Nothing };
                if self.ended.is_some() {
                    return;
                }
                builds = true;
                let happened = match built {
                    Happened::Nothing => self.idle(&mut target),
                    happened => happened,
                };
                match happened {
                    Happened::Tasks(configured, _) => break Ok(*configured),
                    Happened::Mistake(error) => break Err(error),
                    Happened::Inputs(changes) => self.tell_of_change(&target, &changes),
                    // Only the wish to end brings no more than that.
                    Happened::Nothing => return,
                }
            };
            known = target.into_known();
        }
    }

    /// The tasks as they are configured, and those that are asked for.
    fn configure(&self) -> Result<Configured, CliError> {
        let setup = Setup::load(self.cli.directory.as_deref(), &self.args.args, Paint::stderr(self.cli.color))?;
        let tasks = &self.args.tasks;
        let selected = if tasks.is_empty() { setup.workspace.default.clone() } else { setup.select(tasks)? };
        setup.check_args(&selected, &self.args.args)?;
        Ok((setup, selected))
    }

    /// Shows the mistakes in a configuration, and waits for their correction. `None` when the user does not.
    fn mended(&mut self, mut configured: Result<Configured, CliError>) -> Option<Configured> {
        let mut shown = None;
        loop {
            match configured {
                Ok(configured) => {
                    self.broken.remember(&configured.0);
                    return (!self.user.requested()).then_some(configured);
                }
                Err(error) if shown.as_deref() == Some(error.message()) => {}
                Err(error) => {
                    error.report(Paint::stderr(self.cli.color));
                    shown = Some(error.message().to_owned());
                }
            }
            self.awaited = true;
            self.broken.follow(&self.root, &self.events);
            let concern = |path: &Path| self.broken.concern(&self.root, path);
            while self.events.wait(&concern, TURN, &|| self.user.requested()).is_none() {
                if self.user.requested() {
                    return None;
                }
            }
            configured = self.configure();
        }
    }

    /// Builds once. Returns what has happened meanwhile that another build is to be begun for.
    fn build(&mut self, target: &mut Target) -> Happened {
        let round = Round::run(self, target);
        let Round { began, stopped, failed, runs } = match round {
            Ok(round) => round,
            Err(error) if error.is_lasting() => {
                self.ended = Some(error);
                return Happened::Nothing;
            }
            Err(error) => {
                error.report(Paint::stderr(self.cli.color));
                self.awaited = true;
                return Happened::Nothing;
            }
        };
        if self.user.requested() {
            return Happened::Nothing;
        }
        self.events.settle(&|| self.user.requested());
        let whole = stopped.is_none();
        match target.after(failed, began, &self.events, || self.configure()) {
            Happened::Nothing => self.judged(target, Vec::new(), &runs, stopped),
            Happened::Inputs(changes) => self.judged(target, changes, &runs, stopped),
            Happened::Tasks(configured, inputs) => {
                let changes = Target::changed_configuration(&configured, began);
                let known = !changes.is_empty();
                let verdict = self.blame().after(&[changes, inputs].concat(), &runs, whole);
                // What comes of another configuration is not worth a word of its own.
                self.tell_of_blamed(target, &verdict.blamed[..verdict.blamed.len().min(1)]);
                self.left_alone = whole && known && verdict.count.is_empty();
                Happened::Tasks(configured, Vec::new())
            }
            happened => happened,
        }
    }

    /// What the changes during a build amount to.
    fn judged(
        &mut self,
        target: &Target,
        changes: Vec<Change>,
        runs: &[Run],
        stopped: Option<Vec<Change>>,
    ) -> Happened {
        self.tell_of_limit();
        let verdict = self.blame().after(&changes, runs, stopped.is_none());
        self.tell_of_blamed(target, &verdict.blamed);
        let counts = |change: &Change| verdict.count.contains(&change.path);
        let changes: Vec<_> = changes.into_iter().filter(counts).collect();
        match (changes.is_empty(), stopped) {
            // What stopped it is as it was again, but the build has to come to its end.
            (true, Some(changes)) => Happened::Inputs(changes),
            (true, None) => Happened::Nothing,
            (false, _) => Happened::Inputs(changes),
        }
    }

    /// Waits for a change after a build. Nothing happens only when the user wants to end it.
    fn idle(&mut self, target: &mut Target) -> Happened {
        while !self.user.requested() {
            let burst = self.events.wait(&|path| target.concern(path), TURN, &|| self.user.requested());
            let Some(burst) = burst else { continue };
            match target.update(burst, &self.events, || self.configure()) {
                Happened::Nothing => {}
                happened => return happened,
            }
        }
        Happened::Nothing
    }

    fn blame(&self) -> MutexGuard<'_, Blame> {
        self.blame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what changed: if possible something that is there, because editors write to another name first.
    fn tell_of_change(&self, target: &Target, changes: &[Change]) {
        if self.cli.quiet || self.user.requested() {
            return;
        }
        let is_there = |change: &&Change| target.locate(&change.path).symlink_metadata().is_ok();
        if let Some(change) = changes.iter().find(is_there).or(changes.first()) {
            let text = format!("changed    {}", String::from_utf8_lossy(&change.path));
            crate::say!("{}", Paint::stdout(self.cli.color).apply(Style::Faint, text));
        }
    }

    fn tell_of_blamed(&self, target: &Target, blamed: &[Blamed]) {
        for Blamed { path, tasks } in blamed {
            let readers = target.reads.readers(&target.setup.workspace, path);
            let own: Vec<_> = tasks.iter().filter(|task| readers.contains(&task.as_str())).collect();
            let names = if own.is_empty() { tasks.iter().collect() } else { own.clone() };
            let names: Vec<_> = names.into_iter().take(3).map(|name| format!("`{name}`")).collect();
            let (names, path) = (names.join(" or "), String::from_utf8_lossy(path));
            let whose = match own.is_empty() {
                false => "which it reads",
                true if target.is_configuration(path.as_bytes()) => "which decides which tasks there are",
                true => "which is an input",
            };
            self.warn(
                &format!("{names} writes `{path}`, {whose}; what it writes there does not begin another build"),
                &format!("take it out of `inputs` (`!{path}`), make it an output, or let git ignore it"),
            );
        }
    }

    /// Says, once, that changes are looked for.
    fn tell_of_limit(&mut self) {
        if self.told_of_limit || !self.events.is_incomplete() {
            return;
        }
        self.told_of_limit = true;
        self.warn(
            "the system watches no more directories: looking for changes every second instead",
            "raise `fs.inotify.max_user_watches`, or if that is not it `fs.inotify.max_user_instances`, with `sysctl`; or \
             leave out directories with `!` in `inputs`",
        );
    }

    fn warn(&self, message: &str, hint: &str) {
        let paint = Paint::stderr(self.cli.color);
        crate::aside!("{} {message}", paint.apply(Style::Warning, "warning:"));
        crate::aside!("{} {hint}", paint.apply(Style::Hint, "hint:"));
    }

    fn manner(&self) -> Manner {
        Manner {
            paint: Paint::stdout(self.cli.color),
            verbose: self.cli.verbose,
            quiet: self.cli.quiet,
            logs: Logs::New,
            explain: self.args.explain,
            dry_run: false,
            json: false,
            terminal: style::can_redraw(),
        }
    }

    fn options(&self) -> Options {
        Options {
            jobs: self.args.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1),
            keep_going: self.args.keep_going,
            force: Force::No,
            accept: false,
            check: Check::Sample,
            dry_run: false,
            explain: self.args.explain,
            hit_logs: HitLogs::Restored,
        }
    }
}
