//! Limits: what is large takes memory in proportion, or no more of it at all; nothing takes time by the square; what is too large is an error that
//! says so. docs/limits.md has the figures of the large form:
//!
//! ```text
//! PERCACHE_LIMITS=all     100,000 tasks, 1,000,000 inputs, outputs of 8 GiB, a log of 1 GiB, 10,000 results of one task
//! ```
//!
//! Needs then some 20 GB of disk, a million inodes and half an hour.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use crate::sandbox::{PERCACHE, Run, Sandbox};

const MIB: u64 = 1 << 20;

/// The small number, or the large one when that is asked for.
fn size(small: u64, large: u64) -> u64 {
    if std::env::var("PERCACHE_LIMITS").is_ok_and(|limits| limits == "all") { large } else { small }
}

/// Runs percache and gives the memory that it took at its peak, in bytes. It is asked for until it ends, so the very end may be missing; where the system does
/// not tell, it is 0.
fn peak(ws: &Sandbox, arguments: &[&str]) -> (Run, u64) {
    let output = ws.outside("said");
    let mut command = ws.command("");
    command.args(arguments).stdout(File::create(&output).unwrap()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|line| line.split_whitespace().next());
        most = most.max(line.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let stdout = tail(&output);
    let run =
        Run::new(&command, std::process::Output { status: ended, stdout, stderr: Vec::new() }, ws.newly_tallied());
    println!("percache {}: {} MiB", arguments.join(" "), most / MIB);
    (run, most)
}

/// The end of what it said: the summary.
fn tail(path: &std::path::Path) -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096))).unwrap();
    let mut end = Vec::new();
    file.read_to_end(&mut end).unwrap();
    end
}

/// As [`peak`], and holds it to a bound.
fn within(ws: &Sandbox, arguments: &[&str], bound: u64) -> Run {
    let (run, most) = peak(ws, arguments);
    assert!(most < bound, "{arguments:?} takes {} MiB, more than {}", most / MIB, bound / MIB);
    run
}

fn many_files(ws: &Sandbox, directory: &str, count: u64) {
    for i in 0..count {
        let directory = ws.path(&format!("{directory}/{}", i / 1000));
        if i % 1000 == 0 {
            fs::create_dir_all(&directory).unwrap();
        }
        File::create(directory.join(format!("f{i}"))).unwrap().write_all(format!("{i}\n").as_bytes()).unwrap();
    }
}

#[test]
fn many_tasks() {
    let count = size(1_500, 100_000);
    let ws = Sandbox::new(
        "[task.t]\nforeach = \"src/*/*\"\ncommand = [\"cp\", \"{file}\", \"out/{name}\"]\ninputs = [\"{file}\"]\noutputs = [\"out/{name}\"]\n",
    );
    many_files(&ws, "src", count);
    let bound = 128 * MIB + count * 8192;
    let run = within(&ws, &["build", "--logs", "none"], bound).succeeds();
    assert_eq!(run.count("ran") as u64, count);
    assert_eq!(within(&ws, &["build"], bound).succeeds().count("up to date") as u64, count);
    ws.remove("out");
    assert_eq!(within(&ws, &["build", "--logs", "none"], bound).succeeds().count("restored") as u64, count);
    for arguments in [&["list"][..], &["gc"], &["verify"], &["stats"]] {
        within(&ws, arguments, bound).succeeds();
    }
}

#[test]
fn many_inputs() {
    let count = size(10_000, 1_000_000);
    let ws =
        Sandbox::new("[task.a]\ncommand = \"@ran(a); echo 1 > out\"\ninputs = [\"src/**\"]\noutputs = [\"out\"]\n");
    many_files(&ws, "src", count);
    let bound = 128 * MIB + count * 2048;
    within(&ws, &["build"], bound).succeeds().reported(["a"]);
    within(&ws, &["build"], bound).succeeds().up_to_date(1);
    ws.write("src/0/f7", "another");
    within(&ws, &["build"], bound).succeeds().reported(["a"]);
    within(&ws, &["why", "a"], bound).succeeds().says(["src/0/f7"]);
}

#[test]
fn a_large_output() {
    let length = size(100 * MIB, 8 << 30);
    let ws = Sandbox::new(&format!(
        "[task.sparse]\ncommand = \"@ran(sparse); truncate -s {length} out/sparse\"\ninputs = []\noutputs = [\"out/sparse\"]\n\
         [task.random]\ncommand = \"@ran(random); head -c {length} /dev/urandom > out/random\"\ninputs = []\noutputs = [\"out/random\"]\n",
    ));
    // What waits to be written is bounded, whatever there is.
    let bound = 600 * MIB;
    for task in ["sparse", "random"] {
        within(&ws, &["build", task], bound).ran([task]);
        let sum = ws.shell(&format!("sha1sum out/{task}"));
        ws.remove(&format!("out/{task}"));
        within(&ws, &["build", task], 128 * MIB).ran([]).restored(1);
        assert_eq!(ws.shell(&format!("sha1sum out/{task}")), sum);
    }
}

#[test]
fn a_long_log() {
    let length = size(40 * MIB, 1 << 30);
    let ws = Sandbox::new(&format!(
        "[task.a]\ncommand = \"@ran(a); yes 'a line of a log that has no end' | head -c {length}\"\ninputs = []\n"
    ));
    for arguments in [&["build"][..], &["build", "--logs", "all"], &["log", "a"], &["build", "--force", "--json"]] {
        within(&ws, arguments, 160 * MIB).succeeds();
    }
    assert_eq!(ws.shell(&format!("{} log a | wc -c", PERCACHE)).trim(), length.to_string());
}

