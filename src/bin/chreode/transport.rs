//! `chreode transport`: one static problem between two clouds of points.

use std::path::{Path, PathBuf};

use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::network_simplex::network_simplex;
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem, Solution};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{check_writable, print, print_json, short, write_csv};
use crate::table::{Role, Table};

#[derive(Debug, Args)]
pub struct Transport {
    /// CSV file of the source's points: coordinates, and an optional column `weight`
    source: PathBuf,
    /// CSV file of the target's points
    target: PathBuf,
    /// Cost of moving a unit of mass
    #[arg(long, value_enum, default_value = "wfr")]
    cost: CostName,
    /// δ of the cost wfr, a length
    ///
    /// Range: positive.
    #[arg(long, value_name = "REAL", default_value_t = 1.0)]
    delta: f64,
    /// Entropic regularisation, in units of the cost; 0 for the unregularised optimum
    ///
    /// Range: at least 0.
    #[arg(long, value_name = "REAL", default_value_t = 0.0)]
    epsilon: f64,
    /// Penalty ρ of either marginal; inf for hard marginals
    ///
    /// Range: positive, or inf.
    #[arg(long, value_name = "REAL", default_value_t = 1.0)]
    penalty: f64,
    /// Penalty of the source's marginal, where it differs
    #[arg(long, value_name = "REAL")]
    source_penalty: Option<f64>,
    /// Penalty of the target's marginal, where it differs
    #[arg(long, value_name = "REAL")]
    target_penalty: Option<f64>,
    /// Divide the weights of either cloud by their sum
    #[arg(long)]
    normalise: bool,
    /// Write the plan: source, target (rows of the files, from 0) and mass
    #[arg(long, value_name = "OUT.csv")]
    plan: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CostName {
    /// −2 ln cos(min(r/2δ, π/2))
    Wfr,
    /// r
    Euclidean,
    /// r²/2
    HalfSqeuclidean,
}

/// Coordinates whose squares are still finite in double precision.
const LARGEST: f64 = 1e150;

impl Transport {
    pub fn run(self) -> Result<()> {
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            return Err(Failure::Usage(format!(
                "epsilon must be finite and not negative, got {}",
                self.epsilon
            )));
        }
        let (source, target) = (self.cloud(&self.source)?, self.cloud(&self.target)?);
        if source.dims() != target.dims() {
            return Err(Failure::Failed(format!(
                "{} has {} coordinates and {} has {}; both clouds must be of one dimension",
                self.source.display(),
                source.dims(),
                self.target.display(),
                target.dims()
            )));
        }
        self.plan.as_deref().map(check_writable).transpose()?;
        let solution = self.solve(&source, &target)?;
        if let Some(path) = &self.plan {
            let header = ["source", "target", "mass"].map(String::from);
            let entries =
                solution.plan.entries().map(|(i, j, m)| [i.to_string(), j.to_string(), m.to_string()]);
            write_csv(path, &header, entries)?;
        }
        self.tell(&solution)
    }

    fn cloud(&self, path: &Path) -> Result<PointCloud> {
        let role = |name: &String| if name == "weight" { Role::Weight } else { Role::Coordinate };
        let table = Table::read(path, LARGEST, |header| Ok(header.iter().map(role).collect()))?;
        let cloud = PointCloud::new(table.view()?, table.weights.as_deref())
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        Ok(if self.normalise { cloud.normalised() } else { cloud })
    }

    fn solve(&self, source: &PointCloud, target: &PointCloud) -> Result<Solution> {
        let cost = match self.cost {
            CostName::Wfr => Cost::Wfr { delta: self.delta },
            CostName::Euclidean => Cost::Euclidean,
            CostName::HalfSqeuclidean => Cost::HalfSquaredEuclidean,
        };
        let source_penalty = self.source_penalty.unwrap_or(self.penalty);
        let target_penalty = self.target_penalty.unwrap_or(self.penalty);
        let problem = Problem { source, target, cost, source_penalty, target_penalty };
        Ok(if self.epsilon > 0.0 {
            sinkhorn(&problem, &SinkhornOptions::new(self.epsilon))?
        } else if source_penalty.is_infinite() && target_penalty.is_infinite() {
            network_simplex(&problem)?
        } else {
            entropy_transport(&problem, &EntropyTransportOptions::default())?
        })
    }

    /// Prints the values, and fails if they are not those of the optimum.
    fn tell(&self, solution: &Solution) -> Result<()> {
        let report = &solution.report;
        if self.json {
            print_json(&json!({
                "primal": report.primal,
                "dual": report.dual,
                "gap": report.gap,
                "transport_cost": report.transport_cost,
                "transported_mass": report.transported_mass,
                "iterations": report.iterations,
                "converged": report.converged,
            }))?;
        } else {
            print(&format!(
                "primal            {}\ndual              {}\ngap               {:.1e}\ntransport cost    {}\n\
                 transported mass  {}\nplan entries      {}\niterations        {}",
                report.primal,
                report.dual,
                report.gap,
                short(report.transport_cost),
                short(report.transported_mass),
                solution.plan.values.len(),
                report.iterations,
            ))?;
        }
        if report.converged {
            return Ok(());
        }
        let gap = report.gap;
        Err(Failure::Failed(format!(
            "the solver did not converge: duality gap {gap:.1e} after {} iterations; raise epsilon or rescale the coordinates",
            report.iterations
        )))
    }
}
