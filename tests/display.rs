//! The live display, as a person sees it: on a real pseudo-terminal.

mod servers;

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{Sandbox, Terminal};

const WIDE: (u16, u16) = (100, 24);

/// `slow` writes two lines and goes on when there is a file `go`; `bad` fails at once.
const SLOW: &str = r#"
    [task.bad]
    command = "@ran(bad); echo trouble; exit 3"
    inputs = []

    [task.slow]
    command = "@ran(slow); echo first line; echo second line; while [ ! -e go ]; do sleep 0.02; done; echo done"
    inputs = []
"#;

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

fn count_lines(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| *line == text).count()
}

/// Nothing of the display is left: no bar, no row.
fn is_clean(lines: &[String]) {
    let left = lines.iter().find(|line| line.starts_with('[') || line.starts_with("  …") || line.contains("0s of "));
    assert_eq!(left, None, "left behind in\n{}", lines.join("\n"));
}

#[test]
fn it_shows_what_runs_with_its_latest_line_and_failures_stay_above() {
    let ws = Sandbox::new(SLOW);
    let mut terminal = ws.terminal(&["build", "-k"], &[], WIDE);
    let lines = terminal.wait_for_text("second line");
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(
        at("failed     bad") < at("trouble") && at("trouble") < at("1/2  1 failed") && at("1/2") < at("second line")
    );
    assert!(lines[at("second line")].starts_with("  slow  "), "{lines:#?}");
    assert_eq!(count(&lines, "first line"), 0, "only the latest line is shown while it runs: {lines:#?}");
    ws.write("go", "");
    let lines = terminal.ends();
    is_clean(&lines);
    assert_eq!((count_lines(&lines, "trouble"), count_lines(&lines, "first line")), (1, 1), "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("1 failed, 1 ran in "), "{lines:#?}");
    assert_eq!(ws.status(), 1);
}

#[test]
fn it_tells_the_usual_time_and_how_much_is_left() {
    let ws = Sandbox::new("[task.slow]\ncommand = \"@ran(slow); cat input; sleep 1\"\ninputs = [\"input\"]");
    ws.write("input", "1");
    ws.build([]).ran(["slow"]);
    ws.write("input", "2");
    let mut terminal = ws.terminal(&["build"], &[], WIDE);
    // On a busy machine it was longer than a second.
    let lines = terminal.wait_for_text("s of 1.");
    assert_eq!(count(&lines, "s left"), 1, "{lines:#?}");
    is_clean(&terminal.ends());
}

#[test]
fn what_is_known_to_be_up_to_date_is_not_waited_for() {
    let task = |name: &str| format!("[task.{name}]\ncommand = \"cat {name}; sleep 1\"\ninputs = [\"{name}\"]\n");
    let ws = Sandbox::new(&["one", "two", "three"].map(task).concat());
    ["one", "two", "three"].iter().for_each(|name| ws.write(name, "1"));
    ws.build([]).succeeds();
    // Old enough to be known by their stamps.
    std::thread::sleep(Duration::from_millis(30));
    ws.build([]).up_to_date(3);
    ws.write("one", "2");
    let mut terminal = ws.terminal(&["build", "-j", "1"], &[], WIDE);
    let lines = terminal.wait_for_text("s of 1.0s");
    assert_eq!(count(&lines, "1s left"), 1, "{lines:#?}");
    is_clean(&terminal.ends());
}

#[test]
fn a_quick_build_and_one_with_nothing_to_do_draw_nothing() {
    let ws = Sandbox::new("[task.quick]\ncommand = \"@ran(quick)\"\ninputs = []");
    for _ in 0..3 {
        let mut terminal = ws.terminal(&["build"], &[], WIDE);
        terminal.ends();
        let raw = terminal.raw();
        assert!(!raw.contains("\x1b[J") && !raw.contains("[>"), "{raw:?}");
    }
}

#[test]
fn twenty_columns_are_enough() {
    let ws = Sandbox::new(SLOW);
    let mut terminal = ws.terminal(&["build", "-k"], &[], (20, 10));
    let lines = terminal.wait_for_text("1/2  1 failed");
    assert!(lines.iter().any(|line| line.starts_with("  slow  ")), "{lines:#?}");
    // Ten more drawings: each in place of the last.
    std::thread::sleep(Duration::from_secs(1));
    let lines = terminal.lines();
    assert_eq!((count(&lines, "1/2  1 failed"), count(&lines, "  slow  ")), (1, 1), "{lines:#?}");
    ws.write("go", "");
    let lines = terminal.ends();
    is_clean(&lines);
    assert_eq!(count(&lines, "; echo trouble; exit 3"), 1, "what stands above is wrapped, not cut: {lines:#?}");
}

/// Terminals that wrap lines anew push what no longer fits out of the window: so the display stands at the foot of a full one here.
#[test]
fn it_survives_any_resizing() {
    let talkative = "while [ ! -e go ]; do echo a long line, a long line, a long line, a long line; sleep 0.02; done";
    let (name, many) = ("long-name-".repeat(5), "seq 1 30; echo trouble");
    let more = format!("[task.{name}]\ncommand = \"{talkative}\"\ninputs = []\n");
    let ws = Sandbox::new(&(more + &SLOW.replace("echo trouble", many)));
    let mut terminal = ws.terminal(&["build", "-k", "-j", "4"], &[], (120, 24));
    terminal.wait_for_text("second line");
    for (columns, rows) in [(60, 24), (30, 24), (20, 12), (90, 12), (25, 30), (120, 24)] {
        terminal.resize(columns, rows);
        let found = |lines: &[String]| ["1/3  1 failed", "  slow  "].map(|text| count(lines, text));
        // Twice: after the moment of the change, and some drawings later.
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(250));
            let lines = terminal.lines();
            assert_eq!(found(&lines), [1, 1], "at {columns} columns:\n{}", lines.join("\n"));
        }
    }
    ws.write("go", "");
    let lines = terminal.ends();
    is_clean(&lines);
    assert_eq!((count_lines(&lines, "trouble"), count_lines(&lines, "first line")), (1, 1), "{lines:#?}");
    assert!((1..=30).all(|n| count_lines(&lines, &n.to_string()) == 1), "{lines:#?}");
}

