//! `percache export` and `percache import`: results move between stores in a file, and nothing that is wrong with the
//! file breaks anything. `PERCACHE_DIR` names the store.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::sandbox::sharing::{self, TASKS};
use crate::sandbox::{Run, Sandbox};

/// Clones without a store.
fn clones(names: &[&str]) -> Sandbox {
    sharing::clones(names, TASKS, &["src/a.txt", "src/b.txt", "src/c.txt", "include/h"])
}

fn percache(ws: &Sandbox, clone: &str, arguments: &[&str]) -> Run {
    ws.run(ws.command(clone).args(arguments))
}

fn file(ws: &Sandbox) -> String {
    ws.outside("results").display().to_string()
}

#[test]
fn another_machine_runs_nothing_that_was_exported() {
    let ws = clones(&["one", "two"]);
    let file = file(&ws);
    percache(&ws, "one", &["build"]).ran(["a", "b", "c", "join"]);
    percache(&ws, "one", &["export", &file]).succeeds().says(["exported 4 results"]);
    percache(&ws, "two", &["import", &file]).succeeds().says(["imported 4 results"]);
    percache(&ws, "two", &["build"]).ran([]).restored(4);
    assert_eq!(ws.read("two/joined"), "a\nh\nb\nh\nc\nh\n");
    ws.shell("cd two && test -x tool && test -L link && test ! -x joined");
    percache(&ws, "two", &["why", "join"]).succeeds().says(["imported from", "results"]);
    // What is here already is not taken twice, and what was discovered counts.
    percache(&ws, "two", &["import", &file]).succeeds().says(["imported 0 results", "4 here already"]);
    percache(&ws, "two", &["verify"]).succeeds();
    ws.write("two/include/h", "H\n");
    percache(&ws, "two", &["build"]).ran(["a", "b", "c", "join"]);
}

#[test]
fn shards_are_merged() {
    let ws = clones(&["one", "two", "three"]);
    let files = ["1", "2"].map(|name| ws.outside(name).display().to_string());
    percache(&ws, "one", &["build", "each[src/a.txt]"]).ran(["a"]);
    percache(&ws, "two", &["build", "each[src/b.txt]", "each[src/c.txt]"]).ran(["b", "c"]);
    percache(&ws, "one", &["export", &files[0]]).succeeds();
    // Named tasks alone.
    percache(&ws, "two", &["export", &files[1], "each[src/b.txt]"]).says(["exported 1 result "]);
    percache(&ws, "three", &["import", &files[0], &files[1]]).succeeds();
    percache(&ws, "three", &["build"]).ran(["c", "join"]).restored(2);
}

#[test]
fn what_was_not_used_of_late_is_left_out() {
    let ws = clones(&["one"]);
    percache(&ws, "one", &["build", "each"]).ran(["a", "b", "c"]);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    ws.shell("cd one && touch -d '1 hour ago' .percache/worktrees/*/journal");
    percache(&ws, "one", &["build", "join"]).ran(["join"]);
    let file = file(&ws);
    percache(&ws, "one", &["export", &file, "--maxage", "0"]).says(["exported 0 results"]);
    percache(&ws, "one", &["export", &file, "--maxage", "1d"]).says(["exported 4 results"]);
    percache(&ws, "one", &["export", &file, "--maxage", "yesterday"]).exits(2);
}

