//! `percache displaced`: lists files that were moved aside, and restores or deletes them.

mod find;
mod meant;
mod restore;

use std::collections::HashSet;

use percache::base::clock::Time;
use percache_runner::displaced::Amount;
use percache_runner::text::{format_age, format_size, shown};
use serde_json::json;

use crate::args::{Cli, Displaced, DisplacedAction};
use crate::commands::gc::count;
use crate::error::{CliError, SUCCESS};
use crate::report::text::width;
use crate::terminal::style::{Paint, Style};
use find::{Found, Kept, Scope, find};

/// Lists, restores or deletes displaced files.
pub fn run(cli: &Cli, args: &Displaced) -> Result<u8, CliError> {
    match &args.action {
        Some(DisplacedAction::Restore(args)) => restore::restore(cli, args),
        Some(DisplacedAction::Drop(args)) => restore::drop_for_good(cli, args),
        None => {
            let found = find(cli, Scope::new(args.exec, args.all))?;
            if args.json {
                print_json(&found);
            } else {
                print(&found, args.exec, Paint::stdout(cli.color));
            }
            Ok(SUCCESS)
        }
    }
}

fn print_json(found: &Found) {
    let rows = found.kept.iter().map(|kept| {
        json!({
            "path": kept.plain(),
            "version": kept.item.version(),
            "when": kept.item.when.0.as_millis(),
            "size": kept.item.size(),
            "at": shown(&kept.item.at),
            "workspace": kept.root.as_ref().map(|root| shown(root)),
            "here": kept.place.own,
        })
    });
    crate::say!("{:#}", serde_json::Value::Array(rows.collect()));
}

fn print(found: &Found, exec: bool, paint: Paint) {
    let newest = newest(&found.kept);
    let widest = found.kept.iter().map(|kept| width(&kept.text())).max().unwrap_or(0);
    let mut heading = None;
    for (i, kept) in found.kept.iter().enumerate() {
        if heading != Some(&kept.place.dir) && !kept.place.own && !exec {
            if i > 0 {
                crate::say!();
            }
            crate::say!("{}", paint.apply(Style::Strong, kept.whose()));
        }
        heading = Some(&kept.place.dir);
        let age = format_age(Time::now().since(kept.item.when.0));
        let about = paint.apply(Style::Faint, format!("{:>9}  {age} ago", format_size(kept.item.size())));
        let text = kept.text();
        let room = " ".repeat(widest - width(&text));
        let older = if newest.contains(&i) { String::new() } else { format!("  --from {}", kept.item.version()) };
        crate::say!("{text}{room}  {about}{older}");
    }
    if found.kept.is_empty() {
        crate::say!("nothing was moved aside{}", if found.elsewhere.files > 0 { " here" } else { "" });
    }
    let hints = hints(found, exec, newest.len() < found.kept.len());
    if !hints.is_empty() {
        crate::say!();
    }
    hints.iter().for_each(|hint| crate::say!("{} {hint}", paint.apply(Style::Hint, "hint:")));
}

/// Returns hints on what to do with the files. `versions` says whether some path has several versions.
fn hints(found: &Found, exec: bool, versions: bool) -> Vec<String> {
    let mut hints = Vec::new();
    if !found.kept.is_empty() {
        let option = match found.kept.iter().any(|kept| !kept.place.own) {
            _ if exec => "--exec ",
            true => "--all ",
            false => "",
        };
        let restore = format!("`percache displaced restore {option}PATH`");
        hints.push(format!("{restore} moves a file back to where it was; gc removes it after `maxage`"));
    }
    if versions {
        hints.push("of several versions the newest comes back; `--from` names another one".to_owned());
    }
    if found.elsewhere.files > 0 {
        let Amount { files, bytes } = found.elsewhere;
        let others = count(files as u64, "file");
        let size = format_size(bytes);
        hints.push(format!("{others} of other workspaces ({size}): `percache displaced --all` lists them"));
    }
    hints
}

/// Returns the positions of the newest version of each path.
fn newest(kept: &[Kept]) -> HashSet<usize> {
    let mut newest = std::collections::HashMap::new();
    for (i, kept) in kept.iter().enumerate() {
        newest.insert((&kept.place.dir, &kept.item.path), i);
    }
    // If one path is in two stores of a workspace, its newest version counts.
    let mut by_target = std::collections::HashMap::new();
    for i in newest.into_values() {
        let entry = by_target.entry((kept[i].target(), kept[i].place.own)).or_insert(i);
        if kept[i].item.when >= kept[*entry].item.when {
            *entry = i;
        }
    }
    by_target.into_values().collect()
}
