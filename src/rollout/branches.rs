//! How much of a population goes which way, and both together: the last two stages of BranchSBM (Tang et al., ICLR 2026).
//!
//! Every particle of the first snapshot goes all K ways, with weights of its own that begin as start_k and change by addition, dw_k/dt = g_k.
//! With means over particles, in the networks' units of length and the time from the first snapshot to the last as that of time, the loss is
//!
//! ```text
//! energy_weight 1/K Σ_k ∫ ⟨(Σ_c u_kc² G_c/d + g_k²) w_k⟩ dt
//!   + mass_weight 1/T Σ_t [⟨(Σ_k w_k(t) − m(t))²⟩ + Σ_k ⟨max(0, −w_k(t))⟩]
//!   + local_mass_weight 1/K Σ_k ⟨(w_k(1) − goal_k)²⟩
//!   + density_weight 1/K Σ_k ⟨max(0, distance at the end to the five nearest cells of part k, over √d, − hinge)⟩
//! ```
//!
//! over the T steps t of the solver, G being 1 or the metric of the cells of all snapshots, and m going from 1 to the goals' sum on a straight
//! line. With known ways the last term is a constant and left out. All of it is differentiated through the solver. The authors' public code takes the weights and the places at the end as given in the third
//! and the last term, which then say nothing.

use std::borrow::Cow;

use super::RolloutOptions;
use super::equations::Branch;
use super::path::{Cloud, Grid, PathWeights, Paths, Stepping};
use super::report::{RolloutReport, Term};
use super::snapshot::ScaledSnapshot;
use super::terms::{Objective, SnapshotCloud};
use crate::error::{Error, Result, fits_in_memory};
use crate::exec::progress::{Reporter, Stage};
use crate::exec::rng::{Purpose, stream, uniform};
use crate::exec::threads::Threads;
use crate::fields::{BranchWeight, Network, Role};
use crate::metric::CellMetric;
use crate::nn::Mlp;
use crate::simulate::resampling::systematic;
use crate::snapshots::Snapshots;
use crate::train::{Descent, Loss, TrainingOptions};
use crate::units::Scaling;

/// A way that a part of a population goes.
pub(crate) struct Way<'a> {
    /// The first snapshot and the cells of the last that it leads to.
    pub(crate) ends: &'a Snapshots,
    pub(crate) weight: BranchWeight,
    /// What its particles are to weigh at the end, for each unit of their founders' weight.
    pub(crate) goal: f64,
    pub(crate) velocity: Mlp,
    pub(crate) seed: u64,
}

/// The networks of every way, and how they were trained.
pub(crate) struct Weighed {
    pub(crate) networks: Vec<Vec<Network>>,
    pub(crate) report: RolloutReport,
    /// Why it ended early, if it did.
    pub(crate) stopped: Option<Error>,
}

/// The terms of the loss, in the order of their values.
const TERMS: [&str; 5] = ["energy", "mass", "negative_mass", "branch_mass", "density"];

/// Learns how much of a population goes each of the `ways`, and then, where there are steps for it, the ways together with that, at the price that
/// motion has in `metric`, or in the plane.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn weigh(
    ways: Vec<Way<'_>>,
    metric: Option<&CellMetric<'_>>,
    scaling: &Scaling,
    options: &RolloutOptions,
    training: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Weighed> {
    options.validate()?;
    let dims = scaling.centre.len();
    let sources = ways.iter().map(|way| training.silent_network(Role::Source, dims, way.seed));
    let mut sources = sources.collect::<Result<Vec<Mlp>>>()?;
    let mut velocities: Vec<Mlp> = ways.iter().map(|way| way.velocity.clone()).collect();
    let setting = Setting::new(&ways, scaling, options, training, seed)?;
    let descent = |stage, steps| Descent::new(stage, steps, training);
    let mut report = RolloutReport::default();
    let mut loss = WayLoss::new(&setting, metric, &velocities, &sources, false);
    let descended =
        descent(Stage::Growth, options.growth_epochs).run(&mut sources, &mut loss, threads, reporter);
    report.terms = Term::along(&TERMS, &loss.values, descended.losses.len());
    report.growth_losses = descended.losses;
    let mut stopped = descended.stopped;
    if stopped.is_none() && options.joint_epochs > 0 {
        let mut loss = WayLoss::new(&setting, metric, &velocities, &sources, true);
        let mut networks: Vec<Mlp> =
            velocities.iter().zip(&sources).flat_map(|(v, g)| [v.clone(), g.clone()]).collect();
        let descended =
            descent(Stage::Joint, options.joint_epochs).run(&mut networks, &mut loss, threads, reporter);
        report.terms = Term::along(&TERMS, &loss.values, descended.losses.len());
        (report.joint_losses, stopped) = (descended.losses, descended.stopped);
        let mut networks = networks.into_iter();
        for (velocity, source) in velocities.iter_mut().zip(&mut sources) {
            let both = networks.next().zip(networks.next());
            (*velocity, *source) = both.expect("two networks for each way");
        }
    }
    let of_way = |(velocity, source)| {
        vec![Network { role: Role::Velocity, mlp: velocity }, Network { role: Role::Source, mlp: source }]
    };
    Ok(Weighed { networks: velocities.into_iter().zip(sources).map(of_way).collect(), report, stopped })
}

