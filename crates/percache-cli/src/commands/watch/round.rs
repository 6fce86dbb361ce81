//! One build, with the threads that watch while it runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use percache_runner::events::Note;
use percache_runner::watching::{Activity, Burst, Change, Happened, Hearing, Noting, Run, Target as Watched, moment};
use percache_runner::{Opened, Request, Session, Stop, Summary, Target, open};

use super::{TURN, Watching};
use crate::args::OnChange;
use crate::error::CliError;
use crate::report::{self, Place, Report};
use crate::setup::{holder, open_store};
use crate::terminal::style::{self, Paint, Style};

/// How often to check for the request to end while a build runs.
const TICK: Duration = Duration::from_millis(10);
/// A command that owns the terminal receives a Ctrl-C itself. If it has not ended after this long, it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// The minimum time between examinations of all inputs while commands run.
const PAUSE: Duration = Duration::from_millis(500);

/// A finished build.
pub struct Round {
    /// The moment before it began.
    pub began: i64,
    /// The changes that caused it to be stopped.
    pub stopped: Option<Vec<Change>>,
    /// The names of tasks that failed.
    pub failed: Vec<String>,
    /// The commands that ran.
    pub runs: Vec<Run>,
}

impl Round {
    /// Runs a build.
    pub fn run(watching: &mut Watching<'_>, target: &Watched) -> Result<Round, CliError> {
        let (stderr, began) = (Paint::stderr(watching.cli.color), moment());
        let store = |dir: &Path| Arc::new(open_store(dir, stderr));
        let names = watching.names(&target.project)?;
        let request = Request {
            target: Target::Project(target.project.clone()),
            tasks: &names,
            args: &watching.args.args,
            options: watching.options(),
            jobs: watching.args.jobs,
            every_event: false,
            caller: std::env::vars_os().collect(),
            holder: holder(),
            store: Some(&store),
            last: false,
        };
        let start = Instant::now();
        match open(request)? {
            Opened::Unchanged { tasks, notes } => {
                watching.finish_unchanged(&tasks, &notes, start.elapsed());
                Ok(Round { began, stopped: None, failed: Vec::new(), runs: Vec::new() })
            }
            Opened::Session(session) => Round::build(watching, target, *session, began),
        }
    }

    /// Builds, and looks for changes meanwhile.
    fn build(
        watching: &mut Watching<'_>,
        target: &Watched,
        mut session: Session<'_>,
        began: i64,
    ) -> Result<Round, CliError> {
        #[cfg(feature = "remote")]
        let shared = {
            watching.shares.settle(false, &watching.user, watching.cli);
            watching.shares.share(&mut session, &watching.args.remote)?
        };
        session.keep_servers(&watching.servers);
        let stop = Stop::manual().map_err(|e| CliError::failure(format!("cannot make a pipe: {e}")))?;
        let project = &target.project;
        let directory = watching.cli.directory.as_deref();
        let place = Place { cwd: &project.cwd, directory, args: &watching.args.args };
        let mut report = Report::new(&project.workspace, place, watching.manner(), None)?;
        let (activity, over) = (Activity::new(&project.workspace), AtomicBool::new(false));
        let listener = report.listener();
        let hearing = Hearing { listener: &*listener, activity: &activity };
        let user = watching.user.clone();
        let monitor = Monitor { watching, target, stop: &stop, over: &over, activity: &activity, began };
        let (built, stopped) = std::thread::scope(|scope| {
            scope.spawn(|| pass_on(&user, &stop, &over, &activity));
            let monitor = scope.spawn(|| monitor.run());
            let noting = &mut Noting { reporter: &mut report, activity: &activity };
            let built = session.build(&stop, &hearing, noting);
            over.store(true, Ordering::SeqCst);
            (built, monitor.join().unwrap_or_default())
        });
        let summary = built.map_err(CliError::session)?;
        #[cfg(feature = "remote")]
        if let Some(shared) = shared {
            watching.shares.go_on(shared, summary.shared, &watching.user, watching.cli)?;
        }
        watching.finish(report, &summary, stopped.is_some());
        Ok(Round { began, stopped, failed: summary.failed, runs: activity.runs() })
    }
}

impl Watching<'_> {
    fn finish(&mut self, report: Report<'_>, summary: &Summary, stopped: bool) {
        let restarted = stopped && !self.user.requested();
        if (self.awaited || is_news(summary)) && !restarted {
            // A watch writes no files, so there is no error.
            let _ = report.finish(summary);
        } else {
            report.abandon();
        }
        self.go_on(restarted);
    }

    fn finish_unchanged(&mut self, tasks: &[String], notes: &[Note], took: Duration) {
        if self.awaited {
            report::idle((tasks, notes), self.manner(), took);
        }
        self.go_on(false);
    }

    /// Tells once that it waits for changes from now on.
    fn go_on(&mut self, restarted: bool) {
        if self.awaited && !restarted && !self.cli.quiet && style::can_redraw() && !self.user.requested() {
            let text = "watching for changes, until Ctrl-C";
            crate::say!("{}", Paint::stdout(self.cli.color).apply(Style::Faint, text));
        }
        self.awaited &= restarted;
    }
}

/// Returns whether a build did anything.
fn is_news(summary: &Summary) -> bool {
    let checked = summary.checked + summary.unstable.len();
    summary.ran + summary.restored + summary.failed.len() + summary.skipped + checked > 0
}

/// Passes on the user's request to end the build.
fn pass_on(user: &Stop, stop: &Stop, over: &AtomicBool, activity: &Activity<'_>) {
    let mut wished = None;
    let (mut urged, mut asked) = (false, false);
    // Errors of writing to a pipe do not matter, because polling also sees the signal.
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

/// Looks for changes while a build runs, and stops it if there are some and the user wants that.
struct Monitor<'a, 'w> {
    watching: &'a Watching<'w>,
    target: &'a Watched,
    stop: &'a Stop,
    over: &'a AtomicBool,
    activity: &'a Activity<'a>,
    began: i64,
}

impl Monitor<'_, '_> {
    /// Returns the changes that made it stop the build.
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

    /// Returns the changes for which the build is to be restarted.
    fn worth_a_restart(&self, burst: &Burst) -> Option<Vec<Change>> {
        let changes = match self.target.differs(burst, || self.watching.configure()) {
            Happened::Nothing => return None,
            Happened::Mistake(_) => return Some(Vec::new()),
            Happened::Tasks(configured, changes) => {
                let configuration = Watched::changed_configuration(&configured, self.began);
                if configuration.is_empty() {
                    return Some(changes);
                }
                configuration.into_iter().chain(changes).collect()
            }
            Happened::Inputs(changes) => changes,
        };
        let verdict = self.watching.blame().meanwhile(&changes, &self.activity.runs());
        // Only for tasks that own the terminal, because nothing else writes to it then.
        self.watching.tell_of_blamed(self.target, &verdict.blamed);
        let counts = |change: &Change| verdict.count.contains(&change.path);
        let changes: Vec<_> = changes.into_iter().filter(counts).collect();
        (!changes.is_empty()).then_some(changes)
    }
}
