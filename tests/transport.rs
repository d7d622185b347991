//! Static transport: closed forms, certified gaps, and inputs at the edge of what makes sense.

use std::time::{Duration, Instant};

use chreode::Error;
use chreode::exec::rng::{Purpose, normals, stream};
use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::snapshots::MatrixView;
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::minibatch::couple;
use chreode::transport::network_simplex::network_simplex;
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem, Report, Solution};

fn cloud(points: &[f64], dims: usize, weights: &[f64]) -> PointCloud {
    PointCloud::new(MatrixView::from_f64(points, points.len() / dims, dims).unwrap(), Some(weights)).unwrap()
}

fn gaussian(n: usize, dims: usize, shift: f64, seed: u64) -> PointCloud {
    let mut rng = stream(seed, Purpose::Dataset, 0, 0);
    let mut points = vec![0.0; n * dims];
    normals(&mut rng, &mut points);
    points.iter_mut().for_each(|x| *x += shift);
    let mut weights = vec![0.0; n];
    normals(&mut rng, &mut weights);
    weights.iter_mut().for_each(|w| *w = 0.2 + w.abs());
    cloud(&points, dims, &weights)
}

fn problem<'a>(source: &'a PointCloud, target: &'a PointCloud, cost: Cost, penalty: f64) -> Problem<'a> {
    Problem { source, target, cost, source_penalty: penalty, target_penalty: penalty }
}

fn oet(source: &PointCloud, target: &PointCloud, cost: Cost, penalties: (f64, f64)) -> Solution {
    let problem = Problem { source, target, cost, source_penalty: penalties.0, target_penalty: penalties.1 };
    entropy_transport(&problem, &EntropyTransportOptions::default(), &Stop::default()).unwrap()
}

fn wfr(source: &PointCloud, target: &PointCloud, delta: f64) -> Solution {
    oet(source, target, Cost::Wfr { delta }, (1.0, 1.0))
}

/// Gap, dual feasibility, complementary slackness and the marginals that the potentials imply.
fn assert_certified(solution: &Solution, source: &PointCloud, target: &PointCloud, cost: Cost) {
    let report = &solution.report;
    assert!(report.converged, "{report:?}");
    assert!(report.gap >= 0.0 && report.gap <= 1e-9 * report.primal, "{report:?}");
    assert!(report.source_residual < 1e-6 && report.target_residual < 1e-6, "{report:?}");
    let (f, g) = (&solution.source_potential, &solution.target_potential);
    let squared = |i: usize, j: usize| -> f64 {
        source.point(i).iter().zip(target.point(j)).map(|(x, y)| (x - y) * (x - y)).sum()
    };
    let scale = f.iter().chain(g).filter(|p| p.is_finite()).fold(1.0f64, |m, p| m.max(p.abs()));
    for (i, f) in f.iter().enumerate().filter(|(i, _)| source.weights()[*i] > 0.0) {
        for (j, g) in g.iter().enumerate().filter(|(j, _)| target.weights()[*j] > 0.0) {
            let c = cost.of_squared_distance(squared(i, j));
            assert!(c == f64::INFINITY || f + g <= c + 1e-11 * scale, "infeasible at {i}, {j}");
        }
    }
    assert!(solution.plan.values.iter().all(|&v| v > 0.0 && v.is_finite()));
    assert!(solution.plan.values.len() < source.len() + target.len(), "the support is a forest");
}

#[test]
fn two_diracs_have_the_closed_form() {
    let delta = 0.7;
    for (distance, m0, m1) in
        [(0.0, 1.0, 4.0), (0.5, 1.0, 1.0), (1.9, 0.3, 2.0), (2.1, 5.0, 1.0), (3.0, 1.0, 2.0)]
    {
        let (a, b) = (cloud(&[0.0, 0.0], 2, &[m0]), cloud(&[distance, 0.0], 2, &[m1]));
        let solution = wfr(&a, &b, delta);
        let z: f64 = distance / (2.0 * delta);
        let cos = z.min(std::f64::consts::FRAC_PI_2).cos();
        let want = m0 + m1 - 2.0 * (m0 * m1).sqrt() * cos;
        // 2δ² times this is WFR²; beyond πδ all mass dies and is born.
        assert!(
            (solution.report.primal - want).abs() < 1e-12 * (m0 + m1),
            "{distance}: {:?}",
            solution.report
        );
        assert!((solution.report.dual - want).abs() < 1e-12 * (m0 + m1));
        let mass = (m0 * m1).sqrt() * cos;
        assert!((solution.report.transported_mass - mass).abs() < 1e-12);
    }
}

