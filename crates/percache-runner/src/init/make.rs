//! Targets of a Makefile. Only make knows what they read and write, so they always run, and make decides what to do.

use std::collections::BTreeSet;
use std::path::Path;

use super::nature::{Nature, endless, nature};
use super::{Part, Proposed, list, read, string};

/// Targets that take away what was made, or change something outside: nobody wants them from a bare `percache build`.
const NEVER_BY_DEFAULT: [&str; 16] = [
    "clean",
    "distclean",
    "mrproper",
    "realclean",
    "maintainer-clean",
    "clobber",
    "purge",
    "reset",
    "install",
    "uninstall",
    "deploy",
    "publish",
    "release",
    "push",
    "upload",
    "destroy",
];

/// What make makes without a target.
#[derive(Debug, PartialEq, Eq)]
enum Goal {
    None,
    Target(String),
    /// Only make knows it: it depends on included files, conditions or variables.
    Unknown,
}

pub(super) fn look(dir: &Path) -> Option<Part> {
    let text = ["GNUmakefile", "makefile", "Makefile"].iter().find_map(|name| read(dir, name))?;
    let (goal, targets) = targets(&text);
    let mut tasks: Vec<Proposed> = Vec::new();
    if goal == Goal::Unknown {
        let comment = "What make makes by default depends on included files, conditions or variables.\n\
                       make knows what it reads and writes, percache does not: it always runs.";
        // A target of this name is another task.
        let name = ["make", "make-default"].into_iter().find(|name| !targets.iter().any(|target| target == name))?;
        let keys = vec![("command", list(&["make"])), ("cache", "false".to_owned())];
        tasks.push(Proposed { name: name.to_owned(), comment: comment.to_owned(), keys, default: true });
    }
    for (position, target) in targets.iter().enumerate() {
        let kind = nature(target);
        let comment = if position == 0 {
            "make knows what these read and write, percache does not: they always run."
        } else {
            ""
        };
        let flag = match kind {
            Nature::Interactive | Nature::Server => endless(kind),
            _ => ("cache", "false".to_owned()),
        };
        let keys = vec![("command", string(format!("make {target}"))), flag];
        let first = target.split(['-', '_', '.']).next().unwrap_or(target);
        let is_harmless = !NEVER_BY_DEFAULT.contains(&first) && !NEVER_BY_DEFAULT.contains(&target.as_str());
        let default = is_harmless && goal == Goal::Target(target.clone());
        tasks.push(Proposed { name: target.clone(), comment: comment.to_owned(), keys, default });
    }
    (!tasks.is_empty()).then(|| Part { found: "a Makefile".to_owned(), prefix: "make", tasks, ..Part::default() })
}

/// Returns the default goal, and the targets that a person calls by name: that goal, then the phony ones.
fn targets(text: &str) -> (Goal, Vec<String>) {
    let text = text.replace("\\\n", " ");
    let (mut goal, mut stated, mut phony) = (Goal::None, None, Vec::new());
    let (mut depth, mut in_define) = (0usize, false);
    for line in text.lines().filter(|line| !line.starts_with('\t')).map(str::trim_start) {
        let first = line.split([' ', '(', '\t']).next().unwrap_or_default();
        let mut follow = false;
        match first {
            "endef" => in_define = false,
            "define" => in_define = true,
            _ if in_define => continue,
            "ifdef" | "ifndef" | "ifeq" | "ifneq" => depth += 1,
            "endif" => depth = depth.saturating_sub(1),
            "include" | "-include" | "sinclude" if goal == Goal::None => goal = Goal::Unknown,
            "else" | "include" | "-include" | "sinclude" | "export" | "unexport" | "override" | "vpath" => {}
            // Text that make evaluates may have rules.
            "$" if goal == Goal::None && !line.contains(':') => goal = Goal::Unknown,
            _ => follow = true,
        }
        if !follow {
            continue;
        }
        if let Some(name) = assigned(line, ".DEFAULT_GOAL") {
            stated = Some(if depth == 0 && is_plain(name) { Goal::Target(name.to_owned()) } else { Goal::Unknown });
        }
        let Some((names, needs)) = rule(line) else { continue };
        if names == ".PHONY" {
            phony.extend(needs.split_whitespace().map(str::to_owned));
        }
        let by_default = |name: &&str| !name.contains('%') && (!name.starts_with('.') || name.contains('/'));
        let Some(name) = names.split_whitespace().find(by_default).filter(|_| goal == Goal::None) else { continue };
        goal = if depth == 0 && is_plain(name) { Goal::Target(name.to_owned()) } else { Goal::Unknown };
    }
    let goal = stated.unwrap_or(goal);
    let first = if let Goal::Target(name) = &goal { Some(name.clone()) } else { None };
    let mut seen = BTreeSet::new();
    let phony = phony.into_iter().filter(|name| is_plain(name));
    let targets = first.into_iter().chain(phony).filter(|name| seen.insert(name.clone())).collect();
    (goal, targets)
}

/// Returns the targets and the prerequisites of a line that is a rule.
fn rule(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') {
        return None;
    }
    let (names, needs) = line.split_once(':')?;
    let needs = needs.trim_start_matches(':').split([';', '#']).next().unwrap_or_default();
    // `X = a:b` and `X := a` are variables, and `target: X = a` is one of a target.
    (!names.contains(['=', '#']) && !needs.contains('=')).then(|| (names.trim(), needs))
}

/// Returns the value that a line gives to a variable.
fn assigned<'l>(line: &'l str, variable: &str) -> Option<&'l str> {
    let (operator, value) = line.strip_prefix(variable)?.split_once('=')?;
    let is_operator = matches!(operator.trim(), "" | ":" | "::" | ":::" | "?");
    is_operator.then(|| value.split('#').next().unwrap_or_default().trim())
}

fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_goal_and_the_phony_targets_are_what_people_call() {
        let goal = |name: &str| Goal::Target(name.to_owned());
        for (text, expected, names) in [
            (
                "CC := cc\nX ?= 1\nU = http://x\n.PHONY: all test \\\n  clean\nall: app\n\t$(CC) a:b\napp: a.o\n%.o: %.c\ntest: app\n",
                goal("all"),
                "all test clean",
            ),
            (".DEFAULT_GOAL := prog\n.PHONY: clean\nclean:\n\trm x\nprog: x\n", goal("prog"), "prog clean"),
            (".DEFAULT_GOAL = $(X)\nprog: x\n", Goal::Unknown, ""),
            ("include x.mk\n.PHONY: clean\nclean: ; rm x\n", Goal::Unknown, "clean"),
            ("all:\n-include x.d\n", goal("all"), "all"),
            ("$(PROG): x\nclean:\n", Goal::Unknown, ""),
            ("ifdef X\na:\nelse\nb:\nendif\n", Goal::Unknown, ""),
            ("$(eval $(call rules))\nclean:\n", Goal::Unknown, ""),
            ("x: A = 1\n%.o: %.c\n  all:: x\n", goal("all"), "all"),
            ("define X\nclean: ; rm\nendef\nifeq ($(A),b:c)\nendif\nall:\n", goal("all"), "all"),
            ("A = 1\n", Goal::None, ""),
        ] {
            let (found, targets) = targets(text);
            assert_eq!((found, targets.join(" ").as_str()), (expected, names), "{text}");
        }
    }
}
