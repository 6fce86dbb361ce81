//! `percache remote check`: what the remote is, what may be done there, how fast, and what cannot be shared.

use std::time::{Duration, Instant};

use percache_remote::{Fault, Remote};
use percache_runner::Project;
use percache_runner::text::format_size;
use percache_runner::why::{TiedTask, tied_tasks};

use super::sharing;
use crate::args::{Cli, RemoteOptions};
use crate::commands::gc::count;
use crate::error::{CliError, FAILURE, SUCCESS};
use crate::remote::{Sharing, advice, execution, settings};
use crate::setup::load;

/// Round trips that are measured; the shortest counts.
const TRIPS: usize = 3;
/// A difference of clocks that is worth a word, in seconds: services that are asked with signed requests refuse those of
/// some minutes ago.
const ODD: f64 = 60.0;
/// Tied tasks that are listed without `-v`.
const LISTED: usize = 10;

/// Connects, and shows what there is to know.
pub fn check(cli: &Cli, url: &Option<String>) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let options = RemoteOptions { remote: url.clone(), no_remote: false };
    let settings = settings(&project.workspace, &options)?;
    let execution = execution::settings(&project.workspace, &options, settings.as_ref())?;
    let status = match settings.is_some() || execution.is_none() {
        true => check_sharing(cli, &project, url)?,
        false => SUCCESS,
    };
    for (name, value) in execution.map(execution::contact).transpose()?.unwrap_or_default() {
        crate::say!("{name:<18} {value}");
    }
    Ok(status)
}

/// Tries out where results are shared.
fn check_sharing(cli: &Cli, project: &Project, url: &Option<String>) -> Result<u8, CliError> {
    let sharing = sharing(cli, project, url)?;
    let remote = &sharing.remote;
    crate::say!("remote             {}", remote.address());
    let trip = connect(remote)?;
    crate::say!("round trip         {:.1} ms", trip.as_secs_f64() * 1e3);
    crate::say!("reads              {}", if remote.is_readable() { "yes" } else { "no: `read` of [remote] is false" });
    let status = if remote.is_writable() {
        try_out(remote)
    } else {
        crate::say!("writes             no: `write` of [remote] is not true here");
        SUCCESS
    };
    let trusted = remote.trusted();
    match trusted.is_empty() {
        true => crate::say!("trusts             whoever may write to it"),
        false => trusted.iter().for_each(|key| crate::say!("trusts             {key}")),
    }
    if let Some(key) = remote.signs_as() {
        let odd = !trusted.is_empty() && !trusted.contains(&key);
        crate::say!("signs as           {key}{}", if odd { ", which `trust` does not name" } else { "" });
    }
    tell_tied(cli, project, &sharing);
    Ok(status)
}

/// Makes the connection, and shows what the remote says of itself. Returns how long a round trip takes.
fn connect(remote: &Remote) -> Result<Duration, CliError> {
    let mut shortest = Duration::MAX;
    for trip in 0..=TRIPS {
        let began = Instant::now();
        let about = remote.contact().map_err(|fault| {
            let hint = advice::check(fault.kind, "[remote]");
            CliError::failure(format!("the remote cannot be used: {fault}")).hint(Some(&hint))
        })?;
        if trip == 0 {
            about.facts.iter().for_each(|(name, value)| crate::say!("{name:<18} {value}"));
        } else {
            // The first one makes the connection.
            shortest = shortest.min(began.elapsed());
        }
    }
    Ok(shortest)
}

/// Writes something and reads it back. Returns the exit status.
fn try_out(remote: &Remote) -> u8 {
    let trial = match remote.try_out() {
        Ok(trial) => trial,
        Err(Fault { message, .. }) => {
            crate::say!("writes             no: {message}");
            return FAILURE;
        }
    };
    crate::say!("writes             yes: what was written came back as it was");
    let speed = |took: Duration| format_size((trial.bytes as f64 / took.as_secs_f64().max(1e-9)) as u64);
    crate::say!("throughput         {}/s up, {}/s down", speed(trial.wrote), speed(trial.read));
    match trial.clock {
        None => crate::say!("clock              unknown: the remote does not tell its time"),
        Some(ahead) if ahead.abs() < ODD => crate::say!("clock              the same, within {ODD} s"),
        Some(ahead) => {
            let way = if ahead > 0.0 { "ahead of" } else { "behind" };
            crate::say!("clock              {:.0} s {way} this machine's: signed requests may be refused", ahead.abs());
        }
    }
    SUCCESS
}

/// Lists the tasks whose results cannot be shared, and what would change that.
fn tell_tied(cli: &Cli, project: &Project, sharing: &Sharing) {
    let (tied, known) = tied_tasks(project, sharing.store());
    if tied.is_empty() {
        let results = count(known as u64, "task");
        crate::say!("tied               none of {results} with results here");
        return;
    }
    crate::say!(
        "tied               {} of {} contain the path of this directory:",
        tied.len(),
        count(known as u64, "result")
    );
    let shown = if cli.verbose { tied.len() } else { LISTED };
    for TiedTask { task, output } in tied.iter().take(shown) {
        match output {
            Some(output) => crate::say!("  {task}: `{output}`; {}", untied_by(output)),
            None => crate::say!("  {task}"),
        }
    }
    if tied.len() > shown {
        crate::say!("  and {} more; -v shows all", tied.len() - shown);
    }
}

/// Returns what keeps the path of the directory out of an output.
fn untied_by(output: &str) -> &'static str {
    let name = output.rsplit('/').next().unwrap_or(output);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "rlib" | "rmeta" => "`--remap-path-prefix` of rustc leaves it out",
        "pyc" => "`python3 -m compileall -s` leaves it out",
        "d" => "a compiler that is given relative paths writes relative paths",
        "map" | "js" | "css" => "relative paths in source maps leave it out",
        "o" | "a" | "so" | "obj" | "lib" | "" => "`-ffile-prefix-map=$PWD=.` of compilers leaves it out",
        _ => "let the command write relative paths",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_fits_the_output() {
        for (output, word) in [
            ("build/a.o", "-ffile-prefix-map"),
            ("build/app", "-ffile-prefix-map"),
            ("target/liba.rlib", "--remap-path-prefix"),
            ("a/__pycache__/a.cpython-311.pyc", "compileall"),
            ("report.txt", "relative paths"),
        ] {
            assert!(untied_by(output).contains(word), "{output}");
        }
    }
}
