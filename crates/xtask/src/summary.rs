//! Reads the last line of a build, `12 ran, 340 up to date, 8 restored in 0.41s`. Parts that are zero may be left out.
//!
//! Knows nothing of the lines before it.

/// How many tasks ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub ran: usize,
    pub up_to_date: usize,
    pub restored: usize,
    pub failed: usize,
}

impl Summary {
    /// The summary in the output of a build; `None` if its last line is none.
    pub fn find(output: &str) -> Option<Summary> {
        let (counts, _) = output.lines().rev().find(|line| !line.trim().is_empty())?.rsplit_once(" in ")?;
        let mut summary = Summary::default();
        for part in counts.split(", ") {
            let (number, what) = part.trim().split_once(' ')?;
            let number = number.parse().ok()?;
            match what {
                "ran" => summary.ran = number,
                "up to date" => summary.up_to_date = number,
                "restored" => summary.restored = number,
                "failed" => summary.failed = number,
                _ => {}
            }
        }
        Some(summary)
    }

    /// All tasks that the build was about.
    pub fn total(self) -> usize {
        self.ran + self.up_to_date + self.restored + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn finds_the_counts_in_the_last_line() {
        let output = "ran  app (0.1s)\n12 ran, 340 up to date, 8 restored in 0.41s\n\n";
        let wanted = Summary { ran: 12, up_to_date: 340, restored: 8, failed: 0 };
        assert_eq!(Summary::find(output), Some(wanted));
        assert_eq!(wanted.total(), 360);
    }

    #[test]
    fn absent_counts_are_zero() {
        assert_eq!(Summary::find("3 up to date in 1m02s"), Some(Summary { up_to_date: 3, ..Summary::default() }));
    }

    #[test]
    fn other_lines_are_no_summary() {
        assert_eq!(Summary::find("error: no percache.toml in here"), None);
        assert_eq!(Summary::find(""), None);
    }
}
