//! Ownership: percache removes and replaces only what it holds. What is somebody's own is never lost, whatever lies beside it; and what is
//! of unknown origin gets into no result.

mod remembered;
mod unknown_origin;

use std::fs;

use crate::sandbox::Sandbox;

/// A task whose outputs are a directory that is somebody's own, too.
const DOCS: &str = r#"
    [task.docs]
    command = "@ran(docs); mkdir -p docs; cat in > docs/api.md"
    inputs = ["in"]
    outputs = ["docs/"]
"#;

/// A workspace with a note of somebody's own among the outputs.
fn with_a_note(config: &str) -> Sandbox {
    let ws = Sandbox::new(config);
    ws.write("in", "1\n");
    ws.write("docs/notes.md", "hours of work");
    ws
}

/// The paths that `percache displaced` lists.
fn displaced(ws: &Sandbox) -> Vec<String> {
    let listed: serde_json::Value =
        serde_json::from_str(&ws.percache(["displaced", "--json"]).succeeds().stdout).expect("JSON");
    let items = listed.as_array().expect("a list");
    items.iter().map(|item| item["path"].as_str().expect("a path").to_owned()).collect()
}

fn git(ws: &Sandbox, script: &str) {
    ws.shell(&format!("git config --global user.name n; git config --global user.email n@example.com; {script}"));
}

#[test]
fn an_edited_output_is_moved_aside_and_given_back_on_request() {
    let ws = with_a_note(DOCS);
    ws.remove("docs");
    ws.build([]).ran(["docs"]);
    ws.write("docs/api.md", "edited by hand");
    ws.build([]).ran([]).restored(1).says(["moved `docs/api.md` aside", "percache displaced"]);
    assert_eq!(ws.read("docs/api.md"), "1\n");
    assert_eq!(displaced(&ws), ["docs/api.md"]);
    ws.percache(["displaced"]).says(["docs/api.md", "14 B"]);
    ws.percache(["displaced", "restore", "docs/api.md"]).exits(1).says(["already", "--to"]);
    ws.percache(["displaced", "restore", "docs/nothing"]).exits(2).says(["`docs/nothing` was not moved aside"]);
    ws.percache(["displaced", "restore", "docs", "--to", "saved"]).succeeds();
    assert_eq!(ws.read("saved/docs/api.md"), "edited by hand");
    ws.percache(["displaced"]).says(["nothing was moved aside"]);
    // Before a run it is moved aside, too.
    ws.write("docs/api.md", "edited again");
    ws.write("in", "2\n");
    ws.build([]).ran(["docs"]).says(["moved `docs/api.md` aside"]);
    ws.remove("docs/api.md");
    ws.percache(["displaced", "restore", "docs/api.md"]).succeeds();
    assert_eq!(ws.read("docs/api.md"), "edited again");
}

#[test]
fn displaced_files_are_kept_for_maxage() {
    let ws = with_a_note(DOCS);
    ws.remove("docs");
    ws.build([]).ran(["docs"]);
    ws.write("docs/api.md", "edited by hand");
    ws.build([]).restored(1);
    ws.percache(["clear"]).succeeds().says(["kept 1 displaced file (14 B)"]);
    ws.percache(["gc", "--maxage", "1d"]).succeeds().does_not_say("removed 1 displaced");
    ws.percache(["gc", "--maxsize", "1"]).succeeds().says(["kept 1 displaced file (14 B)"]);
    ws.percache(["stats"]).says(["displaced          1 file (14 B)"]);
    assert_eq!(displaced(&ws), ["docs/api.md"]);
    ws.percache(["gc", "-n", "--maxage", "0"]).says(["would remove 1 displaced file"]);
    ws.percache(["gc", "--maxage", "0"]).says(["removed 1 displaced file"]);
    assert_eq!(displaced(&ws), [""; 0]);
}

/// What a failed run left is gone before the next one, and what was there before or came after it is not touched.
#[test]
fn what_a_failed_run_left_does_not_get_into_the_next_result() {
    let ws = with_a_note(DOCS);
    ws.remove("docs/notes.md");
    ws.edit_config("cat in >", "cat in >> docs/part.md; ls docs > list; grep -q ok in; cat in >");
    ws.build([]).fails();
    assert!(ws.exists("docs/part.md"));
    ws.write("in", "ok\n");
    ws.build([]).ran(["docs"]).says(["moved `docs/part.md` aside"]);
    assert_eq!((ws.read("docs/part.md"), ws.read("list")), ("ok\n".to_owned(), "part.md\n".to_owned()));
    assert_eq!(displaced(&ws), ["docs/part.md"]);
    let ws = with_a_note(DOCS);
    ws.edit_config("cat in >", "grep -q ok in; cat in >");
    ws.build([]).fails();
    ws.write("docs/later.md", "after the failure");
    ws.write("in", "ok\n");
    ws.build([]).ran(["docs"]).says(["`docs/later.md`, `docs/notes.md` were among its outputs"]);
    assert_eq!(ws.read("docs/notes.md"), "hours of work");
}

