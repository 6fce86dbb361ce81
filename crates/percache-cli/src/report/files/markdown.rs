//! A summary in Markdown, for the page of a CI job: what failed with the end of its log, what ran, what was restored,
//! and the time that the cache saved.

use std::fmt::Write as _;

use percache_runner::events::{Failure, Outcome};
use percache_runner::tasks::TaskId;
use percache_runner::text::format_duration;

use super::{Ended, Known};
use crate::report::failure;
use crate::report::text::clean;
use crate::report::words;

/// How many tasks are in the table.
const ROWS: usize = 100;
/// Of how many failed tasks the log is shown. GitHub shows a megabyte at most.
const LOGS: usize = 20;
/// How much of a log is shown.
const LINES: usize = 40;
const BYTES: usize = 8 << 10;

/// Returns the document.
pub fn document(known: &Known<'_>) -> String {
    let ended = known.tasks.iter().filter_map(|(id, ended)| Some((*id, (*ended)?)));
    let mut rows: Vec<(TaskId, &Ended)> = ended.filter(|(_, ended)| ended.outcome != Outcome::UpToDate).collect();
    rows.sort_by_key(|(_, ended)| rank(&ended.outcome));
    let interrupted = if known.summary.interrupted { "interrupted: " } else { "" };
    let mut text = format!("### percache: {interrupted}{}\n\n", words::summary(known.summary));
    if !known.summary.saved.is_zero() {
        let _ = writeln!(text, "The cache saved {}.\n", format_duration(known.summary.saved));
    }
    table(&mut text, known, &rows);
    let failed = rows.iter().filter(|(_, ended)| fails(&ended.outcome));
    failed.take(LOGS).for_each(|(id, ended)| log(&mut text, known, *id, ended));
    text
}

/// Appends a row for each task that was not up to date, the failed ones first.
fn table(text: &mut String, known: &Known<'_>, rows: &[(TaskId, &Ended)]) {
    if rows.is_empty() {
        return;
    }
    text.push_str("| task | | time | |\n| --- | --- | ---: | --- |\n");
    for (id, ended) in rows.iter().take(ROWS) {
        let (word, _) = words::outcome(&ended.outcome);
        let word = if fails(&ended.outcome) { format!("**{word}**") } else { word.to_owned() };
        let detail = match &ended.outcome {
            Outcome::Restored if !ended.saved.is_zero() => format!("saved {}", format_duration(ended.saved)),
            Outcome::Failed(Failure::Interrupted) => String::new(),
            outcome => how(outcome),
        };
        let name = code(&known.workspace.task(*id).name).replace('|', "\\|");
        let _ = writeln!(text, "| {name} | {word} | {} | {} |", format_duration(ended.took), cell(&detail));
    }
    text.push('\n');
    if rows.len() > ROWS {
        let _ = writeln!(text, "And {} more.\n", rows.len() - ROWS);
    }
}

/// Appends a failed task's command and the end of its log.
fn log(text: &mut String, known: &Known<'_>, id: TaskId, ended: &Ended) {
    let task = known.workspace.task(id);
    let _ = writeln!(text, "#### {}: {}\n", code(&task.name), line(&how(&ended.outcome)));
    if let Some(command) = words::command(task) {
        block(text, "sh", &clean(command.trim_end(), false));
    }
    let log = ended.log.trim_end();
    if log.is_empty() {
        return;
    }
    let end = end(log);
    let cut = if end.len() < log.len() { "The end of its log:" } else { "Its log:" };
    let _ = writeln!(text, "{cut}\n");
    block(text, "", end);
}

/// Returns the last lines of a log.
fn end(log: &str) -> &str {
    let lines = log.rmatch_indices('\n').nth(LINES - 1).map_or(0, |(at, _)| at + 1);
    let mut start = lines.max(log.len().saturating_sub(BYTES));
    while !log.is_char_boundary(start) {
        start += 1;
    }
    &log[start..]
}

/// Returns whether the outcome is a failure of the build.
fn fails(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unstable(_)) || matches!(outcome, Outcome::Failed(why) if *why != Failure::Interrupted)
}

/// Says in a few words what went wrong, if something did.
fn how(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(failure) => failure.to_string(),
        Outcome::Unstable(deviations) => format!("{} differ", failure::names(deviations)),
        _ => String::new(),
    }
}

fn rank(outcome: &Outcome) -> usize {
    match outcome {
        outcome if fails(outcome) => 0,
        Outcome::Failed(_) => 1,
        Outcome::Ran | Outcome::Checked => 2,
        _ => 3,
    }
}

/// Appends a block of code, with a fence that does not occur in it.
fn block(text: &mut String, language: &str, content: &str) {
    let fence = "`".repeat((longest_run(content) + 1).max(3));
    let _ = writeln!(text, "{fence}{language}\n{content}\n{fence}\n");
}

/// Returns a name as code.
fn code(name: &str) -> String {
    let name = clean(name, false).replace(['\n', '\r'], " ");
    let fence = "`".repeat(longest_run(&name) + 1);
    let space = if name.contains('`') { " " } else { "" };
    format!("{fence}{space}{name}{space}{fence}")
}

/// Returns a message on one line, in which nothing is taken for HTML.
fn line(message: &str) -> String {
    clean(message, false).replace(['\n', '\r'], " ").replace('&', "&amp;").replace('<', "&lt;")
}

/// Returns a message for a cell of a table.
fn cell(message: &str) -> String {
    line(message).replace('|', "\\|")
}

/// Returns the length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_or_log_ends_its_code() {
        assert_eq!(code("a[b].c"), "`a[b].c`");
        assert_eq!(code("a``b\nc"), "``` a``b c ```");
        let mut text = String::new();
        block(&mut text, "sh", "```\nx````");
        assert_eq!(text, "`````sh\n```\nx````\n`````\n\n");
        assert_eq!(cell("a|b\n<i>&"), "a\\|b &lt;i>&amp;");
    }

    #[test]
    fn of_a_log_the_last_lines_are_shown() {
        let lines: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(end(&lines.join("\n")), lines[60..].join("\n"));
        assert_eq!(end("one"), "one");
        let wide = "ä".repeat(BYTES);
        assert_eq!(end(&wide).len(), BYTES);
        assert_eq!(end(&format!("x{wide}y")).len(), BYTES - 1);
    }
}
