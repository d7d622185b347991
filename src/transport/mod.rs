//! Static optimal transport between two weighted point clouds.
//!
//! Every solver takes a [`Problem`], with the cost given by name and evaluated from the points by blocks, and
//! returns a [`Solution`]: dual potentials, a sparse plan and a [`Report`].
//!
//! | problem | solver |
//! | --- | --- |
//! | entropic: balanced, semi-relaxed, unbalanced | [`sinkhorn`](sinkhorn::sinkhorn) |
//! | unregularised, at least one side relaxed (optimal entropy transport) | [`entropy_transport`](entropy_transport::entropy_transport) |
//! | unregularised, both marginals hard (exact optimal transport) | [`network_simplex`](network_simplex::network_simplex) |

mod backend;
mod clones;
pub mod cloud;
pub mod cost;
pub mod coupling;
pub mod couplings;
pub mod entropy_transport;
pub mod minibatch;
pub mod network_simplex;
mod objective;
pub mod plan;
pub(crate) mod pricing;
mod reach;
pub mod sampling;
pub mod sinkhorn;
pub mod solver;
pub mod whole;

use crate::error::{Error, Result};
use crate::snapshots::{MatrixView, Snapshots};
use clones::Clones;
pub use cost::Cost;
pub use plan::SparsePlan;

/// A weighted point cloud, in double precision: what the static solvers take.
#[derive(Debug, Clone, PartialEq)]
pub struct PointCloud {
    dims: usize,
    points: Vec<f64>,
    weights: Vec<f64>,
    clones: Option<Clones>,
}

impl PointCloud {
    /// Points, one a row, with one non-negative weight each (all 1 without weights).
    ///
    /// # Errors
    /// [`Error::InvalidData`] for no points, no coordinates, coordinates that are not finite or beyond 1e150 (their
    /// squares overflow), and weights that are negative, not finite, or all zero.
    pub fn new(points: MatrixView<'_>, weights: Option<&[f64]>) -> Result<Self> {
        let (rows, dims) = (points.rows(), points.cols());
        if rows == 0 || dims == 0 {
            return Err(Error::InvalidData(format!(
                "a point cloud needs points, got {rows} rows × {dims} columns"
            )));
        }
        let mut elements = Vec::with_capacity(rows * dims);
        for row in 0..rows {
            for col in 0..dims {
                let x = points.get(row, col);
                if x.is_nan() || x.abs() > 1e150 {
                    let message = format!(
                        "row {}, coordinate {}: {x:?} is not finite or beyond 1e150",
                        row + 1,
                        col + 1
                    );
                    return Err(Error::InvalidData(message));
                }
                elements.push(x);
            }
        }
        let weights = weights.map_or_else(|| vec![1.0; rows], <[f64]>::to_vec);
        if weights.len() != rows {
            return Err(Error::argument("weights", weights.len(), &format!("{rows} values")));
        }
        if let Some(row) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            let message = format!(
                "row {}: the weight is {:?}; weights are finite and not negative",
                row + 1,
                weights[row]
            );
            return Err(Error::InvalidData(message));
        }
        let mass: f64 = weights.iter().sum();
        if !(mass > 0.0 && mass.is_finite()) {
            return Err(Error::InvalidData(format!(
                "the total weight is {mass:?}; it must be positive and finite"
            )));
        }
        Ok(Self { dims, points: elements, weights, clones: None })
    }

    /// The cells of snapshot `k`, with their weights: they were checked when the snapshots were made.
    pub(crate) fn of_snapshot(snapshots: &Snapshots, k: usize) -> Self {
        let mut points = Vec::with_capacity(snapshots.count(k) * snapshots.dims());
        points.extend(snapshots.cells_of(k).flatten().map(|&x| f64::from(x)));
        Self { dims: snapshots.dims(), points, weights: snapshots.weights(k).to_vec(), clones: None }
    }

    /// The same points with weights divided by their sum.
    pub fn normalised(self) -> Self {
        let mass = self.mass();
        self.scaled(1.0 / mass)
    }

    /// The same points with other weights.
    pub(crate) fn with_weights(mut self, weights: &[f64]) -> Self {
        self.weights.copy_from_slice(weights);
        self
    }

    /// The same points with weights times `factor`.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        self.weights.iter_mut().for_each(|w| *w *= factor);
        self
    }

    /// The rows `rows` of the cloud, in that order.
    pub(crate) fn subset(&self, rows: &[usize]) -> Self {
        let points: Vec<f64> = rows.iter().flat_map(|&i| self.point(i)).copied().collect();
        let weights = rows.iter().map(|&i| self.weights[i]).collect();
        let clones = self.clones.as_ref().map(|clones| clones.subset(rows));
        Self { dims: self.dims, points, weights, clones }
    }

    /// The dimension of the space.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The number of points.
    #[allow(clippy::len_without_is_empty)] // never empty: construction refuses it
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// All coordinates, row-major.
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// The coordinates of point `i`.
    pub fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.dims..(i + 1) * self.dims]
    }

    /// One weight a point.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The total weight.
    pub fn mass(&self) -> f64 {
        self.weights.iter().sum()
    }
}

