//! The built-in data sets look like the published files, and are functions of their seed.

use std::path::PathBuf;

use chreode::datasets::{BranchingTree, GaussianMixture, GeneNetwork};
use chreode::snapshots::{MatrixView, Snapshots};

/// A published file from ../shared/data; where that is absent the test is skipped, aloud, but not in CI.
fn published(name: &str) -> Option<Snapshots> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing in CI", path.display());
        eprintln!("SKIPPED: {} is not there, so nothing was compared with it", path.display());
        return None;
    };
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(|x| x.parse().unwrap()).collect()).collect();
    let labels: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    let points: Vec<f64> = rows.iter().flat_map(|row| &row[1..]).copied().collect();
    let view = MatrixView::from_f64(&points, rows.len(), points.len() / rows.len()).unwrap();
    Some(Snapshots::new(view, &labels, None).unwrap())
}

/// Mean and standard deviation of each coordinate of snapshot `k`.
fn moments(snapshots: &Snapshots, k: usize) -> Vec<(f64, f64)> {
    let n = snapshots.count(k) as f64;
    let column = |c: usize| snapshots.cells_of(k).map(move |x| f64::from(x[c]));
    let of_column = |c| {
        let mean = column(c).sum::<f64>() / n;
        (mean, (column(c).map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
    };
    (0..snapshots.dims()).map(of_column).collect()
}

#[test]
fn gene_networks_have_the_expected_counts() {
    let runs: Vec<Snapshots> =
        (0..40).map(|seed| GeneNetwork { seed, ..Default::default() }.generate().unwrap()).collect();
    // Means and standard deviations over 1000 runs of a separate program that shares no code with this one,
    // not even the generator. (The specification says "about 440, 540, 717, 968", which is within one run's
    // spread but 15 above the mean at t = 3 and 4.)
    let reference = [(400.0, 0.0), (439.6, 7.0), (537.0, 15.2), (701.5, 26.5), (953.7, 44.6)];
    for (k, (expected, spread)) in reference.into_iter().enumerate() {
        let counts: Vec<f64> = runs.iter().map(|run| run.count(k) as f64).collect();
        let mean = counts.iter().sum::<f64>() / 40.0;
        // Five standard errors of the difference of a mean of 40 runs and one of 1000.
        let allowed = 5.0 * spread * f64::sqrt(1.0 / 40.0 + 1.0 / 1000.0);
        assert!((mean - expected).abs() <= allowed, "time {k}: {mean} cells, not {expected}");
    }
}

#[test]
fn the_published_gene_network_is_a_typical_one() {
    let Some(file) = published("simulation_gene.csv") else { return };
    let runs: Vec<Snapshots> =
        (0..40).map(|seed| GeneNetwork { seed, ..Default::default() }.generate().unwrap()).collect();
    // Each statistic of the file must lie within four standard deviations of where forty runs put it:
    // daughters are correlated, so the spread between runs, not the number of cells, is the scale. (A normal
    // number is outside with probability 6e-5, and there are 25 of them.)
    for k in 0..5 {
        let statistics = |s: &Snapshots| {
            let moments = moments(s, k);
            [s.count(k) as f64, moments[0].0, moments[0].1, moments[1].0, moments[1].1]
        };
        let all: Vec<[f64; 5]> = runs.iter().map(statistics).collect();
        for (j, name) in ["count", "mean of x1", "sd of x1", "mean of x2", "sd of x2"].into_iter().enumerate()
        {
            let mean = all.iter().map(|s| s[j]).sum::<f64>() / 40.0;
            let sd = (all.iter().map(|s| (s[j] - mean).powi(2)).sum::<f64>() / 39.0).sqrt();
            let got = statistics(&file)[j];
            assert!(
                (got - mean).abs() <= 4.0 * sd,
                "time {k}, {name}: the file has {got}, runs {mean} ± {sd}"
            );
        }
    }
}

#[test]
fn gaussian_mixtures_match_the_published_one() {
    let generated = GaussianMixture { dims: 100, seed: 1 }.generate().unwrap();
    assert_eq!((generated.count(0), generated.count(1), generated.dims()), (500, 1400, 100));
    let Some(file) = published("gaussian_100d.csv") else { return };
    assert_eq!((file.count(0), file.count(1)), (500, 1400));
    for k in 0..2 {
        let (ours, theirs) = (moments(&generated, k), moments(&file, k));
        for (c, ((m1, s1), (m2, s2))) in ours.into_iter().zip(theirs).enumerate() {
            // Cluster sizes are fixed, so means differ by the clusters' spread alone: five standard errors of
            // a difference of two means; and of two standard deviations, wider where they are between
            // clusters.
            let n = generated.count(k) as f64;
            let error = 0.0707 * (2.0 / n).sqrt();
            assert!((m1 - m2).abs() < 5.0 * error, "time {k}, coordinate {c}: means {m1}, {m2}");
            assert!((s1 - s2).abs() < 5.0 * error, "time {k}, coordinate {c}: spreads {s1}, {s2}");
        }
    }
}

#[test]
fn a_branching_tree_separates_its_fates_and_grows_as_told() {
    let tree = BranchingTree {
        cells: 60_000,
        dims: 20,
        fates: 5,
        time_points: 4,
        spread: 0.05,
        seed: 3,
        ..Default::default()
    };
    let data = tree.generate().unwrap();
    assert_eq!((0..4).map(|k| data.count(k)).sum::<usize>(), 60_000);
    assert_eq!(data.times(), [0.0, 1.0, 2.0, 3.0]);
    // At first a single cloud of the given spread, within five standard errors.
    let n = data.count(0) as f64;
    for (mean, sd) in moments(&data, 0) {
        assert!(mean.abs() < 5.0 * 0.05 / n.sqrt() && (sd - 0.05).abs() < 5.0 * 0.05 / (2.0 * n).sqrt());
    }
    // The common branch has the mean growth rate 0.25, for three quarters of a time unit; later the faster
    // fates win.
    let ratio = data.count(1) as f64 / n;
    assert!(ratio > 0.25f64.exp() * 0.98 && ratio < 0.5f64.exp(), "growth by {ratio}");
    // At last as many clusters as fates: cells of a fate are 0.05·√40 ≈ 0.32 apart, with a standard deviation
    // of 0.05, and the last fates to part are about √2·0.75 ≈ 1.06 apart.
    let mut centres: Vec<&[f32]> = Vec::new();
    for cell in data.cells_of(3) {
        let near = |c: &&[f32]| c.iter().zip(cell).map(|(a, b)| (a - b).powi(2)).sum::<f32>() < 0.4;
        if !centres.iter().any(near) {
            centres.push(cell);
        }
    }
    assert_eq!(centres.len(), 5);
}

#[test]
fn data_sets_are_functions_of_their_seed() {
    let gene = |seed| GeneNetwork { seed, cells_per_state: 20 }.generate().unwrap();
    let mixture = |seed| GaussianMixture { dims: 2, seed }.generate().unwrap();
    let tree = |seed| BranchingTree { cells: 500, seed, ..Default::default() }.generate().unwrap();
    assert!(gene(1) == gene(1) && gene(1) != gene(2));
    assert!(mixture(1) == mixture(1) && mixture(1) != mixture(2));
    assert!(tree(1) == tree(1) && tree(1) != tree(2));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let base = BranchingTree::default();
    let refused = [
        (BranchingTree { dims: 0, ..base }.generate(), "dims"),
        (BranchingTree { fates: 0, ..base }.generate(), "fates"),
        (BranchingTree { time_points: 1, ..base }.generate(), "time points"),
        (BranchingTree { cells: 2, ..base }.generate(), "cells"),
        (BranchingTree { spread: 0.0, ..base }.generate(), "spread"),
        (BranchingTree { growth: f64::NAN, ..base }.generate(), "growth"),
        (GaussianMixture { dims: 1, seed: 0 }.generate(), "dims"),
        (GeneNetwork { cells_per_state: 0, seed: 0 }.generate(), "cells per state"),
    ];
    for (result, name) in refused {
        assert!(result.as_ref().unwrap_err().to_string().starts_with(name), "{result:?}");
    }
    let smallest = BranchingTree { cells: 2, dims: 1, fates: 1, time_points: 2, ..base }.generate().unwrap();
    assert_eq!((smallest.count(0), smallest.count(1)), (1, 1));
}

#[test]
fn the_true_growth_of_a_branching_tree_is_that_of_its_masses() {
    let tree = BranchingTree { cells: 4000, dims: 4, time_points: 5, seed: 3, ..Default::default() };
    let snapshots = tree.generate().unwrap();
    // d ln M/dt at a snapshot is the mean rate of its cells; between the snapshots the branches' rates are constant on thirds of
    // the span, 4/3 each, so that the masses follow by integration of the mean rate of the branches' exponentials.
    let mean = |k: usize| {
        let rate = |point: &[f32]| tree.growth_rate(k as f64, point).unwrap();
        snapshots.points(k).chunks_exact(4).map(rate).sum::<f64>() / snapshots.count(k) as f64
    };
    // Before the first split all cells are on one branch, whose rate is that of the mean fate.
    assert!((mean(0) - 0.25).abs() < 1e-12 && (mean(1) - 0.25).abs() < 1e-12);
    let observed = (snapshots.count(1) as f64 / snapshots.count(0) as f64).ln();
    assert!((observed - 0.25).abs() < 0.01, "{observed}");
    // The fates at the end: their rates are 0, 1/6, 1/3 and 1/2, and their shares those of their masses.
    let logs = [
        0.25 + 0.25 / 3.0,
        0.25 + 0.25 / 3.0 + 1.0 / 6.0,
        0.25 + 1.25 / 3.0 + 1.0 / 3.0,
        0.25 + 1.25 / 3.0 + 0.5,
    ];
    let masses = logs.map(|log: f64| (4.0 / 3.0 * log).exp());
    let want = masses.iter().zip([0.0, 1.0, 2.0, 3.0]).map(|(m, fate)| m * fate / 6.0).sum::<f64>()
        / masses.iter().sum::<f64>();
    // Some 1300 cells whose rates have a standard deviation of 0.17.
    assert!((mean(4) - want).abs() < 4.0 * 0.17 / 1300f64.sqrt(), "{}, not {want}", mean(4));
    assert!(tree.growth_rate(4.5, &[0.0; 4]).unwrap_err().to_string().starts_with("time must be 0 to 4"));
    assert!(tree.growth_rate(1.0, &[0.0; 3]).is_err());
}
