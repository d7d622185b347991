//! What training batches are drawn from: coupled cells and the bridge between them.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::batch::{Row, Scratch};
use super::chain::Chains;
use super::curvature::Curvature;
use super::interpolant::Curves;
use crate::bridge::{
    Bridge, BridgeFacts, BridgeState, Ends, MEAN_MASS, birth, birth_time_of_share, death, death_time_of_share,
};
use crate::error::Result;
use crate::nn::Mlp;
use crate::snapshots::Snapshots;
use crate::train::{PairWeighting, TrainingOptions};
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
    /// What each of its rows counts: ω_k, of mean 1, times the mean mass on the way of what is drawn where that counts.
    pub(crate) weight: f64,
}

/// The coupled intervals of a fit, in the order of time.
#[derive(Debug)]
pub(crate) struct Coupled {
    pub(crate) intervals: Vec<CoupledInterval>,
    /// How paths bend, for a bridge that does.
    pub(crate) curvature: Option<Curvature>,
    /// What goes on before and after each pair, for a bridge that is chained.
    pub(crate) chains: Option<Chains>,
}

/// What batches are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) intervals: &'a [CoupledInterval],
    pub(super) curvature: Option<&'a Curvature>,
    pub(super) chains: Option<&'a Chains>,
    /// What bends the paths, once it is learned, of a bridge that learns them.
    pub(super) interpolant: Option<&'a Mlp>,
    pub(super) bridge: &'a dyn Bridge,
    /// What is known of the bridge's kind.
    pub(super) facts: &'a BridgeFacts,
    /// Whether the ends of rows are wanted beside their places.
    pub(super) gives_ends: bool,
    pub(super) scaling: &'a Scaling,
    /// The diffusion at the first snapshot, which the unit of the score is made of.
    pub(super) sigma: f64,
    /// The standard deviation, per coordinate, of places about their bridges, beside what the bridges themselves have.
    pub(super) bandwidth: f64,
    pub(super) weighting: PairWeighting,
    pub(super) rows_per_interval: usize,
    pub(super) seed: u64,
}

impl<'a> Source<'a> {
    /// Batches of coupled cells along a bridge that does not bend yet, without their ends.
    pub(super) fn new(
        snapshots: &'a Snapshots,
        coupled: &'a Coupled,
        (facts, bridge): (&'a BridgeFacts, &'a dyn Bridge),
        scaling: &'a Scaling,
        bandwidth: f64,
        options: &TrainingOptions,
        seed: u64,
    ) -> Self {
        Self {
            snapshots,
            intervals: &coupled.intervals,
            curvature: coupled.curvature.as_ref(),
            chains: coupled.chains.as_ref(),
            interpolant: None,
            bridge,
            facts,
            gives_ends: false,
            scaling,
            sigma: bridge.sigma(snapshots.times()[0]),
            bandwidth,
            weighting: options.pair_weighting,
            rows_per_interval: options.batch_size,
            seed,
        }
    }

