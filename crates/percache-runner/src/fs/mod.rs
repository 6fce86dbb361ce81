//! The state of files on disk, and writing to them. Knows nothing about tasks, nor how results
//! are found or stored.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `beneath` | writing into the workspace without ever leaving it |
//! | `clearing` | removing files safely, or moving them aside |
//! | `displaced` | files that were moved aside |
//! | `git_changes` | what differs between the tree and a commit |
//! | `git_files` | the source files of the workspace |
//! | `git_ignore` | the rules by which git ignores paths |
//! | `git_index` | the files that git tracks |
//! | `git_repository` | the location of a repository and its work tree |
//! | `git_settings` | git's configuration about ignored files |
//! | `hash_file` | hashing a file with few system calls |
//! | `links` | symlink resolution, as the kernel does it |
//! | `mapped_file` | the bytes of a file that is read whole |
//! | `outputs` | the outputs present in the tree |
//! | `parallel` | parallel work on many items, outside rayon's pool |
//! | `rights` | permissions that a command withheld from its outputs |
//! | `staging` | the place where files wait on their way into the tree |
//! | `stamp` | file stamps: what `lstat` says of a file |
//! | `stat_cache` | the current state of a path, cached by its stamp |
//! | `stat_table` | the table of known paths in the journal |
//! | `trail` | every symlink on the way to a file |
//! | `version_control` | the files of version control systems other than git |
//! | `walk` | the files that a set of patterns matches |

pub mod beneath;
pub mod clearing;
pub mod displaced;
pub mod git_changes;
pub mod git_files;
pub mod git_ignore;
pub mod git_index;
pub mod git_repository;
pub mod git_settings;
pub mod hash_file;
pub mod links;
pub mod mapped_file;
pub mod outputs;
pub mod parallel;
pub(crate) mod rights;
pub mod staging;
pub mod stamp;
pub mod stat_cache;
pub mod stat_table;
pub(crate) mod trail;
pub(crate) mod version_control;
pub mod walk;
