//! Fits: a task for every block of every interval's coupling, or, of an ensemble, for every one of its fits.
//!
//! A single fit is trained when it is finished; one that is based on simulation does not couple and has no tasks at all.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::data::{Fingerprint, Shape, Side};
use super::evaluate::refuse_auto;
use super::learned;
use super::plan::{Inputs, Task, Work, read_settings, settings_json, without_threads};
use super::reading::{Fields, unusable};
use crate::error::{Error, Result};
use crate::exec::arrays::{Arrays, Read};
use crate::exec::progress::{Reporter, Stage};
use crate::fields::Role;
use crate::method::{Division, Fit, FitOptions, Gauge, Learned, Pieces, Unit, cheaper_count};
use crate::options::Settings;
use crate::snapshots::{MatrixView, Snapshots};
use crate::transport::PointCloud;
use crate::transport::coupling::{Coupling, Pair};
use crate::transport::minibatch::{Cut, SolvedBlock};

/// A fit as a plan has it.
#[derive(Debug)]
pub(super) struct FitJob {
    settings: Settings<FitOptions>,
    options: FitOptions,
    shape: Shape,
    /// δ, σ and ρ, each where the recipe has it.
    numbers: [Option<f64>; 3],
    gauges: Vec<Gauge>,
    fits: usize,
    /// Of each block, in the order of the tasks, the fingerprint of its cells.
    cells: Vec<Fingerprint>,
    /// Which cells the blocks of each interval have, once somebody has asked.
    cuts: Vec<OnceLock<Cut>>,
}

/// What came of a task, or of all.
pub(super) enum Piece {
    Block(SolvedBlock),
    Member(Box<Learned>),
}

impl FitJob {
    pub(super) fn new(
        snapshots: &Snapshots,
        settings: &Settings<FitOptions>,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Self> {
        let (settings, options) = without_threads(settings)?;
        let options = FitOptions { threads, ..options };
        let division = Division::new(snapshots, &options, reporter)?;
        let (numbers, gauges, fits) = (division.numbers(), division.gauges().to_vec(), division.fits());
        let shape = Shape::of(snapshots);
        let mut job = Self::of(settings, options, shape, numbers, gauges, fits)?;
        let mut cells = vec![];
        for (interval, gauge) in job.gauges.iter().enumerate() {
            for block in 0..gauge.blocks {
                let sides = Side::of_block(snapshots, interval, job.rows(interval, block)?);
                cells.push(Fingerprint::of_cells(&sides));
            }
        }
        job.cells = cells;
        Ok(job)
    }

    fn of(
        settings: Settings<FitOptions>,
        options: FitOptions,
        shape: Shape,
        numbers: [Option<f64>; 3],
        gauges: Vec<Gauge>,
        fits: usize,
    ) -> Result<Self> {
        refuse_auto(options.device)?;
        let cuts = gauges.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { settings, options, shape, numbers, gauges, fits, cells: vec![], cuts })
    }

    pub(super) fn settings(&self) -> &Settings<FitOptions> {
        &self.settings
    }

