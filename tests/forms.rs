//! `build --output`: how much is printed of each task.

use crate::sandbox::Sandbox;

const WIDE: (u16, u16) = (100, 24);

/// Many quick tasks; `bad` fails, `slow` takes more than five seconds.
fn many(count: usize, more: &str) -> Sandbox {
    let values: Vec<_> = (0..count).map(|n| format!("\"{n}\"")).collect();
    let template = r#"
        [task.t]
        matrix = { n = [VALUES] }
        command = "echo said {n} > {n}.out; echo said {n}"
        inputs = []
        outputs = ["{n}.out"]
    "#;
    let config = template.replace("VALUES", &values.join(", ")) + "\n" + more;
    Sandbox::new(&config)
}

const BAD: &str = "[task.bad]\ncommand = \"echo trouble; false\"\ninputs = []\n";
const SLOW: &str = "[task.slow]\ncommand = \"echo yawn; sleep 5.1\"\ninputs = []\n";

#[test]
fn compact_prints_failures_and_slow_tasks_alone() {
    let ws = many(5, &format!("{BAD}\n{SLOW}"));
    let run = ws.build(["-k", "--output", "compact"]).fails().does_not_say("said").does_not_say("t[");
    run.says(["failed     bad (exit status 1", "\ntrouble\n", "ran        slow (5", "1 failed, 6 ran in "])
        .does_not_say("yawn");
}

#[test]
fn dots_are_a_character_for_each_task_that_was_not_up_to_date() {
    let ws = many(90, BAD);
    let run = ws.build(["-k", "--output", "dots", "-j", "1"]).fails().does_not_say("said");
    let lines: Vec<_> = run.stdout.lines().collect();
    let dots: usize = lines.iter().filter(|line| line.bytes().all(|byte| byte == b'.')).map(|line| line.len()).sum();
    assert_eq!(dots, 90, "{}", run.stdout);
    assert!(
        lines.iter().any(|line| line.starts_with("failed     bad")) && lines.contains(&"trouble"),
        "{}",
        run.stdout
    );
    ws.remove("3.out");
    ws.remove("4.out");
    let run = ws.build(["--output", "dots", "t"]).succeeds().restored(2);
    assert_eq!(run.stdout.lines().next(), Some("rr"), "{}", run.stdout);
    ws.build(["--output", "dots", "--json"]).exits(2);
    ws.build(["--output", "none"]).exits(2).says(["full", "compact", "dots"]);
}

#[test]
fn a_terminal_shows_a_large_build_compactly_unless_more_is_wanted() {
    let ws = many(201, "");
    let lines = ws.terminal(&["build"], &[], WIDE).ends();
    assert!(!lines.iter().any(|line| line.contains("said") || line.contains("t[")), "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("201 ran in "), "{lines:#?}");
    for options in [&["build", "-f", "--output", "full"][..], &["build", "-f", "--logs", "all"], &["build", "-f", "-v"]]
    {
        let lines = ws.terminal(options, &[], WIDE).ends();
        assert_eq!(lines.iter().filter(|line| line.starts_with("said ")).count(), 201, "{options:?}");
    }
    let small = many(200, "");
    let lines = small.terminal(&["build"], &[], WIDE).ends();
    assert_eq!(lines.iter().filter(|line| line.starts_with("said ")).count(), 200);
    ws.build(["-f"]).says(["\nsaid 7\n"]);
}
