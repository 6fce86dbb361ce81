//! The `percache.toml` of a project.

use std::fmt::Write;

use super::model::{Kind, Project, Shared, Task};

impl Project {
    /// The whole `percache.toml`.
    pub fn config(&self) -> String {
        let mut slots: Vec<u8> = self.tasks.keys().copied().collect();
        if self.reversed {
            slots.reverse();
        }
        let mut text = String::new();
        if self.tasks.values().any(|task| matches!(task.kind, Kind::Templated { .. })) {
            let _ = writeln!(text, "[template.level]\nenv = {{ LEVEL = \"{}\" }}\n", self.level);
        }
        for slot in slots {
            let description = format!("description = \"{}\"\n", self.tasks[&slot].alias);
            let remote = match self.tasks[&slot].shared {
                Shared::Unsaid => "",
                Shared::Cache => "remote = \"cache\"\n",
                Shared::No => "remote = false\n",
            };
            let _ = write!(text, "[task.{}]\n{description}{remote}{}\n", self.name(slot), self.definition(slot));
        }
        text
    }

    /// A task's table without its name, its description and what it says about the remote; so two tasks whose
    /// definitions are equal do the same.
    pub(super) fn definition(&self, slot: u8) -> String {
        let Task { salt, kind, .. } = &self.tasks[&slot];
        let quote = |names: Vec<&str>| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let task = |command: String, inputs: Option<String>, rest: String| {
            let inputs = inputs.map_or(String::new(), |inputs| format!("inputs = [{inputs}]\n"));
            let store = self.store_line(slot);
            // What the command is must not depend on where the clone is.
            format!("command = '''\necho t{slot} >> ../tally\n{command}\n'''\n{inputs}{store}{rest}\n")
        };
        let text_output = format!("outputs = [\"out/t{slot}.txt\"]");
        let joined = |files: String| format!("(echo {salt}; {files}) > out/t{slot}.txt");
        match kind {
            Kind::Join { sources, upstream } => {
                let mut sources = self.existing(sources);
                let upstream = self.readable(slot, upstream);
                let mut files = vec![format!("cat {} /dev/null", sources.join(" "))];
                files.extend(upstream.iter().map(|(_, script, _)| format!("{script} | LC_ALL=C sort | xargs -r cat")));
                let files = files.join("; ");
                sources.extend(upstream.iter().map(|(_, _, pattern)| pattern.as_str()));
                let command = format!("if ({files}) | grep -q fail; then exit 1; fi\n{}", joined(files.clone()));
                task(command, Some(quote(sources)), text_output)
            }
            Kind::Glob { pattern } => {
                let (filter, inputs) = match pattern % 3 {
                    0 => ("grep -v /deep/", vec!["src/*.txt"]),
                    1 => ("cat", vec!["src"]),
                    _ => ("grep -v deep/e", vec!["src/**/*.txt", "!src/deep/e.txt"]),
                };
                let files = format!(
                    "find src -type f 2>/dev/null | LC_ALL=C sort | {filter} | while read f; do echo $f; cat $f; done"
                );
                task(joined(files), Some(quote(inputs)), text_output)
            }
            Kind::All => {
                let files = "find src inc -type f 2>/dev/null | LC_ALL=C sort | while read f; do echo $f; cat $f; done";
                task(joined(files.into()), None, text_output)
            }
            Kind::Each { .. } | Kind::EachOf { .. } | Kind::EachBehind => self.each_definition(slot, *salt, kind),
            Kind::Directory { sources } => {
                let sources = self.existing(sources);
                let command = format!(
                    "d=out/t{slot}.dir; mkdir -p $d/empty\nfor w in $(cat {0} /dev/null); do mkdir -p $d/$w; echo {salt} > $d/$w/$w; \
                     ln -sfn $w/$w $d/link-$w; if [ $w = one ]; then printf x > $d/run; chmod +x $d/run; fi; done\n\
                     if cat {0} /dev/null | grep -q fail; then exit 1; fi",
                    sources.join(" ")
                );
                task(command, Some(quote(sources)), format!("outputs = [\"out/t{slot}.dir\"]"))
            }
            Kind::Globbed { sources } => {
                let sources = self.existing(sources);
                let command = format!(
                    "d=out/t{slot}.globs; echo {salt} > $d/all.o\nfor w in $(cat {0} /dev/null); do echo {salt} > $d/$w.o; done\n\
                     if cat {0} /dev/null | grep -q fail; then exit 1; fi",
                    sources.join(" ")
                );
                task(command, Some(quote(sources)), format!("outputs = [\"out/t{slot}.globs/*.o\"]"))
            }
            Kind::Link { source } => {
                let sources = self.existing(&[*source]);
                let command = format!(
                    "ln -sfn to-$(cat {} /dev/null | wc -c | tr -d ' ')-{salt} out/t{slot}.link",
                    sources.join(" ")
                );
                task(command, Some(quote(sources)), format!("outputs = [\"out/t{slot}.link\"]"))
            }
            Kind::Check { sources } => {
                let sources = self.existing(sources);
                task(format!("echo {salt}; cat {} /dev/null", sources.join(" ")), Some(quote(sources)), String::new())
            }
            Kind::Setup { sources, output } => {
                let sources = self.existing(sources);
                let files = format!("cat {} /dev/null", sources.join(" "));
                let (command, outputs) = if *output {
                    (joined(files), text_output)
                } else {
                    (format!("echo {salt}; {files}"), String::new())
                };
                task(command, Some(quote(sources)), format!("cache = false\n{outputs}"))
            }
            Kind::After { deps } => {
                let mut files = vec!["true".to_owned()];
                // What lies beside the exactly named outputs of a `foreach` is nothing that it depends on.
                let readable = self.readable(slot, deps).into_iter().filter(|(slot, ..)| !self.is_each(*slot));
                files.extend(
                    readable.map(|(_, script, _)| format!("{script} | grep -v foreign | LC_ALL=C sort | xargs -r cat")),
                );
                let names: Vec<String> = self.below(slot, deps).into_iter().map(|slot| self.name(slot)).collect();
                let deps = quote(names.iter().map(String::as_str).collect());
                task(joined(files.join("; ")), Some(String::new()), format!("{text_output}\ndeps = [{deps}]"))
            }
            Kind::Discover => {
                let command = format!(
                    "set -- inc/f.txt; if grep -q two inc/f.txt; then set -- $1 inc/g.txt; fi\n\
                     cat \"$@\" > /dev/null\n{}\necho \"out/t{slot}.txt: $*\" > dep/t{slot}.d",
                    joined("cat \"$@\"".into())
                );
                task(command, Some(String::new()), format!("{text_output}\ndepfile = \"dep/t{slot}.d\""))
            }
            Kind::Behind { literal } => {
                let inputs = if *literal { "dir.lnk" } else { "dir.lnk/*.txt" };
                let files = "find -L dir.lnk -name '*.txt' 2>/dev/null | LC_ALL=C sort | xargs -r cat";
                task(joined(files.into()), Some(quote(vec![inputs])), text_output)
            }
            Kind::Through => {
                let files = "cat file.lnk 2>/dev/null || echo none";
                task(joined(files.into()), Some(quote(vec!["file.lnk"])), text_output)
            }
            Kind::Part { second } => {
                let key = if *second { "second" } else { "first" };
                let files = format!("sed -n 's/^{key}: *//p' params.yaml");
                task(joined(files), Some(format!("\"params.yaml#{key}\"")), text_output)
            }
            Kind::External => {
                let external = "external = [\"../external.txt\"]";
                task(joined("cat ../external.txt".into()), Some(String::new()), format!("{text_output}\n{external}"))
            }
            Kind::Templated { own } => {
                let own = if *own { "env = { LEVEL = \"own\" }\n" } else { "" };
                let rest = format!("{text_output}\n{own}extends = [\"level\"]");
                task(joined("echo $LEVEL".into()), Some(String::new()), rest)
            }
            Kind::Tied { sources } => {
                let sources = self.existing(sources);
                let files = format!("cat {} /dev/null; pwd", sources.join(" "));
                task(joined(files), Some(quote(sources)), text_output)
            }
            Kind::Up => {
                let command = format!(
                    "cat dir.lnk/../up.txt > /dev/null\n{}\necho 'out/t{slot}.txt: dir.lnk/../up.txt' > dep/t{slot}.d",
                    joined("cat dir.lnk/../up.txt".into())
                );
                task(command, Some(String::new()), format!("{text_output}\ndepfile = \"dep/t{slot}.d\""))
            }
        }
    }

    fn store_line(&self, slot: u8) -> &'static str {
        if self.is_not_kept(slot) { "store = false\n" } else { "" }
    }

    pub(super) fn each_definition(&self, slot: u8, salt: u8, kind: &Kind) -> String {
        let pattern = match kind {
            Kind::Each { deep: true } => "src/**/*.txt".to_owned(),
            Kind::EachBehind => "dir.lnk/*.txt".to_owned(),
            Kind::EachOf { upstream } => match self.upstream_each(slot, *upstream) {
                Some(upstream) => format!("out/t{upstream}/*.txt"),
                None => "none/*.txt".to_owned(),
            },
            _ => "src/*.txt".to_owned(),
        };
        format!(
            "foreach = \"{pattern}\"\ncommand = '''\necho t{slot}-{{stem}} >> ../tally\n(echo {salt}; cat {{file}}) > out/t{slot}/{{stem}}.txt\n'''\n\
             inputs = [\"{{file}}\"]\noutputs = [\"out/t{slot}/{{stem}}.txt\"]\n{}",
            self.store_line(slot)
        )
    }
}
