//! `percache accept`: what lies in the tree becomes the result of a task.

use std::time::Duration;

use crate::sandbox::Sandbox;

const FETCH: &str = r#"
[task.fetch]
command = "mkdir -p data && echo fetched > data/x && @ran(fetch)"
inputs = ["urls"]
outputs = ["data/"]
store = false
[task.model]
command = "cat data/x > model && @ran(model)"
inputs = []
outputs = ["model"]
deps = ["fetch"]
[task.test]
command = "cat model && @ran(test)"
inputs = []
deps = ["model"]
[task.now]
command = "date > now && @ran(now)"
inputs = []
outputs = ["now"]
cache = false
[task.later]
command = "cat now > later && @ran(later)"
inputs = ["now"]
outputs = ["later"]
"#;

fn unbuilt() -> Sandbox {
    let ws = Sandbox::new(FETCH);
    ws.write("urls", "1");
    ws
}

/// With data from elsewhere in its place.
fn with_data() -> Sandbox {
    let ws = unbuilt();
    ws.write("data/x", "from elsewhere\n");
    ws.write("data/deep/y", "y");
    ws
}

#[test]
fn what_lies_there_is_the_result_of_the_present_inputs() {
    let ws = with_data();
    ws.percache(["accept", "--yes", "fetch"])
        .succeeds()
        .reported([])
        .says(["accepted fetch: 2 files (16 B) at `data`"]);
    ws.build(["test"]).reported(["model", "test"]).up_to_date(1);
    assert_eq!(ws.read("model"), "from elsewhere\n");
    ws.build(["test"]).ran([]).up_to_date(3);
    ws.percache(["log", "fetch"]).succeeds().says(["accepted: the outputs were in the tree"]);
    ws.percache(["accept", "fetch"]).succeeds().says(["nothing to accept: the task is up to date"]);
    // Other inputs are another matter. What was accepted exists nowhere else, so it is moved aside and not removed.
    ws.write("urls", "2");
    ws.build(["test"]).reported(["fetch", "model", "test"]).says(["moved"]);
    ws.percache(["displaced"]).succeeds().says(["data/x", "data/deep/y"]);
    ws.percache(["displaced", "restore", "data/x", "--to", "saved"]).succeeds();
    assert_eq!(ws.read("saved/data/x"), "from elsewhere\n");
}

#[test]
fn what_is_kept_is_restored_afterwards() {
    let ws = with_data();
    ws.percache(["accept", "-y", "fetch"]).succeeds();
    ws.write("model", "trained on a cluster\n");
    ws.percache(["accept", "-y", "model"]).succeeds().reported([]).says(["accepted model: 1 file"]);
    ws.remove("model");
    ws.build(["test"]).reported(["test"]).restored(1).up_to_date(1);
    assert_eq!(ws.read("model"), "trained on a cluster\n");
}

/// A stored result gives way: what lies there counts.
#[test]
fn it_replaces_a_stored_result() {
    let ws = unbuilt();
    ws.build(["test"]).reported(["fetch", "model", "test"]);
    ws.write("model", "patched\n");
    ws.percache(["accept", "-y", "model"]).succeeds();
    ws.build(["test"]).reported(["test"]).up_to_date(2);
    assert_eq!(ws.read("model"), "patched\n");
    ws.percache(["clean", "model"]).succeeds();
    ws.build(["test"]).ran([]).restored(1).up_to_date(2);
    assert_eq!(ws.read("model"), "patched\n");
}

#[test]
fn several_are_accepted_in_order() {
    let ws = with_data();
    ws.write("model", "m\n");
    ws.percache(["accept", "-y", "model", "fetch"]).succeeds().reported([]).says(["accepted fetch", "accepted model"]);
    ws.build(["test"]).reported(["test"]).up_to_date(2);
}

#[test]
fn a_group_stands_for_its_tasks() {
    let ws = with_data();
    ws.edit_config("[task.test]", "[task.all]\ndeps = [\"fetch\", \"model\"]\n[task.test]");
    ws.percache(["accept", "--yes", "all"]).fails().says(["`model`: its output `model` is missing"]);
    ws.write("model", "from elsewhere\n");
    ws.percache(["accept", "--yes", "all"]).succeeds().says(["accepted fetch: ", "accepted model: "]);
    ws.build(["all"]).ran([]).up_to_date(2);
}

#[test]
fn nothing_is_accepted_that_cannot_be_right() {
    let ws = unbuilt();
    let refused = |task: &str, why: &str, hint: &str| {
        ws.percache(["accept", "--yes", task]).exits(1).reported([]).says([why, hint]);
    };
    refused(
        "fetch",
        "cannot accept the outputs of `fetch`: its output `data` is missing",
        "put it there, or run the task",
    );
    ws.write("model", "m");
    refused("model", "it depends on `fetch`, which is not up to date", "`percache build fetch`");
    refused("test", "it has no outputs", "what makes nothing has to run");
    refused("now", "it always runs, and has no result", "only a task without `cache = false`");
    ws.write("later", "l");
    refused("later", "it depends on `now`, which always runs", "run the task instead");
    ws.percache(["accept", "--yes", "nobody"]).exits(2).says(["no task is named `nobody`"]);
    ws.percache(["accept", "--yes"]).exits(2).says(["needs <TASK>"]);
    // None of this has left anything behind.
    ws.build(["test"]).reported(["fetch", "model", "test"]);
}

#[test]
fn nobody_is_taken_to_have_agreed() {
    let ws = with_data();
    let said = "nobody can be asked here whether to accept";
    ws.percache(["accept", "fetch"]).exits(2).says([said, "add `--yes`"]);
    ws.build(["fetch"]).reported(["fetch"]);
}

#[test]
fn a_person_is_asked() {
    for (answer, accepted) in [("n\r", false), ("\r", false), ("y\r", true)] {
        let ws = with_data();
        let mut terminal = ws.terminal(&["accept", "fetch"], &[], (100, 20));
        terminal.wait_for_text("without running it? [y/N]");
        std::thread::sleep(Duration::from_millis(20));
        terminal.types(answer);
        let lines = terminal.ends();
        let text = lines.join("\n");
        assert!(text.contains("fetch: 2 files (16 B) at `data`"), "{text}");
        assert_eq!(ws.status(), i32::from(!accepted), "{text}");
        assert_eq!(text.contains("accepted fetch"), accepted, "{text}");
        assert_eq!(text.contains("nothing was accepted"), !accepted, "{text}");
        let run = ws.build(["fetch"]);
        let _ = if accepted { run.ran([]).up_to_date(1) } else { run.reported(["fetch"]) };
    }
}

#[test]
fn what_cannot_be_stored_is_not_accepted() {
    let ws = with_data();
    ws.shell("mkfifo data/pipe");
    let said = "`fetch` was not accepted: its output `data/pipe` is a pipe";
    ws.percache(["accept", "-y", "fetch"]).exits(1).says([said]).does_not_say("accepted fetch:");
    // Nothing counts as left by a failed run, to be moved aside before the next one.
    ws.remove("data/pipe");
    ws.percache(["list"]).succeeds().says(["never built"]);
    ws.percache(["accept", "-y", "fetch"]).succeeds().says(["accepted fetch"]);
    ws.build(["fetch"]).ran([]).up_to_date(1);
}
