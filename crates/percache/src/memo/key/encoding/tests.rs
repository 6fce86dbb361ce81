//! Tests of the canonical encoding of arguments.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

fn key<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(value, &mut bytes).unwrap();
    bytes
}

fn result<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    bytes
}

fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    decode(&result(value)).unwrap()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(f64, f64),
    Box { width: u8, height: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    unit: (),
    pair: (u8, u16),
    array: [u8; 3],
    nested: Option<Option<u8>>,
    bytes: Vec<u8>,
    texts: Vec<String>,
    map: BTreeMap<String, Shape>,
    wide: (u128, i128, f32, char, bool),
    shapes: Vec<Shape>,
}

fn everything() -> Everything {
    Everything {
        unit: (),
        pair: (1, 2),
        array: [1, 2, 3],
        nested: Some(None),
        bytes: vec![0, 255, 7],
        texts: vec!["a".into(), "grün".into(), String::new()],
        map: BTreeMap::from([("x".into(), Shape::Box { width: 1, height: 2 })]),
        wide: (u128::MAX, i128::MIN, 0.5, 'ß', true),
        shapes: vec![Shape::Point, Shape::Circle(1.0), Shape::Line(-0.0, f64::INFINITY)],
    }
}

#[test]
fn the_bytes_are_pinned() {
    assert_eq!(key(&(1u32, "ab")), b"\x18\x08\x01\0\0\0\x13\x02ab\0");
    assert_eq!(key(&vec![1u8, 2]), b"\x15\x16\x02\x01\x02\0");
    assert_eq!(
        key(&Shape::Box { width: 1, height: 2 }),
        b"\x21\x05Shape\x03Box\x22\x05width\x06\x01\x22\x06height\x06\x02\0"
    );
    assert_eq!(key(&HashMap::from([("b", 2u8), ("a", 1)])), b"\x19\x13\x01a\x06\x01\x13\x01b\x06\x02\0");
}

#[test]
fn values_that_look_alike_differ() {
    let keys = [
        key(&1u64),
        key(&1u32),
        key(&1i64),
        key(&1.0f64),
        key(&1.0f32),
        key("1"),
        key(&'1'),
        key(&Some(1u64)),
        key(&(1u64,)),
        key(&[1u64]),
        key(&vec![1u64]),
        key(&true),
        key(&()),
        key(&None::<u64>),
        key(&Some(None::<u64>)),
        key(&b"1"),
        key(&vec![b'1']),
        key(&(1u8, 23u8)),
        key(&(12u8, 3u8)),
        key(&("1", "23")),
        key(&("12", "3")),
        key(&(("1",), "23")),
        key(&Shape::Point),
        key("Point"),
        key(&BTreeMap::from([(1u8, 2u8)])),
        key(&vec![(1u8, 2u8)]),
    ];
    let same = |a: usize, b: usize| (a, b) == (9, 8) || a == b;
    for a in 0..keys.len() {
        for b in 0..a {
            // `[1]` and `(1,)` of fixed length are both tuples to serde, and equal to a function of either type.
            assert!(same(a, b) || keys[a] != keys[b], "{a} and {b}: {:?}", keys[a]);
        }
    }
}

#[test]
fn floats_count_by_their_bits() {
    assert_ne!(key(&0.0f64), key(&-0.0f64));
    assert_eq!(key(&f64::NAN), key(&f64::NAN));
    assert_eq!(back(&-0.0f64).to_bits(), (-0.0f64).to_bits());
    assert_eq!(back(&f64::from_bits(0x7ff8_0000_0000_0001)).to_bits(), 0x7ff8_0000_0000_0001);
}

#[test]
fn iteration_order_of_hash_containers_does_not_matter() {
    // Two sets of one content and different capacity iterate differently.
    let numbers: Vec<u32> = (0..500).collect();
    let one: HashSet<u32> = numbers.iter().copied().collect();
    let mut other: HashSet<u32> = HashSet::with_capacity(10_000);
    other.extend(numbers.iter().rev());
    assert_ne!(one.iter().collect::<Vec<_>>(), other.iter().collect::<Vec<_>>());
    assert_eq!(key(&one), key(&other));
    assert_eq!(key(&Some(&one)), key(&Some(&other)));
    assert_eq!(key(&HashMap::from([("x", one)])), key(&HashMap::from([("x", other)])));
}

