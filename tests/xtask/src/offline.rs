//! The page *Open a file* as one HTML file that works without a server and without a network.
//!
//! Script and style are inline and allowed by hash in the page's own content policy, which allows
//! no connection at all. Workers and WebAssembly travel as base64 in `<template data-asset="PATH">`;
//! the SDK looks there before it would fetch.

use crate::html::{Tag, edited, tags};
use crate::integrity::{OFFLINE_PAGE, named_in, read};
use crate::process::output;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

const SOURCE_PAGE: &str = "open.html";

/// Writes `sealift-open.html` into `dist`, from the page that Vite built.
pub(crate) fn write(repo: &Repo, dist: &Path) -> Result<()> {
    let html = read(dist, SOURCE_PAGE)?;
    let (mut script, mut style) = (None, String::new());
    let mut cuts = Vec::new();
    for tag in tags(&html) {
        match Part::of(&tag) {
            Part::Script(name) if script.is_none() => {
                script = Some(bundled(repo, &dist.join(name))?)
            }
            Part::Script(name) => {
                bail!("{SOURCE_PAGE} has a second script, {name}; the offline page takes one")
            }
            Part::Style(name) => style += &read(dist, &name)?,
            Part::Icon(name) => {
                let icon = BASE64.encode(&fs::read(dist.join(&name))?);
                cuts.push((
                    tag.range.clone(),
                    format!("<link rel=\"icon\" href=\"data:image/svg+xml;base64,{icon}\">"),
                ));
                continue;
            }
            Part::Root => {
                let at = tag.inside_end(&html);
                cuts.push((at..at, " data-offline".to_owned()));
                continue;
            }
            Part::Preload => {}
            Part::Other => continue,
        }
        cuts.push((
            if tag.name == "script" {
                tag.element(&html)
            } else {
                tag.range.clone()
            },
            String::new(),
        ));
    }
    let script = script.with_context(|| format!("{SOURCE_PAGE} has no script"))?;
    if style.contains("url(") {
        bail!("the style of {SOURCE_PAGE} loads a file; the offline page cannot");
    }
    let mut page = edited(html, cuts);
    put(
        &mut page,
        "</body>",
        &format!(
            "{}<script type=\"module\">{script}</script>\n",
            assets(dist, &script)?
        ),
    )?;
    let policy = policy(&script, &style);
    let head = format!(
        "<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<style>{style}</style>\n"
    );
    let at = tags(&page)
        .iter()
        .find(|tag| tag.name == "head")
        .map(|tag| tag.range.end);
    page.insert_str(
        at.with_context(|| format!("{SOURCE_PAGE} has no head"))?,
        &format!("\n{head}"),
    );
    fs::write(dist.join(OFFLINE_PAGE), page)?;
    Ok(())
}

/// What a tag of the page means for the one-file copy.
enum Part {
    Script(String),
    Style(String),
    Icon(String),
    Preload,
    Root,
    Other,
}

impl Part {
    fn of(tag: &Tag) -> Self {
        let local = |name: &str| {
            tag.attribute(name)
                .unwrap_or_default()
                .trim_start_matches("./")
                .trim_start_matches('/')
                .to_owned()
        };
        match (tag.name.as_str(), tag.attribute("rel")) {
            ("html", _) => Self::Root,
            ("script", _) => Self::Script(local("src")),
            ("link", Some("stylesheet")) => Self::Style(local("href")),
            ("link", Some("modulepreload")) => Self::Preload,
            ("link", Some("icon")) if !local("href").starts_with("data:") => {
                Self::Icon(local("href"))
            }
            _ => Self::Other,
        }
    }
}

/// The page's script with the chunks it imports, as one file that is safe inside `<script>`.
fn bundled(repo: &Repo, entry: &Path) -> Result<String> {
    let file = repo.web().join("node_modules/.sealift-open.js");
    output(
        repo.command(repo.web().join("node_modules/.bin/rolldown"))
            .arg(entry)
            .args([
                "--format",
                "iife",
                "--minify",
                "--log-level",
                "silent",
                "--file",
            ])
            .arg(&file)
            .current_dir(repo.web()),
    )?;
    let script = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    Ok(script
        .trim()
        .replace("</script", "<\\/script")
        .replace("<!--", "<\\!--"))
}

/// What the script loads by name. The bundler has left out what this page does not use.
fn assets(dist: &Path, script: &str) -> Result<String> {
    named_in(dist, script)?
        .iter()
        .map(|name| {
            let bytes = fs::read(dist.join(name))?;
            Ok(format!(
                "<template data-asset=\"/{name}\">{}</template>\n",
                BASE64.encode(&bytes)
            ))
        })
        .collect()
}

fn policy(script: &str, style: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {} 'wasm-unsafe-eval'; style-src {}; worker-src blob:; img-src blob: data:; \
         connect-src 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types sealift",
        hash(script),
        hash(style)
    )
}

fn put(html: &mut String, before: &str, addition: &str) -> Result<()> {
    let at = html
        .rfind(before)
        .with_context(|| format!("{SOURCE_PAGE} has no {before}"))?;
    html.insert_str(at, addition);
    Ok(())
}
