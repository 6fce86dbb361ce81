//! Generates the client of the Remote Execution API from the .proto files beside this. With `--check`, says whether
//! what is committed is what would be generated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The files that have the services which are used; what they import is found below the same directory.
const FILES: [&str; 4] = [
    "build/bazel/remote/execution/v2/remote_execution.proto",
    "google/bytestream/bytestream.proto",
    "google/longrunning/operations.proto",
    "google/rpc/error_details.proto",
];
/// The packages that are used, and the module of `crate::reapi` that each becomes.
const PACKAGES: [(&str, &str); 6] = [
    ("build.bazel.remote.execution.v2", "v2"),
    ("build.bazel.semver", "semver"),
    ("google.bytestream", "bytestream"),
    ("google.longrunning", "longrunning"),
    ("google.protobuf", "protobuf"),
    ("google.rpc", "rpc"),
];
/// The services that are used.
const SERVICES: [&str; 6] =
    ["ActionCache", "ContentAddressableStorage", "Capabilities", "ByteStream", "Execution", "Operations"];
/// The methods of these services that are not used.
const UNUSED_METHODS: [&str; 4] = ["GetTree", "ListOperations", "GetOperation", "DeleteOperation"];

/// The messages that only other services need.
const UNUSED: [&str; 21] = [
    "BadRequest",
    "ErrorInfo",
    "DebugInfo",
    "DeleteOperationRequest",
    "GetOperationRequest",
    "GetTreeRequest",
    "GetTreeResponse",
    "Help",
    "ListOperationsRequest",
    "ListOperationsResponse",
    "LocalizedMessage",
    "OperationInfo",
    "QuotaFailure",
    "RequestInfo",
    "ResourceInfo",
    "RetryInfo",
    "SplitBlobRequest",
    "SplitBlobResponse",
    "SpliceBlobRequest",
    "SpliceBlobResponse",
    "WaitOperationRequest",
];

/// Returns whether nothing that is used is in a file.
fn is_unused(file: &str) -> bool {
    let used = ["any", "duration", "empty", "timestamp", "wrappers"].map(|name| format!("google/protobuf/{name}.proto"));
    file.starts_with("google/protobuf/") && !used.contains(&file.to_owned())
}

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = root.join("../src/reapi/generated");
    let mut differ = Vec::new();
    for (name, text) in generate(root) {
        let path = to.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        if !check {
            fs::create_dir_all(&to).expect("a directory");
            fs::write(&path, text).expect("a file");
        }
        differ.push(path);
    }
    let verb = if check { "is not what would be generated" } else { "is new" };
    differ.iter().for_each(|path: &PathBuf| println!("{} {verb}", path.display()));
    if check && !differ.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Returns the name and text of each generated file.
fn generate(root: &Path) -> Vec<(String, String)> {
    let mut files = protox::compile(FILES, [root]).expect("valid .proto files");
    for file in &mut files.file {
        // Comments, which are found by the places of what they belong to.
        file.source_code_info = None;
        file.service.retain(|service| SERVICES.contains(&service.name()));
        file.message_type.retain(|message| !UNUSED.contains(&message.name()));
        let is_used = |name: &str| !UNUSED_METHODS.contains(&name);
        file.service.iter_mut().for_each(|service| service.method.retain(|method| is_used(method.name())));
    }
    files.file.retain(|file| PACKAGES.iter().any(|(package, _)| *package == file.package()) && !is_unused(file.name()));
    let out = tempfile::tempdir().expect("a directory");
    let builder = tonic_prost_build::configure().build_server(false).build_transport(false).out_dir(out.path());
    let builder = builder.codec_path("crate::reapi::codec::ProstCodec").compile_well_known_types(true);
    builder.bytes(".").compile_fds(files).expect("code");
    let divided = PACKAGES.map(|(package, module)| {
        let text = fs::read_to_string(out.path().join(format!("{package}.rs"))).expect("a generated file");
        // Packages are modules side by side here, not modules within modules.
        let text = text.replace("super::super::super::super::super::google::rpc::", "super::rpc::");
        let longrunning = "super::longrunning::";
        let text = text.replace("super::super::super::super::super::google::longrunning::", longrunning);
        let text = text.replace("super::super::super::semver::", "super::semver::");
        let text = text.replace("super::super::super::super::super::google::protobuf::", "super::protobuf::");
        let text = text.replace("super::super::google::protobuf::", "super::protobuf::");
        let text =
            text.replace("super::protobuf::protobuf::", "super::protobuf::").replace("super::google::", "super::");
        let (messages, clients) = text.split_once("/// Generated client").unwrap_or((&text, ""));
        let clients = if clients.is_empty() { String::new() } else { format!("/// Generated client{clients}") };
        (package, module, messages.to_owned(), clients)
    });
    let text: String =
        divided.iter().map(|(_, module, messages, _)| format!("pub mod {module} {{\n{messages}\n}}\n")).collect();
    let expanded = expand(&text);
    let file = |(package, module, _, clients): (&str, &str, String, String)| {
        let messages = module_of(&expanded, module);
        let head = format!("//! The messages and clients of `{package}`, generated by `percache-protos`.");
        (format!("{module}.rs"), format!("{head}\n\n{messages}\n{clients}"))
    };
    divided.into_iter().map(file).collect()
}

