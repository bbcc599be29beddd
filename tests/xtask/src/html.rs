//! Just enough HTML to look after the pages that our own bundler writes: find tags and their
//! attributes, and change them in place.

use std::ops::Range;

/// An opening tag.
#[derive(Debug, PartialEq)]
pub(crate) struct Tag {
    /// In lower case.
    pub(crate) name: String,
    /// From `<` to behind `>`.
    pub(crate) range: Range<usize>,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| name.as_str())
    }

    /// Where one more attribute can be put in.
    pub(crate) fn inside_end(&self, html: &str) -> usize {
        let end = self.range.end - 1;
        if html.as_bytes().get(end - 1) == Some(&b'/') {
            end - 1
        } else {
            end
        }
    }

    /// From the opening tag to behind its closing one. Only for elements that do not nest.
    pub(crate) fn element(&self, html: &str) -> Range<usize> {
        let close = format!("</{}>", self.name);
        let rest = html.get(self.range.end..).unwrap_or_default();
        let end = rest
            .find(&close)
            .map_or(self.range.end, |at| self.range.end + at + close.len());
        self.range.start..end
    }
}

/// Lists all opening tags. Comments, and the insides of scripts and styles, hold none.
pub(crate) fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(start) = find(html, at, "<") {
        if starts(html, start, "<!--") {
            at = find(html, start, "-->").map_or(html.len(), |end| end + 3);
            continue;
        }
        let name: String = rest(html, start + 1)
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            at = start + 1;
            continue;
        }
        let (attributes, end) = attributes(html, start + 1 + name.len());
        let tag = Tag {
            name: name.to_ascii_lowercase(),
            range: start..end,
            attributes,
        };
        at = match tag.name.as_str() {
            "script" | "style" => tag.element(html).end,
            _ => end,
        };
        tags.push(tag);
    }
    tags
}

/// Replaces pieces of a page. An empty range only inserts; pieces must not overlap.
pub(crate) fn edited(mut html: String, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| std::cmp::Reverse((range.start, range.end)));
    for (range, instead) in edits {
        html.replace_range(range, &instead);
    }
    html
}

fn attributes(html: &str, mut at: usize) -> (Vec<(String, String)>, usize) {
    let mut attributes = Vec::new();
    loop {
        at += rest(html, at)
            .find(|c: char| !c.is_whitespace() && c != '/')
            .unwrap_or(rest(html, at).len());
        if at >= html.len() || starts(html, at, ">") {
            return (attributes, (at + 1).min(html.len()));
        }
        let text = rest(html, at);
        let length = text
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(text.len())
            .max(1);
        let name = text.get(..length).unwrap_or_default().to_ascii_lowercase();
        at += length;
        let mut value = "";
        if starts(html, at, "=") {
            at += 1;
            let text = rest(html, at);
            let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
            let end = match quote {
                Some(quote) => text
                    .get(1..)
                    .and_then(|inner| inner.find(quote))
                    .map_or(text.len(), |end| end + 2),
                None => text
                    .find(|c: char| c.is_whitespace() || c == '>')
                    .unwrap_or(text.len()),
            };
            let whole = text.get(..end).unwrap_or_default();
            value = if quote.is_some() {
                whole.get(1..end - 1).unwrap_or_default()
            } else {
                whole
            };
            at += end;
        }
        attributes.push((name, value.to_owned()));
    }
}

fn rest(html: &str, at: usize) -> &str {
    html.get(at..).unwrap_or_default()
}

fn starts(html: &str, at: usize, text: &str) -> bool {
    rest(html, at).starts_with(text)
}

fn find(html: &str, at: usize, text: &str) -> Option<usize> {
    rest(html, at).find(text).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_attributes_are_found_in_what_a_bundler_writes() {
        let html = r#"<!doctype html><html lang=en><!-- <p x=1> --><link rel="stylesheet" crossorigin href='/a.css'/>
            <script type="module" src="/a.js">if (1 < 2) "<p>"</script><input disabled value="a > b">"#;
        let tags = tags(html);
        let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["html", "link", "script", "input"]);
        assert_eq!(tags[0].attribute("lang"), Some("en"));
        assert_eq!(tags[1].attribute("href"), Some("/a.css"));
        assert_eq!(tags[1].attribute("crossorigin"), Some(""));
        assert!(html[tags[1].inside_end(html)..].starts_with("/>"));
        assert!(html[tags[2].element(html)].ends_with("\"<p>\"</script>"));
        assert_eq!(tags[3].attribute("value"), Some("a > b"));
    }
}
