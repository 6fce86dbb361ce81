//! `percache remote`: what is shared, seen from outside of a build.

mod check;
mod pull;

use std::collections::HashSet;
use std::sync::Arc;

use percache_remote::{Settings, SigningKey};
use percache_runner::{FromRemote, Project, Stop};

use crate::args::{Cli, Remote, RemoteAction, RemoteOptions, RemotePush};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::remote::{Ending, Sharing, settings};
use crate::setup::{load, open_store};
use crate::terminal::style::{Paint, can_redraw};

/// Runs `percache remote`.
pub fn run(cli: &Cli, args: &Remote) -> Result<u8, CliError> {
    match &args.action {
        RemoteAction::Check(args) => check::check(cli, &args.remote),
        RemoteAction::Push(args) => push(cli, args),
        RemoteAction::Pull(args) => pull::pull(cli, args),
        RemoteAction::Key => key(),
    }
}

/// Returns the remote of the workspace.
fn sharing(cli: &Cli, project: &Project, url: &Option<String>) -> Result<Sharing, CliError> {
    let settings = wanted(project, url)?;
    let store = Arc::new(open_store(&project.store_dir, Paint::stderr(cli.color)));
    Ok(Sharing::new(settings, store, &project.store_dir))
}

/// Returns what is known about the remote of the workspace.
fn wanted(project: &Project, url: &Option<String>) -> Result<Settings, CliError> {
    let options = RemoteOptions { remote: url.clone(), no_remote: false };
    settings(&project.workspace, &options)?.ok_or_else(|| {
        let hint = "set `url` of [remote], the variable that it names, or PERCACHE_REMOTE_URL";
        CliError::usage("there is no remote").hint(Some(hint))
    })
}

/// Writes results of the store to the remote.
fn push(cli: &Cli, args: &RemotePush) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let selected = match args.tasks.is_empty() {
        true => project.workspace.ids().collect(),
        false => project.select(&args.tasks)?,
    };
    // Whoever asks for it means it.
    let settings = Settings { write: true, ..wanted(&project, &args.remote)? };
    let store = Arc::new(open_store(&project.store_dir, Paint::stderr(cli.color)));
    let sharing = Sharing::new(settings, store, &project.store_dir);
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let shared =
        selected.into_iter().map(|id| project.workspace.task(id)).filter(|task| task.remote.shares() && task.cache);
    let names: HashSet<&str> = shared.map(|task| task.name.as_str()).collect();
    let offered = sharing.offer_stored(&|name| names.contains(name));
    offered.map_err(|e| CliError::store(&e, &project.store_dir))?;
    let progress = sharing.finish(&ending(cli, &stop, FromRemote::default()));
    if !cli.quiet {
        let words = ["results are on the remote", "is another's or cannot be kept there", "not uploaded"];
        let counts = [progress.done, progress.passed_over, progress.left()];
        let counted = counts.iter().zip(words).filter(|(count, _)| **count > 0);
        let said: Vec<_> = counted.map(|(count, words)| format!("{count} {words}")).collect();
        let said = if said.is_empty() { "there is nothing to push".to_owned() } else { said.join(", ") };
        crate::say!("{said} ({} written)", count(progress.bytes, "byte"));
    }
    Ok(match progress.left() {
        0 => SUCCESS,
        _ if stop.requested() => INTERRUPTED,
        _ => FAILURE,
    })
}

/// Returns how to end a command whose last line says what came of it.
fn ending<'a>(cli: &Cli, stop: &'a Stop, came: FromRemote) -> Ending<'a> {
    Ending { stop, quiet: true, live: can_redraw() && !cli.quiet, paint: Paint::stderr(cli.color), came: Some(came) }
}

/// Makes a key.
fn key() -> Result<u8, CliError> {
    let (secret, public) = SigningKey::generate().map_err(CliError::failure)?;
    crate::say!("secret: {secret}");
    crate::say!("public: {public}");
    Ok(SUCCESS)
}
