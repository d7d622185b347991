//! Distributions over cells pushed and pulled through the dynamics: against closed forms, and nothing is lost.

use chreode::exec::stop::Stop;
use chreode::exec::threads::Threads;
use chreode::fates::{FateOptions, Labels, descent, fates};
use chreode::fields::{ClosedForm, Fields};
use chreode::simulate::Particles;
use chreode::simulate::sde;
use chreode::simulate::simulation::Process;
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::transport::coupling::Carry;
use chreode::transport::couplings::Couplings;

/// An Ornstein–Uhlenbeck process, dX = −θ X dt + σ dW, of cells that are normal with mean 1 and deviation 0.5 at time 0, and grow at the
/// rate c x.
#[derive(Clone, Copy)]
struct Linear {
    theta: f64,
    sigma: f64,
    growth: f64,
}

const START: (f64, f64) = (1.0, 0.25);
const END: f64 = 0.8;

impl Linear {
    /// How much of a deviation is left at time t, and the variance of the noise since.
    fn spread(self, t: f64) -> (f64, f64) {
        let left = (-self.theta * t).exp();
        (left, self.sigma * self.sigma * (1.0 - left * left) / (2.0 * self.theta))
    }

    /// Mean and variance at a time, without growth.
    fn marginal(self, t: f64) -> (f64, f64) {
        let (left, noise) = self.spread(t);
        (START.0 * left, START.1 * left * left + noise)
    }

    /// As fields of the library: v is what is left of the drift without the score drift of the marginals.
    fn fields(self) -> ClosedForm {
        let score = move |t: f64, x: f64| {
            let (mean, variance) = self.marginal(t);
            -0.5 * self.sigma * self.sigma * (x - mean) / variance
        };
        ClosedForm {
            dims: 1,
            sigma: self.sigma,
            velocity: Box::new(move |t, x, v| {
                v[0] = (-self.theta * f64::from(x[0]) - score(t, x[0].into())) as f32;
            }),
            growth: Box::new(move |_, x| self.growth as f32 * x[0]),
            score_drift: Box::new(move |t, x, s| s[0] = score(t, x[0].into()) as f32),
        }
    }

    /// Cells on a grid at both times, weighed by the densities there.
    fn cells(self, count: usize) -> Snapshots {
        let (mut points, mut times, mut weights) = (vec![], vec![], vec![]);
        for (time, (mean, variance)) in [(0.0, START), (END, self.marginal(END))] {
            for i in 0..count {
                let z = 8.0 * (i as f64 + 0.5) / count as f64 - 4.0;
                points.push(mean + z * variance.sqrt());
                times.push(time);
                weights.push((-0.5 * z * z).exp());
            }
        }
        let view = MatrixView::from_f64(&points, points.len(), 1).unwrap();
        Snapshots::new(view, &times, Some(&weights)).unwrap()
    }
}

/// Mean and variance of masses on the cells of a time.
fn moments(snapshots: &Snapshots, k: usize, masses: &[f64]) -> (f64, f64) {
    let x = |i: usize| f64::from(snapshots.point(k, i)[0]);
    let all: f64 = masses.iter().sum();
    let mean = masses.iter().enumerate().map(|(i, m)| m * x(i)).sum::<f64>() / all;
    let square = masses.iter().enumerate().map(|(i, m)| m * (x(i) - mean).powi(2)).sum::<f64>() / all;
    (mean, square)
}

fn one(count: usize, cell: usize) -> Vec<f64> {
    let mut masses = vec![0.0; count];
    masses[cell] = 1.0;
    masses
}

fn found(fields: &dyn Fields, snapshots: &Snapshots, options: &FateOptions) -> Couplings {
    descent(fields, snapshots, options, &Stop::default()).unwrap().couplings
}

fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} for {want} ± {tolerance}");
}

/// Four standard errors of a mean over so many draws of this variance, and what a grid and the steps add.
fn within(variance: f64, draws: usize) -> f64 {
    4.0 * (variance / draws as f64).sqrt() + 2e-3
}

