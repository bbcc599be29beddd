//! Everything that a page runs is pinned by the page itself.
//!
//! Scripts and styles get an `integrity` attribute. What code loads by name (workers and
//! WebAssembly) stands in `<meta name="sealift-integrity">`, a JSON object from path to hash; the
//! SDK fetches such a file with that hash, and refuses one that is not listed. The HTML is the
//! root of trust: whoever changes a script has to change the page.

use crate::fingerprint::files_below;
use crate::html::{Tag, edited, tags};
use anyhow::{Context, Result, bail};
use data_encoding::BASE64;
use sha2::{Digest, Sha384};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The one-file page: everything inline, so its content policy pins it, not these attributes.
pub(crate) const OFFLINE_PAGE: &str = "sealift-open.html";
/// Streams downloads where nothing better exists. A browser takes no integrity for a service
/// worker, so this one file is small, imports nothing and is asked for only as the third choice.
const SERVICE_WORKER: &str = "download-worker.js";
const META: &str = "sealift-integrity";

/// Puts hashes into every page of `dist`.
pub(crate) fn write(dist: &Path) -> Result<()> {
    for page in pages(dist)? {
        let html = read(dist, &page)?;
        let loaded = loaded_by_code(dist, &page)?
            .into_iter()
            .map(|name| Ok((format!("/{name}"), hash(dist, &name)?)))
            .collect::<Result<BTreeMap<_, _>>>()?;
        let map = serde_json::to_string(&loaded)?;
        let mut edits = Vec::new();
        let mut scripts = String::new();
        for tag in tags(&html) {
            if tag.name == "head" {
                let meta = format!("\n  <meta name=\"{META}\" content='{map}'>");
                edits.push((tag.range.end..tag.range.end, meta));
            } else if let Some(name) = pinned(&tag) {
                let at = tag.inside_end(&html);
                let integrity = format!(" integrity=\"{}\"", hash(dist, &name)?);
                if tag.name == "script" {
                    let element = tag.element(&html);
                    scripts += &edited(
                        html[element.clone()].to_owned(),
                        vec![(at - element.start..at - element.start, integrity)],
                    );
                    edits.push((element, String::new()));
                } else {
                    edits.push((at..at, integrity));
                }
            }
        }
        // Behind the preloads: a script's imports then find their chunks already asked for, with
        // their hashes. An import itself cannot carry one.
        if let Some(end) = html.find("</head>") {
            edits.push((end..end, format!("  {scripts}\n")));
        }
        fs::write(dist.join(&page), edited(html, edits))?;
    }
    Ok(())
}

/// Refuses a `dist` in which anything could run that is not pinned.
pub(crate) fn check(dist: &Path) -> Result<()> {
    let faults = faults(dist)?;
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "the built pages are not safe to serve:\n  {}",
        faults.join("\n  ")
    )
}

fn faults(dist: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut pinned_files = BTreeSet::new();
    for page in pages(dist)? {
        let html = read(dist, &page)?;
        for tag in tags(&html) {
            faults.extend(inline_fault(&tag).map(|fault| format!("{page}: {fault}")));
            if let Some(name) = pinned(&tag) {
                if tag.attribute("integrity") != Some(&hash(dist, &name)?) {
                    faults.push(format!("{page}: {name} has no integrity, or a wrong one"));
                }
                pinned_files.insert(name);
            } else if tag.name == "meta" && tag.attribute("name") == Some(META) {
                let map: BTreeMap<String, String> =
                    serde_json::from_str(tag.attribute("content").unwrap_or("{}"))?;
                for (path, stated) in map {
                    let name = path.trim_start_matches('/').to_owned();
                    if stated != hash(dist, &name)? {
                        faults.push(format!("{page}: {name} is listed with a wrong hash"));
                    }
                    pinned_files.insert(name);
                }
            }
        }
    }
    for name in assets(dist)? {
        if name.ends_with(".ts") {
            faults.push(format!(
                "{name}: TypeScript was shipped as it is; import workers with ?worker&url"
            ));
        }
        if !name.ends_with(".js") {
            if name.ends_with(".wasm") && !pinned_files.contains(&name) {
                faults.push(format!("{name}: no page pins it"));
            }
            continue;
        }
        if !pinned_files.contains(&name) {
            faults.push(format!("{name}: no page pins it"));
        }
        let code = read(dist, &name)?;
        for chunk in imports(&code) {
            if !pinned_files.contains(&format!("assets/{chunk}")) {
                faults.push(format!("{name}: imports {chunk}, which no page pins"));
            }
        }
        if ["import(\"", "import('", "import(`"]
            .iter()
            .any(|call| code.contains(call))
        {
            faults.push(format!("{name}: a dynamic import() runs without integrity"));
        }
    }
    Ok(faults)
}

