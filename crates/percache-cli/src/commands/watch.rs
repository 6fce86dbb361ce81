//! `percache watch`: builds, and builds again whenever something changes that the build depends on, until the user ends
//! it.

mod round;
mod servers;
#[cfg(feature = "remote")]
mod sharing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percache_runner::configuration;
use percache_runner::tasks::TaskId;
use percache_runner::text::shown_bytes;
use percache_runner::watching::{
    Blame, Blamed, Broken, Change, Configured, Events, Happened, KnownFiles, Run, Servers, Target,
};
use percache_runner::{Accept, Check, Download, Force, HitLogs, OpenError, Options, Project, Stop};

use crate::args::{Cli, Logs, Output, Watch};
use crate::error::{CliError, INTERRUPTED};
use crate::report::Manner;
use crate::setup::{directory, load, only_filtered};
use crate::terminal::style::{self, Paint, Style};

use round::Round;

/// How often to check for the request to end while nothing happens.
const TURN: Duration = Duration::from_millis(50);

/// Builds until it is interrupted.
pub fn run(cli: &Cli, args: &Watch) -> Result<u8, CliError> {
    let root = configuration::discover(directory(cli)).map_err(OpenError::from)?.root;
    let user = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let events = Events::new(&root);
    let mut watching = Watching {
        cli,
        args,
        user,
        events,
        blame: Mutex::default(),
        root,
        broken: Broken::default(),
        awaited: true,
        left_alone: false,
        told_of_limit: false,
        servers: Servers::default(),
        serving: Vec::new(),
        last: None,
        ended: None,
        #[cfg(feature = "remote")]
        shares: Default::default(),
    };
    watching.run();
    watching.end_servers();
    #[cfg(feature = "remote")]
    watching.shares.settle(true, &watching.user, cli);
    if let Some(error) = watching.ended.take() {
        return Err(error);
    }
    if style::can_redraw() {
        // After the ^C that the terminal echoes.
        crate::say!("");
    }
    Ok(INTERRUPTED)
}

struct Watching<'a> {
    cli: &'a Cli,
    args: &'a Watch,
    user: Stop,
    events: Events,
    /// Used by one thread at a time: while a build runs, another thread looks for changes.
    blame: Mutex<Blame>,
    root: PathBuf,
    broken: Broken,
    /// Whether to print the summary even if the build finds nothing to do: for the first build, and the first after a
    /// mistake.
    awaited: bool,
    /// Whether the build itself changed the tasks again and again, so that this is now ignored.
    left_alone: bool,
    told_of_limit: bool,
    /// The servers that run from one build to the next.
    servers: Servers,
    /// When they began.
    serving: Vec<Run>,
    /// The tasks that were watched last.
    last: Option<Arc<Project>>,
    /// The error that ends it, if the user did not.
    ended: Option<CliError>,
    #[cfg(feature = "remote")]
    shares: sharing::Shares,
}

