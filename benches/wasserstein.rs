use chreode::exec::rng::{Purpose, stream};
use chreode::snapshots::MatrixView;
use chreode::transport::{Cost, PointCloud, Problem, network_simplex::network_simplex};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
fn main() {
    let only: Option<usize> = std::env::var("D").ok().map(|d| d.parse().unwrap());
    let n: usize = std::env::var("N").ok().map_or(2000, |d| d.parse().unwrap());
    for d in [2usize, 50] {
        if only.is_some_and(|o| o != d) {
            continue;
        }
        for random in [false, true] {
            let mut rng = stream(1, Purpose::Dataset, d as u64, 0);
            let mut cloud = |shift: f64| {
                let x: Vec<f64> = (0..n * d)
                    .map(|_| {
                        let z: f64 = StandardNormal.sample(&mut rng);
                        z + shift
                    })
                    .collect();
                let w: Vec<f64> = (0..n).map(|_| if random { rng.random::<f64>() } else { 1.0 }).collect();
                PointCloud::new(MatrixView::from_f64(&x, n, d).unwrap(), Some(&w)).unwrap().normalised()
            };
            let (a, b) = (cloud(0.0), cloud(0.5));
            let p = Problem {
                source: &a,
                target: &b,
                cost: Cost::Euclidean,
                source_penalty: f64::INFINITY,
                target_penalty: f64::INFINITY,
            };
            let t = std::time::Instant::now();
            let s = network_simplex(&p).unwrap();
            println!(
                "d={d} random={random} {:.3} s, {} pivots, primal {} gap {:.2e} nnz {}",
                t.elapsed().as_secs_f64(),
                s.report.iterations,
                s.report.primal,
                s.report.gap,
                s.plan.values.len()
            );
        }
    }
}
