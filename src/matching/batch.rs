//! Training batches: places on bridges between coupled cells, and the fields to be learned there.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::train::Interval;
use crate::bridge::{Bridge, BridgeState};
use crate::exec::rng::{Purpose, stream};
use crate::snapshots::Snapshots;
use crate::transport::sampling::Draw;
use crate::units::Scaling;

/// Rows drawn by one task from one random stream, whatever the thread count.
const TASK_ROWS: usize = 64;

/// A batch, row by row, in the networks' units.
#[derive(Debug)]
pub(super) struct Batch {
    dims: usize,
    /// (t, x).
    pub(super) input: Vec<f32>,
    /// v.
    pub(super) velocity: Vec<f32>,
    /// ξ; 0 where the bridge has no noise.
    pub(super) noise: Vec<f32>,
    /// Numbers of a row.
    pub(super) rows: Vec<Row>,
}

/// The scalars of a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    /// ω_k m(r)/m0, over the number of rows.
    pub(super) weight: f32,
    /// g.
    pub(super) growth: f32,
    /// λ(r), for a score network of unit output.
    pub(super) score_weight: f32,
}

/// What batches are drawn from.
pub(super) struct Source<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) intervals: &'a [Interval],
    pub(super) bridge: Bridge,
    pub(super) scaling: &'a Scaling,
    /// The data's unit of the score, as in [`Scaling::score_unit`].
    pub(super) score_unit: f64,
    pub(super) rows_per_interval: usize,
    pub(super) seed: u64,
}

impl Batch {
    pub(super) fn new(source: &Source<'_>) -> Self {
        let dims = source.snapshots.dims();
        let rows = source.intervals.len() * source.rows_per_interval;
        Self {
            dims,
            input: vec![0.0; rows * (dims + 1)],
            velocity: vec![0.0; rows * dims],
            noise: vec![0.0; rows * dims],
            rows: vec![Row::default(); rows],
        }
    }

    /// Draws the batch of training step `step`: `rows_per_interval` rows for every interval in turn.
    pub(super) fn draw(&mut self, source: &Source<'_>, step: usize) {
        let dims = self.dims;
        self.rows
            .par_chunks_mut(TASK_ROWS)
            .zip(self.input.par_chunks_mut(TASK_ROWS * (dims + 1)))
            .zip(self.velocity.par_chunks_mut(TASK_ROWS * dims))
            .zip(self.noise.par_chunks_mut(TASK_ROWS * dims))
            .enumerate()
            .for_each(|(task, (((rows, inputs), velocities), noises))| {
                let mut rng = stream(source.seed, Purpose::Training, step as u64, task as u64);
                for (r, row) in rows.iter_mut().enumerate() {
                    let interval = (task * TASK_ROWS + r) / source.rows_per_interval;
                    *row = source.draw_row(
                        &source.intervals[interval],
                        &mut rng,
                        &mut inputs[r * (dims + 1)..(r + 1) * (dims + 1)],
                        &mut velocities[r * dims..(r + 1) * dims],
                        &mut noises[r * dims..(r + 1) * dims],
                    );
                }
            });
    }
}

impl Source<'_> {
    fn draw_row(
        &self,
        interval: &Interval,
        rng: &mut impl rand::Rng,
        input: &mut [f32],
        velocity: &mut [f32],
        noise: &mut [f32],
    ) -> Row {
        let dims = self.snapshots.dims();
        let (k, h) = (interval.index, interval.length);
        let point = |snapshot: usize, cell: u32| {
            &self.snapshots.points(snapshot)[cell as usize * dims..(cell as usize + 1) * dims]
        };
        let draw = interval.sampler.sample(rng);
        let (low, high) = self.bridge.time_range();
        let r = low + (high - low) * rng.random::<f64>();
        if self.bridge.sigma() > 0.0 {
            noise.iter_mut().for_each(|z| *z = StandardNormal.sample(rng));
        }
        let (start, end, state) = match draw {
            Draw::Matched(pair) => {
                let (start, end) = (point(k, pair.source), point(k + 1, pair.target));
                let difference = |(a, b): (&f32, &f32)| f64::from(*b) - f64::from(*a);
                let distance2 = start.iter().zip(end).map(difference).map(|d| d * d).sum();
                (start, end, self.bridge.state(distance2, (pair.sent, pair.received), h, r))
            }
            Draw::Dying(cell) => (point(k, cell), point(k, cell), Bridge::death(h, r)),
            Draw::Born(cell) => (point(k + 1, cell), point(k + 1, cell), Bridge::birth(h, r)),
        };
        self.place(interval.start + r * h, (start, end), &state, noise, input, velocity);
        Row {
            weight: (interval.weight * state.relative_mass
                / (self.intervals.len() * self.rows_per_interval) as f64) as f32,
            growth: (state.growth * self.scaling.duration) as f32,
            score_weight: (state.score_weight * self.score_unit) as f32,
        }
    }

    /// Writes the place x0 + α(x1 − x0) + βξ at `time` and the velocity α'(x1 − x0) + β'ξ there.
    fn place(
        &self,
        time: f64,
        (start, end): (&[f32], &[f32]),
        state: &BridgeState,
        noise: &[f32],
        input: &mut [f32],
        velocity: &mut [f32],
    ) {
        let Scaling { centre, length, start: origin, duration } = self.scaling;
        input[0] = ((time - origin) / duration) as f32;
        let speed = duration / length;
        for c in 0..start.len() {
            let (x0, x1) = (f64::from(start[c]), f64::from(end[c]));
            let xi = f64::from(noise[c]);
            let x = x0 + state.along * (x1 - x0) + state.spread * xi;
            input[1 + c] = ((x - centre[c]) / length) as f32;
            velocity[c] = ((state.velocity_along * (x1 - x0) + state.velocity_spread * xi) * speed) as f32;
        }
    }
}
