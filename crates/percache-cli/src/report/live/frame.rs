//! The lines of the live display: the progress of the build, then a line for each running task, cut to fit the
//! terminal.
//!
//! ```text
//! [======>             ] 12/340  1 failed, 3 ran, 8 up to date  4.2s, 12s left
//!   objects[src/a.c]  2.1s of 3.0s  src/a.c:12: warning: unused variable
//!   app               0.4s          linking
//!   … and 6 more
//! ```

use std::time::{Duration, Instant};

use percache_runner::text::format_duration;

use crate::report::live::bar::bar;
use crate::report::live::board::{Board, Running};
use crate::report::text::{cut, cut_middle, width};
use crate::terminal::style::{Paint, Style};

/// The largest number of tasks that are shown.
const ROWS: usize = 16;
/// The width below which everything less important than names is left out.
const NARROW: usize = 40;
/// The width below which the output of a command is not shown.
const WORTH: usize = 8;

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The number of columns.
    pub columns: usize,
    /// The number of rows.
    pub rows: usize,
}

/// What the lines depend on besides the board.
pub struct Look<'a> {
    /// The size of the terminal.
    pub size: Size,
    /// The colours.
    pub paint: Paint,
    /// The time.
    pub now: Instant,
    /// How long the build has been running.
    pub elapsed: Duration,
    /// Returns the latest line of a running task.
    pub latest: &'a dyn Fn(&Running) -> String,
}

/// Returns the lines. Each is narrower than the terminal, and together they take at most half of its rows.
pub fn frame(board: &Board, look: &Look<'_>) -> Vec<String> {
    let columns = look.size.columns.saturating_sub(1);
    let room = (look.size.rows / 2).saturating_sub(1).min(ROWS);
    let mut lines = vec![overall(board, look, columns)];
    let shown = match board.running.len() {
        all if all <= room => all,
        _ => room.saturating_sub(1),
    };
    let rows: Vec<Row> = board.running.iter().take(shown).map(|running| Row::new(running, look)).collect();
    let names = rows.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let times = rows.iter().map(|row| width(&row.time)).max().unwrap_or(0);
    lines.extend(rows.iter().map(|row| row.line(names, times, columns, look.paint)));
    if shown < board.running.len() && room > 0 {
        let more = cut(&format!("  … and {} more", board.running.len() - shown), columns);
        lines.push(look.paint.apply(Style::Faint, more));
    }
    lines
}

/// Returns the line about the whole build. If it does not fit, the least important parts are left out first.
fn overall(board: &Board, look: &Look<'_>, columns: usize) -> String {
    let counts = &board.counts;
    let (done, tasks) = (counts.all(), board.tasks.max(counts.all()));
    let named = |parts: &[(usize, &str)]| {
        let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        parts.join(", ")
    };
    let (ran, checked) = ((counts.ran, "ran"), (counts.checked, "checked"));
    let here = [(counts.up_to_date, "up to date"), (counts.restored, "restored")];
    let succeeded = [ran, checked, here[0], here[1], (counts.on_remote, "on the remote")];
    let left = board.left.filter(|left| !left.is_zero()).map(|left| format!("{} left", whole(left)));
    // In order of position: the rank when room is short, the text, its style.
    let parts = [
        (3, bar(done, tasks), Style::Active),
        (0, format!("{done}/{tasks}"), Style::Strong),
        (1, named(&[(counts.failed, "failed"), (counts.unstable, "unstable")]), Style::Bad),
        (5, named(&succeeded), Style::Faint),
        (4, whole(look.elapsed), Style::Faint),
        (2, left.unwrap_or_default(), Style::Faint),
    ];
    let mut ranked: Vec<_> = parts.iter().filter(|(_, text, _)| !text.is_empty()).collect();
    let total = |parts: &[&(u8, String, Style)]| parts.iter().map(|(_, text, _)| width(text) + 2).sum::<usize>() - 2;
    while ranked.len() > 1 && total(&ranked) > columns {
        let last = ranked.iter().map(|(rank, ..)| *rank).max();
        ranked.retain(|(rank, ..)| Some(*rank) != last);
    }
    let shown = ranked.iter().map(|(_, text, style)| look.paint.apply(*style, cut(text, columns)));
    shown.collect::<Vec<_>>().join("  ")
}

/// Formats a duration without fractions of a second, which would only flicker.
fn whole(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    if seconds < 60 { format!("{seconds}s") } else { format_duration(Duration::from_secs(seconds)) }
}

/// The line of a running task.
struct Row {
    name: String,
    time: String,
    late: bool,
    latest: String,
}

impl Row {
    fn new(running: &Running, look: &Look<'_>) -> Row {
        let elapsed = look.now.saturating_duration_since(running.since);
        let time = match running.usual {
            Some(usual) if look.size.columns >= NARROW => format!("{} of {}", tenths(elapsed), tenths(usual)),
            _ => tenths(elapsed),
        };
        // A little longer than the last time is not worth a warning.
        let late = running.usual.is_some_and(|usual| elapsed > usual.mul_f64(1.5) + Duration::from_secs(1));
        let wrote = (look.latest)(running);
        let latest = match (&running.held_by, &running.waits_for) {
            _ if running.serves.is_some() => running.serves.unwrap_or_default().to_owned(),
            (Some(holders), _) => format!("has exited; its output is held by {holders}"),
            (None, Some(holder)) if wrote.is_empty() => format!("waiting for {holder}"),
            _ => match running.elsewhere {
                Some(stage) if wrote.is_empty() => stage.to_owned(),
                Some(_) => format!("remote: {wrote}"),
                None => wrote,
            },
        };
        Row { name: running.name.clone(), time, late, latest }
    }

