//! `chreode simulate`: particles at the times asked for, as a file.

use std::io::Write;
use std::path::{Path, PathBuf};

use chreode::Error;
use chreode::evaluate::ensemble::errors_of_masses;
use chreode::exec::files::NewFile;
use chreode::exec::rng::{Purpose, stream, uniform};
use chreode::exec::stop::Stop;
use chreode::fields::Fields;
use chreode::model::Dynamics;
use chreode::simulate::Particles;
use chreode::simulate::founders::Founders;
use chreode::simulate::lineage::Fate;
use chreode::simulate::simulation::{Piece, Process, Simulation, Summary};
use chreode::statistics::Estimate;
use clap::Args;
use serde_json::json;

use crate::arguments::Flags;
use crate::cells::{Data, DataArgs};
use crate::failure::{Failure, Result};
use crate::output::{check_writable, columns, print, print_json, short, warn};
use crate::spool::{Rows, Spool};
use crate::written::{CellWriter, Cells, Values};

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
        let founders = self.founders(&data)?;
        let times = self.output_times(&data, founders.time());
        let mut spool = Spool::beside(&self.output, times.len())?;
        let mut newick = self.newick.as_deref().map(Newick::create).transpose()?;
        let mut told = Told::of(&times);
        let summary = self.pieces(&model, &founders, &times, &mut |piece| {
            for (k, frame) in piece.frames.iter().enumerate() {
                spool.add(k, &rows_of(&piece, k, frame))?;
            }
            if let Some(newick) = &mut newick {
                newick.add(&piece)?;
            }
            told.add(&piece);
            Ok(())
        })?;
        warn(&summary.warnings);
        let of_member = &mut |member: &Dynamics| {
            let mut of_member = Told::of(&times);
            let take = &mut |piece| {
                of_member.add(&piece);
                Ok(())
            };
            self.pieces(member, &founders, &times, take).map(|_| of_member.masses)
        };
        let masses = errors_of_masses(&model, &self.simulation.0, &told.masses, of_member)?;
        let written = self.write(&data.names, &times, spool)?;
        if let Some(newick) = newick {
            newick.file.keep()?;
        }
        self.tell(&told, masses.as_deref(), &summary, &written)
    }

    /// Simulates all founders, some at a time.
    fn pieces(
        &self,
        fields: &dyn Fields,
        founders: &Founders<'_>,
        times: &[f64],
        take: &mut dyn FnMut(Piece) -> chreode::Result<()>,
    ) -> chreode::Result<Summary> {
        let (count, some) = (founders.count(), &mut |rows| Ok(founders.some(rows)));
        self.simulation.0.run_in_pieces(fields, count, some, times, &Stop::default(), take)
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

    fn founders<'a>(&self, data: &'a Data) -> Result<Founders<'a>> {
        let snapshots = &data.snapshots;
        let k = self.from.map_or(Ok(0), |time| snapshots.index_of(time))?;
        let Some(count) = self.founders else {
            return Ok(Founders::of_snapshot(snapshots, k, &self.simulation.0)?);
        };
        let (time, cells) = (snapshots.times()[k], snapshots.count(k));
        if count > cells {
            return Err(Failure::Usage(format!(
                "--founders must be at most {cells}, the cells at time {time}, got {count}"
            )));
        }
        Ok(Founders::sample(snapshots, k, count, self.simulation.0.seed)?)
    }

    fn output_times(&self, data: &Data, start: f64) -> Vec<f64> {
        let later = || data.snapshots.times().iter().copied().filter(|&time| time >= start).collect();
        self.times.clone().unwrap_or_else(later)
    }

    fn write(&self, names: &[String], times: &[f64], spool: Spool) -> Result<String> {
        let cells = |time: f64, rows: &Rows| {
            let all = |value: f64| vec![value; rows.len()];
            let [ids, parents] = [rows.ids.iter().map(|&id| Some(id)).collect(), rows.parents.clone()];
            let values = [
                Values::Real(all(time)),
                Values::Whole(ids),
                Values::Whole(parents),
                Values::Real(rows.weights.clone()),
            ];
            COLUMNS.map(String::from).into_iter().zip(values).collect()
        };
        let none = Cells { columns: cells(0.0, &Rows::default()), names: names.to_vec(), points: vec![] };
        let mut writer = CellWriter::create(&self.output, &none, spool.len())?;
        spool.read(&mut |k, rows| {
            let points = rows.points.chunks_exact(names.len()).collect();
            writer.append(&Cells { columns: cells(times[k], rows), names: names.to_vec(), points })
        })?;
        writer.finish()
    }

    fn tell(&self, told: &Told, masses: Option<&[Estimate]>, summary: &Summary, written: &str) -> Result<()> {
        let branches = self.simulation.0.process == Process::Branching;
        let of_events = |count: usize| branches.then_some(count);
        let (divisions, deaths) = (of_events(told.divisions), of_events(told.deaths));
        let frames = || told.times.iter().zip(&told.particles).zip(&told.masses).enumerate();
        if self.json {
            let of_frame = |(k, ((time, particles), mass))| -> chreode::Result<serde_json::Value> {
                let mut told = json!({ "time": time, "particles": particles, "mass": mass });
                if let Some(masses) = masses {
                    let mass: &Estimate = &masses[k];
                    told["mass_sd"] = json!(mass.sd);
                    told["mass_q05"] = json!(mass.quantile(0.05)?);
                    told["mass_q95"] = json!(mass.quantile(0.95)?);
                }
                Ok(told)
            };
            return print_json(&json!({
                "time_points": frames().map(of_frame).collect::<chreode::Result<Vec<_>>>()?,
                "divisions": divisions,
                "deaths": deaths,
                "outside": summary.outside,
                "warnings": summary.warnings,
                "output": self.output.display().to_string(),
            }));
        }
        let row = |(k, ((time, particles), mass)): (usize, ((&f64, &usize), &f64))| {
            let error = masses.map_or(String::new(), |masses| format!(" ± {}", short(masses[k].sd)));
            vec![time.to_string(), particles.to_string(), short(*mass) + &error]
        };
        let mut text = columns(&["time", "particles", "mass"], &frames().map(row).collect::<Vec<_>>());
        if let Some((divisions, deaths)) = divisions.zip(deaths) {
            text += &format!("{divisions} divisions, {deaths} deaths\n");
        }
        if let Some(outside) = summary.outside {
            text += &format!(
                "{:.1} % of the particles' time outside of the box of the fitted cells\n",
                100.0 * outside
            );
        }
        print(&(text + &format!("particles: {written}")))
    }
}

