//! The bar, drawn by indicatif on paper instead of the terminal: where on the screen it goes is the business of `screen`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Columns of the bar, without its brackets.
const WIDTH: usize = 20;

/// How much of `tasks` is `done`.
pub fn bar(done: usize, tasks: usize) -> String {
    let paper = Paper::default();
    let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
    let bar = ProgressBar::with_draw_target(Some(tasks as u64), target);
    // Without a style of our own, should indicatif not understand it, there is still a bar.
    if let Ok(style) = ProgressStyle::with_template(&format!("[{{bar:{WIDTH}}}]")) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_position(done as u64);
    // Draws it in any case, however little time has passed since the last one.
    bar.abandon();
    paper.text()
}

/// What was written last.
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
        // Room for it and its brackets, so that indicatif neither cuts nor fills the line.
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
