//! Remote execution, from outside: commands run on a worker of a real server, and nothing that is wrong with it breaks a
//! build.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::{Run, Sandbox, snapshot};

/// What a worker has of this machine besides the inputs.
const SEEN: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives"];

/// A server whose commands run in a sandbox of their own.
pub struct Farm {
    child: Child,
    /// Its address.
    pub url: String,
}

impl Drop for Farm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts buildbox-casd with the runner beside it, which needs bubblewrap. Without them, the test is skipped, or fails
/// where servers are required.
pub fn farm(ws: &Sandbox) -> Option<Farm> {
    let casd = std::env::var("PERCACHE_TEST_CASD").unwrap_or_else(|_| "buildbox-casd".into());
    let runner = Path::new(&casd).with_file_name("buildbox-run");
    let works =
        Command::new("bwrap").args(["--ro-bind", "/", "/", "true"]).status().is_ok_and(|status| status.success());
    if !works || !runner.is_file() {
        let required = std::env::var("PERCACHE_TEST_SERVERS").is_ok_and(|value| value == "required");
        assert!(!required, "buildbox-casd with buildbox-run beside it (PERCACHE_TEST_CASD), or bwrap, does not work");
        eprintln!("SKIPPED: buildbox-casd with buildbox-run beside it (PERCACHE_TEST_CASD), or bwrap, does not work");
        return None;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let seen = SEEN.iter().filter(|path| Path::new(path).exists());
    let mut command = Command::new(&casd);
    command.arg(format!("--bind=127.0.0.1:{port}")).arg(format!("--buildbox-run={}", runner.display()));
    command.args(seen.map(|path| format!("--runner-arg=--bind-mount={path}:{path}"))).arg(ws.outside("casd"));
    let log = std::fs::File::create(ws.outside("casd.log")).unwrap();
    let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let farm = Farm { child, url: format!("grpc://127.0.0.1:{port}") };
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "buildbox-casd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(farm)
}

fn command(ws: &Sandbox, url: &str, arguments: &[&str]) -> Command {
    let mut command = ws.command(".");
    command.args(arguments).env("PERCACHE_REMOTE_EXECUTION_URL", url);
    command
}

fn build(ws: &Sandbox, farm: &Farm, arguments: &[&str]) -> Run {
    let all: Vec<&str> = ["build"].iter().chain(arguments).copied().collect();
    ws.run(&mut command(ws, &farm.url, &all))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_example_project_is_executed_remotely_and_comes_out_the_same() {
    let ws = Sandbox::empty();
    let Some(farm) = farm(&ws) else { return };
    ws.shell(&format!("cp -R {}/. . && rm -rf build .percache", repository().join("examples/calc").display()));
    let run = build(&ws, &farm, &[]).succeeds();
    let tasks = run.count("ran");
    assert!(tasks > 40, "{}", run.output());
    assert_eq!(run.count("executed remotely"), tasks, "{}", run.output());
    assert_eq!(run.stderr, "");
    let remote = snapshot(&ws.path("build"));
    build(&ws, &farm, &[]).succeeds().up_to_date(tasks);
    ws.remove("build");
    assert_eq!(build(&ws, &farm, &[]).succeeds().count("executed remotely"), 0, "all of it is stored here");
    ws.remove("build");
    ws.remove(".percache");
    ws.build([]).succeeds();
    // The directory of the depfiles, which is empty, is no output.
    ws.remove("build");
    ws.build([]).succeeds();
    assert_eq!(snapshot(&ws.path("build")), remote);

    // A header that is newly included was not among what the task read the last time.
    ws.write("include/new.h", "#define NEW 1\n");
    ws.edit("src/value.c", "#include", "#include \"new.h\"\n#include");
    let run = build(&ws, &farm, &["library"]).succeeds();
    assert_eq!((run.count("ran"), run.count("executed remotely")), (1, 1), "{}", run.output());
}

#[test]
fn it_stays_known_that_a_worker_made_a_result() {
    let ws = project("[task.a]\ncommand = 'cat src/a.txt > out'\ninputs = ['src/*']\noutputs = ['out']\n");
    let Some(farm) = farm(&ws) else { return };
    assert_eq!(build(&ws, &farm, &[]).succeeds().count("executed remotely"), 1);
    let said = format!("executed remotely at {}", farm.url);
    let why = || ws.percache(["why", "a"]).succeeds().says([&*said]);
    why();
    // Later builds have other things to do.
    build(&ws, &farm, &[]).up_to_date(1);
    ws.remove("out");
    let run = build(&ws, &farm, &["--explain"]).restored(1).says([&*said]);
    assert_eq!(run.count("from the remote"), 0);
    why();
    let why: serde_json::Value = serde_json::from_str(&ws.percache(["why", "a", "--json"]).succeeds().stdout).unwrap();
    assert_eq!((&why["last"]["origin"]["kind"], &why["last"]["remote"]), (&"worker".into(), &true.into()), "{why}");
    assert_eq!(why["last"]["origin"]["from"], farm.url.as_str());
    // The same result, made here: the origin is that of the other.
    ws.run(ws.command(".").args(["build", "-f"])).succeeds();
    ws.percache(["why", "a"]).succeeds().does_not_say("executed remotely");
}

#[test]
fn outputs_may_lie_anywhere() {
    let ws = project(
        "[task.a]\ncommand = 'mkdir -p d/e; cat src/a.txt > x.gen; cp sub/own.txt d/e/y.gen; pwd'\n\
         inputs = ['src/*', 'sub/own.txt']\noutputs = ['**/*.gen']\n",
    );
    let Some(farm) = farm(&ws) else { return };
    let run = build(&ws, &farm, &[]).succeeds();
    assert_eq!(run.count("executed remotely"), 1, "{}", run.output());
    assert_eq!((ws.read("x.gen"), ws.read("d/e/y.gen")), ("a\n".into(), "own\n".into()));
    assert_eq!(ws.read("src/a.txt"), "a\n");
}

const CONFIG: &str = r#"
    [task.make]
    command = """
    echo said
    mkdir -p out/empty out/deep
    cat src/a.txt > out/deep/a.txt
    printf '#!/bin/sh\n' > out/tool
    chmod +x out/tool
    ln -s deep/a.txt out/link
    echo no > out/left.tmp
    cp src/link out/through
    cp src/far out/far
    """
    inputs = ["src/*"]
    outputs = ["out/**", "!out/*.tmp"]

    [task.use]
    command = "cat ../out/deep/a.txt > ../used; pwd > here.txt; cat own.txt >> here.txt"
    inputs = ["sub/own.txt"]
    outputs = ["used", "sub/here.txt"]
    deps = ["make"]
    cwd = "sub"
"#;

fn project(config: &str) -> Sandbox {
    let ws = Sandbox::new(config);
    ws.write("src/a.txt", "a\n");
    ws.symlink("a.txt", "src/link");
    std::fs::write(ws.outside("far.txt"), "far\n").unwrap();
    ws.symlink(ws.outside("far.txt").to_str().unwrap(), "src/far");
    ws.write("sub/own.txt", "own\n");
    ws
}

#[test]
fn outputs_of_every_kind_come_back_and_are_restored_like_any_other() {
    let ws = project(CONFIG);
    let Some(farm) = farm(&ws) else { return };
    let run = build(&ws, &farm, &[]).succeeds();
    assert_eq!((run.count("ran"), run.count("executed remotely")), (2, 2), "{}", run.output());
    let run = run.says(["remote)", "said"]);
    assert_eq!(run.stderr, "");
    let whole = || {
        ws.shell("test -x out/tool && test -d out/empty && test ! -e out/left.tmp && test \"$(cat out/link)\" = a");
        assert_eq!((ws.read("used"), ws.read("out/through")), ("a\n".into(), "a\n".into()));
        assert_eq!(ws.read("out/far"), "far\n");
        assert!(ws.read("sub/here.txt").ends_with("/sub\nown\n"), "{}", ws.read("sub/here.txt"));
    };
    whole();
    ws.remove("out");
    ws.remove("used");
    build(&ws, &farm, &[]).restored(2).does_not_say("remote");
    whole();
    // An output that the task makes no more goes.
    ws.edit_config("ln -s deep/a.txt out/link", "true");
    build(&ws, &farm, &["make"]).succeeds();
    assert!(!ws.path("out/link").is_symlink());
    assert_eq!(build(&ws, &farm, &["-f", "make"]).succeeds().count("executed remotely"), 1);
    assert_eq!(build(&ws, &farm, &["--check", "make"]).succeeds().count("checked"), 1);
    assert_eq!(build(&ws, &farm, &["-f", "--no-remote", "make"]).succeeds().count("executed remotely"), 0);
}

#[test]
fn an_undeclared_input_is_missing_there_and_named() {
    let ws = project(
        "[task.a]\ncommand = 'cat src/a.txt sub/own.txt > out.txt'\ninputs = ['src/*']\noutputs = ['out.txt']\n",
    );
    let Some(farm) = farm(&ws) else { return };
    let run = build(&ws, &farm, &[]).fails();
    assert!(run.stderr.contains("`sub/own.txt` is not among them"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: add `sub/own.txt` to its `inputs`"), "{}", run.stderr);
    assert!(!ws.exists("out.txt"));
    ws.edit_config("['src/*']", "['src/*', 'sub/own.txt']");
    assert_eq!(build(&ws, &farm, &[]).succeeds().count("executed remotely"), 1);
    ws.edit_config("['src/*', 'sub/own.txt']", "['src/*']\nremote = 'cache'");
    build(&ws, &farm, &["-f"]).succeeds().does_not_say("remote");
}

#[test]
fn who_runs_here_and_who_does_not() {
    let task = |name: &str, more: &str| format!("[task.{name}]\ncommand = 'echo {name}'\ninputs = []\n{more}\n");
    let config = [
        task("usual", ""),
        task("cached", "remote = 'cache'"),
        task("kept", "remote = false"),
        task("always", "cache = false"),
        task("sent", "cache = false\nremote = 'execute'"),
        task("external", "external = ['/etc/passwd']"),
    ];
    let ws = Sandbox::new(&config.concat());
    let Some(farm) = farm(&ws) else { return };
    let run = build(&ws, &farm, &["--json"]).succeeds();
    let events = events(&run);
    let finished = events.iter().filter(|event| event["event"] == "finished" && !event["remote"].is_null());
    let mut remote: Vec<_> = finished.map(|event| event["task"].as_str().unwrap()).collect();
    remote.sort_unstable();
    assert_eq!(remote, ["sent", "usual"]);
    let stages: Vec<_> = events.iter().filter(|event| event["event"] == "remote" && event["task"] == "usual").collect();
    assert_eq!(stages[0]["stage"], "sent");
    assert_eq!(events.last().unwrap()["executed_remotely"], 2);
    let report = ws.run(&mut command(&ws, &farm.url, &["report", "--json"])).succeeds();
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let queued = |name: &str| {
        let tasks = report["tasks"].as_array().unwrap();
        tasks.iter().find(|task| task["name"] == name).unwrap()["remote_queued_seconds"].is_number()
    };
    assert!(queued("usual") && !queued("cached"));
}

/// The events of a build.
fn events(run: &Run) -> Vec<serde_json::Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_executed_remotely_takes_no_slot_here() {
    let ws = Sandbox::new(
        "[remote.execution]\njobs = 3\n\
         [task.far]\nmatrix = { n = ['1', '2', '3'] }\ninputs = []\n\
         command = 'date +%s%N; sleep 1; echo {n} >/dev/null; date +%s%N'\n\
         [task.near]\ncommand = 'sleep 1'\ninputs = []\nremote = 'cache'\n",
    );
    let Some(farm) = farm(&ws) else { return };
    let run = build(&ws, &farm, &["-j1", "--json"]).succeeds();
    let events = events(&run);
    let first = |event: &str, task: &str| {
        let is = |one: &serde_json::Value| one["event"] == event && one["task"].as_str().unwrap().starts_with(task);
        events.iter().position(is).unwrap()
    };
    // With one slot, none of them would have started before another one ended.
    for task in ["far[n=1]", "far[n=2]", "far[n=3]", "near"] {
        assert!(first("started", task) < first("finished", "far"), "{}", run.stdout);
    }
    assert_eq!(events.last().unwrap()["executed_remotely"], 3);
    ws.edit_config("jobs = 3", "jobs = 1");
    let run = build(&ws, &farm, &["-f", "--json", "far*"]).succeeds();
    let logs = self::events(&run).into_iter().filter(|event| event["event"] == "finished");
    let mut times: Vec<Vec<u64>> =
        logs.map(|event| event["log"].as_str().unwrap().lines().map(|line| line.parse().unwrap()).collect()).collect();
    times.sort();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[0][1] <= pair[1][0]), "one after the other: {times:?}");
}

#[test]
fn a_timeout_ends_the_command_there() {
    let ws = Sandbox::new("[task.a]\ncommand = 'sleep 60'\ninputs = []\ntimeout = '1s'\n");
    let Some(farm) = farm(&ws) else { return };
    let began = Instant::now();
    build(&ws, &farm, &[]).fails().says(["ended after its timeout of 1"]);
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

#[test]
fn a_server_that_is_down_costs_two_seconds_and_a_word() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (down, hangs) = (closed.local_addr().unwrap(), silent.local_addr().unwrap());
    drop(closed);
    for address in [down, hangs] {
        let ws = Sandbox::new(
            "[task.a]\nforeach = 'src/*'\ncommand = '@ran({name}); cat {file} > out/{name}'\noutputs = ['out/{name}']\ninputs = ['{file}']\n",
        );
        ["a", "b", "c"].iter().for_each(|name| ws.write(&format!("src/{name}"), name));
        let began = Instant::now();
        let run = ws.run(&mut command(&ws, &format!("grpc://{address}"), &["build"])).ran(["a", "b", "c"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(run.stderr.matches("warning:").count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains("no more commands are executed at"), "{}", run.stderr);
        assert_eq!(run.count("executed remotely"), 0);
        // A build with nothing to do does not ask.
        let began = Instant::now();
        let run = ws.run(&mut command(&ws, &format!("grpc://{address}"), &["build"])).up_to_date(3);
        assert!(began.elapsed() < Duration::from_secs(2) && run.stderr.is_empty());
    }
}

#[test]
fn what_a_server_can_is_shown() {
    let ws =
        Sandbox::new("[remote.execution]\nplatform = { OSFamily = 'linux' }\njobs = 3\n[task.a]\ncommand = 'true'\n");
    let Some(farm) = farm(&ws) else { return };
    let run = ws.run(&mut command(&ws, &farm.url, &["remote", "check"])).succeeds();
    run.says(["executes           yes", "remote jobs        3", "platform           OSFamily=linux"]);
}