/// min over plans γ ≥ 0 of ⟨C,γ⟩ + ρ_a KL(γ1 | a) + ρ_b KL(γᵀ1 | b), with KL(p|q) = Σ p ln(p/q) − p + q.
///
/// An infinite penalty makes that marginal hard: γ1 = a, or γᵀ1 = b.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// The measure a that is sent.
    pub source: &'a PointCloud,
    /// The measure b that is received.
    pub target: &'a PointCloud,
    /// The cost C of moving a unit of mass.
    pub cost: Cost,
    /// ρ_a: positive, or infinite for a hard source marginal.
    pub source_penalty: f64,
    /// ρ_b: positive, or infinite for a hard target marginal.
    pub target_penalty: f64,
}

impl Problem<'_> {
    /// Refuses what no solver can take.
    pub(crate) fn validate(&self) -> Result<()> {
        self.cost.validate()?;
        if self.source.dims != self.target.dims {
            let allowed = format!("{}, the source's dimension", self.source.dims);
            return Err(Error::argument("the target's dimension", self.target.dims, &allowed));
        }
        for (name, rho) in [("source_penalty", self.source_penalty), ("target_penalty", self.target_penalty)]
        {
            if rho.is_nan() || rho <= 0.0 {
                return Err(Error::argument(name, rho, "positive (infinite for a hard marginal)"));
            }
        }
        clones::check(self)?;
        if self.source_penalty.is_infinite() && self.target_penalty.is_infinite() {
            let (a, b) = (self.source.mass(), self.target.mass());
            // Totals that a caller normalised separately agree to rounding.
            if (a - b).abs() > 1e-9 * a.max(b) {
                return Err(Error::Infeasible(format!(
                    "both marginals are hard but the total weights differ: the source's is {a:?}, the target's {b:?}; normalise them \
                     or give a finite penalty"
                )));
            }
        }
        Ok(())
    }
}

/// What a static solver did and how good its answer is.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Sinkhorn sweeps or simplex pivots.
    pub iterations: usize,
    /// Whether the tolerance was met.
    pub converged: bool,
    /// The objective at the plan, all its terms included; of an entropic plan, before small entries are dropped, and mended
    /// where it misses a hard marginal.
    pub primal: f64,
    /// The dual objective at the returned potentials: a lower bound of the optimum.
    pub dual: f64,
    /// primal − dual, never negative: a sum of terms none of which is, with the figures that the difference has lost.
    pub gap: f64,
    /// ⟨C,γ⟩ alone.
    pub transport_cost: f64,
    /// Σ γ.
    pub transported_mass: f64,
    /// Σ_i |Σ_j γ_ij − r_i| / Σ a, with r the source marginal that the potentials imply.
    pub source_residual: f64,
    /// Σ_j |Σ_i γ_ij − c_j| / Σ b, with c the target marginal that the potentials imply.
    pub target_residual: f64,
}

impl Report {
    /// The gap over the primal, or the gap itself where nothing is to be paid.
    pub fn relative_gap(&self) -> f64 {
        if self.primal == 0.0 { self.gap.abs() } else { (self.gap / self.primal).abs() }
    }
}

impl Solution {
    /// The solution between clouds whose weights are `factor` times as large, of a problem whose optimum scales with them.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        let Report { primal, dual, gap, transport_cost, transported_mass, .. } = &mut self.report;
        let numbers = [primal, dual, gap, transport_cost, transported_mass].into_iter();
        numbers.chain(&mut self.plan.values).for_each(|number| *number *= factor);
        self
    }

    /// The solution of the problem with source and target, of `columns` points, exchanged.
    fn transposed(self, columns: usize) -> Self {
        let Self { source_potential, target_potential, plan, report } = self;
        let entries = plan.entries().map(|(i, j, mass)| (j as u32, i as u32, mass)).collect();
        let report = Report {
            source_residual: report.target_residual,
            target_residual: report.source_residual,
            ..report
        };
        Self {
            source_potential: target_potential,
            target_potential: source_potential,
            plan: SparsePlan::from_entries(columns, entries),
            report,
        }
    }
}

/// An optimal plan, its dual potentials and the solver's report.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// f: one potential a source point; +∞ for a point that nothing can be sent from.
    pub source_potential: Vec<f64>,
    /// g: one potential a target point; +∞ for a point that nothing can reach.
    pub target_potential: Vec<f64>,
    /// γ, sparse.
    pub plan: SparsePlan,
    /// Convergence and values.
    pub report: Report,
}

impl Solution {
    /// Why the plan may mean little although it is optimal, in whole sentences: nothing is transported, or most points are out of
    /// reach.
    pub fn warnings(&self) -> Vec<String> {
        let advice = "a larger delta, or other units of the coordinates, reach farther";
        if self.plan.values.is_empty() {
            return vec![format!("nothing is transported: no point is within reach of any other; {advice}")];
        }
        let of_side = |(side, potentials): (&str, &[f64])| {
            let (out, all) = (potentials.iter().filter(|f| f.is_infinite()).count(), potentials.len());
            (2 * out > all)
                .then(|| format!("{out} of {all} {side} points have no partner within reach; {advice}"))
        };
        let sides = [("source", &self.source_potential[..]), ("target", &self.target_potential[..])];
        sides.into_iter().filter_map(of_side).collect()
    }
}
