//! How random histories are made. Frequent edits come first: shrinking prefers them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Build, CONTENTS, Edit, History, Kind, Round, SLOTS, SOURCES, Tamper, Task};

pub fn histories() -> impl Strategy<Value = History> {
    let sources = vec((source(), content()), 1..=SOURCES.len());
    let tasks = vec((slot(), task()), 1..=usize::from(SLOTS));
    let all = (sources, tasks, vec(round(), 5..=25), prop::bool::weighted(0.3), prop::bool::weighted(0.4));
    all.prop_map(|(sources, tasks, rounds, outside, git)| History { outside, git, sources, tasks, rounds })
}

fn round() -> impl Strategy<Value = Round> {
    (prop::bool::weighted(0.6), vec(edit(), 0..4), build()).prop_map(|(pause, edits, build)| Round {
        pause,
        edits,
        build,
    })
}

fn build() -> impl Strategy<Value = Build> {
    prop_oneof![
        10 => Just(Build::Full),
        3 => Just(Build::Repeated),
        2 => slot().prop_map(|slot| Build::Named { slot }),
        3 => (0..120u8).prop_map(|after| Build::Killed { after }),
        2 => (any::<u8>(), tamper()).prop_map(|(output, how)| Build::Tampered { output, how }),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        8 => (source(), content()).prop_map(|(source, content)| Edit::Write { source, content }),
        2 => source().prop_map(|source| Edit::Delete { source }),
        2 => (source(), source()).prop_map(|(from, to)| Edit::Rename { from, to }),
        1 => source().prop_map(|source| Edit::Touch { source }),
        3 => (0..4u8).prop_map(|place| Edit::Relink { place }),
        3 => (0..3u8, 0..2u8, 0..5u8).prop_map(|(first, second, style)| Edit::Params { first, second, style }),
        2 => content().prop_map(|content| Edit::External { content }),
        2 => (0..3u8).prop_map(|level| Edit::Template { level }),
        2 => (0..15u8).prop_map(|target| Edit::RelinkFile { target }),
        3 => (0..5u8).prop_map(|back| Edit::Branch { back }),
        2 => (slot(), task()).prop_map(|(slot, task)| Edit::AddTask { slot, task }),
        1 => slot().prop_map(|slot| Edit::RemoveTask { slot }),
        2 => (slot(), 0..3u8).prop_map(|(slot, salt)| Edit::Salt { slot, salt }),
        1 => (slot(), 0..3u8).prop_map(|(slot, alias)| Edit::RenameTask { slot, alias }),
        1 => Just(Edit::Reorder),
        2 => any::<u8>().prop_map(|output| Edit::DeleteOutput { output }),
        1 => Just(Edit::DeleteAllOutputs),
        1 => Just(Edit::Clean),
        3 => (slot(), 0..4u8).prop_map(|(slot, number)| Edit::Foreign { slot, number }),
        1 => any::<u8>().prop_map(|number| Edit::Track { number }),
        2 => any::<u8>().prop_map(|output| Edit::WriteOver { output }),
        1 => Just(Edit::Move),
        1 => Just(Edit::Copy),
        1 => Just(Edit::RemoveStore),
    ]
}

fn task() -> impl Strategy<Value = Task> {
    (0..3u8, kind()).prop_map(|(salt, kind)| Task { salt, alias: 0, kind })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => (vec(source(), 0..3), vec(slot(), 0..3)).prop_map(|(sources, upstream)| Kind::Join { sources, upstream }),
        2 => (0..3u8).prop_map(|pattern| Kind::Glob { pattern }),
        1 => Just(Kind::All),
        2 => any::<bool>().prop_map(|deep| Kind::Each { deep }),
        2 => slot().prop_map(|upstream| Kind::EachOf { upstream }),
        2 => vec(source(), 1..3).prop_map(|sources| Kind::Directory { sources }),
        2 => vec(source(), 1..3).prop_map(|sources| Kind::Globbed { sources }),
        1 => source().prop_map(|source| Kind::Link { source }),
        2 => vec(source(), 1..3).prop_map(|sources| Kind::Check { sources }),
        2 => (vec(source(), 1..3), any::<bool>()).prop_map(|(sources, output)| Kind::Setup { sources, output }),
        3 => vec(slot(), 1..3).prop_map(|deps| Kind::After { deps }),
        2 => Just(Kind::Discover),
        2 => any::<bool>().prop_map(|literal| Kind::Behind { literal }),
        1 => Just(Kind::EachBehind),
        2 => Just(Kind::Through),
        2 => any::<bool>().prop_map(|second| Kind::Part { second }),
        1 => Just(Kind::External),
        2 => any::<bool>().prop_map(|own| Kind::Templated { own }),
        2 => Just(Kind::Up),
    ]
}

fn tamper() -> impl Strategy<Value = Tamper> {
    prop_oneof![
        Just(Tamper::Overwrite),
        Just(Tamper::MakeExecutable),
        Just(Tamper::BecomeDirectory),
        Just(Tamper::BecomeSymlink),
        Just(Tamper::MoveAway)
    ]
}

fn source() -> impl Strategy<Value = u8> {
    0..SOURCES.len() as u8
}

/// The content that makes tasks fail is rare.
fn content() -> impl Strategy<Value = u8> {
    (0..4 * CONTENTS.len() as u8).prop_map(|number| {
        let fails = CONTENTS.iter().position(|text| *text == "fail\n").unwrap_or(0) as u8;
        let content = number % CONTENTS.len() as u8;
        if content == fails && number > content { 0 } else { content }
    })
}

fn slot() -> impl Strategy<Value = u8> {
    0..SLOTS
}