/// What is written of the particles of a piece at output time `k`.
fn rows_of(piece: &Piece, k: usize, frame: &Particles) -> Rows {
    let parent = |row: usize| match (&piece.lineage, k.checked_sub(1)) {
        (Some(lineage), _) => lineage.nodes()[frame.ids[row] as usize].parent.map(|id| piece.number(id)),
        (None, before) => {
            // Of all particles of the piece, or of its founders, who are numbered by their rows.
            let ancestor = frame.ancestors[row];
            let ancestor = before.map_or((piece.founders.start + ancestor) as u64, |before| {
                piece.frames[before].ids[ancestor]
            });
            // A particle of a branch has its founder's number times that of the branches, plus its own.
            let own = if k == 0 { frame.ids[row] / piece.branches as u64 } else { frame.ids[row] };
            Some(ancestor).filter(|&ancestor| ancestor != own)
        }
    };
    Rows {
        ids: frame.ids.iter().map(|&id| piece.number(id)).collect(),
        parents: (0..frame.len()).map(parent).collect(),
        weights: frame.weights(),
        points: frame.points.clone(),
    }
}

/// The lineage forest in a file in the making.
struct Newick<'a> {
    path: &'a Path,
    file: NewFile,
}

impl<'a> Newick<'a> {
    fn create(path: &'a Path) -> chreode::Result<Self> {
        Ok(Self { path, file: NewFile::create(path)? })
    }

    fn add(&mut self, piece: &Piece) -> chreode::Result<()> {
        self.file
            .write_all(piece.newick().as_bytes())
            .map_err(|error| Error::Io { path: self.path.into(), message: error.to_string() })
    }
}

/// What there is to tell of the pieces so far.
struct Told {
    /// The output times, and how many particles of which mass there are at each.
    times: Vec<f64>,
    particles: Vec<usize>,
    masses: Vec<f64>,
    divisions: usize,
    deaths: usize,
}

impl Told {
    fn of(times: &[f64]) -> Self {
        let count = times.len();
        Self {
            times: times.to_vec(),
            particles: vec![0; count],
            masses: vec![0.0; count],
            divisions: 0,
            deaths: 0,
        }
    }

    fn add(&mut self, piece: &Piece) {
        for (k, frame) in piece.frames.iter().enumerate() {
            self.particles[k] += frame.len();
            // Weight after weight, as of all particles at once.
            self.masses[k] = frame.log_weights.iter().fold(self.masses[k], |mass, &l| mass + libm::exp(l));
        }
        for node in piece.lineage.iter().flat_map(|lineage| lineage.nodes()) {
            self.divisions += usize::from(node.fate == Fate::Divided);
            self.deaths += usize::from(node.fate == Fate::Died);
        }
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
