//! Tests against real shells: they must read the inserted values as data.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Returns every shell of this machine that may be `sh`, under that name.
fn shells(dir: &Path) -> Vec<PathBuf> {
    let named = |name: &str| {
        let place = dir.join(name);
        std::fs::create_dir(&place).unwrap();
        let found = ["/bin", "/usr/bin", "/usr/local/bin"].map(|bin| Path::new(bin).join(name));
        let found = found.into_iter().find(|path| path.exists())?;
        std::os::unix::fs::symlink(found, place.join("sh")).unwrap();
        Some(place.join("sh"))
    };
    ["dash", "bash", "busybox"].into_iter().filter_map(named).chain([PathBuf::from("/bin/sh")]).collect()
}

/// Inserts `value` between the pieces.
fn put(pieces: &[&str], value: &str) -> Result<String, Unsafe> {
    let mut text = ShellText::new();
    for (i, piece) in pieces.iter().enumerate() {
        if i > 0 {
            text.push_value(value)?;
        }
        text.push_written(piece);
    }
    Ok(text.finish())
}

/// Inserts `value` in place of `@`.
fn put_at(template: &str, value: &str) -> Result<String, Unsafe> {
    put(&template.split('@').collect::<Vec<_>>(), value)
}

fn run(shell: &Path, command: &str, dir: &Path) -> (bool, String) {
    let output = Command::new(shell).args(["-ec", command]).current_dir(dir).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

const VALUES: [&str; 26] = [
    "a b",
    "it's",
    "say \"hi\"",
    "$HOME",
    "`id`",
    "a\\b",
    "\\",
    "*",
    "x;y",
    "é",
    "a\nb",
    "!",
    "-n",
    "~",
    "a=b",
    "{a,b}",
    "a)b",
    "}",
    "EOF",
    "esac",
    "12",
    "#x",
    "",
    "$(touch pwned)",
    "';touch pwned;'",
    "\";touch pwned;\"",
];

#[test]
fn a_plain_command_stays_readable() {
    assert_eq!(put_at("cc -c @ -o \"x/@\"", "src/a.c").unwrap(), "cc -c src/a.c -o \"x/src/a.c\"");
    assert_eq!(put_at("cc -c @ -o \"x/@\"", "a b").unwrap(), "cc -c 'a b' -o \"x/a b\"");
    let behind = put_at("x=$(basename @); cc -c @", "a b").unwrap();
    assert_eq!(behind, "percache_value_1='a b'; x=$(basename \"${percache_value_1}\"); cc -c \"${percache_value_1}\"");
}

#[test]
fn the_shell_sees_the_value_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let templates = [
        "printf '<%s>' @",
        "printf '<%s>' \"@\"",
        "printf '<%s>' '@'",
        "printf '<%s>' \\@",
        "printf '<%s>' \"$(printf %s @)\"",
        "printf '<%s>' \"$(printf %s \"@\")\"",
        "printf '<%s>' \"$(printf %s '@')\"",
        "printf '<%s>' \"`printf %s '\"'`\" >/dev/null; printf '<%s>' @",
        "# don't\nprintf '<%s>' @",
        "printf '<%s>' \\\"x >/dev/null; printf '<%s>' @",
        "(printf '<%s>' @)",
        "{ printf '<%s>' @; }",
        "printf '<%s>' \"$(case x in x) printf %s @;; esac)\"",
        "printf '<%s>' \"$(case x in (y) ;; (x|z) printf %s \"@\";; esac; # )\n)\"",
        "case @ in @) printf '<%s>' @;; *) echo no;; esac",
        "x=@; printf '<%s>' \"$x\"",
        "printf '<%s>' \"${x:-}\" >/dev/null; printf '<%s>' @",
        "printf '<%s>' \"$(cat <<EOF\n.@\nEOF\n)\" | sed 's/<[.]/</'",
        "sh -c 'printf \"<%s>\" \"$1\"' sh @",
        "printf '<%s>' $((1 + 1)) >/dev/null; printf '<%s>' @",
        "printf '<%s>' $# >/dev/null; printf '<%s>' @",
        "f() { printf '<%s>' \"$1\"; }; f @",
        "for x in @; do printf '<%s>' \"$x\"; done",
    ];
    for shell in shells(dir.path()) {
        for (value, template) in VALUES.iter().flat_map(|value| templates.map(|template| (value, template))) {
            let command = put_at(template, value).unwrap_or_else(|why| panic!("{template}: {why:?}"));
            let wanted = format!("<{value}>");
            assert_eq!(run(&shell, &command, dir.path()), (true, wanted), "{shell:?}: {command}");
        }
    }
}