#[test]
fn large_delta_is_balanced_transport() {
    let (a, b) = (gaussian(40, 3, 0.0, 1).normalised(), gaussian(50, 3, 1.0, 2).normalised());
    let delta = 1e4;
    let unbalanced = 2.0 * delta * delta * wfr(&a, &b, delta).report.primal;
    let hard = Problem {
        source: &a,
        target: &b,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: f64::INFINITY,
        target_penalty: f64::INFINITY,
    };
    let balanced = network_simplex(&hard, &Stop::default()).unwrap().report.primal;
    // The first correction is of relative order W²/δ².
    assert!((unbalanced / balanced - 1.0).abs() < 1e-6, "{unbalanced} vs {balanced}");
}

#[test]
fn coincident_clouds_only_grow() {
    let a = gaussian(30, 2, 0.0, 3);
    let b = cloud(a.points(), 2, &a.weights().iter().map(|w| 4.0 * w).collect::<Vec<_>>());
    let report = wfr(&a, &b, 0.5).report;
    assert!((report.primal - a.mass()).abs() < 1e-12 * a.mass(), "(√4 − 1)² = 1 per unit: {report:?}");
}

#[test]
fn random_problems_are_solved_to_a_certificate() {
    for (seed, (n, m, dims, delta, shift)) in [
        (1, 1, 1, 1.0, 0.1),
        (1, 30, 2, 1.0, 0.5),
        (40, 1, 2, 0.6, 0.2),
        (80, 60, 1, 0.3, 1.0),
        (60, 90, 5, 1.0, 0.0),
    ]
    .into_iter()
    .enumerate()
    {
        let (a, b) = (gaussian(n, dims, 0.0, seed as u64), gaussian(m, dims, shift, 100 + seed as u64));
        assert_certified(&wfr(&a, &b, delta), &a, &b, Cost::Wfr { delta });
        for cost in [Cost::Euclidean, Cost::HalfSquaredEuclidean] {
            for penalties in [(0.3, 0.3), (2.0, 0.1), (1.0, f64::INFINITY), (f64::INFINITY, 5.0)] {
                assert_certified(&oet(&a, &b, cost, penalties), &a, &b, cost);
            }
        }
    }
}

#[test]
fn ties_do_not_cycle() {
    // Integer grids and copies of one point have degenerate plans everywhere.
    let grid: Vec<f64> = (0..100).flat_map(|i| [f64::from(i % 10), f64::from(i / 10)]).collect();
    let shifted: Vec<f64> = grid.iter().map(|x| x + 1.0).collect();
    let ones = vec![1.0; 100];
    let (a, b) = (cloud(&grid, 2, &ones), cloud(&shifted, 2, &ones));
    assert_certified(&wfr(&a, &b, 1.0), &a, &b, Cost::Wfr { delta: 1.0 });
    assert_certified(&oet(&a, &b, Cost::Euclidean, (1.0, 1.0)), &a, &b, Cost::Euclidean);
    let (a, b) = (cloud(&[2.0; 40], 2, &[1.0; 20]), cloud(&[2.0; 60], 2, &[0.5; 30]));
    assert_certified(&wfr(&a, &b, 1.0), &a, &b, Cost::Wfr { delta: 1.0 });
}

#[test]
fn entropic_values_tend_to_the_unregularised_ones() {
    let (a, b) = (gaussian(50, 2, 0.0, 7), gaussian(60, 2, 0.7, 8));
    let cost = Cost::Wfr { delta: 1.0 };
    let exact = wfr(&a, &b, 1.0).report.primal;
    let problem = Problem { source: &a, target: &b, cost, source_penalty: 1.0, target_penalty: 1.0 };
    let mut last = f64::INFINITY;
    for epsilon in [1e-1, 1e-2, 1e-3] {
        let options = SinkhornOptions { tolerance: 1e-7, ..SinkhornOptions::new(epsilon) };
        let solution = sinkhorn(&problem, &options, &Stop::default()).unwrap();
        assert!(solution.report.converged, "{:?}", solution.report);
        // The objective without its entropy term: an upper bound that falls to the optimum with ε.
        let (rows, columns) = (solution.plan.row_mass(), solution.plan.column_mass(b.len()));
        let kl = |mass: &[f64], w: &[f64]| -> f64 {
            mass.iter().zip(w).map(|(r, w)| if *r > 0.0 { r * (r / w).ln() - r + w } else { *w }).sum()
        };
        let value = solution.report.transport_cost + kl(&rows, a.weights()) + kl(&columns, b.weights());
        // 1e-7: what the dropped entries of the plan (1e-9 of a row each) and the gap (1e-9) may move.
        assert!(value > exact * (1.0 - 1e-7) && value < last, "{epsilon}: {value} vs {exact}");
        last = value;
    }
    assert!(last / exact - 1.0 < 5e-3, "{last} vs {exact}");
}

