//! Static transport agrees with independently computed values.

use chreode::snapshots::MatrixView;
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem};
use serde_json::Value;

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn cloud(points: &Value, weights: &Value) -> PointCloud {
    let rows: Vec<Vec<f64>> = points.as_array().unwrap().iter().map(numbers).collect();
    let flat: Vec<f64> = rows.concat();
    let view = MatrixView::from_f64(&flat, rows.len(), rows[0].len()).unwrap();
    PointCloud::new(view, Some(&numbers(weights))).unwrap()
}

#[test]
fn wfr() {
    let cases: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string("../shared/fixtures/transport.json").unwrap()).unwrap();
    for case in &cases {
        let kind = case["kind"].as_str().unwrap();
        let (a, b) = (cloud(&case["x"], &case["a"]), cloud(&case["y"], &case["b"]));
        let t = std::time::Instant::now();
        let sol = match kind {
            "wfr_oet" => {
                let p = Problem {
                    source: &a,
                    target: &b,
                    cost: Cost::Wfr { delta: case["delta"].as_f64().unwrap() },
                    source_penalty: 1.0,
                    target_penalty: 1.0,
                };
                entropy_transport(&p, &EntropyTransportOptions::default()).unwrap()
            }
            "entropic" => {
                let cost = if case["cost"] == "half_sqeuclidean" {
                    Cost::HalfSquaredEuclidean
                } else {
                    Cost::Wfr { delta: case["delta"].as_f64().unwrap() }
                };
                let rho = case["rho"].as_f64().unwrap_or(f64::INFINITY);
                println!("{:?} {:?} {:?}", case["cost"], case["rho"], case["epsilon"]);
                let p = Problem { source: &a, target: &b, cost, source_penalty: rho, target_penalty: rho };
                sinkhorn(&p, &SinkhornOptions::new(case["epsilon"].as_f64().unwrap())).unwrap()
            }
            _ => continue,
        };
        println!(
            "{kind} {}x{} want {} dual {:?}\n got {:?} {:?}",
            a.len(),
            b.len(),
            case["primal"],
            case["dual_lower_bound"],
            sol.report,
            t.elapsed()
        );
        println!("  tm {} tc {}", case["transported_mass"], case["transport_cost"]);
    }
}
