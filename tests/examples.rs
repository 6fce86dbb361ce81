//! What the documentation shows works as shown: the tour of the README, `percache.toml.example`, and the project in `examples/calc`.

use std::path::{Path, PathBuf};

use crate::sandbox::{PERCACHE, Sandbox};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn copy_here(ws: &Sandbox, directory: &str) {
    ws.shell(&format!("cp -R {}/. . && rm -rf build .percache", repository().join(directory).display()));
}

#[test]
fn the_tour_of_the_readme() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let tour =
        readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of shell commands");
    let ws = Sandbox::empty();
    let directory = Path::new(PERCACHE).parent().unwrap().display();
    let output = ws.shell(&format!("exec 2>&1\nPATH={directory}:$PATH\n{tour}"));
    assert!(output.ends_with("hello\n"), "{output}");
    let runs: Vec<[usize; 3]> = output.lines().filter_map(counts).collect();
    assert_eq!(runs, [[3, 0, 0], [0, 3, 0], [2, 1, 0], [0, 0, 3]], "{output}");
}

/// Of the last line of a build: how many tasks ran, were up to date, were restored.
fn counts(line: &str) -> Option<[usize; 3]> {
    let (counts, _) = line.split_once(" in ")?;
    let mut found = [0; 3];
    for part in counts.split(", ") {
        let (number, what) = part.split_once(' ')?;
        let index = ["ran", "up to date", "restored"].iter().position(|name| *name == what)?;
        found[index] = number.parse().ok()?;
    }
    Some(found)
}

#[test]
fn the_example_configuration_builds() {
    let ws = Sandbox::empty();
    let example = std::fs::read_to_string(repository().join("percache.toml.example")).unwrap();
    ws.write("percache.toml", example);
    ws.percache(["list"]).succeeds();
    ws.write("opcodes.txt", "ADD\nSUB\n");
    ws.write("include/greeting.h", "#define GREETING \"hello\"\n");
    ws.write(
        "src/main.c",
        "#include <stdio.h>\n#include \"greeting.h\"\n#include \"opcodes.h\"\n\
         #ifndef OP_ADD\n#error no opcodes\n#endif\nint main(void) { puts(GREETING); }\n",
    );
    ws.write("tests.sh", "test \"$($1)\" = hello\n");
    ws.write("settings.env", "VERBOSE=1\n");
    ws.write("pyproject.toml", "[project]\nname = \"x\"\n");
    ws.write("package.json", "{\"dependencies\": {}}\n");
    ws.build([]).succeeds();
    ws.build([]).ran([]);
    ws.build(["all", "run", "report"]).succeeds().does_not_say("does not exist");
}

#[test]
fn the_example_project() {
    let ws = Sandbox::empty();
    copy_here(&ws, "examples/calc");
    let first = ws.build([]).succeeds();
    let tasks = first.count("ran");
    assert!(tasks > 40, "{}", first.output());
    ws.build([]).ran([]).up_to_date(tasks);

    // A comment in a header: what includes it is compiled, and comes out the same.
    ws.edit("include/fold.h", "Computes what can be computed", "Does what can be done");
    assert_eq!(ws.build([]).succeeds().count("ran"), 3);

    // A new instruction that nobody uses changes the generated header and what includes it.
    ws.write("spec/opcodes/4-new.txt", "NOTHING none does nothing\n");
    let run = ws.build([]).succeeds();
    assert!(run.count("ran") > 10 && run.count("up to date") > 0, "{}", run.output());
    assert!(ws.read("build/manual/manual.md").contains("`NOTHING`"));
    ws.remove("spec/opcodes/4-new.txt");
    assert_eq!(ws.build([]).succeeds().count("ran"), 0);
    assert!(!ws.read("build/manual/manual.md").contains("`NOTHING`"));

    // The draft is taken out of the inputs.
    ws.write("spec/opcodes/draft/bitwise.txt", "AND none changed\n");
    ws.build([]).ran([]).up_to_date(tasks);

    ws.remove("build");
    ws.build([]).ran([]);
    assert_eq!(ws.shell("build/calc run manual/examples/interest.calc"), "24\n");
}

#[test]
fn the_example_project_finds_a_broken_program() {
    let ws = Sandbox::empty();
    copy_here(&ws, "examples/calc");
    ws.edit("src/value.c", "%.14g", "%.3g");
    let run = ws.build(["-k"]).fails();
    assert!(run.count("failed") >= 2, "{}", run.output());
}
