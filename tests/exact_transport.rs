//! The network simplex and the Wasserstein distances: independent values, closed forms, and its own certificate.

mod common;

use chreode::Error;
use chreode::evaluate::wasserstein::{wasserstein1, wasserstein2};
use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::transport::network_simplex::network_simplex;
use chreode::transport::{Cost, PointCloud, Problem, Solution};
use common::{cloud, fixture_cloud, normal, number, transport_cases};

const COSTS: [Cost; 3] = [Cost::Euclidean, Cost::HalfSquaredEuclidean, Cost::Wfr { delta: 10.0 }];

fn problem<'a>(source: &'a PointCloud, target: &'a PointCloud, cost: Cost) -> Problem<'a> {
    Problem { source, target, cost, source_penalty: f64::INFINITY, target_penalty: f64::INFINITY }
}

fn cost_of(problem: &Problem<'_>, i: usize, j: usize) -> f64 {
    let r2 =
        problem.source.point(i).iter().zip(problem.target.point(j)).map(|(x, y)| (x - y) * (x - y)).sum();
    problem.cost.of_squared_distance(r2)
}

/// Solves and checks all that makes an optimum: marginals, dual feasibility, complementary slackness, equal values.
fn certified(problem: &Problem<'_>) -> Solution {
    let solution = network_simplex(problem, &Stop::default()).unwrap();
    let (f, g) = (&solution.source_potential, &solution.target_potential);
    let (n, m) = (problem.source.len(), problem.target.len());
    let report = &solution.report;
    assert!(report.converged, "{report:?}");
    assert!(solution.plan.values.len() < n + m);
    assert!(solution.plan.values.iter().all(|v| *v > 0.0));
    assert!(report.source_residual < 1e-14 && report.target_residual < 1e-14, "{report:?}");
    // Potentials are sums of costs along the tree and carry the rounding of the largest of them.
    let largest = f.iter().chain(g).filter(|u| u.is_finite()).fold(0.0f64, |l, u| l.max(u.abs()));
    // Feasible up to the last bits of the three numbers (the cost is computed here in another order).
    for (i, f) in f.iter().enumerate() {
        for (j, g) in g.iter().enumerate() {
            let c = cost_of(problem, i, j);
            let rounding = 1e-14 * (f.abs() + g.abs() + c);
            assert!(c.is_infinite() || f + g <= c + rounding, "({i}, {j}): {f} + {g} > {c}");
        }
    }
    let mut primal = 0.0;
    for (i, j, mass) in solution.plan.entries() {
        let c = cost_of(problem, i, j);
        assert!((f[i] + g[j] - c).abs() <= 1e-12 * (largest + c), "({i}, {j}): {} + {} ≠ {c}", f[i], g[j]);
        primal += mass * c;
    }
    assert!((primal - report.primal).abs() <= 1e-12 * primal);
    assert!(report.gap >= 0.0 && report.dual == report.primal - report.gap, "{report:?}");
    solution
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    shorter
        .iter()
        .flat_map(|p| {
            (0..n).map(move |place| {
                let mut p = p.clone();
                p.insert(place, n - 1);
                p
            })
        })
        .collect()
}

#[test]
fn fixtures_are_met() {
    for case in transport_cases("emd") {
        let (a, b) = (fixture_cloud(&case, "x", "a"), fixture_cloud(&case, "y", "b"));
        let (w1, w2) = (wasserstein1(&a, &b).unwrap(), wasserstein2(&a, &b).unwrap());
        approx::assert_relative_eq!(w1, number(&case, "w1"), max_relative = 1e-10);
        approx::assert_relative_eq!(w2 * w2, number(&case, "w2_squared"), max_relative = 1e-10);
    }
}

