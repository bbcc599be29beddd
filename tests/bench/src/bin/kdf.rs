//! How long Argon2id takes here without a browser: 64 MiB, three passes, one lane. Prints the
//! milliseconds of the fastest of five runs.

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use std::time::Instant;

fn main() -> Result<()> {
    let parameters =
        Params::new(64 * 1024, 3, 1, Some(32)).map_err(|error| anyhow!("parameters: {error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let mut out = [0; 32];
        argon2
            .hash_password_into(b"correct horse battery staple", &[7; 16], &mut out)
            .map_err(|error| anyhow!("derivation: {error}"))?;
        best = best.min(start.elapsed().as_secs_f64() * 1000.0);
    }
    println!("{best:.1}");
    Ok(())
}