#[test]
fn a_file_that_comes_after_a_kill_is_somebodys_own() {
    let ws = with_a_note(DOCS);
    ws.remove("docs/notes.md");
    ws.edit_config("cat in >", "echo x > docs/half.md; test -e ../go || exec sleep 30; cat in >");
    let mut child = ws.command("").arg("build").spawn().expect("starting percache");
    ws.wait_until("the command has begun", || ws.exists("docs/half.md"));
    child.kill().expect("killing percache");
    child.wait().expect("waiting for percache");
    std::thread::sleep(std::time::Duration::from_millis(400));
    ws.write("docs/notes.md", "hours of work");
    ws.write("../go", "");
    ws.newly_tallied();
    ws.build([]).ran(["docs"]).says(["moved `docs/half.md` aside", "`docs/notes.md` was among its outputs"]);
    assert_eq!(ws.read("docs/notes.md"), "hours of work");
}

#[test]
fn the_file_that_is_in_the_place_of_a_directory_is_named() {
    let ws = Sandbox::new("[task.a]\ncommand = 'echo 1 > a/b/c'\ninputs = []\noutputs = ['a/b/c']\n");
    ws.write("a", "mine");
    ws.build([]).fails().reported([]).says(["`a` is not a directory", "move it away"]);
    assert_eq!(ws.read("a"), "mine");
}

#[test]
fn two_tasks_that_write_one_file_are_told_by_the_run() {
    let ws = Sandbox::new(
        r#"
        [task.scripts]
        command = "@ran(scripts); mkdir -p dist; echo 1 > dist/a.js"
        inputs = []
        outputs = ["**/*.js"]
        [task.assets]
        command = "@ran(assets); mkdir -p dist; echo 2 > dist/a.js; echo 3 > dist/b.css"
        inputs = []
        outputs = ["dist/*"]
        "#,
    );
    ws.build(["-k", "assets"]).fails().says(["`dist/a.js`", "`scripts`"]);
    ws.build(["-k", "scripts"]).fails().says(["`dist/a.js`", "`assets`"]);
    ws.percache(["stats"]).succeeds().says(["results            0"]);
}

#[test]
fn a_depfile_is_not_taken_for_the_commands_own() {
    let config = |command: &str| {
        format!("[task.a]\ncommand = \"@ran(a); {command}\"\ninputs = []\noutputs = [\"o\"]\ndepfile = \"deps.mk\"\n")
    };
    let ws = Sandbox::new(&config("echo > o; false"));
    ws.write("deps.mk", "by hand");
    ws.build([]).fails();
    assert_eq!(ws.read("deps.mk"), "by hand");
    ws.config(&config("echo > o"));
    ws.build([]).fails().says(["its depfile `deps.mk` was there before, and the command did not write it"]);
    assert_eq!(ws.read("deps.mk"), "by hand");
    ws.remove("deps.mk");
    ws.config(&config("echo > o; echo 'o:' > deps.mk; false"));
    ws.build([]).fails();
    assert!(!ws.exists("deps.mk"), "a clean tree does not have it");
}

#[test]
fn a_depfile_that_names_what_is_not_there_is_told_and_nothing_is_stored() {
    let ws = Sandbox::new(
        r#"
        [task.o]
        command = "@ran(o); cd src; echo 'o: a.c x.h' > ../out/a.d; cat a.c x.h > ../out/a.o"
        inputs = ["src/a.c"]
        outputs = ["out/a.o"]
        depfile = "out/a.d"
        "#,
    );
    ws.write("src/a.c", "a\n");
    ws.write("src/x.h", "x\n");
    ws.build([]).ran(["o"]).says(["`o` is not stored: its depfile names", "set `cwd`"]);
    ws.build([]).ran(["o"]);
}

