//! What the machine does to a store: a full disk, directories that cannot be written or entered, no home, another file system. A build
//! goes on, and says so once.
//!
//! Some need a file system of their own; where that cannot be mounted, the test says so and is skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::sandbox::{PERCACHE, Run, Sandbox};

const COPY: &str = r#"
    [task.copy]
    foreach = "src/*"
    command = "@ran({name}); cat {file} > out/{name}; echo this is {name}"
    inputs = ["{file}"]
    outputs = ["out/{name}"]
"#;

fn workspace(dir: &str) -> Sandbox {
    let ws = Sandbox::new(&format!("[cache]\ndir = \"{dir}\"\n{COPY}"));
    for name in ["a", "b", "c"] {
        ws.write(&format!("src/{name}"), name.repeat(1000));
    }
    ws
}

fn is_right(ws: &Sandbox) {
    for name in ["a", "b", "c"] {
        assert_eq!(ws.read(&format!("out/{name}")), ws.read(&format!("src/{name}")));
    }
}

fn one_warning(run: &Run) {
    assert_eq!(run.output().matches("warning").count(), 1, "{}", run.output());
}

/// A file system of its own, unmounted in the end.
struct Mounted<'a> {
    ws: &'a Sandbox,
    place: String,
}

impl<'a> Mounted<'a> {
    /// `None`, and a word, where mounting is not allowed.
    fn new(ws: &'a Sandbox, place: &str, options: &[&str]) -> Option<Mounted<'a>> {
        fs::create_dir_all(ws.path(place)).unwrap();
        let mut command = Command::new("mount");
        let mounted = command.args(options).arg(ws.path(place)).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Mounted { ws, place: place.to_owned() });
        }
        println!("skipped: `mount {}` is not possible here", options.join(" "));
        None
    }

    fn tmpfs(ws: &'a Sandbox, place: &str, size: &str) -> Option<Mounted<'a>> {
        Mounted::new(ws, place, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.ws.path(&self.place)).status();
    }
}

/// Runs percache as somebody who may not do everything.
fn as_nobody(ws: &Sandbox, arguments: &[&str]) -> Run {
    let binary = ws.outside("percache");
    if !binary.exists() {
        fs::copy(PERCACHE, &binary).unwrap();
        ws.shell(
            "chmod 755 .. ../percache && chmod -R a+rwX . ../home ../tmp && touch ../tally && chmod a+rw ../tally",
        );
    }
    let mut command = Command::new(&binary);
    command.current_dir(ws.root()).env_clear().args(arguments);
    ws.environment(&mut command);
    if ws.shell("id -u").trim() == "0" {
        command.uid(65534).gid(65534);
    }
    ws.run(&mut command)
}

#[test]
fn a_disk_that_is_full_from_the_start() {
    let ws = workspace("../full/store");
    let Some(_disk) = Mounted::tmpfs(&ws, "../full", "64k") else { return };
    ws.shell("head -c 1000000 /dev/zero > ../full/filler || true");
    one_warning(&ws.build([]).ran(["a", "b", "c"]));
    is_right(&ws);
    one_warning(&ws.build([]).ran(["a", "b", "c"]));
    // With room again, everything works again.
    ws.shell("umount ../full; mount -t tmpfs -o size=20m tmpfs ../full");
    ws.build([]).ran(["a", "b", "c"]).does_not_say("warning");
    ws.build([]).ran([]).does_not_say("warning");
}

/// From no room at all to enough of it: wherever the disk is full, the build is right, and what the store has is whole.
#[test]
fn a_disk_that_becomes_full_at_any_moment() {
    let ws = workspace("../full/store");
    let Some(_disk) = Mounted::tmpfs(&ws, "../full", "2m") else { return };
    ws.build([]).ran(["a", "b", "c"]);
    let mut warned = 0;
    for pages in (0..40).step_by(4) {
        ws.shell("rm -rf ../full/filler out");
        ws.shell("head -c 4000000 /dev/zero > ../full/filler || true");
        ws.shell(&format!("truncate -s -{} ../full/filler || true", 4096 * pages));
        for name in ["a", "b", "c"] {
            ws.write(&format!("src/{name}"), format!("{name}{pages} ").repeat(500));
        }
        let run = ws.build([]).succeeds();
        is_right(&ws);
        let warnings = run.output().matches("warning").count();
        assert!(warnings <= 1, "{}", run.output());
        warned += warnings;
        ws.shell("rm ../full/filler");
        ws.percache(["verify"]).succeeds();
        ws.build([]).succeeds().does_not_say("warning");
        ws.remove("out");
        ws.build([]).ran([]).restored(3);
        is_right(&ws);
    }
    assert!(warned > 0, "the disk was never full");
    println!("{warned} of 10 builds found the disk full");
}

/// A restore needs room too. The command, which writes elsewhere, does not.
#[test]
fn a_disk_without_room_for_what_is_restored() {
    let ws = workspace("../full/store");
    let Some(_disk) = Mounted::tmpfs(&ws, "../full", "2m") else { return };
    ws.build([]).ran(["a", "b", "c"]);
    ws.remove("out");
    ws.shell("head -c 4000000 /dev/zero > ../full/filler || true");
    one_warning(&ws.build([]).succeeds());
    is_right(&ws);
}

#[test]
fn a_store_on_another_file_system() {
    let ws = workspace("../other/store");
    let Some(_disk) = Mounted::tmpfs(&ws, "../other", "20m") else { return };
    ws.build([]).ran(["a", "b", "c"]);
    ws.remove("out");
    ws.build([]).ran([]).restored(3);
    is_right(&ws);
    assert_eq!(ws.shell("find . -name '.percache-*'"), "", "nothing is left beside the outputs");
    ws.percache(["gc"]).succeeds();
    ws.percache(["verify"]).succeeds();
    ws.build([]).ran([]).up_to_date(3);
}

