//! What is known of cells beside where they are enters the couplings, and what follows is known in closed form.

mod common;

use chreode::Error;
use chreode::device::Device;
use chreode::exec::progress::silent;
use chreode::exec::stop::Stop;
use chreode::method::{Coupled, CouplingKind, FitOptions, Method, couple, fit};
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::transport::coupling::Coupling;
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::network_simplex::network_simplex;
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem, Solution};
use common::{cloud, normal};

/// Cells on a line: their places and weights at time 0 and at time `h`.
fn line(h: f64, before: &[(f64, f64)], after: &[(f64, f64)]) -> Snapshots {
    let cells: Vec<&(f64, f64)> = before.iter().chain(after).collect();
    let points: Vec<f64> = cells.iter().map(|cell| cell.0).collect();
    let weights: Vec<f64> = cells.iter().map(|cell| cell.1).collect();
    let times: Vec<f64> = (0..cells.len()).map(|i| if i < before.len() { 0.0 } else { h }).collect();
    let view = MatrixView::from_f64(&points, points.len(), 1).unwrap();
    Snapshots::new(view, &times, Some(&weights)).unwrap()
}

/// Growth rates of the cells at time 0; those at the end send nothing.
fn expecting(snapshots: &Snapshots, rates: &[f64]) -> Snapshots {
    let mut all = rates.to_vec();
    all.resize(snapshots.cells(), 0.0);
    snapshots.clone().with_growth_prior(&all).unwrap()
}

/// The couplings by a method of δ = 2, σ = 1, and these penalties.
fn coupled(snapshots: &Snapshots, method: Method, penalties: [Option<f64>; 2]) -> Coupled {
    let mut options = FitOptions::new(method);
    [options.source_penalty, options.target_penalty] = penalties;
    options.delta = Some(2.0);
    couple(snapshots, &options, &mut silent).unwrap()
}

fn close(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * want.abs(), "{got} for {want}");
}

/// What of every cell goes on to partners, and what dies or is born, is all that there is of it.
fn assert_conserves(snapshots: &Snapshots, couplings: &[Coupling]) {
    for (k, coupling) in couplings.iter().enumerate() {
        let mut sent = coupling.sent(snapshots.count(k));
        let mut received = coupling.received(snapshots.count(k + 1));
        coupling.dying.iter().for_each(|&(cell, mass)| sent[cell as usize] += mass);
        coupling.born.iter().for_each(|&(cell, mass)| received[cell as usize] += mass);
        for (got, want) in sent.iter().zip(snapshots.weights(k)) {
            close(*got, *want, 1e-12);
        }
        for (got, want) in received.iter().zip(snapshots.weights(k + 1)) {
            close(*got, *want, 1e-12);
        }
    }
}

#[test]
fn a_pair_alone_carries_the_mass_of_the_closed_form() {
    let (a, b, distance, h) = (1.5, 0.7, 1.25, 2.0); // a distance that single precision holds
    let alone = line(h, &[(0.0, a)], &[(distance, b)]);
    // −2 ln cos(r/2δ), and r²/2 with a penalty of 2δ².
    let cost = |method| match method {
        Method::UotFm => (0.5f64 * distance * distance, 8.0),
        _ => (-2.0 * (distance / 4.0).cos().ln(), 1.0),
    };
    for method in [Method::WfrFm, Method::UotFm] {
        for rate in [-0.9, 0.0, 0.4] {
            for penalties in [[None, None], [Some(5.0), None], [None, Some(0.3)], [Some(0.1), Some(20.0)]] {
                let (cost, own) = cost(method);
                let [kappa_a, kappa_b] = penalties.map(|kappa| kappa.unwrap_or(own));
                let expected = a * f64::exp(rate * h);
                let want = (expected.powf(kappa_a) * b.powf(kappa_b) * f64::exp(-cost))
                    .powf(1.0 / (kappa_a + kappa_b));
                let made = coupled(&expecting(&alone, &[rate]), method, penalties);
                // The tolerance of a fit's couplings is 1e-6 of the objective, which is stationary at the optimum; a forest of one
                // edge is solved in closed form.
                close(made.report.couplings[0][0].transported_mass, want, 1e-12);
                let [pair] = made.couplings[0].pairs[..] else { panic!("{made:?}") };
                close(pair.sent, a, 1e-14);
                close(pair.received, b, 1e-14);
            }
        }
    }
}