/// What the content policy would refuse, or would have to be loosened for.
fn inline_fault(tag: &Tag) -> Option<String> {
    if tag.name == "script" && tag.attribute("src").is_none() {
        return Some("an inline script".to_owned());
    }
    if tag.name == "style" || tag.attribute("style").is_some() {
        return Some(format!("an inline style in <{}>", tag.name));
    }
    if let Some(handler) = tag.attribute_names().find(|name| name.starts_with("on")) {
        return Some(format!("an inline handler {handler} in <{}>", tag.name));
    }
    let loads = matches!(
        tag.name.as_str(),
        "script" | "link" | "img" | "iframe" | "source" | "video"
    );
    let address = tag.attribute("src").or(tag.attribute("href"))?;
    (loads && (address.contains("://") || address.starts_with("//")))
        .then(|| format!("loads from {address}"))
}

/// The file that a script or style tag loads, if it must be pinned.
fn pinned(tag: &Tag) -> Option<String> {
    let address = match tag.name.as_str() {
        "script" => tag.attribute("src"),
        "link" if matches!(tag.attribute("rel"), Some("stylesheet" | "modulepreload")) => {
            tag.attribute("href")
        }
        _ => None,
    }?;
    Some(
        address
            .trim_start_matches("./")
            .trim_start_matches('/')
            .to_owned(),
    )
}

