//! `percache log`.

use std::io::{self, IsTerminal, Write};

use percache_runner::journal::Journal;
use percache_runner::model::Task;
use percache_runner::worktree::Worktree;

use crate::args::{Cli, Log};
use crate::error::{CliError, SUCCESS};
use crate::report::quoted;
use crate::report::text::Cleaned;
use crate::setup::Setup;
use crate::style::{Paint, Style};

/// Shows the log of a task's last result, whole.
pub fn run(cli: &Cli, args: &Log) -> Result<u8, CliError> {
    let setup = Setup::load(cli.directory.as_deref(), &[], Paint::stderr(cli.color))?;
    let task = setup.workspace.task(setup.select_one(&args.task)?);
    let name = &task.name;
    let journal = Journal::load(&Worktree::new(&setup.store_dir, &setup.workspace.root).journal());
    let record = journal.tasks.get(name);
    let Some(key) = record.and_then(|record| record.key.or(record.previous)) else {
        let hint = match task {
            Task { command: None, .. } => "it is a group: it runs nothing itself".to_owned(),
            Task { cache: false, .. } | Task { interactive: true, .. } => "it is never stored".to_owned(),
            _ => format!("only successful runs are stored; `percache build {}` runs it", quoted(name)),
        };
        return Err(CliError::failure(format!("`{name}` has no stored result here")).hint(Some(hint)));
    };
    let store = setup.open_store(Paint::stderr(cli.color));
    let result = store.result(&key).map_err(|e| CliError::store(&e, &setup.store_dir))?;
    let result = result.ok_or_else(|| {
        let hint = format!("`percache build {}` makes it again", quoted(name));
        CliError::failure(format!("the last result of `{name}` is not in the store any more")).hint(Some(hint))
    })?;
    let mut stdout = io::stdout().lock();
    let colours = Paint::stdout(cli.color).is_on();
    // A file gets what the command wrote, a terminal what it can be trusted with.
    let read = if colours || stdout.is_terminal() {
        let mut cleaned = Cleaned::new(&mut stdout, colours);
        store.read(&result.log, &mut cleaned).and_then(|()| Ok(cleaned.end()?))
    } else {
        let mut plain = Plain::new(&mut stdout);
        store.read(&result.log, &mut plain).and_then(|()| Ok(plain.end()?))
    };
    match read {
        Err(percache::store::ReadError::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => {}
        answer => answer.map_err(CliError::failure)?,
    }
    let _ = stdout.flush();
    if result.log.length == 0 {
        crate::aside!("{}", Paint::stderr(cli.color).apply(Style::Faint, format!("`{name}` wrote nothing")));
    }
    Ok(SUCCESS)
}

/// Passes everything on but colours (ECMA-48: SGR, and the EL by which compilers end them), byte by byte.
struct Plain<W> {
    to: W,
    /// The beginning of what may be an escape sequence.
    begun: Vec<u8>,
}

impl<W: Write> Plain<W> {
    fn new(to: W) -> Plain<W> {
        Plain { to, begun: Vec::new() }
    }

    /// What was begun and does not go on.
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
                // None of these: as it is, and this byte may begin another one.
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