/// An infinite source penalty sends a e^{ĝ h}, all of which one cell receives: its partners share what it weighs in that proportion.
#[test]
fn an_infinite_source_penalty_makes_cells_grow_in_the_proportion_that_is_expected() {
    let (rates, h) = ([0.8, -0.5, 0.0, 0.3], 1.5);
    let weights = [1.0, 2.0, 0.5, 1.0];
    let places = [-1.0, -0.4, 0.3, 1.1];
    let before: Vec<(f64, f64)> = places.into_iter().zip(weights).collect();
    let snapshots = expecting(&line(h, &before, &[(0.0, 7.0)]), &rates);
    let all: f64 = weights.iter().zip(rates).map(|(a, rate)| a * f64::exp(rate * h)).sum();
    for method in [Method::WfrFm, Method::UotFm, Method::Vgfm] {
        let target = (method != Method::Vgfm).then_some(3.0);
        // Against a hard target the totals would have to agree.
        let hard = if method == Method::Vgfm { 1e9 } else { f64::INFINITY };
        let made = coupled(&snapshots, method, [Some(hard), target]);
        assert_conserves(&snapshots, &made.couplings);
        if method != Method::Vgfm {
            close(made.report.couplings[0][0].transported_mass, all, 1e-12);
            for pair in &made.couplings[0].pairs {
                let cell = pair.source as usize;
                close(pair.received / pair.sent, f64::exp(rates[cell] * h) * 7.0 / all, 1e-9);
            }
        }
    }
}

#[test]
fn with_both_marginals_hard_every_cell_grows_as_is_expected_of_it() {
    let (rates, h) = ([0.8, -0.5, 0.0, 0.3], 1.5);
    let expected = rates.map(|rate: f64| f64::exp(rate * h));
    let before = [-1.0, -0.4, 0.3, 1.1].map(|x| (x, 1.0));
    let share = expected.iter().sum::<f64>() / 3.0;
    let after = [-0.5, 0.2, 0.9].map(|x| (x, share));
    let snapshots = expecting(&line(h, &before, &after), &rates);
    let hard = Some(f64::INFINITY);
    for kind in [CouplingKind::Wfr, CouplingKind::UnbalancedOt, CouplingKind::EntropicWfr] {
        let mut options = FitOptions::new(Method::Usb);
        options.recipe = chreode::method::Recipe::custom(kind, chreode::method::BridgeKind::PoissonBrownian);
        (options.delta, options.sigma) = (Some(2.0), Some(0.5));
        [options.source_penalty, options.target_penalty] = [hard, hard];
        let made = couple(&snapshots, &options, &mut silent).unwrap();
        assert_conserves(&snapshots, &made.couplings);
        let coupling = &made.couplings[0];
        let mut received = [0.0; 4];
        coupling.pairs.iter().for_each(|pair| received[pair.source as usize] += pair.received);
        // Sweeps end at a gap of 1e-4, which moves masses by its root.
        let tolerance = if kind == CouplingKind::EntropicWfr { 1e-2 } else { 1e-12 };
        received.iter().zip(expected).for_each(|(got, want)| close(*got, want, tolerance));
    }
}

/// Two groups as large as each other that meet: what is expected of them decides where the cells in between come from.
#[test]
fn growth_that_is_expected_moves_growth_that_is_learned_the_more_the_stronger_it_binds() {
    let before: Vec<(f64, f64)> =
        (0..40).map(|i| (if i < 20 { -1.0 } else { 1.0 } + 0.01 * f64::from(i), 1.0)).collect();
    let after: Vec<(f64, f64)> = (0..60).map(|i| (-1.2 + 0.04 * f64::from(i), 1.0)).collect();
    let plain = line(1.0, &before, &after);
    let rates: Vec<f64> = (0..40).map(|i| if i < 20 { 0.7 } else { -0.7 }).collect();
    let snapshots = expecting(&plain, &rates);
    // By how much the left half grows, in logarithms, beyond the right half.
    let contrast = |snapshots: &Snapshots, penalties: [Option<f64>; 2], chunk_size: Option<usize>| {
        let mut options = FitOptions::new(Method::WfrFm);
        (options.delta, options.chunk_size) = (Some(1.0), chunk_size);
        [options.source_penalty, options.target_penalty] = penalties;
        let made = couple(snapshots, &options, &mut silent).unwrap();
        assert_conserves_in_blocks(snapshots, &made.couplings[0], chunk_size);
        let mut received = [0.0; 2];
        for pair in &made.couplings[0].pairs {
            received[usize::from(pair.source >= 20)] += pair.received;
        }
        (received[0] / received[1]).ln()
    };
    for chunk_size in [None, Some(30)] {
        let without = contrast(&plain, [None; 2], chunk_size);
        let of = |penalty: f64| contrast(&snapshots, [Some(penalty), None], chunk_size);
        let (weak, own, strong) = (of(0.1), of(1.0), of(100.0));
        assert!(without < weak && weak < own && own < strong, "{without} {weak} {own} {strong}");
        // Where cells that receive have no choice either, it is what is expected, to a share of cost over penalty.
        close(contrast(&snapshots, [Some(1e5), Some(1e3)], chunk_size), 1.4, 1e-2);
    }
}