    /// Draws a pair and a time, and writes the place on the bridge and what is to be learned there.
    pub(super) fn draw_row(
        &self,
        interval: &CoupledInterval,
        rng: &mut impl rand::Rng,
        input: &mut [f32],
        velocity: &mut [f32],
        noise: &mut [f32],
        scratch: &mut Scratch,
    ) -> Row {
        let (k, h) = (interval.index, interval.length);
        let point = |snapshot: usize, cell: u32| point(self.snapshots, snapshot, cell);
        let draw = interval.sampler.sample(rng);
        // By mass, pairs come in proportion to the mass that they have on the way, and times to the mass at each: the weight of the
        // regression, m(r)/m0, is in the draws, and all rows weigh the same.
        let share = rng.random::<f64>();
        if self.facts.noise.is_some() || self.bandwidth > 0.0 {
            noise.iter_mut().for_each(|z| *z = StandardNormal.sample(rng));
        }
        let mut at_ends = [0.0; 2];
        let (start, end, accelerations, r, state) = match draw {
            Draw::Matched(pair) => {
                let (start, end) = (point(k, pair.source), point(k + 1, pair.target));
                let ends = ends_of(self.snapshots, self.curvature, (k, interval.start, h), &pair);
                let of_place = |curvature: &'a Curvature| {
                    Some([curvature.of_place(k, pair.source)?, curvature.of_place(k + 1, pair.target)?])
                };
                let range = self.facts.time_range();
                let r = match self.weighting {
                    PairWeighting::Plan => range.0 + (range.1 - range.0) * share,
                    PairWeighting::Mass => (self.bridge.draw_time(&ends, range, rng))
                        .unwrap_or_else(|| self.bridge.time_of_share(&ends, range, share)),
                };
                let accelerations = match self.chains {
                    Some(chains) => {
                        Some(chains.accelerations(self.snapshots, (k, &pair), rng, &mut scratch.chain))
                    }
                    None => self.curvature.and_then(of_place),
                };
                if self.gives_ends {
                    // Without growth there is one mass, whatever the plan's marginals.
                    at_ends = match self.facts.grows {
                        true => {
                            [1.0, pair.received / pair.sent].map(|m| m / self.bridge.mean_mass(&ends, range))
                        }
                        false => [1.0; 2],
                    };
                }
                if self.interpolant.is_some() {
                    self.write_ends(interval, &pair, r as f32, &mut scratch.curves.points);
                }
                (start, end, accelerations, r, self.bridge.state(&ends, r))
            }
            Draw::Dying(cell) => {
                self.write_no_ends(&mut scratch.curves.points);
                let r = death_time_of_share(share);
                at_ends[0] = 1.0 / MEAN_MASS;
                (point(k, cell), point(k, cell), None, r, death(h, r))
            }
            Draw::Born(cell) => {
                self.write_no_ends(&mut scratch.curves.points);
                let r = birth_time_of_share(share);
                at_ends[1] = 1.0 / MEAN_MASS;
                (point(k + 1, cell), point(k + 1, cell), None, r, birth(h, r))
            }
        };
        let clock = self.scaling.clock_of(k);
        let moment = (clock, interval.start + r * h);
        self.place(moment, (start, end), accelerations, &state, noise, input, velocity);
        if self.gives_ends {
            // The bandwidth spreads a path as a whole, its ends among it.
            let spread = (self.bandwidth / self.scaling.length) as f32;
            for end in [start, end] {
                scratch.ends.extend(self.placed(end).zip(&*noise).map(|(x, z)| spread.mul_add(*z, x)));
            }
        }
        let rows = (self.intervals.len() * self.rows_per_interval) as f64;
        Row {
            weight: (interval.weight / rows) as f32,
            growth: (state.growth * clock.unit) as f32,
            score_weight: (state.score_weight * clock.score_unit(self.sigma)) as f32,
            times: [0.0, 1.0].map(|r| clock.read(interval.start + r * h) as f32),
            at_ends: at_ends.map(|m| m as f32),
        }
    }

    /// A place in network units.
    fn placed(&self, point: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.scaling.placed(point)
    }

    /// Adds the row (r, x0, x1) of a pair to the `points` of an interpolant.
    pub(super) fn write_ends(&self, interval: &CoupledInterval, pair: &Pair, r: f32, points: &mut Vec<f32>) {
        points.push(r);
        points.extend(self.placed(point(self.snapshots, interval.index, pair.source)));
        points.extend(self.placed(point(self.snapshots, interval.index + 1, pair.target)));
    }

    /// Adds a row that has no path.
    pub(super) fn write_no_ends(&self, points: &mut Vec<f32>) {
        points.push(-1.0);
        points.extend(std::iter::repeat_n(0.0, 2 * self.snapshots.dims()));
    }

    /// Bends the rows of a task, where an interpolant was learned; `of_interval` gives a row's interval.
    pub(super) fn bend(
        &self,
        of_interval: impl Fn(usize) -> usize,
        curves: &mut Curves,
        (inputs, velocities): (&mut [f32], &mut [f32]),
    ) {
        let Some(network) = self.interpolant else { return };
        let rows = velocities.len() / self.snapshots.dims();
        let mut first = 0;
        while first < rows {
            let number = of_interval(first);
            let end = (first..rows).find(|&row| of_interval(row) != number).unwrap_or(rows);
            let interval = &self.intervals[number];
            let clock = self.scaling.clock_of(interval.index);
            let times = (clock.read(interval.start) as f32, (clock.unit / interval.length) as f32);
            curves.bend(network, times, first..end, (inputs, velocities));
            first = end;
        }
    }

    /// Writes the place x0 + α(x1 − x0) + βξ at `time`, by the interval's clock, and the velocity α'(x1 − x0) + β'ξ there, with
    /// what the accelerations at the two cells add to them; the bandwidth is part of β, and constant.
    #[allow(clippy::too_many_arguments)] // what a row is made of, and where it goes
    fn place(
        &self,
        (clock, time): (Clock, f64),
        (start, end): (&[f32], &[f32]),
        accelerations: Option<[&[f64]; 2]>,
        state: &BridgeState,
        noise: &[f32],
        input: &mut [f32],
        velocity: &mut [f32],
    ) {
        let Scaling { centre, length, .. } = self.scaling;
        input[0] = clock.read(time) as f32;
        let speed = clock.unit / length;
        let spread = state.spread + self.bandwidth;
        for c in 0..start.len() {
            let (x0, x1) = (f64::from(start[c]), f64::from(end[c]));
            let xi = f64::from(noise[c]);
            let mut x = x0 + state.along * (x1 - x0) + spread * xi;
            let mut v = state.velocity_along * (x1 - x0) + state.velocity_spread * xi;
            if let Some([a0, a1]) = accelerations {
                x += state.bend[0] * a0[c] + state.bend[1] * a1[c];
                v += state.velocity_bend[0] * a0[c] + state.velocity_bend[1] * a1[c];
            }
            input[1 + c] = ((x - centre[c]) / length) as f32;
            velocity[c] = (v * speed) as f32;
        }
    }
}

