//! How well a cloud of weighted particles reconstructs a snapshot, and the derivative of that.

use super::path::Cloud;
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::snapshots::MatrixView;
use crate::transport::cost::CostRows;
use crate::transport::network_simplex::network_simplex;
use crate::transport::pricing::cheapest;
use crate::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use crate::transport::{Cost, PointCloud, Problem};

/// A snapshot, or a sample of it, in network units.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its cells, with weights of sum 1.
    pub(super) cloud: PointCloud,
    /// Its mass over that of the first snapshot.
    pub(super) mass: f64,
}

impl Target {
    /// The cells `x` (row-major) with their weights, of which only the proportions matter.
    pub(super) fn new(x: &[f32], weights: &[f64], dims: usize, mass: f64) -> Result<Self> {
        let view = MatrixView::from_f32(x, weights.len(), dims)?;
        Ok(Self { cloud: PointCloud::new(view, Some(weights))?.normalised(), mass })
    }
}

/// How much the parts of the reconstruction loss count, beside W2² with weight 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReconstructionWeights {
    pub(super) mass: f64,
    pub(super) local_mass: f64,
    /// ε of the transport plan; exact where absent.
    pub(super) epsilon: Option<f64>,
}

/// The parts of the loss, each unweighted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReconstructionCosts {
    /// W2² over the dimension.
    pub(super) transport: f64,
    /// ((Σw)/M − 1)²
    pub(super) mass: f64,
    /// n Σ_i (w_i − M Σ_{j→i} b_j)²
    pub(super) local_mass: f64,
}

/// Compares `particles` with `target` and writes the derivative of the weighted loss to `derivative`.
///
/// * W2²(ŵ, b)/d between the normalised particles and the cells. With the optimal plan γ and potential f, its derivatives are
///   2 Σ_j γ_ij (x_i − y_j)/d in positions and, the cost being convex in the weights with f as a slope, ŵ_i (f_i − Σ ŵ f) in
///   ln w_i: the plan itself needs no derivative (the envelope theorem). At a kink of the cost, where several potentials
///   are optimal, this is one of the slopes.
/// * Global mass: (Σw/M − 1)².
/// * Local mass (Zhang, Li, Zhou, ICLR 2025): each cell gives its share of the mass to the nearest particle, which should
///   weigh as much; the assignment is not differentiated.
///
/// # Errors
/// Those of the transport solver, and [`Error::NonFinite`] if it does not converge.
pub(super) fn reconstruct(
    particles: &Cloud,
    target: &Target,
    weights: &ReconstructionWeights,
    derivative: &mut Cloud,
) -> Result<ReconstructionCosts> {
    let (n, dims) = (particles.log_weight.len(), target.cloud.dims());
    let mass: Vec<f64> = particles.log_weight.iter().map(|&l| libm::exp(f64::from(l))).collect();
    let total: f64 = mass.iter().sum();
    let shares: Vec<f64> = mass.iter().map(|w| w / total).collect();

    let view = MatrixView::from_f32(&particles.x, n, dims)?;
    // Divided twice: shares of single-precision exponentials sum to one up to rounding only.
    let source = PointCloud::new(view, Some(&shares))?.normalised();
    let problem = Problem {
        source: &source,
        target: &target.cloud,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: f64::INFINITY,
        target_penalty: f64::INFINITY,
    };
    let stop = Stop::default();
    let solution = match weights.epsilon {
        None => network_simplex(&problem, &stop)?,
        Some(epsilon) => {
            let options = SinkhornOptions { tolerance: 1e-4, ..SinkhornOptions::new(epsilon) };
            sinkhorn(&problem, &options, &stop)?
        }
    };
    if !solution.report.converged {
        return Err(Error::NonFinite(format!(
            "the plan between particles and cells did not converge in {} sweeps; a larger plan_epsilon would",
            solution.report.iterations
        )));
    }
    // The cost is half of the square.
    let scale = 2.0 / dims as f64;
    derivative.x.clear();
    derivative.x.resize(n * dims, 0.0);
    for (i, j, value) in solution.plan.entries() {
        let row = derivative.x[i * dims..(i + 1) * dims].iter_mut();
        for ((to, x), y) in row.zip(source.point(i)).zip(target.cloud.point(j)) {
            *to += (scale * value * (x - y)) as f32;
        }
    }
    let potential = &solution.source_potential;
    let mean: f64 = shares.iter().zip(potential).filter(|(s, _)| **s > 0.0).map(|(s, f)| s * f).sum();
    let excess = total / target.mass - 1.0;
    let wanted = (weights.local_mass > 0.0).then(|| nearest_mass(&source, target, &stop)).transpose()?;
    let mut local_mass = 0.0;
    derivative.log_weight.clear();
    derivative.log_weight.extend((0..n).map(|i| {
        let mut slope = 0.0;
        if shares[i] > 0.0 {
            slope += scale * shares[i] * (potential[i] - mean);
        }
        slope += weights.mass * 2.0 * excess * mass[i] / target.mass;
        if let Some(wanted) = &wanted {
            let error = mass[i] - wanted[i];
            local_mass += n as f64 * error * error;
            slope += weights.local_mass * n as f64 * 2.0 * error * mass[i];
        }
        slope as f32
    }));
    Ok(ReconstructionCosts {
        transport: scale * solution.report.transport_cost,
        mass: excess * excess,
        local_mass,
    })
}

/// The mass of the cells that are nearest to each particle.
fn nearest_mass(particles: &PointCloud, target: &Target, stop: &Stop) -> Result<Vec<f64>> {
    let hard = f64::INFINITY;
    let costs = CostRows::new(&Problem {
        source: &target.cloud,
        target: particles,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: hard,
        target_penalty: hard,
    });
    let mut wanted = vec![0.0; particles.len()];
    for nearest in cheapest(&costs, target.cloud.len(), &vec![0.0; particles.len()], 1, stop)? {
        wanted[nearest.column as usize] += target.cloud.weights()[nearest.row as usize] * target.mass;
    }
    Ok(wanted)
}
