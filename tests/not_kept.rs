//! `store = false`: results that have digests of outputs and not their contents.

use std::time::Duration;

use crate::sandbox::Sandbox;

const INSTALL: &str = r#"
[task.install]
command = "mkdir -p modules/empty modules/sub && cp lock modules/a && echo b > modules/sub/b && ln -s a modules/link && echo installed && @ran(install)"
inputs = ["lock"]
outputs = ["modules/"]
store = false
[task.build]
command = "cat src modules/a > out && @ran(build)"
inputs = ["src"]
outputs = ["out"]
deps = ["install"]
"#;

fn unbuilt() -> Sandbox {
    let ws = Sandbox::new(INSTALL);
    ws.write("lock", "1\n");
    ws.write("src", "s\n");
    ws
}

fn built() -> Sandbox {
    let ws = unbuilt();
    ws.build([]).reported(["build", "install"]);
    ws
}

/// Lets everything become old enough to be known by its stamp.
fn pause() {
    std::thread::sleep(Duration::from_millis(25));
}

#[test]
fn it_is_up_to_date_while_its_outputs_lie_there() {
    let ws = built();
    pause();
    for _ in 0..2 {
        ws.build([]).ran([]).up_to_date(2);
    }
    ws.touch("modules/a");
    ws.build([]).ran([]).up_to_date(2);
    ws.write("src", "t\n");
    ws.build([]).ran(["build"]).up_to_date(1);
    // Without a journal, the store's record tells.
    ws.shell("rm .percache/worktrees/*/journal");
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn nothing_is_read_to_find_out_that_its_outputs_lie_there() {
    let ws = built();
    pause();
    ws.build([]).up_to_date(2);
    let traced = ws.outside("trace");
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-e", "trace=openat,open", "-o"]).arg(&traced).arg(crate::sandbox::PERCACHE).arg("build");
    command.current_dir(ws.root()).env_clear();
    ws.environment(&mut command);
    if command.output().is_err() {
        return; // no strace here
    }
    let opened = std::fs::read_to_string(&traced).unwrap_or_default();
    assert!(!opened.contains("modules/a"), "{opened}");
}

#[test]
fn it_runs_again_when_one_is_gone_or_edited_and_why_says_so() {
    let ws = built();
    ws.remove("modules/sub/b");
    let gone = "its output modules/sub/b is gone, and the store does not keep it";
    ws.percache(["why", "install"]).succeeds().says([gone]);
    ws.build(["-n"]).succeeds().says([gone, "may run       build"]);
    // The outputs come out the same, so nothing else runs.
    ws.build(["--explain"]).reported(["install"]).up_to_date(1).says([gone]).does_not_say("warning");
    ws.percache(["why", "install"]).succeeds().says(["why it ran the last time: its output modules/sub/b is gone"]);

    ws.write("modules/a", "mine\n");
    let changed = "its output modules/a has changed, and the store does not keep it";
    ws.build(["--explain"]).reported(["install"]).up_to_date(1).says([changed, "moved `modules/a` aside"]);
    assert_eq!(ws.read("modules/a"), "1\n");
    ws.percache(["displaced", "restore", "modules/a", "--to", "saved"]).succeeds();
    assert_eq!(ws.read("saved/modules/a"), "mine\n");
}

#[test]
fn what_the_record_itself_has_is_restored() {
    let ws = built();
    ws.remove("modules/link");
    ws.remove("modules/empty");
    ws.build([]).ran([]).restored(1).up_to_date(1);
    assert!(ws.exists("modules/link") && ws.exists("modules/empty"));
    assert_eq!(ws.read("modules/link"), "1\n");
}

#[test]
fn clean_says_that_it_has_to_run_again() {
    let ws = built();
    let said = "the store does not keep the outputs of `install`: the next build runs what makes them";
    ws.percache(["clean", "-n"]).succeeds().says([said]);
    ws.percache(["clean", "build"]).succeeds().does_not_say(said);
    ws.percache(["clean"]).succeeds().says(["removed 3 outputs", said]);
    ws.build([]).reported(["install"]).restored(1);
    ws.build([]).ran([]).up_to_date(2);
}

/// Going back to an earlier state takes a run, and what depends on it is restored.
#[test]
fn earlier_results_are_of_no_use_and_do_no_harm() {
    let ws = built();
    ws.write("lock", "2\n");
    ws.build([]).reported(["build", "install"]);
    assert_eq!(ws.read("out"), "s\n2\n");
    ws.write("lock", "1\n");
    ws.build([]).reported(["install"]).restored(1);
    assert_eq!(ws.read("out"), "s\n1\n");
}

#[test]
fn the_store_has_its_record_and_log_and_none_of_its_contents() {
    let ws = unbuilt();
    ws.edit_config("cp lock modules/a", "cp lock modules/a && head -c 300000 /dev/urandom > modules/large");
    ws.build(["install"]).reported(["install"]);
    let stats = ws.percache(["stats", "--json"]).succeeds().output();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((stats["results"].as_u64(), stats["blobs"].as_u64()), (Some(1), Some(1)), "{stats}");
    assert!(stats["stored_bytes"].as_u64().unwrap() < 1000, "{stats}");
    ws.percache(["log", "install"]).succeeds().says(["installed"]);
    ws.percache(["verify"]).succeeds().says(["1 result and 1 blob: all whole"]);
    // It takes no room, so it does not go to make room; that it is old is another matter.
    ws.percache(["gc", "--maxsize", "0"]).succeeds().says(["removed 0 results"]);
    ws.build(["install"]).ran([]).up_to_date(1);
    ws.percache(["gc", "--maxage", "0"]).succeeds().says(["removed 1 result"]);
    ws.build(["install", "--explain"]).reported(["install"]).says(["its result is not in the store"]);
    ws.percache(["list", "--json"]).succeeds().says(["300"]);
}

#[test]
fn another_worktree_runs_it_for_itself() {
    let ws = unbuilt();
    ws.shell("git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm 1");
    ws.build([]).reported(["build", "install"]);
    ws.shell("git worktree add -q ../second");
    let second = ws.outside("second");
    let mut elsewhere = ws.command("");
    let run = ws.run(elsewhere.current_dir(&second).args(["build", "--explain"]));
    run.reported(["install"]).restored(1).says(["it never succeeded here"]).does_not_say("tied");
    // Neither has taken the other's place.
    let mut elsewhere = ws.command("");
    ws.run(elsewhere.current_dir(&second).args(["build"])).ran([]).up_to_date(2);
    ws.build([]).ran([]).up_to_date(2);
}

#[test]
fn checks_compare_what_it_does_with_the_record() {
    let ws = built();
    ws.build(["--check"]).reported(["build", "install"]).says(["checked    install"]);
    ws.build([]).ran([]).up_to_date(2);
    ws.remove("modules/a");
    ws.build([]).reported(["install"]);
    ws.edit_config("cp lock modules/a", "cat lock >> count && cp count modules/a");
    ws.build([]).reported(["install"]);
    ws.build(["--check", "install"]).fails().says(["unstable"]);
}

/// The contents are kept from the next run on, and no longer when they are not to be.
#[test]
fn it_can_be_changed_at_any_time() {
    let ws = built();
    ws.edit_config("store = false\n", "");
    ws.build([]).ran([]).up_to_date(2);
    ws.build(["-f", "install"]).reported(["install"]);
    ws.remove("modules");
    ws.build([]).ran([]).restored(1).up_to_date(1);
    ws.edit_config("outputs = [\"modules/\"]\n", "outputs = [\"modules/\"]\nstore = false\n");
    ws.build([]).ran([]).up_to_date(2);
    ws.write("lock", "3\n");
    ws.build([]).reported(["build", "install"]);
    ws.remove("modules/a");
    ws.build([]).reported(["install"]).up_to_date(1);
}

/// A run that fails takes the old outputs away, as that of any task does, and what somebody wrote is not lost.
#[test]
fn a_failed_run_loses_nothing_of_the_user() {
    let ws = built();
    ws.write("modules/sub/b", "mine\n");
    ws.edit_config("cp lock modules/a", "cp lock modules/a && test ! -e bad");
    ws.write("bad", "");
    ws.build([]).fails().says(["moved `modules/sub/b` aside"]);
    ws.percache(["displaced"]).succeeds().says(["modules/sub/b"]);
    ws.remove("bad");
    ws.build([]).reported(["install"]);
    assert_eq!(ws.read("modules/sub/b"), "b\n");
}

/// A tool of another task keeps a cache among what is installed. Installing leaves it alone, as `npm install` does.
const CACHED: &str = r#"
[task.install]
command = "mkdir -p modules/a && cp lock modules/a/v && @ran(install)"
inputs = ["lock"]
outputs = ["modules/", EXCLUSION]
store = false
[task.lint]
command = "mkdir -p modules/.cache/lint && cat src >> modules/.cache/lint/seen && cat modules/a/v > out && @ran(lint)"
inputs = ["src"]
outputs = ["out"]
deps = ["install"]
"#;

#[test]
fn a_cache_that_others_keep_in_it_can_be_excluded() {
    for exclusion in ["!modules/.cache/", "!modules/.cache/**", "!modules/.cache", "!**/.cache/**"] {
        let ws = Sandbox::new(&CACHED.replace("EXCLUSION", &format!("{exclusion:?}")));
        ws.write("lock", "1\n");
        ws.write("src", "s\n");
        // The directory of what is installed gets a new entry while `lint` runs.
        ws.build([]).reported(["install", "lint"]).does_not_say("warning");
        ws.build([]).ran([]).up_to_date(2);
        ws.write("src", "t\n");
        ws.build([]).reported(["lint"]).up_to_date(1).does_not_say("warning");
        ws.write("lock", "2\n");
        ws.build([]).reported(["install", "lint"]).does_not_say("warning");
        assert_eq!(ws.read("modules/.cache/lint/seen"), "s\nt\nt\n", "{exclusion}");
        ws.build([]).ran([]).up_to_date(2);
        ws.remove("modules/.cache");
        ws.build([]).ran([]).up_to_date(2);
        ws.write("modules/.cache/other", "");
        ws.build([]).ran([]).up_to_date(2);
        ws.percache(["clean"]).succeeds();
        assert_eq!((ws.exists("modules/.cache/other"), ws.exists("modules/a")), (true, false), "{exclusion}");
    }
}

#[test]
fn who_writes_to_an_output_of_a_dependency_learns_what_to_exclude() {
    let hint = |ws: &Sandbox, pattern: &str| {
        let hint = format!("if the task itself does, add \"{pattern}\" to the `outputs` of `install`");
        ws.build([]).says(["`lint` is not stored: ", "while it ran", &hint]);
    };
    let with = |made: &str, written: &str| {
        let ws = Sandbox::new(&CACHED.replace(", EXCLUSION", ""));
        let made = format!("mkdir -p $(dirname modules/{made}) && echo 1 > modules/{made} && @ran(install)");
        ws.edit_config("cp lock modules/a/v && @ran(install)", &format!("cp lock modules/a/v && {made}"));
        ws.edit_config("modules/.cache/lint/seen", &format!("modules/{written}"));
        ws.write("lock", "1\n");
        ws.write("src", "s\n");
        ws
    };
    hint(&with(".cache/x/y", ".cache/x/y"), "!modules/.cache/");
    hint(&with("lib/p/__pycache__/x", "lib/p/__pycache__/x"), "!modules/**/__pycache__/");
    hint(&with("a/w", "a/w"), "!modules/a/w");
    // In a member, the pattern is relative to it.
    let ws = Sandbox::new("[workspace]\nmembers = [\"web\"]\n");
    let config =
        CACHED.replace(", EXCLUSION", "").replace("@ran(install)", "mkdir modules/.cache && touch modules/.cache/x");
    ws.config_in("web", &config.replace(".cache/lint/seen", ".cache/x"));
    ws.write("web/lock", "1\n");
    ws.write("web/src", "s\n");
    ws.build([]).says(["add \"!modules/.cache/\" to the `outputs` of `web:install`"]);
}
