//! Selectors of packages, as Turborepo and pnpm write them: `web`, `@acme/*...`, `...^{./libs/ui}`, `[main]`, `!docs`.
//!
//! Knows no packages.

/// A selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    /// `!`: what it selects is taken away.
    pub excludes: bool,
    /// `...X`: with what depends on it.
    pub with_dependents: bool,
    /// `X...`: with what it depends on.
    pub with_dependencies: bool,
    /// `^`: without what is named itself.
    pub without_itself: bool,
    /// The name, or a glob over names or directories.
    pub name: Option<String>,
    /// The pattern for directories.
    pub path: Option<String>,
    /// The commit since which something must have changed.
    pub since: Option<String>,
}

/// Parses a selector.
///
/// # Errors
/// Returns what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Selector, &'static str> {
    let mut selector = Selector::default();
    let mut rest = text.trim();
    if let Some(more) = rest.strip_prefix('!') {
        (selector.excludes, rest) = (true, more);
    }
    if let Some(more) = rest.strip_suffix("...") {
        (selector.with_dependencies, rest) = (true, more);
        if let Some(more) = rest.strip_suffix('^') {
            (selector.without_itself, rest) = (true, more);
        }
    }
    if let Some(more) = rest.strip_prefix("...") {
        (selector.with_dependents, rest) = (true, more);
        if let Some(more) = rest.strip_prefix('^') {
            (selector.without_itself, rest) = (true, more);
        }
    }
    if let Some((before, commit)) = rest.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        if commit.contains("...") {
            return Err("the tree is compared with one commit: `[main]`");
        }
        if commit.is_empty() {
            return Err("`[]` names no commit");
        }
        (selector.since, rest) = (Some(commit.to_owned()), before);
    }
    if let Some((before, path)) = rest.strip_suffix('}').and_then(|rest| rest.rsplit_once('{')) {
        if path.is_empty() {
            return Err("`{}` names no directory");
        }
        (selector.path, rest) = (Some(path.to_owned()), before);
    }
    if rest.contains(['{', '}', '[', ']', '^', '!']) {
        return Err("it is not of the form NAME, {DIR} or [REV], with `...` before or behind it");
    }
    let is_path = rest == "." || rest.starts_with("./") || rest.starts_with("../");
    match is_path && selector.path.is_none() {
        true => selector.path = Some(rest.to_owned()),
        false => selector.name = Some(rest.to_owned()).filter(|name| !name.is_empty()),
    }
    if selector.name.is_none() && selector.path.is_none() && selector.since.is_none() {
        return Err("it names no package");
    }
    Ok(selector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_may_be_missing_but_not_all() {
        let name = |name: &str| Selector { name: Some(name.to_owned()), ..Selector::default() };
        assert_eq!(parse("web"), Ok(name("web")));
        assert_eq!(parse("!web"), Ok(Selector { excludes: true, ..name("web") }));
        assert_eq!(parse("web..."), Ok(Selector { with_dependencies: true, ..name("web") }));
        assert_eq!(parse("...^web"), Ok(Selector { with_dependents: true, without_itself: true, ..name("web") }));
        assert_eq!(
            parse("apps/*^..."),
            Ok(Selector { with_dependencies: true, without_itself: true, ..name("apps/*") })
        );
        assert_eq!(
            parse("...@x/*{./libs}[main]..."),
            Ok(Selector {
                with_dependencies: true,
                with_dependents: true,
                path: Some("./libs".to_owned()),
                since: Some("main".to_owned()),
                ..name("@x/*")
            })
        );
        assert_eq!(parse("./apps").unwrap().path.as_deref(), Some("./apps"));
        assert_eq!(parse("[HEAD^]").unwrap().since.as_deref(), Some("HEAD^"));
        for wrong in ["", "...", "!", "{}", "[]", "[main...HEAD]", "a{b}c", "web^", "{a"] {
            assert!(parse(wrong).is_err(), "{wrong}: {:?}", parse(wrong));
        }
    }
}