#[test]
fn ctrl_c_leaves_a_clean_terminal() {
    let ws = Sandbox::new(SLOW);
    let mut terminal = ws.terminal(&["build", "-k"], &[], WIDE);
    terminal.wait_for_text("second line");
    terminal.types("\x03");
    let lines = terminal.ends();
    is_clean(&lines);
    assert!(lines.last().unwrap().starts_with("interrupted: "), "{lines:#?}");
    assert_eq!(ws.status(), 130);
    // The modes of the terminal that are changed while something is drawn are put back each time.
    let mut raw = terminal.raw();
    for (begin, end) in [("\x1b[?2026h", "\x1b[?2026l"), ("\x1b[?7l", "\x1b[?7h")] {
        assert!(raw.rfind(end) > raw.rfind(begin) && raw.matches(begin).count() == raw.matches(end).count(), "{raw:?}");
        raw = raw.replace(begin, "").replace(end, "");
    }
    assert!(!raw.contains("\x1b[?"), "{raw:?}");
}

#[test]
fn a_suspended_build_leaves_the_terminal_and_comes_back() {
    let ws = Sandbox::new(SLOW);
    let mut terminal = ws.terminal(&["build", "-k"], &[], WIDE);
    terminal.wait_for_text("second line");
    let children = format!("/proc/{0}/task/{0}/children", terminal.pid());
    let Ok(children) = std::fs::read_to_string(children) else { return ws.write("go", "") };
    let pid = Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap()).unwrap();
    kill_process(pid, Signal::TSTP).unwrap();
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    ws.wait_until("it is suspended", || std::fs::read_to_string(&stat).unwrap().contains(") T "));
    terminal.wait_for("the display is gone", |lines| count(lines, "1/2") == 0);
    kill_process(pid, Signal::CONT).unwrap();
    terminal.wait_for_text("second line");
    ws.write("go", "");
    is_clean(&terminal.ends());
}

#[test]
fn a_command_that_owns_the_terminal_has_it_to_itself() {
    let ws = Sandbox::new(
        r#"
            [task.ask]
            command = "echo your name?; read name; echo hello, $name; sleep 0.5"
            inputs = []
            interactive = true
            deps = ["before"]

            [task.before]
            command = "sleep 0.5"
            inputs = []
        "#,
    );
    let mut terminal = ws.terminal(&["build"], &[], WIDE);
    terminal.wait_for_text("before  0");
    let lines = terminal.wait_for_text("your name?");
    is_clean(&lines);
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("Eva\n");
    let lines = terminal.wait_for_text("hello, Eva");
    is_clean(&lines);
    is_clean(&terminal.ends());
    assert_eq!(ws.status(), 0);
}

