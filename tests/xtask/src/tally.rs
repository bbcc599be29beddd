//! Counting tests, whoever runs them.

/// How many tests passed and how many failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// One more check.
    pub(crate) fn count(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Takes a line of a test runner's output: cargo's `test result:`, or the totals of TAP that
    /// Node prints.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result:") {
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
        } else if let Some(passed) = line.strip_prefix("# pass ") {
            self.passed += passed.trim().parse::<u64>().unwrap_or(0);
        } else if let Some(failed) = line
            .strip_prefix("# fail ")
            .or_else(|| line.strip_prefix("# cancelled "))
        {
            self.failed += failed.trim().parse::<u64>().unwrap_or(0);
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    text.split(word)
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_and_node_are_understood() {
        let mut tally = Tally::default();
        for line in [
            "test a::b ... ok",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            "# pass 7",
            "# fail 1",
            "# cancelled 0",
        ] {
            tally.read(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 22,
                failed: 3
            }
        );
    }
}