/// In blocks, a block's targets are scaled to its share.
fn assert_conserves_in_blocks(snapshots: &Snapshots, coupling: &Coupling, chunk_size: Option<usize>) {
    if chunk_size.is_none() {
        assert_conserves(snapshots, std::slice::from_ref(coupling));
    }
    let (sent, (dying, born)) = (coupling.sent(snapshots.count(0)), coupling.unmatched_mass());
    close(sent.iter().sum::<f64>() + dying, snapshots.mass(0), 1e-12);
    close(coupling.received(snapshots.count(1)).iter().sum::<f64>() + born, snapshots.mass(1), 1e-12);
}

#[test]
fn a_growth_prior_is_refused_where_nothing_could_come_of_it() {
    let snapshots = expecting(&line(1.0, &[(0.0, 1.0), (1.0, 1.0)], &[(0.0, 1.0), (2.0, 1.0)]), &[0.1, 0.2]);
    for (method, why) in [
        (Method::OtCfm, "its coupling exact-ot has no source penalty"),
        (Method::Sf2m, "its coupling entropic-ot has no source penalty"),
        (Method::MioFlow, "it couples no cells"),
    ] {
        let told = fit(&snapshots, &FitOptions::new(method), &mut silent).unwrap_err().to_string();
        assert!(told.contains("growth prior") && told.contains(why), "{told}");
        assert!(
            told.contains("unbalanced-ot, semi-relaxed-ot, entropic-semi-relaxed-ot, wfr, entropic-wfr"),
            "{told}"
        );
    }
    let beyond = expecting(&line(100.0, &[(0.0, 1.0)], &[(0.0, 1.0)]), &[0.6]);
    let told = fit(&beyond, &FitOptions::new(Method::WfrFm), &mut silent).unwrap_err().to_string();
    assert!(told.contains("time 0, cell 1: a growth prior of 0.6 expects it to grow by e^60"), "{told}");
    for wrong in [&[0.1; 3][..], &[0.1, 0.2, f64::NAN, 0.0]] {
        assert!(snapshots.clone().with_growth_prior(wrong).is_err());
    }
    let mut options = FitOptions::new(Method::WfrFm);
    options.source_penalty = Some(-1.0);
    let told = couple(&snapshots, &options, &mut silent).unwrap_err();
    assert!(matches!(told, Error::InvalidArgument { name, .. } if name == "source_penalty"));
}

#[test]
fn what_is_known_of_cells_goes_with_them() {
    let rates = [0.1, 0.2, 0.3, 0.4];
    let all =
        line(1.0, &[(0.0, 1.0), (1.0, 1.0)], &[(0.0, 1.0), (2.0, 1.0)]).with_growth_prior(&rates).unwrap();
    assert_eq!(all.growth_prior(1), Some(&rates[2..]));
    assert_eq!(all.without(&[0.0]).unwrap().growth_prior(0), Some(&rates[2..]));
    let some = all.subset(&[vec![1, 0], vec![1]]).unwrap().with_masses(&[5.0, 2.0]).unwrap();
    assert_eq!((some.growth_prior(0), some.growth_prior(1)), (Some(&[0.2, 0.1][..]), Some(&[0.4][..])));
    assert_ne!(all, line(1.0, &[(0.0, 1.0), (1.0, 1.0)], &[(0.0, 1.0), (2.0, 1.0)]));
    assert_eq!(all.expected_weights(0, 2.0)[1], f64::exp(0.4));
    let clones = [Some(3), None, Some(3), Some(1)];
    let all = all.with_clones(&clones).unwrap();
    let some = all.subset(&[vec![1, 0], vec![1]]).unwrap();
    assert_eq!((some.clones(0), some.clones(1)), (Some(&[None, Some(3)][..]), Some(&[Some(1)][..])));
    assert_eq!(all.without(&[0.0]).unwrap().clones(0), Some(&clones[2..]));
}

