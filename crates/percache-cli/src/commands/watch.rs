//! `percache watch`: a build, then another one whenever something changes, until the user ends it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percache_runner::build::context::{Check, Force, HitLogs, Options};
use percache_runner::build::outcomes::Summary;
use percache_runner::finding::Asked;
use percache_runner::graph::TaskGraph;
use percache_runner::paths::RelPath;
use percache_runner::process::Stop;
use percache_runner::session::{self, Session};
use percache_runner::stamp::moment;
use percache_runner::watch::{Ignored, Watcher};

use crate::args::{Cli, Logs, OnChange, Watch};
use crate::error::{CliError, INTERRUPTED};
use crate::report::{Manner, Place, Report};
use crate::setup::{Setup, discover, holder};
use crate::style::{self, Paint, Style};

/// How often the wish to end is looked at while nothing happens.
const TURN: Duration = Duration::from_millis(50);

/// Builds until it is interrupted.
pub fn run(cli: &Cli, args: &Watch) -> Result<u8, CliError> {
    let start = cli.directory.as_deref().unwrap_or(Path::new("."));
    let location = discover(start)?;
    let user = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    // Before the first build: what changes while it runs is not missed.
    let watcher = Watcher::new(&location.root).map_err(|e| {
        let hint = "Linux watches as many directories as fs.inotify.max_user_watches allows";
        CliError::failure(e).hint(Some(hint))
    })?;
    let watching = Watching { cli, args, user, watcher };
    // Whether the build is to be summed up even if it finds nothing to do: the first one, and the first after a mistake.
    let mut awaited = true;
    let mut before = None;
    while !watching.user.requested() {
        // A mistake in the configuration is shown, and its correction waited for.
        let built = watching.build(awaited, &mut before);
        if built.as_ref().is_err_and(CliError::is_lasting) {
            return built.map(|_| INTERRUPTED);
        }
        awaited = built.is_err();
        let changed = built.unwrap_or_else(|error| {
            error.report(Paint::stderr(cli.color));
            None
        });
        watching.wait(changed);
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
    watcher: Watcher,
}

impl Watching<'_> {
    /// Builds once, `before` being the graph of the last time. Gives what changed meanwhile.
    fn build(&self, awaited: bool, before: &mut Option<TaskGraph>) -> Result<Option<RelPath>, CliError> {
        let (stderr, began) = (Paint::stderr(self.cli.color), moment());
        let setup = Setup::load(self.cli.directory.as_deref(), &self.args.args, stderr)?;
        let tasks = &self.args.tasks;
        let selected = if tasks.is_empty() { setup.workspace.default.clone() } else { setup.select(tasks)? };
        setup.check_args(&selected, &self.args.args)?;
        let store = setup.open_store(stderr);
        let stop = Stop::manual().map_err(|e| CliError::failure(format!("cannot make a pipe: {e}")))?;
        let manner = self.manner();
        let options = self.options();
        let place = Place { cwd: &setup.location.cwd, directory: self.cli.directory.as_deref(), args: &self.args.args };
        let mut report = Report::new(&setup.workspace, place, manner, None)?;
        let caller = std::env::vars_os().collect();
        let asked = Asked::new(setup.location.cwd.as_bytes(), tasks, &self.args.args);
        let prior = session::prior(&setup.store_dir, &setup.workspace.root, &asked, &caller, &holder());
        let session = Session {
            workspace: &setup.workspace,
            graph: &setup.graph,
            store_dir: &setup.store_dir,
            single: None,
            store: Some(&store),
            options: &options,
            caller: &caller,
            stop: &stop,
            listener: &*report.listener(),
            holder: &holder(),
            asked: Some(asked),
            kept: None,
            began,
            last: false,
        };
        let over = AtomicBool::new(false);
        let (built, changed) = std::thread::scope(|scope| {
            let monitor = scope.spawn(|| self.monitor(&setup, before.as_ref(), &stop, &over));
            let built = session.run(&selected, prior, &mut report);
            over.store(true, Ordering::SeqCst);
            (built, monitor.join().unwrap_or(None))
        });
        let summary = built.map_err(CliError::session)?;
        let restarted = changed.is_some() && stop.requested() && !self.user.requested();
        if awaited || (is_news(&summary) && !restarted) {
            report.finish(&summary);
        } else {
            report.abandon();
        }
        if awaited && changed.is_none() && !self.cli.quiet && style::can_redraw() && !self.user.requested() {
            let text = "watching for changes, until Ctrl-C";
            crate::say!("{}", Paint::stdout(self.cli.color).apply(Style::Faint, text));
        }
        let changed = changed.or_else(|| self.idle(&setup, before.as_ref()));
        *before = Some(setup.graph);
        Ok(changed)
    }

    /// Looks after a build that runs: passes on the wish to end it, and ends it when something changes, if that is asked for.
    fn monitor(&self, setup: &Setup, before: Option<&TaskGraph>, stop: &Stop, over: &AtomicBool) -> Option<RelPath> {
        let store = RelPath::from_native(&setup.workspace.root, &setup.store_dir);
        let before = before.map(|graph| &graph.outputs);
        let ignored = Ignored { store: store.as_ref(), outputs: Some(&setup.graph.outputs), before };
        let (mut told, mut changed) = (0, None);
        while !over.load(Ordering::SeqCst) {
            let wishes = usize::from(self.user.requested()) + usize::from(self.user.urgent());
            while told < wishes && stop.trigger().is_ok() {
                told += 1;
            }
            if let Some(path) = self.watcher.wait(ignored, TURN) {
                changed = Some(path);
                if self.args.on_change == OnChange::Restart && !stop.requested() && stop.trigger().is_ok() {
                    told += 1;
                }
            }
        }
        changed
    }

    /// Waits for a change after a build.
    fn idle(&self, setup: &Setup, before: Option<&TaskGraph>) -> Option<RelPath> {
        let store = RelPath::from_native(&setup.workspace.root, &setup.store_dir);
        let before = before.map(|graph| &graph.outputs);
        let ignored = Ignored { store: store.as_ref(), outputs: Some(&setup.graph.outputs), before };
        while !self.user.requested() {
            if let Some(path) = self.watcher.wait(ignored, TURN) {
                return Some(path);
            }
        }
        None
    }

    /// Says what changed. After an error, when it is not known what counts, waits for any change.
    fn wait(&self, mut changed: Option<RelPath>) {
        let store = RelPath::new(".percache").ok();
        while changed.is_none() && !self.user.requested() {
            changed = self.watcher.wait(Ignored { store: store.as_ref(), ..Ignored::default() }, TURN);
        }
        if let Some(path) = changed.filter(|path| !self.user.requested() && !self.cli.quiet && !path.is_root()) {
            crate::say!("{}", Paint::stdout(self.cli.color).apply(Style::Faint, format!("changed    {path}")));
        }
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

/// Whether a build did more than to find that there was nothing to do.
fn is_news(summary: &Summary) -> bool {
    let checked = summary.checked + summary.unstable.len();
    summary.ran + summary.restored + summary.failed.len() + summary.skipped + checked > 0
}
