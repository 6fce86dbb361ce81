//! A remote, from outside: clones share what one of them has built, and nothing that is wrong with a remote breaks a build.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::remote_servers::{free_port, server};
use crate::sandbox::sharing::{self, REMOTE, TASKS, bucket, command};
use crate::sandbox::{Run, Sandbox};

const CLONES: [&str; 2] = ["one", "two"];

/// Two clones without a store.
fn clones() -> Sandbox {
    sharing::clones(&CLONES, &[REMOTE, TASKS].concat(), &["src/a.txt", "src/b.txt", "include/h"])
}

fn reads(ws: &Sandbox, clone: &str, url: &str) -> Run {
    ws.run(&mut command(ws, clone, url, &["build"]))
}

fn writes(ws: &Sandbox, clone: &str, url: &str) -> Run {
    ws.run(command(ws, clone, url, &["build"]).env("CACHE_WRITE", "true"))
}

fn is_whole(ws: &Sandbox, clone: &str) {
    assert_eq!(ws.read(&format!("{clone}/joined")), "a\nh\nb\nh\n");
    assert_eq!(ws.read(&format!("{clone}/out/a")), "a\nh\n");
    ws.shell(&format!("cd {clone} && test -x tool && test -L link && test ! -x joined"));
}

fn share(ws: &Sandbox, url: &str) {
    writes(ws, "one", url).ran(["a", "b", "join"]);
    let run = reads(ws, "two", url).ran([]).restored(3);
    assert_eq!(run.count("from the remote"), 3, "{}", run.output());
    assert_eq!(run.stderr, "");
    is_whole(ws, "two");
    // From now on it is like any other result.
    reads(ws, "two", url).ran([]).up_to_date(3);
    ws.remove("two/out");
    reads(ws, "two", url).ran([]).restored(2);
}

#[test]
fn a_clone_runs_nothing_that_another_has_run() {
    let ws = clones();
    share(&ws, &bucket(&ws));
}