#[test]
fn pushed_and_pulled_cells_are_normal_with_the_moments_of_the_closed_form() {
    let linear = Linear { theta: 0.9, sigma: 0.6, growth: 0.0 };
    let (count, draws) = (400, 2000);
    let snapshots = linear.cells(count);
    let options = FateOptions { descendants: draws, neighbours: Some(1), seed: 5, ..FateOptions::default() };
    let couplings = found(&linear.fields(), &snapshots, &options);
    let (left, noise) = linear.spread(END);
    for cell in [120, 200, 260] {
        let x = f64::from(snapshots.point(0, cell)[0]);
        let pushed = couplings.carry(0, 1, &one(count, cell), Carry::Share).unwrap();
        let (mean, variance) = moments(&snapshots, 1, &pushed.masses);
        near(mean, x * left, within(noise, draws));
        // The variance of a variance is twice its square.
        near(variance, noise, within(2.0 * noise * noise, draws));
        assert!(pushed.lost[0] < 1e-12);
    }
    // Of all cells, the marginal.
    let pushed = couplings.carry(0, 1, snapshots.weights(0), Carry::Mass).unwrap();
    let ((mean, variance), want) = (moments(&snapshots, 1, &pushed.masses), linear.marginal(END));
    near(mean, want.0, 5e-3);
    near(variance, want.1, 5e-3);
    near(pushed.masses.iter().sum::<f64>() / snapshots.mass(0), 1.0, 1e-9);
    // A cell's ancestors are normal, too: of the joint normal distribution, the one given the other.
    let (_, total) = linear.marginal(END);
    let gain = START.1 * left / total;
    for cell in [150, 200, 240] {
        let y = f64::from(snapshots.point(1, cell)[0]);
        // About a tenth of the descendants of a few cells lie near: averaged over a few neighbours there is chance enough.
        let mut near_by = vec![0.0; count];
        near_by[cell - 3..=cell + 3].fill(1.0 / 7.0);
        let pulled = couplings.carry(1, 0, &near_by, Carry::Share).unwrap();
        near(pulled.masses.iter().sum::<f64>() + pulled.lost[0], 1.0, 1e-9);
        let (mean, variance) = moments(&snapshots, 0, &pulled.masses);
        near(mean, START.0 + gain * (y - START.0 * left), 0.02);
        near(variance, START.1 * noise / total, 0.02);
    }
}

/// Bayes' rule and the diffusion run backward, by the score, are one law of ancestors; also with growth, which drops out of it.
#[test]
fn ancestors_by_bayes_are_those_of_the_diffusion_run_backward() {
    let linear = Linear { theta: 0.5, sigma: 0.7, growth: 0.0 };
    let (count, draws) = (300, 1500);
    let snapshots = linear.cells(count);
    let options = FateOptions { descendants: draws, neighbours: Some(1), ..FateOptions::default() };
    let couplings = found(&linear.fields(), &snapshots, &options);
    for cell in [100, 170] {
        let mut near_by = vec![0.0; count];
        near_by[cell - 3..=cell + 3].fill(1.0);
        let pulled = couplings.carry(1, 0, &near_by, Carry::Share).unwrap();
        let (mean, variance) = moments(&snapshots, 0, &pulled.masses);
        let start = vec![snapshots.point(1, cell)[0]; 10_000];
        let start = Particles::new(END, 1, start, None).unwrap();
        let options = sde::Options::new(0.005, 3);
        let backward = sde::simulate(&linear.fields(), &start, &[0.0], &options, &Stop::default()).unwrap();
        let points: Vec<f64> = backward.frames[0].points.iter().map(|&x| x.into()).collect();
        let back = points.iter().sum::<f64>() / points.len() as f64;
        let spread = points.iter().map(|x| (x - back).powi(2)).sum::<f64>() / points.len() as f64;
        near(mean, back, 0.02);
        near(variance, spread, 0.02);
    }
}

/// d ln w = c X dt along an Ornstein–Uhlenbeck process: the mean of e^{c ∫ X dt} is that of a log-normal variable.
#[test]
fn mass_grows_as_the_closed_form_says() {
    let linear = Linear { theta: 0.8, sigma: 0.5, growth: 0.6 };
    let (count, draws) = (20, 20_000);
    let snapshots = linear.cells(count);
    let options = FateOptions { descendants: draws, step: Some(0.04), ..FateOptions::default() };
    let couplings = found(&linear.fields(), &snapshots, &options);
    let Linear { theta, sigma, growth } = linear;
    let left = (-theta * END).exp();
    let noise = END - 2.0 * (1.0 - left) / theta + (1.0 - left * left) / (2.0 * theta);
    let variance = (growth * sigma / theta).powi(2) * noise;
    for cell in [4, 10, 15] {
        let x = f64::from(snapshots.point(0, cell)[0]);
        let want = (growth * x * (1.0 - left) / theta + variance / 2.0).exp();
        let grown = couplings.carry(0, 1, &one(count, cell), Carry::Mass).unwrap();
        let all: f64 = grown.masses.iter().sum();
        near(all / want, 1.0, 4.0 * (variance.exp_m1() / draws as f64).sqrt() + 1e-3);
    }
}

