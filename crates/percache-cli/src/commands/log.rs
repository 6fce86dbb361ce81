//! `percache log`.

use std::io::{self, BufWriter, IsTerminal, Write};

use percache::base::clock::Time;
use percache::store::ReadError;
use percache_runner::Project;
use percache_runner::tasks::{FailedRun, LastLog, LastRuns, LastState, Task, TaskId, last_log};
use percache_runner::text::{format_age, format_size};

use crate::args::{Cli, Log};
use crate::commands::list;
use crate::error::{CliError, SUCCESS};
use crate::report::quoted;
use crate::report::text::{Cleaned, last_line};
use crate::setup::{load, open_store};
use crate::terminal::output::Stdout;
use crate::terminal::style::{Paint, Style};

/// Shows the whole log of a task's last result, or what is kept of that of its last run if that failed.
pub fn run(cli: &Cli, args: &Log) -> Result<u8, CliError> {
    let project = load(cli, &[])?;
    let task = match project.select_some(&args.task)?.as_slice() {
        [id] => project.workspace.task(*id),
        ids => return show_several(cli, &project, &args.task, ids),
    };
    let (name, here) = (&task.name, quoted(&project.name_from_here(&task.name)));
    let (key, is_last) = match last_log(&project, task) {
        LastLog::Failed(run, log) => return show_failed(cli, &run, &log),
        LastLog::Stored { key, is_last } => (key, is_last),
        LastLog::Nothing => {
            let hint = match task {
                Task { command: None, .. } => "it is a group: it runs nothing itself".to_owned(),
                Task { server: Some(_), .. } => "it is a server, whose output is not stored".to_owned(),
                Task { cache: false, .. } | Task { interactive: true, .. } => "it is never stored".to_owned(),
                _ => format!("only successful runs are stored; `percache build {here}` runs it"),
            };
            return Err(CliError::failure(format!("`{name}` has no stored result here")).hint(Some(hint)));
        }
    };
    let store = open_store(&project.store_dir, Paint::stderr(cli.color));
    let result = store.result(&key).map_err(|e| CliError::store(&e, &project.store_dir))?;
    let result = result.ok_or_else(|| {
        if LastRuns::of(&project).state(task) == LastState::OnRemote {
            let hint = format!("`percache build {here}` brings it");
            return CliError::failure(format!("the result of `{name}` was left on the remote")).hint(Some(hint));
        }
        let hint = format!("`percache build {here}` makes it again");
        CliError::failure(format!("the last result of `{name}` is not in the store any more")).hint(Some(hint))
    })?;
    if !is_last {
        let note = format!("the last run of `{name}` left no stored result; this is the log of the one before");
        crate::aside!("{}", Paint::stderr(cli.color).apply(Style::Faint, note));
    }
    show(cli, &mut |to| store.read(&result.log, to))?;
    if result.log.length == 0 {
        crate::aside!("{}", Paint::stderr(cli.color).apply(Style::Faint, format!("`{name}` wrote nothing")));
    }
    Ok(SUCCESS)
}

/// Says how each of several tasks ended the last time; of one that failed, also the last line of its log.
fn show_several(cli: &Cli, project: &Project, name: &str, ids: &[TaskId]) -> Result<u8, CliError> {
    let (past, paint) = (LastRuns::of(project), Paint::stdout(cli.color));
    let mut states: Vec<(LastState, Vec<&Task>)> = Vec::new();
    for task in ids.iter().map(|id| project.workspace.task(*id)) {
        let state = past.state(task);
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, tasks)) => tasks.push(task),
            None => states.push((state, vec![task])),
        }
    }
    // What failed comes first.
    states.sort_by_key(|(state, _)| !matches!(state, LastState::Failed | LastState::Stopped));
    crate::say!("{}: {} tasks; name one of them to see its log", paint.apply(Style::Strong, name), ids.len());
    for (state, tasks) in states {
        crate::say!("{} {}", tasks.len(), paint.apply(list::style(state), list::word(state)));
        for task in tasks {
            let Some((run, log)) = past.failure(&task.name) else { continue };
            let last = last_line(&log);
            let last = if last.is_empty() { String::new() } else { format!(": {last}") };
            crate::say!("  {} {}{last}", task.name, paint.apply(Style::Faint, format!("({})", run.how)));
        }
    }
    Ok(SUCCESS)
}

