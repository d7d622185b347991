//! `chreode transport`: one static problem between two clouds of points.

use std::path::{Path, PathBuf};

use chreode::exec::stop::Stop;
use chreode::transport::solver::TransportOptions;
use chreode::transport::{PointCloud, Solution};
use clap::Args;
use serde_json::json;

use crate::arguments::Flags;
use crate::failure::{Failure, Result};
use crate::output::{check_writable, print, print_json, short, warn, write_csv};
use crate::table::{Role, Table};

#[derive(Debug, Args)]
pub struct Transport {
    /// CSV file of the source's points: coordinates, and an optional column `weight`
    source: PathBuf,
    /// CSV file of the target's points
    target: PathBuf,
    #[command(flatten)]
    options: Flags<TransportOptions>,
    /// Write the plan: source, target (rows of the files, from 0) and mass
    #[arg(long, value_name = "OUT.csv")]
    plan: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Coordinates whose squares are still finite in double precision.
const LARGEST: f64 = 1e150;

impl Transport {
    pub fn run(self) -> Result<()> {
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
        let solution = self.options.0.solve(source, target, &Stop::default())?;
        warn(&solution.warnings());
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
        PointCloud::new(table.view()?, table.weights.as_deref())
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
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
                "warnings": solution.warnings(),
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
