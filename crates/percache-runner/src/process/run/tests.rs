//! Real commands, run by a real shell.

use super::*;
use std::ffi::OsString;

/// Long enough for any machine; every test below ends earlier by other means.
const LONG: Duration = Duration::from_secs(60);

fn spec(program: &str, args: &[&str]) -> Spec {
    Spec {
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        cwd: std::env::temp_dir(),
        env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        timeout: Some(LONG),
        stdio: Stdio::Captured,
    }
}

fn sh(script: &str) -> Spec {
    spec("sh", &["-c", script])
}

/// Runs a command, and calls `on_first` at its first output.
fn run_until(spec: &Spec, stop: &Stop, mut on_first: impl FnMut()) -> (Status, String) {
    let mut output = Vec::new();
    let finished = run_with_grace(spec, stop, Duration::from_millis(50), &mut |_| (), &mut |_, bytes| {
        if output.is_empty() {
            on_first();
        }
        output.extend_from_slice(bytes);
    });
    (finished.unwrap().status, String::from_utf8(output).unwrap())
}

fn finish(spec: &Spec) -> (Status, String) {
    run_until(spec, &Stop::manual().unwrap(), || {})
}

/// Waits for the end of a process that is not a child of this one.
fn assert_ends(pid: &str) {
    let pid = pid.trim();
    let number = Pid::from_raw(pid.parse().unwrap()).unwrap();
    // Where nothing reaps orphans, they stay as zombies.
    let is_zombie = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    let started = Instant::now();
    while rustix::process::test_kill_process(number).is_ok() && !is_zombie() {
        assert!(started.elapsed() < LONG, "{pid} is still there");
        std::thread::sleep(TICK);
    }
}

#[test]
fn the_two_streams_keep_their_order() {
    let (status, output) = finish(&sh("i=0; while [ $i -lt 200 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done"));
    let expected: String = (0..200).map(|i| format!("o{i}\ne{i}\n")).collect();
    assert_eq!((status, output), (Status::Exit(0), expected));
}

#[test]
fn two_streams_are_told_apart_and_each_keeps_its_order() {
    let script = "i=0; while [ $i -lt 200 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done";
    let spec = Spec { stdio: Stdio::Apart, ..sh(script) };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let take =
        &mut |stream, bytes: &[u8]| if stream == Stream::Out { &mut out } else { &mut err }.extend_from_slice(bytes);
    run(&spec, &Stop::manual().unwrap(), take).unwrap();
    let expected = |letter: char| (0..200).map(|i| format!("{letter}{i}\n")).collect::<String>().into_bytes();
    assert_eq!((out, err), (expected('o'), expected('e')));
}

#[test]
fn the_end_is_told() {
    assert_eq!(finish(&sh("exit 3")).0, Status::Exit(3));
    assert_eq!(finish(&sh("kill -9 $$")).0, Status::Signal(9));
    assert_eq!(finish(&spec("true", &[])).0, Status::Exit(0));
}

#[test]
fn stdin_is_empty() {
    assert_eq!(finish(&spec("cat", &[])), (Status::Exit(0), String::new()));
}

#[test]
fn the_environment_and_the_directory_are_those_given() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec("env", &[]);
    spec.env.push(("Z".into(), "b c".into()));
    let (_, output) = finish(&spec);
    assert_eq!(output, format!("PATH={}\nZ=b c\n", std::env::var("PATH").unwrap()));
    let pwd = Spec { cwd: dir.path().to_owned(), ..sh("pwd -P; echo $0") };
    assert_eq!(finish(&pwd).1, format!("{}\nsh\n", dir.path().canonicalize().unwrap().display()));
}

#[test]
fn a_broken_pipe_ends_a_command_as_in_a_shell() {
    assert_eq!(finish(&sh("yes | head -n 1")), (Status::Exit(0), "y\n".into()));
}