#[test]
fn optimum_is_certified_for_every_shape_and_cost() {
    for (case, (n, m, d)) in [
        (1, 1, 1),
        (1, 9, 2),
        (9, 1, 3),
        (2, 2, 1),
        (5, 40, 2),
        (40, 5, 100),
        (150, 130, 1),
        (120, 350, 2),
        (130, 130, 20),
    ]
    .into_iter()
    .enumerate()
    {
        let seed = case as u64;
        let (x, y) = (normal(seed, n * d), normal(100 + seed, m * d));
        let weights = |seed, k: usize| -> Vec<f64> {
            let raw: Vec<f64> = normal(seed, k).iter().map(|w| w.abs()).collect();
            raw.iter().map(|w| 3.0 * w / raw.iter().sum::<f64>()).collect()
        };
        for cost in COSTS {
            let (a, b) = (cloud(&x, d, None).normalised(), cloud(&y, d, None).normalised());
            certified(&problem(&a, &b, cost));
            let (a, b) =
                (cloud(&x, d, Some(&weights(seed + 7, n))), cloud(&y, d, Some(&weights(seed + 9, m))));
            certified(&problem(&a, &b, cost));
        }
    }
}

#[test]
fn weightless_points_get_feasible_potentials_and_no_mass() {
    let (x, y) = (normal(1, 60), normal(2, 80));
    let a: Vec<f64> = (0..30).map(|i| if i % 3 == 0 { 0.0 } else { 1.0 / 20.0 }).collect();
    let b: Vec<f64> = (0..40).map(|j| if j % 2 == 0 { 0.0 } else { 1.0 / 20.0 }).collect();
    for cost in COSTS {
        let (source, target) = (cloud(&x, 2, Some(&a)), cloud(&y, 2, Some(&b)));
        let solution = certified(&problem(&source, &target, cost));
        assert!(solution.plan.entries().all(|(i, j, _)| i % 3 != 0 && j % 2 != 0));
        // Not only feasible but tight: the potential of a weightless source is its c-transform.
        for i in (0..30).step_by(3) {
            let tight = (0..40)
                .map(|j| cost_of(&problem(&source, &target, cost), i, j) - solution.target_potential[j])
                .fold(f64::INFINITY, f64::min);
            approx::assert_relative_eq!(solution.source_potential[i], tight, epsilon = 1e-12);
        }
    }
}

#[test]
fn ties_duplicates_and_collinear_points_are_no_trouble() {
    let grid = |n: usize, shift: f64| -> Vec<f64> {
        (0..n * n).flat_map(|k| [(k / n) as f64 + shift, (k % n) as f64]).collect()
    };
    let line =
        |n: usize, slope: f64| -> Vec<f64> { (0..n).flat_map(|k| [k as f64, slope * k as f64]).collect() };
    let duplicates: Vec<f64> = (0..300).flat_map(|k| [(k % 3) as f64, 0.0]).collect();
    let same = vec![2.5; 400];
    for (x, y) in [
        (grid(17, 0.0), grid(17, 3.0)),
        (grid(13, 0.0), grid(15, 1.0)),
        (line(200, 0.5), line(170, 0.5)),
        (line(200, 0.5), line(200, -0.5)),
        (duplicates.clone(), grid(12, 0.0)),
        (duplicates.clone(), duplicates),
        (same.clone(), same),
    ] {
        for cost in COSTS {
            let (a, b) = (cloud(&x, 2, None).normalised(), cloud(&y, 2, None).normalised());
            // δ must reach across the grid for the WFR cost to be finite.
            let cost = if let Cost::Wfr { .. } = cost { Cost::Wfr { delta: 200.0 } } else { cost };
            certified(&problem(&a, &b, cost));
        }
    }
}

#[test]
fn a_cloud_is_at_distance_zero_from_itself() {
    let x = normal(3, 500);
    let reversed: Vec<f64> = x.chunks(2).rev().flatten().copied().collect();
    let (a, b) = (cloud(&x, 2, None), cloud(&reversed, 2, None));
    assert_eq!(wasserstein1(&a, &b).unwrap(), 0.0);
    assert_eq!(wasserstein2(&a, &b).unwrap(), 0.0);
}

