//! Exact: restoring brings back all that a task had made, takes away what is no longer made, and touches nothing else.

use crate::sandbox::{Node, PERCACHE, Sandbox};

/// A task whose output is a directory that a script fills.
fn directory_task(script: &str) -> Sandbox {
    let ws = Sandbox::new(
        r#"
            [task.fill]
            command = "@ran(fill); sh fill.sh out/tree.dir"
            inputs = ["fill.sh"]
            outputs = ["out/tree.dir"]
        "#,
    );
    ws.write("fill.sh", format!("set -e\nmkdir -p $1\ncd $1\n{script}\n"));
    ws.build([]).ran(["fill"]);
    ws
}

const EVERYTHING: &str = "
    mkdir empty deep deep/empty
    echo text > file; echo text > twin; : > nothing
    printf '#!/bin/sh\\necho run\\n' > program; chmod +x program
    ln -s file link; ln -s missing dangling; ln -s deep to-directory
    echo deep > deep/file; ln -s ../file deep/up
    printf 'a\\0b' > binary; echo spaces > 'with space'; echo dot > .hidden";

#[test]
fn files_empty_directories_symlinks_and_the_executable_bit_come_back() {
    let ws = directory_task(EVERYTHING);
    let before = ws.outputs();
    assert_eq!(before["out/tree.dir/empty"], Node::Directory);
    assert_eq!(before["out/tree.dir/dangling"], Node::Symlink("missing".into()));
    ws.remove("out");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.outputs(), before);
}

type Damage = fn(&Sandbox);

#[test]
fn every_kind_of_damage_is_repaired_without_running() {
    let damages: &[(&str, Damage)] = &[
        ("a file is missing", |ws| ws.remove("out/tree.dir/file")),
        ("a file has other content", |ws| ws.write("out/tree.dir/file", "other")),
        ("a file was appended to", |ws| ws.write("out/tree.dir/nothing", "something")),
        ("a file is a directory", |ws| {
            ws.remove("out/tree.dir/file");
            ws.write("out/tree.dir/file/inner", "x");
            ws.remove("out/tree.dir/file/inner");
        }),
        ("a file is a symlink", |ws| {
            ws.remove("out/tree.dir/file");
            ws.symlink("twin", "out/tree.dir/file");
        }),
        ("a symlink points elsewhere", |ws| {
            ws.remove("out/tree.dir/link");
            ws.symlink("twin", "out/tree.dir/link");
        }),
        ("a symlink is a copy", |ws| {
            ws.remove("out/tree.dir/link");
            ws.write("out/tree.dir/link", "text\n");
        }),
        ("a dangling symlink is missing", |ws| ws.remove("out/tree.dir/dangling")),
        ("an executable is not executable", |ws| ws.set_mode("out/tree.dir/program", 0o644)),
        ("a plain file is executable", |ws| ws.set_mode("out/tree.dir/file", 0o755)),
        ("an empty directory is missing", |ws| ws.remove("out/tree.dir/empty")),
        ("a directory is a file", |ws| {
            ws.remove("out/tree.dir/empty");
            ws.write("out/tree.dir/empty", "x");
        }),
        ("a directory is a symlink", |ws| {
            ws.remove("out/tree.dir/deep");
            ws.symlink("empty", "out/tree.dir/deep");
        }),
        ("a directory is a symlink to another like it", |ws| {
            ws.shell("rm -rf moved; mv out/tree.dir/deep moved; ln -s ../../moved out/tree.dir/deep");
        }),
        ("a directory is a symlink to another with less in it", |ws| {
            ws.shell("rm -rf moved; mv out/tree.dir/deep moved; rm -r moved/empty moved/up; ln -s ../../moved out/tree.dir/deep");
        }),
        ("the whole directory is missing", |ws| ws.remove("out/tree.dir")),
    ];
    let ws = directory_task(EVERYTHING);
    let before = ws.outputs();
    for (name, damage) in damages {
        damage(&ws);
        assert_ne!(ws.outputs(), before, "{name}: this is no damage");
        let run = ws.build([]).ran([]);
        assert_eq!(ws.outputs(), before, "{name}\n{}", run.output());
        ws.build([]).ran([]).up_to_date(1);
    }
}