/// Cells of three clones of any sizes, and of none, in the plane.
struct Barcoded {
    places: Vec<f64>,
    weights: Vec<f64>,
    clones: Vec<Option<u32>>,
}

impl Barcoded {
    /// Of each of `sizes`, so many cells; the last are of no known clone.
    fn new(seed: u64, sizes: &[usize], unknown: usize) -> Self {
        let count = sizes.iter().sum::<usize>() + unknown;
        let mut clones: Vec<Option<u32>> = (0u32..)
            .zip(sizes)
            .flat_map(|(clone, &size)| std::iter::repeat_n(Some(clone), size))
            .chain(std::iter::repeat_n(None, unknown))
            .collect();
        // In no order.
        let order: Vec<f64> = normal(seed + 100, count);
        let mut places: Vec<usize> = (0..count).collect();
        places.sort_by(|&a, &b| order[a].total_cmp(&order[b]));
        clones = places.iter().map(|&i| clones[i]).collect();
        let weights = normal(seed + 200, count).iter().map(|x| 1.0 + 0.3 * x.tanh()).collect();
        Self { places: normal(seed, 2 * count), weights, clones }
    }

    fn whole(&self, penalty: f64) -> PointCloud {
        cloud(&self.places, 2, Some(&self.weights)).with_clones(&self.clones, penalty).unwrap()
    }

    /// The cells of a clone, without it.
    fn of(&self, clone: Option<u32>) -> PointCloud {
        let rows: Vec<usize> = (0..self.clones.len()).filter(|&i| self.clones[i] == clone).collect();
        let places: Vec<f64> =
            rows.iter().flat_map(|&i| [self.places[2 * i], self.places[2 * i + 1]]).collect();
        cloud(&places, 2, Some(&rows.iter().map(|&i| self.weights[i]).collect::<Vec<_>>()))
    }

    /// Makes every clone weigh what it weighs in another.
    fn balance(&mut self, other: &Self) {
        let mass = |cells: &Self, clone: Option<u32>| cells.of(clone).mass();
        let factors: Vec<f64> =
            self.clones.iter().map(|&clone| mass(other, clone) / mass(self, clone)).collect();
        self.weights.iter_mut().zip(factors).for_each(|(w, factor)| *w *= factor);
    }
}