#[test]
fn points_out_of_reach_die_and_are_born() {
    let a = cloud(&[0.0, 0.1, 50.0], 1, &[1.0, 2.0, 3.0]);
    let b = cloud(&[0.05, -80.0], 1, &[1.0, 5.0]);
    for solution in [
        wfr(&a, &b, 1.0),
        sinkhorn(
            &Problem {
                source: &a,
                target: &b,
                cost: Cost::Wfr { delta: 1.0 },
                source_penalty: 1.0,
                target_penalty: 1.0,
            },
            &SinkhornOptions::new(1e-3),
            &Stop::default(),
        )
        .unwrap(),
    ] {
        assert!(solution.report.converged, "{:?}", solution.report);
        assert_eq!(solution.source_potential[2], f64::INFINITY);
        assert_eq!(solution.target_potential[1], f64::INFINITY);
        assert_eq!(solution.plan.row_mass()[2], 0.0);
        assert!(solution.report.primal > 8.0, "the mass out of reach costs itself: {:?}", solution.report);
    }
    // All out of reach: nothing moves, everything is destroyed and created.
    let far = cloud(&[1e3], 1, &[4.0]);
    let report = wfr(&a, &far, 1.0).report;
    assert_eq!(
        (report.primal, report.dual, report.transported_mass, report.converged),
        (10.0, 10.0, 0.0, true)
    );
}

#[test]
fn zero_weights_change_nothing() {
    let (a, b) = (gaussian(20, 2, 0.0, 11), gaussian(25, 2, 0.4, 12));
    let padded = |c: &PointCloud| {
        let points = [&[9.0, 9.0], c.points()].concat();
        cloud(&points, 2, &[&[0.0], c.weights()].concat())
    };
    let (a0, b0) = (padded(&a), padded(&b));
    assert_eq!(wfr(&a, &b, 1.0).report.primal, wfr(&a0, &b0, 1.0).report.primal);
    let entropic = |a: &PointCloud, b: &PointCloud| {
        let cost = Cost::HalfSquaredEuclidean;
        let problem = Problem { source: a, target: b, cost, source_penalty: 1.0, target_penalty: 2.0 };
        sinkhorn(&problem, &SinkhornOptions::new(0.1), &Stop::default()).unwrap().report.primal
    };
    let (plain, with_zeros) = (entropic(&a, &b), entropic(&a0, &b0));
    assert!((plain / with_zeros - 1.0).abs() < 1e-12, "{plain} vs {with_zeros}");
}

#[test]
fn extreme_scales_are_solved_or_refused() {
    // Lengths of 1e30 with a penalty of their own scale are the same problem.
    let (a, b) = (gaussian(30, 2, 0.0, 21), gaussian(35, 2, 0.5, 22));
    let scaled =
        |c: &PointCloud, s: f64| cloud(&c.points().iter().map(|x| x * s).collect::<Vec<_>>(), 2, c.weights());
    let plain = oet(&a, &b, Cost::HalfSquaredEuclidean, (0.5, 0.5)).report.primal;
    let (a30, b30) = (scaled(&a, 1e30), scaled(&b, 1e30));
    let huge = oet(&a30, &b30, Cost::HalfSquaredEuclidean, (0.5e60, 0.5e60)).report.primal;
    assert!((huge / 1e60 / plain - 1.0).abs() < 1e-9, "{huge} vs {plain}");
    // With a penalty of order one everything is too far: all mass dies.
    let report = oet(&a30, &b30, Cost::HalfSquaredEuclidean, (1.0, 1.0)).report;
    assert!((report.primal - (a.mass() + b.mass())).abs() < 1e-9 && report.converged, "{report:?}");
    // Semi-relaxed, the hard side must be served whatever the price: e^{1e60} has no floating-point value.
    let problem = Problem {
        source: &a30,
        target: &b30,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: 1.0,
        target_penalty: f64::INFINITY,
    };
    let refused = entropy_transport(&problem, &EntropyTransportOptions::default(), &Stop::default());
    assert!(matches!(refused, Err(Error::NonFinite(_))), "{refused:?}");
    assert!(PointCloud::new(MatrixView::from_f64(&[1e200], 1, 1).unwrap(), None).is_err());
    // A far-away origin loses nothing: differences are taken first.
    let away = |c: &PointCloud| {
        cloud(&c.points().iter().map(|x| x * 0.125 + 1048576.0).collect::<Vec<_>>(), 2, c.weights())
    };
    let near = |c: &PointCloud| {
        cloud(
            &c.points().iter().map(|x| (x * 0.125 + 1048576.0) - 1048576.0).collect::<Vec<_>>(),
            2,
            c.weights(),
        )
    };
    assert_eq!(wfr(&away(&a), &away(&b), 0.2).report.primal, wfr(&near(&a), &near(&b), 0.2).report.primal);
}

