//! `percache clean` removes what tasks made, and nothing else.

use std::time::Duration;

use crate::sandbox::{Background, Sandbox, snapshot};

const TWO: &str = r#"
[task.a]
command = "mkdir -p out/deep/er && cp a.txt out/deep/er/a && @ran(a)"
inputs = ["a.txt"]
outputs = ["out/"]
[task.b]
command = "cp out/deep/er/a b.out && @ran(b)"
inputs = ["out/deep/er/a"]
outputs = ["b.out"]
"#;

fn built() -> Sandbox {
    let ws = Sandbox::new(TWO);
    ws.write("a.txt", "a");
    ws
}

#[test]
fn outputs_go_and_come_back_from_the_store() {
    let ws = built();
    let before = snapshot(ws.root());
    ws.build([]).ran(["a", "b"]);
    ws.percache(["clean"]).succeeds().says(["removed 2 outputs"]);
    assert_eq!(snapshot(ws.root()), before, "a clean tree");
    ws.build([]).ran([]).restored(2);
    assert_eq!(ws.read("b.out"), "a");
}

#[test]
fn only_the_outputs_of_named_tasks_go() {
    let ws = built();
    ws.build([]).ran(["a", "b"]);
    ws.percache(["clean", "b"]).succeeds().says(["removed 1 output"]);
    assert!(!ws.exists("b.out") && ws.exists("out/deep/er/a"));
    ws.percache(["clean", "c"]).exits(2);
}

#[test]
fn a_dry_run_removes_nothing() {
    let ws = built();
    ws.build([]).ran(["a", "b"]);
    ws.percache(["clean", "-n"]).succeeds().says(["would remove b.out", "would remove 2 outputs"]);
    assert!(ws.exists("b.out"));
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn what_the_user_edited_or_added_stays() {
    let ws = built();
    ws.build([]).ran(["a", "b"]);
    ws.write("b.out", "mine");
    ws.write("out/notes.md", "mine too");
    ws.percache(["clean"]).succeeds().says(["kept b.out: it was edited after it was made", "removed 1 output"]);
    assert_eq!(ws.read("b.out"), "mine");
    assert_eq!(ws.read("out/notes.md"), "mine too");
    assert!(!ws.exists("out/deep"));
}

#[test]
fn what_git_tracks_stays() {
    let ws = built();
    ws.build([]).ran(["a", "b"]);
    ws.shell("git init -q . && git add b.out");
    ws.percache(["clean"]).succeeds().says(["kept b.out: it is a source now"]);
    assert!(ws.exists("b.out"));
}

#[test]
fn what_no_task_makes_any_more_goes_too_unless_tasks_are_named() {
    let ws = built();
    ws.build([]).ran(["a", "b"]);
    ws.edit_config("b.out", "c.out");
    ws.percache(["clean", "a"]).succeeds();
    assert!(ws.exists("b.out"));
    ws.percache(["clean"]).succeeds().says(["removed 1 output"]);
    assert!(!ws.exists("b.out"));
}

#[test]
fn without_a_build_there_is_nothing_to_remove() {
    let ws = built();
    ws.write("b.out", "mine");
    ws.percache(["clean"]).succeeds().says(["removed 0 outputs"]);
    assert_eq!(ws.read("b.out"), "mine");
    assert!(!ws.exists(".percache"), "nothing was made");
}

#[test]
fn it_waits_for_a_build() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"touch ../started; sleep 1; echo a > a.out; @ran(a)\"\ninputs = []\noutputs = [\"a.out\"]",
    );
    ws.build([]).ran(["a"]);
    std::fs::remove_file(ws.outside("started")).unwrap();
    let build = Background::start(ws.command("").args(["build", "--force"]), ws.outside("build"));
    ws.wait_until("the command runs", || ws.outside("started").exists());
    ws.percache(["clean"]).succeeds().says(["waiting for process"]);
    assert!(!ws.exists("a.out"));
    assert_eq!(build.finish(Duration::from_secs(20)).status, Some(0));
}
