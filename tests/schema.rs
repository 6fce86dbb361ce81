//! `schema`: what it accepts is what percache accepts.

use std::fs;

use serde_json::Value;

use crate::documents::{markdown_files, repository};
use crate::sandbox::Sandbox;

fn schema() -> Value {
    serde_json::from_str(&Sandbox::empty().percache(["schema"]).succeeds().stdout).expect("JSON")
}

/// What the schema has against a text; empty if nothing.
fn objections(schema: &Value, text: &str) -> Vec<String> {
    let document: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    let document = serde_json::to_value(document).expect("TOML without dates");
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The configurations of a Markdown document: its `toml` blocks, and what its shell commands write into percache.toml.
fn configurations(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let written = text.split("percache.toml <<'END'\n").skip(1).filter_map(|rest| rest.split("\nEND").next());
    blocks.chain(written).collect()
}

#[test]
fn it_accepts_the_example_and_every_configuration_of_the_documentation() {
    let schema = schema();
    let mut count = 0;
    for path in ["percache.toml.example", "examples/calc/percache.toml", "examples/calc/manual/percache.toml"] {
        let text = fs::read_to_string(repository().join(path)).unwrap();
        assert_eq!(objections(&schema, &text), Vec::<String>::new(), "{path}");
    }
    // Of errors, the mistakes are the point.
    for path in markdown_files().into_iter().filter(|path| !path.ends_with("errors.md")) {
        let text = fs::read_to_string(&path).unwrap();
        for block in configurations(&text).into_iter().filter(|block| !block.contains("[dependencies]")) {
            assert_eq!(objections(&schema, block), Vec::<String>::new(), "in {}:\n{block}", path.display());
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} configurations were found");
}

/// Each of these is a mistake in the eyes of percache too.
const MISTAKES: [&str; 37] = [
    "tasks = 1",
    "[workspce]\nmembers = []",
    "[workspace]\nmember = []",
    "[workspace]\nmembers = \"pkgs/*\"",
    "[workspace]\nenv = { A = 1 }",
    "[cache]\nmax_age = \"1d\"",
    "[cache]\nmaxage = \"soon\"",
    "[cache]\nmaxsize = \"big\"",
    "[cache]\nmaxsize = 1.5",
    "[cache]\ndir = \"\"",
    "[cache]\ncheck_rate = 1.5",
    "[cache]\ncheck_rate = \"all\"",
    "[pools]\nheavy = 0",
    "[pools]\nheavy = \"1\"",
    "[pools]\nram = \"lots\"",
    "[task.a]\ncommand = \"true\"\nuses = [\"heavy\"]",
    "[task.a]\ncommand = \"true\"\nuses = { cpu = true }",
    "[task.a]\ncommand = \"true\"\nenv = { A = true }",
    "[task.a]\ncommand = \"true\"\nstore = \"no\"",
    "[task.a]\ncomand = \"true\"",
    "[task.a]\ncommand = 7",
    "[task.a]\ncommand = \" \"",
    "[task.a]\ncommand = []",
    "[task.a]\ncommand = \"true\"\nretries = \"many\"",
    "[task.a]\ncommand = \"true\"\ntimeout = \"1 hour\"",
    "[task.a]\ncommand = \"true\"\ninputs = \"src\"",
    "[task.a]\ncommand = \"true\"\ncache = 0",
    "[task.a]\ndescription = \"nothing to do\"",
    "[task.a]\ndeps = []\noutputs = [\"x\"]",
    "[task.a]\ncommand = \"true\"\nmatrix = { file = [1] }",
    "[workspace]\nshell = []",
    "[workspace]\nshell = \"bash\"",
    "[workspace]\ntool = [\"cc\"]",
    "include = \"x.toml\"",
    "[template.a]\ncomand = \"true\"",
    "[task.a]\ncommand = \"true\"\nextends = \"b\"",
    "[task.\"a b\"]\ncommand = \"true\"",
];

#[test]
fn it_rejects_what_percache_rejects() {
    let schema = schema();
    for text in MISTAKES {
        Sandbox::new(text).percache(["list"]).exits(2);
        assert_ne!(objections(&schema, text), Vec::<String>::new(), "the schema accepts\n{text}");
    }
}

#[test]
fn it_accepts_every_way_to_write_a_value() {
    let text = r#"
        [cache]
        maxage = 90
        maxsize = "1.5 GiB"
        check_rate = 0.5
        [pools]
        heavy = 2
        ram = "1.5 GiB"
        [task."größer/x@1"]
        command = ["sh", "-c", "true"]
        foreach = ["*.none"]
        matrix = { t = ["1m", 2, true, 1.5] }
        timeout = "{t}s"
        retries = 3
        env = { A = "1" }
        uses = { heavy = 1, ram = "1GB" }
        [task.group]
        deps = []
    "#;
    assert_eq!(objections(&schema(), text), Vec::<String>::new());
    Sandbox::new(&text.replace("\"1m\", 2, true, 1.5", "1")).percache(["list"]).succeeds();
}

#[test]
fn the_copy_in_the_documentation_is_current() {
    let path = repository().join("docs/schemas/percache.toml.json");
    let copy = fs::read_to_string(&path).unwrap_or_default();
    let printed = Sandbox::empty().percache(["schema"]).succeeds().stdout;
    assert!(copy == printed, "write it anew: percache schema > {}", path.display());
}
