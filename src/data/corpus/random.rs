//! Chance that can be repeated.

use rand::SeedableRng;

use crate::hash::{self, GOLDEN_GAMMA};

/// The generator that everything is drawn with.
pub type Rng = rand_pcg::Pcg64;

/// The generator of one draw: the same for the same numbers, and unlike that of
/// any other. Numbers instead of a state to hand on: draws need no order.
pub fn rng(seed: u64, stream: u64, position: u64) -> Rng {
    let mut state = 0;
    for word in [seed, stream, position] {
        state = mix(state ^ word);
    }
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        state = mix(state);
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    Rng::from_seed(bytes)
}

/// A number for a name that stays the same from run to run and machine to machine.
pub fn hash(seed: u64, text: &str) -> u64 {
    hash_bytes(seed, text.as_bytes())
}

/// The same for bytes.
pub fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(mix(seed), |state, &byte| mix(state ^ u64::from(byte)))
}

/// splitmix64.
fn mix(z: u64) -> u64 {
    hash::mix(z.wrapping_add(GOLDEN_GAMMA))
}
