//! Modules of a Go workspace: go.work and the go.mod of each.

use std::collections::HashMap;

use super::manifests::{Manifests, at_root, mistake};
use super::{Found, Mistake};
use crate::model::path::RelPath;
use crate::syntax::go_mod::{Directive, directives};

const MANIFEST: &str = "go.mod";

pub(super) fn read(manifests: &mut Manifests<'_>) -> Result<Vec<Found>, Mistake> {
    let root = at_root("go.work");
    let work = manifests.text(&root)?.ok_or_else(|| {
        let hint = "`members = \"go\"` means the modules that it uses: `go work init ./a ./b` writes it".to_owned();
        mistake(&root, "it is not there", Some(hint))
    })?;
    let text = work;
    let work = directives(&text);
    let mut modules = Vec::new();
    for used in work.iter().filter(|directive| directive.keyword == "use") {
        let Some(dir) = used.words.first() else { continue };
        let Ok(inside) = RelPath::new(dir) else {
            let problem = format!("`use {dir}` lies outside of the workspace and is no member");
            manifests.add_doubt(&root, problem, "a percache.toml further up can have it as a member".to_owned());
            continue;
        };
        let Some(own) = manifests.text(&inside.child(MANIFEST.as_bytes()))? else {
            let hint = format!("`go work edit -dropuse={dir}` takes it out, and `go mod init` there writes one");
            let problem = format!("`use {dir}` names a directory without a {MANIFEST}");
            let label = format!("has no {MANIFEST}");
            return Err(mistake(&root, &problem, Some(hint)).at(&text, used.span.clone(), label));
        };
        modules.push((inside, directives(&own)));
    }
    if modules.is_empty() {
        return Err(mistake(&root, "it uses no module", Some("`go work use ./a ./b` adds some".to_owned())));
    }
    let by_path: HashMap<&str, &RelPath> =
        modules.iter().filter_map(|(dir, module)| Some((path(module)?, dir))).collect();
    let top = RelPath::root();
    let found = modules.iter().map(|(dir, module)| {
        let replaced = local_replacements(dir, module).chain(local_replacements(&top, &work));
        let replaced: HashMap<&str, RelPath> = replaced.collect();
        let required = module.iter().filter(|directive| directive.keyword == "require");
        let required = required.filter_map(|required| required.words.first());
        let needs = required.filter_map(|name| {
            let in_workspace = by_path.get(name.as_str()).map(|dir| (*dir).clone());
            in_workspace.or_else(|| replaced.get(name.as_str()).cloned())
        });
        let needs = needs.collect();
        Found { name: path(module).unwrap_or_default().to_owned(), dir: dir.clone(), needs, lenient: Vec::new() }
    });
    Ok(found.collect())
}

/// Returns the path of a module, which is its name.
fn path(module: &[Directive]) -> Option<&str> {
    let stated = module.iter().find(|directive| directive.keyword == "module")?;
    stated.words.first().map(String::as_str)
}

/// Yields what `replace` replaces by a directory: `example.com/a => ../a`.
fn local_replacements<'d>(dir: &RelPath, of: &'d [Directive]) -> impl Iterator<Item = (&'d str, RelPath)> {
    let replace = of.iter().filter(|directive| directive.keyword == "replace");
    replace.filter_map(move |directive| {
        let arrow = directive.words.iter().position(|word| word == "=>")?;
        let to = directive.words.get(arrow + 1).filter(|to| to.starts_with('.'))?;
        Some((directive.words.first()?.as_str(), dir.join(to).ok()?))
    })
}
