//! The answer in words: first one line with the chain down to the first cause; then what changed, old and new.

use std::fmt::Write;
use std::time::Duration;

use percache::base::clock::Time;
use percache_runner::Project;
use percache_runner::tasks::{TaskId, Workspace};
use percache_runner::text::{format_age, format_duration, shown, shown_bytes};
use percache_runner::why::{Answer, Chain, Link, Nearest, Stands, State, Why};

use super::{changes, place};
use crate::report::text::width;
use crate::report::{quoted, words as said};
use crate::terminal::style::{Paint, Style, columns};

/// The largest number of first causes of a kind that are shown.
const CAUSES: usize = 5;

/// Describes the whole answer.
pub fn answer(project: &Project, id: TaskId, answer: &Answer, verbose: bool, paint: Paint) -> String {
    let workspace = &project.workspace;
    let mut text = String::new();
    let name = paint.apply(Style::Strong, &workspace.task(id).name);
    let made = answer.last.as_ref().map(|last| {
        // The origin of a stored result says it, with the place.
        let remotely = if last.remote && last.origin.is_none() { ", remotely" } else { "" };
        let origin = last.origin.as_ref().map(|origin| format!(", {}", said::origin(origin))).unwrap_or_default();
        let (age, took) = (format_age(age(last.created)), format_duration(last.took));
        format!(" {}", paint.apply(Style::Faint, format!("(made {age} ago{remotely}, in {took}{origin})")))
    });
    let made = made.unwrap_or_default();
    let _ = match &answer.state {
        State::UpToDate => writeln!(text, "{name} is up to date{made}"),
        State::OnRemote => {
            writeln!(text, "{name} is up to date{made}; nothing here needs its outputs, which were left on the remote")
        }
        State::WouldRestore => {
            writeln!(
                text,
                "{name} would be restored: its result is in the store{made}, and the tree does not have its \
                 outputs as they are there"
            )
        }
        State::Group => writeln!(text, "{name} is a group: it runs nothing itself"),
        State::Server => {
            let _ = writeln!(text, "{name} is a server: it runs while a task that depends on it runs");
            if let Some(chain) = answer.chains.first() {
                text.push_str("\nit differs from what it was in the last build in this:\n");
                tell_chain(workspace, chain, verbose, paint, &mut text);
            }
            Ok(())
        }
        State::Broken(message) => writeln!(text, "{name} would fail: {message}"),
        State::WouldRun | State::MayRun => {
            tell_chains(workspace, id, answer, verbose, paint, &mut text);
            Ok(())
        }
    };
    if let Some(run) = &answer.failed {
        let (how, ended) = (if run.stopped { "was stopped" } else { "failed" }, format_age(age(run.ended)));
        let detail = if run.stopped { String::new() } else { format!(" ({})", run.how) };
        let log = format!("`percache log {}` shows its log", quoted(&project.name_from_here(&workspace.task(id).name)));
        let _ = writeln!(text, "\nits last run {how} {ended} ago{detail}; {log}");
    }
    let is_reason = |link: &Link| matches!(link.why, Why::Tied(_));
    let told = answer.chains.first().is_some_and(|chain| chain.len() == 1 && chain.iter().any(is_reason));
    answer.nearest.iter().filter(|_| !told).for_each(|nearest| tell_nearest(nearest, verbose, paint, &mut text));
    if let Some(reason) = answer.last.as_ref().and_then(|last| last.reason.as_ref()) {
        let _ = writeln!(text, "\nwhy it ran the last time: {reason}");
    }
    if let Some(chain) = answer.last.as_ref().and_then(|last| last.chain.as_ref()) {
        match chain.first() {
            Some(Link { why: Why::FirstResult, .. }) => text.push_str("\nits result is the first one here\n"),
            Some(Link { why: Why::Tied(tied), .. }) => {
                let _ = writeln!(text, "\nits result is the first one here; one that fits was there, but {tied}");
            }
            _ => {
                text.push_str("\nits result differs from the one before in this:\n");
                tell_chain(workspace, chain, verbose, paint, &mut text);
            }
        }
    }
    if let Some(why) = &answer.refused {
        let _ = writeln!(text, "\nthe last build did not use the result that the remote has: {why}");
    }
    if !answer.remembered.is_empty() {
        let names: Vec<_> = answer.remembered.iter().map(|tool| format!("`{tool}`")).collect();
        let note = format!("not run; assumed to answer as the last time: {}", names.join(", "));
        let _ = writeln!(text, "\n{}", paint.apply(Style::Faint, note));
    }
    text
}

/// Describes what would run, and why.
fn tell_chains(workspace: &Workspace, id: TaskId, answer: &Answer, verbose: bool, paint: Paint, text: &mut String) {
    let name = &workspace.task(id).name;
    let Some((chain, others)) = answer.chains.split_first() else {
        let _ = writeln!(text, "{} may run", paint.apply(Style::Strong, name));
        return;
    };
    let whole = match chain.as_slice() {
        // The following lines say the same in detail.
        [Link { stands, why: Why::Changed(_), .. }] => format!("{name} {}", words(*stands)),
        _ => line(workspace, chain),
    };
    let whole = wrapped(&whole, columns(), "  ");
    let _ =
        writeln!(text, "{}{}", paint.apply(Style::Strong, name), whole.strip_prefix(name.as_str()).unwrap_or(&whole));
    tell_links(workspace, chain, verbose, paint, text);
    let cause =
        |chain: &Chain| chain.iter().rfind(|link| matches!(link.stands, Stands::WouldRun | Stands::MayRun)).cloned();
    let reason = |link: &Link| ending(link);
    let first = cause(chain).map(|link| reason(&link));
    let (same, different): (Vec<Link>, Vec<Link>) =
        others.iter().filter_map(cause).partition(|link| Some(reason(link)) == first);
    let name = |link: &Link| workspace.task(link.task).name.clone();
    if !same.is_empty() {
        let _ = writeln!(text, "  for the same reason: {}", list(same.iter().map(name).collect()));
    }
    for link in different.iter().take(CAUSES) {
        let _ = writeln!(text, "  also: {} {}", name(link), reason(link));
    }
    let more = answer.causes - answer.chains.len() + different.len().saturating_sub(CAUSES);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more that it needs; --json names more");
    }
}