/// What is seen through a symlink in the place of a directory is somebody's own: nothing is taken from there, and nothing put there.
#[test]
fn what_a_symlink_in_the_place_of_a_directory_leads_to_stays_as_it_is() {
    let (old, new) =
        ("rm -rf d; mkdir d; echo 1 > d/kept; echo 1 > d/old", "rm -rf d; mkdir -p d/e/f; echo 1 > d/kept");
    let ws = directory_task(old);
    ws.edit("fill.sh", old, new);
    ws.build([]).ran(["fill"]);
    let after = ws.outputs();
    ws.edit("fill.sh", new, old);
    ws.build([]).ran([]).restored(1);
    ws.shell(
        "mkdir -p mine/e; echo 1 | tee mine/kept > mine/old; rm -r out/tree.dir/d; ln -s ../../mine out/tree.dir/d",
    );
    let mine = || ws.shell("find mine -printf '%p %y %i\\n' | sort; cat mine/kept mine/old");
    let before = mine();
    ws.edit("fill.sh", old, new);
    ws.build([]).ran([]).restored(1);
    assert_eq!(mine(), before);
    assert_eq!(ws.outputs(), after);
}

#[test]
fn files_that_are_already_right_are_not_written_again() {
    let ws = directory_task(EVERYTHING);
    let before = ws.modified("out/tree.dir/twin");
    ws.remove("out/tree.dir/file");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.modified("out/tree.dir/twin"), before);
}

#[test]
fn what_an_earlier_result_put_there_and_this_one_does_not_goes_on_a_run_and_on_a_restore() {
    // The script takes away nothing by itself.
    let ws = directory_task("echo 1 > one; mkdir only; echo 1 > only/inner");
    ws.edit("fill.sh", "echo 1 > one; mkdir only; echo 1 > only/inner", "echo 2 > two");
    ws.build([]).ran(["fill"]);
    assert!(ws.exists("out/tree.dir/two"));
    assert!(!ws.exists("out/tree.dir/one") && !ws.exists("out/tree.dir/only"), "stale outputs remain after a run");
    ws.edit("fill.sh", "echo 2 > two", "echo 1 > one; mkdir only; echo 1 > only/inner");
    ws.build([]).ran([]).restored(1);
    assert!(ws.exists("out/tree.dir/only/inner"));
    assert!(!ws.exists("out/tree.dir/two"), "a stale output remains after a restore");
}

#[test]
fn outputs_of_a_glob_that_are_no_longer_made_go() {
    let ws = Sandbox::new(
        r#"
            [task.split]
            command = "@ran(split); for word in $(cat words); do echo $word > out/$word.txt; done"
            inputs = ["words"]
            outputs = ["out/*.txt"]

            [task.join]
            command = "@ran(join); cat out/*.txt > joined.out"
            inputs = ["out/*.txt"]
            outputs = ["joined.out"]
        "#,
    );
    ws.write("words", "a b c");
    ws.build([]).ran(["join", "split"]);
    ws.write("words", "b d");
    ws.build([]).ran(["join", "split"]);
    assert_eq!(ws.read("joined.out"), "b\nd\n");
    ws.write("words", "a b c");
    ws.build([]).ran([]).restored(2);
    assert_eq!(ws.read("joined.out"), "a\nb\nc\n");
    assert!(!ws.exists("out/d.txt"));
}

#[test]
fn the_output_of_a_task_that_changed_its_output_goes() {
    let ws = Sandbox::new(
        r#"
            [task.one]
            command = "@ran(one); echo 1 > out/old"
            inputs = []
            outputs = ["out/old"]
        "#,
    );
    ws.build([]).ran(["one"]);
    ws.edit_config("out/old", "out/new");
    ws.build([]).ran(["one"]);
    assert!(ws.exists("out/new") && !ws.exists("out/old"));
}

