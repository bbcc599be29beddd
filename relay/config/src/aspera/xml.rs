//! Reads `aspera.conf`: XML without DTD and so without entities of its own, of bounded size.

use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};

use crate::error::{ConfigError, Origin};
use crate::file::{line_ends, read_text};

/// Largest `aspera.conf`. One with thousands of users has a few MiB.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most elements and texts.
const NODES_MAX: u32 = 1_000_000;

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, ConfigError> {
    let text = read_text(path, FILE_BYTES_MAX);
    text.map(|text| text.to_string())
        .map_err(|text| ConfigError::new(Origin::Default, text))
}

/// Its elements.
pub(crate) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>, ConfigError> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        entity_resolver: None,
    };
    Document::parse_with_options(text, options).map_err(|error| {
        let line = error.pos().row as usize;
        let text = match error {
            roxmltree::Error::DtdDetected => {
                "a DTD is not read: remove <!DOCTYPE …>, and write what its entities stand for"
                    .to_owned()
            }
            roxmltree::Error::NodesLimitReached => {
                format!("there are more than {NODES_MAX} elements; is it the right file?")
            }
            error => format!("this is not XML: {error}"),
        };
        ConfigError::new(Origin::File(path.to_owned(), line), text)
    })
}

/// A setting: an element without elements in it.
pub(crate) struct Leaf<'a> {
    /// The path to it, joined by `_` as `asconfigurator` does.
    pub(crate) name: String,
    /// Its text, trimmed.
    pub(crate) text: String,
    pub(crate) node: Node<'a, 'a>,
}

/// Every setting under an element. Elements for which `skip` says so are left out, with everything in them.
pub(crate) fn leaves<'a>(element: Node<'a, 'a>, skip: &dyn Fn(&str) -> bool) -> Vec<Leaf<'a>> {
    let mut found = Vec::new();
    // A stack of our own: depth comes from the file.
    let mut under_way: Vec<(String, Node<'a, 'a>)> = vec![(String::new(), element)];
    while let Some((path, node)) = under_way.pop() {
        let elements: Vec<Node<'a, 'a>> = node.children().filter(Node::is_element).collect();
        if elements.is_empty() && !path.is_empty() {
            found.push(Leaf {
                name: path,
                text: text_of(node),
                node,
            });
            continue;
        }
        for child in elements.into_iter().rev() {
            let name = child.tag_name().name();
            let joined = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}_{name}")
            };
            if joined.len() <= NAME_BYTES_MAX && !skip(&joined) {
                under_way.push((joined, child));
            }
        }
    }
    found
}

/// Longest path to a setting; no setting of the original comes near.
const NAME_BYTES_MAX: usize = 256;

/// The text of an element without its comments, trimmed.
pub(crate) fn text_of(node: Node<'_, '_>) -> String {
    let texts: String = node
        .children()
        .filter(Node::is_text)
        .filter_map(|text| text.text())
        .collect();
    texts.trim().to_owned()
}

/// Which line a byte stands on, found quickly for each of many.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self(line_ends(text))
    }

    /// The line, from 1, that an element begins on.
    pub(crate) fn line(&self, node: Node<'_, '_>) -> usize {
        1 + self.0.partition_point(|end| *end < node.range().start)
    }
}

/// Elements under `element` along a path of names.
pub(crate) fn at<'a>(element: Node<'a, 'a>, path: &[&str]) -> Vec<Node<'a, 'a>> {
    let mut here = vec![element];
    for name in path {
        here = here
            .into_iter()
            .flat_map(|node| node.children().filter(|child| child.has_tag_name(*name)))
            .collect();
    }
    here
}