#[test]
fn tiny_epsilon_converges_or_says_that_it_did_not() {
    let (a, b) = (gaussian(40, 2, 0.0, 31), gaussian(40, 2, 0.5, 32));
    let cost = Cost::HalfSquaredEuclidean;
    for penalty in [1.0, f64::INFINITY] {
        let (a, b) = (a.clone().normalised(), b.clone().normalised());
        let problem =
            Problem { source: &a, target: &b, cost, source_penalty: penalty, target_penalty: penalty };
        for epsilon in [1e-4, 1e-6, 1e-9] {
            let options = SinkhornOptions { max_iterations: 3000, ..SinkhornOptions::new(epsilon) };
            let report = sinkhorn(&problem, &options, &Stop::default()).unwrap().report;
            assert!(report.primal.is_finite() && report.dual.is_finite(), "{report:?}");
            let met = report.gap.abs() <= 1e-9 * report.primal.abs();
            assert!(!report.converged || met, "claims to have converged: {report:?}");
        }
    }
}

#[test]
fn the_bound_on_sweeps_is_exact() {
    let (a, b) = (gaussian(40, 2, 0.0, 33), gaussian(50, 2, 0.5, 34));
    let cost = Cost::HalfSquaredEuclidean;
    let problem = Problem { source: &a, target: &b, cost, source_penalty: 1.0, target_penalty: 2.0 };
    let bounded = |max_iterations| {
        sinkhorn(
            &problem,
            &SinkhornOptions { max_iterations, ..SinkhornOptions::new(1e-2) },
            &Stop::default(),
        )
        .unwrap()
    };
    let free = bounded(10_000);
    let needed = free.report.iterations;
    assert!(free.report.converged && needed > 20, "{:?}", free.report);
    for max_iterations in (1..20).chain([needed - 1]) {
        let report = bounded(max_iterations).report;
        assert_eq!((report.iterations, report.converged), (max_iterations, false));
        assert!(report.gap.is_finite() && report.gap > 0.0, "{report:?}");
    }
    assert_eq!(bounded(needed), free);
}

#[test]
fn bad_problems_are_refused_by_name() {
    let (a, b) = (cloud(&[0.0], 1, &[1.0]), cloud(&[1.0], 1, &[2.0]));
    let hard = f64::INFINITY;
    let problem = |cost, rho_a, rho_b| Problem {
        source: &a,
        target: &b,
        cost,
        source_penalty: rho_a,
        target_penalty: rho_b,
    };
    let argument = |result: chreode::Result<Solution>, name: &str| match result {
        Err(Error::InvalidArgument { name: got, .. }) => assert_eq!(got, name),
        other => panic!("expected a complaint about {name}, got {other:?}"),
    };
    let default = EntropyTransportOptions::default();
    argument(
        entropy_transport(&problem(Cost::Wfr { delta: -1.0 }, 1.0, 1.0), &default, &Stop::default()),
        "delta",
    );
    argument(
        entropy_transport(&problem(Cost::Euclidean, 0.0, 1.0), &default, &Stop::default()),
        "source_penalty",
    );
    argument(
        entropy_transport(&problem(Cost::Euclidean, 1.0, f64::NAN), &default, &Stop::default()),
        "target_penalty",
    );
    argument(
        sinkhorn(&problem(Cost::Euclidean, 1.0, 1.0), &SinkhornOptions::new(0.0), &Stop::default()),
        "epsilon",
    );
    let infeasible = |result| assert!(matches!(result, Err(Error::Infeasible(_))), "{result:?}");
    infeasible(sinkhorn(&problem(Cost::Euclidean, hard, hard), &SinkhornOptions::new(0.1), &Stop::default()));
    infeasible(entropy_transport(&problem(Cost::Wfr { delta: 0.1 }, 1.0, hard), &default, &Stop::default()));
    infeasible(sinkhorn(
        &problem(Cost::Wfr { delta: 0.1 }, hard, 1.0),
        &SinkhornOptions::new(0.1),
        &Stop::default(),
    ));
}

#[test]
fn threads_do_not_change_a_bit() {
    let (a, b) = (gaussian(700, 3, 0.0, 41), gaussian(600, 3, 0.5, 42));
    let solve = |threads: usize| {
        chreode::exec::threads::with_threads(threads, || {
            let problem = Problem {
                source: &a,
                target: &b,
                cost: Cost::HalfSquaredEuclidean,
                source_penalty: 1.0,
                target_penalty: 1.0,
            };
            (wfr(&a, &b, 1.0), sinkhorn(&problem, &SinkhornOptions::new(0.1), &Stop::default()).unwrap())
        })
        .unwrap()
    };
    let one = solve(1);
    assert_eq!(one, solve(2));
    assert_eq!(one, solve(4));
}

/// How long after a request for it, made 0.3 s after the start, `solve` stops.
fn time_to_stop(solve: impl FnOnce(&Stop) -> chreode::Result<()> + Send) -> Duration {
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let (seen, started) = (stop.clone(), Instant::now());
        let solver = scope.spawn(move || (solve(&seen), started.elapsed()));
        std::thread::sleep(Duration::from_millis(300));
        let requested = started.elapsed();
        stop.request();
        let (result, ended) = solver.join().unwrap();
        assert_eq!(result, Err(Error::Cancelled));
        ended - requested
    })
}

