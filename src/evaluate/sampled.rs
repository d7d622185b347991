//! Wasserstein distances of populations that are too large for exact ones: means over samples.
//!
//! The time of an exact distance grows faster than the square of the cells. Of more than a stated number, some are drawn on either
//! side in proportion to their weights, again and again, and the exact distances between the samples are averaged.
//!
//! Such a mean is not the distance of the populations: samples of one population differ from each other, so that it is too large,
//! by about n^(−1/d) of the data's extent for n cells in d > 2 dimensions (Fournier and Guillin, Probability Theory and Related Fields
//! 2015). How large it would be for a perfect prediction, the *floor* tells: the same mean between samples of the cells themselves.

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::wasserstein::{exact1, exact2};
use crate::error::Result;
use crate::exec::rng::{Purpose, stream, uniform};
use crate::exec::stop::Stop;
use crate::simulate::resampling::systematic;
use crate::statistics::Estimate;
use crate::transport::PointCloud;
use crate::transport::cloud::Cloud;

/// A sample has this share of the cells up to which distances are exact, and at least the fewest.
const SHARE: usize = 3;
const FEWEST: usize = 2;
/// The most samples of either side.
const MOST_SAMPLES: usize = 8;

/// W1 and W2 between two populations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Distances {
    /// `sd` is the standard error of the mean over samples, 0 where the distance is exact.
    pub(crate) w1: Estimate,
    pub(crate) w2: Estimate,
    /// The cells of a sample, on either side that has more; none where the distances are exact.
    pub(crate) cells: Option<usize>,
}

/// When distances are exact, and which samples are drawn where they are not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    /// The most cells of a side for which distances are exact.
    pub(super) exact_cells: usize,
    pub(super) seed: u64,
}

impl Sampling {
    /// The distances between two populations, both normalised. Different `draw`s of the first have samples of their own; those of the
    /// second are always the same.
    ///
    /// # Errors
    /// Those of [`wasserstein1`](super::wasserstein::wasserstein1).
    pub(super) fn distances(
        &self,
        predicted: &dyn Cloud,
        cells: &dyn Cloud,
        draw: u64,
        stop: &Stop,
    ) -> Result<Distances> {
        let largest = predicted.len().max(cells.len());
        if largest <= self.exact_cells {
            let exact = |value| Estimate { mean: value, sd: 0.0 };
            let (a, b) = (whole(predicted), whole(cells));
            let (w1, w2) = (exact1(&a, &b, stop)?, exact2(&a, &b, stop)?);
            return Ok(Distances { w1: exact(w1), w2: exact(w2), cells: None });
        }
        let count = self.count(largest);
        let (a, b) = (self.samples(predicted, count, draw + 1)?, self.samples(cells, count, CELLS)?);
        let pairs: Vec<_> = (0..count).map(|k| (&a[k % a.len()], &b[k % b.len()])).collect();
        let [w1, w2] = means(&pairs, stop)?;
        Ok(Distances { w1, w2, cells: Some(self.sample_cells()) })
    }

    /// W1 and W2 between samples of the cells themselves, as [`distances`](Self::distances) draws them beside a population of
    /// `predicted` particles: none where all cells are one sample.
    ///
    /// # Errors
    /// As [`distances`](Self::distances).
    pub(super) fn floor(&self, predicted: usize, cells: &dyn Cloud, stop: &Stop) -> Result<Option<[f64; 2]>> {
        let samples = self.samples(cells, self.count(predicted.max(cells.len())), CELLS)?;
        let pairs: Vec<_> = samples.windows(2).map(|pair| (&pair[0], &pair[1])).collect();
        if pairs.is_empty() {
            return Ok(None);
        }
        Ok(Some(means(&pairs, stop)?.map(|estimate| estimate.mean)))
    }

    fn sample_cells(&self) -> usize {
        (self.exact_cells / SHARE).max(FEWEST)
    }

    /// Samples of the larger side: so few that none need share a cell.
    fn count(&self, largest: usize) -> usize {
        (largest / self.sample_cells()).clamp(2, MOST_SAMPLES)
    }

