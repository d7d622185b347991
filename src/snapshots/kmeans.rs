//! k-means (Lloyd, IEEE Trans. Inf. Theory 1982; starts by Arthur, Vassilvitskii, SODA 2007).

use rand::RngExt;
use rayon::prelude::*;

use crate::error::Result;
use crate::exec::rng::ChaCha8Rng;
use crate::exec::stop::Stop;

/// The most rounds of a start.
const ROUNDS: usize = 100;

/// Weighted points.
pub(crate) struct Points<'a> {
    /// Row-major.
    pub(crate) coordinates: &'a [f64],
    pub(crate) weights: &'a [f64],
    pub(crate) dims: usize,
}

impl Points<'_> {
    /// The parts that a random start settles to: the weighted sum of squared distances from their means, and each point's part.
    pub(crate) fn settle(
        &self,
        count: usize,
        rng: &mut ChaCha8Rng,
        stop: &Stop,
    ) -> Result<(f64, Vec<usize>)> {
        let mut centres = self.start(count, rng);
        let mut nearest = self.nearest(&centres);
        for _ in 0..ROUNDS {
            stop.check()?;
            self.centre(&nearest, &mut centres);
            let next = self.nearest(&centres);
            let is_settled = next.iter().zip(&nearest).all(|((a, _), (b, _))| a == b);
            nearest = next;
            if is_settled {
                break;
            }
        }
        let spread = nearest.iter().zip(self.weights).map(|((_, square), weight)| square * weight).sum();
        Ok((spread, nearest.into_iter().map(|(label, _)| label).collect()))
    }

    /// A point at random, and then each by its squared distance from those before.
    fn start(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut squares = vec![1.0; self.weights.len()];
        let mut centres = Vec::with_capacity(count * self.dims);
        for _ in 0..count {
            let chances = || squares.iter().zip(self.weights).map(|(square, weight)| square * weight);
            let total: f64 = chances().sum();
            let mut left = rng.random::<f64>() * total;
            let mut drawn = 0;
            // The last that there is any chance of, where rounding leaves something.
            for (row, chance) in chances().enumerate().filter(|(_, chance)| *chance > 0.0) {
                drawn = row;
                left -= chance;
                if left < 0.0 {
                    break;
                }
            }
            centres.extend_from_slice(&self.coordinates[drawn * self.dims..(drawn + 1) * self.dims]);
            squares = self.nearest(&centres).into_iter().map(|(_, square)| square).collect();
        }
        centres
    }

    /// The centre that is nearest to each point, and the squared distance.
    fn nearest(&self, centres: &[f64]) -> Vec<(usize, f64)> {
        let of_point = |point: &[f64]| {
            let square =
                |centre: &[f64]| point.iter().zip(centre).map(|(x, c)| (x - c) * (x - c)).sum::<f64>();
            let squares = centres.chunks_exact(self.dims).map(square).enumerate();
            squares.fold((0, f64::INFINITY), |best, other| if other.1 < best.1 { other } else { best })
        };
        self.coordinates.par_chunks_exact(self.dims).map(of_point).collect()
    }

    /// Moves the centres to the means of their points; one without any to the point that is farthest from its own.
    fn centre(&self, nearest: &[(usize, f64)], centres: &mut [f64]) {
        let mut masses = vec![0.0; centres.len() / self.dims];
        centres.fill(0.0);
        for ((point, &(label, _)), weight) in
            self.coordinates.chunks_exact(self.dims).zip(nearest).zip(self.weights)
        {
            masses[label] += weight;
            let centre = &mut centres[label * self.dims..(label + 1) * self.dims];
            centre.iter_mut().zip(point).for_each(|(c, x)| *c += weight * x);
        }
        let farthest = (0..nearest.len()).max_by(|&a, &b| nearest[a].1.total_cmp(&nearest[b].1)).unwrap_or(0);
        for (centre, mass) in centres.chunks_exact_mut(self.dims).zip(masses) {
            if mass > 0.0 {
                centre.iter_mut().for_each(|c| *c /= mass);
            } else {
                centre.copy_from_slice(&self.coordinates[farthest * self.dims..(farthest + 1) * self.dims]);
            }
        }
    }
}