#[test]
fn scale_does_not_matter() {
    let (x, y) = (normal(4, 2 * 150), normal(5, 2 * 170));
    let at_scale = |s: f64| {
        let scaled = |x: &[f64]| x.iter().map(|x| s * x).collect::<Vec<f64>>();
        let (a, b) = (cloud(&scaled(&x), 2, None).normalised(), cloud(&scaled(&y), 2, None).normalised());
        certified(&problem(&a, &b, Cost::Euclidean)).report.primal / s
    };
    let one = at_scale(1.0);
    for s in [1e30, 1e-30, 1e140] {
        approx::assert_relative_eq!(at_scale(s), one, max_relative = 1e-12);
    }
    // A tiny cloud far away, and one outlier beyond everything.
    let far: Vec<f64> = x.iter().map(|x| 1e30 + 1e20 * x).collect();
    let (a, b) = (cloud(&far, 2, None), cloud(&far[..200], 2, None));
    certified(&problem(&a.normalised(), &b.normalised(), Cost::Euclidean));
    let (mut x, mut y) = (x, y);
    x[0] = 1e30;
    y[0] = -1e30;
    let (a, b) = (cloud(&x, 2, None).normalised(), cloud(&y, 2, None).normalised());
    certified(&problem(&a, &b, Cost::Euclidean));
    certified(&problem(&a, &b, Cost::HalfSquaredEuclidean));
}

#[test]
fn one_dimension_agrees_with_sorting() {
    for n in [1, 2, 101, 1500] {
        let (x, y) = (normal(6, n), normal(7, n));
        let sorted = |x: &[f64]| {
            let mut x = x.to_vec();
            x.sort_by(f64::total_cmp);
            x
        };
        let (xs, ys) = (sorted(&x), sorted(&y));
        let mean = |p: i32| xs.iter().zip(&ys).map(|(x, y)| (x - y).abs().powi(p)).sum::<f64>() / n as f64;
        let (a, b) = (cloud(&x, 1, None), cloud(&y, 1, None));
        approx::assert_relative_eq!(wasserstein1(&a, &b).unwrap(), mean(1), max_relative = 1e-12);
        approx::assert_relative_eq!(wasserstein2(&a, &b).unwrap(), mean(2).sqrt(), max_relative = 1e-12);
    }
}

#[test]
fn small_assignments_agree_with_brute_force() {
    for seed in 0..60u64 {
        let n = 1 + (seed as usize) % 7;
        let (a, b) = (cloud(&normal(seed, 3 * n), 3, None), cloud(&normal(1000 + seed, 3 * n), 3, None));
        // The last δ leaves some pairs out of reach: some of these problems have a finite plan, some none.
        for cost in COSTS.into_iter().chain([Cost::Wfr { delta: 1.0 }]) {
            let problem = problem(&a, &b, cost);
            let best = permutations(n)
                .iter()
                .map(|p| (0..n).map(|i| cost_of(&problem, i, p[i])).sum::<f64>())
                .fold(f64::INFINITY, f64::min);
            if best.is_finite() {
                approx::assert_relative_eq!(certified(&problem).report.primal, best, max_relative = 1e-12);
            } else {
                assert!(matches!(network_simplex(&problem, &Stop::default()), Err(Error::Infeasible(_))));
            }
        }
    }
}

