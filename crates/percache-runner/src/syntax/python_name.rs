//! Names of Python packages, which have many spellings: `Foo.Bar`, `foo_bar` and `foo-bar` are the same one.

/// Returns the normal form of a name: lower case, with one `-` for any run of separators. Of a glob, it is a glob over
/// normal forms.
pub fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn spellings_of_a_name_have_one_form() {
        for name in ["b.x", "B_X", "b--x", "b-._X"] {
            assert_eq!(normal(name), "b-x", "{name}");
        }
        assert_eq!(normal("B_*"), "b-*");
    }
}
