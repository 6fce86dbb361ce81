//! The cache never breaks a build: a store that is corrupt, read-only or out of reach costs speed and one warning.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::sandbox::{PERCACHE, Sandbox};

const TASK: &str = r#"
    [task.copy]
    command = "@ran(copy); cat input > out/copy"
    inputs = ["input"]
    outputs = ["out/copy"]
"#;

fn built() -> Sandbox {
    let ws = Sandbox::new(TASK);
    ws.write("input", "text\n");
    ws.build([]).ran(["copy"]);
    ws
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// After any damage a build succeeds, its outputs are right, and the next one has a working cache again.
fn survives(ws: &Sandbox) {
    ws.remove("out");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/copy"), "text\n");
    ws.remove("out");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/copy"), "text\n");
    ws.write("input", "other\n");
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/copy"), "other\n");
    ws.write("input", "text\n");
    ws.build([]).ran([]).restored(1);
}

#[test]
fn a_store_full_of_garbage() {
    let ws = built();
    for file in files_below(&ws.path(".percache")) {
        fs::write(file, "garbage, not a database, long enough to look like something").unwrap();
    }
    survives(&ws);
}

#[test]
fn a_store_of_empty_files() {
    let ws = built();
    for file in files_below(&ws.path(".percache")) {
        fs::write(file, "").unwrap();
    }
    survives(&ws);
}

#[test]
fn every_single_file_of_the_store_cut_in_half() {
    let count = files_below(&built().path(".percache")).len();
    for index in 0..count {
        let ws = built();
        let mut files = files_below(&ws.path(".percache"));
        files.sort();
        let Some(file) = files.get(index) else { continue };
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        ws.remove("out");
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), "text\n", "{} was cut", file.display());
        ws.write("input", "other\n");
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), "other\n", "{} was cut", file.display());
    }
}

#[test]
fn every_single_file_of_the_store_missing() {
    let count = files_below(&built().path(".percache")).len();
    for index in 0..count {
        let ws = built();
        let mut files = files_below(&ws.path(".percache"));
        files.sort();
        let Some(file) = files.get(index) else { continue };
        fs::remove_file(file).unwrap();
        ws.remove("out");
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), "text\n", "{} was removed", file.display());
    }
}

/// A result whose content was damaged on disk is never restored as it is.
#[test]
fn a_flipped_bit_is_never_restored() {
    let ws = Sandbox::new(
        r#"
            [task.large]
            command = "@ran(large); head -c 300000 random > out/large"
            inputs = ["random"]
            outputs = ["out/large"]
        "#,
    );
    let noise: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    ws.write("random", &noise);
    ws.build([]).ran(["large"]);
    for file in files_below(&ws.path(".percache")) {
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        if bytes.len() > 100_000 {
            bytes[middle] ^= 1;
            fs::write(&file, bytes).unwrap();
        }
    }
    ws.remove("out");
    ws.build([]).succeeds();
    assert!(fs::read(ws.path("out/large")).unwrap() == noise);
}

#[test]
fn a_store_that_cannot_be_created_is_one_warning() {
    let ws = Sandbox::new(&format!("[cache]\ndir = \"file/store\"\n{TASK}"));
    ws.write("file", "this is no directory");
    ws.write("input", "text\n");
    let run = ws.build([]).succeeds().reported(["copy"]);
    assert_eq!(run.output().matches("warning").count(), 1, "{}", run.output());
    assert_eq!(ws.read("out/copy"), "text\n");
}

/// Root may write everywhere, so root's build runs as another user.
#[test]
fn a_read_only_store_is_read() {
    let ws = built();
    let binary = ws.outside("percache");
    fs::copy(PERCACHE, &binary).unwrap();
    let script = format!(
        "chmod -R a+rX .. && chmod 755 ../ && chmod -R a+rwX . ../home ../tmp ../tally && chmod -R a-w .percache && ls {}",
        binary.display()
    );
    ws.shell(&script);
    let build = |expected: &str| {
        let mut command = std::process::Command::new(&binary);
        command.current_dir(ws.root()).env_clear().arg("build");
        ws.environment(&mut command);
        if ws.shell("id -u").trim() == "0" {
            command.uid(65534).gid(65534);
        }
        let run = ws.run(&mut command).succeeds();
        assert_eq!(ws.read("out/copy"), expected, "{}", run.output());
        run
    };
    ws.remove("out/copy");
    build("text\n").ran([]).restored(1);
    ws.write("input", "other\n");
    let run = build("other\n").ran(["copy"]);
    assert_eq!(run.output().matches("warning").count(), 1, "{}", run.output());
    ws.shell("chmod -R u+w .");
}

#[test]
fn a_store_of_an_unknown_version_is_set_aside_with_one_warning() {
    let ws = built();
    ws.write(".percache/format", "4000000000 4000000000\n");
    ws.remove("out");
    let run = ws.build([]).succeeds();
    assert_eq!(run.output().matches("warning").count(), 1, "{}", run.output());
    ws.build([]).ran([]);
}

#[test]
fn the_store_keeps_itself_out_of_backups_and_commits() {
    let ws = built();
    assert!(ws.read(".percache/CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55"));
    ws.shell("git init -q . && git add -A && ! git ls-files | grep -q percache/");
}

#[test]
fn without_the_cache_everything_runs_and_nothing_is_stored() {
    let ws = Sandbox::new(TASK);
    ws.write("input", "text\n");
    ws.build(["--no-cache"]).ran(["copy"]);
    ws.build(["--no-cache"]).ran(["copy"]);
    ws.build([]).ran(["copy"]);
    ws.build([]).ran([]);
}
