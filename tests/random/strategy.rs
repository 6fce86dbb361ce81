//! How random histories are made. Frequent edits come first: shrinking prefers them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Build, CONTENTS, Edit, History, Kind, Round, SLOTS, SOURCES, Shared, Tamper, Task};
use super::remote::{Errand, Fault, Sharing, Way};

/// Makes histories, this share of them with a remote.
pub fn histories(shared: f64) -> impl Strategy<Value = History> {
    let sources = vec((source(), content()), 1..=SOURCES.len());
    // What is shared is worth more tasks.
    let tasks = vec((slot(), task()), 1..=3 * usize::from(SLOTS));
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.4), sharing(shared));
    let all = (sources, tasks, vec(round(), 5..=25), flags);
    all.prop_map(|(sources, mut tasks, rounds, (outside, git, sharing))| {
        tasks.truncate(if sharing.is_some() { tasks.len() } else { tasks.len().div_ceil(3) });
        if sharing.is_some_and(|sharing| sharing.chained) {
            tasks.extend(chain());
        }
        History { outside, git, sharing, sources, tasks, rounds }
    })
}

fn sharing(shared: f64) -> impl Strategy<Value = Option<Sharing>> {
    let sharing = (2..=3u8, prop::bool::weighted(0.4), any::<bool>());
    let sharing = sharing.prop_map(|(clones, faulty, chained)| Sharing { clones, faulty, chained });
    prop::option::weighted(shared, sharing)
}

/// Tasks that depend on each other, and all of whose results are shared.
fn chain() -> impl Iterator<Item = (u8, Task)> {
    let join = |sources: &[u8], upstream: &[u8]| Kind::Join { sources: sources.into(), upstream: upstream.into() };
    let kinds = [(0, join(&[0], &[])), (1, join(&[1], &[0])), (3, join(&[2], &[0, 1])), (4, join(&[3], &[1, 3]))];
    kinds.into_iter().map(|(slot, kind)| (slot, Task { salt: 0, alias: 0, shared: Shared::Unsaid, kind }))
}

fn round() -> impl Strategy<Value = Round> {
    let remote =
        (0..3u8, way(), prop::bool::weighted(0.4), prop::bool::weighted(0.4), vec((any::<u16>(), fault()), 0..3));
    let rare =
        (prop::option::weighted(0.1, any::<u16>()), prop::option::weighted(0.4, errand()), prop::bool::weighted(0.15));
    let all = (remote, rare, prop::bool::weighted(0.6), vec(edit(), 0..4), build());
    all.prop_map(|((clone, way, wanted, follows, faults), (meanwhile, errand, beside), pause, edits, build)| Round {
        clone,
        way,
        wanted,
        follows,
        faults,
        meanwhile,
        beside,
        errand,
        pause,
        edits,
        build,
    })
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![6 => Just(Way::Writes), 5 => Just(Way::Reads), 1 => Just(Way::Apart)]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::Lost),
        2 => Just(Fault::CutShort),
        2 => Just(Fault::Flipped),
        2 => Just(Fault::Replaced),
        1 => Just(Fault::Emptied),
    ]
}

fn errand() -> impl Strategy<Value = Errand> {
    prop_oneof![
        1 => Just(Errand::Push),
        1 => Just(Errand::Pull),
        1 => Just(Errand::DryRun),
        1 => Just(Errand::Export),
        1 => any::<bool>().prop_map(|all| Errand::Collect { all }),
        1 => Just(Errand::Verify),
        6 => Just(Errand::Renew),
    ]
}

fn shared() -> impl Strategy<Value = Shared> {
    prop_oneof![6 => Just(Shared::Unsaid), 1 => Just(Shared::Cache), 1 => Just(Shared::No)]
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
        1 => (slot(), shared()).prop_map(|(slot, shared)| Edit::Share { slot, shared }),
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
    (0..3u8, shared(), kind()).prop_map(|(salt, shared, kind)| Task { salt, alias: 0, shared, kind })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => (vec(source(), 0..3), vec(slot(), 0..4)).prop_map(|(sources, upstream)| Kind::Join { sources, upstream }),
        2 => (0..3u8).prop_map(|pattern| Kind::Glob { pattern }),
        1 => Just(Kind::All),
        2 => any::<bool>().prop_map(|deep| Kind::Each { deep }),
        2 => slot().prop_map(|upstream| Kind::EachOf { upstream }),
        2 => vec(source(), 1..3).prop_map(|sources| Kind::Directory { sources }),
        2 => vec(source(), 1..3).prop_map(|sources| Kind::Globbed { sources }),
        1 => source().prop_map(|source| Kind::Link { source }),
        2 => vec(source(), 1..3).prop_map(|sources| Kind::Check { sources }),
        2 => (vec(source(), 1..3), any::<bool>()).prop_map(|(sources, output)| Kind::Setup { sources, output }),
        5 => vec(slot(), 1..4).prop_map(|deps| Kind::After { deps }),
        2 => Just(Kind::Discover),
        2 => any::<bool>().prop_map(|literal| Kind::Behind { literal }),
        1 => Just(Kind::EachBehind),
        2 => Just(Kind::Through),
        2 => any::<bool>().prop_map(|second| Kind::Part { second }),
        1 => Just(Kind::External),
        2 => any::<bool>().prop_map(|own| Kind::Templated { own }),
        1 => vec(source(), 0..2).prop_map(|sources| Kind::Tied { sources }),
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
