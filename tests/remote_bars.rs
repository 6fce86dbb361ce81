//! What sharing has to stand: fifty tasks with each object damaged or lost in turn, forged and replayed records, results
//! that vanish at random while two clones edit, and uploads that are broken off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::sandbox::sharing::{self, REMOTE, bucket, command};
use crate::sandbox::{Chance, Run, Sandbox};

const TASKS: usize = 50;

/// Tasks of which each reads a file of its own, and one that reads what all of them make.
fn config() -> String {
    let mut text = REMOTE.to_owned();
    for at in 0..TASKS {
        text += &format!(
            "[task.t{at}]\ncommand = '@ran(t{at}); cat in/{at} > out/{at}'\ninputs = ['in/{at}']\noutputs = ['out/{at}']\n"
        );
    }
    text + "[task.all]\ncommand = '@ran(all); cat out/* | sort > all'\ninputs = ['out/*']\noutputs = ['all']\n"
}

fn clones() -> Sandbox {
    let ws = sharing::clones(&["one", "two"], &config(), &[]);
    for clone in ["one", "two"] {
        (0..TASKS).for_each(|at| ws.write(&format!("{clone}/in/{at}"), content(at)));
    }
    ws
}

/// Every other one is too large to be in the record of a result.
fn content(at: usize) -> String {
    format!("content {at}{:1$}\n", "", at % 2 * 20_000)
}

fn build(ws: &Sandbox, clone: &str, writes: bool) -> Run {
    let mut command = command(ws, clone, &bucket(ws), &["build"]);
    ws.run(command.env("CACHE_WRITE", if writes { "true" } else { "false" }))
}