#[test]
fn a_pipe_does_as_well_as_a_file() {
    let ws = clones(&["one", "two"]);
    percache(&ws, "one", &["build"]).ran(["a", "b", "c", "join"]);
    let exported = ws.command("one").args(["export", "-"]).output().unwrap();
    assert!(exported.status.success());
    let mut import = ws.command("two");
    let mut import = import.args(["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(&exported.stdout).unwrap();
    assert!(import.wait().unwrap().success());
    percache(&ws, "two", &["build"]).ran([]).restored(4);
}

#[test]
fn a_file_that_is_cut_or_damaged_gives_what_is_whole_and_says_so() {
    let ws = clones(&["one", "two"]);
    let file = file(&ws);
    percache(&ws, "one", &["build"]).ran(["a", "b", "c", "join"]);
    percache(&ws, "one", &["export", &file]).succeeds();
    let sound = std::fs::read(&file).unwrap();
    for cut in [0, 10, sound.len() / 3, sound.len() / 2, sound.len() - 1] {
        ws.shell("cd two && rm -rf .percache out joined link tool *.d");
        std::fs::write(&file, &sound[..cut]).unwrap();
        let run = percache(&ws, "two", &["import", &file]).exits(1);
        assert!(run.stderr.contains("warning:") && run.stderr.contains("hint:"), "{}", run.output());
        percache(&ws, "two", &["verify"]).succeeds();
        percache(&ws, "two", &["build"]).succeeds();
        assert_eq!(ws.read("two/joined"), "a\nh\nb\nh\nc\nh\n");
    }
    for at in (0..sound.len()).step_by(sound.len() / 16) {
        ws.shell("cd two && rm -rf .percache out joined link tool *.d");
        let mut flipped = sound.clone();
        flipped[at] ^= 4;
        std::fs::write(&file, &flipped).unwrap();
        percache(&ws, "two", &["import", &file]);
        percache(&ws, "two", &["verify"]).succeeds();
        percache(&ws, "two", &["build"]).succeeds();
        assert_eq!(ws.read("two/joined"), "a\nh\nb\nh\nc\nh\n", "flipped at {at}");
    }
}

#[test]
fn other_files_are_refused_with_advice() {
    let ws = clones(&["one"]);
    ws.write("one/README", "not at all\n");
    let run = percache(&ws, "one", &["import", "README"]).exits(1);
    assert!(run.stderr.contains("it is no file of exported results"), "{}", run.output());
    let run = percache(&ws, "one", &["import", "nowhere"]).exits(2);
    assert!(run.stderr.contains("`nowhere` cannot be read") && run.stderr.contains("hint:"), "{}", run.output());
    let run = percache(&ws, "one", &["export", "no/such/directory"]).exits(1);
    assert!(run.stderr.contains("cannot be written"), "{}", run.output());
    percache(&ws, "one", &["export", "file", "nosuch"]).exits(2);
    assert!(!ws.exists("one/file"), "a file was left");
}

#[test]
fn only_signed_results_are_taken_where_signers_are_named() {
    let ws = clones(&["one", "two"]);
    let file = file(&ws);
    let keys = percache(&ws, "one", &["remote", "key"]).succeeds().stdout;
    let half = |name: &str| keys.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    percache(&ws, "one", &["build"]).ran(["a", "b", "c", "join"]);
    let import = || {
        let mut import = ws.command("two");
        import.args(["import", &file]).env("PERCACHE_REMOTE_TRUST", half("public:"));
        ws.run(&mut import)
    };
    percache(&ws, "one", &["export", &file]).succeeds();
    let run = import().exits(1);
    assert!(run.stderr.contains("it is not signed") && run.stdout.contains("imported 0 results"), "{}", run.output());
    let mut export = ws.command("one");
    ws.run(export.args(["export", &file]).env("PERCACHE_REMOTE_SIGN_WITH", half("secret:"))).succeeds();
    import().succeeds();
    percache(&ws, "two", &["build"]).ran([]).restored(4);
}

#[test]
fn results_that_are_tied_to_a_directory_are_taken_in_that_directory_alone() {
    let ws = Sandbox::empty();
    let config = "[task.t]\ncommand = '@ran(t); pwd > out'\noutputs = ['out']\ninputs = []\n";
    ["one", "two"].iter().for_each(|clone| ws.config_in(clone, config));
    let file = file(&ws);
    percache(&ws, "one", &["build"]).ran(["t"]);
    percache(&ws, "one", &["export", &file]).succeeds();
    percache(&ws, "two", &["import", &file]).succeeds().says(["1 tied to another directory"]);
    percache(&ws, "two", &["build"]).ran(["t"]);
    ws.shell("cd one && rm -rf .percache out");
    percache(&ws, "one", &["import", &file]).succeeds().says(["imported 1 result "]);
    percache(&ws, "one", &["build"]).ran([]).restored(1);
}

#[test]
fn a_variable_names_the_store() {
    let ws = clones(&["one", "two"]);
    let at = |clone: &str, store: &str, arguments: &[&str]| {
        let mut command: Command = ws.command(clone);
        ws.run(command.args(arguments).env("PERCACHE_DIR", store))
    };
    let shared = ws.outside("shared").display().to_string();
    at("one", &shared, &["build"]).ran(["a", "b", "c", "join"]);
    assert!(!ws.exists("one/.percache"), "the usual store was made");
    at("two", &shared, &["build"]).ran([]).restored(4);
    at("two", &shared, &["build"]).ran([]).up_to_date(4);
    at("two", &shared, &["stats"]).says([&shared]);
    // In the workspace, relative to the current directory: it is no input of anything.
    ws.config_in("one", "[task.all]\ncommand = '@ran(all)'\n");
    at("one", "cache/mine", &["build"]).ran(["all"]);
    assert!(ws.exists("one/cache/mine/format"), "{}", ws.shell("find one"));
    at("one", "cache/mine", &["build", "all"]).ran([]).up_to_date(1);
    // An empty one is none.
    at("one", "", &["build", "all"]).ran(["all"]);
    assert!(ws.exists("one/.percache"));
}