#[test]
fn through_redis() {
    let (ws, port) = (clones(), free_port());
    let arguments = ["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()].map(str::to_owned);
    if let Some(_server) = server("PERCACHE_TEST_REDIS", "redis-server", &arguments, port) {
        share(&ws, &format!("redis://127.0.0.1:{port}"));
    }
}

#[test]
fn through_a_server_of_the_remote_execution_api() {
    let (ws, port) = (clones(), free_port());
    let arguments = [format!("--bind=127.0.0.1:{port}"), ws.outside("casd").display().to_string()];
    if let Some(_server) = server("PERCACHE_TEST_CASD", "buildbox-casd", &arguments, port) {
        share(&ws, &format!("grpc://127.0.0.1:{port}"));
    }
}

#[test]
fn what_is_read_and_not_written_stays_here() {
    let ws = clones();
    let url = bucket(&ws);
    reads(&ws, "one", &url).ran(["a", "b", "join"]);
    reads(&ws, "two", &url).ran(["a", "b", "join"]);
    // What was built without writing can be pushed.
    let pushed = ws.run(&mut command(&ws, "one", &url, &["remote", "push"])).succeeds();
    assert!(pushed.stdout.starts_with("3 results are on the remote"), "{}", pushed.output());
    ws.remove("two/.percache");
    ws.shell("cd two && rm -rf out joined link tool");
    reads(&ws, "two", &url).ran([]).restored(3);
}

#[test]
fn an_input_that_was_discovered_counts() {
    let ws = clones();
    let url = bucket(&ws);
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    ws.write("two/include/h", "H\n");
    reads(&ws, "two", &url).ran(["a", "b", "join"]);
}

#[test]
fn a_task_may_keep_its_results_here() {
    let ws = clones();
    let url = bucket(&ws);
    for clone in CLONES {
        ws.edit(&format!("{clone}/percache.toml"), "[task.join]", "[task.join]\nremote = false");
    }
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    reads(&ws, "two", &url).ran(["join"]).restored(2);
}

#[test]
fn results_that_are_tied_to_a_directory_stay_here() {
    let ws = Sandbox::empty();
    let config = "[remote]\nurl = '$CACHE'\nwrite = true\n[task.t]\ncommand = '@ran(t); pwd > out'\noutputs = ['out']\ninputs = []\n";
    CLONES.iter().for_each(|clone| ws.config_in(clone, config));
    reads(&ws, "one", &bucket(&ws)).ran(["t"]);
    reads(&ws, "two", &bucket(&ws)).ran(["t"]);
}

#[test]
fn options_and_variables_choose_the_remote() {
    let ws = clones();
    let url = bucket(&ws);
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    ws.run(&mut command(&ws, "two", &url, &["build", "--no-remote", "each"])).ran(["a", "b"]);
    ws.remove("two/.percache");
    ws.remove("two/out");
    ws.run(ws.command("two").args(["build", "--remote", &url, "each"])).ran([]).restored(2);
    ws.remove("two/.percache");
    ws.remove("two/out");
    ws.run(ws.command("two").arg("build").env("PERCACHE_REMOTE_URL", &url)).ran([]).restored(3);
}

#[test]
fn nothing_to_do_opens_no_connection() {
    let ws = clones();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    reads(&ws, "one", &bucket(&ws)).ran(["a", "b", "join"]);
    writes(&ws, "one", &url).ran([]).up_to_date(3);
    // Not even if something was touched, and turns out to be the same.
    ws.shell("cd one && touch src/a.txt");
    writes(&ws, "one", &url).ran([]).up_to_date(3);
    ws.remove("one/joined");
    writes(&ws, "one", &url).ran([]).restored(1);
    assert!(listener.accept().is_err(), "a connection was made");
}

#[test]
fn a_remote_that_is_down_or_silent_costs_two_seconds_and_says_so_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        for scheme in ["redis", "grpc", "webdav"] {
            let ws = clones();
            let plain = Instant::now();
            ws.run(ws.command("one").arg("build")).ran(["a", "b", "join"]);
            let (plain, began) = (plain.elapsed(), Instant::now());
            let run = writes(&ws, "two", &format!("{scheme}://{address}")).ran(["a", "b", "join"]);
            let more = began.elapsed().saturating_sub(plain);
            assert!(more < Duration::from_millis(2_500), "{scheme} {more:?} more\n{}", run.output());
            assert_eq!(run.stderr.matches("warning:").count(), 1, "{}", run.output());
            assert!(run.stderr.contains("is not used any more in this run"), "{}", run.output());
            is_whole(&ws, "two");
            // What could not be uploaded is offered with the next upload.
            let url = bucket(&ws);
            ws.write("two/src/c.txt", "c\n");
            writes(&ws, "two", &url).ran(["c", "join"]);
            reads(&ws, "one", &url).up_to_date(3);
            ws.remove("one/.percache");
            ws.shell("cd one && rm -rf out joined link tool");
            reads(&ws, "one", &url).ran([]).restored(3);
        }
    }
}

#[test]
fn whatever_the_remote_has_lost_or_damaged_the_build_is_right() {
    let ws = clones();
    let url = bucket(&ws);
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    let objects = ws.shell("find ../bucket -type f");
    let objects: Vec<_> = objects.lines().collect();
    // The contents are in the records; `remote_bars` has some beside them.
    assert!(objects.len() >= 4, "{objects:?}");
    for object in objects {
        let sound = std::fs::read(ws.path(object)).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 4;
        for damaged in [Some(flipped), Some(sound[..sound.len() / 2].to_vec()), None] {
            match damaged {
                Some(damaged) => ws.write(object, damaged),
                None => ws.remove(object),
            }
            ws.shell("cd two && rm -rf .percache out joined link tool *.d");
            reads(&ws, "two", &url).succeeds();
            is_whole(&ws, "two");
            ws.write(object, &sound);
        }
    }
}