fn objects(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.path().is_dir() { pending.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

fn forget(ws: &Sandbox, clone: &str) {
    ws.shell(&format!("cd {clone} && rm -rf .percache out all"));
}

#[test]
fn each_object_damaged_or_lost_in_turn_is_never_a_wrong_output() {
    let ws = clones();
    build(&ws, "one", true).succeeds();
    let right = ws.read("one/all");
    let objects = objects(&ws.outside("bucket"));
    assert!(objects.len() > TASKS + TASKS / 2, "{} objects", objects.len());
    // One object is damaged in three ways; each build has another object wrong, and every object has its turn.
    for (turn, object) in objects.iter().enumerate() {
        let sound = fs::read(object).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 1 << (turn % 8);
        match turn % 3 {
            0 => fs::write(object, flipped).unwrap(),
            1 => fs::write(object, &sound[..sound.len() / 2]).unwrap(),
            _ => fs::remove_file(object).unwrap(),
        }
        forget(&ws, "two");
        let run = build(&ws, "two", false).succeeds();
        assert_eq!(ws.read("two/all"), right, "{}: {}", object.display(), run.output());
        // What one content is needed for, and what depends on nothing else, is all that runs.
        assert!(run.count("ran") <= 2, "{}: {}", object.display(), run.output());
        fs::write(object, &sound).unwrap();
    }
}

#[test]
fn a_record_under_the_key_of_another_and_one_of_nonsense_are_misses() {
    let ws = clones();
    build(&ws, "one", true).succeeds();
    let records: Vec<_> = objects(&ws.outside("bucket"))
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("/results/"))
        .collect();
    assert_eq!(records.len(), TASKS + 1);
    let all: Vec<_> = records.iter().map(|path| fs::read(path).unwrap()).collect();
    for (at, path) in records.iter().enumerate() {
        fs::write(path, &all[(at + 1) % all.len()]).unwrap();
    }
    let run = build(&ws, "two", false).succeeds();
    assert_eq!((run.count("ran"), run.count("from the remote")), (TASKS + 1, 0), "{}", run.output());
    assert!(run.stderr.contains("it is the result of another action"), "{}", run.output());
    assert_eq!(ws.read("two/all"), ws.read("one/all"));
    for (at, path) in records.iter().enumerate() {
        fs::write(path, [&b"nonsense"[..], &vec![at as u8; 1 << (at % 12)]].concat()).unwrap();
    }
    forget(&ws, "two");
    build(&ws, "two", false).succeeds();
    assert_eq!(ws.read("two/all"), ws.read("one/all"));
}

/// Two clones edit, revert, delete and build in turns; objects of the remote vanish at random. After every build the
/// outputs are those of a clean build. `PERCACHE_REMOTE_ROUNDS` and `PERCACHE_REMOTE_SEED` choose another history.
#[test]
fn incremental_equals_clean_while_the_remote_loses_results() {
    let mut chance = Chance::from_env("PERCACHE_REMOTE_SEED");
    let ws = Sandbox::empty();
    let config = r#"
        [remote]
        url = "$CACHE"
        write = true
        [task.part]
        foreach = "src/*.txt"
        command = "cat {file} include/h > out/{stem}; echo out/{stem}: {file} include/h > {stem}.d"
        inputs = ["{file}"]
        outputs = ["out/{stem}"]
        depfile = "{stem}.d"
        [task.whole]
        command = "cat out/* > whole; wc -c < whole > size"
        inputs = ["out/*"]
        outputs = ["whole", "size"]
    "#;
    for clone in ["one", "two"] {
        ws.config_in(clone, config);
        (0..4).for_each(|at| ws.write(&format!("{clone}/src/{at}.txt"), "0\n"));
        ws.write(&format!("{clone}/include/h"), "0\n");
    }
    build(&ws, "one", true).succeeds();
    let rounds = crate::sandbox::number("PERCACHE_REMOTE_ROUNDS").unwrap_or(40);
    for round in 0..rounds {
        let clone = ["one", "two"][chance.below(2) as usize];
        for _ in 0..=chance.below(2) {
            let (file, text) = (chance.below(4), chance.below(3));
            match chance.below(6) {
                0 => ws.write(&format!("{clone}/include/h"), format!("{text}\n")),
                1 => ws.shell(&format!("cd {clone} && rm -rf out/{file} whole")).truncate(0),
                2 => ws.shell(&format!("cd {clone} && rm -rf .percache/db .percache/tail")).truncate(0),
                3 if ws.exists(&format!("{clone}/src/{file}.txt")) && file > 0 => {
                    ws.remove(&format!("{clone}/src/{file}.txt"));
                }
                _ => ws.write(&format!("{clone}/src/{file}.txt"), format!("{text}\n")),
            }
        }
        for object in objects(&ws.outside("bucket")).iter().filter(|_| chance.one_in(8)) {
            fs::remove_file(object).unwrap();
        }
        let run = build(&ws, clone, true).succeeds();
        let said = format!("round {round}: {}", run.output());
        let mut parts: Vec<_> = fs::read_dir(ws.path(&format!("{clone}/src"))).unwrap().flatten().collect();
        parts.sort_by_key(fs::DirEntry::file_name);
        let mut whole = String::new();
        for part in &parts {
            let name = part.file_name().into_string().unwrap();
            let expected = ws.read(&format!("{clone}/src/{name}")) + &ws.read(&format!("{clone}/include/h"));
            assert_eq!(ws.read(&format!("{clone}/out/{}", name.trim_end_matches(".txt"))), expected, "{said}");
            whole += &expected;
        }
        assert_eq!(fs::read_dir(ws.path(&format!("{clone}/out"))).unwrap().count(), parts.len(), "{said}");
        assert_eq!(ws.read(&format!("{clone}/whole")), whole, "{said}");
        assert_eq!(ws.read(&format!("{clone}/size")).trim(), whole.len().to_string(), "{said}");
    }
}

/// A bucket that takes nothing any more once it was found: a service that accepts and stays silent.
#[test]
fn uploads_are_shown_and_ctrl_c_ends_them_and_they_are_offered_again() {
    let ws = clones();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("webdav://{}", silent.local_addr().unwrap());
    let variables = [("CACHE", url.as_str()), ("CACHE_WRITE", "true"), ("PERCACHE_REMOTE_READ", "false")];
    ws.shell("cp -a one/. .");
    let mut terminal = ws.terminal(&["build", "t1"], &variables, (100, 24));
    terminal.wait_for_text("uploading: 0 of 1 result to webdav://127.0.0.1");
    let began = Instant::now();
    terminal.types("\x03");
    let lines = terminal.ends();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(lines.iter().any(|line| line.contains("1 result not uploaded")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("uploading:")), "the line stayed: {lines:?}");
    let mut push: Command = ws.command(".");
    push.args(["build", "t2"]).env("CACHE", bucket(&ws));
    ws.run(push.env("CACHE_WRITE", "true")).succeeds();
    let records =
        objects(&ws.outside("bucket")).into_iter().filter(|path| path.to_string_lossy().contains("/results/"));
    assert_eq!(records.count(), 2, "the one that was broken off, and the new one");
}

#[test]
fn watch_takes_results_from_the_remote_and_gives_its_own() {
    let ws = clones();
    build(&ws, "one", true).succeeds();
    let url = bucket(&ws);
    let mut command = ws.command("two");
    command.arg("watch").env("CACHE", &url).env("CACHE_WRITE", "true");
    let mut watch = crate::sandbox::Background::start(&mut command, ws.outside("watch"));
    ws.wait_until("the first build", || ws.exists("two/all"));
    ws.wait_until("its summary", || watch.text().contains("from the remote"));
    assert!(watch.text().contains(&format!("{} from the remote", TASKS + 1)), "{}", watch.text());
    ws.write("two/in/1", "changed\n");
    ws.wait_until("the second build", || ws.exists("two/all") && ws.shell("cat two/all || true").contains("changed"));
    ws.write("one/in/1", "changed\n");
    ws.wait_until("its uploads", || {
        ws.shell("cd one && rm -rf .percache out all");
        build(&ws, "one", false).count("from the remote") == TASKS + 1
    });
    watch.kill();
}
