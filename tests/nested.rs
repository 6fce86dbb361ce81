//! percache inside of percache: a task's command that calls percache itself.

use std::time::Duration;

use crate::sandbox::{Background, PERCACHE, Sandbox};

/// Its task `outer` runs this; whatever it builds would wait for itself.
fn calling(command: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[task.inner]\ncommand = \"@ran(inner); echo 1 > out/inner\"\ninputs = []\noutputs = [\"out/inner\"]\n\
         [task.outer]\ncommand = '''@ran(outer); {}'''\ninputs = []\n",
        command.replace("percache", PERCACHE)
    ))
}

/// Builds `outer`, which must not hang.
fn built(ws: &Sandbox) -> (Option<i32>, String) {
    let mut command = ws.command("");
    let ended =
        Background::start(command.args(["build", "outer"]), ws.outside("output")).finish(Duration::from_secs(20));
    (ended.status, ended.output)
}

#[test]
fn a_build_in_the_same_worktree_is_refused_and_the_task_is_named() {
    let mut ways =
        vec!["percache build inner", "percache build outer", "percache watch", "cd out && percache build inner"];
    if cfg!(target_os = "linux") {
        // The variable is lost on the way, and so is the session.
        ways.extend(["env -i percache build inner", "env -i setsid -w percache build inner"]);
        ways.push("env -i percache -C . exec -- percache -C . build inner");
    }
    for way in ways {
        let ws = calling(&way.replace("-C .", "-C \"$PWD\""));
        ws.write("out/keep", "");
        let (status, output) = built(&ws);
        assert_eq!(status, Some(1), "{way}: {output}");
        assert!(output.contains("cannot build inside of task `outer`: process "), "{way}: {output}");
        assert!(output.contains("name what `outer` needs in its `deps`"), "{way}: {output}");
        assert_eq!(ws.newly_tallied(), ["outer"], "{way}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn so_is_one_by_a_tool() {
    let ws = calling("true");
    let outer = format!("[task.outer]\ntools = [\"{PERCACHE} build inner 2>&1; exit 1\"]");
    ws.edit_config("[task.outer]", &outer);
    let (status, output) = built(&ws);
    assert_eq!(status, Some(1), "{output}");
    assert!(output.contains("in its `deps`") || output.contains("cannot build inside of a command"), "{output}");
}

#[test]
fn other_workspaces_exec_and_what_only_looks_work() {
    let ws = calling(
        "percache -C ../other build && percache exec -- echo hi && percache list && percache build -n inner && percache why inner && \
         percache stats && percache graph && percache log inner && percache gc",
    );
    std::fs::create_dir(ws.outside("other")).unwrap();
    std::fs::write(ws.outside("other").join("percache.toml"), "[task.far]\ncommand = \"echo far\"\ninputs = []\n")
        .unwrap();
    ws.build(["inner"]).ran(["inner"]);
    let (status, output) = built(&ws);
    assert_eq!(status, Some(0), "{output}");
    assert!(output.contains("far") && output.contains("hi"), "{output}");
}

/// The action of the inner build is that of the outer one, and claimed by it.
#[cfg(target_os = "linux")]
#[test]
fn another_worktree_of_the_store_does_not_wait_for_the_same_action() {
    let ws = Sandbox::new(&format!(
        "[cache]\ndir = \"{{store}}\"\n[task.outer]\ncommand = '[ -e ../other/stop ] || {{ touch ../other/stop; {PERCACHE} -C ../other build; }}'\ninputs = []\n"
    ));
    ws.edit("percache.toml", "{store}", &ws.outside("store").display().to_string());
    std::fs::create_dir(ws.outside("other")).unwrap();
    std::fs::copy(ws.path("percache.toml"), ws.outside("other").join("percache.toml")).unwrap();
    let (status, output) = built(&ws);
    assert_eq!(status, Some(0), "{output}");
}

#[test]
fn the_variable_is_in_no_fingerprint_and_not_passed_on() {
    let ws = calling("percache -C ../other build");
    std::fs::create_dir(ws.outside("other")).unwrap();
    let other = "[task.far]\ncommand = 'env > all'\ninputs = []\noutputs = ['all']\nenv_from = ['PERCACHE_*']\nenv_pass = ['PERCACHE_RUNNING']\n";
    std::fs::write(ws.outside("other").join("percache.toml"), other).unwrap();
    let (status, output) = built(&ws);
    assert!(status == Some(0) && output.contains("1 ran"), "{output}");
    let environment = std::fs::read_to_string(ws.outside("other").join("all")).unwrap();
    let mark = environment.lines().find_map(|line| line.strip_prefix("PERCACHE_RUNNING=")).unwrap();
    assert!(mark.contains(":outer,") && mark.ends_with(":far"), "{mark}");
    // Outside of any task.
    let mut command = ws.command("");
    let run = ws.run(command.arg("-C").arg(ws.outside("other")).arg("build"));
    run.succeeds().up_to_date(1);
}

/// A terminal that a command has opened keeps the variable when the command has long ended.
#[cfg(target_os = "linux")]
#[test]
fn a_variable_from_a_task_that_is_over_lets_a_build_wait_as_usual() {
    let ws = calling("echo $PERCACHE_RUNNING > mark; until [ -e go ]; do sleep 0.01; done");
    let mut command = ws.command("");
    let running = Background::start(command.args(["build", "outer"]), ws.outside("first"));
    ws.wait_until("the command runs", || ws.exists("mark") && ws.read("mark").ends_with('\n'));
    let mut command = ws.command("");
    command.args(["build", "inner"]).env("PERCACHE_RUNNING", ws.read("mark").trim());
    let waiting = Background::start(&mut command, ws.outside("second"));
    ws.wait_until("it waits", || waiting.text().contains("waiting for process"));
    ws.write("go", "");
    assert_eq!(running.finish(Duration::from_secs(20)).status, Some(0));
    assert_eq!(waiting.finish(Duration::from_secs(20)).status, Some(0));
}
