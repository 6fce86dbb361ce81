//! `percache displaced`: whoever has lost something is in a hurry, and finds it whatever has happened to the workspace.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Run, Sandbox};

/// A task that makes a directory of files.
const DOCS: &str = r#"
    [task.docs]
    command = "@ran(docs); mkdir -p docs; cat in > docs/api.md"
    inputs = ["in"]
    outputs = ["docs/"]
"#;

/// A workspace in which an edited output was moved aside.
fn with_one(config: &str) -> Sandbox {
    let ws = Sandbox::new(config);
    ws.write("in", "1\n");
    ws.build([]).ran(["docs"]);
    edit(&ws, "edited by hand");
    ws
}

/// Edits the output, and has it moved aside.
fn edit(ws: &Sandbox, text: &str) {
    ws.write("docs/api.md", text);
    ws.build([]).restored(1).says(["moved `docs/api.md` aside"]);
}

fn listed(run: Run) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&run.succeeds().stdout).expect("JSON");
    listed.as_array().expect("a list").clone()
}

fn paths(ws: &Sandbox) -> Vec<String> {
    listed(ws.percache(["displaced", "--json"])).iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_broken_or_missing_configuration_hides_nothing() {
    for store in ["", "cache.dir = \"../store\"\n"] {
        let ws = with_one(&format!("{store}{DOCS}"));
        ws.remove("docs");
        for broken in ["[task.docs\ncommand = ", "[task.docs]\ncommand = 7\nno_key = 1\n", "\u{fffd}"] {
            ws.write("percache.toml", format!("{store}{broken}"));
            ws.build([]).exits(2);
            assert_eq!(paths(&ws), ["docs/api.md"], "{store}{broken}");
        }
        ws.remove("percache.toml");
        assert_eq!(paths(&ws), ["docs/api.md"]);
        fs::create_dir_all(ws.path("deep/er")).unwrap();
        ws.run(ws.command("deep/er").args(["displaced", "restore", "../../docs/api.md"])).succeeds();
        assert_eq!(ws.read("docs/api.md"), "edited by hand");
    }
    // Whether a member belongs to a workspace whose file is broken cannot be told.
    let ws = with_one(DOCS);
    ws.write("percache.toml", "[workspace\nmembers = [\"pkg\"]\n");
    ws.write("pkg/percache.toml", "");
    ws.run(ws.command("pkg").arg("displaced")).succeeds().says(["docs/api.md"]);
    Sandbox::empty().percache(["displaced"]).exits(2).says(["no percache.toml", "percache displaced --all"]);
}

#[test]
fn a_moved_workspace_finds_what_is_its_own_in_a_store_that_stays() {
    let mut ws = with_one(&format!("cache.dir = \"{}\"\n{DOCS}", "../store"));
    ws.move_to("other");
    ws.percache(["displaced"]).says(["docs/api.md"]).does_not_say("other workspaces");
    ws.remove("docs");
    ws.percache(["displaced", "restore", "docs/api.md"]).succeeds();
    assert_eq!(ws.read("docs/api.md"), "edited by hand");
}

#[test]
fn a_worktree_that_git_moves_finds_what_is_its_own() {
    let ws = Sandbox::new(DOCS);
    ws.write("in", "1\n");
    ws.write(".gitignore", "docs\n");
    ws.shell(
        "git config --global user.name n; git config --global user.email n@example.com; git init -q . && git add . && \
         git commit -qm 1 && git worktree add -q ../linked",
    );
    ws.run(ws.command("../linked").arg("build")).succeeds();
    fs::write(ws.outside("linked").join("docs/api.md"), "edited by hand").unwrap();
    ws.run(ws.command("../linked").arg("build")).says(["moved `docs/api.md` aside"]);
    ws.shell("git worktree move ../linked ../moved");
    ws.run(ws.command("../moved").arg("displaced")).says(["docs/api.md"]);
    ws.percache(["displaced"]).says(["nothing was moved aside here", "1 file of other workspaces"]);
}

#[test]
fn what_is_of_a_workspace_that_is_gone_is_listed_and_put_where_one_says() {
    let ws = Sandbox::new(&format!("cache.dir = \"../store\"\n{DOCS}"));
    ws.write("in", "1\n");
    ws.shell("cp -r . ../gone");
    let build = || ws.run(ws.command("../gone").arg("build"));
    build().ran(["docs"]);
    fs::write(ws.outside("gone").join("docs/api.md"), "edited by hand").unwrap();
    build().says(["moved `docs/api.md` aside"]);
    ws.shell("rm -r ../gone");
    ws.percache(["gc"]).succeeds();
    ws.percache(["displaced"]).says(["nothing was moved aside here", "1 file of other workspaces (14 B)", "--all"]);
    let at = ws.outside("gone").join("docs/api.md").display().to_string();
    ws.percache(["displaced", "--all"]).says(["of a workspace that was at", &at]);
    ws.percache(["displaced", "restore", "docs/api.md"]).exits(2).says(["with `--all`"]);
    ws.percache(["displaced", "restore", "--all", &at]).exits(1).says(["not there any more", "--to DIR"]);
    ws.percache(["displaced", "restore", "--all", "docs/api.md", "--to", "saved"]).succeeds();
    assert_eq!(ws.read("saved/docs/api.md"), "edited by hand");
}

#[test]
fn another_store_is_found_as_well() {
    let ws = with_one(&format!("cache.dir = \"../one\"\n{DOCS}"));
    ws.edit_config("../one", "../two");
    ws.build(["--accept"]).succeeds();
    assert_eq!(paths(&ws), ["docs/api.md"]);
    edit(&ws, "edited again");
    assert_eq!(paths(&ws), ["docs/api.md", "docs/api.md"]);
    ws.remove("docs");
    ws.percache(["displaced", "restore", "docs"]).succeeds();
    assert_eq!(ws.read("docs/api.md"), "edited again", "the newest of both");
    // Also when the way to the first one led through a directory that is gone.
    let mut ws = with_one(&format!("cache.dir = \"../one\"\n{DOCS}"));
    ws.move_to("moved");
    ws.edit_config("../one", "../two");
    assert_eq!(paths(&ws), ["docs/api.md"]);
    // The usual store needs no memory.
    let ws = with_one(DOCS);
    ws.shell("rm -rf ../home/state");
    ws.edit_config("[task.docs]", "[cache]\ndir = \"../two\"\n[task.docs]");
    assert_eq!(paths(&ws), ["docs/api.md"]);
}

#[test]
fn the_note_says_where_it_is_also_when_little_is_said() {
    let ws = with_one(DOCS);
    let at = ws.path(".percache/worktrees").display().to_string();
    for (options, on_stderr) in [(&[][..], false), (&["-q"], true)] {
        ws.write("docs/api.md", "edited");
        let run = ws.run(ws.command("").arg("build").args(options));
        let note = if on_stderr { &run.stderr } else { &run.stdout };
        assert!(note.contains("moved `docs/api.md` aside") && note.contains(&at), "{run:?}");
    }
    ws.write("docs/api.md", "edited");
    let run = ws.build(["--json"]);
    let events = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let event = events.into_iter().find(|event| event["event"] == "displaced").expect("an event");
    assert_eq!(event["paths"], serde_json::json!(["docs/api.md"]));
    let there = Path::new(event["directory"].as_str().unwrap()).join("docs/api.md");
    assert_eq!(fs::read_to_string(there).unwrap(), "edited");
    ws.write("docs/api.md", "edited");
    ws.run(ws.command("").arg("build").env("GITHUB_ACTIONS", "true"))
        .says(["::warning title=percache::moved `docs/api.md`"]);
}

#[test]
fn names_fake_no_line_and_what_is_shown_is_taken() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"mkdir -p out; cp -r names/. out\"\ninputs = [\"names/\"]\noutputs = [\"out/\"]\n",
    );
    let names: [(&[u8], &str); 5] = [
        (b"a\nremoved `b`", r#""out/a\nremoved `b`""#),
        (b"\x1b[2Jc", r#""out/\033[2Jc""#),
        (b"caf\xe9", r#""out/caf\351""#),
        (b"sp ace", "out/sp ace"),
        (b"q\"uote\\", "out/q\"uote\\"),
    ];
    let at = |dir: &str, name: &[u8]| ws.path(dir).join(OsStr::from_bytes(name));
    fs::create_dir(ws.path("names")).unwrap();
    names.iter().for_each(|(name, _)| fs::write(at("names", name), "made").unwrap());
    ws.build([]).succeeds();
    for (name, _) in names {
        fs::write(at("out", name), "edited").unwrap();
    }
    let build = ws.build([]).restored(1);
    assert!(!build.output().contains("\nremoved") && !build.output().contains('\x1b'), "{build:?}");
    let list = ws.percache(["displaced"]);
    assert_eq!(list.stdout.lines().filter(|line| line.contains(" ago")).count(), names.len(), "{list:?}");
    for (name, shown) in names {
        assert!(list.stdout.contains(shown), "{shown}: {list:?}");
        fs::remove_file(at("out", name)).unwrap();
    }
    for (i, (name, shown)) in names.iter().enumerate() {
        // As it is, as it is shown, and what a shell leaves of that.
        let inner = shown.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(shown);
        let raw = [b"out/", *name].concat();
        let given = [OsStr::from_bytes(&raw), OsStr::new(shown), OsStr::new(inner)][i % 3];
        ws.run(ws.command("").args(["displaced", "restore"]).arg(given)).succeeds();
        assert_eq!(fs::read_to_string(at("out", name)).unwrap(), "edited");
    }
}

#[test]
fn two_commands_with_one_output_displace_nothing_of_each_other() {
    let ws = Sandbox::empty();
    let exec = |text: &str| {
        let script = format!("echo {text} > out");
        ws.run(ws.command("").args(["exec", "-o", "out", "--", "sh", "-c", &script])).succeeds()
    };
    for _ in 0..2 {
        for text in ["one", "two"] {
            exec(text).does_not_say("aside");
            assert_eq!(ws.read("out"), format!("{text}\n"));
        }
    }
    ws.write("out", "by hand\n");
    exec("one").says(["moved `out` aside", "percache displaced --exec"]);
    // Forced, it runs, and takes away what the other one has left.
    exec("two");
    let run = ws.run(ws.command("").args(["exec", "-f", "-o", "out", "--", "sh", "-c", "echo one > out"]));
    run.succeeds().does_not_say("aside");
    assert_eq!(listed(ws.percache(["displaced", "--exec", "--json"])).len(), 1);
}

#[test]
fn versions_are_told_apart_and_the_newest_comes_back() {
    let ws = with_one(DOCS);
    edit(&ws, "the second");
    edit(&ws, "the third");
    let all = listed(ws.percache(["displaced", "--json"]));
    let first = all[0]["version"].as_str().unwrap().to_owned();
    ws.percache(["displaced"]).says([&format!("--from {first}"), "`--from` names another one"]);
    ws.percache(["displaced", "restore", "docs", "--from", "7-0", "--to", "x"])
        .exits(2)
        .says(["has no version `7-0`", &first]);
    ws.percache(["displaced", "restore", "docs", "--from", &first, "--to", "first"]).succeeds();
    ws.percache(["displaced", "restore", "docs", "--to", "newest"]).succeeds();
    assert_eq!(
        (ws.read("first/docs/api.md"), ws.read("newest/docs/api.md")),
        ("edited by hand".into(), "the third".into())
    );
    // It is there already, and stays as it is.
    ws.percache(["displaced", "restore", "docs", "--to", "first"]).exits(1).says([
        "something is at",
        "already",
        "--to",
    ]);
    assert_eq!(ws.read("first/docs/api.md"), "edited by hand");
    ws.percache(["displaced", "drop", "docs"]).succeeds().says(["deleted docs/api.md"]);
    ws.percache(["displaced"]).says(["nothing was moved aside"]);
}

#[test]
fn what_comes_back_is_as_it_was() {
    let ws = Sandbox::new(
        "[task.a]\ncommand = \"rm -rf out; mkdir -p out/d; echo 1 > out/d/f; ln -s d out/l\"\ninputs = []\noutputs = [\"out/\"]\n",
    );
    ws.build([]).succeeds();
    ws.remove("out/l");
    ws.symlink("nowhere", "out/l");
    ws.write("out/d/f", "edited");
    ws.set_mode("out/d/f", 0o640);
    ws.set_mode("out/d", 0o711);
    let state = |path: &str| {
        let metadata = ws.path(path).symlink_metadata().unwrap();
        (metadata.permissions().mode(), metadata.mtime(), metadata.mtime_nsec())
    };
    let before = [state("out/d/f"), state("out/l")];
    ws.build([]).restored(1).says(["moved `out/d/f`, `out/l` aside"]);
    ws.remove("out");
    let run = ws.percache(["displaced", "restore", "out"]).succeeds();
    run.says(["is an output of a task: a build moves it aside again"]);
    assert_eq!([state("out/d/f"), state("out/l")], before);
    assert_eq!((state("out/d").0 & 0o777, fs::read_link(ws.path("out/l")).unwrap()), (0o711, "nowhere".into()));
}

/// What is on another file system is copied.
#[test]
fn what_is_given_back_to_another_file_system_is_as_it_was() {
    let ws = with_one(DOCS);
    let other = tempfile::Builder::new().prefix("percache-test-").tempdir_in("/dev/shm");
    let Some(other) =
        other.ok().filter(|other| fs::metadata(other.path()).unwrap().dev() != fs::metadata(ws.root()).unwrap().dev())
    else {
        println!("skipped: there is no other file system");
        return;
    };
    let to = other.path().join("saved").display().to_string();
    let at = listed(ws.percache(["displaced", "--json"]))[0]["at"].as_str().unwrap().to_owned();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o604)).unwrap();
    let modified = fs::metadata(&at).unwrap().modified().unwrap();
    // By where it lies, as well.
    ws.percache(["displaced", "restore", &at, "--to", &to]).succeeds();
    let metadata = fs::metadata(format!("{to}/docs/api.md")).unwrap();
    assert_eq!((metadata.modified().unwrap(), metadata.permissions().mode() & 0o777), (modified, 0o604));
    assert_eq!(fs::read_dir(format!("{to}/docs")).unwrap().count(), 1, "nothing is left of the copying");
    ws.percache(["displaced"]).says(["nothing was moved aside"]);
}