/// What a killed restore leaves beside the outputs, where the store lies on another file system, is gone after the next build: it would
/// be an input of tasks that declare none.
#[test]
fn a_restore_from_another_file_system_that_is_killed_leaves_nothing() {
    let ws = workspace("../other/store");
    let Some(_disk) = Mounted::tmpfs(&ws, "../other", "200m") else { return };
    ws.write("src/large", "0123456789abcdef".repeat(4_000_000));
    ws.build([]).succeeds();
    let mut left = 0;
    for milliseconds in (10..200).step_by(12) {
        ws.remove("out");
        let mut command = ws.command("");
        let mut child = command.arg("build").stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let temporary = "find . -name '.percache-*' | wc -l";
        left += usize::from(ws.shell(temporary).trim() != "0");
        ws.build([]).ran([]);
        assert_eq!(ws.shell(temporary).trim(), "0", "a temporary file is left after {milliseconds} ms");
        is_right(&ws);
    }
    println!("{left} of 16 kills left a temporary file behind");
}

#[test]
fn a_directory_for_the_store_that_cannot_be_written_or_entered() {
    for mode in [0o555, 0o000] {
        let ws = workspace("../closed/store");
        fs::create_dir(ws.path("../closed")).unwrap();
        fs::set_permissions(ws.path("../closed"), fs::Permissions::from_mode(mode)).unwrap();
        let run = as_nobody(&ws, &["build"]).succeeds().reported(["a", "b", "c"]);
        one_warning(&run);
        is_right(&ws);
        fs::set_permissions(ws.path("../closed"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Of a store that works, each part in turn cannot be written, read or entered.
#[test]
fn every_part_of_the_store_out_of_reach() {
    let ws = workspace(".percache");
    as_nobody(&ws, &["build"]).ran(["a", "b", "c"]);
    let parts = ws.shell("find .percache -not -name '*.log'");
    let mut warned = 0;
    for (number, part) in parts.lines().enumerate() {
        for mode in ["000", "400"] {
            ws.shell(&format!("rm -rf ../kept; cp -a .percache ../kept; chmod {mode} {part}"));
            ws.write("src/a", format!("{number}{mode}"));
            let run = as_nobody(&ws, &["build"]).succeeds();
            is_right(&ws);
            let warnings = run.output().matches("warning").count();
            assert!(warnings <= 1, "{part} has mode {mode}\n{}", run.output());
            warned += warnings;
            ws.shell("chmod -R u+rwX .percache; rm -rf .percache; cp -a ../kept .percache");
        }
    }
    assert!(warned > 0);
    println!("{} parts out of reach, each in two ways: {warned} warnings", parts.lines().count());
    as_nobody(&ws, &["verify"]).succeeds();
}

#[test]
fn outputs_that_cannot_be_replaced_are_an_error_that_names_them() {
    let ws = workspace(".percache");
    as_nobody(&ws, &["build"]).ran(["a", "b", "c"]);
    ws.shell("echo spoilt > out/a; chmod 555 out");
    if ws.shell("id -u").trim() == "0" {
        as_nobody(&ws, &["build"]).fails().says(["out/a"]);
        ws.shell("chmod 777 out");
        as_nobody(&ws, &["build"]).ran([]).restored(1);
        is_right(&ws);
    }
}

#[test]
fn no_home() {
    let ws = workspace(".percache");
    let build = |home: Option<&str>| {
        let mut command = ws.command("");
        command.arg("build").env_remove("HOME").env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
        command.env_remove("XDG_STATE_HOME").envs(home.map(|home| ("HOME", home)));
        ws.run(&mut command)
    };
    build(None).ran(["a", "b", "c"]).does_not_say("warning");
    build(None).ran([]).up_to_date(3);
    build(Some("/nonexistent")).succeeds().does_not_say("warning");
    is_right(&ws);
    // Where there is no directory for caches, the command runs, or it is an error that says what to do. It never panics.
    let mut command = ws.command("");
    command.args(["exec", "--", "echo", "hello"]).env_remove("HOME").env_remove("XDG_CACHE_HOME");
    let run = ws.run(&mut command);
    assert!(run.output().contains("hello") || run.output().contains("hint:"), "{}", run.output());
    assert!([0, 2].contains(&run.status), "{}", run.output());
}

/// Everything in the store is its owner's alone, whatever the umask allows and whoever made the directory above.
#[test]
fn files_of_the_store_are_private() {
    let ws = workspace("shared/store");
    fs::create_dir_all(ws.path("shared/store")).unwrap();
    fs::set_permissions(ws.path("shared/store"), fs::Permissions::from_mode(0o755)).unwrap();
    let script =
        format!("umask 000; {PERCACHE} build && {PERCACHE} gc && rm -rf out && {PERCACHE} build && {PERCACHE} verify");
    ws.shell(&script);
    ws.shell(&format!("umask 000; rm -rf out src/a; {PERCACHE} clear; {PERCACHE} build; {PERCACHE} build"));
    let open = ws.shell("find shared/store -mindepth 1 -perm /077");
    assert_eq!(open, "", "others can read these");
    assert!(ws.shell("find shared/store -type f").lines().count() > 10);
    // Outputs are the user's own matter.
    assert_eq!(ws.shell("stat -c %a out/b").trim(), "666");
}
