//! Concurrent: any number of percache processes may share a store, and an action that two of them want runs once.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::sandbox::{Background, Sandbox};

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

/// Which headers it read is known only when the first one has ended: the second has to look for them then.
#[test]
fn a_command_with_a_depfile_that_two_worktrees_want_at_once_runs_once() {
    let ws = Sandbox::empty();
    for clone in ["one", "two"] {
        ws.config_in(
            clone,
            r#"
                [cache]
                dir = "../store"
                [task.slow]
                command = "@ran(slow); sleep 0.5; cat a.h > out/slow; echo 'out/slow: a.h' > out/slow.d"
                inputs = []
                outputs = ["out/slow"]
                depfile = "out/slow.d"
            "#,
        );
        ws.write(&format!("{clone}/a.h"), "text");
    }
    let builds = ["one", "two"].map(|clone| start(&mut ws.command(clone)));
    builds.into_iter().for_each(|child| drop(finish(child)));
    assert_eq!(ws.newly_tallied(), ["slow"]);
    assert_eq!((ws.read("one/out/slow"), ws.read("two/out/slow")), ("text".to_owned(), "text".to_owned()));
}

#[test]
fn a_build_does_not_say_that_it_waits_for_itself() {
    let task = |name: &str| format!("[task.{name}]\ncommand = \"@ran(x); sleep 0.5\"\ninputs = []\n");
    let ws = Sandbox::new(&(task("one") + &task("two")));
    let run = ws.build(["-j2"]);
    run.reported(["x"]).does_not_say("waiting for");
    ws.build([]).ran([]).up_to_date(2);
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

const PATIENCE: Duration = Duration::from_secs(60);

fn background(ws: &Sandbox, directory: &str, arguments: &[&str], name: &str) -> Background {
    Background::start(ws.command(directory).args(arguments), ws.outside(name))
}

fn waits_for(ws: &Sandbox, waiting: &Background, holder: u32) {
    let named = format!("process {holder} (percache build");
    ws.wait_until("it says for whom it waits", || waiting.text().contains(&named));
}

fn tally(ws: &Sandbox) -> String {
    std::fs::read_to_string(ws.outside("tally")).unwrap_or_default()
}

/// Slow until somebody says `go`.
const SLOW: &str = "@ran(slow); while [ ! -e GO ]; do sleep 0.01; done; cat input > out/slow";

fn slow(go: &str) -> String {
    let command = SLOW.replace("GO", go);
    format!("[task.slow]\ncommand = \"{command}\"\ninputs = [\"input\"]\noutputs = [\"out/slow\"]")
}

#[test]
fn a_build_that_waits_for_its_worktree_says_for_whom() {
    let ws = Sandbox::new(&slow("go"));
    ws.write("input", "text");
    let first = background(&ws, "", &["build"], "first");
    ws.wait_until("slow runs", || ws.outside("tally").exists());
    let second = background(&ws, "", &["build", "slow"], "second");
    waits_for(&ws, &second, first.id());
    ws.write("go", "");
    for build in [first, second] {
        let ended = build.finish(PATIENCE);
        assert_eq!(ended.status, Some(0), "{}", ended.output);
    }
    assert_eq!(ws.newly_tallied(), ["slow"]);
}

#[test]
fn whoever_waits_goes_on_at_once_when_the_holder_is_killed() {
    // In one worktree they wait for its lock, in two for the action.
    for places in [["one", "one"], ["one", "two"]] {
        let ws = Sandbox::empty();
        for clone in ["one", "two"] {
            ws.config_in(clone, &format!("[cache]\ndir = \"../store\"\n{}", slow("../go")));
            ws.write(&format!("{clone}/input"), "text");
        }
        let mut first = background(&ws, places[0], &["build"], "first");
        ws.wait_until("slow runs", || ws.outside("tally").exists());
        let second = background(&ws, places[1], &["build"], "second");
        waits_for(&ws, &second, first.id());
        first.kill();
        ws.wait_until("the second runs it", || tally(&ws) == "slow\nslow\n");
        ws.write("go", "");
        assert_eq!(second.finish(PATIENCE).status, Some(0));
        first.finish(PATIENCE);
        ws.wait_for_orphans();
        ws.run(ws.command("two").arg("build")).succeeds();
        assert_eq!(ws.read("two/out/slow"), "text");
    }
}

#[test]
fn maintenance_between_builds_that_run_removes_nothing_of_theirs() {
    let ws = Sandbox::empty();
    for clone in ["one", "two"] {
        ws.config_in(clone, &format!("[cache]\ndir = \"../store\"\n{}", slow(&format!("../go-{clone}"))));
        ws.write(&format!("{clone}/input"), clone);
    }
    let builds = ["one", "two"].map(|clone| background(&ws, clone, &["build"], clone));
    ws.wait_until("both run", || tally(&ws).lines().count() == 2);
    ws.write("go-one", "");
    let [one, two] = builds;
    assert_eq!(one.finish(PATIENCE).status, Some(0));
    for arguments in
        [&["gc"][..], &["gc", "--maxage", "1h"], &["stats"], &["verify"], &["verify", "--repair"], &["list"]]
    {
        ws.run(ws.command("one").args(arguments)).succeeds().does_not_say("warning");
    }
    ws.write("go-two", "");
    let ended = two.finish(PATIENCE);
    assert!(ended.status == Some(0) && !ended.output.contains("warning"), "{}", ended.output);
    ws.newly_tallied();
    for clone in ["one", "two"] {
        ws.remove(&format!("{clone}/out"));
        ws.run(ws.command(clone).arg("build")).ran([]).restored(1);
    }
}
