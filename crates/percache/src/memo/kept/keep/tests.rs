//! Tests of what is kept, and of what those get who wait for something that is not.

use super::*;
use crate::base::clock::Time;

fn kept<R, K: Keep<R>>(keep: &K, value: &R) -> Option<(Kind, Vec<u8>)> {
    let mut bytes = Vec::new();
    let kind = keep.encode(value, &mut bytes).unwrap()?;
    Some((kind, bytes))
}

fn back<R, K: Keep<R>>(keep: &K, value: R, age: u64) -> Option<R> {
    let (kind, value) = kept(keep, &value)?;
    keep.decode(Stored { kind, created: Time::EPOCH, value: &value }, Duration::from_secs(age)).unwrap()
}

#[test]
fn an_error_is_known_by_its_encoding_wherever_it_hides() {
    type R = Result<u8, String>;
    let error = || -> R { Err("x".into()) };
    assert_eq!(back(&NoErrors, R::Ok(1), 0), Some(Ok(1)));
    assert_eq!(back(&NoErrors, error(), 0), None);
    assert_eq!(back(&NoErrors, Some(error()), 0), None);
    assert_eq!(back(&NoErrors, Some(Some(error())), 0), None);
    assert_eq!(back(&NoErrors, Ok::<R, u8>(error()), 0), None);
    assert_eq!(back(&NoErrors, Some(R::Ok(1)), 0), Some(Some(Ok(1))));
    assert_eq!(back(&NoErrors, vec![error()], 0), Some(vec![error()]), "a list of results is data");
    assert_eq!(back(&Everything, error(), 0), Some(error()));
}

#[test]
fn of_a_result_only_ok_is_kept_also_in_an_option() {
    struct Opaque;
    type R = Result<u8, Opaque>;
    assert!(matches!(back(&OnlyOk, R::Ok(1), 0), Some(Ok(1))));
    assert!(back(&OnlyOk, R::Err(Opaque), 0).is_none());
    assert!(matches!(back(&OnlyOk, Some(R::Ok(1)), 0), Some(Some(Ok(1)))));
    assert!(matches!(back(&OnlyOk, None::<R>, 0), Some(None)));
    assert!(back(&OnlyOk, Some(R::Err(Opaque)), 0).is_none());
    assert!(back(&OnlyOk, Ok::<_, Opaque>(Err::<u8, u8>(1)), 0).is_none());
}

#[test]
fn errors_are_kept_for_a_time() {
    type R = Result<u8, u8>;
    let keep = ErrorsFor(Duration::from_secs(30));
    for age in [29, 30] {
        assert_eq!(back(&keep, R::Err(1), age), (age < 30).then_some(Err(1)));
        assert_eq!(back(&keep, Some(R::Err(1)), age), (age < 30).then_some(Some(Err(1))));
        assert_eq!(back(&keep, Some(R::Ok(1)), age), Some(Some(Ok(1))));
        assert_eq!(back(&keep, None::<R>, age), Some(None));
    }
}

#[test]
fn none_is_left_out_if_asked() {
    assert_eq!(back(&OnlySome(NoErrors), None::<u8>, 0), None);
    assert_eq!(back(&OnlySome(NoErrors), Some(1u8), 0), Some(Some(1)));
    assert_eq!(back(&OnlySome(OnlyOk), Ok::<_, u8>(None::<u8>), 0), None);
    assert_eq!(back(&OnlySome(OnlyOk), Ok::<_, u8>(Some(1u8)), 0), Some(Ok(Some(1))));
    let (kind, value) = kept(&NoErrors, &None::<u8>).unwrap();
    let stored = Stored { kind, created: Time::EPOCH, value: &value };
    assert_eq!(Keep::<Option<u8>>::decode(&OnlySome(NoErrors), stored, Duration::ZERO), Ok(None));
}

#[test]
fn a_condition_comes_on_top_of_what_is_kept_anyway() {
    let even = If(NoErrors, |n: &u8| n.is_multiple_of(2));
    assert_eq!((back(&even, 1, 0), back(&even, 2, 0)), (None, Some(2)));
    let all = If(OnlyOk, |_: &Result<u8, u8>| true);
    assert_eq!((back(&all, Ok(1), 0), back(&all, Err(1), 0)), (Some(Ok(1)), None));
}

/// What somebody gets who waits while this is the result.
fn shared<R, K: Keep<R>>(keep: &K, value: R) -> Option<R> {
    assert_eq!(kept(keep, &value), None, "only what is not kept is shared");
    keep.take_shared(&keep.share(&value)?)
}

#[test]
fn errors_that_can_be_cloned_are_shared_whatever_else_is_asked() {
    type R = Result<u8, String>;
    let error = || -> R { Err("x".into()) };
    assert_eq!(shared(&SharedErrors(OnlyOk), error()), Some(error()));
    assert_eq!(shared(&SharedErrors(&OnlyOk), error()), Some(error()));
    assert_eq!(shared(&SharedErrors(OnlyOk), Some(error())), Some(Some(error())));
    assert_eq!(shared(&SharedErrors(If(OnlyOk, |_: &R| false)), error()), Some(error()));
    assert_eq!(shared(&SharedErrors(If(OnlyOk, |_: &R| false)), Ok(1)), None);
    assert_eq!(shared(&SharedErrors(OnlySome(OnlyOk)), Err::<Option<u8>, _>(1u8)), Some(Err(1)));
    assert_eq!(shared(&SharedErrors(OnlySome(OnlyOk)), Ok::<Option<u8>, u8>(None)), None);
}

#[test]
fn errors_that_can_be_serialised_are_shared_wherever_they_hide() {
    type R = Result<u8, String>;
    struct Opaque;
    let error = || -> R { Err("x".into()) };
    assert_eq!(shared(&NoErrors, error()), Some(error()));
    assert_eq!(shared(&NoErrors, Some(Some(error()))), Some(Some(Some(error()))));
    assert_eq!(shared(&&NoErrors, error()), Some(error()));
    assert_eq!(shared(&If(NoErrors, |_: &R| false), error()), Some(error()));
    assert_eq!(shared(&If(NoErrors, |_: &R| false), Ok(1)), None);
    assert_eq!(shared(&OnlySome(NoErrors), Some(error())), Some(Some(error())));
    assert_eq!(shared(&OnlySome(NoErrors), None::<R>), None);
    assert!(matches!(shared(&OnlyOk, Ok::<R, Opaque>(error())), Some(Ok(Err(text))) if text == "x"));
    assert!(matches!(shared(&OnlyOk, Some(Ok::<R, Opaque>(error()))), Some(Some(Ok(Err(text)))) if text == "x"));
    assert_eq!(shared(&SharedErrors(OnlyOk), Ok::<R, u8>(error())), Some(Ok(error())));
    assert!(shared(&OnlyOk, Err::<u8, Opaque>(Opaque)).is_none());
}
