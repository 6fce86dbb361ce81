//! `watch`: what wakes it, and what does not.

use std::fs;
use std::process::{Command, Stdio};

use crate::sandbox::{PERCACHE, Sandbox};
use crate::watch::{Watch, until_it_reads};

/// How often something happens that must not matter, and the pause behind it.
const TIMES: usize = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

const COPY: &str = r#"
    [task.copy]
    command = "@ran(copy); cat src/*.txt > out/all"
    inputs = ["src/*.txt"]
    outputs = ["out/all"]
"#;

/// Waits until `out/all` reads so.
fn until(ws: &Sandbox, text: &str) {
    until_it_reads(ws, "out/all", text);
}

fn started(ws: &Sandbox, options: &[&str]) -> Watch {
    let watch = Watch::start(ws, options);
    ws.wait_until("the first build is over", || !ws.newly_tallied().is_empty());
    watch
}

#[test]
fn files_that_no_task_reads_run_nothing() {
    // Not stored: whatever wakes it runs it.
    let ws = Sandbox::new(&format!("{COPY}\ncache = false"));
    ws.shell("git init -q .");
    ws.write(".gitignore", "*.log\nignored\n");
    ws.write("src/a.txt", "1");
    let _watch = started(&ws, &["--on-change", "finish"]);
    for round in 0..TIMES {
        ws.write("README", format!("{round}"));
        ws.write("src/a.c", format!("{round}"));
        ws.write("src/x.log", format!("{round}"));
        ws.write("ignored/deep/file", format!("{round}"));
        ws.write(&format!("other/{round}/file"), "");
        // The same content once more, and another time.
        ws.write("src/a.txt", "1");
        ws.touch("src/a.txt");
        ws.write("out/all", "spoilt");
        std::thread::sleep(PAUSE);
    }
    assert!(ws.newly_tallied().is_empty());
    ws.write("src/a.txt", "2");
    until(&ws, "2");
    assert_eq!(ws.newly_tallied(), ["copy"]);
}

#[test]
fn for_a_task_without_declared_inputs_everything_counts_that_git_would_not_ignore() {
    let ws = Sandbox::new(
        r#"
            [task.list]
            command = "@ran(list); cat a b deep/er/c ignored/deep/file > out/all 2>&- || true"
            outputs = ["out/all"]
            cache = false
        "#,
    );
    ws.shell("git init -q .");
    ws.write(".gitignore", "ignored\n/.percache\n");
    ws.write("a", "1");
    let _watch = Watch::start(&ws, &[]);
    until(&ws, "1");
    ws.newly_tallied();
    for round in 0..TIMES {
        ws.write("ignored/deep/file", format!("{round}"));
        ws.shell("git status; git add a");
        std::thread::sleep(PAUSE);
    }
    assert!(ws.newly_tallied().is_empty());
    ws.write("b", "2");
    until(&ws, "129");
    ws.write("deep/er/c", "3");
    until(&ws, "1239");
    // What counts is another file by now.
    ws.write(".gitignore", "/.percache\n");
    ws.write("ignored/deep/file", "4");
    until(&ws, "1234");
    ws.write("ignored/deep/file", "5");
    until(&ws, "1235");
}

#[test]
fn files_may_come_go_and_be_replaced() {
    let ws = Sandbox::new(COPY);
    ws.write("src/a.txt", "1");
    let _watch = Watch::start(&ws, &[]);
    until(&ws, "1");
    ws.remove("src/a.txt");
    ws.write("src/a.txt", "2");
    until(&ws, "2");
    // As editors save.
    ws.write("src/.a.txt.swp", "3");
    ws.rename("src/.a.txt.swp", "src/a.txt");
    until(&ws, "3");
    ws.write("src/b.txt", "4");
    until(&ws, "34");
    ws.remove("src/a.txt");
    until(&ws, "4");
    ws.rename("src", "old");
    fs::create_dir(ws.path("src")).unwrap();
    ws.write("src/c.txt", "5");
    until(&ws, "5");
}