/// What does not change from step to step.
struct Setting<'a> {
    dims: usize,
    /// The cells of the first snapshot.
    founders: ScaledSnapshot,
    /// The cells that each way leads to.
    ends: Vec<ScaledSnapshot>,
    weights: Vec<BranchWeight>,
    goals: Vec<f64>,
    grid: Grid,
    /// Of a step.
    particles: usize,
    cells: usize,
    stepping: Stepping,
    options: &'a RolloutOptions,
    density: Objective,
    seed: u64,
}

impl<'a> Setting<'a> {
    fn new(
        ways: &[Way<'_>],
        scaling: &Scaling,
        options: &'a RolloutOptions,
        training: &TrainingOptions,
        seed: u64,
    ) -> Result<Self> {
        let dims = scaling.centre.len();
        let of_way = |way: &Way<'_>, k: usize| ScaledSnapshot::new(way.ends, k, scaling, training.batch_size);
        let founders = of_way(&ways[0], 0)?;
        let particles = founders.weights.len().min(training.batch_size);
        let times = ways[0].ends.times();
        let steps = options.steps;
        // A mark after every step, since masses are compared there.
        let time = |step: usize| times[0] + (times[1] - times[0]) * step as f64 / steps as f64;
        let grid = Grid::new(&(0..=steps).map(time).collect::<Vec<_>>(), scaling, steps);
        let numbers = Paths::numbers(&grid, dims, particles).and_then(|one| one.checked_mul(2 * ways.len()));
        fits_in_memory("rollout_steps", steps, numbers)?;
        let weight = options.density_weight / ways.len() as f64;
        Ok(Self {
            dims,
            founders,
            ends: ways.iter().map(|way| of_way(way, 1)).collect::<Result<_>>()?,
            weights: ways.iter().map(|way| way.weight).collect(),
            goals: ways.iter().map(|way| way.goal).collect(),
            grid,
            particles,
            cells: training.batch_size,
            stepping: Stepping {
                scheme: options.scheme,
                resample_below: 0.0,
                detached: false,
                probes: None,
                seed,
            },
            options,
            density: Objective::of_density(options.density_hinge, weight),
            seed,
        })
    }

    /// Particles of equal weight at the first snapshot, drawn in proportion to what its cells weigh.
    fn start(&self, run: u64) -> Result<Cloud> {
        let offset = uniform(&mut stream(self.seed, Purpose::Branch, run, 1));
        let rows = systematic(&self.founders.weights, self.particles, offset)?;
        let (x, _) = self.founders.rows(&rows, self.dims);
        // Nothing has been added to the weights.
        Ok(Cloud { x, log_weight: vec![0.0; self.particles] })
    }

    /// The cells that a way leads to, or a sample of them.
    fn end(&self, way: usize, run: u64) -> Result<Cow<'_, SnapshotCloud>> {
        let end = &self.ends[way];
        if let Some(target) = &end.target {
            return Ok(Cow::Borrowed(target));
        }
        let rows = end.sample(self.cells, (self.seed, run, way as u64 + 1));
        let (x, weights) = end.rows(&rows, self.dims);
        Ok(Cow::Owned(SnapshotCloud::new(&x, &weights, self.dims, end.mass)?))
    }
}

