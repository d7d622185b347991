//! Forward-mode jets: the value of a network, its derivatives along some directions of space and its Laplacian, carried
//! together through every layer.
//!
//! A jet of B rows is a matrix of channels, one below the other, B rows each: the value, one tangent for each direction and,
//! where it is wanted, the sum of second derivatives along the directions. Linear layers act on all channels alike; the
//! activation f mixes those of one hidden unit (Griewank, Walther, *Evaluating Derivatives*, SIAM 2008, chapter 13):
//!
//! ```text
//! y = f(z),   y_k = f′(z) z_k,   y_Δ = f″(z) Σ_k z_k² + f′(z) z_Δ
//! ```

use crate::exec::rng::ChaCha8Rng;
use crate::exec::simd::vectorised;
use rand::Rng;

/// The directions that a jet differentiates along, for each of its rows.
///
/// With the axes as directions a jet gives divergence and Laplacian exactly, at the cost of d + 1 networks. With p random
/// probes of independent signs over √p it gives unbiased estimates of both at the cost of p + 1 (Hutchinson,
/// Communications in Statistics 1990): the variance is 2/p times the sum of squares of the off-diagonal derivatives.
#[derive(Debug, Clone, Default)]
pub struct Directions {
    rows: usize,
    dims: usize,
    count: usize,
    laplacian: bool,
    /// Direction by direction, rows × dims each.
    vectors: Vec<f32>,
}

impl Directions {
    /// Makes these the d axes, for `rows` rows.
    pub fn set_axes(&mut self, rows: usize, dims: usize, laplacian: bool) {
        self.resize(rows, dims, dims, laplacian);
        self.vectors.fill(0.0);
        for axis in 0..dims {
            let block = &mut self.vectors[axis * rows * dims..(axis + 1) * rows * dims];
            block.chunks_exact_mut(dims).for_each(|row| row[axis] = 1.0);
        }
    }

    /// Makes this the axis `axis` alone, for `rows` rows.
    pub fn set_axis(&mut self, rows: usize, dims: usize, axis: usize) {
        self.resize(rows, dims, 1, false);
        self.vectors.fill(0.0);
        self.vectors.chunks_exact_mut(dims).for_each(|row| row[axis] = 1.0);
    }

    /// Makes these `count` random probes, for `rows` rows, independent from row to row.
    pub fn set_probes(
        &mut self,
        rows: usize,
        dims: usize,
        count: usize,
        laplacian: bool,
        rng: &mut ChaCha8Rng,
    ) {
        self.resize(rows, dims, count, laplacian);
        let size = 1.0 / (count as f32).sqrt();
        for word in self.vectors.chunks_mut(32) {
            let bits = rng.next_u32();
            for (bit, value) in word.iter_mut().enumerate() {
                *value = if bits >> bit & 1 == 1 { size } else { -size };
            }
        }
    }

    fn resize(&mut self, rows: usize, dims: usize, count: usize, laplacian: bool) {
        (self.rows, self.dims, self.count, self.laplacian) = (rows, dims, count, laplacian);
        self.vectors.resize(count * rows * dims, 0.0);
    }

    /// All vectors, direction by direction, rows × dims each.
    pub(super) fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    pub(super) fn channels(&self) -> Channels {
        Channels { tangents: self.count, laplacian: self.laplacian }
    }
}

/// What a jet carries beside the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Channels {
    pub(super) tangents: usize,
    pub(super) laplacian: bool,
}

impl Channels {
    /// The number of channels, the value's among them.
    pub(super) fn count(self) -> usize {
        1 + self.tangents + usize::from(self.laplacian)
    }

    /// How many derivatives of the activation [`backward`] needs.
    pub(super) fn order(self) -> usize {
        1 + usize::from(self.tangents > 0) + usize::from(self.laplacian)
    }
}

/// Takes the channels below the value's through the activation, in place: `pre` are they before it, `derivatives` hold f′
/// and f″ at the value's z. All channels have the length of f′.
pub(super) fn forward(channels: Channels, derivatives: &[f32], pre: &[f32], jet: &mut [f32]) {
    let n = jet.len() / (channels.count() - 1);
    let (first, second) = (&derivatives[..n], &derivatives[n..]);
    vectorised(
        #[inline(always)]
        || {
            for (y, z) in jet.chunks_exact_mut(n).zip(pre.chunks_exact(n)) {
                for ((y, z), f1) in y.iter_mut().zip(z).zip(first) {
                    *y = f1 * z;
                }
            }
            if channels.laplacian {
                let sum = &mut jet[channels.tangents * n..];
                for z in pre.chunks_exact(n).take(channels.tangents) {
                    for ((y, z), f2) in sum.iter_mut().zip(z).zip(second) {
                        *y = (f2 * z).mul_add(*z, *y);
                    }
                }
            }
        },
    );
}

/// Turns the adjoints of all channels after the activation into those before it, in place: the reverse of [`forward`] and
/// of the value's own f.
pub(super) fn backward(channels: Channels, derivatives: &[f32], pre: &[f32], adjoint: &mut [f32]) {
    let n = adjoint.len() / channels.count();
    let (value, jet) = adjoint.split_at_mut(n);
    let first = &derivatives[..n];
    vectorised(
        #[inline(always)]
        || {
            for (a, f1) in value.iter_mut().zip(first) {
                *a *= f1;
            }
            if channels.tangents == 0 {
                return;
            }
            let second = &derivatives[n..2 * n];
            let (tangents, sum) = jet.split_at_mut(channels.tangents * n);
            if channels.laplacian {
                let third = &derivatives[2 * n..3 * n];
                let sum = &mut sum[..n];
                let z_sum = &pre[channels.tangents * n..][..n];
                for (((v, s), z), f2) in value.iter_mut().zip(&*sum).zip(z_sum).zip(second) {
                    *v = (f2 * z).mul_add(*s, *v);
                }
                for (a, z) in tangents.chunks_exact_mut(n).zip(pre.chunks_exact(n)) {
                    for (((((v, a), z), s), f1), (f2, f3)) in
                        value.iter_mut().zip(a).zip(z).zip(&*sum).zip(first).zip(second.iter().zip(third))
                    {
                        *v += f2 * z * *a + f3 * z * z * s;
                        *a = f1 * *a + 2.0 * f2 * z * s;
                    }
                }
                for (s, f1) in sum.iter_mut().zip(first) {
                    *s *= f1;
                }
            } else {
                for (a, z) in tangents.chunks_exact_mut(n).zip(pre.chunks_exact(n)) {
                    for ((((v, a), z), f1), f2) in value.iter_mut().zip(a).zip(z).zip(first).zip(second) {
                        *v += f2 * z * *a;
                        *a *= f1;
                    }
                }
            }
        },
    );
}
