//! `cargo xtask …`: what a person does with this repository.

fn main() {}