/// The loss of the module, in the sources alone or in velocities and sources.
struct WayLoss<'a> {
    setting: &'a Setting<'a>,
    metric: Option<CellMetric<'a>>,
    /// Of each way, the velocity and the source.
    networks: Vec<[Mlp; 2]>,
    paths: Vec<Paths>,
    gradients: Vec<Vec<Vec<f32>>>,
    /// Of each way and step, the particles after it, and the loss's derivatives by them.
    states: Vec<Vec<Cloud>>,
    adjoints: Vec<Vec<Cloud>>,
    is_joint: bool,
    /// The terms' values, step after step.
    values: Vec<f64>,
}

impl<'a> WayLoss<'a> {
    fn new(
        setting: &'a Setting<'a>,
        metric: Option<&CellMetric<'a>>,
        velocities: &[Mlp],
        sources: &[Mlp],
        is_joint: bool,
    ) -> Self {
        let networks: Vec<[Mlp; 2]> =
            velocities.iter().zip(sources).map(|(v, g)| [v.clone(), g.clone()]).collect();
        let (n, dims, steps) = (setting.particles, setting.dims, setting.grid.intervals());
        let cloud = || Cloud { x: vec![0.0; n * dims], log_weight: vec![0.0; n] };
        let clouds = || networks.iter().map(|_| (0..steps).map(|_| cloud()).collect()).collect();
        let gradient = |network: &Mlp| vec![0.0; network.parameters().len()];
        Self {
            setting,
            metric: metric.cloned(),
            paths: networks.iter().map(|two| Paths::new(setting.grid.clone(), dims, n, two)).collect(),
            gradients: networks.iter().map(|two| two.iter().map(gradient).collect()).collect(),
            states: clouds(),
            adjoints: clouds(),
            networks,
            is_joint,
            values: vec![],
        }
    }

    /// What the networks' weights miss, with the derivatives by them: `mass`, `negative_mass` and `branch_mass`.
    fn compare_masses(&mut self) -> [f64; 3] {
        let Self { setting, states, adjoints, .. } = self;
        let (n, steps, ways) = (setting.particles, setting.grid.intervals(), states.len());
        let RolloutOptions { mass_weight, local_mass_weight, .. } = *setting.options;
        let (shares, ends) = ((n * steps) as f64, (n * ways) as f64);
        let total: f64 = setting.goals.iter().sum();
        let [mut mass, mut negative, mut of_branches] = [0.0; 3];
        for step in 0..steps {
            let wanted = 1.0 + (total - 1.0) * (step + 1) as f64 / steps as f64;
            for i in 0..n {
                let weight =
                    |way: usize| setting.weights[way].start + f64::from(states[way][step].log_weight[i]);
                let error = (0..ways).map(weight).sum::<f64>() - wanted;
                mass += error * error / shares;
                for (way, adjoints) in adjoints.iter_mut().enumerate() {
                    let mut slope = mass_weight * 2.0 * error / shares;
                    let own = weight(way);
                    if own < 0.0 {
                        negative -= own / shares;
                        slope -= mass_weight / shares;
                    }
                    if step + 1 == steps {
                        let miss = own - setting.goals[way];
                        of_branches += miss * miss / ends;
                        slope += local_mass_weight * 2.0 * miss / ends;
                    }
                    adjoints[step].log_weight[i] = slope as f32;
                }
            }
        }
        [mass, negative, of_branches]
    }

    /// How far the particles at the end are from the cells that they are led to, with the derivatives by their places.
    fn compare_places(&mut self, run: u64) -> Result<f64> {
        let Self { setting, states, adjoints, .. } = self;
        let (last, even) = (setting.grid.intervals() - 1, -libm::log(setting.particles as f64) as f32);
        let mut mean = 0.0;
        for (way, (states, adjoints)) in states.iter_mut().zip(adjoints).enumerate() {
            // All particles count the same, whatever they weigh.
            let equal =
                Cloud { x: std::mem::take(&mut states[last].x), log_weight: vec![even; setting.particles] };
            let (value, derivative) =
                setting.density.compare(&equal, setting.end(way, run)?.as_ref(), None)?;
            mean += value[0] / setting.goals.len() as f64;
            adjoints[last].x = derivative.x;
            states[last].x = equal.x;
        }
        Ok(mean)
    }
}

