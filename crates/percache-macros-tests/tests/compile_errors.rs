//! What cannot be memoized is an error at the right place that says what to do: `ui/*.rs` and what the compiler says about each.

#[test]
fn mistakes_are_told_where_they_stand() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
