//! Learned paths that keep near the cells.

use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends, straight};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: false,
    noise: None,
    bends: Bends::NONE,
    chained: false,
    learned: true,
    options: &[
        "bandwidth",
        "interpolant_epochs",
        "metric",
        "metric_width",
        "metric_ridge",
        "metric_centres",
        "metric_kappa",
    ],
    build: |_| Ok(Box::new(Geodesic)),
};

/// The straight line, of constant mass, before a network has learned to bend it, x0 + r(x1 − x0) + r(1 − r) φ(x0, x1, r), to nearly a
/// geodesic of the metric of the cells (Metric FM: Kapuśniak et al., NeurIPS 2024).
#[derive(Debug)]
struct Geodesic;

impl Bridge for Geodesic {
    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        straight::line(ends, r)
    }
}
