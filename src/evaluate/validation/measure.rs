//! What is measured: a prediction beside held-out cells, and what it has to be held against.

use super::split::Split;
use super::{Simulator, ValidationOptions};
use crate::error::Result;
use crate::evaluate::cloud_of;
use crate::evaluate::energy::energy_distance;
use crate::evaluate::mass::{GrowthError, growth_error, relative_mass_error};
use crate::evaluate::wasserstein::exact1;
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::Particles;
use crate::simulate::simulation::{Process, Simulation};
use crate::snapshots::{MatrixView, Snapshots};
use crate::transport::network_simplex::network_simplex;
use crate::transport::{Cost, PointCloud, Problem};

/// A population beside the cells of one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Distance {
    pub(crate) w1: f64,
    /// Over the rms spread of the cells.
    pub(crate) energy: f64,
    pub(crate) rme: f64,
}

/// What a split says without any fit, at each time but the first.
#[derive(Debug)]
pub(crate) struct Baselines {
    /// W1 between the cells and as many that a fit sees.
    pub(crate) floor: Vec<f64>,
    /// The founders, as they are.
    pub(crate) nothing_moves: Vec<Distance>,
}

impl Baselines {
    pub(super) fn of(split: &Split, stop: &Stop) -> Result<Self> {
        let held = &split.held;
        let founders = Particles::of_snapshot(held, 0);
        let spread = spread(held);
        let later = 1..held.len();
        Ok(Self {
            floor: later
                .clone()
                .map(|k| {
                    exact1(&PointCloud::of_snapshot(&split.twin, k), &PointCloud::of_snapshot(held, k), stop)
                })
                .collect::<Result<_>>()?,
            nothing_moves: later
                .map(|k| distance(&founders, &founders, 1, held, k, spread, stop))
                .collect::<Result<_>>()?,
        })
    }
}

/// A fit beside cells that it has not seen.
#[derive(Debug)]
pub(crate) struct Measured {
    /// At each time but the first.
    pub(crate) distances: Vec<Distance>,
    pub(crate) growth: Option<GrowthError>,
    pub(crate) simulator: Simulator,
    pub(crate) seconds: f64,
}

/// Predicts the held-out cells at all times from those at the first. The fit's seconds are the caller's to tell.
pub(super) fn measure(
    fields: &dyn Fields,
    split: &Split,
    options: &ValidationOptions,
    seed: u64,
    stop: &Stop,
) -> Result<Measured> {
    let held = &split.held;
    let (start, frames, simulator) = predict(fields, held, &held.times()[1..], options, seed, stop)?;
    let spread = spread(held);
    let of_frame = |(i, frame): (usize, &Particles)| {
        distance(&start, frame, simulator.particles, held, i + 1, spread, stop)
    };
    let distances = frames.iter().enumerate().map(of_frame).collect::<Result<_>>()?;
    // Cells of branches have no growth rate of their own.
    let truth = split.growth.as_ref().filter(|_| fields.of_branches().is_empty());
    let growth = truth.map(|truth| growth_error(fields, held, truth, stop)).transpose()?;
    Ok(Measured { distances, growth, simulator, seconds: 0.0 })
}

/// Predicts the cells of snapshot `k` from those at the first.
pub(super) fn measure_time(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    k: usize,
    options: &ValidationOptions,
    seed: u64,
    stop: &Stop,
) -> Result<Distance> {
    let (start, frames, simulator) =
        predict(fields, snapshots, &snapshots.times()[k..=k], options, seed, stop)?;
    distance(&start, &frames[0], simulator.particles, snapshots, k, spread(snapshots), stop)
}

/// Steps of the diffusion in the shortest interval.
const STEPS: f64 = 20.0;

/// The founders' populations at `times`: several particles a founder where noise makes them differ.
fn predict(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    times: &[f64],
    options: &ValidationOptions,
    seed: u64,
    stop: &Stop,
) -> Result<(Particles, Vec<Particles>, Simulator)> {
    // A σ that changes with time is positive at all times or at none.
    let noisy = fields.sigma(snapshots.times()[0]) > 0.0;
    let process = options.process.unwrap_or(if noisy { Process::Sde } else { Process::Ode });
    let particles = if process == Process::Ode { 1 } else { options.particles };
    let dims = snapshots.dims();
    let repeated = snapshots.cells_of(0).flat_map(|x| std::iter::repeat_n(x, particles));
    let weights = snapshots.weights(0).iter().flat_map(|&w| std::iter::repeat_n(w, particles));
    let start = Particles::new(
        snapshots.times()[0],
        dims,
        repeated.flatten().copied().collect(),
        Some(&weights.collect::<Vec<_>>()),
    )?;
    let shortest = snapshots.times().windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let step = (process == Process::Sde).then_some(options.step.unwrap_or(shortest / STEPS));
    let simulation = Simulation { process, step, seed, ..Simulation::default() };
    let frames = simulation.run(fields, &start, times, stop)?.trajectory.frames;
    // Each founder has a particle in every branch.
    let particles = particles * fields.of_branches().len().max(1);
    Ok((start, frames, Simulator { process, particles }))
}

