//! Honest: what is stored is what the inputs gave, and a failure is never taken for a result.

use crate::sandbox::Sandbox;

#[test]
fn an_input_that_changes_while_its_task_runs_makes_the_result_unfit() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); cat input > out/copy; if [ -e edit ]; then echo edited >> input; fi"
            inputs = ["input"]
            outputs = ["out/copy"]
        "#,
    );
    ws.write("input", "first\n");
    ws.write("edit", "");
    ws.build([]).reported(["copy"]).says(["input"]);
    ws.remove("edit");
    ws.build([]).ran(["copy"]);
    assert_eq!(ws.read("out/copy"), "first\nedited\n");
    // Nothing was stored for the content before the edit either.
    ws.write("input", "first\n");
    ws.build([]).ran(["copy"]);
    assert_eq!(ws.read("out/copy"), "first\n");
}

#[test]
fn a_discovered_input_that_changes_while_its_task_runs_makes_the_result_unfit() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); cat header > out/copy; echo 'out/copy: header' > dep/copy.d; if [ -e edit ]; then echo edited >> header; fi"
            inputs = []
            outputs = ["out/copy"]
            depfile = "dep/copy.d"
        "#,
    );
    ws.write("header", "first\n");
    ws.write("edit", "");
    ws.build([]).reported(["copy"]).says(["header"]);
    ws.remove("edit");
    ws.build([]).ran(["copy"]);
    ws.write("header", "first\n");
    ws.build([]).ran(["copy"]);
}

#[test]
fn a_declared_output_that_is_missing_is_a_failure_that_names_it() {
    let ws = Sandbox::new(
        r#"
            [task.forgetful]
            command = "@ran(forgetful); echo 1 > out/one"
            inputs = []
            outputs = ["out/one", "out/two"]
        "#,
    );
    ws.build([]).fails().reported(["forgetful"]).says(["out/two", "forgetful"]);
    ws.build([]).fails().reported(["forgetful"]);
}

#[test]
fn an_old_output_does_not_pass_for_one_that_the_command_forgot() {
    let ws = Sandbox::new(
        r#"
            [task.sometimes]
            command = "@ran(sometimes); if grep -q yes input; then echo made > out/made; fi"
            inputs = ["input"]
            outputs = ["out/made"]
        "#,
    );
    ws.write("input", "yes");
    ws.build([]).ran(["sometimes"]);
    ws.write("input", "no");
    ws.build([]).fails().reported(["sometimes"]);
}

#[test]
fn a_glob_that_matches_no_output_is_none() {
    let ws = Sandbox::new(
        r#"
            [task.maybe]
            command = "@ran(maybe)"
            inputs = []
            outputs = ["out/*.txt"]
        "#,
    );
    ws.build([]).ran(["maybe"]);
    ws.build([]).ran([]).up_to_date(1);
}

#[test]
fn a_failure_is_not_stored() {
    let ws = Sandbox::new(
        r#"
            [task.check]
            command = "@ran(check); echo looking; test -e outside-knowledge"
            inputs = []
        "#,
    );
    ws.build([]).fails().reported(["check"]).says(["looking"]);
    ws.build([]).fails().reported(["check"]);
    ws.write("outside-knowledge", "");
    ws.build([]).ran(["check"]);
    ws.build([]).ran([]).up_to_date(1);
}

#[test]
fn a_failing_line_in_the_middle_of_a_command_is_a_failure() {
    let ws = Sandbox::new(
        r#"
            [task.lines]
            command = """
            @ran(lines)
            false
            touch reached
            """
            inputs = []
        "#,
    );
    ws.build([]).fails().reported(["lines"]);
    assert!(!ws.exists("reached"));
}

#[test]
fn after_a_failure_the_results_of_the_others_are_kept() {
    let ws = Sandbox::new(
        r#"
            [task.good]
            command = "@ran(good); echo 1 > out/good"
            inputs = []
            outputs = ["out/good"]

            [task.bad]
            command = "@ran(bad); cat out/good; test -e missing"
            inputs = ["out/good"]
        "#,
    );
    ws.build([]).fails().reported(["bad", "good"]);
    ws.build([]).fails().reported(["bad"]);
}

#[test]
fn an_output_that_changes_behind_percache_is_seen_by_its_dependents() {
    let ws = Sandbox::new(
        r#"
            [task.one]
            command = "@ran(one); echo 1 > out/one"
            inputs = []
            outputs = ["out/one"]

            [task.two]
            command = "@ran(two); cat out/one > out/two"
            inputs = ["out/one"]
            outputs = ["out/two"]
        "#,
    );
    ws.build([]).ran(["one", "two"]);
    ws.write("out/one", "tampered");
    // Built alone, `two` has `one` repaired first.
    ws.build(["two"]).ran([]).restored(1);
    assert_eq!(ws.read("out/two"), "1\n");
}

/// What a failed run left goes before the next one, the file before the symlink to it: that the symlink leads to
/// nothing for a moment is percache's own doing.
#[test]
fn what_reads_a_symlink_that_was_made_again_is_stored() {
    let ws = Sandbox::new(
        r#"
            [task.make]
            command = "mkdir -p made && cp version made/version && ln -s version made/link && @ran(make) && test ! -e bad"
            inputs = ["version"]
            outputs = ["made/"]
            [task.read]
            command = "cat made/link > read && @ran(read)"
            inputs = ["made"]
            outputs = ["read"]
        "#,
    );
    ws.write("version", "1");
    ws.build([]).reported(["make", "read"]);
    for (version, bad) in [("2", true), ("3", false), ("4", false)] {
        ws.write("version", version);
        if bad {
            ws.write("bad", "");
            ws.build([]).fails();
            ws.remove("bad");
        }
        ws.build([]).reported(["make", "read"]).does_not_say("warning");
        assert_eq!(ws.read("read"), version);
        ws.build([]).ran([]).up_to_date(2);
    }
}
