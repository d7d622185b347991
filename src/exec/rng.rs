//! Counter-based random numbers: every number is a pure function of (seed, stream, index), so that a result
//! does not depend on which thread drew it, nor on how many there are.

use std::f64::consts::TAU;

pub use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::simd::{ln, sincos_of_turns, vectorised};

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
    /// Noise, probes and draws of a training rollout.
    Rollout = 8,
    /// The cells and the seed of a member of an ensemble.
    Ensemble = 9,
    /// Cuts of a data set into cells to learn from and cells to be predicted.
    Split = 10,
    /// Samples of populations that are too large to be compared whole.
    Evaluation = 11,
    /// Noise, divisions and deaths of the descendants of which fates are counted.
    Fate = 12,
    /// The parts of a snapshot, and the seeds of the branches that lead there.
    Branch = 13,
    /// The clusters of cells that make a metric.
    Metric = 14,
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

/// The next number of `rng`, uniform on the open interval (0, 1): one 64-bit word, of which 52 bits are used,
/// so that neither 0 nor 1 can come out.
pub fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// Fills `out` with independent standard normal numbers by the transform of Box and Muller (Ann. Math. Stat.
/// 1958).
///
/// Numbers 2j and 2j+1 come from the stream's 32-bit words 2j and 2j+1, whatever those are: nothing is
/// rejected, so each number is a function of its place in the stream alone, which any device can compute by
/// itself. (An odd last number uses up both words of its pair.) Thirty-two bits reach 6.6 standard
/// deviations.
pub fn normals(rng: &mut ChaCha8Rng, out: &mut [f64]) {
    for pair in out.chunks_mut(2) {
        let radius = libm::sqrt(-2.0 * libm::log(unit(rng.next_u32())));
        let (sine, cosine) = libm::sincos(TAU * unit(rng.next_u32()));
        pair[0] = radius * cosine;
        if let Some(second) = pair.get_mut(1) {
            *second = radius * sine;
        }
    }
}

/// A number of the open interval (0, 1).
#[inline(always)]
fn unit(word: u32) -> f64 {
    (f64::from(word) + 0.5) / (1u64 << 32) as f64
}

/// The [`normals`] of many streams, of each as many pairs, but for their last bits, which depend on the machine: all are transformed
/// together, in vectors.
#[derive(Debug, Default)]
pub struct NormalPairs {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl NormalPairs {
    /// Draws `pairs` pairs from each of `streams`, and gives them stream after stream.
    pub fn draw(
        &mut self,
        streams: impl Iterator<Item = ChaCha8Rng>,
        pairs: usize,
    ) -> impl ExactSizeIterator<Item = [f64; 2]> {
        self.first.clear();
        self.second.clear();
        for mut rng in streams {
            for _ in 0..pairs {
                self.first.push(unit(rng.next_u32()));
                self.second.push(unit(rng.next_u32()));
            }
        }
        vectorised(
            #[inline(always)]
            || {
                for (first, second) in self.first.iter_mut().zip(&mut self.second) {
                    let radius = (-2.0 * ln(*first)).sqrt();
                    let (sine, cosine) = sincos_of_turns(*second);
                    (*first, *second) = (radius * cosine, radius * sine);
                }
            },
        );
        self.first.iter().zip(&self.second).map(|(&first, &second)| [first, second])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn normals_depend_on_their_place_alone_and_have_the_normal_moments() {
        let (mut long, mut short) = (vec![0.0; 100_000], vec![0.0; 3]);
        normals(&mut stream(5, Purpose::Diffusion, 7, 1), &mut long);
        normals(&mut stream(5, Purpose::Diffusion, 7, 1), &mut short);
        assert_eq!(long[..3], short);
        // Standard errors of the k-th moments at n = 1e5: 0.0032, 0.0045, 0.012, 0.031; five of each are
        // allowed.
        let moment = |k: i32| long.iter().map(|x| x.powi(k)).sum::<f64>() / long.len() as f64;
        for (k, want, allowed) in [(1, 0.0, 0.016), (2, 1.0, 0.023), (3, 0.0, 0.062), (4, 3.0, 0.16)] {
            assert!((moment(k) - want).abs() < allowed, "moment {k} is {}, not {want}", moment(k));
        }
        let products = long.chunks(2).map(|p| p[0] * p[1]).sum::<f64>() / 5e4;
        assert!(products.abs() < 0.023, "the two numbers of a pair have correlation {products}");
    }

    #[test]
    fn normals_of_many_streams_are_those_of_each() {
        let stream_of = |i| stream(5, Purpose::Fate, i, 3);
        let mut together = NormalPairs::default();
        let drawn: Vec<f64> = together.draw((0..100).map(stream_of), 7).flatten().collect();
        let mut alone = [0.0; 14];
        for (i, drawn) in drawn.chunks_exact(14).enumerate() {
            normals(&mut stream_of(i as u64), &mut alone);
            for (x, y) in drawn.iter().zip(alone) {
                // Of numbers up to 6.6.
                assert!((x - y).abs() < 1e-14, "{x}, {y}");
            }
        }
    }

    #[test]
    fn uniforms_stay_inside_the_open_interval() {
        let mut rng = stream(5, Purpose::Branching, 7, 1);
        let mean =
            (0..100_000).map(|_| uniform(&mut rng)).inspect(|u| assert!(*u > 0.0 && *u < 1.0)).sum::<f64>()
                / 1e5;
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12f64).sqrt() / 1e5f64.sqrt(), "mean {mean}");
    }
}