#[test]
fn every_solver_stops_when_it_is_asked_to() {
    let (a, b) = (gaussian(6000, 3, 0.0, 51).normalised(), gaussian(6000, 3, 0.5, 52).normalised());
    let problem = |cost, penalty| Problem {
        source: &a,
        target: &b,
        cost,
        source_penalty: penalty,
        target_penalty: penalty,
    };
    let hard = problem(Cost::HalfSquaredEuclidean, f64::INFINITY);
    let soft = problem(Cost::Wfr { delta: 1.0 }, 1.0);
    let times = [
        time_to_stop(|stop| sinkhorn(&hard, &SinkhornOptions::new(1e-2), stop).map(drop)),
        time_to_stop(|stop| entropy_transport(&soft, &Default::default(), stop).map(drop)),
        time_to_stop(|stop| network_simplex(&hard, stop).map(drop)),
        time_to_stop(|stop| {
            let solve = |a: &PointCloud, b: &PointCloud| {
                let problem = Problem { source: a, target: b, ..soft };
                entropy_transport(&problem, &Default::default(), stop)
            };
            with_threads(2, || couple((&a, &b), Some(3000), (1, 0), &solve, stop, &|_, _| ()).map(drop))?
        }),
    ];
    // 0.1 s on an idle machine with a few cores, of which the tests beside this one leave it a part.
    assert!(times.iter().all(|time| *time < Duration::from_secs(1)), "{times:?}");
}

fn points(points: &[(f64, f64)]) -> PointCloud {
    let coordinates: Vec<f64> = points.iter().flat_map(|&(x, y)| [x, y]).collect();
    cloud(&coordinates, 2, &vec![1.0; points.len()])
}

fn entropic(source: &PointCloud, target: &PointCloud, penalty: f64, epsilon: f64) -> Solution {
    let cost = Cost::HalfSquaredEuclidean;
    let problem = Problem { source, target, cost, source_penalty: penalty, target_penalty: penalty };
    sinkhorn(&problem, &SinkhornOptions::new(epsilon), &Stop::default()).unwrap()
}

/// The certificate of any solver: it says that it converged, to a gap that is one.
fn assert_closed(report: &Report, tolerance: f64) {
    assert!(report.converged, "{report:?}");
    assert!(report.gap >= 0.0 && report.gap <= tolerance * report.primal, "{report:?}");
}

#[test]
fn small_penalties_converge() {
    let (a, b) = (cloud(&[4.0, 0.0], 1, &[1.0; 2]), cloud(&[0.0, 1.0], 1, &[1.0; 2]));
    let report = oet(&a, &b, Cost::HalfSquaredEuclidean, (0.01, 0.01)).report;
    assert_closed(&report, 1e-9);
    // The pair at 0 is coincident, the others die: 0.02 − 0.02 e^−225.
    assert!((report.primal - 0.02).abs() < 1e-14, "{report:?}");
    for penalty in [1.0, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9] {
        for seed in 0..5 {
            let (a, b) = (gaussian(30, 2, 0.0, 60 + seed), gaussian(30, 2, 0.3, 70 + seed));
            for cost in [Cost::HalfSquaredEuclidean, Cost::Euclidean, Cost::Wfr { delta: 1.0 }] {
                assert_certified(&oet(&a, &b, cost, (penalty, penalty)), &a, &b, cost);
            }
        }
    }
}

#[test]
fn penalties_as_large_as_hard_marginals_converge_to_them() {
    let (a, b) = (cloud(&[0.0, 1.0], 1, &[1.0; 2]), cloud(&[1.0, 3.0], 1, &[1.0; 2]));
    for penalty in [1e8, 1e10, 1e13, 1e16, 1e100, 1e300] {
        let report = oet(&a, &b, Cost::HalfSquaredEuclidean, (penalty, penalty)).report;
        assert_closed(&report, 1e-9);
        // The costs ½ and 2, less the square of potentials over penalties.
        assert!((report.primal - 2.5).abs() < 10.0 / penalty + 1e-12, "{penalty}: {report:?}");
    }
    let (a, b) = (gaussian(30, 2, 0.0, 81).normalised(), gaussian(40, 2, 0.5, 82).normalised());
    let hard = problem(&a, &b, Cost::Euclidean, f64::INFINITY);
    let exact = network_simplex(&hard, &Stop::default()).unwrap().report.primal;
    for (penalty, other) in [(1e9, 1e9), (1e11, 1e11), (1e14, 1e14), (1e14, f64::INFINITY), (1e40, 1e30)] {
        let report = oet(&a, &b, Cost::Euclidean, (penalty, other)).report;
        assert_closed(&report, 1e-9);
        assert!((report.primal / exact - 1.0).abs() < 1e-7, "{penalty}: {report:?}");
    }
    // Totals of 1 and 2 cost ρ(√2 − 1)², whatever the transport.
    let twice = cloud(b.points(), 2, &b.weights().iter().map(|w| 2.0 * w).collect::<Vec<_>>());
    let report = oet(&a, &twice, Cost::Euclidean, (1e14, 1e14)).report;
    assert_closed(&report, 1e-9);
    let want = 1e14 * (2.0f64.sqrt() - 1.0).powi(2);
    assert!((report.primal / want - 1.0).abs() < 1e-12, "{report:?}");
}