#[test]
fn many_results_of_one_task() {
    let count = size(120, 10_000);
    let ws = Sandbox::new("[task.a]\ncommand = \"cp in out\"\ninputs = [\"in\"]\noutputs = [\"out\"]\n");
    for i in 0..count {
        // Outputs that are too large to lie beside their keys.
        ws.write("in", format!("{i}\n").repeat(150));
        assert_eq!(ws.build([]).succeeds().does_not_say("warning").count("ran"), 1);
    }
    // A process may not have more than some hundred files open.
    let files = fs::read_dir(ws.path(".percache/db")).map_or(0, Iterator::count);
    assert!(files < 700, "{files} files");
    let bound = 128 * MIB + count * 8192;
    for i in [0, count / 2, count - 2] {
        ws.write("in", format!("{i}\n").repeat(150));
        assert_eq!(within(&ws, &["build"], bound).succeeds().count("restored"), 1);
    }
    for arguments in [&["why", "a"][..], &["verify"], &["gc"], &["stats"]] {
        within(&ws, arguments, bound).succeeds();
    }
}

#[test]
fn a_path_as_long_as_the_system_allows() {
    // Together with the workspace's own path no more than 4,095 bytes.
    let ws = Sandbox::new("");
    let room = 4_000 - ws.root().as_os_str().len();
    let mut path = vec!["d".repeat(200); room / 201].join("/");
    path += &format!("/{}", "e".repeat(room - path.len() - 3));
    let config = |inputs: &str| {
        format!(
            "[task.a]\ncommand = \"@ran(a); echo 1 > '{path}'\"\ninputs = {inputs}\noutputs = [\"{path}\"]\n[task.b]\ncommand = \"@ran(b)\"\ninputs = [\"**/e*\"]\n"
        )
    };
    ws.config(&config("[]"));
    ws.build([]).ran(["a", "b"]);
    ws.remove(&"d".repeat(200));
    ws.build([]).ran([]).restored(1);
    ws.build([]).up_to_date(2);
}

#[test]
fn what_is_too_long_is_an_error_that_says_so() {
    let (name, path) = ("c".repeat(300), vec!["d".repeat(200); 25].join("/"));
    for (what, long) in [("a name", &name), ("a path", &path)] {
        for key in [
            "inputs = [\"LONG\"]",
            "inputs = [\"LONG/*\"]",
            "inputs = []\noutputs = [\"LONG\"]",
            "inputs = []\ncwd = \"LONG\"",
        ] {
            let ws = Sandbox::new(&format!("[task.a]\ncommand = \"true\"\n{}\n", key.replace("LONG", long)));
            let run = ws.build([]);
            println!(
                "{what}, {key}: {}",
                run.output().chars().filter(|char| *char != 'c' && *char != 'd').collect::<String>()
            );
            assert!(
                run.status == 1 || run.status == 2 || run.status == 0 && key.starts_with("inputs = [\"LONG"),
                "{}",
                run.output()
            );
            assert!(!run.output().contains("panicked"), "{}", run.output());
        }
    }
    // Deeper than any path can be.
    let ws = Sandbox::new("[task.a]\ncommand = \"true\"\ninputs = [\"deep/**\"]\n");
    let mode = Mode::from_raw_mode(0o755);
    let mut directory = openat(CWD, ws.root(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for name in std::iter::once("deep".to_owned()).chain(std::iter::repeat_n("d".repeat(200), 30)) {
        mkdirat(&directory, &name, mode).unwrap();
        directory = openat(&directory, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    ws.build([]).fails().says(["File name too long"]);
}

#[test]
fn a_configuration_is_no_bomb() {
    let matrix: Vec<String> = ('a'..='k')
        .map(|axis| {
            format!(
                "{axis} = [{}]",
                ["\"1\""; 1]
                    .join(", ")
                    .replace("\"1\"", "\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"")
            )
        })
        .collect();
    for (config, says) in [
        (
            format!("[task.a]\ncommand = \"true\"\nmatrix = {{ {} }}\n", matrix.join(", ")),
            "stands for more than 10000 tasks",
        ),
        (format!("[task.a]\ncommand = \"true\"\ninputs = [\"{}\"]\n", "{a,b}".repeat(30)), "more than 1000 patterns"),
        (format!("a = {}\n", "[".repeat(100_000)), "error"),
    ] {
        let run = Sandbox::new(&config).build([]).exits(2).says([says]);
        assert!(run.output().len() < 20_000, "{} bytes", run.output().len());
    }
}

/// As many jobs as there is room for; commands have the limit that percache was started with.
#[test]
fn few_descriptors_make_few_jobs_and_many_jobs_raise_the_limit() {
    let ws = Sandbox::new(
        "[task.t]\nmatrix = { n = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] }\n\
         command = \"echo {n} > out/{n}; ulimit -Sn > limit/{n}\"\ninputs = []\noutputs = [\"out/{n}\", \"limit/{n}\"]\n",
    );
    let build = |limits: &str, options: &str| ws.shell(&format!("{limits}; rm -rf out; {PERCACHE} build {options}"));
    let said = build("ulimit -n 128", "-j 300");
    assert!(said.contains("2 jobs at a time") && said.contains("20 ran"), "{said}");
    assert_eq!(ws.read("limit/20"), "128\n");
    let said = build("ulimit -Sn 128", "-f -j 300");
    assert!(!said.contains("jobs at a time") && said.contains("20 ran"), "{said}");
    assert_eq!(ws.read("limit/20"), "128\n", "commands have their own limit");
    let start = Instant::now();
    build("ulimit -n 4096", "-f -j 50000");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?} for few tasks and many jobs", start.elapsed());
}
