//! `percache remote pull`: fetches what the remote has of tasks as they are now into the store. The tree stays as it is.
//!
//! It is a dry run that adds to the store what the remote has. A task whose dependencies are nowhere cannot be looked up:
//! what its inputs will be is not known.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percache_remote::Settings;
use percache_runner::events::{Event, Failure, Outcome, Reporter};
use percache_runner::tasks::Workspace;
use percache_runner::text::format_size;
use percache_runner::{
    Accept, Check, Download, Force, FromRemote, HitLogs, Opened, Options, Request, Stop, Target, open,
};

use super::{ending, wanted};
use crate::args::{Cli, RemotePull};
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::remote::Sharing;
use crate::report::StatusLine;
use crate::setup::{holder, load, open_store};
use crate::terminal::style::{Paint, can_redraw};

/// How often the line on the terminal is renewed.
const PERIOD: Duration = Duration::from_millis(200);
/// Tasks that are named, of those that are not on the remote, without `-v`.
const NAMED: usize = 10;

/// Fetches results.
pub fn pull(cli: &Cli, args: &RemotePull) -> Result<u8, CliError> {
    let project = Arc::new(load(cli, &[])?);
    let settings = Settings { read: true, write: false, ..wanted(&project, &args.remote)? };
    let paint = Paint::stderr(cli.color);
    let store = Arc::new(open_store(&project.store_dir, paint));
    let sharing = Arc::new(Sharing::new(settings, store.clone(), &project.store_dir));
    let names: Vec<String> = match args.tasks.is_empty() {
        true => project.workspace.tasks.iter().map(|task| task.name.clone()).collect(),
        false => project.select(&args.tasks)?.into_iter().map(|id| project.workspace.task(id).name.clone()).collect(),
    };
    let names: Vec<String> = names.iter().map(|name| project.name_from_here(name)).collect();
    let opener = |_: &Path| store.clone();
    let request = Request {
        target: Target::Project(project.clone()),
        tasks: &names,
        args: &[],
        options: options(),
        jobs: None,
        every_event: true,
        caller: std::env::vars_os().collect(),
        holder: holder(),
        store: Some(&opener),
        last: false,
    };
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let mut seen = Seen::new(&project.workspace, (can_redraw() && !cli.quiet).then(|| StatusLine::new(paint)));
    let mut came = FromRemote::default();
    if let Opened::Session(mut session) = open(request)? {
        session.share(sharing.clone());
        came = session.build(&stop, &(), &mut seen).map_err(CliError::session)?.shared;
    }
    seen.line = None;
    store.flush().map_err(|e| CliError::store(&e, &project.store_dir))?;
    let given_up = sharing.remote.is_given_up();
    sharing.finish(&ending(cli, &stop, came));
    seen.tell(cli, &came);
    Ok(match (stop.requested(), given_up) {
        (true, _) => INTERRUPTED,
        (false, true) => FAILURE,
        (false, false) => SUCCESS,
    })
}

fn options() -> Options {
    Options {
        keep_going: true,
        force: Force::No,
        accept: Accept::No,
        check: Check::Sample,
        dry_run: true,
        pull: true,
        download: Download::All,
        explain: false,
        hit_logs: HitLogs::No,
    }
}

/// What became of each task.
struct Seen<'a> {
    workspace: &'a Workspace,
    line: Option<StatusLine>,
    here: usize,
    fetched: usize,
    bytes: u64,
    /// Tasks of which the remote has nothing that fits.
    nowhere: Vec<String>,
    /// Tasks that depend on such, or on what cannot be asked.
    unknown: usize,
    /// Tasks whose results are never shared.
    unshared: usize,
    /// Tasks that cannot be examined, and why.
    broken: Vec<String>,
}

impl<'a> Seen<'a> {
    fn new(workspace: &'a Workspace, line: Option<StatusLine>) -> Seen<'a> {
        let (nowhere, broken) = (Vec::new(), Vec::new());
        Seen { workspace, line, here: 0, fetched: 0, bytes: 0, nowhere, unknown: 0, unshared: 0, broken }
    }

    fn tell(&self, cli: &Cli, came: &FromRemote) {
        self.broken.iter().for_each(|why| crate::aside!("{why}"));
        if cli.quiet {
            return;
        }
        let named = if cli.verbose { self.nowhere.len() } else { NAMED };
        self.nowhere.iter().take(named).for_each(|name| crate::say!("not there  {name}"));
        if self.nowhere.len() > named {
            crate::say!("not there  {} more; -v shows all", self.nowhere.len() - named);
        }
        let counts = [
            (self.here, "here already"),
            (self.nowhere.len(), "not on the remote"),
            (self.unknown, "not looked up, because what they depend on is not known"),
            (self.unshared, "never shared"),
            (self.broken.len(), "not examined"),
            (came.refused, "refused"),
        ];
        let others = counts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!(", {count} {words}"));
        let what = if self.fetched == 1 { "result" } else { "results" };
        let bytes = format_size(self.bytes);
        crate::say!("fetched {} {what} ({bytes}){}", self.fetched, others.collect::<String>());
    }
}

impl Reporter for Seen<'_> {
    fn event(&mut self, event: Event) {
        let Event::Finished { task, outcome, provenance, .. } = event else { return };
        let task = self.workspace.task(task);
        match (provenance.fetched, outcome) {
            (_, Outcome::Failed(Failure::Error(trouble))) => {
                self.broken.push(format!("{}: {}", task.name, trouble.message));
            }
            (Some(bytes), _) => {
                self.fetched += 1;
                self.bytes += bytes;
            }
            (None, Outcome::UpToDate | Outcome::WouldRestore) => self.here += 1,
            (None, Outcome::WouldRun) if !task.cache || task.interactive || !task.remote.shares() => self.unshared += 1,
            (None, Outcome::WouldRun) => self.nowhere.push(task.name.clone()),
            (None, Outcome::MayRun) => self.unknown += 1,
            (None, _) => {}
        }
    }

    fn period(&self) -> Option<Duration> {
        self.line.is_some().then_some(PERIOD)
    }

    fn refresh(&mut self, _left: Option<Duration>, _on_remote: usize) {
        let text = format!("fetching: {} results, {}; Ctrl-C ends it", self.fetched, format_size(self.bytes));
        self.line.iter_mut().for_each(|line| line.show(&text));
    }
}