#[test]
fn infinite_costs_are_avoided_where_possible_and_reported_where_not() {
    // With πδ = 1.57: each source reaches the targets at distance 0 and 1, so only the staircase plan is finite.
    let (x, y): (Vec<f64>, Vec<f64>) = (0..40).map(|k| (f64::from(k), f64::from(k) + 1.0)).unzip();
    let (a, b) = (cloud(&x, 1, None), cloud(&y, 1, None));
    let solution = certified(&problem(&a, &b, Cost::Wfr { delta: 0.5 }));
    assert!(solution.plan.entries().all(|(i, j, _)| i == j));
    // A large problem that near pairs alone cannot route.
    let (x, y): (Vec<f64>, Vec<f64>) = (0..700).map(|k| (f64::from(k), f64::from(k) + 1.0)).unzip();
    let (a, b) = (cloud(&x, 1, None), cloud(&y, 1, None));
    let solution = certified(&problem(&a, &b, Cost::Wfr { delta: 0.5 }));
    assert!(solution.plan.entries().all(|(i, j, _)| i == j));

    let unreachable = |a: &PointCloud, b: &PointCloud| match network_simplex(
        &problem(a, b, Cost::Wfr { delta: 0.5 }),
        &Stop::default(),
    ) {
        Err(Error::Infeasible(message)) => assert!(message.contains("infinite cost"), "{message}"),
        other => panic!("{other:?}"),
    };
    // One point out of reach, all points out of reach, and all within reach of some point but not at once.
    unreachable(&cloud(&[0.0, 9.0], 1, None), &cloud(&[0.0, 1.0], 1, None));
    unreachable(&cloud(&[0.0, 1.0], 1, None), &cloud(&[5.0, 6.0], 1, None));
    unreachable(&cloud(&[0.0, 1.0, 5.0], 1, None), &cloud(&[0.5, 5.0, 5.5], 1, None));
    let y: Vec<f64> = x.iter().map(|x| x + 2.0).collect();
    unreachable(&a, &cloud(&y, 1, None));
}

#[test]
fn a_point_out_of_reach_without_weight_is_no_obstacle() {
    let (a, b) = (cloud(&[0.0, 50.0], 1, Some(&[1.0, 0.0])), cloud(&[0.5, -50.0], 1, Some(&[1.0, 0.0])));
    let solution = certified(&problem(&a, &b, Cost::Wfr { delta: 1.0 }));
    assert_eq!(solution.source_potential[1], f64::INFINITY);
    assert_eq!(solution.plan.values, [1.0]);
}

#[test]
fn what_cannot_be_solved_is_refused() {
    let (a, b) = (cloud(&[0.0], 1, None), cloud(&[1.0, 2.0], 1, None));
    let one = cloud(&[1.0, 2.0], 2, None);
    assert!(matches!(
        network_simplex(&problem(&a, &b, Cost::Euclidean), &Stop::default()),
        Err(Error::Infeasible(_))
    ));
    let soft = Problem { source_penalty: 1.0, ..problem(&a, &b, Cost::Euclidean) };
    assert!(matches!(network_simplex(&soft, &Stop::default()), Err(Error::InvalidArgument { .. })));
    assert!(matches!(wasserstein1(&a, &one), Err(Error::InvalidArgument { .. })));
}

#[test]
fn totals_that_differ_by_rounding_are_accepted() {
    let (x, y) = (normal(8, 90), normal(9, 90));
    let a = cloud(&x, 1, Some(&[1.0 / 90.0; 90]));
    let b = cloud(&y, 1, Some(&[(1.0 + 5e-10) / 90.0; 90]));
    let solution = certified(&problem(&a, &b, Cost::Euclidean));
    approx::assert_relative_eq!(solution.report.primal, wasserstein1(&a, &b).unwrap(), max_relative = 1e-9);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (a, b) = (cloud(&normal(10, 5 * 400), 5, None), cloud(&normal(11, 5 * 400), 5, None));
    let solve = || network_simplex(&problem(&a, &b, Cost::HalfSquaredEuclidean), &Stop::default()).unwrap();
    let one = with_threads(1, solve).unwrap();
    for threads in [2, 4] {
        assert_eq!(with_threads(threads, solve).unwrap(), one);
    }
}