/// Whoever has no store to write to is told where it is, and finds it again.
#[test]
fn what_was_moved_to_the_systems_temporary_files_is_found() {
    let ws = Sandbox::new(DOCS);
    ws.write("in", "1\n");
    ws.build([]).ran(["docs"]);
    ws.remove(".percache");
    ws.write(".percache", "no directory");
    ws.edit_config("outputs = [\"docs/\"]", "outputs = [\"docs/api.md\"]");
    ws.write("docs/api.md", "edited by hand");
    ws.build([]).says(["moved `docs/api.md` aside", &ws.outside("tmp").display().to_string()]);
    assert_eq!(paths(&ws), ["docs/api.md"]);
    ws.percache(["displaced", "restore", "docs/api.md", "--to", "saved"]).succeeds();
    assert_eq!(ws.read("saved/docs/api.md"), "edited by hand");
}

/// A day later, a build looks after the store, and says what it has removed.
#[test]
fn nothing_expires_without_a_word() {
    let ws = with_one(DOCS);
    ws.edit_config("[task.docs]", "[cache]\nmaxage = \"0s\"\n[task.docs]");
    ws.shell("touch -d '2 days ago' .percache/last-gc");
    ws.write("in", "2\n");
    std::thread::sleep(std::time::Duration::from_millis(5));
    ws.build([]).succeeds().says(["removed 1 displaced file (14 B): moved aside more than 0s ago"]);
    assert_eq!(paths(&ws), [""; 0]);
    // That there is too much is no reason for one to go.
    ws.edit_config("maxage = \"0s\"", "maxsize = \"2\"");
    ws.write("docs/api.md", "edited by hand");
    ws.build([]).succeeds().says(["moved `docs/api.md` aside"]);
    ws.shell("touch -d '2 days ago' .percache/last-gc");
    ws.write("in", "3\n");
    ws.build([]).succeeds().says(["1 displaced file (14 B) are kept", "`maxsize`", "percache displaced drop"]);
    assert_eq!(paths(&ws), ["docs/api.md"]);
}

