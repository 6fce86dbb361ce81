//! One build, and who looks after it while it runs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use percache_runner::fs::stamp::moment;
use percache_runner::process::Stop;
use percache_runner::schedule::results::Summary;
use percache_runner::session::{self, Session};
use percache_runner::watch::{Burst, Change, Run};
use percache_runner::worktree::conditions::Asked;

use super::activity::{Activity, Hearing, Noting};
use super::target::{Happened, Target};
use super::{TURN, Watching};
use crate::args::OnChange;
use crate::error::CliError;
use crate::report::{Place, Report};
use crate::setup::holder;
use crate::style::{self, Paint, Style};

/// How often the wish to end is looked at while a build runs.
const TICK: Duration = Duration::from_millis(10);
/// A command that owns the terminal gets a Ctrl-C itself. When it has not ended for so long, it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// While commands run, all inputs are not looked at more often than this.
const PAUSE: Duration = Duration::from_millis(500);

/// A build that is over.
pub struct Round {
    /// The moment before it.
    pub began: i64,
    /// Changes because of which it was stopped.
    pub stopped: Option<Vec<Change>>,
    /// Names of tasks that failed.
    pub failed: Vec<String>,
    /// The commands that ran.
    pub runs: Vec<Run>,
}

impl Round {
    /// Builds.
    pub fn run(watching: &mut Watching<'_>, target: &Target) -> Result<Round, CliError> {
        let (stderr, began) = (Paint::stderr(watching.cli.color), moment());
        let setup = &target.setup;
        let store = setup.open_store(stderr);
        let stop = Stop::manual().map_err(|e| CliError::failure(format!("cannot make a pipe: {e}")))?;
        let options = watching.options();
        let (cwd, directory) = (&setup.location.cwd, watching.cli.directory.as_deref());
        let place = Place { cwd, directory, args: &watching.args.args };
        let mut report = Report::new(&setup.workspace, place, watching.manner(), None)?;
        let caller = std::env::vars_os().collect();
        let asked = Asked::new(setup.location.cwd.as_bytes(), &watching.args.tasks, &watching.args.args);
        let prior = session::prior(&setup.store_dir, &setup.workspace.root, &asked, &caller, &holder());
        let (activity, over) = (Activity::new(&setup.workspace), AtomicBool::new(false));
        let listener = report.listener();
        let hearing = Hearing { listener: &*listener, activity: &activity };
        let session = Session {
            workspace: &setup.workspace,
            graph: &setup.graph,
            store_dir: &setup.store_dir,
            single: None,
            store: Some(&store),
            options: &options,
            caller: &caller,
            stop: &stop,
            listener: &hearing,
            holder: &holder(),
            asked: Some(asked),
            kept: None,
            began,
            last: false,
        };
        let user = watching.user.clone();
        let monitor = Monitor { watching, target, stop: &stop, over: &over, activity: &activity, began };
        let (built, stopped) = std::thread::scope(|scope| {
            scope.spawn(|| pass_on(&user, &stop, &over, &activity));
            let monitor = scope.spawn(|| monitor.run());
            let noting = &mut Noting { reporter: &mut report, activity: &activity };
            let built = session.run(&target.selected, prior, noting);
            over.store(true, Ordering::SeqCst);
            (built, monitor.join().unwrap_or_default())
        });
        let summary = built.map_err(CliError::session)?;
        watching.finish(report, &summary, stopped.is_some());
        Ok(Round { began, stopped, failed: summary.failed, runs: activity.runs() })
    }
}

impl Watching<'_> {
    fn finish(&mut self, report: Report<'_>, summary: &Summary, stopped: bool) {
        let restarted = stopped && !self.user.requested();
        if (self.awaited || is_news(summary)) && !restarted {
            report.finish(summary);
        } else {
            report.abandon();
        }
        if self.awaited && !restarted && !self.cli.quiet && style::can_redraw() && !self.user.requested() {
            let text = "watching for changes, until Ctrl-C";
            crate::say!("{}", Paint::stdout(self.cli.color).apply(Style::Faint, text));
        }
        self.awaited &= restarted;
    }
}

/// Whether a build did more than to find that there was nothing to do.
fn is_news(summary: &Summary) -> bool {
    let checked = summary.checked + summary.unstable.len();
    summary.ran + summary.restored + summary.failed.len() + summary.skipped + checked > 0
}

/// Passes on the user's wish to end the build.
fn pass_on(user: &Stop, stop: &Stop, over: &AtomicBool, activity: &Activity<'_>) {
    let mut wished = None;
    let (mut urged, mut asked) = (false, false);
    // That a pipe cannot be written to is no reason to go on: who polls sees the signal.
    while !over.load(Ordering::SeqCst) {
        let signal = user.signal();
        if let (None, Some(signal)) = (wished, signal) {
            wished = Some(Instant::now());
            let _ = stop.trigger_as(signal);
        }
        if !urged && user.urgent() {
            (urged, asked) = (true, true);
            let _ = stop.trigger().and_then(|()| stop.trigger()).and_then(|()| stop.end());
        }
        if !asked && activity.is_interactive() && wished.is_some_and(|at| at.elapsed() >= GRACE) {
            asked = true;
            let _ = stop.end();
        }
        std::thread::sleep(TICK);
    }
}

/// Looks for changes while a build runs, and stops it when there are some and that is asked for.
struct Monitor<'a, 'w> {
    watching: &'a Watching<'w>,
    target: &'a Target,
    stop: &'a Stop,
    over: &'a AtomicBool,
    activity: &'a Activity<'a>,
    began: i64,
}

impl Monitor<'_, '_> {
    /// Returns the changes because of which it has stopped the build.
    fn run(&self) -> Option<Vec<Change>> {
        let mut stopped = None;
        let (mut pending, mut free) = (Burst::default(), Instant::now());
        let is_over = || self.over.load(Ordering::SeqCst);
        while !is_over() {
            let concern = |path: &Path| self.target.concern(path);
            if let Some(burst) = self.watching.events.wait(&concern, TURN, &is_over) {
                pending.extend(burst);
            }
            let restarts = self.watching.args.on_change == OnChange::Restart && !self.stop.requested();
            if !restarts || pending.is_empty() || (pending.is_structural() && Instant::now() < free) {
                continue;
            }
            let began = Instant::now();
            let worth = self.worth_a_restart(&std::mem::take(&mut pending));
            free = Instant::now() + PAUSE.max(10 * began.elapsed());
            stopped = worth.filter(|_| self.stop.end().is_ok()).or(stopped);
        }
        stopped
    }

    /// Returns the changes for which the build is to be begun anew.
    fn worth_a_restart(&self, burst: &Burst) -> Option<Vec<Change>> {
        let changes = match self.target.differs(burst, || self.watching.configure()) {
            Happened::Nothing => return None,
            Happened::Mistake(_) => return Some(Vec::new()),
            Happened::Tasks(configured, changes) => {
                let configuration = Target::changed_configuration(&configured, self.began);
                if configuration.is_empty() {
                    return Some(changes);
                }
                configuration.into_iter().chain(changes).collect()
            }
            Happened::Inputs(changes) => changes,
        };
        let verdict = self.watching.blame().meanwhile(&changes, &self.activity.runs());
        // Only of tasks that own the terminal: nobody else writes to it then.
        self.watching.tell_of_blamed(self.target, &verdict.blamed);
        let counts = |change: &Change| verdict.count.contains(&change.path);
        let changes: Vec<_> = changes.into_iter().filter(counts).collect();
        (!changes.is_empty()).then_some(changes)
    }
}
