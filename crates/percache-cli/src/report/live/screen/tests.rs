//! Tests on a real pseudo-terminal.

use super::*;

/// Not a test by itself: [`a_panic_is_told_on_a_clear_terminal`] runs this on a terminal.
#[test]
#[ignore = "run by another test"]
fn panics_while_lines_are_drawn() {
    let mut screen = Screen::new();
    let lines = ["first line of the display".to_owned(), "second line".to_owned()];
    screen.draw("above\n", &lines, screen.size());
    std::thread::scope(|scope| drop(scope.spawn(|| panic!("a thread is lost")).join()));
    screen.draw("", &lines, screen.size());
    panic!("all is lost");
}

#[test]
fn a_panic_is_told_on_a_clear_terminal() {
    let program = std::env::current_exe().unwrap();
    let name = "report::live::screen::tests::panics_while_lines_are_drawn";
    let arguments = ["--exact", name, "--ignored", "--nocapture", "--test-threads=1"];
    let variables = [("TERM".to_owned(), "xterm".to_owned())];
    let directory = std::env::temp_dir();
    let mut terminal = terminal::Terminal::start(&program, &arguments, &variables, &directory, (100, 40));
    let lines = terminal.ends();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("above"), count("a thread is lost"), count("all is lost")), (1, 1, 1), "{lines:#?}");
    assert_eq!((count("first line"), count("second line")), (0, 0), "{lines:#?}");
    assert_eq!(terminal.raw().matches("first line of the display").count(), 2);
}

#[path = "../../../../../../tests/sandbox/terminal.rs"]
#[allow(dead_code, reason = "what other tests use of it")]
mod terminal;
