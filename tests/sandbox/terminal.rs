//! A terminal of a person: a pseudo-terminal, and an emulator (that of Alacritty, which wraps long lines anew when it is resized) that
//! knows what would stand on the screen.
//!
//! Knows nothing of percache.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alacritty_terminal::Term;
use alacritty_terminal::event::{OnResize, VoidListener, WindowSize};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::Config;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::tty::{self, Options, Pty, Shell};
use alacritty_terminal::vte::ansi::Processor;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A program that runs on a terminal.
pub struct Terminal {
    pty: Pty,
    emulator: Arc<Mutex<Emulator>>,
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

struct Emulator {
    term: Term<VoidListener>,
    parser: Processor,
    raw: Vec<u8>,
}

/// Columns and rows.
#[derive(Clone, Copy)]
struct Size(u16, u16);

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }

    fn screen_lines(&self) -> usize {
        self.1.into()
    }

    fn columns(&self) -> usize {
        self.0.into()
    }
}

impl From<Size> for WindowSize {
    fn from(size: Size) -> WindowSize {
        WindowSize { num_cols: size.0, num_lines: size.1, cell_width: 8, cell_height: 16 }
    }
}

impl Terminal {
    /// Runs a program with exactly these variables.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        variables: &[(String, String)],
        directory: &Path,
        (columns, rows): (u16, u16),
    ) -> Terminal {
        let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
        let program = [program.display().to_string()];
        let command = variables.chain(program).chain(arguments.iter().map(|argument| (*argument).to_owned()));
        let options = Options {
            shell: Some(Shell::new("env".to_owned(), ["-i".to_owned()].into_iter().chain(command).collect())),
            working_directory: Some(directory.to_owned()),
            ..Options::default()
        };
        let size = Size(columns, rows);
        let pty = tty::new(&options, size.into(), 0).expect("a pseudo-terminal");
        let term = Term::new(Config::default(), &size, VoidListener);
        let emulator = Arc::new(Mutex::new(Emulator { term, parser: Processor::new(), raw: Vec::new() }));
        let over = Arc::new(AtomicBool::new(false));
        let mut file = pty.file().try_clone().expect("a descriptor");
        let pid = Pid::from_child(pty.child());
        let reader = std::thread::spawn({
            let (emulator, over) = (emulator.clone(), over.clone());
            move || {
                let mut buffer = [0; 4096];
                loop {
                    // Not only when nobody holds the other end: what another test starts at the same moment may have inherited it.
                    let ended = has_ended(pid);
                    match file.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(count) => emulator.lock().unwrap().take(&buffer[..count]),
                        Err(e) if e.kind() == ErrorKind::WouldBlock && ended => break,
                        Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(2)),
                        Err(e) if e.kind() == ErrorKind::Interrupted => {}
                        // All who held the other end are gone.
                        Err(_) => break,
                    }
                }
                over.store(true, Ordering::SeqCst);
            }
        });
        Terminal { pty, emulator, over, reader: Some(reader) }
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.pty.child().id()
    }

    /// Types.
    pub fn types(&mut self, text: &str) {
        let mut file = self.pty.file();
        file.write_all(text.as_bytes()).expect("typing");
    }

    /// Gives the window another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let mut emulator = self.emulator.lock().unwrap();
        emulator.term.resize(Size(columns, rows));
        self.pty.on_resize(Size(columns, rows).into());
    }

    /// The lines of the history and the screen down to the last that is not empty; lines that were wrapped are one.
    pub fn lines(&self) -> Vec<String> {
        self.emulator.lock().unwrap().lines()
    }

    /// Everything that came, with its escape sequences.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.emulator.lock().unwrap().raw).into_owned()
    }

    /// Waits until the lines look so; gives them.
    pub fn wait_for(&self, what: &str, looks: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let over = self.over.load(Ordering::SeqCst);
            let lines = self.lines();
            if looks(&lines) {
                return lines;
            }
            assert!(!over && Instant::now() < end, "waited in vain until {what}:\n{}", lines.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a line contains this.
    pub fn wait_for_text(&self, text: &str) -> Vec<String> {
        self.wait_for(&format!("`{text}` is shown"), |lines| lines.iter().any(|line| line.contains(text)))
    }

    /// Waits until the program has ended; gives the lines.
    pub fn ends(&mut self) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.over.load(Ordering::SeqCst) {
            assert!(Instant::now() < end, "it does not end:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
        self.reader.take().into_iter().for_each(|reader| drop(reader.join()));
        self.lines()
    }
}

/// Whether the process has ended; it stays to be reaped.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), options).map_or(true, |status| status.is_some())
}

impl Emulator {
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.parser.advance(&mut self.term, bytes);
    }

    fn lines(&self) -> Vec<String> {
        let grid = self.term.grid();
        let (first, last) = (-(grid.history_size() as i32), grid.screen_lines() as i32);
        let (mut lines, mut line) = (Vec::new(), String::new());
        for row in first..last {
            let cells = &grid[Line(row)];
            let hidden = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
            let shown = (0..grid.columns()).map(|column| &cells[Column(column)]);
            line.extend(shown.filter(|cell| !cell.flags.intersects(hidden)).map(|cell| cell.c));
            if !cells[Column(grid.columns() - 1)].flags.contains(Flags::WRAPLINE) {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}
