//! A progenitor population that branches into fates, for benchmarks of up to millions of cells.

use rayon::prelude::*;

use super::Generator;
use crate::error::{Error, Result, fits_in_memory, positive};
use crate::exec::rng::{Purpose, normals, stream, uniform};
use crate::snapshots::{MatrixView, Snapshots};

/// Snapshots of a population that branches, again and again, until it has its fates.
///
/// Fates are numbered 0 … k−1. All cells begin on one branch; a branch that leads to several fates splits in
/// two, the lower and the upper half of its fates, at times that are the same for all branches of a level and
/// cut the time span into equal parts. Each branch has a direction of its own (uniform on the sphere), along
/// which its cells move at speed 1, and a growth rate proportional to the mean number of the fates it leads
/// to, from 0 for fate 0 to `growth` for fate k−1. Around its branch's path every coordinate of a cell is
/// normal with standard deviation `spread`. The times are 0, 1, …, T−1, and the `cells` are shared among them
/// in proportion to the true masses.
///
/// ```
/// use chreode::datasets::BranchingTree;
/// let snapshots = BranchingTree { cells: 1000, dims: 5, ..Default::default() }.generate()?;
/// assert_eq!((0..3).map(|k| snapshots.count(k)).sum::<usize>(), 1000);
/// assert!(snapshots.count(2) > snapshots.count(0));
/// # Ok::<(), chreode::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BranchingTree {
    /// How many cells there are in all snapshots together; at least one a time point. Default 10 000.
    pub cells: usize,
    /// The dimension d ≥ 1. Default 10.
    pub dims: usize,
    /// The number of fates k ≥ 1. Default 4.
    pub fates: usize,
    /// The number of time points T ≥ 2. Default 3.
    pub time_points: usize,
    /// The growth rate of the last fate, per unit time, finite and not negative. Default 0.5.
    pub growth: f64,
    /// The standard deviation of a coordinate around the path, positive. Default 0.1.
    pub spread: f64,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for BranchingTree {
    fn default() -> Self {
        Self { cells: 10_000, dims: 10, fates: 4, time_points: 3, growth: 0.5, spread: 0.1, seed: 0 }
    }
}

/// The cells that share a random stream: fixed, so that the cells do not depend on the number of threads.
const CHUNK: usize = 1024;

impl BranchingTree {
    /// The snapshots.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the option that is out of its range.
    pub fn generate(&self) -> Result<Snapshots> {
        self.check()?;
        let times: Vec<f64> = (0..self.time_points).map(|k| k as f64).collect();
        let stages: Vec<Stage> = times.iter().map(|&time| self.stage(time)).collect();
        let counts = self.counts(&stages);

        let (mut points, mut labels) = (vec![0f32; self.cells * self.dims], Vec::with_capacity(self.cells));
        let mut rest = points.as_mut_slice();
        for (k, (stage, &count)) in stages.iter().zip(&counts).enumerate() {
            let (cells, later) = rest.split_at_mut(count * self.dims);
            let chunks = cells.par_chunks_mut(CHUNK * self.dims).enumerate();
            chunks.for_each(|(c, chunk)| self.fill(stage, (k as u64) << 40 | c as u64, chunk));
            labels.resize(labels.len() + count, times[k]);
            rest = later;
        }
        Snapshots::new(MatrixView::from_f32(&points, self.cells, self.dims)?, &labels, None)
    }

    /// The true growth rate, per unit of time, of a cell that is at `point` (d coordinates) at `time`, from 0 to T − 1: the mean of
    /// its branches' rates, by how likely the cell is to be on each.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] as [`generate`](Self::generate), for another number of coordinates and for a time outside.
    pub fn growth_rate(&self, time: f64, point: &[f32]) -> Result<f64> {
        self.check_place(time, point)?;
        let Stage { centres, log_masses } = self.stage(time);
        let shares = self.shares(&centres, &log_masses, point);
        let growth = |fate| {
            let (first, end) = self.branch_at(time, fate);
            self.growth_of(first, end)
        };
        Ok(shares.iter().enumerate().map(|(fate, share)| share * growth(fate)).sum())
    }

