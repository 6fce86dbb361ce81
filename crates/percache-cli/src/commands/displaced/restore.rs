//! Restores displaced files, or deletes them.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use percache_runner::displaced::{delete, give_back, recorded_outputs};
use percache_runner::text::{reason, shown, way_out};

use super::find::{Found, Kept, Scope, find};
use super::meant::meant;
use crate::args::{Cli, DisplacedDrop, DisplacedRestore};
use crate::error::{CliError, FAILURE, SUCCESS};
use crate::report::quoted;
use crate::terminal::style::{Paint, Style};

/// Moves files back to their original paths, or elsewhere.
pub fn restore(cli: &Cli, args: &DisplacedRestore) -> Result<u8, CliError> {
    let found = find(cli, Scope::new(args.exec, args.all))?;
    let mut wanted: BTreeMap<(PathBuf, PathBuf), &Kept> = BTreeMap::new();
    for path in &args.paths {
        for kept in chosen(cli, &found, path, args.from.as_deref())? {
            let newer = wanted.entry((kept.target(), kept.workspace())).or_insert(kept);
            if newer.item.when < kept.item.when {
                *newer = kept;
            }
        }
    }
    let mut status = SUCCESS;
    let mut again = Vec::new();
    let outputs = if args.to.is_none() { outputs(&found) } else { HashSet::new() };
    for ((at, _), kept) in wanted {
        if args.to.is_none() && !kept.has_home() {
            homeless(kept, args.all).report(Paint::stderr(cli.color));
            status = FAILURE;
            continue;
        }
        let to = args.to.as_ref().map_or(at, |top| kept.item.path.to_path(&start(cli).join(top)));
        match give_back(&kept.place.dir, &kept.item, &to) {
            Ok(()) => {
                crate::say!("{} {}", Paint::stdout(cli.color).apply(Style::Good, "restored"), shown(&to));
                again.extend(outputs.contains(&kept.target()).then(|| kept.text()));
            }
            Err(e) => {
                failure(kept, &to, &e, args).report(Paint::stderr(cli.color));
                status = FAILURE;
            }
        }
    }
    if let Some(first) = again.first() {
        let hint = Paint::stderr(cli.color).apply(Style::Hint, "hint:");
        crate::aside!(
            "{hint} `{first}` is an output of a task: a build moves it aside again, unless `outputs` leaves it out \
             (`!PATH`)"
        );
    }
    Ok(status)
}

/// Deletes files for good, in all versions.
pub fn drop_for_good(cli: &Cli, args: &DisplacedDrop) -> Result<u8, CliError> {
    let found = find(cli, Scope::new(args.exec, args.all))?;
    let mut wanted = BTreeMap::new();
    for path in &args.paths {
        let chosen = chosen(cli, &found, path, args.from.as_deref())?;
        wanted.extend(chosen.into_iter().map(|kept| (&kept.item.at, kept)));
    }
    let mut status = SUCCESS;
    for (at, kept) in wanted {
        match delete(&kept.place.dir, &kept.item) {
            Ok(()) => crate::say!("deleted {} {}", kept.text(), kept.item.version()),
            Err(e) => {
                let message = format!("`{}` cannot be deleted: {}", shown(at), reason(&e));
                CliError::failure(message).hint(way_out(&e)).report(Paint::stderr(cli.color));
                status = FAILURE;
            }
        }
    }
    Ok(status)
}

impl Kept {
    /// Returns a path that distinguishes files of different workspaces that have the same path.
    fn workspace(&self) -> PathBuf {
        if self.place.own || self.place.single { PathBuf::new() } else { self.place.dir.clone() }
    }
}

/// Returns the files that a path refers to, only those of one version if one is named.
fn chosen<'k>(cli: &Cli, found: &'k Found, path: &Path, from: Option<&str>) -> Result<Vec<&'k Kept>, CliError> {
    let start = start(cli);
    let mut chosen = meant(start, path, &found.kept).map_err(|e| CliError::directory(start, &e))?;
    if chosen.is_empty() {
        let hint = match found.elsewhere.files {
            0 => "`percache displaced` lists what was",
            _ => "`percache displaced` lists what was; with `--all` also that of other workspaces",
        };
        return Err(CliError::usage(format!("`{}` was not moved aside", shown(path))).hint(Some(hint)));
    }
    if let Some(from) = from {
        let versions: Vec<_> = chosen.iter().map(|kept| kept.item.version()).collect();
        chosen.retain(|kept| kept.item.version() == from);
        if chosen.is_empty() {
            return Err(CliError::usage(format!("`{}` has no version `{from}`", shown(path)))
                .hint(Some(format!("there is {}", versions.join(", ")))));
        }
    }
    Ok(chosen)
}

/// Returns the paths that are outputs, according to the last build.
fn outputs(found: &Found) -> HashSet<PathBuf> {
    found.roots.iter().flat_map(|root| recorded_outputs(root)).collect()
}

fn homeless(kept: &Kept, all: bool) -> CliError {
    let all = if all { "--all " } else { "" };
    let hint = format!("say where to put it: `percache displaced restore {all}{} --to DIR`", quoted(&kept.text()));
    CliError::failure(format!("the workspace of `{}` is not there any more", kept.text())).hint(Some(hint))
}

fn failure(kept: &Kept, to: &Path, error: &io::Error, args: &DisplacedRestore) -> CliError {
    let option = match (args.exec, args.all) {
        (true, _) => "--exec ",
        (_, true) => "--all ",
        _ => "",
    };
    let (shown, path) = (shown(to), quoted(&kept.text()));
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
            let hint = format!(
                "move that away, or name another directory: `percache displaced restore {option}{path} --to saved`"
            );
            CliError::failure(format!("something is at `{shown}` already")).hint(Some(hint))
        }
        io::ErrorKind::NotADirectory => {
            CliError::failure(format!("a file is where a directory of `{shown}` has to be"))
                .hint(Some("move that away, or name another directory with `--to DIR`"))
        }
        // Without an error number, it is percache's own error, not the system's.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            CliError::failure(format!("`{shown}` is not given back: {error}"))
                .hint(Some("put a directory in the place of the symlink, or name another one with `--to DIR`"))
        }
        io::ErrorKind::NotFound if kept.item.at.symlink_metadata().is_err() => {
            CliError::failure(format!("`{}` is not displaced any more", kept.text()))
                .hint(Some("somebody else has given it back just now, or gc has removed it"))
        }
        _ => CliError::failure(format!("`{shown}` cannot be moved back: {}", reason(error))).hint(
            way_out(error)
                .unwrap_or_else(|| format!("it is in `{}`", percache_runner::text::shown(&kept.item.at)))
                .into(),
        ),
    }
}

fn start(cli: &Cli) -> &Path {
    cli.directory.as_deref().unwrap_or(Path::new("."))
}