/// Predicted particles, `particles` in a row to a founder, beside the cells of snapshot `k`. A population without mass has a
/// mass error and no distances.
fn distance(
    start: &Particles,
    predicted: &Particles,
    particles: usize,
    cells: &Snapshots,
    k: usize,
    spread: f64,
    stop: &Stop,
) -> Result<Distance> {
    let rme = relative_mass_error(start.mass(), predicted.mass(), cells, k)?;
    if predicted.mass() <= 0.0 {
        return Ok(Distance { w1: f64::NAN, energy: f64::NAN, rme });
    }
    let (population, cells) = (cloud_of(predicted)?, PointCloud::of_snapshot(cells, k));
    let founders: Vec<u64> = predicted.ids.iter().map(|id| id / particles as u64).collect();
    Ok(Distance {
        w1: exact1(&population, &cells, stop)?,
        energy: energy_distance(&population, &founders, &cells, stop)? / spread,
        rme,
    })
}

/// The root mean square distance of all cells from their mean, by weight.
fn spread(snapshots: &Snapshots) -> f64 {
    let dims = snapshots.dims();
    let weights: Vec<f64> = (0..snapshots.len()).flat_map(|k| snapshots.weights(k)).copied().collect();
    let total: f64 = weights.iter().sum();
    let rows = || snapshots.all_cells().zip(&weights);
    let variance = |c: usize| {
        let mean = rows().map(|(x, w)| w * f64::from(x[c])).sum::<f64>() / total;
        rows().map(|(x, w)| w * (f64::from(x[c]) - mean).powi(2)).sum::<f64>() / total
    };
    (0..dims).map(variance).sum::<f64>().sqrt()
}

/// What an inner snapshot is predicted to be without any fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interpolated {
    /// From its two neighbours: pairs of an exact coupling (W2) of theirs, on the straight line between the two at the
    /// snapshot's time, and a mass that grew at a constant rate.
    pub(crate) by_coupling: (f64, f64),
    /// W1 and mass error of the first snapshot, as it is.
    pub(crate) nothing_moves: (f64, f64),
}

/// Interpolates snapshot `k` of `snapshots`.
pub(super) fn interpolate(snapshots: &Snapshots, k: usize, stop: &Stop) -> Result<Interpolated> {
    let (before, after) = (
        PointCloud::of_snapshot(snapshots, k - 1).normalised(),
        PointCloud::of_snapshot(snapshots, k + 1).normalised(),
    );
    let [from, time, to] = [k - 1, k, k + 1].map(|k| snapshots.times()[k]);
    let share = (time - from) / (to - from);
    let problem = Problem {
        source: &before,
        target: &after,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: f64::INFINITY,
        target_penalty: f64::INFINITY,
    };
    let plan = network_simplex(&problem, stop)?.plan;
    let between = |(i, j, _): (usize, usize, f64)| {
        let ends = before.point(i).iter().zip(after.point(j));
        ends.map(move |(x, y)| x + share * (y - x)).collect::<Vec<f64>>()
    };
    let points: Vec<f64> = plan.entries().flat_map(between).collect();
    let weights: Vec<f64> = plan.entries().map(|(_, _, mass)| mass).collect();
    let view = MatrixView::from_f64(&points, weights.len(), snapshots.dims())?;
    let (cells, founders) = (PointCloud::of_snapshot(snapshots, k), PointCloud::of_snapshot(snapshots, 0));
    let mass = snapshots.mass(k - 1) * libm::pow(snapshots.mass(k + 1) / snapshots.mass(k - 1), share);
    let start = snapshots.mass(0);
    Ok(Interpolated {
        by_coupling: (
            exact1(&PointCloud::new(view, Some(&weights))?, &cells, stop)?,
            relative_mass_error(start, mass, snapshots, k)?,
        ),
        nothing_moves: (exact1(&founders, &cells, stop)?, relative_mass_error(start, start, snapshots, k)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_on_straight_lines_are_interpolated_without_error() {
        // Two cells at 0 and 10 move by 1 and 2 a unit of time; the mass grows by e^(0.3 t). Times 0, 1 and 4.
        let points = [0.0, 10.0, 1.0, 12.0, 4.0, 18.0];
        let snapshots = Snapshots::new(
            MatrixView::from_f64(&points, 6, 1).unwrap(),
            &[0.0, 0.0, 1.0, 1.0, 4.0, 4.0],
            None,
        );
        let masses = [0.0f64, 1.0, 4.0].map(|t| (0.3 * t).exp());
        let snapshots = snapshots.unwrap().with_masses(&masses).unwrap();
        let got = interpolate(&snapshots, 1, &Stop::default()).unwrap();
        assert!(got.by_coupling.0 < 1e-12 && got.by_coupling.1 < 1e-12, "{got:?}");
        assert!((got.nothing_moves.0 - 1.5).abs() < 1e-12);
        assert!((got.nothing_moves.1 - (1.0 - (-0.3f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn the_spread_is_that_of_all_cells_about_their_mean() {
        let points = [0.0, 0.0, 3.0, 4.0, 3.0, 4.0, 0.0, 0.0];
        let view = MatrixView::from_f64(&points, 4, 2).unwrap();
        let snapshots = Snapshots::new(view, &[0.0, 0.0, 1.0, 1.0], None).unwrap();
        assert!((spread(&snapshots) - 2.5).abs() < 1e-12);
    }
}
