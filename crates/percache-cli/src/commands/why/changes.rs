//! Describes changes, old and new, in words.

use std::fmt::Write;

use percache_runner::text::shown_bytes;
use percache_runner::why::{Behind, Change, FileState, Kind, Line, Value};

use crate::report::quoted;
use crate::terminal::style::{Paint, Style};

/// The largest number of changes of one task that are shown.
const CHANGES: usize = 20;
/// The largest number of changed lines of one text that are shown.
const LINES: usize = 12;

/// Describes each change with its old and new value. `place` is where the task is defined. The digests of a text whose
/// changed lines are shown, and the keys of dependencies, are told if `verbose` is set.
pub fn tell(changes: &[Change], place: Option<&str>, indent: &str, verbose: bool, paint: Paint) -> String {
    let mut text = String::new();
    for change in changes.iter().take(CHANGES) {
        let stated = matches!(change.kind, Kind::Command | Kind::Outputs | Kind::Cwd | Kind::Depfile);
        let place = place.filter(|_| stated).map(|place| format!(" ({place})")).unwrap_or_default();
        let _ = writeln!(text, "{indent}{change}{place}");
        // Nobody knows what the key of a dependency stands for.
        let is_enough = change.kind == Kind::Dependency || says_enough(change);
        let (old, new) = match is_enough && !verbose {
            true => (Vec::new(), Vec::new()),
            false => old_and_new(change),
        };
        let told = old.iter().map(|line| (false, line)).chain(new.iter().map(|line| (true, line)));
        told.for_each(|(new, line)| {
            let _ = writeln!(text, "{indent}  {} {line}", sign(new, paint));
        });
        change.values.iter().skip(1).take(LINES).for_each(|value| {
            let _ = writeln!(text, "{indent}    {value}");
        });
        let lines = change.lines.as_ref().map_or(&[][..], |difference| &difference.lines);
        lines.iter().take(LINES).for_each(|line| tell_line(line, indent, paint, &mut text));
        if lines.len() > LINES {
            let _ = writeln!(text, "{indent}        and {} more lines", lines.len() - LINES);
        }
    }
    if changes.len() > CHANGES {
        let _ = writeln!(text, "{indent}and {} more changes; --json names all", changes.len() - CHANGES);
    }
    text
}

/// Returns whether the changed lines of a file say all that its states do: that its content is another one.
fn says_enough(change: &Change) -> bool {
    let executable = |value: &Option<Value>| match value {
        Some(Value::File(FileState::File { executable, .. })) => Some(*executable),
        _ => None,
    };
    let has_lines = change.lines.as_ref().is_some_and(|difference| !difference.lines.is_empty());
    let (old, new) = (executable(&change.old), executable(&change.new));
    has_lines && old.is_some() && old == new
}

fn tell_line(line: &Line, indent: &str, paint: Paint, text: &mut String) {
    let shown: String = line.text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    let number = paint.apply(Style::Faint, format!("{:>5}", line.number));
    let _ = writeln!(text, "{indent}  {number} {} {shown}", sign(line.new, paint));
}

fn sign(new: bool, paint: Paint) -> String {
    if new { paint.apply(Style::Good, "+") } else { paint.apply(Style::Bad, "-") }
}

/// Returns the old and the new value, line by line, without what is the same in both.
pub fn old_and_new(change: &Change) -> (Vec<String>, Vec<String>) {
    match change.kind {
        Kind::Command | Kind::Outputs | Kind::Cwd | Kind::Depfile => {
            let (old, new) = (text_lines(&change.old), text_lines(&change.new));
            // For a long command, only the lines that differ.
            let without = |lines: &[String], others: &[String]| -> Vec<String> {
                lines.iter().filter(|line| !others.contains(line)).cloned().collect()
            };
            (without(&old, &new), without(&new, &old))
        }
        // The values of variables are never stored, so all that can be said is that it changed.
        Kind::Env => (Vec::new(), Vec::new()),
        // The values say more.
        Kind::FilePart if !change.values.is_empty() => (Vec::new(), Vec::new()),
        _ => (change.old.iter().map(describe).collect(), change.new.iter().map(describe).collect()),
    }
}

fn text_lines(value: &Option<Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => String::from_utf8_lossy(text).lines().map(str::to_owned).collect(),
        Some(Value::List(words)) => {
            vec![words.iter().map(|word| quoted(&String::from_utf8_lossy(word))).collect::<Vec<_>>().join(" ")]
        }
        _ => Vec::new(),
    }
}

fn describe_behind(behind: &Behind) -> String {
    match behind {
        Behind::File { digest, executable: false } => format!(" ({digest})"),
        Behind::File { digest, executable: true } => format!(" ({digest}, executable)"),
        Behind::Directory => " (a directory)".to_owned(),
        Behind::Special => " (neither file nor directory)".to_owned(),
        Behind::Nothing => String::new(),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Digest(digest) => digest.to_string(),
        Value::Unset => "not set".to_owned(),
        Value::File(FileState::Absent) => "does not exist".to_owned(),
        Value::File(FileState::File { digest, executable }) => {
            format!("{digest}{}", if *executable { ", executable" } else { "" })
        }
        Value::File(FileState::Symlink { target, behind }) => {
            format!("symlink to {}{}", shown_bytes(target), describe_behind(behind))
        }
        Value::File(FileState::Directory) => "a directory".to_owned(),
        Value::File(FileState::Special) => "neither file nor directory".to_owned(),
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::List(words) => format!("{} words", words.len()),
    }
}
