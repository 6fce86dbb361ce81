//! Directories of outputs that somebody has made symlinks: inside of the workspace they are used as what they lead to, out of it only where
//! `follow` allows that, and they stay what they are.

use std::fs;

use crate::sandbox::Sandbox;

/// What the outputs may be declared as.
const OUTPUTS: [&str; 6] = ["build", "build/o.txt", "build/*.txt", "build/", "build/**", "build/**/*.txt"];

fn workspace(workspace: &str, outputs: &str) -> Sandbox {
    let ws = Sandbox::new(&format!(
        "{workspace}\n[task.t]\ncommand = '@ran(t); mkdir -p build/sub; cp in build/o.txt; cp in build/sub/p.txt'\ninputs = ['in']\n\
         outputs = ['{outputs}']\n"
    ));
    ws.write("in", "one");
    ws
}

/// Edits, restores and goes back; `place` is where `build` leads.
fn works(ws: &Sandbox, place: &str, outputs: &str) {
    let is_right = |text: &str| {
        assert_eq!(ws.read(&format!("{place}/o.txt")), text, "{outputs}");
        assert!(ws.path("build").is_symlink(), "{outputs}");
    };
    ws.build([]).ran(["t"]);
    is_right("one");
    ws.build([]).ran([]).up_to_date(1);
    ws.write("in", "two");
    ws.build([]).ran(["t"]);
    is_right("two");
    ws.remove(&format!("{place}/o.txt"));
    ws.build([]).ran([]).restored(1);
    is_right("two");
    ws.write("in", "one");
    ws.build([]).ran([]).restored(1);
    is_right("one");
    ws.shell(&format!("rm -rf {place}/*"));
    ws.build([]).ran([]).restored(1);
    is_right("one");
    ws.build([]).ran([]).up_to_date(1);
}

#[test]
fn inside_of_the_workspace_it_is_used_as_what_it_leads_to() {
    for outputs in OUTPUTS {
        for kind in ["relative", "absolute", "chain", "not there yet"] {
            // Without a slash, what leads nowhere is no directory.
            if (outputs, kind) == ("build", "not there yet") {
                continue;
            }
            let ws = workspace("", outputs);
            if kind != "not there yet" {
                fs::create_dir_all(ws.path("real/deep")).unwrap();
            }
            match kind {
                "absolute" => ws.symlink(ws.path("real/deep").to_str().unwrap(), "build"),
                "chain" => {
                    ws.symlink("real", "middle");
                    ws.symlink("middle/deep", "build");
                }
                _ => ws.symlink("real/deep", "build"),
            }
            works(&ws, "real/deep", outputs);
        }
    }
}

#[test]
fn it_may_lead_elsewhere_the_next_time() {
    for outputs in OUTPUTS {
        let ws = workspace("", outputs);
        ws.write("one/x", "");
        ws.write("two/x", "");
        ws.remove("one/x");
        ws.remove("two/x");
        ws.symlink("one", "build");
        ws.build([]).ran(["t"]);
        ws.remove("build");
        ws.symlink("two", "build");
        ws.build([]).ran([]).restored(1);
        assert_eq!(ws.read("two/o.txt"), "one");
        assert!(ws.path("build").is_symlink());
        ws.remove("build");
        ws.build([]).ran([]).restored(1);
        assert!(!ws.path("build").is_symlink(), "a clean tree has a directory");
        assert_eq!(ws.read("build/o.txt"), "one");
    }
}

#[test]
fn out_of_the_workspace_it_is_refused_with_the_reason() {
    for outputs in OUTPUTS {
        let ws = workspace("", outputs);
        ws.write("../scratch/theirs", "x");
        ws.symlink("../scratch", "build");
        let outside = ws.outside("scratch").display().to_string();
        let run = ws.build([]).fails().reported([]);
        run.says(["`build` leads out of the workspace", &outside, "follow"]);
        assert!(!ws.exists("../scratch/o.txt") && ws.path("build").is_symlink(), "{outputs}");
        // Neither when there is a result that only has to be put there.
        ws.remove("build");
        ws.build([]).ran(["t"]);
        ws.remove("build");
        ws.symlink("../scratch", "build");
        ws.build([]).fails().reported([]).says(["leads out of the workspace", "follow"]);
        assert!(!ws.exists("../scratch/o.txt") && ws.path("build").is_symlink(), "{outputs}");
        assert_eq!(ws.read("../scratch/theirs"), "x");
    }
}

