//! Ownership: percache removes and replaces only what it holds. What is somebody's own is never lost, whatever lies beside it; and what is
//! of unknown origin gets into no result.

use std::fs;
use std::process::Command;

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
fn a_file_of_unknown_origin_stays_and_keeps_the_result_from_being_stored() {
    let ws = with_a_note(DOCS);
    let told = ["`docs/notes.md` was among its outputs before", "\"!docs/notes.md\"", "--accept"];
    ws.build([]).ran(["docs"]).says(["`docs` is not stored"]).says(told);
    ws.build([]).ran(["docs"]).says(told);
    ws.write("docs/notes.md", "more work");
    ws.write("in", "2\n");
    ws.build([]).ran(["docs"]);
    assert_eq!((ws.read("docs/notes.md"), ws.read("docs/api.md")), ("more work".to_owned(), "2\n".to_owned()));
    ws.remove("docs/notes.md");
    ws.build([]).ran(["docs"]).does_not_say("not stored");
    ws.build([]).ran([]);
    assert!(!ws.exists("docs/notes.md"));
    assert_eq!(displaced(&ws), [""; 0]);
}

#[test]
fn what_the_user_says_about_a_file_of_unknown_origin_settles_it() {
    let ws = with_a_note(DOCS);
    ws.edit_config("[\"docs/\"]", "[\"docs/\", \"!docs/notes.md\"]");
    ws.build([]).ran(["docs"]).does_not_say("not stored");
    ws.build([]).ran([]);
    let ws = with_a_note(DOCS);
    ws.build(["--accept"]).ran(["docs"]).does_not_say("not stored");
    ws.remove("docs");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("docs/notes.md"), "hours of work");
}

#[test]
fn what_git_tracks_is_a_source_and_no_part_of_a_result() {
    let ws = with_a_note(DOCS);
    git(&ws, "git init -q . && git add docs/notes.md && git commit -qm notes");
    ws.build([]).ran(["docs"]).does_not_say("not stored");
    ws.write("docs/notes.md", "more work");
    ws.build([]).ran([]);
    ws.write("in", "2\n");
    ws.build([]).ran(["docs"]);
    ws.write("in", "1\n");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("docs/notes.md"), "more work");
    ws.remove("docs");
    ws.build([]).ran([]).restored(1);
    assert!(!ws.exists("docs/notes.md"), "git has it");
}

/// A task that declares no inputs depends on all that git has, wherever it lies.
#[test]
fn what_git_tracks_among_the_outputs_of_a_dependency_is_a_default_input() {
    let site = "[task.site]\ncommand = \"@ran(site); cat docs/*.md > site\"\ndeps = [\"docs\"]\noutputs = [\"site\"]\n";
    let ws = with_a_note(&format!("{DOCS}\n{site}"));
    git(&ws, "echo /site > .gitignore; git init -q . && git add docs/notes.md in && git commit -qm notes");
    ws.build([]).ran(["docs", "site"]).does_not_say("not stored");
    ws.build([]).ran([]);
    ws.write("docs/notes.md", "more work\n");
    ws.build([]).ran(["site"]);
    assert_eq!(ws.read("site"), "1\nmore work\n");
    ws.build([]).ran([]);
}

#[test]
fn a_stray_file_gets_into_no_other_clone_and_into_no_result_of_a_dependent() {
    let config = r#"
        cache.dir = "../store"
        [task.objs]
        command = "@ran(objs); mkdir -p build; echo a > build/a.o"
        inputs = []
        outputs = ["build/*.o"]
        [task.app]
        command = "@ran(app); cat build/*.o > app"
        deps = ["objs"]
        inputs = []
        outputs = ["app"]
    "#;
    let ws = Sandbox::new(config);
    ws.shell("cp -r . ../clone");
    ws.write("build/old.o", "stale\n");
    ws.build([]).ran(["objs", "app"]);
    ws.run(ws.command("../clone").arg("build")).ran(["objs", "app"]);
    assert_eq!(ws.shell("cat ../clone/app"), "a\n");
    assert_eq!(ws.shell("ls ../clone/build"), "a.o\n");
}