/// Lists the first few, and how many more there are.
fn list(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(CAUSES);
    let first = names.iter().take(CAUSES).map(String::as_str).collect::<Vec<_>>().join(", ");
    first + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// Describes a chain: `app may run: build/a.o may change ← objects[src/a.c] would run: include/a.h changed, line 12`.
pub fn line(workspace: &Workspace, chain: &Chain) -> String {
    let mut line = String::new();
    for (position, link) in chain.iter().enumerate() {
        let arrow = if position > 0 { " ← " } else { "" };
        let name = &workspace.task(link.task).name;
        let reason = match (chain.get(position + 1), &link.why) {
            (Some(next), Why::Changed(changes)) => {
                let of_next = |change: &&percache_runner::why::Change| Some(&change.name) == next.via.as_ref();
                match changes.iter().find(of_next).or(changes.first()) {
                    Some(change) => format!("{}: {change}", words(link.stands)),
                    None => words(link.stands).to_owned(),
                }
            }
            (Some(Link { via: Some(path), .. }), _) => {
                format!("{}: {} may change", words(link.stands), shown_bytes(path))
            }
            (Some(next), _) => {
                format!("{}: it depends on `{}`", words(link.stands), workspace.task(next.task).name)
            }
            (None, _) => ending(link),
        };
        let _ = write!(line, "{arrow}{name} {reason}");
    }
    line
}

/// Breaks a chain that is wider than the terminal before its arrows, and indents the lines that follow.
fn wrapped(line: &str, columns: Option<usize>, indent: &str) -> String {
    let Some(columns) = columns.filter(|columns| width(line) > *columns) else { return line.to_owned() };
    let (mut text, mut used) = (String::new(), 0);
    for (position, link) in line.split(" ← ").enumerate() {
        let arrow = if position > 0 { " ← " } else { "" };
        if position > 0 && used + width(arrow) + width(link) > columns {
            let start = format!("\n{indent}← ");
            used = width(indent) + 2;
            text.push_str(&start);
        } else {
            text.push_str(arrow);
            used += width(arrow);
        }
        text.push_str(link);
        used += width(link);
    }
    text
}

/// Describes the end of a chain: `would run: include/a.h changed, line 12`.
fn ending(link: &Link) -> String {
    format!("{}: {}", words(link.stands), link.why)
}

fn words(stands: Stands) -> &'static str {
    match stands {
        Stands::WouldRun => "would run",
        Stands::MayRun => "may run",
        Stands::Renewed => "was made anew",
        Stands::Server => "changed",
    }
}

/// Describes a chain that begins in the past, and what changed for each task in it.
fn tell_chain(workspace: &Workspace, chain: &Chain, verbose: bool, paint: Paint, text: &mut String) {
    if chain.len() > 1 {
        let columns = columns().map(|columns| columns.saturating_sub(2));
        let _ = writeln!(text, "  {}", wrapped(&line(workspace, chain), columns, "    "));
    }
    tell_links(workspace, chain, verbose, paint, text);
}

/// Describes what changed for each task in the chain.
fn tell_links(workspace: &Workspace, chain: &Chain, verbose: bool, paint: Paint, text: &mut String) {
    for link in chain {
        let changed = link.why.changes();
        if changed.is_empty() {
            continue;
        }
        let place = place(workspace, link.task);
        if chain.len() == 1 {
            text.push_str(&changes::tell(changed, place.as_deref(), "  ", verbose, paint));
        } else {
            let _ = writeln!(text, "  {}", workspace.task(link.task).name);
            text.push_str(&changes::tell(changed, place.as_deref(), "    ", verbose, paint));
        }
    }
}

fn tell_nearest(nearest: &Nearest, verbose: bool, paint: Paint, text: &mut String) {
    let age = format_age(age(nearest.created));
    let place = nearest.directory.as_ref().map(|directory| format!("`{}`", shown(directory)));
    let tied = format!("tied to {}, whose path is in its outputs", place.as_deref().unwrap_or("another directory"));
    let _ = match (nearest.tied_elsewhere, nearest.changes.is_empty()) {
        // Otherwise the reason would be that it is tied.
        (true, true) => {
            writeln!(text, "\na stored result, made {age} ago, fits if tools say what they said then, but is {tied}")
        }
        (true, false) => writeln!(text, "\nthe nearest stored result, made {age} ago, is {tied}, and differs in this:"),
        (false, _) => writeln!(text, "\nthe nearest stored result, made {age} ago, differs in this:"),
    };
    text.push_str(&changes::tell(&nearest.changes, None, "  ", verbose, paint));
}

fn age(time: Time) -> Duration {
    Time::now().since(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_does_not_fit_is_broken_at_its_arrows() {
        let line = "app may run: a may change ← objects[a] would run: a.h changed ← gen ran";
        assert_eq!(wrapped(line, None, "  "), line);
        assert_eq!(wrapped(line, Some(200), "  "), line);
        let expected = "app may run: a may change\n  ← objects[a] would run: a.h changed\n  ← gen ran";
        assert_eq!(wrapped(line, Some(40), "  "), expected);
        let expected = "app may run: a may change\n  ← objects[a] would run: a.h changed ← gen ran";
        assert_eq!(wrapped(line, Some(48), "  "), expected);
    }
}