#[test]
fn what_follow_names_may_lead_out() {
    for outputs in OUTPUTS {
        let ws = workspace("[workspace]\nfollow = ['build']", outputs);
        ws.write("../scratch/sub/x", "");
        ws.remove("../scratch/sub");
        ws.symlink("../scratch", "build");
        works(&ws, "../scratch", outputs);
    }
}

#[test]
fn from_where_follow_leads_nothing_leads_further() {
    let ws = workspace("[workspace]\nfollow = ['build']", "build/sub/p.txt");
    ws.write("../scratch/x", "");
    ws.write("../further/x", "");
    ws.symlink("../scratch", "build");
    ws.symlink("../further", "../scratch/sub");
    ws.build([]).fails().says(["leads out of the workspace"]);
    assert!(!ws.exists("../further/p.txt"));
}

#[test]
fn what_follow_leads_to_is_for_its_user_to_make() {
    let ws = workspace("[workspace]\nfollow = ['build']", "build/o.txt");
    ws.symlink("../scratch", "build");
    ws.build([]).fails().reported([]).says(["`build` leads to", "which is not there", "make the directory"]);
    ws.write("../scratch/x", "");
    works(&ws, "../scratch", "build/o.txt");
}

#[test]
fn what_no_task_makes_any_more_goes_behind_a_symlink_too() {
    let config = |follow: &str| {
        format!(
            "[workspace]\nfollow = [{follow}]\n[task.each]\nforeach = 'src/*'\ncommand = '@ran({{name}}); cp {{file}} build/{{name}}.o'\n\
             inputs = ['{{file}}']\noutputs = ['build/{{name}}.o']\n\
             [task.all]\ncommand = '@ran(all); cat build/*.o > out/all'\ninputs = ['build/*.o']\noutputs = ['out/all']\n\
             [task.other]\ncommand = '@ran(other)'\ninputs = ['src/**']\n"
        )
    };
    let ws = Sandbox::new(&config(""));
    for name in ["a", "b", "c"] {
        ws.write(&format!("src/{name}"), name);
    }
    ws.write("../scratch/x", "");
    ws.build([]).ran(["a", "all", "b", "c", "other"]);
    ws.rename("build", "../scratch/build");
    ws.symlink("../scratch/build", "build");
    ws.remove("src/a");
    // Only what reads it is stopped, as often as it is asked for.
    for _ in 0..2 {
        ws.build(["other"]).succeeds().says(["build/a.o", "leads out of the workspace"]);
        ws.build(["all"]).fails().says(["build/a.o", "cannot be removed"]);
    }
    assert!(ws.exists("../scratch/build/a.o"));
    ws.config(&config("'build'"));
    ws.build([]).succeeds();
    assert!(!ws.exists("../scratch/build/a.o"));
    assert_eq!(ws.read("out/all"), "bc");
    ws.remove("build");
    ws.symlink("elsewhere", "build");
    ws.rename("../scratch/build", "elsewhere");
    ws.build([]).succeeds();
    ws.remove("src/b");
    ws.build([]).succeeds();
    assert!(!ws.exists("elsewhere/b.o") && ws.path("build").is_symlink());
    assert_eq!(ws.read("out/all"), "c");
}

#[test]
fn a_symlink_in_the_place_of_a_directory_below_an_output_gives_way() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = '@ran(t); mkdir -p out/dir/sub; echo 1 > out/dir/sub/f'\ninputs = []\noutputs = ['out/dir']\n",
    );
    ws.build([]).ran(["t"]);
    ws.rename("out/dir/sub", "mine");
    ws.symlink(ws.path("mine").to_str().unwrap(), "out/dir/sub");
    ws.write("mine/own", "x");
    ws.build([]).ran([]).restored(1);
    assert!(!ws.path("out/dir/sub").is_symlink() && ws.exists("mine/own"));
}

