//! Files of variables: what is set can be given to a process, and quoted anew it is read back.

use percache_runner::internals::parse_env_file as parse;
use percache_runner::tasks::RelPath;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "env_file",
    run,
    seeds,
    words: &["export ", "=", "\"", "'", "\\n", " #", "\u{feff}"],
    allocates: Some(128),
};

fn run(data: &[u8]) {
    let file = RelPath::root();
    let Ok(variables) = parse(&file, data) else { return };
    let mut text = String::new();
    for (name, value) in &variables {
        assert!(!name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'), "{name:?}={value:?}");
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("{name}=\"{quoted}\"\n"));
    }
    assert_eq!(parse(&file, text.as_bytes()), Ok(variables), "{text}");
}

fn seeds() -> Vec<Vec<u8>> {
    vec![b"# a comment\nexport A=1\nB='two\nlines' # and more\nC=\"\\n\\$x\"\nD=a b#c #d\n".to_vec()]
}
