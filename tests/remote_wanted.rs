//! `download = "wanted"`: outputs that nothing here needs stay on the remote, and whatever is needed comes.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::sandbox::sharing::{self, bucket};
use crate::sandbox::{Chance, Run, Sandbox, number};

const CONFIG: &str = r#"
    [remote]
    url = "$CACHE"
    write = "$CACHE_WRITE"
    download = "wanted"

    [task.gen]
    command = "@ran(gen); mkdir -p gen/deep; tr a-z A-Z < src/a > gen/a; cat src/a src/a > gen/deep/b"
    inputs = ["src/a"]
    outputs = ["gen/"]

    [task.mid]
    command = "@ran(mid); cat gen/a gen/deep/* > mid"
    inputs = ["gen/**"]
    outputs = ["mid"]

    [task.app]
    command = "@ran(app); cat mid src/b > app"
    inputs = ["mid", "src/b"]
    outputs = ["app"]

    [task.other]
    command = "@ran(other); cat src/c > other"
    inputs = ["src/c"]
    outputs = ["other"]
"#;

/// Two clones of `config`, of which the first has built and shared everything.
fn shared(config: &str) -> Sandbox {
    let ws = sharing::clones(&["one", "two"], config, &["src/a", "src/b", "src/c"]);
    let run = ws.run(command(&ws, "one").env("CACHE_WRITE", "true")).succeeds();
    assert_eq!(run.stderr, "");
    ws
}

fn command(ws: &Sandbox, clone: &str) -> Command {
    sharing::command(ws, clone, &bucket(ws), &["build"])
}

fn build(ws: &Sandbox) -> Run {
    ws.run(&mut command(ws, "two"))
}

fn everything(ws: &Sandbox) -> Run {
    ws.run(command(ws, "two").env("PERCACHE_REMOTE_DOWNLOAD", "all"))
}

/// Returns the files that the second clone has besides its sources.
fn made(ws: &Sandbox) -> Vec<String> {
    let found = ws.shell("cd two && find . -name .percache -prune -o -type f -print | sort");
    let is_made = |path: &&str| !path.starts_with("./src") && *path != "./percache.toml";
    found.lines().filter(is_made).map(|path| path.trim_start_matches("./").to_owned()).collect()
}

/// Builds the second clone whole, and compares it with a build of the same sources that has neither store nor remote.
fn equals_clean(ws: &Sandbox) {
    everything(ws).succeeds();
    ws.shell("rm -rf clean && mkdir clean && cp -r two/src two/percache.toml clean");
    ws.run(ws.command("clean").args(["build", "--no-remote", "--no-cache"])).succeeds();
    let diff = ws.shell("diff -r -x .percache two clean && echo equal");
    assert_eq!(diff.trim(), "equal");
}

#[test]
fn what_nothing_needs_stays_there() {
    let ws = shared(CONFIG);
    let run = build(&ws).ran([]).restored(2);
    assert_eq!((run.count("left on the remote"), run.stderr.as_str()), (2, ""), "{}", run.output());
    assert_eq!(made(&ws), ["app", "other"]);
    equals_clean(&ws);
}

#[test]
fn a_build_with_nothing_to_do_asks_nobody() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    for _ in 0..3 {
        let run = ws.run(command(&ws, "two").env("CACHE", &url)).ran([]);
        assert_eq!(run.stderr, "");
    }
    ws.run(command(&ws, "two").env("CACHE", &url)).ran([]).up_to_date(4);
    // Nor does one in which something else has changed.
    ws.write("two/src/c", "new\n");
    let run = ws.run(command(&ws, "two").env("CACHE", &url).arg("other").arg("--no-remote")).ran(["other"]);
    assert_eq!(run.stderr, "");
    assert!(listener.accept().is_err(), "a connection was made");
}

#[test]
fn a_command_that_runs_finds_everything_that_it_depends_on() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    ws.write("two/src/b", "new\n");
    let dry = ws.run(command(&ws, "two").arg("-n")).ran([]);
    assert_eq!((dry.count("would be restored"), dry.count("would run")), (2, 1), "{}", dry.output());
    assert_eq!(made(&ws), ["app", "other"]);
    build(&ws).ran(["app"]).restored(2);
    assert_eq!(ws.read("two/app"), "A\na\na\nnew\n");
    assert_eq!(made(&ws), ["app", "gen/a", "gen/deep/b", "mid", "other"]);
    build(&ws).ran([]);
    equals_clean(&ws);
}

#[test]
fn a_task_that_is_named_is_wanted() {
    let ws = shared(CONFIG);
    let run = ws.run(command(&ws, "two").arg("mid")).ran([]).restored(1);
    assert_eq!(run.count("left on the remote"), 1, "{}", run.output());
    assert_eq!(made(&ws), ["mid"]);
    ws.run(command(&ws, "two").arg("gen")).ran([]).restored(1);
    assert_eq!(made(&ws), ["gen/a", "gen/deep/b", "mid"]);
    equals_clean(&ws);
}