#[test]
fn a_log_cannot_move_the_cursor() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = \"printf 'above\\\\n\\\\033[3A\\\\033[2J\\\\033[31mred\\\\033[0m\\\\n'; sleep 0.4\"\ninputs = []",
    );
    let mut terminal = ws.terminal(&["build"], &[], WIDE);
    let lines = terminal.ends();
    assert!(lines[0].starts_with("ran        t") && lines[1] == "above" && lines[2] == "red", "{lines:#?}");
    assert!(terminal.raw().contains("\x1b[31mred\x1b[0m"), "its colours stay: {:?}", terminal.raw());
}

// ---- colours ---------------------------------------------------------------------------------------------------------

/// Says which settings for colours it sees, and writes something red.
const COLOURFUL: &str = r#"
    [task.t]
    command = "echo force=$CLICOLOR_FORCE,$FORCE_COLOR no=$NO_COLOR term=$TERM; printf '\\033[31mred\\033[0m\\n'; touch out/x; sleep 0.3"
    inputs = []
    outputs = ["out/x"]
"#;

fn coloured(ws: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> (Terminal, String) {
    let mut terminal = ws.terminal(&[&["build", "-f"], arguments].concat(), variables, WIDE);
    let lines = terminal.ends();
    let line = lines.iter().find(|line| line.contains("force=")).unwrap_or_else(|| panic!("{lines:#?}")).clone();
    (terminal, line)
}

#[test]
fn what_a_command_writes_in_colours_keeps_them_on_a_terminal_and_when_it_is_replayed() {
    let ws = Sandbox::new(COLOURFUL);
    let (terminal, line) = coloured(&ws, &[], &[]);
    assert_eq!(line, "force=1,1 no= term=xterm-256color");
    assert!(terminal.raw().contains("\x1b[31mred"));
    ws.remove("out");
    let mut terminal = ws.terminal(&["build"], &[], WIDE);
    assert!(terminal.ends().iter().any(|line| line.starts_with("restored   t")));
    assert!(terminal.raw().contains("\x1b[31mred"), "{:?}", terminal.raw());
    // Where nobody wants colours, the same log comes without.
    ws.remove("out");
    assert!(!ws.build([]).says(["red"]).output().contains('\x1b'));
}

#[test]
fn no_color_and_color_never_mean_none_and_the_display_stays() {
    for (arguments, variables) in [(&[][..], &[("NO_COLOR", "1")][..]), (&["--color", "never"], &[])] {
        let (terminal, line) = coloured(&Sandbox::new(COLOURFUL), arguments, variables);
        assert!(line.starts_with("force=1,1 no= "), "{line}");
        let raw = terminal.raw();
        assert!(!raw.contains("\x1b[0m") && !raw.contains("\x1b[3") && raw.contains("]  0/1"), "{raw:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_neither_colours_nor_a_display() {
    let (terminal, line) = coloured(&Sandbox::new(COLOURFUL), &[], &[("TERM", "dumb")]);
    assert!(line.starts_with("force=1,1 "), "{line}");
    assert!(!terminal.raw().contains('\x1b'), "{:?}", terminal.raw());
}

#[test]
fn colours_can_be_forced_where_there_is_no_terminal() {
    let ws = Sandbox::new(COLOURFUL);
    let run = ws.run(ws.command("").args(["build", "-f"]).env("CLICOLOR_FORCE", "1"));
    assert!(run.stdout.contains("\x1b[31mred") && !run.stdout.contains("\x1b[J"), "{:?}", run.stdout);
    let run = ws.build(["-f", "--color", "always"]);
    assert!(run.stdout.contains("\x1b[31mred"), "{:?}", run.stdout);
    let run = ws.run(ws.command("").args(["build", "-f"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1"));
    assert!(!run.stdout.contains('\x1b'), "{:?}", run.stdout);
}

/// Whether somebody looks must not change what a command makes: on a terminal, in a pipe, and whatever the caller says of colours, it
/// is told the same, and nothing where its text passes on what it prints.
#[test]
fn no_output_depends_on_whether_somebody_looks() {
    let say = "for name in CLICOLOR_FORCE FORCE_COLOR CARGO_TERM_COLOR NO_COLOR; do printenv $name || echo unset; done";
    for (command, env, expected) in [
        ("sh say", "{}", "1\n1\nalways\nunset\n"),
        ("sh say && cp out/x out/y > /dev/null", "{}", "unset\nunset\nunset\nunset\n"),
        ("sh say", "{ NO_COLOR = '1' }", "unset\nunset\nunset\n1\n"),
        ("sh say", "{ FORCE_COLOR = '3' }", "unset\n3\nunset\nunset\n"),
    ] {
        let config = format!("[task.t]\ncommand = '{command}'\ninputs = ['say']\noutputs = ['out/']\nenv = {env}");
        let [on_terminal, elsewhere] = [Sandbox::new(&config), Sandbox::new(&config)];
        for ws in [&on_terminal, &elsewhere] {
            ws.write("say", format!("mkdir -p out\n{{ {say}; }} >out/x\n[ -t 1 ] || echo pipe\n"));
        }
        let mut terminal = on_terminal.terminal(&["build"], &[("FORCE_COLOR", "2"), ("CLICOLOR", "1")], WIDE);
        assert!(terminal.ends().contains(&"pipe".to_owned()));
        elsewhere.run(elsewhere.command("").args(["build"]).env("NO_COLOR", "1")).succeeds();
        assert_eq!(on_terminal.read("out/x"), expected, "{command} {env}");
        assert_eq!(elsewhere.read("out/x"), expected, "{command} {env}");
    }
}

/// What CI has made has colours on a terminal.
#[test]
fn a_log_that_was_made_where_nobody_looked_has_its_colours_where_somebody_does() {
    let ws = Sandbox::new("[task.t]\ncommand = 'python3 t.py'\ninputs = ['t.py']");
    ws.write("t.py", "import os\nprint('\\033[31mred' if os.environ.get('FORCE_COLOR') else 'plain')\n");
    let run = ws.build([]).succeeds().says(["red"]);
    assert!(!run.output().contains('\x1b'), "{:?}", run.output());
    let mut terminal = ws.terminal(&["build", "--logs", "all"], &[], WIDE);
    terminal.ends();
    assert!(terminal.raw().contains("\x1b[31mred"), "{:?}", terminal.raw());
}

#[test]
fn what_owns_the_terminal_sees_what_the_terminal_says_of_colours() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = \"echo $FORCE_COLOR $CLICOLOR; [ -t 1 ] && echo terminal\"\ninputs = []\ninteractive = true",
    );
    let mut terminal = ws.terminal(&["build"], &[("FORCE_COLOR", "3"), ("CLICOLOR", "1")], WIDE);
    let lines = terminal.ends();
    assert!(lines.contains(&"3 1".to_owned()) && lines.contains(&"terminal".to_owned()), "{lines:#?}");
}

/// As docs/configuration.md says for gcc.
#[test]
fn a_compiler_that_is_told_to_use_colours_keeps_them_where_somebody_looks() {
    let ws = Sandbox::new(
        r#"
            [task.object]
            command = "cc -Wall -fdiagnostics-color=always -c a.c -o out/a.o"
            inputs = ["a.c"]
            outputs = ["out/a.o"]
        "#,
    );
    ws.write("a.c", "int main(void) { int unused; return 0; }\n");
    let plain = ws.build([]).succeeds().says(["warning: unused variable"]);
    assert!(!plain.output().contains('\x1b'), "{:?}", plain.output());
    ws.remove("out");
    let mut terminal = ws.terminal(&["build"], &[], WIDE);
    assert!(terminal.ends().iter().any(|line| line.starts_with("restored   object")));
    assert!(terminal.raw().contains("\x1b[01;35mwarning: \x1b[m"), "{:?}", terminal.raw());
}

// ---- two builds that want the same -------------------------------------------------------------------------------------

/// Two clones of one project with a store that lies outside of both.
fn clones() -> Sandbox {
    let ws = Sandbox::empty();
    for clone in ["one", "two"] {
        let command = "@ran(slow); echo from the other side; while [ ! -e ../go ]; do sleep 0.02; done; echo over; echo 1 > out/x";
        ws.config_in(
            clone,
            &format!(
                "[cache]\ndir = \"../store\"\n[task.slow]\ncommand = \"{command}\"\ninputs = []\noutputs = [\"out/x\"]"
            ),
        );
    }
    ws
}

#[test]
fn who_waits_for_another_build_sees_for_whom_and_its_log() {
    let ws = clones();
    let mut first = ws.command("one").arg("build").stdout(Stdio::null()).spawn().unwrap();
    ws.wait_until("slow runs", || ws.outside("tally").exists());
    let mut silent = ws.terminal(&["-C", "two", "build"], &[], WIDE);
    let lines = silent.wait_for_text("from the other side");
    assert!(count(&lines, "  slow  ") == 1, "{lines:#?}");
    ws.write("go", "");
    let lines = silent.ends();
    is_clean(&lines);
    assert!(first.wait().unwrap().success());
    assert_eq!(count(&lines, "from the other side"), 1, "{lines:#?}");
    assert!(lines[0].starts_with("restored   slow"), "{lines:#?}");
    assert_eq!(ws.newly_tallied(), ["slow"]);
}