#[test]
fn an_outlier_does_not_make_a_number_of_nothing() {
    let a = points(&[
        (-0.7, -0.2),
        (1.7, 0.7),
        (-1.6, 0.0),
        (-0.6, 0.1),
        (0.2, 1.6),
        (0.3, 0.5),
        (-1.9, 1.1),
        (-0.3, -0.9),
    ]);
    let b = points(&[
        (-0.7, -0.7),
        (0.4, -0.1),
        (0.0, -0.9),
        (-0.3, 0.2),
        (-1.5, 1.0),
        (0.2, 1.0),
        (1.0, -1.0),
        (-0.8, -0.2),
        (-10.0, -10.0),
    ]);
    let report = entropic(&a, &b, 1.0, 1e-3).report;
    assert_closed(&report, 1e-9);
    assert!((report.primal - 3.134_062_448_526_8).abs() < 1e-8, "{report:?}");
}

#[test]
fn small_regularisation_converges_between_hard_marginals() {
    for (n, dims) in [(30, 2), (100, 2), (300, 2), (100, 1), (100, 10)] {
        let (a, b) = (gaussian(n, dims, 0.0, 91).normalised(), gaussian(n, dims, 0.5, 92).normalised());
        let exact =
            network_simplex(&problem(&a, &b, Cost::HalfSquaredEuclidean, f64::INFINITY), &Stop::default());
        let exact = exact.unwrap().report.primal;
        let mut last = f64::INFINITY;
        for epsilon in [1.0, 0.1, 1e-2, 1e-3, 1e-4] {
            let Solution { report, plan, .. } = entropic(&a, &b, f64::INFINITY, epsilon);
            assert_closed(&report, 1e-9);
            // The objective falls with ε to the exact one, which lies at most ε ln n below.
            assert!(report.primal < last && report.primal > exact, "{epsilon}: {report:?}, exact {exact}");
            assert!(
                report.primal - exact < 2.0 * epsilon * (n as f64).ln(),
                "{epsilon}: {report:?}, {exact}"
            );
            last = report.primal;
            let columns = plan.column_mass(b.len());
            let off: f64 = columns.iter().zip(b.weights()).map(|(c, b)| (c - b).abs()).sum();
            assert!(off < 1e-7, "{epsilon}: the columns miss their marginal by {off}");
        }
    }
}

#[test]
fn one_hard_marginal_is_met_on_either_side() {
    let (a, b) = (gaussian(40, 2, 0.0, 93), gaussian(50, 2, 0.5, 94));
    let cost = Cost::HalfSquaredEuclidean;
    let solve = |source, target, source_penalty, target_penalty| {
        let problem = Problem { source, target, cost, source_penalty, target_penalty };
        sinkhorn(&problem, &SinkhornOptions::new(0.05), &Stop::default()).unwrap()
    };
    let (forward, backward) = (solve(&a, &b, f64::INFINITY, 0.7), solve(&b, &a, 0.7, f64::INFINITY));
    assert_closed(&forward.report, 1e-9);
    assert_eq!(forward.report.primal, backward.report.primal);
    assert_eq!(forward.source_potential, backward.target_potential);
    for (mass, weight) in backward.plan.column_mass(a.len()).iter().zip(a.weights()) {
        assert!((mass / weight - 1.0).abs() < 1e-12);
    }
    assert_eq!(backward.plan.rows(), b.len());
}

#[test]
fn wide_weights_have_the_right_value() {
    let a = cloud(&[-1.4, -0.9, 0.4, -0.5, 0.5, 0.8, -1.4, 1.0], 2, &[1e-7, 10.0, 1e4, 1e11]);
    let b = cloud(&[-0.1, 2.6, 1.2, 0.0, 0.7, 0.7, 0.8, 1.9], 2, &[1e11, 1e-4, 1e-7, 1e10]);
    let solution = wfr(&a, &b, 1.0);
    assert_certified(&solution, &a, &b, Cost::Wfr { delta: 1.0 });
    assert!((solution.report.primal / 104_497_166_828.0 - 1.0).abs() < 1e-11, "{:?}", solution.report);
    // Weights over forty orders of magnitude, on a grid full of ties.
    let mut rng = stream(1, Purpose::Dataset, 0, 9);
    for seed in 0..200 {
        let mut draw = |n: usize| -> (Vec<f64>, Vec<f64>) {
            let mut numbers = vec![0.0; 3 * n];
            normals(&mut rng, &mut numbers);
            let weights = numbers[2 * n..].iter().map(|x| 10f64.powf((10.0 * x).clamp(-20.0, 20.0)));
            (numbers[..2 * n].iter().map(|x| x.round()).collect(), weights.collect())
        };
        let ((x, u), (y, v)) = (draw(9), draw(7));
        let (a, b) = (cloud(&x, 2, &u), cloud(&y, 2, &v));
        let penalty = 10f64.powi(seed % 7 - 3);
        for cost in [Cost::Euclidean, Cost::HalfSquaredEuclidean, Cost::Wfr { delta: 0.8 }] {
            assert_closed(&oet(&a, &b, cost, (penalty, penalty)).report, 1e-9);
        }
    }
}

