//! What several test files share.

#![allow(dead_code)] // each test file uses its own part

use chreode::exec::rng::{Purpose, stream};
use chreode::snapshots::MatrixView;
use chreode::transport::PointCloud;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;
use std::path::PathBuf;

/// The path of a file in `shared/`, beside the crate's folder, or None where the folder is absent: that is said on
/// stderr, and is a failure in CI.
pub fn shared(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(file);
    if path.exists() {
        return Some(path);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing in CI", path.display());
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

/// The cases of `shared/fixtures/transport.json` of one kind: `emd`, `entropic` or `wfr_oet`. Empty where absent.
pub fn transport_cases(kind: &str) -> Vec<Value> {
    let Some(path) = shared("fixtures/transport.json") else { return vec![] };
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let cases: Vec<Value> = cases.into_iter().filter(|case| case["kind"] == kind).collect();
    assert!(!cases.is_empty(), "no case of kind {kind}");
    cases
}

/// A number of a fixture.
pub fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("{key} is not a number"))
}

/// The cloud in a fixture's fields for points and weights.
pub fn fixture_cloud(case: &Value, points: &str, weights: &str) -> PointCloud {
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>();
    let rows: Vec<Vec<f64>> = case[points].as_array().unwrap().iter().map(numbers).collect();
    cloud(&rows.concat(), rows[0].len(), Some(&numbers(&case[weights])))
}

/// A cloud of row-major points.
pub fn cloud(points: &[f64], dims: usize, weights: Option<&[f64]>) -> PointCloud {
    let view = MatrixView::from_f64(points, points.len() / dims, dims).unwrap();
    PointCloud::new(view, weights).unwrap()
}

/// `n` standard normal numbers that depend on `seed` alone.
pub fn normal(seed: u64, n: usize) -> Vec<f64> {
    let mut rng = stream(seed, Purpose::Dataset, 0, 0);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// Snapshots of a CSV in `shared/data`: a time label, then the coordinates. None where absent, as [`shared`].
pub fn shared_snapshots(name: &str) -> Option<chreode::snapshots::Snapshots> {
    let text = std::fs::read_to_string(shared(&format!("data/{name}.csv"))?).unwrap();
    let number = |x: &str| -> f64 { x.parse().unwrap() };
    let rows: Vec<Vec<f64>> =
        text.lines().skip(1).map(|line| line.split(',').map(number).collect()).collect();
    let dims = rows[0].len() - 1;
    let labels: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    let points: Vec<f64> = rows.iter().flat_map(|row| row[1..].iter().copied()).collect();
    let view = MatrixView::from_f64(&points, rows.len(), dims).unwrap();
    Some(chreode::snapshots::Snapshots::new(view, &labels, None).unwrap())
}
