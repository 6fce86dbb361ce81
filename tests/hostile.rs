//! Hostile: whatever lies in the tree, in a configuration or in the store of a stranger, nothing is written outside of the workspace, nothing hangs,
//! and what cannot be kept is refused with a word about why.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use percache::base::codec::Encode;
use percache::db::engine::Engine;
use percache::db::rocks::RocksEngine;
use percache::store::layout::{COLUMNS, RESULTS, kind, result_key};
use percache::store::open::open;
use percache::store::record::{Entry, Node};

use crate::sandbox::Sandbox;

fn task(command: &str, outputs: &str) -> Sandbox {
    Sandbox::new(&format!(
        "[task.a]\ncommand = '''@ran(a); {command}'''\ninputs = [\"in/**\"]\noutputs = [{outputs}]\n"
    ))
}

#[test]
fn outputs_that_are_no_files_are_refused_by_what_they_are() {
    for outputs in ["\"out/x\"", "\"out/\"", "\"out/*\"", "\"**/x\""] {
        let ws = task("mkdir -p out; mkfifo out/x", outputs);
        ws.shell("mkdir -p out");
        ws.build([])
            .fails()
            .says(["its output `out/x` is a pipe, which cannot be stored", "files, directories and symlinks"]);
        ws.remove("out/x");
        ws.build(["--no-cache"]).fails().says(["is a pipe"]);
    }
    let ws = task("true", "\"out/x\"");
    ws.shell("mkdir -p out");
    let _listener = UnixListener::bind(ws.path("out/x")).unwrap();
    ws.build([]).fails().says(["moved `out/x` aside", "did not make `out/x`"]);
    if Path::new("/proc/self/status").exists()
        && ws.shell("mknod device c 1 3 2> /dev/null && echo yes || echo no") == "yes\n"
    {
        let ws = task("mknod out/x c 1 3", "\"out/x\"");
        ws.build([]).fails().says(["its output `out/x` is a device, which cannot be stored"]);
    }
    let ws = Sandbox::empty();
    ws.percache(["exec", "-o", "x", "--", "mkfifo", "x"]).says(["its output `x` is a pipe"]);
}

/// A pipe that nobody writes to lets whoever opens it wait for ever.
#[test]
fn a_pipe_in_the_place_of_anything_hangs_nothing() {
    let ws = task("cat in/* > out/x", "\"out/x\"");
    ws.write("in/1", "1\n");
    ws.build([]).ran(["a"]);
    ws.remove("out/x");
    ws.shell("mkfifo out/x");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.read("out/x"), "1\n");
    ws.edit_config("cat in/*", "ls in");
    ws.shell("mkfifo in/pipe");
    ws.build([]).succeeds().reported(["a"]);
    ws.percache(["why", "a"]).succeeds();
    ws.build([]).succeeds().reported([]);
    ws.remove("percache.toml");
    ws.shell("mkdir percache.toml");
    ws.build([]).exits(2);
}

#[test]
fn names_of_any_bytes_come_back() {
    // Not UTF-8, a line feed, an escape, a name like an option, one of 255 bytes.
    let names = r"$(printf 'a\377b') $(printf 'c\002\033[2J') -rf ' sp ace ' 'back\slash' '*' '{a,b}' \!x $(printf 'n%.0s' $(seq 255))";
    let ws = task(
        &format!(
            "mkdir -p out; cd out; i=1; for name in {names}; do echo \"$name\" > ./\"$name\"; ln -s -- \"$name\" ./link$i; i=$((i+1)); done"
        ),
        "\"out/\"",
    );
    // As bytes: what the tests' own picture of a tree has is text.
    let picture =
        || ws.shell("find out -printf '%p %y %l\\0' | sort -z | od -An -v -c; cat out/* 2> /dev/null | od -An -v -c");
    ws.build([]).ran(["a"]);
    let made = picture();
    assert!(made.len() > 2000, "{made}");
    ws.remove("out");
    ws.build([]).ran([]).restored(1);
    assert_eq!(picture(), made);
    let name = std::ffi::OsStr::from_bytes(b"a\xffb");
    fs::write(ws.path("out").join(name), "tampered").unwrap();
    ws.build([]).ran([]).restored(1);
    assert_eq!(picture(), made);
    // The same as inputs.
    ws.shell("mkdir in; cp out/* in/ 2> /dev/null || true");
    ws.build([]).ran(["a"]);
    for name in [&b"a\xffb"[..], b"c\x02\x1b[2J"] {
        fs::write(ws.path("in").join(std::ffi::OsStr::from_bytes(name)), "another text").unwrap();
        let told = ws.build(["-n", "--explain"]).succeeds().output();
        let ran = ws.build(["--explain"]).ran(["a"]).output();
        let said = ws.percache(["why", "a"]).succeeds().output();
        for said in [told, ran, said] {
            assert!(!said.contains('\u{1b}'), "a name of a file controls the terminal: {said:?}");
        }
    }
}