/// Whether the command has made it cannot be told.
#[test]
fn an_empty_directory_of_unknown_origin_keeps_the_result_from_being_stored() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"@ran(a); mkdir -p out/logs; echo 1 > out/file\"\ninputs = []\noutputs = [\"out/\"]\n",
    );
    ws.build([]).ran(["a"]);
    ws.remove(".percache");
    ws.build([]).ran(["a"]).says(["`a` is not stored: `out/logs` was among its outputs before"]);
    ws.remove("out/logs");
    ws.build([]).ran(["a"]).does_not_say("not stored");
    ws.remove("out");
    ws.build([]).ran([]).restored(1);
    assert!(ws.exists("out/logs"));
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
    ws.percache(["clear"]).succeeds();
    ws.percache(["gc", "--maxage", "1d"]).succeeds().does_not_say("displaced");
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
fn a_generated_file_that_becomes_a_source_stays() {
    let config = r#"
        [task.gen]
        command = "@ran(gen); echo 1 > gen.txt; echo 2 > other.txt"
        inputs = []
        outputs = ["gen.txt", "other.txt"]
        [task.use]
        command = "@ran(use); cat gen.txt > out"
        inputs = ["gen.txt"]
        outputs = ["out"]
    "#;
    let without = &config[config.find("[task.use]").expect("the second task")..];
    // A task names it as an input.
    let ws = Sandbox::new(config);
    ws.build([]).ran(["gen", "use"]);
    ws.config(without);
    ws.build([]).ran([]).says(["kept `gen.txt`", "removed `other.txt`"]);
    ws.build([]).ran([]).does_not_say("kept");
    assert!(ws.exists("gen.txt") && !ws.exists("other.txt"));
    // Git tracks it.
    let ws = Sandbox::new(config);
    ws.build([]).ran(["gen", "use"]);
    git(&ws, "git init -q . && git add other.txt");
    ws.config(without);
    ws.build([]).says(["kept `gen.txt`, `other.txt`"]);
    assert!(ws.exists("gen.txt") && ws.exists("other.txt"));
}

#[test]
fn a_copied_and_a_moved_workspace_know_their_outputs() {
    let config = r#"
        [task.obj]
        foreach = "src/*"
        command = "@ran({name}); mkdir -p build; cp {file} build/{name}.o"
        inputs = ["{file}"]
        outputs = ["build/{name}.o"]
        [task.app]
        command = "@ran(app); cat build/*.o > app"
        inputs = ["build/*.o"]
        outputs = ["app"]
    "#;
    for (store, how) in [
        ("", "mv ../ws ../other && mkdir ../ws"),
        ("", "cp -a ../ws ../other"),
        ("cache.dir = \"../store\"\n", "mv ../ws ../other && mkdir ../ws"),
        ("cache.dir = \"../store\"\n", "cp -a ../ws ../other"),
    ] {
        let ws = Sandbox::new(&format!("{store}{config}"));
        ws.write("src/a", "a\n");
        ws.write("src/b", "b\n");
        ws.build([]).ran(["a", "b", "app"]);
        ws.shell(how);
        ws.shell("rm ../other/src/b");
        let run = ws.run(ws.command("../other").arg("build"));
        run.ran(["app"]).says(["removed `build/b.o`"]);
        assert_eq!(ws.shell("cat ../other/app"), "a\n", "{store} {how}");
    }
}

/// A command that adds to what is there starts from nothing, although nobody knows any more that it is an output.
#[test]
fn named_outputs_are_the_tasks_own_without_a_store() {
    let ws = Sandbox::new(
        r#"
        [task.a]
        command = "@ran(a); cat in >> out"
        inputs = ["in"]
        outputs = ["out"]
        "#,
    );
    ws.write("in", "1\n");
    for _ in 0..2 {
        ws.build([]).ran(["a"]);
        assert_eq!(ws.read("out"), "1\n");
        ws.remove(".percache");
    }
    // Without a store it is no different.
    ws.build(["--no-cache"]).ran(["a"]);
    assert_eq!(ws.read("out"), "1\n");
}

