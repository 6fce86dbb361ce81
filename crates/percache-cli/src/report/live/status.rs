//! One line at the bottom of the terminal about something that goes on after a build.

use crate::report::live::screen::Screen;
use crate::report::text::cut;
use crate::terminal::style::{Paint, Style};

/// The line. Disappears when it is dropped.
pub struct StatusLine {
    screen: Screen,
    paint: Paint,
}

impl StatusLine {
    /// Shows nothing yet.
    pub fn new(paint: Paint) -> StatusLine {
        StatusLine { screen: Screen::new(), paint }
    }

    /// Replaces the line, which is cut where the terminal ends.
    pub fn show(&mut self, text: &str) {
        self.screen.heed_suspend();
        let size = self.screen.size();
        let line = self.paint.apply(Style::Faint, cut(text, size.columns.saturating_sub(1)));
        self.screen.draw("", &[line], size);
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        let size = self.screen.size();
        self.screen.draw("", &[], size);
    }
}
