//! Concurrent: any number of percache processes may share a store, and an action that two of them want runs once.

use std::process::{Child, Command, Stdio};

use crate::sandbox::Sandbox;

/// Starts a build that goes on in the background.
fn start(command: &mut Command) -> Child {
    command.arg("build").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting percache")
}

fn finish(child: Child) -> String {
    let output = child.wait_with_output().expect("waiting for percache");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn builds_of_one_worktree_side_by_side_all_end_well() {
    let ws = Sandbox::new(
        r#"
            [task.each]
            foreach = "src/*"
            command = "@ran({name}); cat {file} > out/{name}"
            inputs = ["{file}"]
            outputs = ["out/{name}"]
        "#,
    );
    for name in ["a", "b", "c", "d", "e", "f"] {
        ws.write(&format!("src/{name}"), name);
    }
    let builds: Vec<Child> = (0..4).map(|_| start(&mut ws.command(""))).collect();
    builds.into_iter().for_each(|child| drop(finish(child)));
    assert_eq!(ws.newly_tallied(), ["a", "b", "c", "d", "e", "f"], "each action runs once");
    ws.build([]).ran([]).up_to_date(6);
    ws.same_as_clean();
}

#[test]
fn reading_does_not_wait_for_a_build_of_the_same_worktree() {
    let ws = Sandbox::new("[task.slow]\ncommand = \"@ran(slow); while [ ! -e go ]; do sleep 0.01; done\"\ninputs = []");
    let slow = start(&mut ws.command(""));
    ws.wait_until("slow runs", || ws.outside("tally").exists());
    for command in ["list", "graph", "stats", "verify"] {
        ws.percache([command]).succeeds();
    }
    ws.percache(["why", "slow"]).succeeds();
    ws.build(["-n"]).succeeds();
    ws.write("go", "");
    finish(slow);
}

/// Two clones of one project with a store that lies outside of both.
#[test]
fn worktrees_that_share_a_store_share_results_while_both_build() {
    let ws = Sandbox::empty();
    let config = |task: &str| {
        format!(
            "[cache]\ndir = \"../store\"\n[task.slow]\ncommand = \"@ran({task}); sleep 0.5; cat input > out/slow\"\ninputs = [\"input\"]\noutputs = [\"out/slow\"]"
        )
    };
    for clone in ["one", "two"] {
        ws.config_in(clone, &config("slow"));
        ws.write(&format!("{clone}/input"), "text");
    }
    let builds = ["one", "two"].map(|clone| start(&mut ws.command(clone)));
    builds.into_iter().for_each(|child| drop(finish(child)));
    assert_eq!(ws.newly_tallied(), ["slow"], "the second waits for the first and takes its result");
    assert_eq!(ws.read("one/out/slow"), ws.read("two/out/slow"));
}

#[test]
fn no_lock_on_the_store_is_held_while_a_command_runs() {
    let ws = Sandbox::empty();
    for (clone, command) in [("one", "@ran(slow); while [ ! -e ../go ]; do sleep 0.01; done"), ("two", "@ran(quick)")] {
        ws.config_in(clone, &format!("[cache]\ndir = \"../store\"\n[task.t]\ncommand = \"{command}\"\ninputs = []"));
    }
    let mut slow = start(&mut ws.command("one"));
    ws.wait_until("slow runs", || ws.outside("tally").exists());
    ws.run(ws.command("two").arg("build")).reported(["quick", "slow"]);
    ws.run(ws.command("two").arg("build")).ran([]);
    for arguments in [["stats", "-q"], ["gc", "-q"], ["list", "-q"], ["clear", "-q"]] {
        ws.run(ws.command("two").args(arguments)).succeeds();
    }
    assert!(slow.try_wait().unwrap().is_none(), "the first build is still there");
    ws.write("go", "");
    finish(slow);
    ws.run(ws.command("one").arg("build")).ran([]).up_to_date(1);
}

#[test]
fn a_killed_process_leaves_no_lock_behind() {
    let ws = Sandbox::new(
        r#"
            [task.slow]
            command = "@ran(slow); [ -e go ] || sleep 30"
            inputs = []
        "#,
    );
    let mut killed = start(&mut ws.command(""));
    ws.wait_until("slow runs", || ws.outside("tally").exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    ws.write("go", "");
    ws.build([]).reported(["slow", "slow"]).succeeds();
}
