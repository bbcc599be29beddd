//! How hard a password is to guess, and passwords that are hard to guess.
//!
//! One estimator for the page and the command line, so that both say the same. Nothing here keeps, logs or sends a
//! password. The page loads this crate as a WebAssembly module of its own, only when a password is typed, because the
//! word lists of the estimator are larger than everything else together. Start with [`strength`], [`Rule`] and
//! [`generate`].
//!
//! A rule keeps honest people from weak passwords, nothing more: a changed client can say whatever it likes. What a relay
//! itself checks is the envelope and the cost of the key derivation in it.

use rand_core::Rng;
use zeroize::Zeroizing;

/// Characters that cannot be taken for one another, read aloud or copied from paper: 32, so 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUP: usize = 4;
const GROUPS: usize = 4;

/// Characters of a password that the estimator looks at. Its time grows with the square of the length.
const CHARACTERS_MAX: usize = 128;

/// Base-2 logarithm of the guesses that our own rule asks for.
const GUESSES_LOG2_MIN: f64 = 50.0;
/// Characters that our own rule asks for.
const LENGTH_MIN: usize = 12;
/// Characters that the original's rule asks for.
const ASPERA_LENGTH_MIN: usize = 6;

/// What a relay may ask of a password, as its policy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// At least 12 characters, and 2^50 guesses by the estimator. Long pass phrases need no digits or symbols, and what
    /// [`generate`] makes always passes.
    Sealift,
    /// The rule of Aspera's servers: at least 6 characters, among them a letter, a digit and a symbol. Much weaker.
    Aspera,
}

impl Rule {
    /// By the name in the policy. Any other name is our own rule, the stricter one.
    #[must_use]
    pub fn named(name: &str) -> Self {
        if name == "aspera" {
            Self::Aspera
        } else {
            Self::Sealift
        }
    }

    /// Whether a password may be used under this rule.
    #[must_use]
    pub fn allows(self, password: &str) -> bool {
        let length = password.chars().count();
        match self {
            Self::Sealift => {
                length >= LENGTH_MIN && strength(password).guesses_log2 >= GUESSES_LOG2_MIN
            }
            Self::Aspera => {
                let any = |class: fn(char) -> bool| password.chars().any(class);
                length >= ASPERA_LENGTH_MIN
                    && any(char::is_alphabetic)
                    && any(char::is_numeric)
                    && any(|c| !c.is_alphanumeric() && !c.is_whitespace())
            }
        }
    }

    /// What it asks for, for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Sealift => {
                "Use at least 12 characters that are hard to guess: several words that do not belong together, or a generated password."
            }
            Self::Aspera => {
                "Use at least 6 characters, among them a letter, a digit and a symbol, or a generated password."
            }
        }
    }
}

/// What the estimator thinks of a password.
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// Base-2 logarithm of the guesses an attacker needs.
    pub guesses_log2: f64,
    /// 0 (falls at once) to 4 (strong).
    pub score: u8,
    /// What is wrong with it, or the empty string.
    pub warning: String,
    /// What would make it better.
    pub suggestions: Vec<String>,
}

/// Estimates how hard `password` is to guess. Looks at its first 128 characters.
pub fn strength(password: &str) -> Strength {
    let head: Zeroizing<String> = Zeroizing::new(password.chars().take(CHARACTERS_MAX).collect());
    let entropy = zxcvbn::zxcvbn(&head, &[]);
    let feedback = entropy.feedback();
    Strength {
        guesses_log2: entropy.guesses_log10().max(0.0) * core::f64::consts::LOG2_10,
        score: entropy.score().into(),
        warning: feedback
            .and_then(|f| f.warning())
            .map(|w| w.to_string())
            .unwrap_or_default(),
        suggestions: feedback
            .map(|f| f.suggestions().iter().map(|s| s.to_string()).collect())
            .unwrap_or_default(),
    }
}

/// A new password of 80 bits: four groups of four characters, such as `k7mq-2xwd-9hra-uc4e`.
///
/// One without a digit or without a letter is drawn again (1 % of them, so a fiftieth of a bit is lost): it shall pass
/// every [`Rule`].
pub fn generate<R: Rng>(rng: &mut R) -> Zeroizing<String> {
    let mut random = Zeroizing::new([0u8; GROUP * GROUPS]);
    loop {
        rng.fill_bytes(&mut random[..]);
        let mut password = Zeroizing::new(String::with_capacity(GROUP * GROUPS + GROUPS - 1));
        for (i, byte) in random.iter().enumerate() {
            if i > 0 && i % GROUP == 0 {
                password.push('-');
            }
            password.push(ALPHABET[usize::from(byte & 31)] as char);
        }
        if password.bytes().any(|c| c.is_ascii_digit())
            && password.bytes().any(|c| c.is_ascii_alphabetic())
        {
            return password;
        }
    }
}