    fn division<'a>(&self, options: &'a FitOptions) -> Division<'a> {
        Division::of(options, self.numbers, self.gauges.clone(), self.fits)
    }

    fn units(&self) -> Vec<Unit> {
        self.division(&self.options).units()
    }

    /// The cells of a block: of the snapshot before and of that after.
    fn rows(&self, interval: usize, block: usize) -> Result<[&[usize]; 2]> {
        let cut = match self.cuts[interval].get() {
            Some(cut) => cut,
            None => {
                let weighted = (self.shape.weighted(interval), self.shape.weighted(interval + 1));
                let cut = self.division(&self.options).cut(interval, weighted)?;
                self.cuts[interval].get_or_init(|| cut)
            }
        };
        Ok([&cut.rows[block], &cut.columns[block]])
    }

    /// The cells of a block, from all cells or from those alone.
    fn sides(
        &self,
        snapshots: &Snapshots,
        task: usize,
        (interval, block): (usize, usize),
    ) -> Result<[Side; 2]> {
        let [rows, columns] = self.rows(interval, block)?;
        let sides = if self.shape.is_that_of(snapshots) {
            Side::of_block(snapshots, interval, [rows, columns])
        } else {
            let times = &self.shape.times[interval..interval + 2];
            let counts: Vec<usize> = (0..snapshots.len()).map(|k| snapshots.count(k)).collect();
            let is_block = (snapshots.dims(), snapshots.times()) == (self.shape.dims, times)
                && counts == [rows.len(), columns.len()];
            if !is_block {
                return Err(Error::InvalidData(format!(
                    "task {task} is given {counts:?} cells at the times {:?}; it takes all cells of the plan, {:?} at {:?}, or its \
                     own, {} and {} at {times:?}",
                    snapshots.times(),
                    self.shape.counts,
                    self.shape.times,
                    rows.len(),
                    columns.len()
                )));
            }
            let all = [0, 1].map(|k| (0..counts[k]).collect::<Vec<_>>());
            Side::of_block(snapshots, 0, [&all[0], &all[1]])
        };
        if Some(&Fingerprint::of_cells(&sides)) == self.cells.get(task) {
            return Ok(sides);
        }
        Err(Error::InvalidData(format!(
            "the cells of task {task} are not those that the plan was made for: other coordinates, weights, or another order, or other growth priors or clones"
        )))
    }

    pub(super) fn read(&self, bytes: &[u8]) -> Result<Piece> {
        match self.fits {
            0 => block_of_bytes(bytes).map(Piece::Block),
            _ => {
                let report = self.division(&self.options).report();
                let learned = learned::of_bytes(bytes, &self.options, self.shape.dims, report)?;
                Ok(Piece::Member(Box::new(learned)))
            }
        }
    }

    pub(super) fn finish(
        &self,
        snapshots: &Snapshots,
        pieces: Vec<Piece>,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Fit> {
        self.shape.check(snapshots)?;
        let options = FitOptions { threads, ..self.options.clone() };
        let (mut blocks, mut members) = (vec![], vec![]);
        for piece in pieces {
            match piece {
                Piece::Block(block) => blocks.push(block),
                Piece::Member(learned) => members.push(*learned),
            }
        }
        let pieces = if self.fits == 0 { Pieces::Blocks(blocks) } else { Pieces::Members(members) };
        self.division(&options).finish(snapshots, pieces, reporter)
    }

    pub(super) fn of_json(fields: &Fields<'_>, tasks: &[Fields<'_>]) -> Result<Self> {
        let (settings, options): (_, FitOptions) =
            without_threads(&read_settings(&fields.fields("options")?)?)?;
        let numbers = fields.fields("numbers")?;
        let number = |name: &str| match numbers.optional_real(name)? {
            Some(value) if !(value > 0.0 && value.is_finite()) => Err(unusable(format!("{name} is {value}"))),
            value => Ok(value),
        };
        let numbers = [number("delta")?, number("sigma")?, number("penalty")?];
        let shape = Shape::of_json(&fields.fields("data")?)?;
        let gauge = |interval: &Value| {
            let fields = Fields(interval);
            Ok(Gauge {
                factors: fields.pair("factors")?,
                masses: fields.pair("masses")?,
                blocks: fields.count("blocks")?,
            })
        };
        let gauges = fields.list("intervals", Some)?.into_iter().map(gauge).collect::<Result<Vec<_>>>()?;
        let fits = fields.count("fits")?;
        let weighted = |k: usize| shape.counts[k] - shape.weightless[k].len();
        let fits_cells =
            |(k, gauge): (usize, &Gauge)| (1..=weighted(k).min(weighted(k + 1))).contains(&gauge.blocks);
        let intervals = shape.times.len() - 1;
        let couples = options.recipe.coupling().is_some() && options.ensemble == 1;
        let wants = if couples { intervals } else { 0 };
        if gauges.len() != wants || !gauges.iter().enumerate().all(fits_cells) {
            return Err(unusable("its blocks are not those of its data"));
        }
        // Every fit has a task, so that a count beyond them is not believed.
        if (fits > 0) != (options.ensemble > 1) || fits > tasks.len() {
            return Err(unusable("its fits are not those of its options"));
        }
        let mut job = Self::of(settings, options, shape, numbers, gauges, fits)?;
        if job.gauges.iter().map(|gauge| gauge.blocks).sum::<usize>() + fits != tasks.len() {
            return Err(unusable("its tasks are not those of its blocks"));
        }
        if fits == 0 {
            let cells = tasks.iter().map(|task| task.fingerprint("cells"));
            job.cells = cells.collect::<Result<_>>()?;
        }
        Ok(job)
    }
}