#[test]
fn much_output_comes_through() {
    let mut count = 0;
    let spec = sh("head -c 67108864 /dev/zero; echo end >&2");
    let finished = run(&spec, &Stop::manual().unwrap(), &mut |_, bytes| count += bytes.len()).unwrap();
    assert_eq!((finished.status, count), (Status::Exit(0), 67_108_864 + 4));
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_in_the_background_that_holds_the_output_counts_as_running() {
    let script = "(until grep -q '^State:.Z' /proc/$$/status; do sleep 0.01; done; echo late) & echo early";
    assert_eq!(finish(&sh(script)), (Status::Exit(0), "early\nlate\n".into()));
}

#[test]
fn a_child_in_the_background_that_holds_nothing_is_left_alone() {
    let (status, output) = finish(&sh("sleep 1000 >/dev/null 2>&1 & echo $!"));
    assert_eq!(status, Status::Exit(0));
    let child = Pid::from_raw(output.trim().parse().unwrap()).unwrap();
    kill_process(child, Signal::KILL).expect("it still runs");
}

#[test]
fn a_timeout_ends_the_whole_group() {
    let timeout = Some(Duration::from_millis(200));
    let (status, output) = finish(&Spec { timeout, ..sh("sleep 1000 & echo $!; sleep 1000") });
    assert_eq!(status, Status::TimedOut);
    assert_ends(&output);

    let (status, output) = finish(&Spec { timeout, ..sh("sleep 1000 & echo $!") });
    assert_eq!(status, Status::TimedOut, "the leader has exited long since");
    assert_ends(&output);
}

#[test]
fn a_stop_ends_the_whole_group() {
    let stop = Stop::manual().unwrap();
    let (status, output) = run_until(&sh("sleep 1000 & echo $!; sleep 1000"), &stop, || stop.trigger().unwrap());
    assert_eq!(status, Status::Interrupted);
    assert_ends(&output);
    assert_eq!(run_until(&sh("echo never"), &stop, || {}), (Status::Interrupted, String::new()));
}

#[test]
fn a_command_may_clean_up() {
    let stop = Stop::manual().unwrap();
    // A loop without children, because the shell may report children that SIGTERM ends.
    let script = "trap 'echo cleaned; exit 0' TERM; echo ready; while :; do :; done";
    let mut output = Vec::new();
    let finished = run_with_grace(&sh(script), &stop, LONG, &mut |_| (), &mut |_, bytes| {
        if !stop.requested() {
            stop.trigger().unwrap();
        }
        output.extend_from_slice(bytes);
    });
    assert_eq!(finished.unwrap().status, Status::Interrupted);
    assert_eq!(String::from_utf8(output).unwrap(), "ready\ncleaned\n");
}

#[test]
fn a_stubborn_command_is_killed_after_the_grace_or_at_a_second_signal() {
    let script = "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 0.01; done";
    let stop = Stop::manual().unwrap();
    let (status, output) = run_until(&sh(script), &stop, || stop.trigger().unwrap());
    assert_eq!(status, Status::Interrupted);
    assert_ends(&output);

    let stop = Stop::manual().unwrap();
    let finished = run_with_grace(&sh(script), &stop, 10 * LONG, &mut |_| (), &mut |_, _| {
        stop.trigger().unwrap();
        stop.trigger().unwrap();
    });
    let finished = finished.unwrap();
    assert_eq!(finished.status, Status::Interrupted);
    assert!(finished.took < LONG);
}

/// Each process has left the process group, and can be recognised by only one sign.
#[cfg(target_os = "linux")]
#[test]
fn a_stop_ends_who_has_left_the_group() {
    let mut marked = sh("");
    marked.env.push((super::super::MARK.into(), "tree:task".into()));
    for (how, script) in [
        ("it holds the output", "(setsid env -i sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000"),
        ("its parent is there", "setsid env -i sh -c 'echo $$; exec >&- 2>&-; exec sleep 1000' & exec sleep 1000"),
        ("it has the variable", "(setsid sh -c 'echo $$; exec >&- 2>&-; exec sleep 1000' &); exec sleep 1000"),
        (
            "its percache is ended",
            "(setsid env PERCACHE_RUNNING=tree:task,a:b sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000",
        ),
        (
            "it ignores SIGTERM",
            "(setsid sh -c 'trap \"\" TERM; echo $$; exec >&- 2>&-; exec sleep 1000' &); exec sleep 1000",
        ),
    ] {
        let stop = Stop::manual().unwrap();
        let spec = Spec { env: marked.env.clone(), ..sh(script) };
        let (status, output) = run_until(&spec, &stop, || stop.trigger().unwrap());
        assert_eq!(status, Status::Interrupted, "{how}");
        assert_ends(&output);
    }
}

/// Processes with another mark, and older ones, do not belong to the command.
#[cfg(target_os = "linux")]
#[test]
fn a_stop_leaves_others_alone() {
    let mut others = Vec::new();
    for mark in ["tree:other", "tree:oth", "tree:other2"] {
        let mut command = std::process::Command::new("sleep");
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        others.push(command.arg("1000").env(super::super::MARK, mark).spawn().unwrap());
        if mark == "tree:other" {
            // The clock of process start times has a hundred ticks per second.
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    let stop = Stop::manual().unwrap();
    let mut spec = sh("echo ready; exec sleep 1000");
    spec.env.push((super::super::MARK.into(), "tree:other".into()));
    assert_eq!(run_until(&spec, &stop, || stop.trigger().unwrap()).0, Status::Interrupted);
    for other in &mut others {
        assert!(other.try_wait().unwrap().is_none(), "another process was ended");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_holds_the_output_of_a_command_that_has_exited_is_told_once() {
    let stop = Stop::manual().unwrap();
    let (mut told, mut child) = (Vec::new(), String::new());
    let mut on_mark = |mark: &Mark| {
        if let Mark::Background(holders) = mark {
            told.push(holders.clone());
            stop.trigger().unwrap();
        }
    };
    let started = Instant::now();
    let finished = run_marked(&sh("sleep 1000 & echo $!"), &stop, &mut on_mark, &mut |_, bytes| {
        child.push_str(std::str::from_utf8(bytes).unwrap());
    });
    assert_eq!(finished.unwrap().status, Status::Interrupted);
    assert!(started.elapsed() >= PATIENCE);
    let holder = Holder { id: child.trim().parse().unwrap(), command: "sleep 1000".to_owned() };
    assert_eq!(told, [[holder]]);
    assert_ends(&child);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interactive_command_has_our_streams_and_our_group() {
    let interactive = |script: &str| Spec { stdio: Stdio::Inherited, ..sh(script) };
    let group = rustix::process::getpgrp().as_raw_nonzero();
    // Field 5 of proc_pid_stat(5) is the process group.
    let script = format!("test $(cut -d' ' -f5 /proc/$$/stat) -eq {group} && exit 4");
    assert_eq!(finish(&interactive(&script)), (Status::Exit(4), String::new()));

    let timeout = Some(Duration::from_millis(200));
    assert_eq!(finish(&Spec { timeout, ..interactive("exec sleep 1000") }).0, Status::TimedOut);
}

fn failure(spec: &Spec) -> String {
    run(spec, &Stop::manual().unwrap(), &mut |_, _| {}).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_started_is_told_in_the_users_terms() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let write = |name: &str, text: &str, mode| {
        std::fs::write(at(name), text).unwrap();
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("plain", "", 0o644);
    write("script", "#!/no/such/interpreter\n", 0o755);
    write("works", "#!/bin/sh\necho works\n", 0o755);
    let here = |program: &str| Spec { cwd: dir.path().to_owned(), ..spec(program, &[]) };
    let cannot = |program: &str| format!("cannot run `{program}`: ");

    assert_eq!(failure(&here("./missing")), cannot("./missing") + "there is no such program");
    assert_eq!(failure(&here("missing")), cannot("missing") + "no directory of PATH has it");
    assert_eq!(
        failure(&here("./plain")),
        cannot("./plain") + &format!("`{}` is not executable", at("./plain").display())
    );
    let interpreter = format!("the interpreter of `{}` does not exist", at("./script").display());
    assert_eq!(failure(&here("./script")), cannot("./script") + &interpreter);
    assert_eq!(finish(&here("./works")).1, "works\n");

    let hint =
        |program: &str| run(&here(program), &Stop::manual().unwrap(), &mut |_, _| {}).unwrap_err().hint().unwrap();
    assert!(hint("works").contains("./works"));
    assert!(hint("./plain").contains("chmod +x"));
    assert!(hint("cc -c").contains("each argument apart"));

    let nowhere = Spec { cwd: at("missing"), ..sh("true") };
    assert_eq!(
        failure(&nowhere),
        format!("cannot run `sh`: there is no directory `{}` to run it in", at("missing").display())
    );
}