/// A damaged content costs one command, and not one in each clone for ever.
#[test]
fn who_finds_a_damaged_content_and_makes_it_again_writes_it_again() {
    let ws = clones();
    let url = bucket(&ws);
    // What is large lies beside the record, and what is small in it.
    CLONES.iter().for_each(|clone| ws.write(&format!("{clone}/src/a.txt"), "large\n".repeat(10_000)));
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    let right = ws.read("one/joined");
    for (objects, count) in [("-name '*.zst'", 2), ("-path '*/results/*' -type f", 3)] {
        let objects = ws.shell(&format!("find ../bucket {objects}"));
        assert_eq!(objects.lines().count(), count, "{objects}");
        for object in objects.lines() {
            let mut bytes = std::fs::read(ws.path(object)).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            ws.write(object, bytes);
        }
        ws.shell("cd two && rm -rf .percache out joined link tool *.d");
        let run = writes(&ws, "two", &url).succeeds();
        assert!(run.stderr.contains("is not used"), "{}", run.output());
        ws.shell("cd one && rm -rf .percache out joined link tool *.d");
        assert_eq!(reads(&ws, "one", &url).ran([]).restored(3).stderr, "");
        assert_eq!(ws.read("one/joined"), right);
    }
}

#[test]
fn only_signed_results_count_where_signers_are_named() {
    let ws = clones();
    let url = bucket(&ws);
    let keys = ws.run(ws.command("one").args(["remote", "key"])).succeeds().stdout;
    let half = |name: &str| {
        let line = keys.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    let trusting = |clone: &str| {
        let mut command = command(&ws, clone, &url, &["build"]);
        command.env("PERCACHE_REMOTE_TRUST", half("public:"));
        command
    };
    let run = ws.run(&mut trusting("two")).ran(["a", "b", "join"]);
    assert!(run.stderr.contains("it is not signed"), "{}", run.output());
    ws.shell("rm -rf ../bucket one/.percache one/out two/.percache two/out; cd two && rm -f joined link tool");
    let mut signing = command(&ws, "one", &url, &["build"]);
    signing.env("CACHE_WRITE", "1").env("PERCACHE_REMOTE_SIGN_WITH", half("secret:"));
    ws.run(&mut signing).succeeds();
    let run = ws.run(&mut trusting("two")).ran([]).restored(3);
    assert_eq!(run.stderr, "");
    let stored = ws.shell("grep -rl SECRET . ../bucket || true".replace("SECRET", &half("secret:")[8..40]).as_str());
    assert_eq!(stored, "", "the secret was written down");
}

#[test]
fn check_says_what_the_remote_is() {
    let ws = clones();
    let run = ws.run(&mut command(&ws, "one", &bucket(&ws), &["remote", "check"])).succeeds();
    assert!(run.stdout.contains("kind               file") && run.stdout.contains("round trip"), "{}", run.output());
    let run = ws.run(ws.command("one").args(["remote", "check"]));
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("there is no remote"), "{}", run.output());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = ws.run(&mut command(&ws, "one", &format!("redis://:hunter2@{closed}"), &["remote", "check"]));
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("cannot be used") && !run.output().contains("hunter2"), "{}", run.output());
}

#[test]
fn mistakes_in_the_settings_are_errors_with_a_hint() {
    for (line, message) in [
        ("url = 'ftp://x'", "no address of a remote begins with `ftp`"),
        ("url = 'redis://:hunter2@h'", "a password does not belong in a file that is shared"),
        ("url = 'file:///x'\nsign_with = 'nowhere'", "cannot be read"),
        ("url = 'file:///x'\ntrust = ['abc']", "`trust` of [remote]"),
    ] {
        let ws = Sandbox::new(&format!("[remote]\n{line}\n[task.t]\ncommand = '@ran(t)'\n"));
        let run = ws.run(ws.command(".").arg("build")).reported([]);
        assert_eq!(run.status, 2, "{}", run.output());
        assert!(run.stderr.contains(message) && run.stderr.contains("hint:"), "{line}: {}", run.output());
    }
}

/// A result without the contents of its outputs is of no use to others.
#[test]
fn outputs_that_are_not_kept_stay_here() {
    let ws = clones();
    let url = bucket(&ws);
    for clone in CLONES {
        ws.config_in(
            clone,
            &[REMOTE, TASKS].concat().replace("outputs = [\"joined\"", "store = false\noutputs = [\"joined\""),
        );
    }
    writes(&ws, "one", &url).ran(["a", "b", "join"]);
    ws.run(command(&ws, "one", &url, &["remote", "push"]).env("CACHE_WRITE", "true")).succeeds();
    reads(&ws, "two", &url).ran(["join"]).restored(2);
    reads(&ws, "one", &url).ran([]).up_to_date(3);
}
