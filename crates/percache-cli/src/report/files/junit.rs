//! JUnit XML, which GitLab, Jenkins and reporters of tests on GitHub read: a suite for each package, a case for each
//! task.
//!
//! Form: <https://github.com/testmoapp/junitxml>. docs/cli.md says what is in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use percache_runner::events::{Failure, Outcome};
use percache_runner::tasks::{RelPath, Task, TaskId};

use super::{Ended, Known};
use crate::report::failure;
use crate::report::text::clean;

/// How many cases there are, by how they ended.
#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    time: Duration,
}

/// Returns the document.
pub fn document(known: &Known<'_>) -> String {
    let mut suites: BTreeMap<&RelPath, (Counts, String)> = BTreeMap::new();
    let mut all = Counts::default();
    for (id, ended) in &known.tasks {
        let task = known.workspace.task(*id);
        let (counts, cases) = suites.entry(&task.dir).or_default();
        let case = case(known, *id, *ended, &mut [&mut *counts, &mut all]);
        cases.push_str(&case);
    }
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let time = known.summary.took;
    let _ = writeln!(text, "<testsuites name=\"percache\"{}>", attributes(Counts { time, ..all }));
    for (dir, (counts, cases)) in suites {
        let name = package(known, dir);
        let _ = writeln!(text, "  <testsuite name=\"{}\"{}>", escaped(&name), attributes(counts));
        text.push_str(&cases);
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn attributes(counts: Counts) -> String {
    let Counts { tests, failures, errors, skipped, time } = counts;
    let time = time.as_secs_f64();
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{time:.3}\"")
}

fn case(known: &Known<'_>, id: TaskId, ended: Option<&Ended>, counts: &mut [&mut Counts]) -> String {
    let task = known.workspace.task(id);
    let took = ended.map(|ended| ended.took).unwrap_or_default();
    let (name, class) = (escaped(local(task)), escaped(&package(known, &task.dir)));
    let head = format!("    <testcase name=\"{name}\" classname=\"{class}\" time=\"{:.3}\"", took.as_secs_f64());
    let verdict = verdict(ended);
    for counts in counts.iter_mut() {
        counts.tests += 1;
        counts.time += took;
        match verdict {
            Verdict::Passed => {}
            Verdict::Failed(..) => counts.failures += 1,
            Verdict::Broken(..) => counts.errors += 1,
            Verdict::Skipped(_) => counts.skipped += 1,
        }
    }
    let (tag, message, log) = match &verdict {
        Verdict::Passed => return format!("{head}/>\n"),
        Verdict::Skipped(why) => return format!("{head}>\n      <skipped message=\"{why}\"/>\n    </testcase>\n"),
        Verdict::Failed(message, log) => ("failure", message, log),
        Verdict::Broken(message, log) => ("error", message, log),
    };
    let (message, log) = (escaped(message), escaped_text(log));
    format!("{head}>\n      <{tag} message=\"{message}\" type=\"failed\">{log}</{tag}>\n    </testcase>\n")
}

/// What a case says of its task.
enum Verdict<'a> {
    Passed,
    /// The command failed: a message and the log.
    Failed(String, &'a str),
    /// Something else than the command failed.
    Broken(String, &'a str),
    Skipped(&'static str),
}

fn verdict(ended: Option<&Ended>) -> Verdict<'_> {
    let Some(ended) = ended else { return Verdict::Skipped("not reached") };
    match &ended.outcome {
        Outcome::Failed(Failure::Interrupted) => Verdict::Skipped("interrupted"),
        Outcome::Failed(failure @ Failure::Error(_)) => Verdict::Broken(failure.to_string(), &ended.log),
        Outcome::Failed(failure) => Verdict::Failed(failure.to_string(), &ended.log),
        Outcome::Unstable(deviations) => {
            Verdict::Failed(format!("unstable: {} differ", failure::names(deviations)), &ended.log)
        }
        Outcome::Skipped => Verdict::Skipped("not reached"),
        _ => Verdict::Passed,
    }
}

/// Returns the name of a package: its directory, or for the root that directory's name.
fn package(known: &Known<'_>, dir: &RelPath) -> String {
    if !dir.is_root() {
        return dir.to_string();
    }
    let name = known.workspace.root.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "workspace".to_owned())
}

/// Returns the name of a task within its package.
fn local(task: &Task) -> &str {
    let prefix = task.name.strip_prefix(&*task.dir.to_string()).and_then(|rest| rest.strip_prefix(':'));
    prefix.unwrap_or(&task.name)
}

/// Escapes the value of an attribute.
fn escaped(text: &str) -> String {
    escaped_text(&clean(text, false)).replace('"', "&quot;").replace('\n', "&#10;").replace('\t', "&#9;")
}

/// Escapes text. XML 1.0 cannot have most control characters, not even escaped.
fn escaped_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(c),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_xml_whatever_is_in_it() {
        assert_eq!(escaped("a\"b\n\t<&>"), "a&quot;b&#10;&#9;&lt;&amp;&gt;");
        assert_eq!(escaped_text("]]>\x0b\r\n\u{fffe}\x01ä"), "]]&gt;\u{fffd}&#13;\n\u{fffd}\u{fffd}ä");
    }
}
