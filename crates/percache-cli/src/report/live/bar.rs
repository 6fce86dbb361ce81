//! The progress bar, which indicatif draws into memory; `screen` decides where it goes on the terminal.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// The width of the bar, without its brackets.
const WIDTH: usize = 20;

/// Returns a bar that shows `done` of `tasks`.
pub fn bar(done: usize, tasks: usize) -> String {
    let paper = Paper::default();
    let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
    let bar = ProgressBar::with_draw_target(Some(tasks as u64), target);
    // If indicatif rejects the style, it uses its own.
    if let Ok(style) = ProgressStyle::with_template(&format!("[{{bar:{WIDTH}}}]")) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_position(done as u64);
    // Draws the bar regardless of the time since the last drawing.
    bar.abandon();
    paper.text()
}

/// The text that was written last.
#[derive(Clone, Debug, Default)]
struct Paper(Arc<Mutex<String>>);

impl Paper {
    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trim_matches(['\r', '\n']).to_owned()
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        // Room for the bar and its brackets, so that indicatif neither cuts nor fills the line.
        WIDTH as u16 + 2
    }

    fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows() {
        assert_eq!(bar(0, 340), "[                    ]");
        assert_eq!(bar(12, 340), "[>                   ]");
        assert_eq!(bar(170, 340), "[==========>         ]");
        assert_eq!(bar(340, 340), "[====================]");
        assert_eq!(bar(0, 0).chars().count(), 22);
    }
}