#[test]
fn what_was_left_comes_when_all_is_wanted_or_the_key_is_gone() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    everything(&ws).ran([]).restored(2);
    assert_eq!(made(&ws).len(), 5);
    ws.shell("cd two && rm -rf .percache gen mid app other");
    build(&ws).ran([]).restored(2);
    ws.edit("two/percache.toml", "    download = \"wanted\"\n", "");
    build(&ws).ran([]).restored(2);
    assert_eq!(made(&ws).len(), 5);
    // What is here stays and is kept right.
    ws.config_in("two", CONFIG);
    ws.remove("two/mid");
    build(&ws).ran([]).restored(1);
    assert_eq!(made(&ws).len(), 5);
}

/// What the tree has, the store has, too: otherwise nobody could tell an edited output from one that is held.
#[test]
fn the_store_has_what_the_tree_has() {
    let ws = shared(CONFIG);
    everything(&ws).ran([]).restored(4);
    ws.run(ws.command("two").args(["gc", "--maxage", "0s"])).succeeds();
    build(&ws).ran([]);
    assert_eq!(ws.run(ws.command("two").arg("list")).stdout.matches("built").count(), 4);
    ws.shell("cd two && rm -rf gen mid");
    build(&ws).ran([]).restored(2);
}

#[test]
fn what_the_remote_has_lost_meanwhile_is_made_again() {
    for lost in
        ["find ../bucket -type f -delete", "rm -rf ../bucket", "find ../bucket -type f -exec truncate -s 1 {} +"]
    {
        let ws = shared(CONFIG);
        build(&ws).ran([]).restored(2);
        ws.shell(lost);
        ws.write("two/src/b", "new\n");
        build(&ws).ran(["app", "gen", "mid"]);
        assert_eq!(ws.read("two/app"), "A\na\na\nnew\n");
        build(&ws).ran([]);
        equals_clean(&ws);
    }
}

#[test]
fn without_the_remote_the_rest_is_made_here_when_it_is_needed() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    ws.run(command(&ws, "two").arg("--no-remote")).ran([]);
    ws.write("two/src/b", "new\n");
    ws.run(command(&ws, "two").arg("--no-remote")).ran(["app", "gen", "mid"]);
    equals_clean(&ws);
}

/// One that fails in the middle of a build, too.
#[test]
fn a_remote_that_is_down_by_then_costs_the_runs_and_no_more() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["redis", "grpc"] {
        let ws = shared(CONFIG);
        build(&ws).ran([]).restored(2);
        ws.write("two/src/b", "new\n");
        ws.run(command(&ws, "two").env("CACHE", format!("{scheme}://{closed}"))).ran(["app", "gen", "mid"]);
        equals_clean(&ws);
    }
}

#[test]
fn a_file_in_the_place_of_an_output_gives_way() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    ws.write("two/gen/a", "mine\n");
    let run = build(&ws).ran([]).restored(1);
    assert!(run.stdout.contains("moved `gen/a` aside"), "{}", run.output());
    assert_eq!(made(&ws), ["app", "gen/a", "gen/deep/b", "other"]);
    equals_clean(&ws);
}

#[test]
fn list_and_why_say_where_the_outputs_are() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    let list = ws.run(ws.command("two").arg("list")).succeeds();
    assert_eq!(list.stdout.matches("on remote").count(), 2, "{}", list.output());
    let why = ws.run(ws.command("two").args(["why", "gen"])).succeeds();
    assert!(why.stdout.contains("which were left on the remote"), "{}", why.output());
    let log = ws.run(ws.command("two").args(["log", "gen"]));
    assert!(log.status == 1 && log.stderr.contains("was left on the remote"), "{}", log.output());
    let why = ws.run(ws.command("two").args(["why", "gen", "--json"])).succeeds();
    assert!(why.stdout.contains("\"on_remote\""), "{}", why.output());
    let why = ws.run(ws.command("two").args(["why", "app"])).succeeds();
    assert!(why.stdout.contains("is up to date"), "{}", why.output());
    ws.write("two/src/b", "new\n");
    let why = ws.run(ws.command("two").args(["why", "app"])).succeeds();
    assert!(why.stdout.contains("src/b changed"), "{}", why.output());
    assert_eq!(made(&ws), ["app", "other"]);
}

#[test]
fn a_dependency_that_fails_to_be_made_again_fails_the_build() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    ws.shell("rm -rf ../bucket");
    ws.write("two/src/b", "new\n");
    ws.shell("cd two && mkdir -p trap && printf '#!/bin/sh\\nexit 3\\n' > trap/tr && chmod +x trap/tr");
    let path = format!("{}:{}", ws.path("two/trap").display(), std::env::var("PATH").unwrap());
    let run = ws.run(command(&ws, "two").env("PATH", path).arg("-k"));
    assert_eq!(run.status, 1, "{}", run.output());
    assert!(run.stdout.contains("1 failed") && run.stdout.contains("skipped"), "{}", run.output());
    assert_eq!(ws.read("two/app"), "A\na\na\nb\n", "it is as it was");
    ws.remove("two/trap");
    build(&ws).succeeds();
    assert_eq!(ws.read("two/app"), "A\na\na\nnew\n");
    equals_clean(&ws);
}