#[test]
fn the_output_of_a_task_that_is_gone_goes() {
    let both = r#"
        [task.keep]
        command = "@ran(keep); echo 1 > out/keep"
        inputs = []
        outputs = ["out/keep"]
    "#;
    let ws = Sandbox::new(&format!(
        "{both}\n[task.go]\ncommand = \"@ran(go); echo 1 > out/go\"\ninputs = []\noutputs = [\"out/go\"]"
    ));
    ws.build([]).ran(["go", "keep"]);
    ws.config(both);
    ws.build([]).ran([]);
    assert!(ws.exists("out/keep") && !ws.exists("out/go"));
}

#[test]
fn a_file_that_percache_did_not_make_is_never_deleted() {
    let ws = directory_task("echo 1 > one");
    ws.write("out/tree.dir/mine", "mine");
    ws.write("out/beside", "mine");
    ws.edit("fill.sh", "echo 1 > one", "echo 2 > two");
    ws.build([]).succeeds();
    ws.remove("out/tree.dir/two");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/tree.dir/mine"), "mine");
    assert_eq!(ws.read("out/beside"), "mine");
}

#[test]
fn a_stale_output_that_the_user_has_rewritten_is_kept() {
    let config = "[task.keep]\ncommand = \"true\"\ninputs = []\n";
    let ws =
        Sandbox::new(&format!("{config}[task.go]\ncommand = \"echo 1 > out/go\"\ninputs = []\noutputs = [\"out/go\"]"));
    ws.build([]).succeeds();
    ws.write("out/go", "now this is mine");
    ws.config(config);
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/go"), "now this is mine");
}

#[test]
fn an_output_that_cannot_be_written_to_is_replaced() {
    let ws = directory_task("echo 1 > one; chmod 444 one");
    ws.edit("fill.sh", "echo 1 > one; chmod 444 one", "rm -f one; echo 2 > one; chmod 444 one");
    ws.build([]).ran(["fill"]);
    ws.edit("fill.sh", "rm -f one; echo 2 > one; chmod 444 one", "echo 1 > one; chmod 444 one");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("out/tree.dir/one"), "1\n");
}

#[test]
fn nothing_is_written_through_a_symlink_that_leads_out_of_the_workspace() {
    let ws = directory_task("echo secret > one");
    let outside = ws.outside("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("one"), "theirs").unwrap();
    ws.remove("out/tree.dir");
    ws.symlink(outside.to_str().unwrap(), "out/tree.dir");
    ws.build([]);
    assert_eq!(std::fs::read_to_string(outside.join("one")).unwrap(), "theirs");
}

#[test]
fn two_outputs_of_one_content_both_come_back() {
    let ws = directory_task("echo same > one; echo same > two");
    ws.remove("out/tree.dir/one");
    ws.remove("out/tree.dir/two");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("out/tree.dir/one"), ws.read("out/tree.dir/two"));
}

#[test]
fn a_large_output_comes_back_whole() {
    let ws = Sandbox::new(
        r#"
            [task.large]
            command = "@ran(large); seq 1 2000000 > out/large"
            inputs = []
            outputs = ["out/large"]
        "#,
    );
    ws.build([]).ran(["large"]);
    let before = std::fs::read(ws.path("out/large")).unwrap();
    assert!(before.len() > 10_000_000);
    ws.remove("out/large");
    ws.build([]).ran([]).restored(1);
    assert!(std::fs::read(ws.path("out/large")).unwrap() == before);
}

#[test]
fn a_reader_sees_the_old_file_or_the_new_one() {
    let ws = Sandbox::new(
        r#"
            [task.large]
            command = "@ran(large); yes $(cat word) | head -c 4000000 > out/large"
            inputs = ["word"]
            outputs = ["out/large"]
        "#,
    );
    for word in ["aaaaaaa", "bbbbbbb"] {
        ws.write("word", word);
        ws.build([]).ran(["large"]);
    }
    let whole = |bytes: &[u8]| bytes.len() == 4_000_000 && bytes.iter().all(|byte| *byte == bytes[0] || *byte == b'\n');
    let path = ws.path("out/large");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let bytes = std::fs::read(&path).expect("the output is always there");
                assert!(whole(&bytes), "half of an output was seen");
            }
        });
        for word in ["aaaaaaa", "bbbbbbb"].repeat(5) {
            ws.write("word", word);
            ws.build([]).ran([]).restored(1);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
}

