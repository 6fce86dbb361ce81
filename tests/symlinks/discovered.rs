//! Symlinks among discovered inputs and among the outputs of other tasks.

use super::{after, relink, rest};
use crate::sandbox::Sandbox;

/// A task with a depfile that names `path`, in the way of a compiler, and writes what is there.
fn discoverer(path: &str, more: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[task.read]\ncommand = '''@ran(read); cat {path} > $OLDPWD/out/read 2>/dev/null || cat {path} > out/read; echo 'x: {path}' > dep.d'''\n\
         inputs = []\noutputs = ['out/read']\ndepfile = 'dep.d'\n{more}"
    ))
}

#[test]
fn a_discovered_input_is_found_where_the_kernel_finds_it() {
    for path in ["src/link/../bar.h", "src/./link/x/../../bar.h", "src/link/x/../../link/../../bar.h"] {
        let path = if path.starts_with("src/link/x") { "src/link/x/../../bar.h" } else { path };
        let ws = discoverer(path, "");
        for (file, text) in
            [("lib/bar.h", "1"), ("lib/x/x/f", ""), ("src/bar.h", "wrong"), ("other/bar.h", "4"), ("other/x/x/f", "")]
        {
            ws.write(file, text);
        }
        ws.symlink("../lib/x", "src/link");
        ws.build([]).ran(["read"]);
        after(&ws, "it is edited", |ws| ws.write("lib/bar.h", "2"), "2");
        after(&ws, "the symlink leads elsewhere", |ws| relink(ws, "../other/x", "src/link"), "4");
        rest(&ws);
        ws.write("src/bar.h", "nobody reads it");
        ws.build([]).ran([]);
    }
}

#[test]
fn a_directory_of_which_a_depfile_went_up_may_become_a_symlink() {
    let ws = discoverer("src/sub/../bar.h", "");
    for (file, text) in [("src/bar.h", "1"), ("src/sub/f", ""), ("other/bar.h", "2")] {
        ws.write(file, text);
    }
    ws.build([]).ran(["read"]);
    after(
        &ws,
        "it is moved away, and a symlink leads there",
        |ws| {
            ws.rename("src/sub", "other/sub");
            ws.symlink("../other/sub", "src/sub");
        },
        "2",
    );
    after(&ws, "a file beside does not matter", |ws| ws.write("other/sub/g", ""), "2");
}

#[test]
fn the_directory_of_a_command_that_went_up_from_it_may_become_a_symlink() {
    let ws = Sandbox::new(
        "[task.read]\ncommand = '@ran(read); cat ../h > ../../out/read; echo x: ../h > ../../dep.d'\ncwd = 'a/sub'\ninputs = []\n\
         outputs = ['out/read']\ndepfile = 'dep.d'\n",
    );
    for (file, text) in [("a/h", "1"), ("a/sub/x", ""), ("b/h", "3")] {
        ws.write(file, text);
    }
    ws.build([]).ran(["read"]);
    after(&ws, "it is edited", |ws| ws.write("a/h", "2"), "2");
    let moved = |ws: &Sandbox| {
        ws.rename("a/sub", "b/sub");
        ws.symlink("../b/sub", "a/sub");
    };
    after(&ws, "the directory is moved away, and a symlink leads there", moved, "3");
}

#[test]
fn a_discovered_input_that_is_a_symlink_counts_with_what_it_leads_to() {
    let ws = discoverer("inc/a.h", "");
    ws.write("real/a.h", "1");
    ws.write("real/b.h", "4");
    ws.write("else/a.h", "3");
    ws.symlink("../real/a.h", "one.h");
    ws.write("inc2/x", "");
    relink(&ws, "inc2", "inc");
    ws.symlink("../real/a.h", "inc2/a.h");
    ws.build([]).ran(["read"]);
    after(&ws, "it is edited", |ws| ws.write("real/a.h", "2"), "2");
    after(&ws, "the file leads elsewhere", |ws| relink(ws, "../real/b.h", "inc2/a.h"), "4");
    after(&ws, "the directory leads elsewhere", |ws| relink(ws, "else", "inc"), "3");
}

#[test]
fn what_another_task_makes_is_no_input_by_another_name_without_a_dependency() {
    let config = |deps: &str| {
        format!(
            "[task.make]\ncommand = '@ran(make); cat template > real/made'\ninputs = ['template']\noutputs = ['real/made']\n\
             [task.read]\ncommand = '@ran(read); cat INPUT > out/read'\ninputs = ['INPUT']\noutputs = ['out/read']\n{deps}"
        )
    };
    for input in ["link/made", "file"] {
        let config = |deps: &str| config(deps).replace("INPUT", input);
        let ws = Sandbox::new(&config(""));
        ws.write("template", "1");
        ws.write("real/x", "");
        ws.symlink("real", "link");
        ws.symlink("real/made", "file");
        ws.build(["make"]).succeeds();
        ws.build(["read"]).fails().says(["real/made", "make", "deps"]);
        ws.config(&config("deps = ['make']"));
        ws.build([]).succeeds();
        after(&ws, "what it is made of is edited", |ws| ws.write("template", "2"), "2");
    }
}

#[test]
fn without_declared_inputs_a_symlink_to_an_output_counts_by_where_it_leads_only() {
    let ws = Sandbox::new(
        "[task.make]\ncommand = '@ran(make); date +%N > out/made'\ninputs = ['seed']\noutputs = ['out/made']\n\
         [task.all]\ncommand = '@ran(all); ls > out/all'\noutputs = ['out/all']\n",
    );
    ws.write("seed", "1");
    ws.write(".gitignore", "out\nseed\n");
    ws.symlink("out/made", "made");
    ws.symlink("out/all", "all");
    ws.build([]).ran(["all", "make"]).does_not_say("warning");
    ws.build([]).ran([]);
    ws.write("seed", "2");
    ws.build([]).ran(["make"]);
    ws.build([]).ran([]);
}

#[test]
fn a_symlink_that_a_task_makes_may_lead_to_its_own_other_outputs() {
    let ws = Sandbox::new(
        "[task.make]\ncommand = '@ran(make); v=$(cat version); mkdir -p out/$v; echo $v > out/$v/file; ln -sfn $v out/current'\n\
         inputs = ['version']\noutputs = ['out/v*/', 'out/current']\n\
         [task.read]\ncommand = '@ran(read); cat out/current/file > out/read'\ninputs = ['version']\ndeps = ['make']\noutputs = ['out/read']\n",
    );
    ws.write("version", "v1");
    ws.build([]).ran(["make", "read"]);
    after(&ws, "another version", |ws| ws.write("version", "v2"), "v2\n");
    assert!(!ws.exists("out/v1"));
    after(&ws, "back again", |ws| ws.write("version", "v1"), "v1\n");
    rest(&ws);
}
