//! How near particles keep to cells.

use super::{Comparison, Derivative, SnapshotTerm};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::transport::cost::CostRows;
use crate::transport::pricing::cheapest;
use crate::transport::{Cost, Problem};

/// Σ_i ŵ_i ⟨max(0, ‖x_i − y‖/√d − hinge)⟩ with the mean over the [`NEIGHBOURS`] cells y that are nearest to particle i: a particle
/// that is farther from all cells than the hinge is drawn to them (Huguet et al., NeurIPS 2022).
pub(super) struct Density {
    pub(super) hinge: f64,
}

/// As published.
const NEIGHBOURS: usize = 5;

impl SnapshotTerm for Density {
    fn name(&self) -> &'static str {
        "density"
    }

    fn evaluate(&self, comparison: &Comparison<'_>, weight: f64, derivative: &mut Derivative) -> Result<f64> {
        let Comparison { source: particles, shares, target, .. } = comparison;
        let (cells, dims) = (&target.cloud, target.cloud.dims());
        let costs = CostRows::new(&Problem {
            source: particles,
            target: cells,
            cost: Cost::Euclidean,
            source_penalty: f64::INFINITY,
            target_penalty: f64::INFINITY,
        });
        let nearest =
            cheapest(&costs, particles.len(), &vec![0.0; cells.len()], NEIGHBOURS, &Stop::default())?;
        let root = (dims as f64).sqrt();
        let share = 1.0 / NEIGHBOURS.min(cells.len()) as f64;
        let mut of_particles = vec![0.0; particles.len()];
        for pair in nearest {
            let (i, distance) = (pair.row as usize, pair.cost);
            let excess = distance / root - self.hinge;
            if excess > 0.0 && distance > 0.0 {
                of_particles[i] += share * excess;
                let scale = weight * shares[i] * share / (root * distance);
                let ends = particles.point(i).iter().zip(cells.point(pair.column as usize));
                let to = derivative.x[i * dims..(i + 1) * dims].iter_mut();
                to.zip(ends).for_each(|(to, (x, y))| *to += (scale * (x - y)) as f32);
            }
        }
        let value: f64 = shares.iter().zip(&of_particles).map(|(share, own)| share * own).sum();
        for ((slope, share), own) in derivative.log_weight.iter_mut().zip(shares).zip(&of_particles) {
            *slope += weight * share * (own - value);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cloud, SnapshotCloud};
    use super::*;

    const CELLS: [f32; 14] = [0.0, 0.1, 0.5, -0.2, 1.1, 0.7, -0.4, 0.9, 2.0, 2.1, -1.5, -0.3, 0.2, 1.6];

    fn evaluate(x: &[f32], log_weight: &[f32]) -> (f64, Derivative) {
        let target = SnapshotCloud::new(&CELLS, &[1.0; 7], 2, 1.0).unwrap();
        let cloud = Cloud { x: x.to_vec(), log_weight: log_weight.to_vec() };
        let comparison = Comparison::new(&cloud, &target).unwrap();
        let mut derivative = Derivative { x: vec![0.0; x.len()], log_weight: vec![0.0; log_weight.len()] };
        let value = Density { hinge: 0.3 }.evaluate(&comparison, 2.0, &mut derivative).unwrap();
        (value, derivative)
    }

    #[test]
    fn it_is_the_mean_hinge_of_the_five_nearest_and_has_the_right_derivatives() {
        let (x, log_weight) = ([0.4f32, 0.3, 3.0, -1.0, -0.2, 0.6], [0.0f32, 0.5, -0.7]);
        let (value, derivative) = evaluate(&x, &log_weight);
        let total: f64 = log_weight.iter().map(|&l| f64::from(l).exp()).sum();
        let own = |i: usize| {
            let square = |y: &[f32]| f64::from((y[0] - x[2 * i]).powi(2) + (y[1] - x[2 * i + 1]).powi(2));
            let mut distances: Vec<f64> = CELLS.chunks(2).map(|y| (square(y) / 2.0).sqrt()).collect();
            distances.sort_by(f64::total_cmp);
            distances[..5].iter().map(|d| (d - 0.3).max(0.0)).sum::<f64>() / 5.0
        };
        let want: f64 = (0..3).map(|i| f64::from(log_weight[i]).exp() / total * own(i)).sum();
        assert!((value - want).abs() < 1e-6, "{value}, not {want}");
        // No particle is as far from its fifth cell as from its sixth, nor by the hinge from any: differences are those of a smooth function.
        let step = 1e-3f32;
        for at in 0..6 {
            let moved = |by: f32| {
                let mut x = x;
                x[at] += by;
                evaluate(&x, &log_weight).0
            };
            let want = 2.0 * (moved(step) - moved(-step)) / f64::from(2.0 * step);
            assert!((f64::from(derivative.x[at]) - want).abs() < 1e-3, "{at}: {} {want}", derivative.x[at]);
        }
        for at in 0..3 {
            let moved = |by: f32| {
                let mut log_weight = log_weight;
                log_weight[at] += by;
                evaluate(&x, &log_weight).0
            };
            let want = 2.0 * (moved(step) - moved(-step)) / f64::from(2.0 * step);
            assert!((derivative.log_weight[at] - want).abs() < 1e-3, "{at}");
        }
    }
}
