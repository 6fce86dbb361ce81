//! Which containers have an iteration order that means nothing. Knows type names only.

use std::any::type_name;

/// Crates whose hash containers are known, and the names of those containers.
const CRATES: [&str; 6] = ["std::collections::hash::", "hashbrown::", "ahash::", "dashmap::", "im::hash", "imbl::hash"];
const CONTAINERS: [&str; 6] = ["HashMap", "HashSet", "AHashMap", "AHashSet", "DashMap", "DashSet"];

/// What serialises as the value inside of it.
const WRAPPERS: [&str; 6] = [
    "alloc::boxed::Box<",
    "alloc::rc::Rc<",
    "alloc::sync::Arc<",
    "core::cell::RefCell<",
    "std::sync::poison::mutex::Mutex<",
    "std::sync::poison::rwlock::RwLock<",
];

/// Whether `T`, or what it points to, is a hash map or a hash set.
#[inline]
pub fn unordered<T: ?Sized>() -> bool {
    let name = type_name::<T>();
    // Nearly every type is ruled out here: generic types end in a bracket.
    name.ends_with('>') && is_unordered(name)
}

fn is_unordered(name: &str) -> bool {
    let mut name = name;
    loop {
        let inner = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper));
        match inner.or_else(|| name.strip_prefix("&mut ")).or_else(|| name.strip_prefix('&')) {
            Some(inner) => name = inner,
            None => break,
        }
    }
    let path = name.split('<').next().unwrap_or(name);
    CRATES.iter().any(|known| path.starts_with(known))
        && path.rsplit("::").next().is_some_and(|last| CONTAINERS.contains(&last))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
    use std::sync::{Arc, Mutex, RwLock};

    use super::*;

    #[test]
    fn hash_containers_are_unordered_also_behind_pointers() {
        assert!(unordered::<HashMap<String, u8>>());
        assert!(unordered::<HashSet<u8>>());
        assert!(unordered::<&&HashSet<u8>>());
        assert!(unordered::<&mut HashSet<u8>>());
        assert!(unordered::<Box<Arc<HashSet<u8>>>>());
        assert!(unordered::<Mutex<HashSet<u8>>>());
        assert!(unordered::<RwLock<HashSet<u8>>>());
        assert!(unordered::<std::cell::RefCell<std::rc::Rc<HashSet<u8>>>>());
    }

    #[test]
    fn everything_else_has_an_order() {
        assert!(!unordered::<BTreeMap<u8, u8>>());
        assert!(!unordered::<BTreeSet<u8>>());
        assert!(!unordered::<Vec<HashSet<u8>>>());
        assert!(!unordered::<Option<HashSet<u8>>>());
        assert!(!unordered::<u64>());
        assert!(!is_unordered("indexmap::map::IndexMap<u8, u8>"));
        assert!(!is_unordered("hashlink::linked_hash_map::LinkedHashMap<u8, u8>"));
        assert!(!is_unordered("mine::HashMap<u8>"));
    }
}
