//! Ranges of versions as npm writes them: `^1.2.0`, `1.x || >=2.5 <3`, `1.0 - 2.0`.
//!
//! Only answers whether a version is within a range. What is no range, like a tag, is no answer.

use semver::{Version, VersionReq};

/// Returns whether the version is in the range; `None` if one of them cannot be understood. `*` contains prereleases,
/// too: npm and pnpm link a package of the workspace for it whatever its version is.
pub fn contains(range: &str, version: &str) -> Option<bool> {
    let version = Version::parse(version.trim().trim_start_matches(['v', '='])).ok()?;
    let mut within = false;
    for alternative in range.split("||") {
        let requirement = requirement(alternative)?;
        within |= requirement == VersionReq::STAR || requirement.matches(&version);
    }
    Some(within)
}

/// Translates one alternative of a range to the syntax of Cargo.
fn requirement(alternative: &str) -> Option<VersionReq> {
    if let Some((from, to)) = alternative.split_once(" - ") {
        return VersionReq::parse(&format!(">={}, <={}", bare(from), bare(to))).ok();
    }
    let mut comparators: Vec<String> = Vec::new();
    let mut operator = "";
    for word in alternative.split_whitespace() {
        // An operator may stand apart from its version.
        if word.chars().all(|char| "^~<>=".contains(char)) {
            operator = word;
            continue;
        }
        comparators.push(comparator(operator, word));
        operator = "";
    }
    if comparators.iter().all(|comparator| comparator == "*") {
        return Some(VersionReq::STAR);
    }
    comparators.retain(|comparator| comparator != "*");
    VersionReq::parse(&comparators.join(", ")).ok()
}

/// Translates a version with its operator. Without an operator, npm means that version and not a compatible one.
fn comparator(operator: &str, word: &str) -> String {
    let split = word.find(|char| !"^~<>=".contains(char)).unwrap_or(word.len());
    let operator = [operator, &word[..split]].concat().replace("~>", "~");
    match (operator.as_str(), bare(&word[split..])) {
        (_, "*") => "*".to_owned(),
        ("", version) => format!("={version}"),
        (operator, version) => format!("{operator}{version}"),
    }
}

/// Returns a version without what says nothing: `v`, and components that stand for any number.
fn bare(version: &str) -> &str {
    let mut version = version.trim().trim_start_matches('v');
    while let Some(shorter) = [".x", ".X", ".*"].iter().find_map(|any| version.strip_suffix(any)) {
        version = shorter;
    }
    if matches!(version, "" | "x" | "X") { "*" } else { version }
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn ranges_mean_what_npm_means() {
        let within = |range| contains(range, "1.4.2");
        for range in ["^1.2.0", "~1.4", "1.x", "1", "*", "", "1.4.2", "v1.4.2", ">=1 <2", ">= 1.0.0", "1.0 - 1.5"] {
            assert_eq!(within(range), Some(true), "{range}");
        }
        for range in ["^2.0.0", "1.4.1", "~1.3", "<1.4.2", "0.x || >=2", "2.0 - 3.0", ">1.4 <1.4.2"] {
            assert_eq!(within(range), Some(false), "{range}");
        }
        assert_eq!(within("0.x || ^1.4"), Some(true));
        assert_eq!(within("latest"), None);
        assert_eq!(contains("^1.0.0", "one"), None);
        assert_eq!(contains("^1.0.0-beta.1", "1.0.0-beta.2"), Some(true));
        assert_eq!(contains("^0.2.0", "0.3.0"), Some(false));
        for any in ["*", "", " ", "x", "X.x", ">=*", "^2.0.0 || *"] {
            assert_eq!(contains(any, "1.0.0-alpha.1"), Some(true), "{any}");
        }
        assert_eq!(contains(">=0.0.1", "1.0.0-alpha.1"), Some(false));
    }
}
