//! Outputs are known to be a task's own after the workspace, its place or its tasks have changed.

use std::process::Command;
use std::time::Duration;

use super::{displaced, git};
use crate::sandbox::{Background, Sandbox};

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
fn a_tool_that_is_an_output_is_asked_once_it_is_there() {
    let ws = Sandbox::new(
        r#"
        [task.tool]
        command = "@ran(tool); printf '#!/bin/sh\\necho 1\\n' > bin/tool; chmod +x bin/tool"
        inputs = []
        outputs = ["bin/tool"]
        [task.use]
        command = "@ran(use); echo used > o"
        inputs = ["bin/tool"]
        outputs = ["o"]
        tools = ["bin/tool --version"]
        "#,
    );
    ws.build([]).ran(["tool", "use"]);
    for _ in 0..2 {
        // Until the stamps are old enough for the next build to begin with the tools.
        std::thread::sleep(Duration::from_millis(60));
        ws.build([]).ran([]);
    }
    ws.remove("bin");
    ws.build([]).ran([]).restored(1).up_to_date(1);
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

#[test]
fn what_a_killed_run_has_written_again_gives_way_once_its_task_is_gone() {
    let other = "[task.other]\ncommand = \"@ran(other)\"\ninputs = []\n";
    let objects = |command: &str| {
        format!("{other}[task.objects]\ncommand = \"{command}\"\ninputs = []\noutputs = [\"out/*.o\"]\n")
    };
    let ws = Sandbox::new(&objects("echo 1 > out/a.o; @ran(objects)"));
    ws.build([]).ran(["other", "objects"]);
    ws.config(&objects("echo 2 > out/a.o; touch ../written; sleep 60"));
    let mut build = Background::start(ws.command("").arg("build"), ws.outside("log"));
    ws.wait_until("the command has written", || ws.outside("written").exists());
    build.kill();
    build.finish(Duration::from_secs(10));
    ws.config(other);
    ws.build([]).succeeds();
    assert!(!ws.exists("out/a.o"), "a clean tree does not have it");
    ws.percache(["displaced"]).succeeds().says(["out/a.o"]);
}