/// What a store of a stranger says leads neither to files that are not displaced nor out of the workspace.
#[test]
fn a_strangers_store_gives_nothing_of_others_away() {
    let ws = with_one(DOCS);
    let kept = Path::new(listed(ws.percache(["displaced", "--json"]))[0]["at"].as_str().unwrap())
        .ancestors()
        .nth(3)
        .unwrap()
        .to_owned();
    fs::create_dir(ws.outside("theirs")).unwrap();
    fs::write(ws.outside("theirs").join("secret"), "theirs").unwrap();
    let theirs = ws.outside("theirs");
    std::os::unix::fs::symlink(&theirs, kept.join("1-0")).unwrap();
    fs::create_dir(ws.path(".percache/worktrees/other")).unwrap();
    std::os::unix::fs::symlink(&theirs, ws.path(".percache/worktrees/other/displaced")).unwrap();
    assert_eq!(paths(&ws), ["docs/api.md"]);
    ws.percache(["displaced", "--all"]).does_not_say("secret");
    ws.remove("docs");
    ws.symlink("../theirs", "docs");
    ws.percache(["displaced", "restore", "docs"]).exits(1).says(["leads out of", "--to DIR"]);
    ws.percache(["gc", "--maxage", "0"]).succeeds();
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
    // Inside of the workspace a symlink is followed.
    let ws = with_one(DOCS);
    ws.shell("mv docs real && rm real/api.md && ln -s real docs");
    ws.percache(["displaced", "restore", "docs"]).succeeds();
    assert_eq!(ws.read("real/api.md"), "edited by hand");
}