/// To accept a file as an output, nobody has to see the inputs.
#[test]
fn an_output_is_accepted_without_what_was_left() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    ws.write("two/src/b", "new\n");
    ws.write("two/app", "from elsewhere\n");
    ws.run(ws.command("two").args(["accept", "app", "--yes"])).succeeds();
    assert_eq!(made(&ws), ["app", "other"]);
    build(&ws).ran([]);
    assert_eq!(ws.read("two/app"), "from elsewhere\n");
}

/// A worktree keeps nothing of a task that is gone, and takes nobody's file for an output that was left.
#[test]
fn what_was_left_belongs_to_nobody_here() {
    let ws = shared(CONFIG);
    build(&ws).ran([]).restored(2);
    ws.write("two/mid", "A\na\na\n");
    ws.run(ws.command("two").args(["clean", "mid"]));
    assert_eq!(ws.read("two/mid"), "A\na\na\n", "it was never percache's");
    ws.remove("two/mid");
    ws.edit("two/percache.toml", "[task.mid]", "[task.middle]");
    build(&ws).ran([]);
    ws.write("two/mid", "mine\n");
    for (old, new) in [
        ("outputs = [\"mid\"]", "outputs = [\"middle\"]"),
        ("> mid\"", "> middle\""),
        ("inputs = [\"mid\",", "inputs = [\"middle\","),
        ("cat mid src/b", "cat middle src/b"),
    ] {
        ws.edit("two/percache.toml", old, new);
    }
    build(&ws).ran(["app", "mid"]);
    assert_eq!(ws.read("two/mid"), "mine\n");
}

#[test]
fn a_value_that_is_none_is_an_error() {
    let ws = Sandbox::new("[remote]\ndownload = 'some'\n[task.t]\ncommand = '@ran(t)'\n");
    let run = ws.run(ws.command(".").arg("build")).reported([]);
    assert_eq!(run.status, 2, "{}", run.output());
    assert!(run.stderr.contains("percache.toml:2:") && run.stderr.contains("\"wanted\""), "{}", run.output());
    let ws = Sandbox::new("[task.t]\ncommand = '@ran(t)'\n");
    let run = ws.run(ws.command(".").arg("build").env("PERCACHE_REMOTE_DOWNLOAD", "some")).reported([]);
    assert!(run.stderr.contains("`some` is neither `all` nor `wanted`"), "{}", run.output());
}

/// Edits in a clone that takes only what it wants, of a project that another clone shares, while the remote loses
/// things: what is wanted is right after every build, and in the end everything is.
#[test]
fn whatever_happens_what_is_wanted_is_right() {
    let mut chance = Chance::from_env("PERCACHE_REMOTE_SEED");
    let ws = shared(CONFIG);
    for round in 0..number("PERCACHE_REMOTE_ROUNDS").unwrap_or(30) {
        let name = ["a", "b", "c"][chance.below(3) as usize];
        let text = format!("{}\n", chance.below(4));
        ws.write(&format!("two/src/{name}"), &text);
        if chance.one_in(2) {
            ws.write(&format!("one/src/{name}"), &text);
            ws.run(command(&ws, "one").env("CACHE_WRITE", "true")).succeeds();
        }
        if chance.one_in(3) {
            lose_some(&ws, &mut chance);
        }
        match chance.below(8) {
            0 => ws.shell("cd two && rm -rf .percache gen mid app other"),
            1 => ws.shell("cd two && rm -rf gen mid"),
            2 => ws.shell("cd two && rm -rf app"),
            _ => String::new(),
        };
        let mut command = command(&ws, "two");
        match chance.below(6) {
            0 => drop(command.arg("--no-remote")),
            1 => drop(command.env("PERCACHE_REMOTE_DOWNLOAD", "all")),
            2 => drop(command.args(["mid", "app", "other"])),
            _ => {}
        }
        let run = ws.run(&mut command).succeeds();
        let [a, b, c] = ["a", "b", "c"].map(|name| ws.read(&format!("two/src/{name}")));
        let (upper, double) = (a.to_uppercase(), format!("{a}{a}"));
        let mid = format!("{upper}{double}");
        let right =
            [("app", format!("{mid}{b}")), ("other", c), ("mid", mid), ("gen/a", upper), ("gen/deep/b", double)];
        for (at, (name, right)) in right.into_iter().enumerate() {
            let path = format!("two/{name}");
            // What is not wanted may be missing, and is never wrong.
            if at < 2 || ws.exists(&path) {
                assert_eq!(ws.read(&path), right, "round {round}: {}", run.output());
            }
        }
    }
    equals_clean(&ws);
}

fn lose_some(ws: &Sandbox, chance: &mut Chance) {
    let objects = ws.shell("find ../bucket -type f | sort");
    for object in objects.lines().filter(|_| chance.one_in(4)) {
        fs::remove_file(ws.path(object)).unwrap();
    }
}
