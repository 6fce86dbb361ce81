//! `percache displaced`: files that were moved aside, and how to get them back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use percache::store::now;
use percache_runner::fs::displaced::{Item, give_back, list};
use percache_runner::syntax::units::{format_age, format_size};
use percache_runner::worktree::Worktree;
use serde_json::json;

use crate::args::{Cli, Displaced, DisplacedAction, DisplacedRestore};
use crate::error::{CliError, FAILURE, SUCCESS};
use crate::setup::{Setup, exec_store_dir};
use crate::style::{Paint, Style};

/// A displaced file.
struct Kept {
    item: Item,
    /// The directory of the worktree that it is of.
    root: PathBuf,
    /// Where that keeps what is displaced.
    dir: PathBuf,
    /// The path that is shown.
    name: String,
}

/// Lists displaced files, or gives them back.
pub fn run(cli: &Cli, args: &Displaced) -> Result<u8, CliError> {
    match &args.action {
        Some(DisplacedAction::Restore(restore)) => give(cli, &kept(cli, restore.exec)?, restore),
        None => {
            let kept = kept(cli, args.exec)?;
            if args.json {
                print_json(&kept)
            } else {
                print(&kept, args.exec, Paint::stdout(cli.color))
            }
            Ok(SUCCESS)
        }
    }
}

/// Finds all displaced files of the workspace, or of single commands: the oldest first.
fn kept(cli: &Cli, exec: bool) -> Result<Vec<Kept>, CliError> {
    let unreadable = |dir: &Path, e: io::Error| CliError::failure(format!("{} cannot be read: {e}", dir.display()));
    let worktrees = if exec {
        let store = exec_store_dir()?;
        Worktree::all(&store).map_err(|e| unreadable(&store, e))?
    } else {
        let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
        vec![Worktree::new(&setup.store_dir, &setup.workspace.root)]
    };
    let mut kept = Vec::new();
    for worktree in worktrees {
        let (root, dir) = (worktree.root(), worktree.displaced());
        for item in list(&dir).map_err(|e| unreadable(&dir, e))? {
            let name =
                if exec { item.path.to_path(root).to_string_lossy().into_owned() } else { item.path.to_string() };
            kept.push(Kept { item, root: root.to_owned(), dir: dir.clone(), name });
        }
    }
    kept.sort_by(|a, b| (a.item.when, &a.name).cmp(&(b.item.when, &b.name)));
    Ok(kept)
}

fn print_json(kept: &[Kept]) {
    let rows = kept.iter().map(|kept| {
        json!({
            "path": kept.name,
            "when": kept.item.when,
            "size": size(&kept.item),
            "at": kept.item.at.to_string_lossy(),
        })
    });
    crate::say!("{:#}", serde_json::Value::Array(rows.collect()));
}

fn print(kept: &[Kept], exec: bool, paint: Paint) {
    if kept.is_empty() {
        crate::say!("nothing was moved aside");
        return;
    }
    let widest = kept.iter().map(|kept| kept.name.chars().count()).max().unwrap_or(0);
    for Kept { item, name, .. } in kept {
        let age = format_age(Duration::from_millis(now().saturating_sub(item.when)));
        let about = format!("{:>9}  {age} ago", format_size(size(item)));
        crate::say!("{name:widest$}  {}", paint.apply(Style::Faint, about));
    }
    let exec = if exec { "--exec " } else { "" };
    let hint = format!(
        "`percache displaced restore {exec}PATH` moves a file back to where it was; gc removes it after `maxage`"
    );
    crate::say!("\n{} {hint}", paint.apply(Style::Hint, "hint:"));
}

fn size(item: &Item) -> u64 {
    fs::symlink_metadata(&item.at).map_or(0, |metadata| metadata.len())
}

/// Moves back what the paths mean.
fn give(cli: &Cli, kept: &[Kept], args: &DisplacedRestore) -> Result<u8, CliError> {
    let mut wanted: BTreeMap<PathBuf, &Kept> = BTreeMap::new();
    for path in &args.paths {
        let meant = meant(cli, path)?;
        let all = || kept.iter().map(|kept| (kept.item.path.to_path(&kept.root), kept));
        let mut found: Vec<_> = all().filter(|(at, _)| at.starts_with(&meant)).collect();
        if found.is_empty() {
            // As the list shows it.
            found = all().filter(|(at, kept)| at.starts_with(kept.root.join(path))).collect();
        }
        if found.is_empty() {
            return Err(CliError::usage(format!("`{}` was not moved aside", path.display()))
                .hint(Some("`percache displaced` lists what was")));
        }
        // The last one of a path wins: they are in the order of their age.
        wanted.extend(found);
    }
    let mut status = SUCCESS;
    for (at, kept) in wanted {
        let to = args.to.as_ref().map_or(at, |top| kept.item.path.to_path(&start(cli).join(top)));
        match give_back(&kept.dir, &kept.item, &to) {
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

/// The path that a user means, who stands in the directory where percache started.
fn meant(cli: &Cli, path: &Path) -> Result<PathBuf, CliError> {
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
    Ok(native)
}
