//! Every key of the tables is read, described to editors, and in the reference and the example: a key that is added to
//! a table alone fails here.

use serde_json::Value;

use super::{mistakes, workspace};
use crate::config::keys::{CACHE, EXECUTION, FILE, REMOTE, TASK, TLS, Table, WORKSPACE};
use crate::config::schema;

const REFERENCE: &str = include_str!("../../../../../docs/configuration.md");
const EXAMPLE: &str = include_str!("../../../../../percache.toml.example");

/// Each table, the beginning of a file that has it, and the place of its schema.
const TABLES: [(&Table, &str, &str); 8] = [
    (&FILE, "", ""),
    (&WORKSPACE, "[workspace]\n", "/properties/workspace"),
    (&CACHE, "[cache]\n", "/properties/cache"),
    (&REMOTE, "[remote]\n", "/properties/remote"),
    (&TLS, "[remote.tls]\n", "/properties/remote/properties/tls"),
    (&EXECUTION, "[remote.execution]\n", "/properties/remote/properties/execution"),
    (&TLS, "[remote.execution.tls]\n", "/properties/remote/properties/execution/properties/tls"),
    (&TASK, "[task.a]\ncommand = \"true\"\n", "/properties/task/patternProperties/*"),
];

/// Returns the part of the schema at a place, where `*` is the only pattern.
fn at(schema: &Value, place: &str) -> Value {
    let steps = place.split('/').filter(|step| !step.is_empty());
    steps.fold(schema.clone(), |value, step| match step {
        "*" => value.as_object().and_then(|patterns| patterns.values().next()).cloned().unwrap_or_default(),
        step => value[step].clone(),
    })
}

/// No key takes a date, so each that is read complains of one.
#[test]
fn every_key_is_read() {
    let keys = TABLES.into_iter().flat_map(|(table, head, _)| table.keys.iter().map(move |key| (key, head)));
    for (key, head) in keys {
        let head = if key.name == "command" { "[task.a]\n" } else { head };
        let found = mistakes(&format!("{head}{} = 1979-05-27\n", key.name), &[]);
        let complaint = format!("error: `{}` has the wrong type", key.name);
        assert!(found.lines().any(|line| line == complaint), "{}: {found}", key.name);
    }
}

#[test]
fn no_other_key_is_read() {
    for (table, head, _) in TABLES {
        let found = mistakes(&format!("{head}qqqqqqqqqqqq = 1\n"), &[]);
        let mut names: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
        names.sort_unstable();
        let hint = format!("hint: its keys are `{}`", names.join("`, `"));
        assert!(found.lines().any(|line| line == hint), "{found}");
    }
}

#[test]
fn every_key_is_in_the_schema_and_nothing_else() {
    let schema = schema();
    for (table, _, place) in TABLES {
        let properties = at(&schema, place)["properties"].clone();
        let mut described: Vec<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        let mut names: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
        described.sort_unstable();
        names.sort_unstable();
        assert_eq!(described, names);
        for key in table.keys {
            assert_eq!(properties[key.name]["description"], key.doc, "{}", key.name);
        }
    }
}

/// Returns the rows of the tables below a heading of the reference, each as its cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let part = REFERENCE.split("\n## ").find(|part| part.starts_with(heading)).unwrap_or_else(|| panic!("{heading}"));
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.replace("\\|", "¦").split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_key_is_in_the_reference_with_its_default() {
    for (table, heading) in [
        (&WORKSPACE, "[workspace]"),
        (&CACHE, "[cache]"),
        (&REMOTE, "[remote]"),
        (&EXECUTION, "[remote.execution]"),
        (&TASK, "[task.NAME]"),
    ] {
        let rows = rows(heading);
        for key in table.keys {
            let row = rows.iter().find(|row| row[1] == format!("`{}`", key.name));
            let row = row.unwrap_or_else(|| panic!("`{}` has no row below {heading}", key.name));
            if let Some(default) = key.traits.default.filter(|default| *default != r#"".""#) {
                assert_eq!(row[3], format!("`{}`", default.trim_matches('"')), "the default of `{}`", key.name);
            }
        }
        for row in rows {
            let name = row[1].trim_matches('`');
            assert!(table.key(name).is_some(), "`{name}` below {heading} is no key");
        }
    }
    for key in FILE.keys {
        let headings = [format!("\n## [{}", key.name), format!("\n## {}\n", key.name)];
        assert!(headings.iter().any(|heading| REFERENCE.contains(heading)), "`{}` has no section", key.name);
    }
}

#[test]
fn the_reference_says_which_keys_are_not_in_the_fingerprint() {
    let start = "are not part of the fingerprint";
    let paragraphs = REFERENCE.split("\n\n").map(|text| text.replace('\n', " "));
    let paragraph = paragraphs.into_iter().find(|text| text.contains(start)).expect(start);
    let (named, _) = paragraph.split_once(start).unwrap();
    for key in TASK.keys {
        let said = named.contains(&format!("`{}`", key.name));
        assert_eq!(said, !key.traits.hashed, "`{}` in: {paragraph}", key.name);
    }
}

#[test]
fn every_key_is_in_the_example() {
    let example = toml::Value::Table(EXAMPLE.parse().unwrap());
    let tables = |key: &str| example[key].as_table().unwrap().values();
    let tasks: Vec<&toml::Value> = tables("task").chain(tables("template")).collect();
    let tables = [
        (&FILE, vec![&example]),
        (&WORKSPACE, vec![&example["workspace"]]),
        (&CACHE, vec![&example["cache"]]),
        (&REMOTE, vec![&example["remote"]]),
        (&TLS, vec![&example["remote"]["tls"]]),
        (&EXECUTION, vec![&example["remote"]["execution"]]),
        (&TASK, tasks),
    ];
    for (table, written) in tables {
        for key in table.keys {
            assert!(written.iter().any(|table| table.get(key.name).is_some()), "`{}` is not shown", key.name);
        }
    }
}

#[test]
fn stating_a_default_changes_nothing() {
    let file = |line: &str| format!("[task.a]\ncommand = \"true\"\n{line}\n");
    let plain = workspace(&file(""), &[]);
    for key in TASK.keys {
        let Some(default) = key.traits.default else { continue };
        let stated = workspace(&file(&format!("{} = {default}", key.name)), &[]);
        assert_eq!(stated.tasks, plain.tasks, "`{}`", key.name);
    }
}