/// Growth of either sign in two dimensions, and cells that weigh nothing.
fn mixed() -> (ClosedForm, Snapshots) {
    let fields = ClosedForm {
        dims: 2,
        sigma: 0.4,
        velocity: Box::new(|_, x, v| v.copy_from_slice(&[x[1].sin(), x[0].cos()])),
        growth: Box::new(|_, x| 1.5 * x[0].sin() - 0.4),
        score_drift: Box::new(|_, x, s| s.copy_from_slice(&[0.1 * x[0], 0.0])),
    };
    let points: Vec<f32> = (0..240).map(|i| (i as f32 * 0.7).sin() * 1.5).collect();
    let times: Vec<f64> = (0..120).map(|i| f64::from(i % 3)).collect();
    let weights: Vec<f64> = (0..120).map(|i| f64::from(i % 4)).collect();
    let view = MatrixView::from_f32(&points, 120, 2).unwrap();
    (fields, Snapshots::new(view, &times, Some(&weights)).unwrap())
}

#[test]
fn what_is_pushed_or_pulled_arrives_or_is_told_to_be_lost_and_grows_as_fates_say() {
    let (fields, snapshots) = mixed();
    let stop = Stop::default();
    for process in [Process::Ode, Process::Sde, Process::Branching] {
        let options = FateOptions { process, from: Some(0.0), descendants: 12, ..FateOptions::default() };
        let couplings = found(&fields, &snapshots, &options);
        assert_eq!((couplings.times(), couplings.counts()), (&[0.0, 2.0][..], &[40, 40][..]));
        // On cells that weigh nothing, too.
        let masses: Vec<f64> = (0..40).map(|i| 0.1 + f64::from(i % 5)).collect();
        for (from, to) in [(0, 1), (1, 0)] {
            let carried = couplings.carry(from, to, &masses, Carry::Share).unwrap();
            let all = carried.masses.iter().sum::<f64>() + carried.lost[0];
            near(all / masses.iter().sum::<f64>(), 1.0, 1e-9);
        }
        // With one label for all later cells, the numbers of fates are the growth of each cell.
        let labels = Labels::new(vec![Some(0); 120]).unwrap();
        let told = fates(&fields, &snapshots, &labels, &options, &stop).unwrap();
        let weights = snapshots.weights(0);
        let weighed = |of: &dyn Fn(usize) -> f64| (0..40).map(|i| weights[i] * of(i)).sum::<f64>();
        let grown = couplings.carry(0, 1, weights, Carry::Mass).unwrap();
        near(grown.masses.iter().sum::<f64>() / weighed(&|i| told.number.mean[i]), 1.0, 1e-9);
        near(grown.lost[0] / weighed(&|i| told.none.mean[i]), 1.0, 1e-9);
        assert!(grown.lost[0] > 1.0, "{process}");
        // Every cell's descendants are as many as fates say, and what it does not send dies.
        let sent = couplings.of_cells(0);
        for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            near((sent.sent[i] + sent.dying[i]) / weight, 1.0, 1e-12);
            let received: f64 =
                couplings[0].pairs.iter().filter(|p| p.source as usize == i).map(|p| p.received).sum();
            near(received, weight * told.number.mean[i], 1e-9);
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let (fields, snapshots) = mixed();
    for process in [Process::Ode, Process::Sde, Process::Branching] {
        let options = FateOptions { process, descendants: 40, seed: 9, ..FateOptions::default() };
        let by = |threads: usize| Threads::new(threads).unwrap().run(|| found(&fields, &snapshots, &options));
        assert!(by(1) == by(3), "{process}");
    }
}

#[test]
fn what_cannot_be_asked_for_is_named() {
    let (fields, snapshots) = mixed();
    let told = |options: FateOptions| {
        descent(&fields, &snapshots, &options, &Stop::default()).unwrap_err().to_string()
    };
    let options = FateOptions::default();
    assert!(
        told(FateOptions { to: Some(0.0), ..options })
            .starts_with("from must be before 0, the time of the descendants")
    );
    assert!(told(FateOptions { from: Some(2.0), ..options }).starts_with("from must be before 2"));
    assert!(told(FateOptions { from: Some(0.5), ..options }).contains("0.5"));
    assert!(
        told(FateOptions { neighbours: Some(31), ..options })
            .contains("between 1 and 30, the cells at time 2")
    );
    assert!(told(FateOptions { descendants: 1, ..options }).starts_with("descendants must be between 2"));
    let stop = Stop::default();
    stop.request();
    let cancelled = descent(&fields, &snapshots, &options, &stop).unwrap_err();
    assert!(matches!(cancelled, chreode::Error::Cancelled));
}