#[test]
fn discovered_inputs_count_wherever_they_are_also_after_a_failure() {
    let ws = Sandbox::new(
        r#"
            [task.obj]
            foreach = "src/*.c"
            command = "@ran({stem}); echo 'x: include/a.h' > out/{stem}.d; cat {file} include/a.h > out/{stem}.o"
            inputs = ["{file}"]
            outputs = ["out/{stem}.o"]
            depfile = "out/{stem}.d"
        "#,
    );
    ws.write("src/main.c", "c");
    ws.write("include/a.h", "1");
    let _watch = Watch::start(&ws, &["-k"]);
    until_it_reads(&ws, "out/main.o", "c1");
    ws.write("include/a.h", "2");
    until_it_reads(&ws, "out/main.o", "c2");
    ws.newly_tallied();
    ws.remove("include");
    ws.wait_until("it has failed", || !ws.newly_tallied().is_empty());
    ws.write("include/a.h", "3");
    until_it_reads(&ws, "out/main.o", "c3");
    // A task more, and one less.
    ws.write("src/other.c", "d");
    until_it_reads(&ws, "out/other.o", "d3");
    ws.newly_tallied();
    ws.remove("src/other.c");
    ws.wait_until("its output is gone", || !ws.exists("out/other.o"));
    assert!(ws.newly_tallied().is_empty());
}

/// What a command that failed has read, nobody knows: its depfile may not even be written.
#[test]
fn after_a_failure_a_header_that_was_missing_counts() {
    let ws = Sandbox::new(
        r#"
            [task.obj]
            command = "@ran(obj); cat include/new.h > out/a.o; echo 'x: include/new.h' > out/a.d"
            inputs = ["a.c"]
            outputs = ["out/a.o"]
            depfile = "out/a.d"
        "#,
    );
    ws.write("a.c", "");
    let _watch = started(&ws, &[]);
    ws.write("include/new.h", "1");
    until_it_reads(&ws, "out/a.o", "1");
}

#[test]
fn what_decides_which_tasks_there_are_counts() {
    let ws = Sandbox::new("[workspace]\nmembers = [\"pkgs/*\"]\n");
    let member =
        |text: &str| format!("[task.make]\ncommand = \"echo {text} > out\"\ninputs = []\noutputs = [\"out\"]\n");
    ws.config_in("pkgs/a", &member("1"));
    let _watch = Watch::start(&ws, &[]);
    until_it_reads(&ws, "pkgs/a/out", "1\n");
    ws.config_in("pkgs/a", &member("2"));
    until_it_reads(&ws, "pkgs/a/out", "2\n");
    ws.config_in("pkgs/b", &member("3"));
    until_it_reads(&ws, "pkgs/b/out", "3\n");
    ws.config_in("pkgs/b", "[task.make\n");
    ws.config_in("pkgs/c", &member("4"));
    ws.config_in("pkgs/b", &member("5"));
    until_it_reads(&ws, "pkgs/b/out", "5\n");
    until_it_reads(&ws, "pkgs/c/out", "4\n");
    ws.remove("pkgs/c");
    ws.config_in("pkgs/a", &member("6"));
    until_it_reads(&ws, "pkgs/a/out", "6\n");
}

#[test]
fn what_symlinks_lead_to_counts() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "cat link.txt dir/a.txt > out/all"
            inputs = ["link.txt", "dir/*.txt"]
            outputs = ["out/all"]
        "#,
    );
    fs::create_dir(ws.outside("shared")).unwrap();
    fs::write(ws.outside("shared/file"), "1").unwrap();
    ws.write("real/a.txt", "2");
    ws.write("real2/a.txt", "3");
    ws.symlink("../shared/file", "link.txt");
    ws.symlink("real", "dir");
    let _watch = Watch::start(&ws, &[]);
    until(&ws, "12");
    fs::write(ws.outside("shared/new"), "4").unwrap();
    fs::rename(ws.outside("shared/new"), ws.outside("shared/file")).unwrap();
    until(&ws, "42");
    ws.write("real/a.txt", "5");
    until(&ws, "45");
    ws.symlink("real2", "new");
    ws.rename("new", "dir");
    until(&ws, "43");
}