/// Shows what is kept of the log of a failed run.
fn show_failed(cli: &Cli, run: &FailedRun, log: &[u8]) -> Result<u8, CliError> {
    let ended = format_age(Time::now().since(run.ended));
    let (how, detail) = if run.stopped { ("was stopped", "") } else { ("failed", run.how.as_str()) };
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let wrote = match (log.is_empty(), run.omitted) {
        (true, _) => "it wrote nothing".to_owned(),
        (false, 0) => "its log:".to_owned(),
        (false, omitted) => format!("the end of its log, without the first {}:", format_size(omitted)),
    };
    let note = format!("the last run of `{}` {how} {ended} ago{detail}; {wrote}", run.task);
    crate::aside!("{}", Paint::stderr(cli.color).apply(Style::Faint, note));
    show(cli, &mut |to| Ok(to.write_all(log)?))?;
    Ok(SUCCESS)
}

/// Writes a log to standard output by `read`, without its colours where none are wanted.
fn show(cli: &Cli, read: &mut dyn FnMut(&mut dyn Write) -> Result<(), ReadError>) -> Result<(), CliError> {
    let mut stdout = BufWriter::new(Stdout);
    let colours = Paint::stdout(cli.color).is_on();
    // A file gets what the command wrote, a terminal only what cannot harm it.
    let read = if colours || io::stdout().is_terminal() {
        let mut cleaned = Cleaned::new(&mut stdout, colours);
        read(&mut cleaned).and_then(|()| Ok(cleaned.end()?))
    } else {
        let mut plain = Plain::new(&mut stdout);
        read(&mut plain).and_then(|()| Ok(plain.end()?))
    };
    match read {
        // The reader is gone, or writing failed, which is reported at the end.
        Err(ReadError::Write(_)) => {}
        answer => answer.map_err(CliError::failure)?,
    }
    let _ = stdout.flush();
    Ok(())
}

/// Removes colours (ECMA-48: SGR, and the EL with which compilers end them), and passes everything else on byte by
/// byte.
struct Plain<W> {
    to: W,
    /// The beginning of what may be an escape sequence.
    begun: Vec<u8>,
}

impl<W: Write> Plain<W> {
    fn new(to: W) -> Plain<W> {
        Plain { to, begun: Vec::new() }
    }

    /// Writes an incomplete sequence.
    fn end(mut self) -> io::Result<()> {
        self.to.write_all(&self.begun)
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(byte) = rest.first() {
            if self.begun.is_empty() {
                let text = rest.iter().position(|byte| *byte == 0x1b).unwrap_or(rest.len());
                self.to.write_all(&rest[..text])?;
                rest = &rest[text..];
                self.begun.extend(rest.first());
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            match (self.begun.len(), byte) {
                (1, b'[') | (2.., b'0'..=b'9' | b';' | b':') if self.begun.len() < 64 => self.begun.push(*byte),
                (2.., b'm' | b'K') => self.begun.clear(),
                // It is not such a sequence: pass it on. This byte may begin another one.
                _ => {
                    self.to.write_all(&self.begun)?;
                    self.begun.clear();
                    continue;
                }
            }
            rest = &rest[1..];
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_every_other_byte_stays_however_it_is_cut() {
        let log = b"\x1b[01;31m\x1b[Kerror\x1b[m\x1b[K: \xff\0\x1b\x1b[2J\x1b[38:5:1mred\x1b]0;title\x07\r\n\x1b[1";
        for size in 1..=log.len() {
            let mut written = Vec::new();
            let mut plain = Plain::new(&mut written);
            log.chunks(size).for_each(|part| plain.write_all(part).unwrap());
            plain.end().unwrap();
            assert_eq!(written, b"error: \xff\0\x1b\x1b[2Jred\x1b]0;title\x07\r\n\x1b[1");
        }
    }
}
