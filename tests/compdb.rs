//! `percache compdb` prints a compilation database.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

#[test]
fn each_source_has_an_entry_with_the_directory_and_the_words_of_its_command() {
    let ws = Sandbox::new(
        r#"
        [workspace]
        members = ["lib"]
        [task.objects]
        foreach = "src/*.c"
        command = "mkdir -p build && ccache cc -O2 -c {file} -o build/{stem}.o"
        inputs = ["{file}"]
        outputs = ["build/{stem}.o"]
        [task.docs]
        command = "echo $HOME"
        inputs = []
        "#,
    );
    ws.write("src/with space.c", "");
    ws.write("src/b.c", "");
    ws.config_in("lib", "[task.l]\ncommand = [\"clang++\", \"-c\", \"l.cc\"]\ninputs = []");
    let run = ws.percache(["compdb"]).succeeds();
    let database: Value = serde_json::from_str(&run.output()).expect("JSON");
    let entry = |file: &str, stem: &str| {
        json!({
            "directory": ws.root(),
            "file": file,
            "arguments": ["cc", "-O2", "-c", file, "-o", format!("build/{stem}.o")],
            "output": format!("build/{stem}.o"),
        })
    };
    let of_lib = json!({ "directory": ws.path("lib"), "file": "l.cc", "arguments": ["clang++", "-c", "l.cc"] });
    assert_eq!(database, json!([of_lib, entry("src/b.c", "b"), entry("src/with space.c", "with space")]));
    ws.percache(["compdb", "lib:l"]).succeeds().does_not_say("src/b.c");
}

#[test]
fn a_command_that_a_shell_has_to_expand_is_left_out_with_a_warning() {
    let ws = Sandbox::new("[task.all]\ncommand = \"cc -c src/*.c\"\ninputs = [\"src\"]");
    ws.percache(["compdb"]).succeeds().says(["[]", "left out 1 task, `all` for example", "hint:"]);
}
