//! How hard a password is to guess, and passwords that are hard to guess.
//!
//! One estimator for the page and the command line, so that both say the same. Nothing here keeps, logs or sends a
//! password. The page loads this crate as a WebAssembly module of its own, only when a password is typed, because the
//! word lists of the estimator are larger than everything else together. Start with [`strength`] and [`generate`].

use rand_core::Rng;
use zeroize::Zeroizing;

/// Characters that cannot be taken for one another, read aloud or copied from paper: 32, so 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUP: usize = 4;
const GROUPS: usize = 4;

/// Characters of a password that the estimator looks at. Its time grows with the square of the length.
const CHARACTERS_MAX: usize = 128;

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
pub fn generate<R: Rng>(rng: &mut R) -> Zeroizing<String> {
    let mut random = Zeroizing::new([0u8; GROUP * GROUPS]);
    rng.fill_bytes(&mut random[..]);
    let mut password = Zeroizing::new(String::with_capacity(GROUP * GROUPS + GROUPS - 1));
    for (i, byte) in random.iter().enumerate() {
        if i > 0 && i % GROUP == 0 {
            password.push('-');
        }
        password.push(ALPHABET[usize::from(byte & 31)] as char);
    }
    password
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
    fn empty_and_huge_passwords_are_quick() {
        assert_eq!(strength("").score, 0);
        assert!(strength(&"ab1".repeat(10_000)).guesses_log2 > 0.0);
    }
}