#[test]
fn values_that_could_become_commands_are_refused() {
    let refused = [
        ("echo `echo @`", Unsafe::Backquotes),
        ("echo \"${x:-@}\"", Unsafe::Parameter),
        ("echo $((@ + 1))", Unsafe::Arithmetic),
        ("echo $'@'", Unsafe::AnsiQuotes),
        ("cat <<@\nx\n@", Unsafe::Delimiter),
        ("eval \"echo @\"", Unsafe::Evaluated),
        ("2>/dev/null command eval @", Unsafe::Evaluated),
        ("[[ @ -eq 1 ]]", Unsafe::Evaluated),
        ("unset @", Unsafe::Evaluated),
        ("a[@]=1", Unsafe::Evaluated),
        ("sh -c 'echo @'", Unsafe::Script),
        ("find . -exec bash -ec \"cat @\" ';'", Unsafe::Script),
        ("sh -c \"$(echo echo @)\"", Unsafe::Script),
        ("echo $'\\'' @", Unsafe::Unclear),
        ("((1)); echo @", Unsafe::Unclear),
    ];
    for (template, why) in refused {
        assert_eq!(put_at(template, "a;b"), Err(why), "{template}");
        assert_eq!(put_at(template, "a.c").unwrap(), template.replace('@', "a.c"), "harmless");
    }
    assert_eq!(put_at("cat <<'EOF'\n@\nEOF", "a\nb"), Err(Unsafe::DelimiterLine));
    assert_eq!(put_at("cat <<'EOF'\n@\nEOF", "EOF"), Err(Unsafe::DelimiterLine));
    assert_eq!(put_at("cat <<'EOF'\n@\nEOF", "$x").unwrap(), "cat <<'EOF'\n$x\nEOF");
}

#[test]
fn a_number_is_no_descriptor() {
    assert_eq!(put_at("echo @>out", "3").unwrap(), "echo '3'>out");
    assert_eq!(put_at("echo a >out.@", "3").unwrap(), "echo a >out.3");
}

#[test]
fn arguments_are_words_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = ShellText::new();
    text.push_written("printf '<%s>' ");
    text.push_values(&["a b", "", "c"]).unwrap();
    assert_eq!(run(Path::new("sh"), &text.finish(), dir.path()).1, "<a b><><c>");
}

/// Fragments of commands, combined in any order.
const FRAGMENTS: [&str; 52] = [
    "@",
    "@",
    "@",
    "@",
    "@",
    "@",
    " ",
    " ",
    "\n",
    ";",
    "'",
    "'",
    "\"",
    "\"",
    "`",
    "$(",
    "$(",
    ")",
    ")",
    "(",
    "case x in ",
    "x) ",
    "(x) ",
    ";; ",
    "esac",
    "\\",
    "#",
    " #",
    "<<E\n",
    "<<'E'\n",
    "<<-E\n\t",
    "\nE\n",
    "${x:-",
    "${x#",
    "}",
    "$((",
    "))",
    "$'",
    "$\"",
    "echo ",
    "{ ",
    "; }",
    "| cat",
    "& ",
    "if :; then ",
    "fi\n",
    "x=",
    "a",
    "2>",
    "<",
    ">f ",
    "[[ ",
];

/// Values that would run something in one context or another.
const HOSTILE: [&str; 14] = [
    ";touch pwned;",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "\ntouch pwned\n",
    "\nE\ntouch pwned\n",
    ") ; touch pwned; (",
    ";; esac; touch pwned; case x in x) ",
    "} ; touch pwned; {",
    "a[$(touch pwned)]",
    "\\'; touch pwned; \\'",
    "|touch pwned;#",
    "*/ $'\\'' ;touch pwned;'",
];

#[test]
fn no_value_is_run_wherever_it_is_put() {
    let rounds = std::env::var("PERCACHE_QUOTING_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(400);
    let (dir, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shells = shells(dir.path());
    let mut random = fastrand::Rng::with_seed(std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap()));
    for _ in 0..rounds {
        let count = random.usize(2..16);
        let template: String = (0..count).map(|_| FRAGMENTS[random.usize(..FRAGMENTS.len())]).collect();
        let value = HOSTILE[random.usize(..HOSTILE.len())];
        let Ok(command) = put_at(&template, value) else { continue };
        for shell in &shells {
            let output = Command::new(shell)
                .args(["-c", &command])
                .current_dir(work.path())
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let ran = work.path().join("pwned").exists();
            assert!(!ran, "{shell:?} ran {value:?} in {template:?}: {command:?}: {output:?}");
        }
    }
}