    /// The true velocity, in lengths per unit of time, of the cells that are at `point` (d coordinates) at `time`, from 0 to T − 1: the
    /// mean of the directions of the branches that they may be on.
    ///
    /// # Errors
    /// As [`growth_rate`](Self::growth_rate).
    pub fn velocity(&self, time: f64, point: &[f32]) -> Result<Vec<f64>> {
        self.check_place(time, point)?;
        let Stage { centres, log_masses } = self.stage(time);
        let mut velocity = vec![0.0; self.dims];
        for (fate, share) in self.shares(&centres, &log_masses, point).into_iter().enumerate() {
            let (first, end) = self.branch_at(time, fate);
            velocity.iter_mut().zip(self.direction(first, end)).for_each(|(v, x)| *v += share * x);
        }
        Ok(velocity)
    }

    /// The true probability that a random descendant, at the last time, of a cell that is at `point` (d coordinates) at `time`, from 0 to
    /// T − 1, has each of the fates: in proportion to their final masses, and to how likely their paths are to pass there.
    ///
    /// # Errors
    /// As [`growth_rate`](Self::growth_rate).
    pub fn fate_probabilities(&self, time: f64, point: &[f32]) -> Result<Vec<f64>> {
        self.check_place(time, point)?;
        let last = self.stage((self.time_points - 1) as f64);
        Ok(self.shares(&self.stage(time).centres, &last.log_masses, point))
    }

    /// The share of each fate in masses that are spread around `centres`, at `point`.
    fn shares(&self, centres: &[f64], log_masses: &[f64], point: &[f32]) -> Vec<f64> {
        let squares = |fate: usize| {
            let centre = &centres[fate * self.dims..(fate + 1) * self.dims];
            centre.iter().zip(point).map(|(c, &x)| (f64::from(x) - c).powi(2)).sum::<f64>()
        };
        let log_density = |fate: usize| log_masses[fate] - 0.5 * squares(fate) / (self.spread * self.spread);
        let log_densities: Vec<f64> = (0..self.fates).map(log_density).collect();
        let largest = log_densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let densities: Vec<f64> = log_densities.iter().map(|log| libm::exp(log - largest)).collect();
        let total: f64 = densities.iter().sum();
        densities.iter().map(|density| density / total).collect()
    }

    fn check_place(&self, time: f64, point: &[f32]) -> Result<()> {
        self.check()?;
        let last = (self.time_points - 1) as f64;
        if !(0.0..=last).contains(&time) {
            return Err(Error::argument("time", time, &format!("0 to {last}")));
        }
        if point.len() != self.dims {
            return Err(Error::argument("the number of coordinates", point.len(), &self.dims.to_string()));
        }
        Ok(())
    }

    /// The fates, from the first to before the last, of the branch at `time` that leads to a fate; at a split, of the branch before it.
    fn branch_at(&self, time: f64, fate: usize) -> (usize, usize) {
        let (levels, duration) = self.levels();
        let level = ((time / duration).ceil() as usize).clamp(1, levels) - 1;
        let (mut first, mut end) = (0, self.fates);
        for _ in 0..level {
            if end - first > 1 {
                let middle = first.midpoint(end);
                (first, end) = if fate < middle { (first, middle) } else { (middle, end) };
            }
        }
        (first, end)
    }

    /// How many branches follow each other on the way to a fate, and how long each takes.
    fn levels(&self) -> (usize, f64) {
        let levels = self.fates.next_power_of_two().trailing_zeros() as usize + 1;
        (levels, (self.time_points - 1) as f64 / levels as f64)
    }

    fn check(&self) -> Result<()> {
        let at_least = |name: &str, value: usize, least: usize| {
            if value >= least {
                Ok(())
            } else {
                Err(Error::argument(name, value, &format!("at least {least}")))
            }
        };
        at_least("dims", self.dims, 1)?;
        at_least("fates", self.fates, 1)?;
        at_least("time points", self.time_points, 2)?;
        at_least("cells", self.cells, self.time_points)?;
        positive("spread", self.spread)?;
        if !(self.growth >= 0.0 && self.growth.is_finite()) {
            return Err(Error::argument("growth", self.growth, "finite and not negative"));
        }
        // The points, and the centre of every fate at every time.
        fits_in_memory("cells", self.cells, self.cells.checked_mul(self.dims))?;
        let centres = self.fates.checked_mul(self.dims).and_then(|n| n.checked_mul(2 * self.time_points));
        fits_in_memory("fates", self.fates, centres)
    }