/// What the bridge knows of a pair, in the interval that begins with snapshot `k` at `start`.
fn ends_of(
    snapshots: &Snapshots,
    curvature: Option<&Curvature>,
    (k, start, length): (usize, f64, f64),
    &Pair { source, target, sent, received, .. }: &Pair,
) -> Ends {
    let accelerations = |of: &Curvature| [of.of_log_mass(k, source), of.of_log_mass(k + 1, target)];
    Ends {
        distance2: squared_distance(point(snapshots, k, source), point(snapshots, k + 1, target)),
        sent,
        received,
        start,
        length,
        log_mass_acceleration: curvature.map_or([0.0; 2], accelerations),
    }
}

/// Where a cell is.
fn point(snapshots: &Snapshots, snapshot: usize, cell: u32) -> &[f32] {
    snapshots.point(snapshot, cell as usize)
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
        curvature: Option<&Curvature>,
        (facts, bridge): (&BridgeFacts, &dyn Bridge),
        (weight, weighting): (f64, PairWeighting),
    ) -> Result<Self> {
        let start = snapshots.times()[index];
        let length = snapshots.times()[index + 1] - start;
        let sampler = PairSampler::weighted(coupling, |draw| match draw {
            Draw::Matched(pair) if weighting == PairWeighting::Plan => pair.coupled / pair.sent,
            Draw::Dying(_) | Draw::Born(_) if weighting == PairWeighting::Plan => 0.0,
            Draw::Matched(pair) => {
                let ends = ends_of(snapshots, curvature, (index, start, length), &pair);
                bridge.mean_mass(&ends, facts.time_range())
            }
            Draw::Dying(_) | Draw::Born(_) => MEAN_MASS,
        })?;
        let weight = match weighting {
            PairWeighting::Mass => weight * sampler.mean_factor(),
            PairWeighting::Plan => weight,
        };
        Ok(Self { index, start, length, sampler, weight })
    }
}

#[cfg(test)]
mod tests {
    use super::super::curvature::Looseness;
    use super::*;
    use crate::bridge::BridgeKind;
    use crate::exec::rng::{Purpose, stream};
    use crate::scales::Scales;
    use crate::snapshots::MatrixView;

