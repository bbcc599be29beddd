//! What a package holds, told without opening any of it.

use sealift_envelope::Manifest;
use serde_json::json;

use crate::failure::Result;
use crate::terminal::{Terminal, printable, printable_lines};

/// Title, note and files, for a person; one object each, for a program.
pub(crate) fn tell_list(manifest: &Manifest, terminal: &Terminal) -> Result<()> {
    if terminal.json() {
        terminal.event("package", json!({ "title": manifest.title, "note": manifest.note, "file_count": manifest.files.len() }))?;
        for file in &manifest.files {
            let listed = json!({ "path": file.path, "bytes": file.bytes, "modified_ms": file.modified_ms, "media_type": file.media_type });
            terminal.event("entry", listed)?;
        }
        for folder in &manifest.folders {
            terminal.event("folder", json!({ "path": folder }))?;
        }
        return Ok(());
    }
    let mut text = String::new();
    if !manifest.title.is_empty() {
        text.push_str(&format!("{}\n", printable(&manifest.title)));
    }
    if !manifest.note.is_empty() {
        text.push_str(&format!("{}\n\n", printable_lines(&manifest.note)));
    }
    for file in &manifest.files {
        text.push_str(&format!("{:>15}  {}\n", file.bytes, printable(&file.path)));
    }
    for folder in &manifest.folders {
        text.push_str(&format!("{:>15}  {}/\n", "", printable(folder)));
    }
    terminal.raw(text.as_bytes())
}
