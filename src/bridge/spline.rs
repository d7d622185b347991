//! The cubic spline through coupled cells of all snapshots.

use super::log_cubic::{bend, slope_of_bend};
use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends, straight};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: false,
    noise: None,
    bends: Bends::NONE,
    chained: true,
    learned: false,
    options: &["bandwidth"],
    build: |_| Ok(Box::new(Spline)),
};

/// Between two of its cells, the natural cubic spline through the cells of a chain, of constant mass (MMFM: Rohbeck et al., ICLR 2025; its
/// public code has splines whose third derivative is continuous next to either end instead).
///
/// It is the straight line with the accelerations at its two cells that [`natural_spline`] finds, in the form that
/// [`acceleration`](super::acceleration) has them in: the slope at the start is that of the line less (h/2)a0, at the end that
/// of the line plus (h/2)a1.
#[derive(Debug)]
struct Spline;

impl Bridge for Spline {
    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        let (bend, velocity_bend) = (bend(ends.length, r), slope_of_bend(ends.length, r));
        BridgeState { bend, velocity_bend, ..straight::line(ends, r) }
    }
}

/// The accelerations at the start and at the end of the interval `interval` of the natural cubic spline through `values` at `times`: those
/// of a bridge, (2M₀ + M₁)/3 and (M₀ + 2M₁)/3 of the second derivatives M there. `scratch` is for what is computed on the way.
///
/// The second derivatives are 0 at both ends, and in between h⁻M⁻ + 2(h⁻ + h⁺)M + h⁺M⁺ = 6(d⁺ − d⁻), with the lengths h of the
/// intervals and the slopes d of their straight lines: a tridiagonal system, solved by elimination.
pub fn natural_spline(
    times: &[f64],
    values: impl Fn(usize) -> f64,
    interval: usize,
    scratch: &mut Vec<[f64; 2]>,
) -> [f64; 2] {
    let last = times.len() - 1;
    let length = |k: usize| times[k + 1] - times[k];
    let slope = |k: usize| (values(k + 1) - values(k)) / length(k);
    // M_k = scratch[k][0] − scratch[k][1] M_{k+1}
    scratch.clear();
    scratch.push([0.0; 2]);
    for k in 1..last {
        let [before, share] = scratch[k - 1];
        let pivot = 2.0 * (length(k - 1) + length(k)) - length(k - 1) * share;
        let right = 6.0 * (slope(k) - slope(k - 1)) - length(k - 1) * before;
        scratch.push([right / pivot, length(k) / pivot]);
    }
    let (mut second, mut after) = (0.0, 0.0);
    for k in (interval..last).rev() {
        after = second;
        second = scratch[k][0] - scratch[k][1] * after;
    }
    [(2.0 * second + after) / 3.0, (second + 2.0 * after) / 3.0]
}
