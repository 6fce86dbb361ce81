//! Globs that match nothing, and wildcards as other tools write them: a note says so when the command has run.

use crate::sandbox::Sandbox;

fn copying(outputs: &str) -> Sandbox {
    let ws = Sandbox::new(&format!(
        "[task.copy]\ncommand = \"@ran(copy); mkdir -p out; cp src/a.js out/a.js\"\ninputs = [\"src/*.js\"]\noutputs = {outputs}\n"
    ));
    ws.write("src/a.js", "1");
    ws
}

#[test]
fn output_globs_that_match_nothing_are_told_by_the_run() {
    let ws = copying(r#"["out/**/*.(js|map)", "uot/**", "out/*.js"]"#);
    let run = ws.build([]).ran(["copy"]);
    assert!(
        run.stdout.contains("`copy`: no output matches `out/**/*.(js|map)`; alternatives are written in braces"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("`copy`: no output matches `uot/**`\n"), "{}", run.stdout);
    assert_eq!(run.stdout.matches("matches").count(), 2, "{}", run.stdout);
    assert_eq!(run.stderr, "");
    ws.build(["-v"]).up_to_date(1).does_not_say("matches");
    ws.remove("out");
    ws.build([]).restored(1).does_not_say("matches");
    ws.build(["-f", "-q"]).succeeds().does_not_say("matches");
}

#[test]
fn a_pattern_with_braces_is_one_pattern() {
    let ws = copying(r#"["out/*.{js,map}", "out/**"]"#);
    ws.build([]).ran(["copy"]).does_not_say("matches");
}

#[test]
fn a_literal_output_with_the_wildcards_of_others_has_a_hint() {
    let ws = copying(r#"["out/(a|b).js"]"#);
    ws.build([]).fails().says(["did not make `out/(a|b).js`", "alternatives are written in braces"]);
}

#[test]
fn input_globs_that_match_nothing_are_told_by_the_run() {
    let ws = copying(r#"["out/"]"#);
    ws.edit_config("[\"src/*.js\"]", r#"["src/*.js", "src/**.(c|h)", "src/+(a|b).js"]"#);
    let run = ws.build([]).ran(["copy"]);
    assert!(
        run.stdout.contains("`copy`: no input matches `src/**.(c|h)`; alternatives are written in braces"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("its input `src/+(a|b).js` does not exist"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: alternatives are written in braces"), "{}", run.stderr);
    assert!(!run.stdout.contains("`src/*.js`"), "{}", run.stdout);
}