#[test]
fn the_order_of_everything_else_does() {
    assert_ne!(key(&vec![1u32, 2]), key(&vec![2u32, 1]));
    assert_ne!(key(&("a", "b")), key(&("b", "a")));
}

#[test]
fn reads_what_it_writes() {
    assert_eq!(back(&everything()), everything());
    assert_eq!(back(&Some(Some(()))), Some(Some(())));
    assert_eq!(back(&Some(None::<()>)), Some(None));
    assert_eq!(back(&Ok::<u8, String>(1)), Ok(1));
    assert_eq!(back(&HashMap::from([(1u8, vec![2u8])])), HashMap::from([(1, vec![2])]));
    assert_eq!(back(&std::time::Duration::from_millis(5)), std::time::Duration::from_millis(5));
}

#[test]
fn reads_what_describes_itself() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
        Shape(Shape),
        Many(Vec<Untagged>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { x: u8 },
        B,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u32>,
    }
    for value in [
        Untagged::Number(1),
        Untagged::Text("x".into()),
        Untagged::Shape(Shape::Box { width: 1, height: 2 }),
        Untagged::Shape(Shape::Line(1.0, 2.0)),
        Untagged::Shape(Shape::Circle(1.0)),
        Untagged::Many(vec![Untagged::Number(1), Untagged::Shape(Shape::Point)]),
    ] {
        let text = matches!(&value, Untagged::Many(_));
        // A unit variant reads as text when the enum is not known, as in other formats.
        assert!(text || back(&value) == value);
    }
    assert_eq!(back(&Tagged::A { x: 3 }), Tagged::A { x: 3 });
    assert_eq!(back(&Tagged::B), Tagged::B);
    let flat = Flat { id: 1, rest: BTreeMap::from([("a".into(), 2)]) };
    assert_eq!(back(&flat), flat);
    let json = serde_json::json!({"a": [1, 2.5, null, "x", {"b": true}]});
    assert_eq!(back(&json), json);
}

#[test]
fn another_type_is_an_error_and_not_another_value() {
    #[derive(Serialize)]
    struct Size {
        width: u8,
        height: u8,
    }
    mod later {
        #[derive(Debug, serde::Deserialize)]
        pub struct Size {
            #[serde(rename = "breadth")]
            _breadth: u8,
            #[serde(rename = "height")]
            _height: u8,
        }
    }
    let stored = result(&Size { width: 1, height: 2 });
    assert!(decode::<later::Size>(&stored).is_err());
    assert!(decode::<(u8, u8)>(&stored).is_err());
    assert!(decode::<u64>(&result(&1u32)).is_err());
    assert!(decode::<i32>(&result(&1u32)).is_err());
    assert!(decode::<String>(&result(&'x')).is_err());
    assert!(decode::<Option<u8>>(&result(&1u8)).is_err());
    assert!(decode::<[u8; 2]>(&result(&[1u8, 2, 3])).is_err());
    assert!(decode::<[u8; 3]>(&result(&[1u8, 2])).is_err());
    assert!(decode::<(u32, u32)>(&result(&(1u32, 2u32, 3u32))).is_err());
}

#[test]
fn cut_or_changed_bytes_never_panic() {
    let stored = result(&everything());
    for length in 0..stored.len() {
        assert!(decode::<Everything>(&stored[..length]).is_err());
    }
    for place in 0..stored.len() {
        for bit in 0..8 {
            let mut damaged = stored.clone();
            damaged[place] ^= 1 << bit;
            let _ = decode::<Everything>(&damaged);
            let _ = decode::<serde_json::Value>(&damaged);
        }
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(value: (Vec<u8>, String, Option<Option<i64>>, Vec<(u8, String)>, [u8; 4], BTreeMap<String, Vec<u16>>)) {
        prop_assert_eq!(back(&value), value);
    }

    #[test]
    fn equal_keys_are_equal_values(a: (Vec<u8>, String, Option<u8>), b: (Vec<u8>, String, Option<u8>)) {
        prop_assert_eq!(key(&a) == key(&b), a == b);
    }

    #[test]
    fn noise_is_an_error_or_a_value(bytes: Vec<u8>) {
        let _ = decode::<Everything>(&bytes);
        let _ = decode::<serde_json::Value>(&bytes);
    }
}
