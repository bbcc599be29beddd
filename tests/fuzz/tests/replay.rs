//! Every input of the corpus again, without a fuzzer.

use std::path::Path;

use sealift_fuzz::TARGETS;

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let inputs = std::fs::read_dir(&folder).expect("every target has a corpus");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a readable folder").path();
            println!("{}", path.display());
            target(&std::fs::read(&path).expect("a readable file"));
            count += 1;
        }
        assert!(count >= 3, "{name} has {count} seeds");
    }
}