impl Work for FitJob {
    fn name(&self) -> &'static str {
        "fit"
    }

    fn stage(&self) -> Stage {
        if self.fits == 0 { Stage::Coupling } else { Stage::Training }
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn rows_of(&self, task: usize) -> Result<Option<Vec<usize>>> {
        let Some(&Unit::Block { interval, block }) = self.units().get(task) else { return Ok(None) };
        let before = |k: usize| self.shape.counts[..k].iter().sum::<usize>();
        let [rows, columns] = self.rows(interval, block)?;
        let source = rows.iter().map(|row| row + before(interval));
        Ok(Some(source.chain(columns.iter().map(|row| row + before(interval + 1))).collect()))
    }

    fn tasks(&self) -> Vec<Task> {
        let counts = |k: usize| self.shape.counts[k] - self.shape.weightless[k].len();
        let pairs = |k: usize, blocks: usize| {
            (counts(k) as f64 / blocks as f64) * (counts(k + 1) as f64 / blocks as f64)
        };
        let task = |(number, unit): (usize, Unit)| match unit {
            Unit::Block { interval, block } => {
                let about = json!({
                    "interval": interval,
                    "block": block,
                    "cells": self.cells.get(number).map(Fingerprint::to_string),
                });
                let cost = pairs(interval, self.gauges[interval].blocks) * SECONDS_OF_PAIR;
                Task::new("block", about, cost)
            }
            Unit::Member { index } => {
                let FitOptions { ensemble, recipe, .. } = &self.options;
                let first_cheaper = self.fits.saturating_sub(cheaper_count(recipe));
                let (kind, number) = match index {
                    _ if index < *ensemble => ("member", index),
                    _ if index < first_cheaper => ("coarse", index - ensemble),
                    _ => ("cheaper", index - first_cheaper),
                };
                let intervals = 0..self.shape.times.len() - 1;
                let coupling = match self.options.recipe.coupling() {
                    Some(_) => intervals.clone().map(|k| pairs(k, 1)).sum::<f64>() * SECONDS_OF_PAIR,
                    None => 0.0,
                };
                let training = &self.options.training;
                let shape = training.architecture(Role::Velocity, self.shape.dims);
                let parameters = shape.map_or(0, |shape| shape.parameter_count()) as f64;
                let rows = training.epochs as f64 * training.batch_size as f64 * intervals.len() as f64;
                let cost = coupling + rows * parameters * SECONDS_OF_PARAMETER;
                Task::new(kind, json!({ "index": number }), cost)
            }
        };
        self.units().into_iter().enumerate().map(task).collect()
    }

    fn run(
        &self,
        inputs: Inputs<'_>,
        task: usize,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Vec<u8>> {
        let (snapshots, options) = (inputs.snapshots, FitOptions { threads, ..self.options.clone() });
        let division = self.division(&options);
        match self.units()[task] {
            Unit::Member { index } => {
                self.shape.check(snapshots)?;
                Ok(learned::to_bytes(&division.learn(snapshots, index, reporter)?))
            }
            Unit::Block { interval, block } => {
                let sides = self.sides(snapshots, task, (interval, block))?;
                let cloud = |side: &Side| {
                    let rows = side.weights.len();
                    let view = MatrixView::from_f32(&side.points, rows, self.shape.dims)?;
                    let cells = PointCloud::new(view, Some(&side.weights))?;
                    match &side.clones {
                        Some(clones) => cells.with_clones(clones, options.price_of_clones()),
                        None => Ok(cells),
                    }
                };
                let clouds = (cloud(&sides[0])?, cloud(&sides[1])?);
                let times = (self.shape.times[interval], self.shape.times[interval + 1]);
                Ok(block_to_bytes(&division.solve(interval, times, clouds, reporter)?))
            }
        }
    }

    fn check(&self, _task: usize, result: &[u8]) -> Result<()> {
        self.read(result).map(drop)
    }

    fn to_json(&self) -> Map<String, Value> {
        let [delta, sigma, penalty] = self.numbers;
        let interval = |gauge: &Gauge| {
            json!({
                "factors": [gauge.factors.0, gauge.factors.1],
                "masses": [gauge.masses.0, gauge.masses.1],
                "blocks": gauge.blocks,
            })
        };
        let mut json = Map::new();
        json.insert("options".into(), settings_json(&self.settings));
        json.insert("numbers".into(), json!({ "delta": delta, "sigma": sigma, "penalty": penalty }));
        json.insert("intervals".into(), self.gauges.iter().map(interval).collect());
        json.insert("fits".into(), json!(self.fits));
        json.insert("data".into(), self.shape.to_json());
        json
    }
}

/// What a pair of cells takes to be coupled, and a parameter a row of a training batch: roughly, on one core.
const SECONDS_OF_PAIR: f64 = 1e-7;
const SECONDS_OF_PARAMETER: f64 = 1e-9;

fn block_to_bytes(block: &SolvedBlock) -> Vec<u8> {
    let SolvedBlock { coupling, report, source_potential, target_potential, target_factor } = block;
    let Coupling { pairs, dying, born } = coupling;
    let mut arrays = Arrays::default();
    arrays.cells("pairs", pairs.iter().flat_map(|pair| [pair.source, pair.target]));
    arrays.reals("masses", pairs.iter().flat_map(|pair| [pair.sent, pair.received, pair.coupled]));
    for (name, alone) in [("dying", dying), ("born", born)] {
        arrays.cells(name, alone.iter().map(|(cell, _)| *cell));
        arrays.reals(format!("{name}_masses"), alone.iter().map(|(_, mass)| *mass));
    }
    arrays.reals("source_potential", source_potential.iter().copied());
    arrays.reals("target_potential", target_potential.iter().copied());
    arrays.reals("report", learned::of_report(report).into_iter().chain([*target_factor]));
    arrays.to_bytes(&json!({}))
}

fn block_of_bytes(bytes: &[u8]) -> Result<SolvedBlock> {
    let read = Read::new(bytes)?;
    let (ends, masses) = (read.cells("pairs")?, read.rows::<3>("masses")?);
    let (ends, _) = ends.as_chunks::<2>();
    let alone = |name: &str| {
        let (cells, masses) = (read.cells(name)?, read.reals(&format!("{name}_masses"))?);
        let fits = cells.len() == masses.len() && masses.iter().all(|mass| *mass >= 0.0 && mass.is_finite());
        if fits {
            Ok(cells.into_iter().zip(masses).collect())
        } else {
            Err(unusable(format!("its {name} cells")))
        }
    };
    let is_mass = |mass: &f64| *mass > 0.0 && mass.is_finite();
    if ends.len() != masses.len() || !masses.as_flattened().iter().all(is_mass) {
        return Err(unusable("its pairs do not go together"));
    }
    let pair = |(&[source, target], &[sent, received, coupled]): (&[u32; 2], &[f64; 3])| Pair {
        source,
        target,
        sent,
        received,
        coupled,
    };
    let coupling = Coupling {
        pairs: ends.iter().zip(&masses).map(pair).collect(),
        dying: alone("dying")?,
        born: alone("born")?,
    };
    let reports = read.rows::<10>("report")?;
    let [report @ .., target_factor] = reports.first().ok_or_else(|| unusable("it lacks a report"))?;
    let target_factor = *target_factor;
    if !(target_factor > 0.0 && target_factor.is_finite()) {
        return Err(unusable(format!("its target factor is {target_factor}")));
    }
    Ok(SolvedBlock {
        coupling,
        report: learned::to_report(report),
        source_potential: read.reals("source_potential")?,
        target_potential: read.reals("target_potential")?,
        target_factor,
    })
}
