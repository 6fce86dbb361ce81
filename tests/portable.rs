//! `percache build --check-portable`.

use crate::sandbox::Sandbox;

const TASKS: &str = r#"
[task.app]
command = "mkdir -p build && pwd > build/app && cp build/app build/map && echo 1 > build/other && ln -s $PWD/build/app build/link && @ran(app)"
inputs = []
outputs = ["build/"]
[task.large]
command = "(head -c 3000000 /dev/zero; pwd; head -c 3000000 /dev/zero) > large && @ran(large)"
inputs = []
outputs = ["large"]
[task.fine]
command = "echo fine > fine && @ran(fine)"
inputs = []
outputs = ["fine"]
[task.own]
command = "pwd > own && @ran(own)"
inputs = []
outputs = ["own"]
store = false
[task.now]
command = "pwd > now && @ran(now)"
inputs = []
outputs = ["now"]
cache = false
"#;

#[test]
fn tasks_whose_outputs_name_the_workspace_are_named() {
    let ws = Sandbox::new(TASKS);
    let root = ws.root().display().to_string();
    let title = format!("2 tasks have outputs with the path of this workspace, `{root}`");
    let said = [title.as_str(), "app: `build/app`, `build/link`, `build/map`", "large: `large`", "-ffile-prefix-map"];
    let run = ws.build(["--check-portable"]).exits(1).says(said);
    run.does_not_say("own:").does_not_say("now:");
    // The records of the last build tell, without a run.
    ws.build(["--check-portable", "app", "large"]).exits(1).reported([]).says(said);
    ws.remove("build");
    ws.build(["--check-portable", "app"]).exits(1).reported([]).says(["1 task has", "build/link"]);
    ws.build(["--check-portable", "fine"]).succeeds().says(["no output contains the path of this workspace"]);
    ws.build(["--check-portable", "-q", "fine"]).succeeds().does_not_say("no output");
    ws.build(["app", "large"]).succeeds().ran([]);
}

#[test]
fn what_is_untied_is_portable() {
    let ws = Sandbox::new(TASKS);
    ws.build(["--check-portable", "app"]).exits(1);
    ws.edit_config("pwd > build/app", "echo . > build/app");
    ws.edit_config("ln -s $PWD/build/app", "ln -s app");
    ws.build(["--check-portable", "app"]).succeeds().reported(["app"]);
}

#[test]
fn a_failed_build_stays_failed() {
    let ws = Sandbox::new("[task.a]\ncommand = 'exit 3'\ninputs = []\n");
    ws.build(["--check-portable"]).exits(1).says(["exit status 3"]);
    ws.build(["--check-portable", "-n"]).exits(2).says(["do not go together"]);
    ws.build(["--check-portable", "--no-cache"]).exits(2).says(["do not go together"]);
}
