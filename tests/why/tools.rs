//! Only a build runs tools: whoever else asks is told what they said last.

use crate::sandbox::Sandbox;

/// A tool that reports itself when it runs.
const WITH_TOOL: &str = r#"
    [task.compile]
    command = "@ran(compile); cat src/a > out/b"
    inputs = ["src/a"]
    outputs = ["out/b"]
    tools = ["@ran(tool) && cat version"]
"#;

#[test]
fn only_a_build_runs_tools() {
    let ws = Sandbox::new(WITH_TOOL);
    ws.write("src/a", "1");
    ws.write("version", "1");
    ws.percache(["why", "compile"])
        .succeeds()
        .reported([])
        .says(["compile may run", "unknown: no result of the task here has one"]);
    ws.build(["-n"]).succeeds().reported([]).says([
        "may run",
        "unknown: no result of the task here has one",
        "1 may run",
    ]);
    ws.percache(["list"]).succeeds().reported([]);
    ws.build([]).reported(["compile", "tool"]);
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["is up to date", "not run", "cat version"]);
    ws.build(["-n"]).succeeds().reported([]).up_to_date(1).says(["not run; assumed to answer as the last time"]);
    ws.write("src/a", "2");
    ws.build(["-n"]).succeeds().reported([]).says(["would run", "src/a changed"]);
    ws.percache(["list"]).succeeds().reported([]);
}

#[test]
fn a_tool_that_is_new_or_whose_answer_is_lost_is_unknown() {
    let ws = Sandbox::new(WITH_TOOL);
    ws.write("src/a", "1");
    ws.write("version", "1");
    ws.build([]).succeeds();
    ws.edit_config("cat version", "cat version version");
    ws.newly_tallied();
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["unknown: no result of the task here has one"]);
    ws.edit_config("cat version version", "cat version");
    ws.percache(["clear"]).succeeds();
    ws.percache(["why", "compile"]).succeeds().reported([]).says(["is not in the store any more"]);
    ws.build(["-n", "-f"]).succeeds().says(["would run     compile: --force"]);
    ws.build(["-n", "--no-cache"]).succeeds().says(["would run     compile"]);
}