#[cfg(target_arch = "wasm32")]
pub mod browser {
    //! What the page calls. Only strings and numbers cross.
    use rand_core::UnwrapErr;
    use wasm_bindgen::prelude::wasm_bindgen;

    /// The verdict, for JavaScript.
    #[wasm_bindgen(js_name = Strength)]
    pub struct JsStrength(super::Strength);

    #[wasm_bindgen(js_class = Strength)]
    impl JsStrength {
        /// Base-2 logarithm of the guesses needed.
        #[wasm_bindgen(getter, js_name = guessesLog2)]
        pub fn guesses_log2(&self) -> f64 {
            self.0.guesses_log2
        }
        /// 0 to 4.
        #[wasm_bindgen(getter)]
        pub fn score(&self) -> u8 {
            self.0.score
        }
        /// What is wrong, or the empty string.
        #[wasm_bindgen(getter)]
        pub fn warning(&self) -> String {
            self.0.warning.clone()
        }
        /// What would help.
        #[wasm_bindgen(getter)]
        pub fn suggestions(&self) -> Vec<String> {
            self.0.suggestions.clone()
        }
    }

    /// See [`super::strength`].
    #[wasm_bindgen]
    pub fn strength(password: &str) -> JsStrength {
        JsStrength(super::strength(password))
    }

    /// What is wrong with a password under the rule of this name, for people; the empty string when it may be used.
    #[wasm_bindgen]
    pub fn refusal(password: &str, rule: &str) -> String {
        let rule = super::Rule::named(rule);
        if rule.allows(password) {
            String::new()
        } else {
            rule.sentence().to_owned()
        }
    }

    /// See [`super::generate`].
    #[wasm_bindgen]
    pub fn generate() -> String {
        let mut password = super::generate(&mut UnwrapErr(getrandom::SysRng));
        core::mem::take(&mut *password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_passwords_are_weak_and_say_why() {
        let s = strength("password");
        assert_eq!(s.score, 0);
        assert!(!s.warning.is_empty() && !s.suggestions.is_empty());
        assert!(s.guesses_log2 < 10.0);
    }

    #[test]
    fn generated_passwords_are_strong_and_differ() {
        use rand_core::UnwrapErr;
        let rng = &mut UnwrapErr(getrandom::SysRng);
        let (a, b) = (generate(rng), generate(rng));
        assert_ne!(*a, *b);
        assert_eq!(a.len(), 19);
        assert!(a.bytes().all(|c| c == b'-' || ALPHABET.contains(&c)));
        assert_eq!(strength(&a).score, 4);
        // 16 characters out of 32, each drawn alone: 80 bits, above the 77 that are asked for.
        assert_eq!(GROUP * GROUPS * ALPHABET.len().ilog2() as usize, 80);
    }

    #[test]
    fn our_rule_asks_for_length_and_for_guesses() {
        for weak in [
            "",
            "short1!",
            "password1234",
            "aaaaaaaaaaaaaaaaaaaa",
            "qwertyuiop[]",
            "Summer2026!!",
        ] {
            assert!(!Rule::Sealift.allows(weak), "{weak}");
        }
        for strong in [
            "correct horse battery staple",
            "vier neue zebras trinken tee",
            "mG4%xq9!Lw2#zT8v",
        ] {
            assert!(
                Rule::Sealift.allows(strong),
                "{strong} {}",
                strength(strong).guesses_log2
            );
        }
    }

    #[test]
    fn generated_passwords_always_pass_both_rules() {
        use rand_core::UnwrapErr;
        let rng = &mut UnwrapErr(getrandom::SysRng);
        for _ in 0..300 {
            let password = generate(rng);
            assert!(Rule::Sealift.allows(&password), "{}", *password);
            assert!(Rule::Aspera.allows(&password), "{}", *password);
        }
    }

    #[test]
    fn asperas_rule_asks_for_three_kinds_of_characters() {
        for weak in [
            "a1!aa", "abcdef", "abc123", "123!!!", "abc!!!", "ab 123", "",
        ] {
            assert!(!Rule::Aspera.allows(weak), "{weak}");
        }
        for allowed in ["ab123!", "\u{e4}\u{f6}1234-"] {
            assert!(Rule::Aspera.allows(allowed), "{allowed}");
        }
    }

    #[test]
    fn an_unknown_rule_is_the_stricter_one() {
        assert_eq!(Rule::named("of tomorrow"), Rule::Sealift);
        assert_eq!(Rule::named("aspera"), Rule::Aspera);
    }

    #[test]
    fn empty_and_huge_passwords_are_quick() {
        assert_eq!(strength("").score, 0);
        assert!(strength(&"ab1".repeat(10_000)).guesses_log2 > 0.0);
    }
}
