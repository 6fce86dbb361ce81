//! Tests of parts of files, as a specification.

use super::*;

fn canonical(format: Format, text: &str) -> String {
    format.parse(text).unwrap_or_else(|problem| panic!("{problem} in {text}")).canonical()
}

fn part(file: &str, text: &str) -> Option<String> {
    let (_, key, format) = split(file).unwrap();
    KeyPath::parse(key).unwrap().select(&format.parse(text).unwrap()).map(Data::canonical)
}

#[test]
fn order_spacing_and_comments_do_not_count() {
    let one = "# a comment\ntrain:\n  lr: 0.1\n  layers: [1, 2]\nname: 'x'\n";
    let other = "name: x # another\ntrain: {layers: [1,   2], \"lr\": 0.1}\n";
    assert_eq!(canonical(Format::Yaml, one), canonical(Format::Yaml, other));
    assert_eq!(canonical(Format::Yaml, one), r#"{"name":"x","train":{"layers":[1,2],"lr":0.1}}"#);
    let json = "// a comment\n{ \"train\": { \"lr\": 0.1, \"layers\": [1, 2,] }, /* x */ \"name\": \"\\u0078\" }";
    assert_eq!(canonical(Format::Json, json), canonical(Format::Yaml, one));
    let toml = "name = 'x'\n[train]\nlayers = [\n 1,\n 2, # c\n]\nlr = 0.1\n";
    assert_eq!(canonical(Format::Toml, toml), canonical(Format::Yaml, one));
}

#[test]
fn the_order_of_lists_and_every_value_count() {
    let all = [
        "[1, 2]",
        "[2, 1]",
        "[[1], 2]",
        "[1, [2]]",
        "1",
        "1.0",
        "'1'",
        "true",
        "'true'",
        "yes",
        "'yes'",
        "null",
        "'null'",
        "''",
        "[]",
        "{}",
        "{a: 1}",
        "{a: '1'}",
        "{b: 1}",
        "2024-01-01",
        "'2024-01-01'",
        "!own 1",
        "!other 1",
        "12345678901234567890123",
        "12345678901234567890124",
        "0.1",
        "0.10000000000000000001",
        "{\"\": 1}",
        "1_000",
    ];
    let texts: std::collections::BTreeSet<String> = all.iter().map(|text| canonical(Format::Yaml, text)).collect();
    assert_eq!(texts.len(), all.len(), "{texts:?}");
    let numbers = ["[12345678901234567890123]", "[12345678901234567890124]", "[1e400]", "[1e401]", "[\"1e401\"]"];
    let texts: std::collections::BTreeSet<String> = numbers.iter().map(|text| canonical(Format::Json, text)).collect();
    assert_eq!(texts.len(), numbers.len(), "{texts:?}");
    let dates = ["a = 1979-05-27", "a = '1979-05-27'", "a = 1979-05-28", "a = inf", "a = 'inf'", "a = 1", "a = 1.0"];
    let texts: std::collections::BTreeSet<String> = dates.iter().map(|text| canonical(Format::Toml, text)).collect();
    assert_eq!(texts.len(), dates.len(), "{texts:?}");
    assert_eq!(canonical(Format::Toml, "a = 0xFF"), canonical(Format::Toml, "a = 2_5_5"));
}

#[test]
fn keys_name_parts() {
    let yaml = "train:\n  lr: 0.1\n  my.key: 3\n  steps: [a, {b: c}]\n";
    assert_eq!(part("params.yaml#train.lr", yaml).as_deref(), Some("0.1"));
    assert_eq!(part("a/params.yml#train.\"my.key\"", yaml).as_deref(), Some("3"));
    assert_eq!(part("params.yaml#train.steps.1.b", yaml).as_deref(), Some("\"c\""));
    assert_eq!(part("params.yaml#/train/my.key", yaml).as_deref(), Some("3"));
    assert_eq!(part("params.yaml#train.lr.x", yaml), None);
    assert_eq!(part("params.yaml#train.steps.2", yaml), None);
    let json = r#"{"dependencies": {"@a/b": "1", "c~d": "2", "": "3"}}"#;
    assert_eq!(part("package.json#/dependencies/@a~1b", json).as_deref(), Some("\"1\""));
    assert_eq!(part("package.json#/dependencies/c~0d", json).as_deref(), Some("\"2\""));
    assert_eq!(part("package.json#/dependencies/", json).as_deref(), Some("\"3\""));
    for (bad, why) in [("", "a key is empty"), ("a..b", "a key is empty"), ("\"a", "a quote is not closed")] {
        assert_eq!(KeyPath::parse(bad), Err(why));
    }
    assert_eq!(KeyPath::parse("\"a\"b"), Err("a dot is missing behind a quote"));
    let data = Format::Yaml.parse(yaml).unwrap();
    let missing =
        |key: &str| KeyPath::parse(key).unwrap().missing(&data).map(|(a, b)| (a.to_owned(), b.map(str::to_owned)));
    assert_eq!(missing("train.lr"), None);
    assert_eq!(missing("trian.lr"), Some(("trian".into(), Some("train".into()))));
    assert_eq!(missing("train.steps.7"), Some(("7".into(), None)));
}

#[test]
fn only_files_of_a_known_format_have_parts() {
    assert_eq!(split("a.json#/x"), Some(("a.json", "/x", Format::Json)));
    assert_eq!(split("a#b.toml#c#d"), Some(("a#b.toml", "c#d", Format::Toml)));
    for name in ["a.txt#x", "a.json", "#x", "a.json\\#x", "*~#"] {
        assert_eq!(split(name), None, "{name}");
    }
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let yaml = "base: &b {lr: 1, n: 2}\ntrain:\n  <<: *b\n  n: 3\nmore:\n  <<: [{lr: 9}, *b]\nalso: *b\n";
    assert_eq!(part("p.yaml#train", yaml).as_deref(), Some(r#"{"lr":1,"n":3}"#));
    assert_eq!(part("p.yaml#more", yaml).as_deref(), Some(r#"{"lr":9,"n":2}"#));
    assert_eq!(part("p.yaml#also.n", yaml).as_deref(), Some("2"));
}

#[test]
fn broken_files_are_errors_with_their_line() {
    for (format, text, said) in [
        (Format::Yaml, "a: 1\nb: [1, 2\n", "line "),
        (Format::Yaml, "a: 1\n---\nb: 1\n", "line 2: it has more than one document"),
        (Format::Json, "{\n \"a\": 1,\n \"b\": }", "line 3: "),
        (Format::Json, "", "line 1: it is empty"),
        (Format::Json, "{'a': 1}", "line 1: single-quoted"),
        (Format::Toml, "a = 1\nb = \n", "line 2: "),
    ] {
        let problem = format.parse(text).unwrap_err();
        assert!(problem.to_string().starts_with(said), "{problem}");
    }
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    assert!(Format::Json.parse(&deep("[", "]")).is_err());
    assert!(Format::Yaml.parse(&deep("[", "]")).is_err());
    assert!(Format::Toml.parse(&format!("a = {}", deep("[", "]"))).is_err());
    let bomb = (1..9).fold("a0: &a0 [1,1,1,1,1,1,1,1,1]\n".to_owned(), |text, i| {
        let alias = format!("*a{},", i - 1).repeat(9);
        format!("{text}a{i}: &a{i} [{alias}]\n")
    });
    assert!(Format::Yaml.parse(&bomb).unwrap_err().problem.contains("aliases"));
}

#[test]
fn differences_are_told_value_by_value() {
    let told =
        |old: &str, new: &str| differences("train", &canonical(Format::Yaml, old), &canonical(Format::Yaml, new));
    assert_eq!(told("{lr: 0.1, n: 1}", "{lr: 0.2, n: 1}"), ["train.lr: 0.1 → 0.2"]);
    assert_eq!(told("{a: {b: w}}", "{a: {b: z, c: [1]}}"), ["train.a.b: \"w\" → \"z\"", "train.a.c: new, [1]"]);
    assert_eq!(told("[1, 2]", "[1, 3]"), ["train.1: 2 → 3"]);
    assert_eq!(told("{a.b: 2024-01-01}", "{a.b: 2024-01-02}"), ["train.\"a.b\": 2024-01-01 → 2024-01-02"]);
    assert_eq!(told("{a: 1}", "{}"), ["train.a: gone, was 1"]);
    assert_eq!(told("1", "1"), [""; 0]);
    assert_eq!(differences("/a", "{\"x/y\":1}", "{\"x/y\":2}"), ["/a/x~1y: 1 → 2"]);
    let long = format!("'{}'", "x".repeat(100));
    assert!(told(&long, "1")[0].contains("…"));
}

proptest::proptest! {
    /// Whatever stands in a file, reading it ends, and its canonical text is that of the same data.
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z0-9:.,'\"&*<~!#|> \\[\\]{}/=-]|\n|\t|\\PC){0,60}") {
        for format in [Format::Json, Format::Toml, Format::Yaml] {
            if let Ok(data) = format.parse(&text) {
                let canonical = data.canonical();
                let again = Format::Json.parse(&canonical).unwrap();
                proptest::prop_assert_eq!(differences("", &canonical, &again.canonical()), Vec::<String>::new());
                proptest::prop_assert_eq!(again.canonical(), canonical);
            }
        }
    }
}