/// Expands what prost derives for messages, so that building percache does not need what derives it: that would have
/// the crate that RocksDB is bound with compiled with other features, and RocksDB once more.
fn expand(text: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
    write(
        "Cargo.toml",
        "[package]\nname = 'x'\nedition = '2024'\n[lib]\npath = 'x.rs'\n[dependencies]\nprost = '0.14'\n[workspace]\n",
    );
    // What the standard library derives cannot be written out, and is derived there again.
    let mut lines = Vec::new();
    // Long lists of what is derived take several lines.
    let (first, others) = text.split_once("#[derive(").unwrap_or((text, ""));
    let others = others.split("#[derive(").map(|part| {
        let (derived, rest) = part.split_once(")]").unwrap_or((part, ""));
        let derived: Vec<_> = derived.split_whitespace().collect();
        format!("{})]{rest}", derived.join(" ").trim_end_matches(','))
    });
    let text: Vec<_> = std::iter::once(first.to_owned()).chain(others).collect();
    for line in text.join("#[derive(").lines() {
        let (indent, derived) = line.split_once("#[derive(").unwrap_or(("", ""));
        match derived.rsplit_once("::prost::") {
            Some((others, own)) => {
                let others = others.trim_end_matches(", ");
                // An attribute that is kept as it is, and found again.
                lines.push(format!("{indent}#[doc = \"derive({others})\"]\n{indent}#[derive(::prost::{own}"));
            }
            None => lines.push(line.to_owned()),
        }
    }
    write("x.rs", &lines.join("\n"));
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Printing expanded code is not under the promise of stability; what is printed is committed and compiled.
    cargo.args(["rustc", "--quiet", "--lib", "--", "-Zunpretty=expanded"]).env("RUSTC_BOOTSTRAP", "1");
    let output = cargo.current_dir(dir.path()).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    // Long attributes take several lines.
    let mut parts = text.split("#[doc =\n").map(str::trim_start);
    let first = text.split("#[doc =\n").next().unwrap_or_default();
    let others: String = parts.by_ref().skip(1).map(|part| format!("#[doc = {part}")).collect();
    let text = format!("{first}{others}");
    // Only the standard library may call what its macros become; the parentheses are closed where they were.
    let unreachable = "::core::panicking::panic_fmt(format_args!(\"internal error: entered unreachable code: {0}\",";
    let text = text.replace(unreachable, "::core::unreachable!(\"{0}\", (");
    let undone = |line: &str| match line.trim_start().strip_prefix("#[doc = \"derive(") {
        Some(derived) => format!("#[derive({}", derived.replace("\"]", "]")),
        None => line.replace("#[automatically_derived]", ""),
    };
    let mut within = false;
    // Attributes that only what was expanded understands; some take several lines.
    let is_left = |line: &&str| {
        within |= line.trim_start().starts_with("#[prost(");
        let left = !within;
        within &= !line.ends_with(")]");
        left
    };
    text.lines().filter(is_left).map(undone).filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

/// Returns what is in a module at the outermost level.
fn module_of(text: &str, module: &str) -> String {
    let begin = format!("pub mod {module} {{");
    let lines = text.lines().skip_while(|line| *line != begin).skip(1);
    let lines = lines.take_while(|line| *line != "}").map(|line| line.strip_prefix("    ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}