#[test]
fn one_pair_has_its_closed_form_at_any_regularisation() {
    let cost = 0.5;
    let solve = |weights: (f64, f64), penalties: (f64, f64), epsilon: f64| {
        let (a, b) = (cloud(&[0.0], 1, &[weights.0]), cloud(&[1.0], 1, &[weights.1]));
        let (source_penalty, target_penalty) = penalties;
        let cost = Cost::HalfSquaredEuclidean;
        let problem = Problem { source: &a, target: &b, cost, source_penalty, target_penalty };
        sinkhorn(&problem, &SinkhornOptions::new(epsilon), &Stop::default()).unwrap().report
    };
    let hard = f64::INFINITY;
    for share in (-3..=15).map(|power| 10f64.powi(power)).chain([3e2, 7e2, 1e40, 1e200]) {
        let epsilon = share * cost;
        let check = |report: Report, want: f64| {
            assert!(report.converged && report.primal >= report.dual, "{share}: {report:?}");
            assert!((report.primal / want - 1.0).abs() < 1e-9, "{share}: {report:?}, not {want}");
            assert!((report.dual / want - 1.0).abs() < 1e-9, "{share}: {report:?}, not {want}");
        };
        // A hard marginal of one leaves no choice, and no entropy.
        check(solve((1.0, 1.0), (hard, hard), epsilon), cost);
        for penalty in [1e-2, 1.0, 1e4] {
            check(solve((1.0, 1.0), (hard, penalty), epsilon), cost);
            check(solve((1.0, 1.0), (penalty, hard), epsilon), cost);
            // With T = ρ_a + ρ_b + ε the mass is e^{−C/T} where the weights' product is one; at weights of two and a half,
            // ρ/2 is paid whatever the costs.
            let total = 2.0 * penalty + epsilon;
            let want = -total * (-cost / total).exp_m1();
            check(solve((1.0, 1.0), (penalty, penalty), epsilon), want);
            check(solve((2.0, 0.5), (penalty, penalty), epsilon), want + 0.5 * penalty);
        }
        // The product measure has four times the mass of the plan.
        check(solve((4.0, 4.0), (hard, hard), epsilon), 4.0 * cost + epsilon * (12.0 - 4.0 * 4f64.ln()));
    }
}

#[test]
fn large_regularisation_is_the_product_plan() {
    let (a, b) = (gaussian(40, 2, 0.0, 101).normalised(), gaussian(50, 2, 0.5, 102).normalised());
    let cost = |i: usize, j: usize| -> f64 {
        a.point(i).iter().zip(b.point(j)).map(|(x, y)| 0.5 * (x - y) * (x - y)).sum()
    };
    let (u, v) = (a.weights(), b.weights());
    let of_row: Vec<f64> = (0..40).map(|i| (0..50).map(|j| v[j] * cost(i, j)).sum()).collect();
    let of_column: Vec<f64> = (0..50).map(|j| (0..40).map(|i| u[i] * cost(i, j)).sum()).collect();
    let mean: f64 = of_row.iter().zip(u).map(|(c, u)| c * u).sum();
    // What no potentials explain of the costs: the first correction is −variance/(2ε).
    let pairs = (0..40).flat_map(|i| (0..50).map(move |j| (i, j)));
    let left = |(i, j)| u[i] * v[j] * (cost(i, j) - of_row[i] - of_column[j] + mean).powi(2);
    let variance: f64 = pairs.map(left).sum();
    for penalty in [f64::INFINITY, 1e9] {
        for share in [1e3, 3e3, 1e4, 1e5, 1e6, 1e9, 1e12, 1e15, 1e50] {
            let epsilon = share * mean;
            let report = entropic(&a, &b, penalty, epsilon).report;
            assert_closed(&report, 1e-9);
            // What is left is the second correction, of relaxed marginals mean²/(2 (2ρ + ε)), and the gap.
            let off = (report.primal - (mean - variance / (2.0 * epsilon))).abs() / mean;
            let relaxed = if penalty.is_finite() { mean / (2.0 * penalty + epsilon) } else { 0.0 };
            assert!(off < 1e-9 + 5.0 / share / share + relaxed, "{penalty} {share}: off by {off:e}");
            assert!(report.dual >= report.primal * (1.0 - 1e-9), "{report:?}");
        }
    }
}

