//! `chreode simulate`: particles at the times asked for, as a file.

use std::path::PathBuf;

use chreode::evaluate::ensemble::masses;
use chreode::exec::files::write_atomically;
use chreode::exec::rng::{Purpose, stream, uniform};
use chreode::exec::stop::Stop;
use chreode::model::Dynamics;
use chreode::simulate::lineage::{Fate, Lineage};
use chreode::simulate::simulation::{Outcome, Process, Simulation};
use chreode::simulate::{Particles, Trajectory};
use chreode::statistics::Estimate;
use clap::Args;
use serde_json::json;

use crate::arguments::Flags;
use crate::cells::{Data, DataArgs};
use crate::failure::{Failure, Result};
use crate::output::{check_writable, columns, print, print_json, short, warn};
use crate::written::{Cells, Values, write_cells};

#[derive(Debug, Args)]
pub struct Simulate {
    /// The model
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    simulation: Flags<Simulation>,
    /// Times to report, separated by commas; decreasing for a simulation into the past
    ///
    /// Default: the times of the data from the start on.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', allow_hyphen_values = true)]
    times: Option<Vec<f64>>,
    /// The time of the snapshot whose cells start
    ///
    /// Default: the first.
    #[arg(long, value_name = "TIME")]
    from: Option<f64>,
    /// Start from so many cells of the snapshot, chosen by the seed
    ///
    /// Default: all.
    #[arg(long, value_name = "COUNT")]
    founders: Option<usize>,
    /// Where to write the particles: time, particle, parent, weight, coordinates
    ///
    /// The parent is the cell that divided into this one, or the particle that a resampled one was drawn from; empty where there is none.
    /// By the end of its name a table (.csv, .tsv, either with .gz), Parquet (.parquet) or NumPy's array (.npy) of the coordinates, with
    /// the other columns beside it in OUT.obs.csv.
    #[arg(short, long, value_name = "OUT.csv")]
    output: PathBuf,
    /// Branching: also write the lineage forest in the Newick format
    #[arg(long, value_name = "FILE")]
    newick: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The columns of the output before the coordinates.
const COLUMNS: [&str; 4] = ["time", "particle", "parent", "weight"];

impl Simulate {
    pub fn run(self) -> Result<()> {
        self.check_arguments()?;
        let model = Dynamics::load(&self.model)?;
        let data = self.data.read_for(&self.model, &model)?;
        if let Some(name) = data.names.iter().find(|name| COLUMNS.contains(&name.as_str())) {
            return Err(Failure::Failed(format!(
                "{}: a coordinate is called `{name}`, which is a column of the output; name its role (--time-column, \
                 --weight-column, --ignore-column) or rename it",
                self.data.name()
            )));
        }
        for path in std::iter::once(&self.output).chain(&self.newick) {
            check_writable(path)?;
        }
        let start = self.start(&data)?;
        let times = self.output_times(&data, start.time);
        let Outcome { trajectory, lineage, warnings, .. } =
            self.simulation.0.run(&model, &start, &times, &Stop::default())?;
        warn(&warnings);
        let Trajectory { frames, outside } = trajectory;
        let masses = masses(&model, &self.simulation.0, &start, &frames, &Stop::default())?;
        let written = self.write(&data, &start, &frames, lineage.as_ref())?;
        if let Some((path, lineage)) = self.newick.as_ref().zip(lineage.as_ref()) {
            write_atomically(path, lineage.newick().as_bytes())?;
        }
        self.tell(&frames, masses.as_deref(), lineage.as_ref(), outside, &warnings, &written)
    }

    fn check_arguments(&self) -> Result<()> {
        let usage = |what: &str| Err(Failure::Usage(what.into()));
        if self.newick.is_some() && self.simulation.0.process != Process::Branching {
            return usage("--newick: there are lineages with --mode branching only");
        }
        if self.founders == Some(0) {
            return usage("--founders: at least 1 is needed");
        }
        Ok(())
    }

    fn start(&self, data: &Data) -> Result<Particles> {
        let snapshots = &data.snapshots;
        let k = self.from.map_or(Ok(0), |time| snapshots.index_of(time))?;
        let all = Particles::of_snapshot(snapshots, k);
        let Some(founders) = self.founders else { return Ok(all) };
        if founders > all.len() {
            let (time, cells) = (all.time, all.len());
            return Err(Failure::Usage(format!(
                "--founders must be at most {cells}, the cells at time {time}, got {founders}"
            )));
        }
        let rows = snapshots.sample(k, founders, self.simulation.0.seed)?;
        let points = rows.iter().flat_map(|&row| all.point(row)).copied().collect();
        // Heavy cells are drawn more often, so all that are drawn weigh the same.
        let weights = vec![all.mass() / all.len() as f64; founders];
        Ok(Particles::new(all.time, all.dims, points, Some(&weights))?)
    }

