//! Colours: whether to use them, and which.

use std::fmt::Display;
use std::io::IsTerminal;

use crate::args::ColorWhen;

/// The meaning of a text, which determines its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Something failed.
    Bad,
    /// Something that deserves attention.
    Warning,
    /// Something ran or runs.
    Active,
    /// The cache saved work.
    Good,
    /// Something less important.
    Faint,
    /// Advice.
    Hint,
    /// A name, or the most important part of a line.
    Strong,
    /// One of several that are told apart by their colours, by position.
    Series(usize),
}

/// The colours of a series. Red is left out, because it looks like a failure.
const SERIES: [&str; 10] = ["36", "33", "35", "32", "34", "96", "93", "95", "92", "94"];

/// Returns whether stdout is a terminal on which lines can be redrawn.
pub fn can_redraw() -> bool {
    std::io::stdout().is_terminal() && !is_dumb()
}

/// Returns the width of the terminal that stdout is; `None` if it is none.
pub fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// Returns whether the terminal can only print.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// No colours, whatever the user says, for text that goes into files.
    #[cfg(test)]
    pub const NEVER: Paint = Paint(false);
    /// Colours in any case.
    #[cfg(test)]
    pub const ALWAYS: Paint = Paint(true);

    /// Decides by the user's option, the environment and the terminal (<https://no-color.org>,
    /// <https://bixense.com/clicolors>).
    pub fn new(when: ColorWhen, terminal: bool) -> Paint {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        Paint(match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
            ColorWhen::Auto => set("CLICOLOR_FORCE") || (terminal && !is_dumb()),
        })
    }

    /// Decides for standard output.
    pub fn stdout(when: ColorWhen) -> Paint {
        Paint::new(when, std::io::stdout().is_terminal())
    }

    /// Decides for standard error.
    pub fn stderr(when: ColorWhen) -> Paint {
        Paint::new(when, std::io::stderr().is_terminal())
    }

    /// Decides for standard error where only the decision for standard output is known: no colours if that has none, or
    /// if standard error is not a terminal.
    pub fn stderr_like(stdout: Paint) -> Paint {
        Paint(stdout.0 && std::io::stderr().is_terminal())
    }

    /// Returns whether to use colours.
    pub fn is_on(self) -> bool {
        self.0
    }

    /// Returns the text in the colours of a style.
    pub fn apply(self, style: Style, text: impl Display) -> String {
        let code = match style {
            Style::Bad => "1;31",
            Style::Warning => "1;33",
            Style::Active => "36",
            Style::Good => "32",
            Style::Faint => "2",
            Style::Hint => "1;36",
            Style::Strong => "1",
            Style::Series(position) => SERIES[position % SERIES.len()],
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}