    #[test]
    fn rows_of_a_bent_bridge_lie_on_the_path_of_constant_acceleration_that_cells_were_seen_on() {
        // One cell in the plane and its mass, at unequal times: it turns by less than 60° from one interval to the next.
        let times = [0.0, 1.0, 3.0];
        let place = |t: f64| [0.3 + 0.5 * t + 0.1 * t * t, 1.0 - t + 0.1 * t * t];
        let speed = |t: f64| [0.5 + 0.2 * t, -1.0 + 0.2 * t];
        let (log_mass, rate) = (|t: f64| 0.7 * t - 0.1 * t * t, |t: f64| 0.7 - 0.2 * t);
        let points: Vec<f64> = times.into_iter().flat_map(place).collect();
        let snapshots = Snapshots::new(MatrixView::from_f64(&points, 3, 2).unwrap(), &times, None).unwrap();
        let mass = |k: usize| log_mass(times[k]).exp();
        let couplings = [0, 1].map(|k| Coupling {
            pairs: vec![Pair {
                source: 0,
                target: 0,
                sent: mass(k),
                received: mass(k + 1),
                coupled: mass(k),
            }],
            ..Default::default()
        });
        let kind = BridgeKind::Hermite;
        // So little noise that it does not show: below 1e-6 in place, below 1e-4 in velocity.
        let bridge = kind.build(&Scales { sigma: 1e-6, delta: 1.0 }).unwrap();
        let curvature = Curvature::new(&snapshots, &couplings, Looseness { place: 1.0, growth: 1.0 });
        let interval = |(k, coupling)| {
            CoupledInterval::new(
                &snapshots,
                k,
                coupling,
                Some(&curvature),
                (kind.facts(), &*bridge),
                (1.0, PairWeighting::Mass),
            )
        };
        let intervals: Vec<_> =
            couplings.into_iter().enumerate().map(interval).collect::<Result<_>>().unwrap();
        let scaling = Scaling::of(&snapshots);
        let source = Source {
            snapshots: &snapshots,
            intervals: &intervals,
            curvature: Some(&curvature),
            chains: None,
            interpolant: None,
            bridge: &*bridge,
            facts: kind.facts(),
            gives_ends: false,
            scaling: &scaling,
            sigma: 1e-6,
            bandwidth: 0.0,
            weighting: PairWeighting::Mass,
            rows_per_interval: 1,
            seed: 0,
        };
        let mut rng = stream(3, Purpose::Training, 0, 0);
        let (mut input, mut velocity, mut noise) = ([0.0; 3], [0.0; 2], [0.0; 2]);
        let mut scratch = Scratch::default();
        for interval in intervals.iter().cycle().take(50) {
            let row =
                source.draw_row(interval, &mut rng, &mut input, &mut velocity, &mut noise, &mut scratch);
            let clock = scaling.clock_of(interval.index);
            let t = f64::from(input[0]) * clock.unit + clock.start;
            assert!((interval.start..=interval.start + interval.length).contains(&t));
            for c in 0..2 {
                let x = f64::from(input[1 + c]) * scaling.length + scaling.centre[c];
                let v = f64::from(velocity[c]) * scaling.length / clock.unit;
                // Rows are single precision.
                assert!((x - place(t)[c]).abs() < 1e-5, "{c} at {t}: {x}");
                assert!((v - speed(t)[c]).abs() < 2e-4, "velocity {c} at {t}: {v}");
            }
            let growth = f64::from(row.growth) / clock.unit;
            assert!((growth - rate(t)).abs() < 1e-5, "growth at {t}: {growth}");
        }
    }

