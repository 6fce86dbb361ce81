//! Six cases for each way to declare inputs: first build, changed input, removed output, changed output, added input, removed input. After
//! each, the outputs are those of a clean build.

use crate::sandbox::Sandbox;

/// A way to declare inputs.
struct Kind {
    config: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// Commands of the first build.
    all: &'static [&'static str],
    /// A file to change, its new content, and the commands that then run.
    change: (&'static str, &'static str, &'static [&'static str]),
    /// An output to remove or change.
    output: &'static str,
    /// How an input is added and then removed, and the commands that run each time.
    add: (fn(&Sandbox), &'static [&'static str]),
    remove: (fn(&Sandbox), &'static [&'static str]),
}

impl Kind {
    /// A workspace that was built once.
    fn built(&self) -> Sandbox {
        let ws = Sandbox::new(self.config);
        for (path, text) in self.files {
            if path.ends_with("percache.toml") {
                ws.config_in(path.trim_end_matches("/percache.toml"), text);
            } else {
                ws.write(path, text);
            }
        }
        builds(&ws, self.all);
        ws
    }
}

/// A build runs exactly these commands, leaves what a clean build leaves, and after it there is nothing to do.
fn builds(ws: &Sandbox, commands: &[&str]) {
    let mut wanted = commands.to_vec();
    wanted.sort_unstable();
    let run = ws.build([]).succeeds();
    assert_eq!(run.commands, wanted, "{}", run.output());
    assert_eq!(run.count("ran"), wanted.len(), "{}", run.output());
    ws.same_as_clean();
    ws.build([]).ran([]).restored(0);
}

fn first_build(kind: &Kind) {
    kind.built();
}

fn changed_input(kind: &Kind) {
    let ws = kind.built();
    let (path, text, commands) = kind.change;
    let before = ws.read(path);
    ws.write(path, text);
    builds(&ws, commands);
    ws.write(path, before);
    builds(&ws, &[]);
}

fn removed_output(kind: &Kind) {
    let ws = kind.built();
    ws.remove(kind.output);
    ws.build([]).ran([]).restored(1);
    builds(&ws, &[]);
}

fn changed_output(kind: &Kind) {
    let ws = kind.built();
    ws.write(kind.output, "not what the command wrote");
    ws.build([]).ran([]).restored(1);
    builds(&ws, &[]);
}

fn added_input(kind: &Kind) {
    let ws = kind.built();
    kind.add.0(&ws);
    builds(&ws, kind.add.1);
}

fn removed_input(kind: &Kind) {
    let ws = kind.built();
    kind.add.0(&ws);
    builds(&ws, kind.add.1);
    kind.remove.0(&ws);
    builds(&ws, kind.remove.1);
}

macro_rules! six_cases {
    ($($kind:ident),*) => { $(
        mod $kind {
            six_cases!(@ $kind: first_build changed_input removed_output changed_output added_input removed_input);
        }
    )* };
    (@ $kind:ident: $($case:ident)*) => { $(
        #[test]
        fn $case() {
            super::$case(&super::$kind());
        }
    )* };
}

six_cases!(plain, glob, foreach, depfile, member);