#[test]
fn a_symlink_to_a_directory_that_a_task_makes_is_its_output() {
    let ws = Sandbox::new(
        "[task.make]\ncommand = '@ran(make); v=$(cat in); mkdir -p v/$v; echo $v > v/$v/f; ln -sfn v/$v current'\ninputs = ['in']\n\
         outputs = ['v/', 'current']\n\
         [task.read]\ncommand = '@ran(read); cat current/f > seen'\ninputs = ['current/f']\noutputs = ['seen']\n",
    );
    let is = |version: &str| {
        assert_eq!(std::fs::read_link(ws.path("current")).unwrap(), std::path::Path::new("v").join(version));
        assert_eq!(ws.read("seen").trim(), version);
    };
    ws.write("in", "1");
    ws.build([]).ran(["make", "read"]);
    is("1");
    ws.write("in", "2");
    ws.build([]).ran(["make", "read"]);
    is("2");
    ws.write("in", "1");
    ws.build([]).ran([]).restored(2);
    is("1");
    ws.remove("current");
    ws.build([]).ran([]).restored(1);
    ws.remove(".percache");
    ws.write("in", "3");
    ws.build([]).ran(["make", "read"]);
    is("3");
}

#[test]
fn a_command_may_put_a_directory_in_the_place_of_the_symlink() {
    let ws = Sandbox::new(
        "[task.t]\ncommand = '@ran(t); rm -rf dist; mkdir dist; cp in dist/f'\ninputs = ['in']\noutputs = ['dist']\n",
    );
    ws.write("in", "1");
    ws.write("real/own", "x");
    ws.symlink("real", "dist");
    ws.build([]).succeeds();
    assert!(ws.exists("real/own") && !ws.path("dist").is_symlink());
    assert_eq!(ws.read("dist/f"), "1");
    ws.build([]).ran([]);
    ws.write("in", "2");
    ws.build([]).ran(["t"]);
    assert_eq!(ws.read("dist/f"), "2");
}

#[test]
fn where_outputs_are_kept_is_no_input_of_what_reads_them() {
    let ws = Sandbox::new(
        "[task.make]\ncommand = '@ran(make); mkdir -p build; cp in build/made'\ninputs = ['in']\noutputs = ['build/']\n\
         [task.read]\ncommand = '@ran(read); cat build/* > out/read'\ninputs = ['build/**']\noutputs = ['out/read']\n\
         [task.after]\ncommand = '@ran(after); cat build/made > out/after'\ninputs = []\ndeps = ['make']\noutputs = ['out/after']\n",
    );
    ws.write("in", "1");
    ws.build([]).ran(["after", "make", "read"]);
    ws.rename("build", "real");
    ws.symlink("real", "build");
    ws.build([]).ran([]).up_to_date(3);
    ws.build([]).ran([]).up_to_date(3);
    ws.write("in", "2");
    ws.build([]).ran(["after", "make", "read"]);
    assert_eq!((ws.read("out/read"), ws.read("out/after")), ("2".into(), "2".into()));
}

#[test]
fn follow_names_directories_of_the_workspace() {
    let mistake = |follow: &str, says: &str| {
        let ws = workspace(&format!("[workspace]\nfollow = {follow}"), "build/o.txt");
        ws.build([]).exits(2).says([says, "percache.toml:2"]);
    };
    mistake("['/tmp']", "absolute");
    mistake("['../x']", "leaves the workspace");
    mistake("['.']", "names the workspace");
    mistake("['build*']", "pattern");
    mistake("'build'", "array");
}

#[test]
fn a_file_that_is_made_under_one_name_is_not_read_or_made_under_another_without_a_word() {
    let config = |more: &str| {
        format!(
            "[task.make]\ncommand = '@ran(make); cp in build/made'\ninputs = ['in']\noutputs = ['build/made']\n{more}"
        )
    };
    let ws = Sandbox::new(&config(
        "[task.read]\ncommand = '@ran(read); cat real/* > out/read'\ninputs = ['real/*']\noutputs = ['out/read']\n",
    ));
    ws.write("in", "1");
    ws.write("real/x", "");
    ws.symlink("real", "build");
    ws.build(["make"]).ran(["make"]);
    ws.build(["read"]).fails().says(["real/made", "build/made", "add `make` to its `deps`"]);
    ws.config(&config(
        "[task.again]\ncommand = '@ran(again); cp in real/made'\ninputs = []\noutputs = ['real/made']\n",
    ));
    ws.build(["again"]).fails().says(["real/made", "build/made", "symlink"]);
    ws.config(&config("[task.all]\ncommand = '@ran(all); ls > out/all'\noutputs = ['out/all']\n"));
    ws.build([]).ran(["all"]).does_not_say("warning");
    ws.write("in", "2");
    ws.build([]).ran(["all", "make"]);
    ws.write(".gitignore", "in\n");
    ws.build([]).ran(["all"]);
    ws.write("in", "3");
    ws.build([]).ran(["make"]);
}