impl Loss for WayLoss<'_> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let (setting, is_joint) = (self.setting, self.is_joint);
        let run = step as u64 * 2 + u64::from(is_joint);
        for (way, [velocity, source]) in self.networks.iter_mut().enumerate() {
            let take = |to: &mut Mlp, from: &Mlp| to.parameters_mut().copy_from_slice(from.parameters());
            if is_joint {
                take(velocity, &networks[2 * way]);
                take(source, &networks[2 * way + 1]);
            } else {
                take(source, &networks[way]);
            }
        }
        let start = setting.start(run)?;
        if let Some(metric) = &mut self.metric {
            metric.draw(run as usize);
        }
        for (way, paths) in self.paths.iter_mut().enumerate() {
            paths.forward(
                &Branch { weight: setting.weights[way], metric: self.metric.as_ref() },
                &self.networks[way],
                &setting.stepping,
                run,
                &start,
                &[],
            )?;
            for (step, state) in self.states[way].iter_mut().enumerate() {
                paths.end_of(step, state);
            }
        }
        let [mass, negative, of_branches] = self.compare_masses();
        let has_density = is_joint && setting.options.density_weight > 0.0;
        let density = if has_density { self.compare_places(run)? } else { 0.0 };
        let RolloutOptions { energy_weight, mass_weight, local_mass_weight, density_weight, .. } =
            *setting.options;
        let particles = (setting.particles * self.paths.len()) as f64;
        let weights = PathWeights { energy: energy_weight / particles, ..PathWeights::default() };
        let mut energy = 0.0;
        for (way, paths) in self.paths.iter_mut().enumerate() {
            let gradients = &mut self.gradients[way];
            gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
            let costs = paths.backward(
                &Branch { weight: setting.weights[way], metric: self.metric.as_ref() },
                &self.networks[way],
                &setting.stepping,
                run,
                &weights,
                &self.adjoints[way],
                None,
                gradients,
            );
            energy += costs.energy / particles;
        }
        self.values.extend([energy, mass, negative, of_branches, density]);
        Ok(energy_weight * energy
            + mass_weight * (mass + negative)
            + local_mass_weight * of_branches
            + density_weight * density)
    }

    fn gradient(&mut self, network: usize) -> &mut [f32] {
        if self.is_joint {
            &mut self.gradients[network / 2][network % 2]
        } else {
            &mut self.gradients[network][1]
        }
    }

    /// The terms' values.
    fn notes(&self) -> Vec<f64> {
        self.values.clone()
    }

    fn take_up(&mut self, notes: Vec<f64>) -> Result<()> {
        self.values = notes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::stop::Stop;
    use crate::metric::{self, Metric, MetricKind};
    use crate::nn::Activation;
    use crate::snapshots::MatrixView;

    /// Two ways, the first of which loses, to cells that weigh differently.
    fn look(look: impl Fn(&Setting<'_>, Option<&CellMetric<'_>>, &[Mlp], &[Mlp])) {
        let place = |i: usize, c: usize, shift: f64| ((i * 7 + c * 5) % 13) as f64 / 6.0 - 1.0 + shift;
        let ends = |shift: f64| {
            let points: Vec<f64> =
                (0..50).flat_map(|i| [0, 1].map(|c| place(i, c, if i < 23 { 0.0 } else { shift }))).collect();
            let labels: Vec<f64> = (0..50).map(|i| if i < 23 { 1.0 } else { 3.0 }).collect();
            let weights: Vec<f64> = (0..50).map(|i| 1.0 + (i % 3) as f64).collect();
            let view = MatrixView::from_f64(&points, 50, 2).unwrap();
            Snapshots::new(view, &labels, Some(&weights)).unwrap()
        };
        let (first, second) = (ends(1.5), ends(-1.0));
        let training = TrainingOptions {
            batch_size: 20,
            hidden: vec![9, 7],
            growth_hidden: None,
            activation: Activation::Tanh,
            ..TrainingOptions::default()
        };
        let options = RolloutOptions {
            scheme: super::super::Scheme::Euler,
            steps: 4,
            energy_weight: 0.3,
            mass_weight: 0.7,
            local_mass_weight: 1.1,
            density_weight: 0.9,
            ..RolloutOptions::DEFAULT
        };
        // As random as silent networks are not.
        let network = |role, seed| {
            let mut network = training.network(role, 2, seed).unwrap();
            network.parameters_mut().iter_mut().for_each(|p| *p *= 1.5);
            network
        };
        let way = |ends, start, gains, goal, seed| Way {
            ends,
            weight: BranchWeight { start, gains },
            goal,
            velocity: network(Role::Velocity, seed),
            seed,
        };
        let ways = vec![way(&first, 1.0, false, 0.6, 3), way(&second, 0.0, true, 0.9, 4)];
        let scaling = Scaling::of_ends(&first);
        let setting = Setting::new(&ways, &scaling, &options, &training, 5).unwrap();
        let velocities: Vec<Mlp> = ways.iter().map(|way| way.velocity.clone()).collect();
        let cells = metric::places(&second, &scaling, [0, 1]);
        let metric = Metric { kind: MetricKind::Land, width: 0.4, ridge: 0.1, centres: 1, kappa: 1.0 };
        let metric = CellMetric::new(metric, &cells, 2, (5, 1), &Stop::default()).unwrap();
        for metric in [None, Some(&metric)] {
            look(&setting, metric, &velocities, &[network(Role::Source, 3), network(Role::Source, 4)]);
        }
    }

    #[test]
    fn the_loss_has_the_right_gradient_in_sources_alone_and_with_velocities() {
        look(|setting, metric, velocities, sources| {
            for is_joint in [false, true] {
                let mut loss = WayLoss::new(setting, metric, velocities, sources, is_joint);
                let both = velocities.iter().zip(sources).flat_map(|(v, g)| [v.clone(), g.clone()]);
                let mut networks: Vec<Mlp> = if is_joint { both.collect() } else { sources.to_vec() };
                loss.evaluate(0, &networks).unwrap();
                let gradients: Vec<Vec<f32>> =
                    (0..networks.len()).map(|k| loss.gradient(k).to_vec()).collect();
                for which in 0..=networks.len() {
                    let along = |k: usize, i: usize| match which {
                        w if w == gradients.len() => ((i * 13 + k * 5) % 11) as f64 / 5.0 - 1.0,
                        w if w == k => f64::from(gradients[k][i]),
                        _ => 0.0,
                    };
                    let places = || {
                        gradients.iter().enumerate().flat_map(|(k, of)| (0..of.len()).map(move |i| (k, i)))
                    };
                    let length = places().map(|(k, i)| along(k, i).powi(2)).sum::<f64>().sqrt();
                    assert!(length > 0.0, "{which}: the gradient is zero");
                    let got: f64 =
                        places().map(|(k, i)| along(k, i) / length * f64::from(gradients[k][i])).sum();
                    let mut at = |step: f64| {
                        let before = networks.clone();
                        for (k, network) in networks.iter_mut().enumerate() {
                            for (i, parameter) in network.parameters_mut().iter_mut().enumerate() {
                                *parameter = (f64::from(*parameter) + step * along(k, i) / length) as f32;
                            }
                        }
                        let value = loss.evaluate(0, &networks).unwrap();
                        networks = before;
                        value
                    };
                    // Nearer than where other cells become the nearest ones.
                    let h = 2.5e-3;
                    let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    // As the gradients of rollouts: rounding of 1e-5, and the step's.
                    assert!(
                        (got - want).abs() < 2e-3 * want.abs() + 3e-4,
                        "{is_joint}, {which}: {got}, not {want}"
                    );
                }
            }
        });
    }

    #[test]
    fn the_terms_are_those_of_weights_that_are_added_to() {
        look(|setting, metric, velocities, sources| {
            // Sources that are the same everywhere: ln(1 + e^z), z = 1.
            let rate = (1.0 + 1f64.exp()).ln();
            let mut sources = sources.to_vec();
            for source in &mut sources {
                let last = source.architecture().layers().last().unwrap();
                let parameters = source.parameters_mut();
                parameters[last.weights()].fill(0.0);
                parameters[last.bias()].fill(1.0);
            }
            let mut loss = WayLoss::new(setting, metric, velocities, &sources, false);
            loss.evaluate(0, &sources).unwrap();
            let [_, mass, negative, of_branches, density] = loss.values[..] else { panic!("there are five") };
            // The one loses what the other gains: the sum stays 1, and is to become 1.5; the first is 1 − 1.313 at the end.
            let wanted = (1..=4).map(|j| (0.125 * f64::from(j)).powi(2)).sum::<f64>() / 4.0;
            let below = (1..=4).map(|j| (rate * f64::from(j) / 4.0 - 1.0).max(0.0)).sum::<f64>() / 4.0;
            let ends = ((1.0 - rate - 0.6).powi(2) + (rate - 0.9).powi(2)) / 2.0;
            for (got, want) in [(mass, wanted), (negative, below), (of_branches, ends), (density, 0.0)] {
                assert!((got - want).abs() < 1e-5, "{got}, not {want}");
            }
            assert!(below > 0.05);
        });
    }
}