    fn output_times(&self, data: &Data, start: f64) -> Vec<f64> {
        let later = || data.snapshots.times().iter().copied().filter(|&time| time >= start).collect();
        self.times.clone().unwrap_or_else(later)
    }

    fn write(
        &self,
        data: &Data,
        start: &Particles,
        frames: &[Particles],
        lineage: Option<&Lineage>,
    ) -> Result<String> {
        let all: usize = frames.iter().map(Particles::len).sum();
        let mut real = [(); 2].map(|()| Vec::with_capacity(all));
        let mut whole = [(); 2].map(|()| Vec::with_capacity(all));
        for (f, frame) in frames.iter().enumerate() {
            let before = if f == 0 { start } else { &frames[f - 1] };
            for (row, weight) in frame.weights().into_iter().enumerate() {
                let id = frame.ids[row];
                let parent = match lineage {
                    Some(lineage) => lineage.nodes()[id as usize].parent,
                    None => Some(before.ids[frame.ancestors[row]]).filter(|&ancestor| ancestor != id),
                };
                real[0].push(frame.time);
                whole[0].push(Some(id));
                whole[1].push(parent);
                real[1].push(weight);
            }
        }
        let ([times, weights], [ids, parents]) = (real, whole);
        let values = [Values::Real(times), Values::Whole(ids), Values::Whole(parents), Values::Real(weights)];
        let cells = Cells {
            columns: COLUMNS.map(String::from).into_iter().zip(values).collect(),
            names: data.names.clone(),
            points: frames.iter().flat_map(|frame| (0..frame.len()).map(|row| frame.point(row))).collect(),
        };
        write_cells(&self.output, &cells)
    }

    fn tell(
        &self,
        frames: &[Particles],
        masses: Option<&[Estimate]>,
        lineage: Option<&Lineage>,
        outside: Option<f64>,
        warnings: &[String],
        written: &str,
    ) -> Result<()> {
        let count = |fate: Fate| lineage.map(|lineage| lineage.times_of(fate).count());
        let (divisions, deaths) = (count(Fate::Divided), count(Fate::Died));
        if self.json {
            let of_frame = |(k, frame): (usize, &Particles)| -> chreode::Result<serde_json::Value> {
                let mut told = json!({ "time": frame.time, "particles": frame.len(), "mass": frame.mass() });
                if let Some(masses) = masses {
                    told["mass_sd"] = json!(masses[k].sd);
                    told["mass_q05"] = json!(masses[k].quantile(0.05)?);
                    told["mass_q95"] = json!(masses[k].quantile(0.95)?);
                }
                Ok(told)
            };
            return print_json(&json!({
                "time_points": frames.iter().enumerate().map(of_frame).collect::<chreode::Result<Vec<_>>>()?,
                "divisions": divisions,
                "deaths": deaths,
                "outside": outside,
                "warnings": warnings,
                "output": self.output.display().to_string(),
            }));
        }
        let row = |(k, frame): (usize, &Particles)| {
            let error = masses.map_or(String::new(), |masses| format!(" ± {}", short(masses[k].sd)));
            vec![frame.time.to_string(), frame.len().to_string(), short(frame.mass()) + &error]
        };
        let mut text =
            columns(&["time", "particles", "mass"], &frames.iter().enumerate().map(row).collect::<Vec<_>>());
        if let Some((divisions, deaths)) = divisions.zip(deaths) {
            text += &format!("{divisions} divisions, {deaths} deaths\n");
        }
        if let Some(outside) = outside {
            text += &format!(
                "{:.1} % of the particles' time outside of the box of the fitted cells\n",
                100.0 * outside
            );
        }
        print(&(text + &format!("particles: {written}")))
    }
}

/// `count` of the numbers below `all`, in increasing order, each choice as likely as any other (Knuth's algorithm S).
pub fn choose(all: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut rng = stream(seed, Purpose::Resampling, 1, 0);
    let mut chosen = Vec::with_capacity(count);
    for row in 0..all {
        if ((all - row) as f64) * uniform(&mut rng) < (count - chosen.len()) as f64 {
            chosen.push(row);
        }
    }
    chosen
}