#[test]
fn an_edited_output_that_no_task_makes_any_more_is_its_editors() {
    let config = |outputs: &str| {
        format!("[task.a]\ncommand = '@ran(a); mkdir -p d; echo 1 > {outputs}'\ninputs = []\noutputs = ['{outputs}']\n")
    };
    let ws = Sandbox::new(&config("a"));
    ws.build([]).ran(["a"]);
    ws.write("a", "mine");
    ws.config(&config("d/b"));
    ws.build([]).ran(["a"]).says(["kept `a`: no task makes it any more, but somebody has edited it"]);
    ws.build([]).ran([]).does_not_say("kept");
    assert_eq!((ws.read("a").as_str(), displaced(&ws)), ("mine", vec![]));
    // Where an output has to be a directory, it gives way.
    ws.write("d/b", "mine, too");
    ws.config(&config("d/b/c").replace("mkdir -p d", "mkdir -p d/b"));
    ws.build([]).ran(["a"]).says(["moved `d/b` aside"]);
    assert_eq!((ws.read("d/b/c").as_str(), displaced(&ws)), ("1\n", vec!["d/b".to_owned()]));
}

#[test]
fn the_file_that_is_in_the_place_of_a_directory_is_named() {
    let ws = Sandbox::new("[task.a]\ncommand = 'echo 1 > a/b/c'\ninputs = []\noutputs = ['a/b/c']\n");
    ws.write("a", "mine");
    ws.build([]).fails().reported([]).says(["`a` is not a directory", "move it away"]);
    assert_eq!(ws.read("a"), "mine");
}

#[test]
fn a_workspace_that_becomes_a_member_knows_its_outputs() {
    let ws = Sandbox::empty();
    let member = "[task.a]\nforeach = '*.txt'\ncommand = 'cp {file} o/{name}'\ninputs = ['{file}']\noutputs = ['o/{name}']\n\
         [task.l]\ncommand = 'ls o > l'\ninputs = ['o/*']\noutputs = ['l']\n";
    ws.write("app/percache.toml", member);
    ws.write("app/1.txt", "");
    ws.write("app/2.txt", "");
    ws.shell(&format!("cd app && {} build -q", crate::sandbox::PERCACHE));
    assert_eq!(ws.read("app/l"), "1.txt\n2.txt\n");
    ws.config("[workspace]\nmembers = ['app']\n");
    ws.remove("app/2.txt");
    ws.build([]).succeeds().says(["removed `app/o/2.txt`"]);
    assert_eq!(ws.read("app/l"), "1.txt\n");
}