/// make below percache, or an index beside a file, must not find one output older than another that its command has
/// written before.
#[test]
fn files_of_one_restore_have_one_time_and_one_that_was_deleted_alone_has_its_own() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"mkdir -p out/a; seq 99999 > out/z; sleep 0.05; echo 1 > out/a/b; sleep 0.05; echo 1 > out/m\"\ninputs = []\noutputs = [\"out/\"]\n",
    );
    ws.build([]).succeeds();
    let times = || ["out/z", "out/a/b", "out/m"].map(|path| ws.modified(path));
    let made = times();
    assert!(made.is_sorted());
    for path in ["out/z", "out/a/b", "out/m"] {
        ws.remove(path);
        ws.build([]).restored(1);
        assert_eq!(times(), made, "{path} was deleted");
    }
    ws.build([]).up_to_date(1);
    for gone in [&["out"][..], &["out/z", "out/a/b", "out/m"], &["out", ".percache/worktrees"]] {
        gone.iter().for_each(|path| ws.remove(path));
        ws.build([]).restored(1);
        let [z, b, m] = times();
        assert!(z == b && b == m && z > made[2], "{gone:?}: {:?}", times());
        ws.build([]).up_to_date(1);
    }
}

/// What the command took away from others stays away; what the user changes later is the user's affair.
#[test]
fn private_outputs_come_back_private() {
    let ws = Sandbox::new(
        r#"
            [task.keys]
            command = """
            @ran(keys); umask 022; mkdir -p out/private out/open
            for mode in 600 640 644 700 755 444; do echo $mode > out/open/$mode; chmod $mode out/open/$mode; done
            (umask 077; echo secret > out/private/key); chmod 700 out/private; echo x > single; chmod 600 single"""
            inputs = []
            outputs = ["out/", "single"]
        "#,
    );
    let modes = || ws.shell("stat -c '%n %a' single $(find out | sort)");
    ws.shell(&format!("umask 022; {PERCACHE} build"));
    let made = modes();
    assert!(made.contains("single 600") && made.contains("out/private 700") && made.contains("key 600"), "{made}");
    for remove in [
        "rm -rf out single",
        "rm -rf out/private out/open/*",
        "rm single out/private/key .percache/worktrees/*/journal",
    ] {
        ws.shell(&format!("umask 022; {remove}; {PERCACHE} build"));
        assert_eq!(modes(), made, "after {remove}");
    }
    assert_eq!(ws.newly_tallied(), ["keys"]);
    // Never more than the umask allows.
    ws.shell(&format!("umask 077; rm -rf out single; {PERCACHE} build"));
    assert_eq!(ws.shell("find out single -perm /077"), "");
    ws.shell("chmod 644 single");
    ws.build([]).succeeds().reported([]);
    assert_eq!(ws.shell("stat -c %a single").trim(), "644");
}

/// A directory that hands its group down does so for what is restored, too.
#[test]
fn restored_files_have_the_group_of_a_set_gid_directory() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"@ran(a); mkdir -p team/o/d; echo x > team/o/d/f; echo y > team/top\"\ninputs = []\n\
         outputs = [\"team/o/\", \"team/top\"]\n",
    );
    if ws.shell("mkdir team; chgrp 100 team && chmod 2775 team && echo yes || echo no") != "yes\n" {
        println!("skipped: only root can give files to any group");
        return;
    }
    let groups = || ws.shell("find team -printf '%g %m %p\\n' | sort -k3");
    ws.build([]).ran(["a"]);
    let made = groups();
    for remove in ["team/o team/top", "team/o/d/f team/top"] {
        ws.shell(&format!("rm -r {remove}"));
        ws.build([]).ran([]).restored(1);
        assert_eq!(groups(), made, "after {remove}");
    }
}
