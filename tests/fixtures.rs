//! Static transport agrees with independently computed values (`shared/fixtures/transport.json`) to 1e-6 relative; the
//! `emd` cases are in `exact_transport.rs`.

mod common;

use chreode::exec::stop::Stop;
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, Problem};
use common::{fixture_cloud, number, transport_cases};

fn assert_near(what: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-6 * want.abs(), "{what}: {got} vs {want}");
}

#[test]
fn unregularised_entropy_transport() {
    for case in transport_cases("wfr_oet") {
        let (source, target) = (fixture_cloud(&case, "x", "a"), fixture_cloud(&case, "y", "b"));
        let delta = number(&case, "delta");
        let problem = Problem {
            source: &source,
            target: &target,
            cost: Cost::Wfr { delta },
            source_penalty: 1.0,
            target_penalty: 1.0,
        };
        let solution =
            entropy_transport(&problem, &EntropyTransportOptions::default(), &Stop::default()).unwrap();
        let report = &solution.report;
        assert!(report.converged && report.gap <= 1e-9 * report.primal, "{report:?}");
        // Between the stated bound and the stated value, but for the rounding of either.
        let (primal, bound) = (number(&case, "primal"), number(&case, "dual_lower_bound"));
        assert!(
            report.primal >= bound * (1.0 - 1e-12) && report.primal <= primal * (1.0 + 1e-12),
            "{report:?}"
        );
        assert_near("primal", report.primal, primal);
        assert_near("WFR²", 2.0 * delta * delta * report.primal, number(&case, "wfr_squared"));
        assert_near("mass", report.transported_mass, number(&case, "transported_mass"));
    }
}

#[test]
fn entropic_transport() {
    for case in transport_cases("entropic") {
        let (source, target) = (fixture_cloud(&case, "x", "a"), fixture_cloud(&case, "y", "b"));
        assert_eq!(case["cost"], "half_sqeuclidean");
        let rho = case["rho"].as_f64().unwrap_or(f64::INFINITY);
        let problem = Problem {
            source: &source,
            target: &target,
            cost: Cost::HalfSquaredEuclidean,
            source_penalty: rho,
            target_penalty: rho,
        };
        // The gap is quadratic in the error of the plan: 1e-13 leaves the parts of the objective 1e-6 too.
        let options = SinkhornOptions { tolerance: 1e-13, ..SinkhornOptions::new(number(&case, "epsilon")) };
        let report = sinkhorn(&problem, &options, &Stop::default()).unwrap().report;
        assert!(report.converged, "{report:?}");
        assert_near("primal", report.primal, number(&case, "primal"));
        assert_near("dual", report.dual, number(&case, "primal"));
        assert_near("cost", report.transport_cost, number(&case, "transport_cost"));
        assert_near("mass", report.transported_mass, number(&case, "transported_mass"));
    }
}
