//! A character for each task, for logs that nobody watches.

use percache_runner::events::Outcome;

/// How many characters are in a line.
const LINE: usize = 80;

/// The line of characters that is being printed.
#[derive(Default)]
pub struct Dots {
    /// How many characters it has.
    length: usize,
}

impl Dots {
    /// Returns what to print for a task that did not fail; nothing if it was up to date.
    pub fn next(&mut self, outcome: &Outcome) -> &'static str {
        let dot = match outcome {
            Outcome::Ran | Outcome::Checked => [".", ".\n"],
            Outcome::Restored => ["r", "r\n"],
            _ => return "",
        };
        self.length = (self.length + 1) % LINE;
        dot[usize::from(self.length == 0)]
    }

    /// Ends the line, before something else is printed.
    pub fn end(&mut self) -> &'static str {
        if std::mem::take(&mut self.length) > 0 { "\n" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_length_and_end() {
        let mut dots = Dots::default();
        assert_eq!(dots.end(), "");
        let text: String = (0..170).map(|_| dots.next(&Outcome::Ran)).collect();
        assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [80, 80, 10]);
        assert_eq!((dots.next(&Outcome::UpToDate), dots.next(&Outcome::Restored)), ("", "r"));
        assert_eq!((dots.end(), dots.end()), ("\n", ""));
    }
}
