//! Colours: whether to use them, and which.

use std::fmt::Display;
use std::io::IsTerminal;

use crate::args::ColorWhen;

/// What a text is, not what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Something failed.
    Bad,
    /// Something that deserves attention.
    Warning,
    /// Something ran.
    Active,
    /// Something was saved.
    Good,
    /// Less important.
    Faint,
    /// Advice.
    Hint,
    /// A name, or what matters in a line.
    Strong,
}

/// Whether stdout is a terminal on which lines can be drawn anew.
pub fn can_redraw() -> bool {
    std::io::stdout().is_terminal() && !is_dumb()
}

/// Whether the terminal can do no more than print.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// No colours, whatever the user says: for what goes into files.
    #[cfg(test)]
    pub const NEVER: Paint = Paint(false);
    /// Colours in any case.
    #[cfg(test)]
    pub const ALWAYS: Paint = Paint(true);

    /// As the user, the environment and the terminal say (<https://no-color.org>, <https://bixense.com/clicolors>).
    pub fn new(when: ColorWhen, terminal: bool) -> Paint {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        Paint(match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
            ColorWhen::Auto => set("CLICOLOR_FORCE") || (terminal && !is_dumb()),
        })
    }

    /// For standard output.
    pub fn stdout(when: ColorWhen) -> Paint {
        Paint::new(when, std::io::stdout().is_terminal())
    }

    /// For standard error.
    pub fn stderr(when: ColorWhen) -> Paint {
        Paint::new(when, std::io::stderr().is_terminal())
    }

    /// For standard error, when only the decision for standard output is at hand: colours in neither, or as the terminal says.
    pub fn stderr_like(stdout: Paint) -> Paint {
        Paint(stdout.0 && std::io::stderr().is_terminal())
    }

    /// Whether there are colours.
    pub fn is_on(self) -> bool {
        self.0
    }

    /// The text, painted.
    pub fn apply(self, style: Style, text: impl Display) -> String {
        let code = match style {
            Style::Bad => "1;31",
            Style::Warning => "1;33",
            Style::Active => "36",
            Style::Good => "32",
            Style::Faint => "2",
            Style::Hint => "1;36",
            Style::Strong => "1",
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}
