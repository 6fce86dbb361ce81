//! Recall: what only lost its outputs gets them back without a look at what it depends on; and only that.

use std::time::Duration;

use crate::sandbox::{Run, Sandbox};

/// `tree` makes a directory with all kinds of things in it, `use` a file from one of them, `end` one from that; `check` makes nothing.
const PROJECT: &str = r#"
    [task.tree]
    command = """
        @ran(tree); mkdir -p out/tree/deep/empty; cp src/a out/tree/deep/a; cp src/a out/tree/run; chmod +x out/tree/run
        ln -sfn deep/a out/tree/link
    """
    inputs = ["src/a"]
    outputs = ["out/tree/"]

    [task.use]
    command = "@ran(use); cat out/tree/deep/a src/more/* > out/use"
    inputs = ["out/tree/deep/a", "src/more/"]
    outputs = ["out/use"]
    deps = ["check"]

    [task.end]
    command = "@ran(end); cat out/use > out/end"
    inputs = ["out/use"]
    outputs = ["out/end"]

    [task.check]
    command = "@ran(check); test -s src/b"
    inputs = ["src/b"]
"#;

/// Long enough that stamps stand for what they were taken from.
fn settle() {
    std::thread::sleep(Duration::from_millis(30));
}

fn project() -> Sandbox {
    let ws = Sandbox::new(PROJECT);
    for (path, text) in [("src/a", "a\n"), ("src/b", "b\n"), ("src/more/1", "1\n"), ("src/more/2", "2\n")] {
        ws.write(path, text);
    }
    settle();
    ws.build([]).ran(["check", "end", "tree", "use"]);
    settle();
    ws.build([]).ran([]).up_to_date(4);
    settle();
    ws
}

/// Builds, and tells of how many tasks the inputs were looked at.
fn build(ws: &Sandbox) -> (Run, usize) {
    let run = ws.build(["--profile", "trace"]).succeeds();
    let looked = ws.read("trace").matches("\"hash inputs\"").count();
    settle();
    (run, looked)
}

/// The next build has nothing to do: it would miss the tail of the store if it opened that.
fn is_known(ws: &Sandbox) {
    ws.rename(".percache/tail", "tail");
    ws.build([]).ran([]).up_to_date(4).does_not_say("warning");
    ws.rename("tail", ".percache/tail");
}

#[test]
fn outputs_come_back_without_a_look_at_the_inputs_and_are_known_from_then_on() {
    let ws = project();
    let whole = ws.outputs();
    for gone in [&["out"][..], &["out/tree"], &["out/tree/deep", "out/end"], &["out/tree/link", "out/use"]] {
        gone.iter().for_each(|path| ws.remove(path));
        let (run, looked) = build(&ws);
        let restored = run.ran([]).count("restored");
        assert!(restored >= gone.len(), "{gone:?}");
        assert_eq!(looked, 0, "{gone:?}");
        assert_eq!(ws.outputs(), whole, "{gone:?}");
        is_known(&ws);
        settle();
    }
}

#[test]
fn what_was_written_over_is_put_right() {
    let ws = project();
    let whole = ws.outputs();
    ws.write("out/tree/deep/a", "spoilt\n");
    ws.write("out/tree/run", "spoilt\n");
    ws.write("out/use", "spoilt\n");
    let (run, looked) = build(&ws);
    run.ran([]).restored(2).up_to_date(2);
    assert_eq!(looked, 0);
    assert_eq!(ws.outputs(), whole);
    is_known(&ws);
}

#[test]
fn a_changed_input_is_seen_although_outputs_are_missing_too() {
    let ws = project();
    ws.remove("out");
    ws.write("src/more/2", "3\n");
    ws.build([]).ran(["use", "end"]).restored(1).up_to_date(1);
    assert_eq!(ws.read("out/end"), "a\n1\n3\n");
    ws.same_as_clean();
}

#[test]
fn one_file_more_among_the_inputs_is_seen() {
    let ws = project();
    ws.remove("out/use");
    ws.write("src/more/3", "3\n");
    ws.build([]).ran(["use", "end"]).up_to_date(2);
    assert_eq!(ws.read("out/end"), "a\n1\n2\n3\n");
}

#[test]
fn another_result_of_what_it_needs_is_seen() {
    let ws = project();
    ws.write("src/a", "A\n");
    ws.build([]).ran(["tree", "use", "end"]);
    settle();
    ws.build([]).ran([]).up_to_date(4);
    settle();
    // Back: `tree` is restored otherwise than the journal says, so `use` and `end`, whose outputs are missing, have other inputs.
    ws.write("src/a", "a\n");
    ws.remove("out/use");
    ws.remove("out/end");
    ws.build([]).ran([]).restored(3).up_to_date(1);
    assert_eq!(ws.read("out/end"), "a\n1\n2\n");
    ws.same_as_clean();
}

#[test]
fn another_action_of_what_has_no_outputs_is_seen() {
    let ws = project();
    ws.write("src/b", "B\n");
    ws.remove("out/use");
    ws.remove("out/end");
    // What `use` makes is the same.
    ws.build([]).ran(["check", "use"]).restored(1).up_to_date(1);
}

#[test]
fn another_definition_or_environment_is_seen() {
    let ws = project();
    ws.remove("out/end");
    ws.edit_config("cat out/use >", "cat out/use out/use >");
    ws.build([]).ran(["end"]).up_to_date(3);
    assert_eq!(ws.read("out/end"), "a\n1\n2\na\n1\n2\n");
}

#[test]
fn what_is_forced_or_checked_runs() {
    let ws = project();
    ws.remove("out/use");
    ws.build(["--force", "use"]).ran(["use"]);
    settle();
    ws.build([]).ran([]);
    settle();
    ws.remove("out/use");
    ws.build(["--check", "use"]).says(["1 checked"]);
}

#[test]
fn a_dry_run_restores_nothing() {
    let ws = project();
    ws.remove("out");
    ws.build(["--dry-run"]).says(["3 would be restored"]);
    assert!(!ws.exists("out"));
}

#[test]
fn what_the_store_has_lost_is_made_again() {
    let ws = project();
    ws.remove("out/use");
    ws.remove(".percache/tail");
    ws.build([]).ran(["use"]);
    ws.same_as_clean();
}
