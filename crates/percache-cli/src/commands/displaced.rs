//! `percache displaced`: files that were moved aside, and how to get them back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use percache::store::now;
use percache_runner::displaced::{Item, give_back, list};
use percache_runner::paths::RelPath;
use percache_runner::units::{format_age, format_size};
use percache_runner::worktree::Worktree;
use serde_json::json;

use crate::args::{Cli, Displaced, DisplacedAction, DisplacedRestore};
use crate::error::{CliError, FAILURE, SUCCESS};
use crate::setup::Setup;
use crate::style::{Paint, Style};

/// Lists displaced files, or gives them back.
pub fn run(cli: &Cli, args: &Displaced) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let dir = Worktree::new(&setup.store_dir, &setup.workspace.root).displaced();
    let items = list(&dir).map_err(|e| CliError::failure(format!("{} cannot be read: {e}", dir.display())))?;
    match &args.action {
        None if args.json => print_json(&items),
        None => print(&items, Paint::stdout(cli.color)),
        Some(DisplacedAction::Restore(restore)) => return give(cli, &setup, &dir, &items, restore),
    }
    Ok(SUCCESS)
}

fn print_json(items: &[Item]) {
    let rows = items.iter().map(|item| {
        json!({
            "path": item.path.to_string(),
            "when": item.when,
            "size": size(item),
            "at": item.at.to_string_lossy(),
        })
    });
    crate::say!("{:#}", serde_json::Value::Array(rows.collect()));
}

fn print(items: &[Item], paint: Paint) {
    if items.is_empty() {
        crate::say!("nothing was moved aside");
        return;
    }
    let widest = items.iter().map(|item| item.path.to_string().chars().count()).max().unwrap_or(0);
    for item in items {
        let age = format_age(Duration::from_millis(now().saturating_sub(item.when)));
        let about = format!("{:>9}  {age} ago", format_size(size(item)));
        crate::say!("{:widest$}  {}", item.path.to_string(), paint.apply(Style::Faint, about));
    }
    let hint = "`percache displaced restore PATH` moves a file back to where it was; gc removes it after `maxage`";
    crate::say!("\n{} {hint}", paint.apply(Style::Hint, "hint:"));
}

fn size(item: &Item) -> u64 {
    fs::symlink_metadata(&item.at).map_or(0, |metadata| metadata.len())
}

/// Moves back what the paths mean.
fn give(cli: &Cli, setup: &Setup, dir: &Path, items: &[Item], args: &DisplacedRestore) -> Result<u8, CliError> {
    let mut wanted: BTreeMap<&RelPath, &Item> = BTreeMap::new();
    for path in &args.paths {
        let meant = meant(cli, &setup.workspace.root, path)?;
        let before = wanted.len();
        // The last one of a path wins: they are listed by age.
        wanted.extend(items.iter().filter(|item| item.path.starts_with(&meant)).map(|item| (&item.path, item)));
        if wanted.len() == before && !items.iter().any(|item| item.path.starts_with(&meant)) {
            return Err(CliError::usage(format!("`{}` was not moved aside", path.display()))
                .hint(Some("`percache displaced` lists what was")));
        }
    }
    let top = args.to.as_ref().map(|to| start(cli).join(to));
    let mut status = SUCCESS;
    for (path, item) in wanted {
        let to = path.to_path(top.as_deref().unwrap_or(&setup.workspace.root));
        match give_back(dir, item, &to) {
            Ok(()) => crate::say!("{} {}", Paint::stdout(cli.color).apply(Style::Good, "restored"), to.display()),
            Err(e) => {
                report(cli, &to, &e);
                status = FAILURE;
            }
        }
    }
    Ok(status)
}

fn report(cli: &Cli, to: &Path, error: &io::Error) {
    let failure = if error.kind() == io::ErrorKind::AlreadyExists {
        CliError::failure(format!("something is at {} already", to.display()))
            .hint(Some("move it away, or name another directory with `--to DIR`"))
    } else {
        CliError::failure(format!("{} cannot be moved back: {error}", to.display()))
    };
    failure.report(Paint::stderr(cli.color));
}

fn start(cli: &Cli) -> &Path {
    cli.directory.as_deref().unwrap_or(Path::new("."))
}

/// The path in the workspace that a user means, who stands in the directory where percache started.
fn meant(cli: &Cli, root: &Path, path: &Path) -> Result<RelPath, CliError> {
    let start = start(cli).canonicalize().map_err(CliError::failure)?;
    let mut native = PathBuf::new();
    // By its text: nothing needs to be there now.
    for component in start.join(path).components() {
        match component {
            Component::ParentDir => drop(native.pop()),
            Component::CurDir => {}
            other => native.push(other),
        }
    }
    RelPath::from_native(root, &native)
        .ok_or_else(|| CliError::usage(format!("`{}` is outside of the workspace", path.display())))
}