    /// Two pairs on the line and a cell that dies, over the interval from 0 to 2, and rows of them, as (t, x, v) with what they count.
    fn rows_of_two_pairs(weighting: PairWeighting, bandwidth: f64, count: usize) -> Vec<([f64; 3], f32)> {
        let points = [0.0, 10.0, 20.0, 1.0, 12.0];
        let times = [0.0, 0.0, 0.0, 2.0, 2.0];
        let snapshots = Snapshots::new(MatrixView::from_f64(&points, 5, 1).unwrap(), &times, None).unwrap();
        let pair =
            |cell, sent, received, coupled| Pair { source: cell, target: cell, sent, received, coupled };
        let coupling = Coupling {
            pairs: vec![pair(0, 5.0, 5.0, 1.0), pair(1, 1.0, 9.0, 3.0)],
            dying: vec![(2, 1.0)],
            ..Default::default()
        };
        let kind = BridgeKind::StraightLogLinear;
        let bridge = kind.build(&Scales { sigma: 0.0, delta: 1.0 }).unwrap();
        let of_bridge = (kind.facts(), &*bridge);
        let interval =
            CoupledInterval::new(&snapshots, 0, coupling, None, of_bridge, (1.0, weighting)).unwrap();
        let scaling = Scaling::of(&snapshots);
        let source = Source {
            snapshots: &snapshots,
            intervals: std::slice::from_ref(&interval),
            curvature: None,
            chains: None,
            interpolant: None,
            bridge: &*bridge,
            facts: kind.facts(),
            gives_ends: false,
            scaling: &scaling,
            sigma: 0.0,
            bandwidth,
            weighting,
            rows_per_interval: 1,
            seed: 0,
        };
        let mut rng = stream(5, Purpose::Training, 0, 0);
        let (mut input, mut velocity, mut noise) = ([0.0; 2], [0.0], [0.0]);
        let mut scratch = Scratch::default();
        let mut draw = || {
            let row =
                source.draw_row(&interval, &mut rng, &mut input, &mut velocity, &mut noise, &mut scratch);
            let x = f64::from(input[1]) * scaling.length + scaling.centre[0];
            ([f64::from(input[0]), x, f64::from(velocity[0]) * scaling.length / 2.0], row.weight)
        };
        (0..count).map(|_| draw()).collect()
    }

    #[test]
    fn by_the_plan_pairs_come_in_proportion_to_it_at_uniform_times_and_count_the_same() {
        let count = 40_000;
        let rows = rows_of_two_pairs(PairWeighting::Plan, 0.0, count);
        assert!(rows.iter().all(|(_, weight)| *weight == 1.0));
        let of_second: Vec<f64> =
            rows.iter().filter(|([_, x, _], _)| *x > 5.0).map(|([t, ..], _)| *t).collect();
        // Of the plan's mass, 1 and 3, the cell that dies has none. Six standard errors of a share and of a mean.
        let (share, mean) =
            (of_second.len() as f64 / count as f64, of_second.iter().sum::<f64>() / of_second.len() as f64);
        assert!((share - 0.75).abs() < 6.0 * (0.75 * 0.25 / count as f64).sqrt(), "{share}");
        assert!((mean - 0.5).abs() < 6.0 * (1.0 / 12.0 / of_second.len() as f64).sqrt(), "{mean}");
        assert!(rows.iter().all(|([_, x, _], _)| *x < 12.1));
        // By mass, the second pair has ∫ 9^r dr = 8/ln 9 beside 5 and the dying cell's third, and is met late.
        let rows = rows_of_two_pairs(PairWeighting::Mass, 0.0, count);
        let late: Vec<f64> =
            rows.iter().filter(|([_, x, _], _)| (5.0..15.0).contains(x)).map(|([t, ..], _)| *t).collect();
        let (got, want) =
            (late.len() as f64 / count as f64, 8.0 / 9f64.ln() / (8.0 / 9f64.ln() + 5.0 + 1.0 / 3.0));
        assert!((got - want).abs() < 6.0 * (0.25 / count as f64).sqrt(), "{got}, not {want}");
        assert!(late.iter().sum::<f64>() / late.len() as f64 > 0.6);
    }

    #[test]
    fn a_bandwidth_spreads_places_about_their_bridges_and_leaves_velocities() {
        let count = 40_000;
        let rows = rows_of_two_pairs(PairWeighting::Plan, 0.3, count);
        let (mut sum, mut squares) = (0.0, 0.0);
        for ([t, x, v], _) in &rows {
            // From 0 to 1, or from 10 to 12, in a time of 2.
            let (centre, speed) = if *x < 5.0 { (*t, 0.5) } else { (10.0 + 2.0 * t, 1.0) };
            assert!((v - speed).abs() < 1e-6, "{v}, not {speed}");
            sum += x - centre;
            squares += (x - centre).powi(2);
        }
        let (mean, variance) = (sum / count as f64, squares / count as f64);
        // Five standard errors: σ/√n, and σ²√(2/n).
        assert!(
            mean.abs() < 5.0 * 0.3 / 200.0 && (variance - 0.09).abs() < 5.0 * 0.09 * (2.0 / 4e4f64).sqrt()
        );
    }
}
