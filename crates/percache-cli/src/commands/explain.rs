//! The long form of why a task runs: each thing that changed, old and new.

use percache_runner::build::explain::Why;
use percache_runner::changes::Change;
use percache_runner::fingerprint::{Kind, Value};
use percache_runner::observe::FileState;

use crate::report::quoted;
use crate::style::{Paint, Style};

/// Tells why.
pub fn tell(why: &Why, paint: Paint) {
    match why {
        Why::Changed(changes) => changes.iter().for_each(|change| tell_change(change, paint)),
        other => crate::say!("  {other}"),
    }
}

fn tell_change(change: &Change, paint: Paint) {
    crate::say!("  {change}");
    let minus = |line: &str| crate::say!("    {} {line}", paint.apply(Style::Bad, "-"));
    let plus = |line: &str| crate::say!("    {} {line}", paint.apply(Style::Good, "+"));
    match (change.kind, &change.old, &change.new) {
        (Kind::Command | Kind::Outputs | Kind::Cwd | Kind::Depfile, old, new) => {
            let (old, new) = (text_lines(old), text_lines(new));
            // Of a long command only the lines that differ.
            old.iter().filter(|line| !new.contains(line)).for_each(|line| minus(line));
            new.iter().filter(|line| !old.contains(line)).for_each(|line| plus(line));
        }
        // Values of variables are nowhere in clear: that it changed is all that can be said.
        (Kind::Env, ..) => {}
        (_, old, new) => {
            old.iter().for_each(|value| minus(&describe(value)));
            new.iter().for_each(|value| plus(&describe(value)));
        }
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

fn describe(value: &Value) -> String {
    match value {
        Value::Digest(digest) => digest.to_string(),
        Value::Unset => "not set".to_owned(),
        Value::File(FileState::Absent) => "does not exist".to_owned(),
        Value::File(FileState::File { digest, executable }) => {
            format!("{digest}{}", if *executable { ", executable" } else { "" })
        }
        Value::File(FileState::Symlink { target, content }) => {
            let content = content.map(|digest| format!(" ({digest})")).unwrap_or_default();
            format!("symlink to {}{content}", String::from_utf8_lossy(target))
        }
        Value::File(FileState::Directory) => "a directory".to_owned(),
        Value::File(FileState::Special) => "neither file nor directory".to_owned(),
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::List(words) => format!("{} words", words.len()),
    }
}