#[test]
fn names_that_differ_in_case_only_are_two_names() {
    let ws = task("echo 1 > out/Name; echo 2 > out/name; mkdir out/D out/d; echo 3 > out/D/x", "\"out/\"");
    ws.shell("mkdir out");
    if ws.shell("touch out/p; test -e out/P && echo same || echo two; rm out/p") == "same\n" {
        return;
    }
    ws.build([]).ran(["a"]);
    let made = ws.outputs();
    assert_eq!(made.len(), 3, "{made:?}");
    ws.remove("out");
    ws.build([]).ran([]).restored(1);
    assert_eq!(ws.outputs(), made);
    assert!(ws.path("out/D").is_dir() && ws.path("out/d").is_dir());
}

/// A store whose results name other places than those of their task. Every path is checked when it comes out of the store.
#[test]
fn a_forged_result_writes_nothing_outside_of_the_workspace() {
    for (what, path) in [
        ("a parent", "../evil"),
        ("a parent on the way", "out/../../evil"),
        ("an absolute path", "EVIL"),
        ("the root", ""),
        ("itself", "."),
        ("twice the same slash", "out//x"),
        ("a source", "in/source"),
    ] {
        let ws = task("echo right > out/x", "\"out/x\"");
        ws.write("in/source", "source\n");
        ws.build([]).ran(["a"]);
        let evil = ws.outside("evil");
        let path = path.replace("EVIL", evil.to_str().unwrap());
        forge(&ws, &path);
        ws.shell("rm -r out .percache/worktrees");
        println!("{what}");
        let run = ws.build([]).succeeds().reported(["a"]).says(["warning"]);
        assert!(!evil.exists(), "written outside: {}", run.output());
        assert_eq!(ws.read("in/source"), "source\n");
        ws.build([]).succeeds().reported([]).does_not_say("warning");
        assert_eq!(ws.read("out/x"), "right\n");
    }
}

/// The same by a symlink that is an output of the task itself: that is for people to look at.
#[test]
fn a_forged_result_is_not_restored_through_a_symlink() {
    let ws = task("echo right > out/x; ln -sfn ../.. leads-out", "\"out/x\", \"leads-out\"");
    ws.build([]).ran(["a"]);
    forge(&ws, "leads-out/evil");
    ws.shell("rm -r out leads-out .percache/worktrees");
    ws.build([]).fails().says(["`leads-out` leads out of the workspace"]);
    assert!(!ws.path("../../evil").exists() && !ws.outside("evil").exists());
}

/// Adds an output of this path, with the content of another, to the only result.
fn forge(ws: &Sandbox, path: &str) {
    forge_manifest(ws, |outputs| {
        let is_file = |entry: &&Entry| matches!(entry.node, Node::File { .. });
        let node = outputs.iter().find(is_file).expect("a file").node.clone();
        outputs.push(Entry::new(path, node));
        outputs.sort_by(|a, b| a.path.cmp(&b.path));
    });
}

