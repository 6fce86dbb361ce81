//! Draws and redraws lines at the bottom of the terminal. The only file that writes escape sequences which move the
//! cursor.
//!
//! After drawing, the cursor is at the beginning of the first of these lines. So whatever a resize does to them
//! (terminals that rewrap long lines move the cursor along with the text), erasing everything from the cursor on erases
//! them. No state of the terminal needs to be restored: what is switched off while drawing is switched on in the same
//! write.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcgetwinsize};
use signal_hook::consts::SIGTSTP;
use signal_hook::{flag, low_level};

use crate::report::live::frame::Size;
use crate::terminal::output::Stdout;

/// Erases from the cursor to the end of the screen, and to the end of the line.
const ERASE: &str = "\r\x1b[J";
const ERASE_LINE: &str = "\x1b[K";
/// Synchronized output, for terminals that support it: no half of a drawing is ever seen or resized.
const AT_ONCE: (&str, &str) = ("\x1b[?2026h", "\x1b[?2026l");
/// Cuts lines at the edge of the terminal (DECAWM): a line drawn for a window that shrinks in the meantime must not
/// take two rows.
const CLIPPED: (&str, &str) = ("\x1b[?7l", "\x1b[?7h");
/// The size to assume if the terminal does not tell.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// Whether lines are drawn. Locked by whoever writes to the terminal.
static DRAWN: Mutex<bool> = Mutex::new(false);

/// The lines at the bottom of the terminal.
pub struct Screen {
    /// The size that they were drawn for.
    size: Option<Size>,
    suspension: &'static Suspension,
}

/// The handling of Ctrl-Z.
struct Suspension {
    /// Whether the user wants to suspend the process.
    wanted: Arc<AtomicBool>,
    /// Whether that may happen at once, because nothing is drawn.
    at_once: Arc<AtomicBool>,
}

/// Handlers of signals and panics are installed once and stay, however many builds a process watches.
static SUSPENSION: OnceLock<Suspension> = OnceLock::new();

fn install() -> Suspension {
    let suspension = Suspension { wanted: Arc::default(), at_once: Arc::new(AtomicBool::new(true)) };
    // If this fails, Ctrl-Z leaves the lines behind, and nothing worse happens.
    let _ = flag::register(SIGTSTP, suspension.wanted.clone());
    let _ = flag::register_conditional_default(SIGTSTP, suspension.at_once.clone());
    erase_before_panics();
    suspension
}

impl Screen {
    /// Creates a screen with nothing drawn.
    pub fn new() -> Screen {
        Screen { size: None, suspension: SUSPENSION.get_or_init(install) }
    }

    /// Returns the current size of the terminal.
    pub fn size(&self) -> Size {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
            }
            _ => USUAL,
        }
    }

    /// Writes `above`, which is empty or whole lines, and below it `lines`, in place of those drawn before.
    pub fn draw(&mut self, above: &str, lines: &[String], size: Size) {
        let mut drawn = lock();
        let shows = !lines.is_empty() && is_foreground();
        let mut text = String::with_capacity(above.len() + 256);
        if shows {
            text.push_str(AT_ONCE.0);
        }
        if *drawn {
            // Redrawing line by line where nothing moves avoids flicker.
            text.push_str(if above.is_empty() && shows && self.size == Some(size) { "\r" } else { ERASE });
        }
        text.push_str(above);
        if shows {
            text.push_str(CLIPPED.0);
            text.push_str(&lines.join(&format!("{ERASE_LINE}\r\n")));
            text.push_str("\x1b[J");
            if lines.len() > 1 {
                let _ = write!(text, "\x1b[{}A", lines.len() - 1);
            }
            text.push('\r');
            text.push_str(CLIPPED.1);
            text.push_str(AT_ONCE.1);
        }
        put(&text);
        *drawn = shows;
        self.size = Some(size);
        if self.suspension.at_once.swap(!shows, Ordering::SeqCst) && shows {
            // An earlier request was already carried out.
            self.suspension.wanted.store(false, Ordering::SeqCst);
        }
    }

    /// Erases the lines.
    pub fn erase(&mut self) {
        erase(&mut lock());
        self.suspension.at_once.store(true, Ordering::SeqCst);
    }

    /// Suspends the process if the user asked for it, with the lines erased. Returns when it continues.
    pub fn heed_suspend(&mut self) {
        if *lock() && self.suspension.wanted.swap(false, Ordering::SeqCst) {
            erase(&mut lock());
            let _ = low_level::emulate_default_handler(SIGTSTP);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.erase();
    }
}

fn lock() -> MutexGuard<'static, bool> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn erase(drawn: &mut bool) {
    if std::mem::take(drawn) {
        put(ERASE);
    }
}

/// Writes the text at once.
fn put(text: &str) {
    if text.is_empty() {
        return;
    }
    let _ = Stdout.write_all(text.as_bytes());
}

/// Returns whether percache is in the foreground of the terminal. In the background (`percache build &`), the terminal
/// shows the user's shell.
fn is_foreground() -> bool {
    tcgetpgrp(io::stdout()).map_or(true, |group| group == getpgrp())
}

/// Erases the lines before a panic message, and prevents drawing over it.
fn erase_before_panics() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let mut guard = patiently();
        if let Some(drawn) = guard.as_deref_mut() {
            erase(drawn);
        }
        next(info);
    }));
}

/// Takes the lock, unless the panicking thread itself holds it.
fn patiently() -> Option<MutexGuard<'static, bool>> {
    for _ in 0..50 {
        match DRAWN.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    None
}

#[cfg(test)]
mod tests;
