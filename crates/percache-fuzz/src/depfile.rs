//! Depfiles: no byte is invented, and names that are written as compilers write them are read back.

use percache_runner::internals::parse_depfile as parse;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "depfile",
    run,
    seeds,
    words: &["\\\n", "\\ ", "\\#", "$$", ": ", "\\\r\n", "\\:", "\t"],
    allocates: Some(256),
};

fn run(data: &[u8]) {
    if let Ok(names) = parse(data) {
        for (i, name) in names.iter().enumerate() {
            assert!(!name.is_empty() && !name.contains(&0) && !name.contains(&b'\n'), "{name:?}");
            assert!(!names[..i].contains(name), "{name:?} is there twice");
        }
        assert!(names.iter().map(Vec::len).sum::<usize>() <= data.len());
    }
    names_are_read_back(data);
}

/// The lines of `data`, as the prerequisites of one rule.
fn names_are_read_back(data: &[u8]) {
    // No compiler can write a name that ends in a backslash.
    let possible = |name: &&[u8]| !name.is_empty() && !name.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\\'));
    let mut names: Vec<&[u8]> = Vec::new();
    for name in data.split(|byte| *byte == b'\n').filter(possible).take(64) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut text = b"out.o:".to_vec();
    for name in &names {
        text.extend_from_slice(b" \\\n ");
        for &byte in *name {
            match byte {
                b' ' | b'\t' | b'#' => text.extend_from_slice(&[b'\\', byte]),
                b'$' => text.extend_from_slice(b"$$"),
                byte => text.push(byte),
            }
        }
    }
    text.push(b'\n');
    assert_eq!(parse(&text).as_deref(), Ok(&names.iter().map(|name| name.to_vec()).collect::<Vec<_>>()[..]));
}

fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 4] = [
        b"build/a.o: src/a.c src/a.h \\\n /usr/include/stdio.h\n\nsrc/a.h:\n",
        b"# comment\nC:\\out.o: C:\\a\\ b.h x\\#y $$HOME\r\n",
        b"a b c : d\\\\\\ e\\\n\tf\n",
        b"one name\nand another\n\xff\xfe\n",
    ];
    texts.map(<[u8]>::to_vec).into()
}