#[test]
fn directories_that_percache_made_go_with_the_last_output_in_them() {
    let ws = Sandbox::new(
        r#"
        [task.copy]
        foreach = "src/**/*.txt"
        command = "@ran({name}); cp {file} out/{dir}/{name}"
        inputs = ["{file}"]
        outputs = ["out/{dir}/{name}"]
        "#,
    );
    ws.write("src/a/b/x.txt", "x");
    ws.write("src/c/y.txt", "y");
    fs::create_dir_all(ws.path("out/src/mine")).expect("creating a directory");
    ws.build([]).ran(["x.txt", "y.txt"]);
    ws.remove("src/a");
    ws.build([]).says(["removed `out/src/a/b/x.txt`"]);
    assert!(!ws.exists("out/src/a") && ws.exists("out/src/c/y.txt") && ws.exists("out/src/mine"));
    // Restored, they are percache's own as well.
    ws.remove("out");
    ws.build([]).restored(1);
    ws.remove("src/c");
    ws.build([]).says(["removed `out/src/c/y.txt`"]);
    assert!(!ws.exists("out"));
}

/// Directories hold nothing that could be lost, so it does not matter whether a run that failed had made them.
#[test]
fn directories_that_a_failed_run_left_go_with_the_task() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = 'mkdir -p out/t.dir/empty; ! grep -q no in'\ninputs = ['in']\noutputs = ['out/t.dir']\n",
    );
    ws.write("in", "yes\n");
    ws.build([]).succeeds();
    ws.write("in", "no\n");
    ws.build([]).fails();
    ws.write("in", "yes\n");
    ws.build([]).up_to_date(1);
    ws.config("");
    ws.build([]);
    assert!(!ws.exists("out"), "{:?}", ws.outputs());
}

#[test]
fn a_named_output_takes_the_place_of_a_directory_that_percache_made() {
    let ws = Sandbox::new("[task.a]\ncommand = \"echo 1 > out/m/g1\"\ninputs = []\noutputs = [\"out/m/g*\"]\n");
    ws.build([]).succeeds();
    ws.config("[task.a]\ncommand = \"echo 2 > out/m\"\ninputs = []\noutputs = [\"out/m\"]\n");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/m"), "2\n");
}

#[test]
fn a_clone_is_an_output_with_all_that_git_keeps() {
    let ws = Sandbox::new(
        "[task.fetch]\ncommand = \"@ran(fetch); git clone -q -b $(cat rev) ../up third/up\"\ninputs = [\"rev\"]\noutputs = [\"third/up/\"]\n",
    );
    git(
        &ws,
        "git init -q . ; git init -q ../up; cd ../up; echo 1 > f; git add .; git commit -qm 1; git tag v1; echo 2 > f; git commit -qam 2; git tag v2",
    );
    ws.write("rev", "v1\n");
    ws.build([]).ran(["fetch"]);
    ws.remove("third");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.shell("git -C third/up describe --tags"), "v1\n");
    ws.write("rev", "v2\n");
    ws.build([]).ran(["fetch"]);
    assert_eq!(ws.read("third/up/f"), "2\n");
    ws.write("rev", "v1\n");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.shell("git -C third/up describe --tags && git -C third/up status --short"), "v1\n");
}

/// A tool that keeps its state beside its outputs believes them to be there: what it left there is told.
#[test]
fn what_a_failed_run_wrote_where_git_does_not_look_is_told() {
    let ws = Sandbox::new(
        r#"
        [task.build]
        command = "@ran(build); echo done > state; echo log > notes; mkdir -p dist; echo 1 > dist/a; test -e ok"
        inputs = ["src"]
        outputs = ["dist"]
        "#,
    );
    ws.write("src", "x");
    ws.write(".gitignore", "dist\nstate\n");
    ws.write("old/state", "x");
    ws.build([]).fails().does_not_say("did not succeed");
    git(&ws, "git init -q .");
    std::thread::sleep(std::time::Duration::from_millis(30));
    ws.build([])
        .fails()
        .says(["`build` did not succeed, and while it ran `state` was written", "add \"state\" to `outputs`"]);
    ws.edit_config("[\"dist\"]", "[\"dist\", \"state\"]");
    ws.build([]).fails().does_not_say("did not succeed");
    ws.write("ok", "");
    ws.build([]).ran(["build"]);
}

#[test]
fn exec_displaces_and_gives_back() {
    let ws = Sandbox::empty();
    ws.write("in", "1\n");
    let exec = || ws.percache(["exec", "-i", "in", "-o", "out", "--", "sh", "-c", "cat in > out"]);
    exec().succeeds();
    ws.write("out", "edited by hand");
    exec().succeeds().says(["moved `out` aside", "percache displaced --exec"]);
    assert_eq!(ws.read("out"), "1\n");
    ws.percache(["displaced", "--exec"]).says([&ws.path("out").to_string_lossy()]);
    ws.remove("out");
    ws.percache(["displaced", "restore", "--exec", "out"]).succeeds();
    assert_eq!(ws.read("out"), "edited by hand");
}
