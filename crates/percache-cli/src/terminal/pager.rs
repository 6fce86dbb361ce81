//! Shows long texts on a terminal in a pager, as git does: `PAGER` or `less`.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use terminal_size::{Height, Width, terminal_size};

/// The width above which lines are hard to read.
const WIDEST: usize = 100;

/// Returns how wide texts should be: the width of the terminal, within limits.
pub fn width() -> usize {
    terminal_size().map_or(WIDEST, |(Width(width), _)| usize::from(width).clamp(40, WIDEST))
}

/// Prints the text, through a pager if it is longer than the terminal.
pub fn show(text: &str) {
    let fits = terminal_size().is_none_or(|(_, Height(height))| text.lines().count() < usize::from(height));
    if fits || !std::io::stdout().is_terminal() || page(text).is_none() {
        crate::say!("{}", text.trim_end());
    }
}

/// Shows the text in the pager. Returns `None` if there is no pager.
fn page(text: &str) -> Option<()> {
    let program = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()).unwrap_or("less".to_owned());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("command -v {program} >/dev/null && exec {program}")]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let mut pager = command.spawn().ok()?;
    // An error only means that the user left the pager early.
    let _ = pager.stdin.take()?.write_all(text.as_bytes());
    pager.wait().ok().filter(|status| status.code() != Some(1)).map(drop)
}
