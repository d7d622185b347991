//! `chreode transport`: one static problem between two clouds of points.

use std::path::{Path, PathBuf};

use chreode::exec::stop::Stop;
use chreode::transport::solver::TransportOptions;
use chreode::transport::{PointCloud, Solution};
use clap::Args;
use serde_json::json;

use crate::arguments::Flags;
use crate::failure::{Failure, Result};
use crate::output::{check_writable, note, print, print_json, short, warn};
use crate::source;
use crate::table::{Role, Table, TableFile, listed};
use crate::written::write_csv;

#[derive(Debug, Args)]
pub struct Transport {
    /// CSV file of the source's points: coordinates, and an optional column `weight`; - is standard input
    source: PathBuf,
    /// CSV file of the target's points; where its columns have the source's names, the names decide, else the order
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
        let (source, target) = self.clouds()?;
        self.plan.as_deref().map(check_writable).transpose()?;
        let solution = self.options.0.solve(source, target, &Stop::default())?;
        warn(&solution.warnings());
        if let Some(path) = &self.plan {
            let header = ["source", "target", "mass"].map(String::from);
            let entries =
                solution.plan.entries().map(|(i, j, m)| [i.to_string(), j.to_string(), format!("{m:?}")]);
            write_csv(path, &header, entries)?;
        }
        self.tell(&solution)
    }

    /// Both clouds, the target's coordinates in the order of the source's.
    fn clouds(&self) -> Result<(PointCloud, PointCloud)> {
        let names = [&self.source, &self.target].map(|path| source::name(path));
        if names[0] == names[1] && source::is_standard_input(&self.source) {
            return Err(Failure::Usage(
                "standard input can be read once, not as source and as target".into(),
            ));
        }
        let (source, mut target) = (read(&self.source)?, read(&self.target)?);
        if source.names.len() != target.names.len() {
            return Err(Failure::Failed(format!(
                "{} has {} coordinates and {} has {}; both clouds must be of one dimension",
                names[0],
                source.names.len(),
                names[1],
                target.names.len()
            )));
        }
        let places: Vec<usize> =
            source.names.iter().filter_map(|name| target.names.iter().position(|n| n == name)).collect();
        match places.len() {
            0 => {}
            all if all == source.names.len() => target.select(&places),
            _ => {
                return Err(Failure::Failed(format!(
                    "{} has the coordinates {} and {} {}; either all names must agree or none",
                    names[0],
                    listed(&source.names),
                    names[1],
                    listed(&target.names)
                )));
            }
        }
        Ok((cloud(&source, &names[0])?, cloud(&target, &names[1])?))
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
                "primal            {:?}\ndual              {:?}\ngap               {:.1e}\ntransport cost    {}\n\
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
        Err(Failure::Failed(format!(
            "the solver did not converge: duality gap {:.1e} after {} iterations; {}",
            report.gap,
            report.iterations,
            self.options.0.advice()
        )))
    }
}

fn read(path: &Path) -> Result<Table> {
    let file = TableFile::open(path)?;
    let role = |(index, name): (usize, &String)| match name.as_str() {
        "weight" => Role::Weight,
        _ if file.is_row_names(index) => Role::Ignored,
        _ => Role::Coordinate,
    };
    let roles: Vec<Role> = file.header.iter().enumerate().map(role).collect();
    if !roles.contains(&Role::Coordinate) {
        return Err(file.failed("there is no column of coordinates"));
    }
    if roles[0] == Role::Ignored {
        note(&format!("{}: the first column, without a name of its own, is left out", source::name(path)));
    }
    file.read(&roles, LARGEST, &[])
}

fn cloud(table: &Table, name: &str) -> Result<PointCloud> {
    let cloud = PointCloud::new(table.view()?, table.weights.as_deref());
    cloud.map_err(|error| Failure::Failed(format!("{name}: {error}")))
}
