//! Every rule that the specifications mark, such as (K1), has a test that is named after it: so that
//! who reads a rule finds what holds it, and no rule is a wish.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const SPECIFICATIONS: [&str; 2] = ["client-wasm/envelope/SPEC.md", "relay/protocol/SPEC.md"];
const SOURCES: [&str; 3] = ["client-wasm", "relay", "tests"];

/// Whether it is a letter of the rules and a digit.
fn is_rule(mark: &str) -> bool {
    matches!(
        mark.as_bytes(),
        [b'C' | b'F' | b'K' | b'L' | b'P' | b'S', b'1'..=b'9']
    )
}

/// The rules that a text marks: those that follow a bracket.
fn marked(text: &str) -> BTreeSet<String> {
    let after_brackets = text.split('(').skip(1);
    let marks = after_brackets.filter_map(|rest| rest.split([')', ',', ' ']).next());
    marks
        .filter(|mark| is_rule(mark))
        .map(str::to_owned)
        .collect()
}

/// The rules that functions (`fn k1_k2_…`) and browser cases (`'K3: …'`) are named after.
fn named_after(tests: &str) -> BTreeSet<String> {
    let functions = tests.split("fn ").skip(1).flat_map(|rest| {
        let words = rest.split(['_', '(']).map(str::to_uppercase);
        words.take_while(|word| is_rule(word))
    });
    let cases = tests.split('\'').filter_map(|rest| rest.split_once(": "));
    let cases = cases.map(|(rule, _)| rule.to_owned());
    functions
        .chain(cases.filter(|rule| is_rule(rule)))
        .collect()
}

/// The sources of all tests below a folder, one after the other.
fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !matches!(&*name, "node_modules" | "target" | "corpus") {
            sources(&path, found);
        } else if name.ends_with(".rs") || name.ends_with(".test.mjs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_rule_has_a_test_named_after_it() {
    let read = |name: &str| fs::read_to_string(Path::new(REPOSITORY).join(name)).unwrap();
    let rules = marked(&SPECIFICATIONS.map(read).concat());
    assert!(rules.len() > 20, "{rules:?}");
    let mut tests = String::new();
    for folder in SOURCES {
        sources(&Path::new(REPOSITORY).join(folder), &mut tests);
    }
    let without: Vec<_> = rules.difference(&named_after(&tests)).cloned().collect();
    assert!(without.is_empty(), "without a test: {without:?}");
}