#[test]
fn relaxed_problems_of_any_weights_converge() {
    let mut rng = stream(5, Purpose::Dataset, 0, 9);
    for case in 0..1000 {
        let mut numbers = vec![0.0; 6];
        normals(&mut rng, &mut numbers);
        let (n, m) = (2 + (numbers[0].abs() * 15.0) as usize, 2 + (numbers[1].abs() * 15.0) as usize);
        let (dims, width) = (1 + case % 3, 4.0 * numbers[2].abs());
        let mut points = |n: usize| {
            let mut x = vec![0.0; n * (dims + 1)];
            normals(&mut rng, &mut x);
            let weights: Vec<f64> = x[n * dims..].iter().map(|x| 10f64.powf(width * x)).collect();
            cloud(&x[..n * dims], dims, &weights)
        };
        let (a, b) = (points(n), points(m));
        let epsilon = 10f64.powf(1.5 * numbers[3] - 1.0);
        // Penalties from ε to 10⁹ ε.
        let penalty = |x: f64| epsilon * 10f64.powf(9.0 * (x.abs() / 2.0).min(1.0));
        let (source_penalty, target_penalty) = (penalty(numbers[4]), penalty(numbers[5]));
        let cost = [Cost::HalfSquaredEuclidean, Cost::Euclidean][case % 2];
        let problem = Problem { source: &a, target: &b, cost, source_penalty, target_penalty };
        let report = sinkhorn(&problem, &SinkhornOptions::new(epsilon), &Stop::default()).unwrap().report;
        assert!(report.converged && report.gap >= 0.0, "{case}, ε = {epsilon:e}: {report:?}");
        assert!(report.gap <= 1e-9 * report.primal, "{case}, ε = {epsilon:e}: {report:?}");
    }
}

#[test]
fn a_coupling_in_blocks_tells_how_far_from_the_whole_it_is() {
    let (a, b) = (gaussian(600, 2, 0.0, 111), gaussian(600, 2, 1.0, 112));
    // Equal weights, for blocks to have the whole's own.
    let even = |c: &PointCloud| cloud(c.points(), 2, &[1.0 / 600.0; 600]);
    let (a, b) = (even(&a), even(&b));
    let stop = Stop::default();
    let hard = f64::INFINITY;
    for (cost, penalty, epsilon) in [
        (Cost::HalfSquaredEuclidean, hard, 0.0),
        (Cost::HalfSquaredEuclidean, hard, 0.1),
        (Cost::HalfSquaredEuclidean, 2.0, 0.1),
        (Cost::Wfr { delta: 1.0 }, 1.0, 0.0),
    ] {
        let solve = |a: &PointCloud, b: &PointCloud| {
            let problem = problem(a, b, cost, penalty);
            if epsilon > 0.0 {
                sinkhorn(&problem, &SinkhornOptions::new(epsilon), &stop)
            } else if penalty == hard {
                network_simplex(&problem, &stop)
            } else {
                entropy_transport(&problem, &EntropyTransportOptions::default(), &stop)
            }
        };
        let in_blocks = |chunk: Option<usize>| {
            let blocks = couple((&a, &b), chunk, (1, 0), &solve, &stop, &|_, _| ()).unwrap();
            let gap = blocks.whole_gap(&problem(&a, &b, cost, penalty), epsilon, (1, 0), &stop).unwrap();
            assert_eq!(gap.standard_error, 0.0);
            let count = blocks.reports.len() as f64;
            let primal: f64 = blocks.reports.iter().map(|report| report.primal).sum();
            // Against the product measure of the whole, not those of the blocks.
            (primal + epsilon * (1.0 - 1.0 / count), gap.relative)
        };
        let (best, gap_of_one) = in_blocks(None);
        assert!(gap_of_one <= 1e-9, "{gap_of_one}");
        for chunk in [300, 100] {
            let (primal, gap) = in_blocks(Some(chunk));
            let own = (primal - best) / primal;
            println!("{cost:?} {penalty} {epsilon} {chunk}: {own} {gap}");
            assert!(own > 0.0 && gap >= own - 1e-8, "{cost:?}, {chunk}: {gap} does not bound {own}");
            assert!(gap < 10.0 * own, "{cost:?}, {chunk}: {gap} says little of {own}");
        }
    }
    // A snapshot and itself, cell by random cell: the optimum is 0, and each block's gap, too.
    let solve = |a: &PointCloud, b: &PointCloud| {
        network_simplex(&problem(a, b, Cost::HalfSquaredEuclidean, hard), &stop)
    };
    let blocks = couple((&a, &a), Some(1), (1, 0), &solve, &stop, &|_, _| ()).unwrap();
    assert!(blocks.reports.iter().all(|report| report.relative_gap() < 1e-9));
    let whole = problem(&a, &a, Cost::HalfSquaredEuclidean, hard);
    assert_eq!(blocks.whole_gap(&whole, 0.0, (1, 0), &stop).unwrap().relative, 1.0);
}