    fn line(&self, names: usize, times: usize, columns: usize, paint: Paint) -> String {
        // Two columns before the name, two after it, two after the time.
        let fixed = times + 4;
        let spacious = columns > fixed + 2 + WORTH + 12;
        let most = if spacious { (columns - fixed) * 2 / 5 } else { columns.saturating_sub(fixed) };
        let named = names.min(most.max(6));
        let name = cut_middle(&self.name, named);
        let padding = " ".repeat(named.saturating_sub(width(&name)));
        let style = if self.late { Style::Warning } else { Style::Faint };
        let time = format!("{:times$}", self.time);
        let room = columns.saturating_sub(named + fixed + 2);
        if named + fixed > columns {
            return cut(&format!("  {name}"), columns);
        }
        let mut line = format!("  {}{padding}  {}", paint.apply(Style::Active, name), paint.apply(style, time));
        if room >= WORTH && !self.latest.is_empty() {
            line.push_str("  ");
            line.push_str(&cut(&self.latest, room));
        }
        line
    }
}

/// Formats a duration with tenths of a second up to a minute, then as elsewhere.
fn tenths(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 59.95 { format!("{seconds:.1}s") } else { format_duration(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ColorWhen;
    use crate::report::live::board::Counts;
    use percache_runner::tasks::TaskId;

    fn board(running: usize) -> Board {
        let mut board = Board { tasks: 340, left: Some(Duration::from_secs(12)), ..Board::default() };
        board.counts = Counts { failed: 1, ran: 3, up_to_date: 8, ..Counts::default() };
        for n in 0..running {
            let usual = (n % 2 == 0).then(|| Duration::from_secs(3));
            board.started(TaskId(n as u32), &format!("objects[src/file{n}.c]"), usual);
        }
        board
    }

    fn lines(board: &Board, columns: usize, rows: usize) -> Vec<String> {
        let now = board.running.first().map_or_else(Instant::now, |row| row.since) + Duration::from_millis(2100);
        let latest = |row: &Running| if row.task.0 == 0 { "src/file0.c:12: warning".to_owned() } else { String::new() };
        let look = Look {
            size: Size { columns, rows },
            paint: Paint::new(ColorWhen::Never, false),
            now,
            elapsed: Duration::from_millis(4200),
            latest: &latest,
        };
        frame(board, &look)
    }

    #[test]
    fn a_wide_terminal_shows_all() {
        let expected = [
            "[>                   ]  12/340  1 failed  3 ran, 8 up to date  4s  12s left",
            "  objects[src/file0.c]  2.1s of 3.0s  src/file0.c:12: warning",
            "  objects[src/file1.c]  2.1s        ",
        ];
        assert_eq!(lines(&board(2), 80, 24), expected);
    }

    #[test]
    fn a_command_on_a_worker_says_so() {
        let mut board = board(2);
        (0..2).for_each(|task| board.elsewhere(TaskId(task), Some("remote: waiting for a worker")));
        assert!(lines(&board, 100, 24)[1].ends_with("remote: src/file0.c:12: warning"));
        assert!(lines(&board, 100, 24)[2].ends_with("remote: waiting for a worker"));
        board.elsewhere(TaskId(1), None);
        assert!(!lines(&board, 100, 24)[2].contains("remote"), "it has come back");
    }

    #[test]
    fn what_matters_stays_longest() {
        assert_eq!(lines(&board(0), 60, 24), ["[>                   ]  12/340  1 failed  4s  12s left"]);
        assert_eq!(lines(&board(0), 30, 24), ["12/340  1 failed  12s left"]);
        assert_eq!(lines(&board(1), 20, 24), ["12/340  1 failed", "  obje…le0.c]  2.1s"]);
    }

    #[test]
    fn no_line_is_as_wide_as_the_terminal_and_half_of_it_stays_free() {
        for running in [0, 1, 5, 40] {
            for columns in 1..130 {
                for rows in 1..40 {
                    let lines = lines(&board(running), columns, rows);
                    assert!(lines.len() <= (rows / 2).max(1), "{lines:?} in {rows} rows");
                    let fits = |line: &String| width(line) < columns.max(2);
                    assert!(lines.iter().all(fits), "{lines:#?} in {columns} columns");
                }
            }
        }
    }

    #[test]
    fn what_has_no_line_is_counted() {
        let lines = lines(&board(40), 80, 24);
        assert_eq!((lines.len(), lines[11].as_str()), (12, "  … and 30 more"));
    }

    #[test]
    fn who_holds_the_output_of_a_command_that_has_exited_is_named() {
        let mut board = board(1);
        board.holds(TaskId(0), "process 4711 (`sleep 100`)");
        let expected = "has exited; its output is held by process 4711 (`sleep 100`)";
        assert!(lines(&board, 120, 24)[1].ends_with(expected));
    }

    #[test]
    fn who_waits_for_another_process_says_so() {
        let mut board = board(0);
        board.waits(TaskId(1), "app", "process 4711 (percache build)".to_owned());
        assert_eq!(lines(&board, 80, 24)[1], "  app  2.1s  waiting for process 4711 (percache build)");
    }
}