/// Changes the manifest of the only result, into one that no percache would write.
fn forge_manifest(ws: &Sandbox, change: impl FnOnce(&mut Vec<Entry>)) {
    let (store, warning) = open(&ws.path(".percache"), "a stranger");
    assert_eq!(warning, None);
    let (key, mut result) = store.results_of("a").unwrap().pop().expect("a result");
    let mut outputs = std::mem::take(&mut result.outputs).into_entries();
    change(&mut outputs);
    let mut forged = result.encode();
    // The number of outputs, none.
    forged.truncate(forged.len() - 4);
    forged.count(outputs.len());
    outputs.iter().for_each(|entry| entry.encode(&mut forged));
    drop(store);
    let engine = RocksEngine::new(&ws.path(".percache"), COLUMNS, "a stranger");
    let mut session = engine.session(Duration::from_secs(10)).unwrap();
    session.put(RESULTS, &result_key(kind::RESULT, &key), &forged).unwrap();
    session.commit().unwrap();
}

/// Outputs that are wanted are searched by bisection: what is not found where it should be would be taken for stale,
/// and deleted.
#[test]
fn a_manifest_out_of_order_deletes_nothing() {
    type Forgery = fn(&mut Vec<Entry>);
    let forgeries: [(&str, Forgery); 4] = [
        ("backwards", |outputs| outputs.reverse()),
        ("one behind the others", |outputs| outputs.rotate_left(1)),
        ("twice the same", |outputs| outputs.push(outputs.last().expect("an output").clone())),
        ("below a file", |outputs| {
            let below = Entry { path: b"out/c/below".to_vec(), ..outputs[2].clone() };
            outputs.insert(3, below);
        }),
    ];
    for (what, forgery) in forgeries {
        let ws = task("for i in a b c d e; do cat in/x > out/$i; done", "\"out/*\"");
        ws.write("in/x", "first\n");
        ws.build([]).ran(["a"]);
        ws.write("in/x", "second\n");
        ws.build([]).ran(["a"]);
        ws.percache(["clear"]).succeeds();
        ws.build(["-f"]).ran(["a"]);
        forge_manifest(&ws, forgery);
        let right = ws.outputs();
        ws.shell("rm .percache/worktrees/*/journal; touch out/*");
        println!("{what}");
        ws.build([]).succeeds().reported(["a"]).says(["warning"]);
        assert_eq!(ws.outputs(), right, "{what}");
        ws.build([]).succeeds().reported([]).does_not_say("warning");
    }
}

/// Somebody exchanges a directory of outputs for a symlink that leads out, again and again, while these are restored.
#[test]
fn a_symlink_planted_during_a_restore_leads_nowhere() {
    let ws = task("mkdir -p out/d/e; for i in 1 2 3 4 5 6 7 8 9; do echo $i > out/d/e/$i; done", "\"out/\"");
    ws.build([]).ran(["a"]);
    let elsewhere = ws.outside("elsewhere");
    fs::create_dir_all(elsewhere.join("e")).unwrap();
    let (d, away) = (ws.path("out/d"), ws.outside("away"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = fs::rename(&d, &away);
                let _ = std::os::unix::fs::symlink(&elsewhere, &d);
                let _ = fs::remove_file(&d);
                let _ = fs::rename(&away, &d);
                let _ = fs::remove_dir_all(&away);
            }
        });
        for _ in 0..30 {
            let _ = fs::remove_dir_all(ws.path("out"));
            // Whether it succeeds is a matter of luck.
            ws.build([]);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(elsewhere.join("e")).unwrap().count(), 0, "restored outside of the workspace");
    let _ = (fs::remove_file(ws.path("out/d")), fs::remove_dir_all(ws.path("out")));
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/d/e/9"), "9\n");
}

/// Who looks at a stranger's workspace runs nothing of it.
#[test]
fn only_a_build_runs_what_a_configuration_states() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = '@ran(a)'\ntools = ['@ran(tool)']\nenv_from = ['*']\n[task.b]\nforeach = 'src/*'\ncommand = '@ran(b) {file}'\ndeps = ['a']\n",
    );
    ws.write("src/$(touch ran)", "");
    for round in 0..2 {
        for command in ["list", "graph", "stats", "verify", "gc", "schema", "report"] {
            ws.percache([command]);
        }
        for arguments in [["why", "a"], ["log", "a"], ["build", "-n"], ["completions", "bash"]] {
            ws.percache(arguments);
        }
        assert_eq!(ws.newly_tallied().len(), 0, "in round {round}");
        ws.build([]).succeeds();
        ws.newly_tallied();
    }
    assert!(!ws.exists("ran"));
}
