//! `percache remote`: what is shared, seen from outside of a build.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use percache_remote::SigningKey;
use percache_runner::{FromRemote, Project, Stop};

use crate::args::{Cli, Remote, RemoteAction, RemoteOptions, RemotePush};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, INTERRUPTED, SUCCESS};
use crate::remote::{Ending, Sharing, settings};
use crate::setup::{load, open_store};
use crate::terminal::style::{Paint, can_redraw};

/// Round trips that are measured; the shortest counts.
const TRIPS: usize = 3;

/// Runs `percache remote`.
pub fn run(cli: &Cli, args: &Remote) -> Result<u8, CliError> {
    match &args.action {
        RemoteAction::Check(args) => check(cli, &args.remote),
        RemoteAction::Push(args) => push(cli, args),
        RemoteAction::Key => key(),
    }
}

/// Returns the remote of the workspace.
fn sharing(cli: &Cli, project: &Project, url: &Option<String>, writes: bool) -> Result<Sharing, CliError> {
    let options = RemoteOptions { remote: url.clone(), no_remote: false };
    let mut settings = settings(&project.workspace, &options)?.ok_or_else(|| {
        let hint = "set `url` of [remote], the variable that it names, or PERCACHE_REMOTE_URL";
        CliError::usage("there is no remote").hint(Some(hint))
    })?;
    // Whoever asks for it means it.
    settings.write |= writes;
    let store = Arc::new(open_store(&project.store_dir, Paint::stderr(cli.color)));
    Ok(Sharing::new(settings, store, &project.store_dir))
}

/// Connects, and shows what there is to know.
fn check(cli: &Cli, url: &Option<String>) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let sharing = sharing(cli, &project, url, false)?;
    let remote = &sharing.remote;
    crate::say!("remote             {}", remote.address());
    let mut shortest = Duration::MAX;
    for trip in 0..=TRIPS {
        let began = Instant::now();
        let about = remote.contact().map_err(|fault| {
            let hint = "check the address, the network, and the credentials";
            CliError::failure(format!("the remote cannot be used: {fault}")).hint(Some(hint))
        })?;
        if trip == 0 {
            about.facts.iter().for_each(|(name, value)| crate::say!("{name:<18} {value}"));
        } else {
            // The first one makes the connection.
            shortest = shortest.min(began.elapsed());
        }
    }
    let yes = |is: bool| if is { "yes" } else { "no" };
    crate::say!("round trip         {:.1} ms", shortest.as_secs_f64() * 1e3);
    crate::say!("reads              {}", yes(remote.is_readable()));
    crate::say!("writes             {}", yes(remote.is_writable()));
    let trusted = remote.trusted();
    match trusted.is_empty() {
        true => crate::say!("trusts             whoever may write to it"),
        false => trusted.iter().for_each(|key| crate::say!("trusts             {key}")),
    }
    if let Some(key) = remote.signs_as() {
        crate::say!("signs as           {key}");
    }
    Ok(SUCCESS)
}

/// Writes results of the store to the remote.
fn push(cli: &Cli, args: &RemotePush) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let selected = match args.tasks.is_empty() {
        true => project.workspace.ids().collect(),
        false => project.select(&args.tasks)?,
    };
    let sharing = sharing(cli, &project, &args.remote, true)?;
    let stop = Stop::install().map_err(|e| CliError::failure(format!("cannot handle signals: {e}")))?;
    let shared = selected.into_iter().map(|id| project.workspace.task(id)).filter(|task| task.remote && task.cache);
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