    /// The rows of a population of these weights that [`distances`](Self::distances) to so many `cells` looks at, in increasing order.
    ///
    /// # Errors
    /// As [`distances`](Self::distances).
    pub(super) fn rows(&self, weights: &[f64], cells: usize, draw: u64) -> Result<Vec<usize>> {
        let largest = weights.len().max(cells);
        if largest <= self.exact_cells || weights.len() <= self.sample_cells() {
            return Ok((0..weights.len()).collect());
        }
        let mut rows = self.draw(weights, self.count(largest), draw + 1)?.concat();
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// `count` samples in proportion to the weights, or all points as they are where they are no more than a sample.
    fn samples(&self, population: &dyn Cloud, count: usize, index: u64) -> Result<Vec<PointCloud>> {
        if population.len() <= self.sample_cells() {
            return Ok(vec![whole(population)]);
        }
        let samples = self.draw(population.weights(), count, index)?;
        let equal = |rows: Vec<usize>| population.part(&rows).with_weights(&vec![1.0; rows.len()]);
        Ok(samples.into_iter().map(equal).collect())
    }

    /// The rows of `count` samples in proportion to the weights.
    fn draw(&self, weights: &[f64], count: usize, index: u64) -> Result<Vec<Vec<usize>>> {
        let mut rng = stream(self.seed, Purpose::Evaluation, index, 0);
        // In a random order every part of a systematic draw is a sample of the whole, and draws of one point go to different samples.
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.shuffle(&mut rng);
        let weights: Vec<f64> = order.iter().map(|&row| weights[row]).collect();
        let drawn = systematic(&weights, count * self.sample_cells(), uniform(&mut rng))?;
        let sample = |k: usize| drawn.iter().skip(k).step_by(count).map(|&at| order[at]).collect();
        Ok((0..count).map(sample).collect())
    }
}

/// All points of a cloud.
fn whole(cloud: &dyn Cloud) -> PointCloud {
    cloud.part(&(0..cloud.len()).collect::<Vec<_>>())
}

/// The stream of the samples of cells; those of predictions follow.
const CELLS: u64 = 0;

/// The means of W1 and of W2 over pairs of samples, and their standard errors.
fn means(pairs: &[(&PointCloud, &PointCloud)], stop: &Stop) -> Result<[Estimate; 2]> {
    let of_pair = |(a, b): &(&PointCloud, &PointCloud)| Ok([exact1(a, b, stop)?, exact2(a, b, stop)?]);
    let all = pairs.par_iter().map(of_pair).collect::<Result<Vec<[f64; 2]>>>()?;
    let mean = |order: usize| {
        let Estimate { mean, sd } = Estimate::of(&all.iter().map(|w| w[order]).collect::<Vec<f64>>());
        Estimate { mean, sd: sd / (all.len() as f64).sqrt() }
    };
    Ok([mean(0), mean(1)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::normals;
    use crate::snapshots::MatrixView;

    fn cloud(n: usize, shift: f64, index: u64, weights: Option<&[f64]>) -> PointCloud {
        let mut points = vec![0.0; 2 * n];
        normals(&mut stream(5, Purpose::Dataset, index, 0), &mut points);
        points.iter_mut().step_by(2).for_each(|x| *x += shift);
        PointCloud::new(MatrixView::from_f64(&points, n, 2).unwrap(), weights).unwrap()
    }

    fn distances(exact_cells: usize, seed: u64, a: &PointCloud, b: &PointCloud) -> Distances {
        Sampling { exact_cells, seed }.distances(a, b, 0, &Stop::default()).unwrap()
    }

    #[test]
    fn up_to_the_stated_number_distances_are_exact_and_beyond_they_say_that_they_are_not() {
        let (a, b) = (cloud(300, 0.0, 1, None), cloud(400, 1.0, 2, None));
        let exact = distances(400, 0, &a, &b);
        assert_eq!(exact.w1.mean, exact1(&a, &b, &Stop::default()).unwrap());
        assert_eq!((exact.w1.sd, exact.w2.sd, exact.cells), (0.0, 0.0, None));
        let sampled = distances(399, 0, &a, &b);
        assert_eq!(sampled.cells, Some(133));
        assert!(sampled.w1.sd > 0.0 && sampled.w2.sd > 0.0 && sampled.w1.mean != exact.w1.mean);
        assert_eq!(sampled, distances(399, 0, &a, &b));
    }

    #[test]
    fn estimates_scatter_by_their_standard_errors_and_lie_above_by_their_bias() {
        // Two clouds a unit apart, where the bias is small beside the distance; W1 is 1 in the limit.
        let (a, b) = (cloud(3000, 0.0, 3, None), cloud(3000, 1.0, 4, None));
        let exact = exact1(&a, &b, &Stop::default()).unwrap();
        let all: Vec<Distances> = (0..20).map(|seed| distances(600, seed, &a, &b)).collect();
        let mean = Estimate::of(&all.iter().map(|d| d.w1.mean).collect::<Vec<_>>());
        let stated = (all.iter().map(|d| d.w1.sd * d.w1.sd).sum::<f64>() / 20.0).sqrt();
        // Twenty seeds know their own scatter to a sixth; samples of one cloud without a cell in common scatter a little less than
        // independent ones.
        assert!((0.4..1.6).contains(&(mean.sd / stated)), "{} against {stated}", mean.sd);
        let bias = mean.mean - exact;
        assert!(bias > -2.0 * stated && bias < 0.05, "{bias}");
    }

    #[test]
    fn a_perfect_prediction_is_as_far_as_the_floor() {
        let sampling = Sampling { exact_cells: 600, seed: 1 };
        let (a, b) = (cloud(4000, 0.0, 5, None), cloud(4000, 0.0, 6, None));
        let stop = Stop::default();
        let got = sampling.distances(&a, &b, 0, &stop).unwrap();
        let [w1, w2] = sampling.floor(a.len(), &b, &stop).unwrap().unwrap();
        assert!(
            (got.w1.mean / w1 - 1.0).abs() < 0.1 && (got.w2.mean / w2 - 1.0).abs() < 0.15,
            "{got:?} {w1} {w2}"
        );
        // All cells are one sample: there is nothing to hold it against.
        assert_eq!(sampling.floor(a.len(), &cloud(150, 0.0, 7, None), &stop), Ok(None));
    }

    #[test]
    fn cells_are_drawn_in_proportion_to_their_weights() {
        // Half of the cells, one unit to the right, weigh nothing.
        let points: Vec<f64> = (0..2000).map(|i| f64::from(i % 2)).collect();
        let weights: Vec<f64> = points.iter().map(|x| 1.0 - x).collect();
        let cloud =
            |weights| PointCloud::new(MatrixView::from_f64(&points, 2000, 1).unwrap(), weights).unwrap();
        let (heavy, all) = (cloud(Some(&weights[..])), cloud(None));
        let got = distances(300, 2, &heavy, &all);
        assert!((got.w1.mean - 0.5).abs() < 5.0 * got.w1.sd + 1e-12, "{got:?}");
    }
}