/// How a static problem is solved.
type Solve = fn(&Problem<'_>) -> chreode::Result<Solution>;

const STOP: fn() -> Stop = Stop::default;
const UNREGULARISED: Solve = |problem| {
    entropy_transport(problem, &EntropyTransportOptions { tolerance: 1e-12, ..Default::default() }, &STOP())
};
const EXACT: Solve = |problem| network_simplex(problem, &STOP());
const ENTROPIC: Solve = |problem| {
    sinkhorn(
        problem,
        &SinkhornOptions { tolerance: 1e-11, drop_below: 0.0, ..SinkhornOptions::new(0.05) },
        &STOP(),
    )
};

#[test]
fn where_clones_are_out_of_reach_the_optimum_is_the_sum_of_those_of_each_clone() {
    let hard = f64::INFINITY;
    // The first sizes are large enough for the solvers' coarse starts.
    for (seed, before, after) in
        [(1, [150, 200, 180], [160, 170, 210]), (2, [1, 7, 3], [4, 2, 9]), (3, [2, 30, 1], [1, 5, 60])]
    {
        let (source, target) = (Barcoded::new(seed, &before, 0), Barcoded::new(seed + 50, &after, 0));
        let mut balanced = Barcoded::new(seed + 50, &after, 0);
        balanced.balance(&source);
        let half = Cost::HalfSquaredEuclidean;
        for (name, cost, penalties, solve, target) in [
            ("exact", half, [hard, hard], EXACT, &balanced),
            ("exact euclidean", Cost::Euclidean, [hard, hard], EXACT, &balanced),
            ("unbalanced", half, [2.0, 0.7], UNREGULARISED, &target),
            ("semi-relaxed", half, [2.0, hard], UNREGULARISED, &target),
            ("wfr", Cost::Wfr { delta: 0.8 }, [1.0, 1.0], UNREGULARISED, &target),
            ("entropic", half, [hard, hard], ENTROPIC, &balanced),
            ("entropic unbalanced", half, [2.0, 0.7], ENTROPIC, &target),
            ("entropic semi-relaxed", half, [0.5, hard], ENTROPIC, &target),
            ("entropic wfr", Cost::Wfr { delta: 0.8 }, [1.0, 1.0], ENTROPIC, &target),
        ] {
            let solved = |source: &PointCloud, target: &PointCloud| {
                let [source_penalty, target_penalty] = penalties;
                let problem = Problem { source, target, cost, source_penalty, target_penalty };
                let solution = solve(&problem).unwrap();
                assert!(solution.report.converged, "{name} {seed}: {:?}", solution.report);
                solution
            };
            let whole = solved(&source.whole(hard), &target.whole(hard));
            let (mut sum, mut products) = (0.0, 0.0);
            for clone in 0..3 {
                let (a, b) = (source.of(Some(clone)), target.of(Some(clone)));
                sum += solved(&a, &b).report.primal;
                products += a.mass() * b.mass();
            }
            if name.starts_with("entropic") {
                // Pairs that cannot be joined pay what the reference measure has there.
                let (a, b) = (&source, &target);
                sum += 0.05 * (a.whole(hard).mass() * b.whole(hard).mass() - products);
            }
            close(whole.report.primal, sum, 1e-9);
            for (i, j, _) in whole.plan.entries() {
                assert_eq!(source.clones[i], target.clones[j], "{name} {seed}");
            }
        }
    }
}

/// Of four pairs of cells, and of cells without a clone, by hand.
#[test]
fn pairs_of_different_clones_cost_the_penalty_more_and_others_do_not() {
    let (a, b) = (cloud(&[0.0, 2.0, 5.0], 1, None), cloud(&[1.0, 2.5, 4.0], 1, None));
    let clones = ([Some(7), Some(1), None], [Some(1), None, Some(7)]);
    let base = [[0.5, 3.125, 8.0], [0.5, 0.125, 2.0], [8.0, 3.125, 0.5]];
    for penalty in [0.25, 3.0, 1e3] {
        let (source, target) =
            (a.clone().with_clones(&clones.0, penalty), b.clone().with_clones(&clones.1, penalty));
        let (source, target) = (source.unwrap(), target.unwrap());
        let added = |i: usize, j: usize| match (clones.0[i], clones.1[j]) {
            (Some(one), Some(other)) if one != other => penalty,
            _ => 0.0,
        };
        // The cheapest of the six permutations.
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let cost = |order: &[usize; 3]| (0..3).map(|i| base[i][order[i]] + added(i, order[i])).sum::<f64>();
        let want = orders.iter().map(cost).fold(f64::INFINITY, f64::min);
        let hard = f64::INFINITY;
        let cost = Cost::HalfSquaredEuclidean;
        let problem =
            Problem { source: &source, target: &target, cost, source_penalty: hard, target_penalty: hard };
        close(network_simplex(&problem, &STOP()).unwrap().report.primal, want, 1e-13);
        let soft = Problem { source_penalty: 1e4, target_penalty: 1e4, ..problem };
        close(UNREGULARISED(&soft).unwrap().report.primal, want, 1e-3);
    }
    let none = a.clone().with_clones(&clones.0, 0.0).unwrap();
    assert_eq!(none, a);
    assert!(a.clone().with_clones(&[None], 1.0).is_err() && a.clone().with_clones(&clones.0, -1.0).is_err());
    assert!(a.with_clones(&[Some(u32::MAX), None, None], 1.0).is_err());
}

#[test]
fn masses_that_no_plan_within_clones_can_bring_together_are_refused() {
    let hard = f64::INFINITY;
    let of = |clones: &[Option<u32>]| cloud(&[0.0, 1.0, 2.0], 1, None).with_clones(clones, hard).unwrap();
    for (before, after, fits) in [
        ([Some(0), Some(0), Some(1)], [Some(1), Some(0), Some(0)], true),
        ([Some(0), Some(0), Some(1)], [Some(1), Some(1), Some(0)], false),
        ([Some(0), Some(0), Some(1)], [None, Some(1), Some(0)], true),
        ([Some(0), None, Some(1)], [Some(1), Some(1), Some(0)], true),
        ([Some(0), Some(2), Some(1)], [Some(1), Some(3), Some(0)], false),
        ([None; 3], [Some(1), Some(3), Some(0)], true),
    ] {
        let (source, target) = (of(&before), of(&after));
        let cost = Cost::HalfSquaredEuclidean;
        let problem =
            Problem { source: &source, target: &target, cost, source_penalty: hard, target_penalty: hard };
        for solve in [EXACT, ENTROPIC] {
            match solve(&problem) {
                Ok(_) => assert!(fits, "{before:?} {after:?}"),
                Err(error) => {
                    assert!(!fits && matches!(error, Error::Infeasible(_)), "{before:?} {after:?} {error}");
                    assert!(error.to_string().contains("clone_penalty"), "{error}");
                }
            }
        }
    }
    let (source, target) = (of(&[None; 3]), cloud(&[0.0; 3], 1, None).with_clones(&[None; 3], 1.0).unwrap());
    let cost = Cost::Euclidean;
    let problem =
        Problem { source: &source, target: &target, cost, source_penalty: 1.0, target_penalty: 1.0 };
    assert!(UNREGULARISED(&problem).unwrap_err().to_string().contains("clone_penalty"));
}

/// Clones of the cells of all times.
fn barcoded(snapshots: &Snapshots, clone: impl Fn(usize) -> Option<u32>) -> Snapshots {
    let clones: Vec<Option<u32>> = (0..snapshots.cells()).map(clone).collect();
    snapshots.clone().with_clones(&clones).unwrap()
}

#[test]
fn a_fit_couples_clones_each_on_its_own_and_a_finite_price_is_paid_where_it_is_worth_it() {
    let places = |shift: f64| (0..30).map(|i| (shift + 0.1 * f64::from(i), 1.0)).collect::<Vec<_>>();
    let snapshots = line(1.0, &places(0.0), &places(0.4));
    // As many of each clone before as after, but in other places.
    let clone = |i: usize| (!i.is_multiple_of(5)).then_some(((i + i / 30) % 3) as u32);
    let cells = barcoded(&snapshots, clone);
    let joined = |snapshots: &Snapshots, method: Method, penalty: Option<f64>| {
        let mut options = FitOptions::new(method);
        options.clone_penalty = penalty;
        options.delta = options.recipe.takes("delta").then_some(1.0);
        let made = couple(snapshots, &options, &mut silent).unwrap();
        assert_conserves(snapshots, &made.couplings);
        let different = |pair: &&chreode::transport::coupling::Pair| {
            let (one, other) = (clone(pair.source as usize), clone(30 + pair.target as usize));
            one.is_some() && other.is_some() && one != other
        };
        made.couplings[0].pairs.iter().filter(different).map(|pair| pair.sent).sum::<f64>()
    };
    for method in [Method::OtCfm, Method::Sf2m, Method::UotFm, Method::Vgfm, Method::WfrFm, Method::Usb] {
        assert_eq!(joined(&cells, method, None), 0.0, "{method}");
        assert!(joined(&snapshots, method, None) > 1.0, "{method}");
        assert!(joined(&cells, method, Some(1e-3)) > 0.0, "{method}");
    }
}

#[test]
fn clones_are_refused_where_nothing_could_come_of_them_or_blocks_would_part_them() {
    let places: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i), 1.0)).collect();
    let plain = line(1.0, &places, &places);
    let cells = barcoded(&plain, |i| Some((i % 2) as u32));
    let told = |snapshots: &Snapshots, options: &FitOptions| {
        fit(snapshots, options, &mut silent).unwrap_err().to_string()
    };
    assert!(
        told(&cells, &FitOptions::new(Method::Tigon)).contains("left out with tigon: it couples no cells")
    );
    let mut options = FitOptions::new(Method::Usb);
    options.clone_penalty = Some(2.0);
    assert!(told(&plain, &options).contains("clone_penalty must be left out where no clones"));
    options.clone_penalty = Some(-2.0);
    assert!(told(&cells, &options).contains("clone_penalty must be positive"));
    options.clone_penalty = None;
    options.device = "cuda:0".parse().unwrap_or(options.device);
    if cfg!(feature = "cuda") {
        let refused = told(&cells, &options);
        assert!(refused.contains("device must be cpu or auto for couplings of cells of clones"), "{refused}");
    }
    options.device = Device::Auto;
    options.chunk_size = Some(7);
    let warnings = couple(&cells, &options, &mut silent).unwrap().report.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("coupled in random blocks")), "{warnings:?}");
    let many: Vec<(f64, f64)> = (0..6001).map(|i| (f64::from(i), 1.0)).collect();
    let many = barcoded(&line(1.0, &many, &places), |_| None);
    let refused = told(&many, &FitOptions::new(Method::Usb));
    assert!(
        refused.contains("chunk_size must be given") && refused.contains("6001 couples all"),
        "{refused}"
    );
    for wrong in [&[None; 3][..], &[Some(u32::MAX); 40]] {
        assert!(plain.clone().with_clones(wrong).is_err());
    }
}