#[test]
fn what_a_command_adds_to_a_file_of_unknown_origin_is_not_stored() {
    let ws = Sandbox::new(
        r#"
        [task.a]
        command = "@ran(a); mkdir -p out; cat in >> out/log"
        inputs = ["in"]
        outputs = ["out/*"]
        "#,
    );
    ws.write("in", "1\n");
    ws.write("out/log", "mine\n");
    ws.build([]).ran(["a"]).says(["`a` is not stored: `out/log` was there before", "added to it", "\"!out/log\""]);
    assert_eq!(ws.read("out/log"), "mine\n1\n", "the run had what was there");
    ws.build([]).ran(["a"]).does_not_say("not stored");
    assert_eq!((ws.read("out/log"), displaced(&ws)), ("1\n".to_owned(), vec!["out/log".to_owned()]));
    ws.build([]).ran([]);
    // The same after a removed store, when what an earlier run left is of unknown origin.
    ws.remove(".percache");
    ws.build([]).ran(["a"]).says(["not stored"]);
    ws.build([]).ran(["a"]).does_not_say("not stored");
    assert_eq!(ws.read("out/log"), "1\n");
    // Who says that it is theirs keeps it.
    ws.remove(".percache");
    ws.build(["--accept"]).ran(["a"]).does_not_say("not stored");
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

#[test]
fn tools_are_asked_in_a_directory_that_outputs_will_make() {
    let ws = Sandbox::new(
        r#"
        [task.flags]
        command = "@ran(flags); echo -O2 > build/flags"
        inputs = []
        outputs = ["build/flags"]
        [task.objects]
        cwd = "build"
        command = "@ran(objects); cat flags > o"
        inputs = ["build/flags"]
        outputs = ["build/o"]
        tools = ["echo 1"]
        "#,
    );
    ws.build([]).ran(["flags", "objects"]);
    ws.remove("build");
    ws.build([]).ran([]).restored(2);
    ws.remove("build");
    ws.remove(".percache");
    ws.build(["objects"]).ran(["flags", "objects"]);
}

#[test]
fn a_tree_that_is_seen_at_two_paths_is_one_worktree() {
    let ws = Sandbox::new(
        "[task.a]\nforeach = \"src/*\"\ncommand = \"@ran({name}); cp {file} o.{name}\"\ninputs = [\"{file}\"]\noutputs = [\"o.{name}\"]\n",
    );
    ws.write("src/a", "a");
    ws.write("src/b", "b");
    ws.shell("mkdir ../mnt");
    let mounted = Command::new("mount").arg("--bind").arg(ws.root()).arg(ws.outside("mnt")).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: mounting is not possible here");
        return;
    }
    let run = ws.run(ws.command("../mnt").arg("build"));
    ws.shell("umount -l ../mnt");
    run.ran(["a", "b"]);
    ws.build([]).ran([]);
    ws.remove("src/b");
    ws.build([]).says(["removed `o.b`"]);
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

/// A clean checkout has it: a command that adds to it finds it, and it is not missing when the command fails.
#[test]
fn a_named_output_that_git_tracks_is_where_git_has_put_it() {
    let ws = Sandbox::new("[task.a]\ncommand = \"@ran(a); cat in >> out\"\ninputs = [\"in\"]\noutputs = [\"out\"]\n");
    ws.write("in", "1\n");
    ws.write("out", "committed\n");
    git(&ws, "git init -q . && git add out && git commit -qm out");
    ws.build([]).ran(["a"]).does_not_say("aside");
    assert_eq!(ws.read("out"), "committed\n1\n");
    ws.build([]).ran([]);
}

/// The same when the result comes from the store, and something runs that reads beside it.
#[test]
fn a_stray_file_beside_a_stored_result_counts_for_what_reads_it() {
    let config = |version: u8| {
        format!(
            r#"
            cache.dir = "../store"
            [task.objs]
            command = "@ran(objs); mkdir -p build; echo a > build/a.o"
            inputs = []
            outputs = ["build/*.o"]
            [task.app]
            command = "@ran(app); cat build/*.o > app; : {version}"
            deps = ["objs"]
            inputs = []
            outputs = ["app"]
            "#
        )
    };
    let ws = Sandbox::new(&config(1));
    ws.build([]).ran(["objs", "app"]);
    ws.config(&config(2));
    ws.shell("cp -r . ../clone && rm -r ../clone/build ../clone/app && mkdir ../clone/build && echo stale > ../clone/build/old.o");
    ws.run(ws.command("../clone").arg("build")).ran(["app"]);
    ws.build([]).ran(["app"]);
    assert_eq!(ws.read("app"), "a\n");
    // And when the task beside which it lies is not even looked at.
    ws.write("build/stray.o", "stale\n");
    ws.config(&config(3));
    ws.build([]).ran(["app"]);
    ws.remove("build/stray.o");
    ws.build([]).ran(["app"]);
    assert_eq!(ws.read("app"), "a\n");
}