    /// Where each fate's path is at `time`, and its mass.
    fn stage(&self, time: f64) -> Stage {
        let (levels, duration) = self.levels();
        let mut stage =
            Stage { centres: vec![0.0; self.fates * self.dims], log_masses: vec![0.0; self.fates] };
        for fate in 0..self.fates {
            let centre = &mut stage.centres[fate * self.dims..(fate + 1) * self.dims];
            let (mut first, mut end) = (0, self.fates);
            for level in 0..levels {
                let spent = (time - level as f64 * duration).clamp(0.0, duration);
                // A branch is known by its fates, at any level.
                let direction = self.direction(first, end);
                centre.iter_mut().zip(direction).for_each(|(c, x)| *c += spent * x);
                stage.log_masses[fate] += spent * self.growth_of(first, end);
                if end - first > 1 {
                    let middle = first.midpoint(end);
                    (first, end) = if fate < middle { (first, middle) } else { (middle, end) };
                }
            }
        }
        stage
    }

    /// The direction of the branch that leads to the fates from `first` to before `end`.
    fn direction(&self, first: usize, end: usize) -> Vec<f64> {
        let mut direction = vec![0.0; self.dims];
        let branch = (first as u64) << 32 | end as u64;
        normals(
            &mut stream(self.seed, Purpose::Dataset, Generator::Directions as u64, branch),
            &mut direction,
        );
        let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|x| *x /= length);
        direction
    }

    fn growth_of(&self, first: usize, end: usize) -> f64 {
        let mean_fate = (first + end - 1) as f64 / 2.0;
        self.growth * mean_fate / (self.fates - 1).max(1) as f64
    }

    /// Cells a stage, in proportion to its mass and at least one; the last stage takes what rounding leaves.
    fn counts(&self, stages: &[Stage]) -> Vec<usize> {
        let largest = stages.iter().flat_map(|s| &s.log_masses).copied().fold(f64::NEG_INFINITY, f64::max);
        let mass = |s: &Stage| s.log_masses.iter().map(|l| libm::exp(l - largest)).sum::<f64>();
        let total: f64 = stages.iter().map(mass).sum();
        let spare = (self.cells - stages.len()) as f64;
        let mut counts: Vec<usize> = stages.iter().map(|s| 1 + (spare * mass(s) / total) as usize).collect();
        let earlier: usize = counts[..stages.len() - 1].iter().sum();
        counts[stages.len() - 1] = self.cells - earlier;
        counts
    }

    /// Draws a chunk of a stage's cells.
    fn fill(&self, stage: &Stage, chunk: u64, cells: &mut [f32]) {
        let mut rng = stream(self.seed, Purpose::Dataset, Generator::Cells as u64, chunk);
        let mut noise = vec![0.0; self.dims];
        let cumulative = stage.cumulative_shares();
        for cell in cells.chunks_exact_mut(self.dims) {
            let u = uniform(&mut rng);
            let fate = cumulative.partition_point(|&share| share <= u).min(self.fates - 1);
            let centre = &stage.centres[fate * self.dims..(fate + 1) * self.dims];
            normals(&mut rng, &mut noise);
            cell.iter_mut().zip(centre).zip(&noise).for_each(|((x, c), n)| *x = (c + self.spread * n) as f32);
        }
    }
}

/// The population at one time.
struct Stage {
    centres: Vec<f64>,
    log_masses: Vec<f64>,
}

impl Stage {
    fn cumulative_shares(&self) -> Vec<f64> {
        let largest = self.log_masses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = self.log_masses.iter().map(|l| libm::exp(l - largest)).sum();
        let mut sum = 0.0;
        let shares = self.log_masses.iter().map(|l| {
            sum += libm::exp(l - largest) / total;
            sum
        });
        shares.collect()
    }
}