impl Watching<'_> {
    fn run(&mut self) {
        let mut next = self.configure();
        let mut known = KnownFiles::new();
        while let Some(configured) = self.mended(next) {
            self.last = Some(configured.0.clone());
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
                    // This happens only on a request to end.
                    Happened::Nothing => return,
                }
            };
            known = target.into_known();
        }
    }

    /// Loads the configured tasks, and selects the requested ones.
    fn configure(&self) -> Result<Configured, CliError> {
        let project = load(self.cli, &self.args.args)?;
        let selected = self.selected(&project)?;
        Ok((Arc::new(project), selected))
    }

    fn selected(&self, project: &Project) -> Result<Vec<TaskId>, CliError> {
        let Watch { tasks, filter, args, .. } = self.args;
        if filter.is_empty() {
            return Ok(project.requested(tasks, args)?);
        }
        let selected = only_filtered(project, (tasks, project.workspace.default.clone()), filter, args)?;
        if selected.is_empty() {
            let hint = "`percache list --filter …` shows what a filter leaves".to_owned();
            return Err(CliError::usage("no task is selected").hint(Some(hint)));
        }
        project.check_args(&selected, args)?;
        Ok(selected)
    }

    /// Returns the names of the tasks to build, as they are written here; none for the default ones.
    fn names(&self, project: &Project) -> Result<Vec<String>, CliError> {
        if self.args.filter.is_empty() {
            return Ok(self.args.tasks.clone());
        }
        let selected = self.selected(project)?.into_iter();
        Ok(selected.map(|id| project.name_from_here(&project.workspace.task(id).name)).collect())
    }

    /// Shows the mistakes of the configuration, and waits for their correction. Returns `None` if the user ends it.
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

    /// Builds once. Returns what happened in the meantime that calls for another build.
    fn build(&mut self, target: &mut Target) -> Happened<CliError> {
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
        self.note_servers(&runs);
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
                // A further change of the configuration does not need its own message.
                self.tell_of_blamed(target, &verdict.blamed[..verdict.blamed.len().min(1)]);
                self.left_alone = whole && known && verdict.count.is_empty();
                Happened::Tasks(configured, Vec::new())
            }
            happened => happened,
        }
    }

    /// Decides whether the changes during a build call for another one.
    fn judged(
        &mut self,
        target: &Target,
        changes: Vec<Change>,
        runs: &[Run],
        stopped: Option<Vec<Change>>,
    ) -> Happened<CliError> {
        self.tell_of_limit();
        let verdict = self.blame().after(&changes, runs, stopped.is_none());
        self.tell_of_blamed(target, &verdict.blamed);
        let counts = |change: &Change| verdict.count.contains(&change.path);
        let changes: Vec<_> = changes.into_iter().filter(counts).collect();
        match (changes.is_empty(), stopped) {
            // What stopped the build was undone, but the build must still finish.
            (true, Some(changes)) => Happened::Inputs(changes),
            (true, None) => Happened::Nothing,
            (false, _) => Happened::Inputs(changes),
        }
    }

    /// Waits for a change after a build. Returns `Happened::Nothing` only if the user wants to end it.
    fn idle(&mut self, target: &mut Target) -> Happened<CliError> {
        let project = target.project.clone();
        let mut report = self.idle_report(&project);
        while !self.user.requested() {
            let burst = self.events.wait(&|path| target.concern(path), TURN, &|| self.user.requested());
            self.attend(&project, &mut report);
            let Some(burst) = burst else { continue };
            match target.update(burst, &self.events, || self.configure()) {
                Happened::Nothing => {}
                Happened::Inputs(changes) => match self.caused_by_servers(target, changes) {
                    changes if changes.is_empty() => {}
                    changes => return Happened::Inputs(changes),
                },
                happened => return happened,
            }
        }
        Happened::Nothing
    }

    fn blame(&self) -> MutexGuard<'_, Blame> {
        self.blame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a change: preferably of a file that still exists, because editors first write to another name.
    fn tell_of_change(&self, target: &Target, changes: &[Change]) {
        if self.cli.quiet || self.user.requested() {
            return;
        }
        let is_there = |change: &&Change| target.locate(&change.path).symlink_metadata().is_ok();
        if let Some(change) = changes.iter().find(is_there).or(changes.first()) {
            let text = format!("changed    {}", shown_bytes(&change.path));
            crate::say!("{}", Paint::stdout(self.cli.color).apply(Style::Faint, text));
        }
    }

    fn tell_of_blamed(&self, target: &Target, blamed: &[Blamed]) {
        for Blamed { path, tasks } in blamed {
            let readers = target.reads.readers(&target.project.workspace, path);
            let own: Vec<_> = tasks.iter().filter(|task| readers.contains(&task.as_str())).collect();
            let names = if own.is_empty() { tasks.iter().collect() } else { own.clone() };
            let names: Vec<_> = names.into_iter().take(3).map(|name| format!("`{name}`")).collect();
            let (names, raw, path) = (names.join(" or "), path.as_slice(), shown_bytes(path));
            let whose = match own.is_empty() {
                false => "which it reads",
                true if target.is_configuration(raw) => "which decides which tasks there are",
                true => "which is an input",
            };
            self.warn(
                &format!("{names} writes `{path}`, {whose}; what it writes there does not begin another build"),
                &format!("take it out of `inputs` (`!{path}`), make it an output, or let git ignore it"),
            );
        }
    }

    /// Reports once that changes are found by polling.
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
            output: Some(Output::Full),
            explain: self.args.explain,
            dry_run: false,
            json: false,
            terminal: style::can_redraw(),
        }
    }

    fn options(&self) -> Options {
        Options {
            keep_going: self.args.keep_going,
            force: Force::No,
            accept: Accept::No,
            check: Check::Sample,
            dry_run: false,
            pull: false,
            download: Download::All,
            explain: self.args.explain,
            hit_logs: HitLogs::Restored,
        }
    }
}
