//! Training batches: places on bridges between coupled cells, and the fields to be learned there.

use rayon::prelude::*;

use super::chain;
use super::interpolant::Curves;
use super::source::Source;
use crate::exec::rng::{Purpose, stream};

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
    /// The buffers of each task.
    scratch: Vec<Scratch>,
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
    /// The network times of the ends of its interval.
    pub(super) times: [f32; 2],
    /// m(0) and m(1) over the m(r) that it was drawn by, where ends are wanted.
    pub(super) at_ends: [f32; 2],
}

/// The buffers of a task.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) chain: chain::Scratch,
    pub(super) curves: Curves,
    /// x0 and x1 of each row, in the networks' units, where they are wanted.
    pub(super) ends: Vec<f32>,
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
            scratch: (0..rows.div_ceil(TASK_ROWS)).map(|_| Scratch::default()).collect(),
        }
    }

    /// How many tasks its rows are drawn by.
    pub(super) fn tasks(&self) -> usize {
        self.scratch.len()
    }

    /// The rows of a task: their numbers, (t, x), and (x0, x1) where those are wanted.
    pub(super) fn of_task(&self, task: usize) -> (&[Row], &[f32], &[f32]) {
        let rows = task * TASK_ROWS..self.rows.len().min((task + 1) * TASK_ROWS);
        let width = self.dims + 1;
        let inputs = &self.input[rows.start * width..rows.end * width];
        (&self.rows[rows], inputs, &self.scratch[task].ends)
    }

    /// Draws the batch of training step `step`: `rows_per_interval` rows for every interval in turn.
    pub(super) fn draw(&mut self, source: &Source<'_>, step: usize) {
        let dims = self.dims;
        self.rows
            .par_chunks_mut(TASK_ROWS)
            .zip(self.input.par_chunks_mut(TASK_ROWS * (dims + 1)))
            .zip(self.velocity.par_chunks_mut(TASK_ROWS * dims))
            .zip(self.noise.par_chunks_mut(TASK_ROWS * dims))
            .zip(&mut self.scratch)
            .enumerate()
            .for_each(|(task, ((((rows, inputs), velocities), noises), scratch))| {
                let mut rng = stream(source.seed, Purpose::Training, step as u64, task as u64);
                scratch.curves.points.clear();
                scratch.ends.clear();
                for (r, row) in rows.iter_mut().enumerate() {
                    let interval = (task * TASK_ROWS + r) / source.rows_per_interval;
                    *row = source.draw_row(
                        &source.intervals[interval],
                        &mut rng,
                        &mut inputs[r * (dims + 1)..(r + 1) * (dims + 1)],
                        &mut velocities[r * dims..(r + 1) * dims],
                        &mut noises[r * dims..(r + 1) * dims],
                        scratch,
                    );
                }
                let of_interval = |row: usize| (task * TASK_ROWS + row) / source.rows_per_interval;
                source.bend(of_interval, &mut scratch.curves, (inputs, velocities));
            });
    }
}
