//! Counter-based random numbers: every number is a pure function of (seed, stream, index), so that a result
//! does not depend on which thread drew it, nor on how many there are.

use rand::SeedableRng;
pub use rand::rngs::ChaCha8Rng;

/// What a stream of random numbers is for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial network parameters.
    Initialisation = 1,
    /// Pairs, times and noise of a training batch.
    Training = 2,
    /// The permutation that cuts a coupling into blocks.
    Minibatch = 3,
    /// Brownian noise of a simulated particle.
    Diffusion = 4,
    /// Divisions and deaths of a simulated particle.
    Branching = 5,
    /// Built-in data sets.
    Dataset = 6,
    /// Resampling of weighted particles.
    Resampling = 7,
}

/// The generator of `(seed, purpose, index, sub_index)`.
///
/// `index` counts independent objects (a particle, a training step) and `sub_index` what happens to each of
/// them (its steps, a chunk of the batch). The four are packed into ChaCha's 256-bit key and 64-bit stream,
/// so no two tuples share numbers.
pub fn stream(seed: u64, purpose: Purpose, index: u64, sub_index: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(sub_index);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_are_functions_of_their_indices_and_differ() {
        let draw = |a, p, i, j| stream(a, p, i, j).next_u64();
        let base = draw(1, Purpose::Training, 2, 3);
        assert_eq!(base, draw(1, Purpose::Training, 2, 3));
        for other in [
            draw(2, Purpose::Training, 2, 3),
            draw(1, Purpose::Diffusion, 2, 3),
            draw(1, Purpose::Training, 3, 3),
            draw(1, Purpose::Training, 2, 4),
        ] {
            assert_ne!(base, other);
        }
    }
}