#[test]
fn a_burst_is_one_build_and_what_changes_meanwhile_is_not_lost() {
    let ws = Sandbox::new(&COPY.replace("cat src", "until test -e go; do sleep 0.02; done; cat src"));
    ws.shell("git init -q .");
    ws.write("go", "");
    ws.write("src/a.txt", "1");
    let _watch = started(&ws, &["--on-change", "finish"]);
    until(&ws, "1");
    // A checkout with pauses: git holds its index.
    ws.write(".git/index.lock", "");
    for part in 2..8 {
        ws.write("src/a.txt", format!("{part}"));
        std::thread::sleep(PAUSE);
    }
    ws.remove(".git/index.lock");
    until(&ws, "7");
    assert_eq!(ws.newly_tallied(), ["copy"]);
    ws.remove("go");
    ws.write("src/a.txt", "8");
    ws.wait_until("it runs", || !ws.newly_tallied().is_empty());
    ws.write("src/a.txt", "9");
    ws.write("src/b.txt", "10");
    ws.write("go", "");
    until(&ws, "910");
}

/// The directories that a process follows.
#[cfg(target_os = "linux")]
fn followed(process: u32) -> usize {
    let infos = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap().flatten();
    let texts = infos.map(|info| fs::read_to_string(info.path()).unwrap_or_default());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify wd:")).count()).sum()
}

#[cfg(target_os = "linux")]
#[test]
fn directories_that_cannot_matter_are_not_followed() {
    let ws = Sandbox::new(&format!("{COPY}\n[task.default]\ncommand = \"true\"\ndeps = [\"copy\"]\n"));
    ws.shell("git init -q .");
    ws.write(".gitignore", "node_modules\n");
    ws.write("src/a.txt", "1");
    (0..300).for_each(|number| ws.write(&format!("node_modules/{number}/index.js"), ""));
    let watch = Watch::start(&ws, &[]);
    until(&ws, "1");
    ws.wait_until("it is idle", || ws.path(".percache").exists() && followed(watch.id()) > 0);
    assert!(followed(watch.id()) < 20, "{}", followed(watch.id()));
}

/// In a user namespace of its own the limit can be set without harm to others.
#[cfg(target_os = "linux")]
#[test]
fn where_the_system_follows_no_more_directories_it_looks_itself() {
    let ws = Sandbox::new(COPY);
    ws.write("src/a.txt", "1");
    let script = format!("echo 1 > /proc/sys/user/max_inotify_watches && exec {PERCACHE} watch");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]).current_dir(ws.root()).env_clear();
    ws.environment(&mut command);
    let said = ws.outside("said");
    let errors = fs::File::create(&said).unwrap();
    let watch = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
    let Ok(child) = watch else { return println!("no unshare") };
    let _watch = Watch::of(child);
    ws.wait_until("it builds, or cannot be limited", || {
        ws.exists("out/all")
            || fs::read_to_string(&said).is_ok_and(|said| said.contains("unshare") || said.contains("sh:"))
    });
    if !ws.exists("out/all") {
        return println!("not allowed: {}", fs::read_to_string(&said).unwrap_or_default());
    }
    until(&ws, "1");
    ws.write("src/a.txt", "2");
    until(&ws, "2");
    ws.write("src/b.txt", "3");
    until(&ws, "23");
    let said = fs::read_to_string(&said).unwrap();
    assert_eq!(said.matches("fs.inotify.max_user_watches").count(), 1, "{said}");
}