fn plain() -> Kind {
    Kind {
        config: r#"
            [task.join]
            command = "@ran(join); cat ?.txt > out/join.txt"
            inputs = ["a.txt"]
            outputs = ["out/join.txt"]
        "#,
        files: &[("a.txt", "a\n")],
        all: &["join"],
        change: ("a.txt", "A\n", &["join"]),
        output: "out/join.txt",
        add: (
            |ws| {
                ws.write("b.txt", "b\n");
                ws.edit_config(r#"["a.txt"]"#, r#"["a.txt", "b.txt"]"#);
            },
            &["join"],
        ),
        remove: (
            |ws| {
                ws.remove("b.txt");
                ws.edit_config(r#"["a.txt", "b.txt"]"#, r#"["a.txt"]"#);
            },
            // The definition and the inputs are those of the first build: a hit.
            &[],
        ),
    }
}

fn glob() -> Kind {
    Kind {
        config: r#"
            [task.join]
            command = "@ran(join); cat $(find src -name '*.txt' | sort) > out/join.txt"
            inputs = ["src/**/*.txt", "!src/draft/**"]
            outputs = ["out/join.txt"]
        "#,
        files: &[("src/a.txt", "a\n"), ("src/deep/er/b.txt", "b\n")],
        all: &["join"],
        change: ("src/deep/er/b.txt", "B\n", &["join"]),
        output: "out/join.txt",
        add: (|ws| ws.write("src/new/c.txt", "c\n"), &["join"]),
        remove: (|ws| ws.remove("src/a.txt"), &["join"]),
    }
}

fn foreach() -> Kind {
    Kind {
        config: r#"
            [task.upper]
            foreach = "src/*.txt"
            command = "@ran({stem}); tr a-z A-Z < {file} > out/upper/{stem}"
            inputs = ["{file}"]
            outputs = ["out/upper/{stem}"]

            [task.join]
            command = "@ran(join); cat out/upper/* > out/join.txt"
            inputs = ["out/upper/*"]
            outputs = ["out/join.txt"]
        "#,
        files: &[("src/a.txt", "a\n"), ("src/b.txt", "b\n")],
        all: &["a", "b", "join"],
        change: ("src/a.txt", "aa\n", &["a", "join"]),
        output: "out/upper/a",
        add: (|ws| ws.write("src/c.txt", "c\n"), &["c", "join"]),
        // What the vanished task had put there goes, else `join` would still read it.
        remove: (|ws| ws.remove("src/b.txt"), &["join"]),
    }
}

fn depfile() -> Kind {
    Kind {
        config: r#"
            [task.object]
            command = "@ran(object); cc -MD -MF dep/main.d -c src/main.c -o out/main.o"
            inputs = ["src/main.c"]
            outputs = ["out/main.o"]
            depfile = "dep/main.d"

            [task.app]
            command = "@ran(app); cc out/main.o -o out/app"
            inputs = ["out/main.o"]
            outputs = ["out/app"]
        "#,
        files: &[
            ("src/main.c", "#include \"a.h\"\nint main(void) { return A; }\n"),
            ("src/a.h", "#include \"deep/b.h\"\n#define A B\n"),
            ("src/deep/b.h", "#define B 1\n"),
            ("src/unused.h", "#define U 1\n"),
        ],
        all: &["app", "object"],
        change: ("src/deep/b.h", "#define B 2\n", &["app", "object"]),
        output: "out/main.o",
        add: (
            |ws| {
                ws.write("src/c.h", "#define C 3\n");
                ws.write("src/a.h", "#include \"c.h\"\n#define A C\n");
            },
            &["app", "object"],
        ),
        remove: (
            |ws| {
                ws.remove("src/c.h");
                ws.write("src/a.h", "#define A 4\n");
            },
            &["app", "object"],
        ),
    }
}

fn member() -> Kind {
    Kind {
        config: r#"
            [workspace]
            members = ["pkgs/*"]

            [task.join]
            command = "@ran(join); cat pkgs/*/out/list.txt > out/join.txt"
            inputs = ["pkgs/*/out/list.txt"]
            outputs = ["out/join.txt"]
        "#,
        files: &[
            ("pkgs/one/percache.toml", MEMBER),
            ("pkgs/two/percache.toml", MEMBER),
            ("pkgs/one/src/a.txt", "a\n"),
            ("pkgs/two/src/b.txt", "b\n"),
        ],
        all: &["join", "one", "two"],
        change: ("pkgs/two/src/b.txt", "B\n", &["join", "two"]),
        output: "pkgs/one/out/list.txt",
        add: (
            |ws| {
                ws.write("pkgs/three/src/c.txt", "c\n");
                ws.config_in("pkgs/three", MEMBER);
            },
            &["join", "three"],
        ),
        remove: (|ws| ws.remove("pkgs/one/percache.toml"), &["join"]),
    }
}

const MEMBER: &str = r#"
    [task.list]
    command = "@ran(`basename $PWD`); cat src/*.txt > out/list.txt"
    inputs = ["src/*.txt"]
    outputs = ["out/list.txt"]
"#;
