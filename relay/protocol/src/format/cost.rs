//! What one try at a password costs, and which costs are accepted.

use super::FormatError;
use crate::limits::{KDF_MEMORY_KIB_MAX, KDF_PARALLELISM_MAX, KDF_PASSES_MAX, KDF_WORK_KIB_MAX};

/// The cost of one Argon2id run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KdfCost {
    /// Memory in KiB (m).
    pub memory_kib: u32,
    /// Passes over it (t).
    pub passes: u16,
    /// Lanes (p).
    pub parallelism: u8,
}

impl KdfCost {
    /// What writers use unless told otherwise: 64 MiB, 3 passes, 1 lane. About 0.3 s in a browser.
    pub const DEFAULT: Self = Self {
        memory_kib: 64 << 10,
        passes: 3,
        parallelism: 1,
    };
    /// For those who wait longer: 256 MiB, 3 passes. Phones may lack the memory.
    pub const STRONG: Self = Self {
        memory_kib: 256 << 10,
        passes: 3,
        parallelism: 1,
    };

    /// Memory times passes, in KiB: what an estimate of time scales with.
    #[must_use]
    pub fn work_kib(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }
}

/// Which costs a reader accepts. The ceilings are the same for everybody; production code has one
/// floor and no way to lower it.
#[derive(Clone, Copy, Debug)]
pub struct KdfLimits {
    floor: bool,
}

impl KdfLimits {
    /// At least 46 MiB with one pass, or 64 MiB with two or more.
    pub const PRODUCTION: Self = Self { floor: true };

    /// No floor, so that tests need not spend a second on each password.
    #[cfg(any(test, feature = "cheap-kdf-for-tests"))]
    pub const CHEAP_FOR_TESTS: Self = Self { floor: false };

    /// Checks one slot's cost.
    ///
    /// # Errors
    ///
    /// [`FormatError::KdfTooExpensive`] over a ceiling, [`FormatError::KdfTooWeak`] under the floor.
    pub fn check(&self, cost: KdfCost) -> Result<(), FormatError> {
        let KdfCost {
            memory_kib,
            passes,
            parallelism,
        } = cost;
        if memory_kib > KDF_MEMORY_KIB_MAX
            || passes > KDF_PASSES_MAX
            || parallelism > KDF_PARALLELISM_MAX
            || cost.work_kib() > KDF_WORK_KIB_MAX
        {
            return Err(FormatError::KdfTooExpensive);
        }
        let memory_kib_min = match (self.floor, passes) {
            (_, 0) => return Err(FormatError::KdfTooWeak),
            (true, 1) => 46 << 10,
            (true, _) => 64 << 10,
            (false, _) => 8 * u32::from(parallelism),
        };
        if parallelism == 0 || memory_kib < memory_kib_min {
            return Err(FormatError::KdfTooWeak);
        }
        Ok(())
    }
}

#[cfg(all(feature = "cheap-kdf-for-tests", not(debug_assertions)))]
compile_error!("the feature cheap-kdf-for-tests is for tests; a release build must not have it");
