//! What is known about a key, and the macros that make a struct and its reader of a table of keys.
//!
//! Knows no key.

use serde_json::{Map, Value, json};

use crate::config::stray::Form;

/// One key of a table of percache.toml.
pub(in crate::config) struct Key {
    pub name: &'static str,
    /// A description for editors, in one line.
    pub doc: &'static str,
    /// The schema of its value.
    pub schema: fn() -> Value,
    pub traits: Traits,
}

/// What holds for a key besides its type.
#[derive(Clone, Copy)]
pub(in crate::config) struct Traits {
    /// The default, as JSON, if one value stands for it.
    pub default: Option<&'static str>,
    /// Whether a change of the value alone changes the fingerprint.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds the documentation against it"))]
    pub hashed: bool,
    /// Whether the key means nothing in a task without a command.
    pub needs_command: bool,
    /// The files that may have it.
    pub files: Files,
    /// Where the value ends up, which decides what braces in it mean.
    pub form: Form,
    /// Whether `{args}` may stand in it.
    pub args: bool,
    /// Whether `{inputs}`, `{outputs}` and `{deps}` may stand in it.
    pub lists: bool,
    /// Whether the placeholders of an instance's file have a value in it.
    pub of_file: bool,
}

/// The files that may have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Files {
    All,
    /// Every percache.toml, but not what one includes.
    Main,
    /// The percache.toml in the workspace's root.
    Root,
}

/// A key that says how a command runs or what it leaves.
pub(super) const RUN: Traits = Traits {
    default: None,
    hashed: true,
    needs_command: true,
    files: Files::All,
    form: Form::Text,
    args: false,
    lists: false,
    of_file: true,
};

/// A key that any task may have.
pub(super) const ANY: Traits = Traits { needs_command: false, ..RUN };

/// A setting that is no part of a fingerprint.
pub(super) const SETTING: Traits = Traits { hashed: false, ..ANY };

impl Traits {
    pub const fn default(self, json: &'static str) -> Traits {
        Traits { default: Some(json), ..self }
    }

    pub const fn not_hashed(self) -> Traits {
        Traits { hashed: false, ..self }
    }

    pub const fn files(self, files: Files) -> Traits {
        Traits { files, ..self }
    }

    pub const fn form(self, form: Form) -> Traits {
        Traits { form, ..self }
    }

    pub const fn args(self) -> Traits {
        Traits { args: true, ..self }
    }

    pub const fn lists(self) -> Traits {
        Traits { lists: true, ..self }
    }

    pub const fn axes_only(self) -> Traits {
        Traits { of_file: false, ..self }
    }
}

/// All keys of one kind of table, sorted by name in messages.
pub(in crate::config) struct Table {
    pub keys: &'static [Key],
}

impl Table {
    /// Yields the names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Returns the key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Returns the schema of the table.
    pub fn schema(&self) -> Value {
        let properties: Map<String, Value> = self.keys.iter().map(|key| (key.name.to_owned(), key.schema())).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

impl Key {
    fn schema(&self) -> Value {
        let mut schema = (self.schema)();
        schema["description"] = self.doc.into();
        if let Some(default) = self.traits.default.and_then(|default| serde_json::from_str(default).ok()) {
            schema["default"] = default;
        }
        schema
    }
}

/// Makes a struct with a field for each key, its reader, and the table of the keys. Each line is a key, the type of its
/// value, its traits and its description.
macro_rules! keys {
    (
        $(#[$about:meta])*
        $name:ident, $table:ident:
        $($key:ident: $type:ty, $traits:expr, $doc:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        pub(in crate::config) struct $name {
            $(#[doc = $doc] pub $key: Option<<$type as super::types::Type>::Value>,)*
        }

        /// The table of the keys.
        pub(in crate::config) static $table: super::table::Table = super::table::Table {
            keys: &[$(super::table::Key {
                name: stringify!($key),
                doc: $doc,
                schema: <$type as super::types::Type>::schema,
                traits: $traits,
            }),*],
        };

        impl super::types::Section for $name {
            fn table() -> &'static super::table::Table {
                &$table
            }

            fn read(fields: &mut crate::config::reader::Fields<'_, '_>) -> Self {
                $name { $($key: <$type as super::types::Type>::read(fields, stringify!($key)),)* }
            }
        }
    };
}

/// As `keys`, for a struct that is generic over the form of its texts: as written, or with placeholders located.
macro_rules! task_keys {
    (
        $(#[$about:meta])*
        $name:ident, $table:ident:
        $($key:ident: $type:ty, $traits:expr, $doc:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub(in crate::config) struct $name<T> {
            $(#[doc = $doc] pub $key: Option<<$type as super::types::TaskType>::Of<T>>,)*
        }

        /// The table of the keys.
        pub(in crate::config) static $table: super::table::Table = super::table::Table {
            keys: &[$(super::table::Key {
                name: stringify!($key),
                doc: $doc,
                schema: <$type as super::types::TaskType>::schema,
                traits: $traits,
            }),*],
        };

        impl $name<crate::config::report::At<String>> {
            /// Takes the keys from a table.
            pub fn read(fields: &mut crate::config::reader::Fields<'_, '_>) -> Self {
                $name { $($key: <$type as super::types::TaskType>::read(fields, stringify!($key)),)* }
            }
        }

        impl<T> $name<T> {
            /// Replaces every text. `to` gets the traits of the key that the text belongs to.
            pub fn map<U>(self, mut to: impl FnMut(super::table::Traits, T) -> U) -> $name<U> {
                $(
                    let traits = const { $traits };
                    let $key = self.$key.map(|value| {
                        <$type as super::types::TaskType>::map(value, traits, &mut to)
                    });
                )*
                $name { $($key),* }
            }

            /// Lays other keys over these: arrays are appended, tables merged, and everything else is replaced.
            pub fn merge(&mut self, over: Self) {
                $(
                    if let Some(value) = over.$key {
                        match &mut self.$key {
                            Some(under) => <$type as super::types::TaskType>::merge::<T>(under, value),
                            none => *none = Some(value),
                        }
                    }
                )*
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                $name { $($key: None),* }
            }
        }
    };
}

pub(super) use {keys, task_keys};