/// Names of the chunks that a bundled module imports statically.
fn imports(code: &str) -> Vec<&str> {
    ["from\"./", "import\"./", "from \"./", "import \"./"]
        .iter()
        .flat_map(|start| code.split(start).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// Files that a page needs, itself first: what its tags load, and what their scripts name.
pub(crate) fn reachable(dist: &Path, page: &str) -> Result<Vec<String>> {
    let mut reached = vec![page.to_owned()];
    reached.extend(tags(&read(dist, page)?).iter().filter_map(pinned));
    for script in reached.clone().iter().filter(|name| name.ends_with(".js")) {
        for name in named_in(dist, &read(dist, script)?)? {
            if !reached.contains(&name) {
                reached.push(name);
            }
        }
    }
    Ok(reached)
}

/// Every asset whose file name stands in this code, or in the scripts among those assets.
pub(crate) fn named_in(dist: &Path, code: &str) -> Result<Vec<String>> {
    let assets = assets(dist)?;
    let mut named: Vec<String> = Vec::new();
    let mut unread = vec![code.to_owned()];
    while let Some(code) = unread.pop() {
        for asset in &assets {
            let file = asset.rsplit('/').next().unwrap_or(asset);
            if named.contains(asset) || !code.contains(file) {
                continue;
            }
            named.push(asset.clone());
            if asset.ends_with(".js") {
                unread.push(read(dist, asset)?);
            }
        }
    }
    named.sort();
    Ok(named)
}

/// Workers and WebAssembly of a page: reachable, and loaded by no tag.
fn loaded_by_code(dist: &Path, page: &str) -> Result<Vec<String>> {
    let by_tag: BTreeSet<_> = tags(&read(dist, page)?).iter().filter_map(pinned).collect();
    let mut names: Vec<_> = reachable(dist, page)?
        .into_iter()
        .filter(|name| (name.ends_with(".js") || name.ends_with(".wasm")) && !by_tag.contains(name))
        .collect();
    names.sort();
    Ok(names)
}

/// The pages that are served with a policy header.
fn pages(dist: &Path) -> Result<Vec<String>> {
    Ok(names(dist)?
        .into_iter()
        .filter(|name| name.ends_with(".html") && name != OFFLINE_PAGE)
        .collect())
}

fn assets(dist: &Path) -> Result<Vec<String>> {
    let code = |name: &String| {
        !name.ends_with(".html") && !name.ends_with(".br") && name != SERVICE_WORKER
    };
    Ok(names(dist)?.into_iter().filter(code).collect())
}

fn names(dist: &Path) -> Result<Vec<String>> {
    files_below(dist, &[])?
        .iter()
        .map(|file| Ok(file.strip_prefix(dist)?.to_string_lossy().into_owned()))
        .collect()
}

pub(crate) fn read(dist: &Path, name: &str) -> Result<String> {
    fs::read_to_string(dist.join(name))
        .with_context(|| format!("{name} is missing from the built pages"))
}

fn hash(dist: &Path, name: &str) -> Result<String> {
    let bytes = fs::read(dist.join(name))
        .with_context(|| format!("{name} is missing from the built pages"))?;
    Ok(format!("sha384-{}", BASE64.encode(&Sha384::digest(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dist(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("assets")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const PAGE: &str = r#"<html><head><script type="module" src="/assets/p.js"></script><link rel="stylesheet" href="/assets/p.css"></head></html>"#;

    #[test]
    fn scripts_styles_workers_and_wasm_are_pinned() {
        let dist = dist(&[
            ("index.html", PAGE),
            ("assets/p.js", "start('/assets/w.js')"),
            ("assets/p.css", "p{}"),
            ("assets/w.js", "load('/assets/m.wasm')"),
            ("assets/m.wasm", "\0asm"),
        ]);
        write(dist.path()).unwrap();
        assert_eq!(faults(dist.path()).unwrap(), Vec::<String>::new());
        let html = read(dist.path(), "index.html").unwrap();
        assert_eq!(html.matches("integrity=\"sha384-").count(), 2);
        assert!(
            html.contains("\"/assets/m.wasm\":\"sha384-")
                && html.contains("\"/assets/w.js\":\"sha384-")
        );
        fs::write(dist.path().join("assets/w.js"), "other").unwrap();
        assert_eq!(
            faults(dist.path()).unwrap(),
            ["index.html: assets/w.js is listed with a wrong hash"]
        );
    }

    #[test]
    fn planted_faults_are_caught() {
        let planted = [
            (
                "index.html",
                "<html><head></head><script>1</script></html>",
                "an inline script",
            ),
            (
                "index.html",
                "<html><head></head><p style='color:red'></html>",
                "an inline style in <p>",
            ),
            (
                "index.html",
                "<html><head></head><p onclick='x()'></html>",
                "an inline handler onclick",
            ),
            (
                "index.html",
                "<html><head></head><img src='https://cdn.example/x.png'></html>",
                "loads from https://",
            ),
            (
                "assets/worker.ts",
                "let a: number",
                "TypeScript was shipped",
            ),
            ("assets/stray.js", "1", "no page pins it"),
            (
                "assets/p.js",
                "import(\"./later.js\")",
                "a dynamic import()",
            ),
            (
                "assets/p.js",
                "import{a}from\"./chunk.js\"",
                "imports chunk.js, which no page pins",
            ),
        ];
        for (name, text, expected) in planted {
            let dist = dist(&[
                ("index.html", PAGE),
                ("assets/p.js", "1"),
                ("assets/p.css", "p{}"),
            ]);
            fs::write(dist.path().join(name), text).unwrap();
            write(dist.path()).unwrap();
            let faults = faults(dist.path()).unwrap();
            assert!(
                faults.iter().any(|fault| fault.contains(expected)),
                "{expected}: {faults:?}"
            );
        }
    }
}