#[test]
fn thousands_of_points_take_seconds() {
    let (a, b) = (cloud(&normal(12, 3 * 3000), 3, None), cloud(&normal(13, 3 * 2000), 3, None));
    let start = std::time::Instant::now();
    certified(&problem(&a.normalised(), &b.normalised(), Cost::Euclidean));
    // About a second on two busy cores; the bound is for slow machines.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn ties_among_thousands_of_points_and_outliers_do_not_slow_it_down() {
    let start = std::time::Instant::now();
    let same = cloud(&vec![1.0; 4000], 2, None).normalised();
    assert_eq!(certified(&problem(&same, &same, Cost::Euclidean)).report.primal, 0.0);
    // To points 1e30 away, all others look alike.
    let (mut x, mut y) = (normal(14, 4000), normal(15, 4000));
    x[..400].iter_mut().for_each(|x| *x *= 1e30);
    y[3700..].iter_mut().for_each(|y| *y *= 1e30);
    let (a, b) = (cloud(&x, 2, None).normalised(), cloud(&y, 2, None).normalised());
    certified(&problem(&a, &b, Cost::Euclidean));
    certified(&problem(&a, &b, Cost::HalfSquaredEuclidean));
    // About a second on two busy cores, and a minute if coincident points all asked for the same partners.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn extreme_weights_are_no_trouble() {
    for scale in [1e-300, 1.0, 1e307] {
        let (a, b) = (
            cloud(&[0.0, 1.0], 1, Some(&[scale; 2])),
            cloud(&[0.5, 1.0, 9.0], 1, Some(&[scale, scale, 0.0])),
        );
        let report = network_simplex(&problem(&a, &b, Cost::Euclidean), &Stop::default()).unwrap().report;
        assert!(report.converged);
        approx::assert_relative_eq!(report.primal, 0.5 * scale, max_relative = 1e-14);
    }
}

#[test]
fn weights_over_twenty_orders_of_magnitude_have_the_right_value() {
    for (x, y, weights, want) in [
        ([0.0, 1e20], [0.0, 2e20], [1e9, 1e-9], 1e11),
        ([0.0, 1.0], [0.0, 1000.0], [1e10, 1e-10], 9.99e-8),
        ([0.0, 1.0], [0.0, 1e25], [1e11, 1e-11], 1e14),
    ] {
        let (a, b) = (cloud(&x, 1, Some(&weights)), cloud(&y, 1, Some(&weights)));
        let report = network_simplex(&problem(&a, &b, Cost::Euclidean), &Stop::default()).unwrap().report;
        assert!(report.converged, "{report:?}");
        approx::assert_relative_eq!(report.primal, want, max_relative = 1e-12);
    }
    // The light points' mass is split among heavy ones, whose weights add up to the same total exactly.
    let a = cloud(&[0.0, 5.0], 1, Some(&[1e10, 1.0 / 1024.0]));
    let b = cloud(&[0.0, 0.0, 7.0], 1, Some(&[3e9, 7e9, 1.0 / 1024.0]));
    let report = network_simplex(&problem(&a, &b, Cost::Euclidean), &Stop::default()).unwrap().report;
    assert!(report.converged, "{report:?}");
    approx::assert_relative_eq!(report.primal, 2.0 / 1024.0, max_relative = 1e-12);
}

#[test]
fn coordinates_whose_squares_underflow_have_the_right_value() {
    for scale in [1e-200, 1e-290, 1e-160, 1e-140] {
        let (a, b) = (
            cloud(&[scale, 2.0 * scale, 0.0, 0.0], 2, None),
            cloud(&[4.0 * scale, 6.0 * scale, 0.0, scale], 2, None),
        );
        let report = network_simplex(&problem(&a, &b, Cost::Euclidean), &Stop::default()).unwrap().report;
        assert!(report.converged, "{report:?}");
        approx::assert_relative_eq!(report.primal, 6.0 * scale, max_relative = 1e-12);
        // With δ as small, the angles are those of the same points at δ = 10.
        let wfr = |a: &PointCloud, b: &PointCloud, delta| {
            network_simplex(&problem(a, b, Cost::Wfr { delta }), &Stop::default()).unwrap().report.primal
        };
        let (x, y) = (cloud(&[1.0, 2.0, 0.0, 0.0], 2, None), cloud(&[4.0, 6.0, 0.0, 1.0], 2, None));
        approx::assert_relative_eq!(wfr(&a, &b, 10.0 * scale), wfr(&x, &y, 10.0), max_relative = 1e-12);
    }
}
