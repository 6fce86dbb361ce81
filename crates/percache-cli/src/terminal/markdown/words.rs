//! Styled words, and their wrapping into lines.

use crate::terminal::style::{Paint, Style};

/// A text that can be broken between its words. A word may have parts of several styles.
#[derive(Clone, Default)]
pub struct Words {
    words: Vec<Vec<(String, Option<Style>)>>,
    /// Whether the next text continues the last word.
    open: bool,
}

/// A line with its colours applied.
pub struct Line {
    pub text: String,
    /// Its width in columns.
    pub width: usize,
}

impl Words {
    /// Appends a text; white space in it separates words.
    pub fn push(&mut self, text: &str, style: Option<Style>) {
        for (number, part) in text.split(char::is_whitespace).enumerate() {
            self.open &= number == 0;
            if part.is_empty() {
                continue;
            }
            match self.words.last_mut().filter(|_| self.open) {
                Some(word) => word.push((part.to_owned(), style)),
                None => self.words.push(vec![(part.to_owned(), style)]),
            }
            self.open = true;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns the width of the text on one line.
    pub fn width(&self) -> usize {
        self.words.iter().map(|word| width(word) + 1).sum::<usize>().saturating_sub(1)
    }

    /// Returns the width of the longest word.
    pub fn longest(&self) -> usize {
        self.words.iter().map(|word| width(word)).max().unwrap_or(0)
    }

    /// Wraps the text into lines of at most this many columns, unless a word is longer.
    pub fn wrap(&self, columns: usize, paint: Paint) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for word in &self.words {
            let (text, width) = (painted(word, paint), width(word));
            match lines.last_mut().filter(|line| line.width + 1 + width <= columns) {
                Some(line) => {
                    line.text.push_str(&format!(" {text}"));
                    line.width += 1 + width;
                }
                None => lines.push(Line { text, width }),
            }
        }
        lines
    }
}

fn width(word: &[(String, Option<Style>)]) -> usize {
    word.iter().map(|(text, _)| text.chars().count()).sum()
}

fn painted(word: &[(String, Option<Style>)], paint: Paint) -> String {
    let parts = word.iter().map(|(text, style)| style.map_or(text.clone(), |style| paint.apply(style, text)));
    parts.collect()
}
