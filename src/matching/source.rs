//! What training batches are drawn from: coupled cells and the bridge between them.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::batch::Row;
use crate::bridge::{
    Bridge, BridgeFacts, BridgeState, Ends, MEAN_MASS, birth, birth_time_of_share, death, death_time_of_share,
};
use crate::error::Result;
use crate::snapshots::Snapshots;
use crate::transport::coupling::{Coupling, Pair};
use crate::transport::sampling::{Draw, PairSampler};
use crate::units::{Clock, Scaling};

/// An interval between consecutive snapshots whose cells are coupled.
#[derive(Debug)]
pub(crate) struct CoupledInterval {
    /// The snapshot at its start.
    pub(crate) index: usize,
    /// The time of that snapshot.
    pub(crate) start: f64,
    pub(crate) length: f64,
    pub(crate) sampler: PairSampler,
    /// ω_k, of mean 1.
    pub(crate) weight: f64,
}

/// What batches are drawn from.
pub(super) struct Source<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) intervals: &'a [CoupledInterval],
    pub(super) bridge: &'a dyn Bridge,
    /// What is known of the bridge's kind.
    pub(super) facts: &'a BridgeFacts,
    pub(super) scaling: &'a Scaling,
    /// The diffusion at the first snapshot, which the unit of the score is made of.
    pub(super) sigma: f64,
    pub(super) rows_per_interval: usize,
    pub(super) seed: u64,
}

impl Source<'_> {
    /// Draws a pair and a time, and writes the place on the bridge and what is to be learned there.
    pub(super) fn draw_row(
        &self,
        interval: &CoupledInterval,
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
        // Pairs come in proportion to the mass that they have on the way, and times to the mass at each: the weight of the
        // regression, m(r)/m0, is in the draws, and all rows weigh the same.
        let share = rng.random::<f64>();
        if self.facts.noise.is_some() {
            noise.iter_mut().for_each(|z| *z = StandardNormal.sample(rng));
        }
        let (start, end, r, state) = match draw {
            Draw::Matched(pair) => {
                let (start, end) = (point(k, pair.source), point(k + 1, pair.target));
                let ends = Ends {
                    distance2: squared_distance(start, end),
                    sent: pair.sent,
                    received: pair.received,
                    start: interval.start,
                    length: h,
                };
                let r = self.bridge.time_of_share(&ends, self.facts.time_range(), share);
                (start, end, r, self.bridge.state(&ends, r))
            }
            Draw::Dying(cell) => {
                let r = death_time_of_share(share);
                (point(k, cell), point(k, cell), r, death(h, r))
            }
            Draw::Born(cell) => {
                let r = birth_time_of_share(share);
                (point(k + 1, cell), point(k + 1, cell), r, birth(h, r))
            }
        };
        let clock = self.scaling.clock_of(k);
        self.place((clock, interval.start + r * h), (start, end), &state, noise, input, velocity);
        let rows = (self.intervals.len() * self.rows_per_interval) as f64;
        Row {
            weight: (interval.weight * interval.sampler.mean_factor() / rows) as f32,
            growth: (state.growth * clock.unit) as f32,
            score_weight: (state.score_weight * clock.score_unit(self.sigma)) as f32,
        }
    }

    /// Writes the place x0 + α(x1 − x0) + βξ at `time`, by the interval's clock, and the velocity α'(x1 − x0) + β'ξ there.
    fn place(
        &self,
        (clock, time): (Clock, f64),
        (start, end): (&[f32], &[f32]),
        state: &BridgeState,
        noise: &[f32],
        input: &mut [f32],
        velocity: &mut [f32],
    ) {
        let Scaling { centre, length, .. } = self.scaling;
        input[0] = clock.read(time) as f32;
        let speed = clock.unit / length;
        for c in 0..start.len() {
            let (x0, x1) = (f64::from(start[c]), f64::from(end[c]));
            let xi = f64::from(noise[c]);
            let x = x0 + state.along * (x1 - x0) + state.spread * xi;
            input[1 + c] = ((x - centre[c]) / length) as f32;
            velocity[c] = ((state.velocity_along * (x1 - x0) + state.velocity_spread * xi) * speed) as f32;
        }
    }
}

/// ‖x1 − x0‖².
fn squared_distance(start: &[f32], end: &[f32]) -> f64 {
    let difference = |(a, b): (&f32, &f32)| f64::from(*b) - f64::from(*a);
    start.iter().zip(end).map(difference).map(|d| d * d).sum()
}

impl CoupledInterval {
    /// An interval whose draws are in proportion to what is on its bridges, over the times that training draws from.
    ///
    /// # Errors
    /// [`Error::InvalidData`](crate::Error::InvalidData) for a coupling that holds no mass.
    pub(crate) fn new(
        snapshots: &Snapshots,
        index: usize,
        coupling: Coupling,
        (facts, bridge): (&BridgeFacts, &dyn Bridge),
        weight: f64,
    ) -> Result<Self> {
        let (start, dims) = (snapshots.times()[index], snapshots.dims());
        let length = snapshots.times()[index + 1] - start;
        let point = |snapshot: usize, cell: u32| {
            &snapshots.points(snapshot)[cell as usize * dims..(cell as usize + 1) * dims]
        };
        let sampler = PairSampler::weighted(coupling, |draw| match draw {
            Draw::Matched(Pair { source, target, sent, received }) => {
                let distance2 = squared_distance(point(index, source), point(index + 1, target));
                let ends = Ends { distance2, sent, received, start, length };
                bridge.mean_mass(&ends, facts.time_range())
            }
            Draw::Dying(_) | Draw::Born(_) => MEAN_MASS,
        })?;
        Ok(Self { index, start, length, sampler, weight })
    }
}
