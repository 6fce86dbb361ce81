//! `percache accept`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use percache_runner::events::{Event, Failure, Outcome, Reporter};
use percache_runner::tasks::{AcceptError, Acceptable, LastRuns, LastState, acceptable};
use percache_runner::text::{first_few, format_size};
use percache_runner::why::Question;
use percache_runner::{Accept, Check, Download, Force, HitLogs, Opened, Options, Project, Request, Stop, Target, open};

use crate::args::{self, Cli};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::messages;
use crate::report::text::clean_message;
use crate::report::words::moved;
use crate::setup::{holder, load, open_store};
use crate::terminal::output::Stderr;
use crate::terminal::style::{Paint, Style};

/// Takes what lies in the tree as the results of tasks.
pub fn run(cli: &Cli, args: &args::Accept) -> Result<u8, CliError> {
    let paint = Paint::stderr(cli.color);
    let project = Arc::new(load(cli, &args.args)?);
    let ids = project.requested(&args.tasks, &args.args)?;
    let store = Arc::new(open_store(&project.store_dir, paint));
    let asked = Question { project: project.clone(), store, caller: std::env::vars_os().collect() };
    let wanted = acceptable(&asked, &ids).map_err(refused)?;
    if wanted.is_empty() {
        crate::say!("nothing to accept: {} up to date", if ids.len() == 1 { "the task is" } else { "all tasks are" });
        return Ok(SUCCESS);
    }
    if !args.yes && !ask(&project, &wanted)? {
        crate::aside!("nothing was accepted");
        return Ok(FAILURE);
    }
    accept(asked, args, &wanted, paint)
}

fn refused(error: AcceptError) -> CliError {
    let hint = match &error {
        AcceptError::Refused { hint, .. } => Some(hint.clone()),
        AcceptError::Build(e) => e.hint(),
    };
    CliError::failure(error).hint(hint)
}

/// Describes what lies at the outputs of a task.
fn described(project: &Project, one: &Acceptable) -> String {
    let (name, size) = (&project.workspace.task(one.task).name, format_size(one.bytes));
    format!("{name}: {} ({size}) at {}", count(one.files, "file"), first_few(&one.tops))
}

/// Asks whether to accept. Fails where nobody can be asked.
fn ask(project: &Project, wanted: &[Acceptable]) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let hint = "add `--yes` if what lies at the outputs is what the command would make";
        return Err(CliError::usage("nobody can be asked here whether to accept").hint(Some(hint)));
    }
    wanted.iter().for_each(|one| crate::aside!("{}", described(project, one)));
    let (it, them) = if wanted.len() == 1 { ("its command", "it") } else { ("their commands", "them") };
    let question = format!("Take this for what {it} would make now, without running {them}? [y/N] ");
    let mut answer = String::new();
    let written = Stderr.write_all(clean_message(&question).as_bytes());
    let read = written.and_then(|()| io::stdin().read_line(&mut answer));
    read.map_err(|e| CliError::failure(format!("cannot ask: {e}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Records the results.
fn accept(asked: Question, args: &args::Accept, wanted: &[Acceptable], paint: Paint) -> Result<u8, CliError> {
    let Question { project, store, caller } = asked;
    let names: Vec<String> =
        wanted.iter().map(|one| project.name_from_here(&project.workspace.task(one.task).name)).collect();
    let open_again = |_: &Path| store.clone();
    let request = Request {
        target: Target::Project(project.clone()),
        tasks: &names,
        args: &args.args,
        options: Options {
            keep_going: true,
            force: Force::Selected,
            accept: Accept::InsteadOfRunning,
            check: Check::Sample,
            dry_run: false,
            pull: false,
            download: Download::AsItIs,
            explain: false,
            hit_logs: HitLogs::No,
        },
        jobs: None,
        every_event: true,
        caller,
        holder: holder(),
        store: Some(&open_again),
        last: true,
    };
    let Opened::Session(mut session) = open(request)? else { return Ok(SUCCESS) };
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let mut told = Told { project: &project, paint };
    let summary = session.build(&stop, &(), &mut told).map_err(CliError::session)?;
    // A warning has said why an output cannot be stored.
    let now = LastRuns::of(&project);
    let is_stored = |one: &&Acceptable| now.state(project.workspace.task(one.task)) == LastState::Built;
    let stored: Vec<_> = wanted.iter().filter(is_stored).collect();
    stored.iter().for_each(|one| crate::say!("accepted {}", described(&project, one)));
    Ok(match () {
        () if summary.interrupted => INTERRUPTED,
        () if stored.len() < wanted.len() => FAILURE,
        () => SUCCESS,
    })
}

/// Tells what goes wrong, and what is worth knowing.
struct Told<'a> {
    project: &'a Project,
    paint: Paint,
}

impl Told<'_> {
    fn aside(&self, style: Style, what: &str, message: &str, hint: Option<&str>) {
        crate::aside!("{} {message}", self.paint.apply(style, what));
        if let Some(hint) = hint {
            crate::aside!("{} {hint}", self.paint.apply(Style::Hint, "hint:"));
        }
    }
}

impl Reporter for Told<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Finished { task, outcome: Outcome::Failed(failure), .. } => {
                let name = &self.project.workspace.task(task).name;
                let hint = match &failure {
                    Failure::Error(trouble) => trouble.hint.clone(),
                    _ => None,
                };
                let message = format!("`{name}` was not accepted: {failure}");
                self.aside(Style::Bad, "error:", &message, hint.as_deref());
            }
            Event::Warning(warning) => {
                let (message, hint) = messages::warning(&warning);
                self.aside(Style::Warning, "warning:", &message, hint.as_deref());
            }
            Event::Note(note) => crate::aside!("{}", self.paint.apply(Style::Faint, messages::note(&note))),
            Event::Displaced(files) => crate::aside!("{}", moved(&files)),
            Event::Waiting { holder, .. } => {
                crate::aside!("{} {holder}", self.paint.apply(Style::Faint, "waiting for"))
            }
            _ => {}
        }
    }
}
